"""mm/vmscan.c, v6.8: reclaim of one folio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    READ_ONCE,
    atomic_inc_not_zero,
    folio_trylock,
    folio_unlock,
    free_unref_folio,
    read,
)

if TYPE_CHECKING:
    from .config import SWAPFILE_CLUSTER
    from .filemap import folio_put
    from .huge_memory import can_split_folio, split_huge_page
    from .rmap import try_to_unmap
    from .swap_state import add_to_swap
    from .swapfile.reclaim import folio_free_swap, vm_swap_full
    from .vmscan_writeout import shrink_folio_remove, shrink_folio_write

    def cond_resched() -> object: ...


def reclaim_folio(folio):
    """The way of one folio through reclaim: reclaim isolates it, which takes a reference, and puts it back if it was kept.
    Returns whether it was freed; nothing happens to a folio that is being freed already."""
    isolated = yield atomic_inc_not_zero(folio.refcount)
    if not isolated:
        return False
    freed = yield from shrink_folio(folio)
    if not freed:
        yield from folio_put(folio)
    return freed


def shrink_folio(folio):
    """One round of shrink_folio_list(). Caller has a reference from isolation. A folio that somebody has locked is kept. It
    goes to swap, out of all page tables and to the disk, whatever of that is still to be done; what is clean then is freed.
    Returns whether it was freed, the caller's reference with it."""
    yield from cond_resched()
    locked = yield folio_trylock(folio)
    if not locked:
        return False
    unmapped = yield from shrink_folio_unmap(folio)
    if not unmapped:
        yield from shrink_folio_activate(folio)
        return False
    dirty = yield read(folio.dirty)
    if dirty:
        clean = yield from shrink_folio_write(folio)
        if not clean:
            return False
    removed = yield from shrink_folio_remove(folio)
    yield folio_unlock(folio)
    if removed:
        yield free_unref_folio(folio)
    return removed


def shrink_folio_unmap(folio):
    """The first half of shrink_folio_list(), with the folio locked: false where it becomes active again. That is while it is
    being written, without swap for it, and as long as somebody maps it."""
    writeback = yield READ_ONCE(folio.writeback)
    if writeback:
        return False
    mapping = yield READ_ONCE(folio.mapping)
    if not mapping:
        swapped = yield from shrink_folio_add_to_swap(folio)
        if not swapped:
            return False
    mapped = yield READ_ONCE(folio.mapcount)
    if mapped:
        yield from try_to_unmap(folio)
        mapped = yield READ_ONCE(folio.mapcount)
    return not mapped


def shrink_folio_add_to_swap(folio):
    """The part of shrink_folio_list() that puts an anonymous folio into the swap cache. A large one that no PMD maps
    as a whole is split before, as some of its pages may be free already; so is one that gets no slots in one piece. False: no
    swap."""
    swapcache = yield read(folio.swapcache)
    lazyfree = yield READ_ONCE(folio.lazyfree)
    if swapcache or lazyfree:
        return True
    nr_pages = yield READ_ONCE(folio.nr_pages)
    if nr_pages > 1:
        possible = yield from can_split_folio(folio)
        if not possible:
            return False
        worth = yield from worth_splitting(folio, nr_pages)
        if worth:
            err = yield from split_huge_page(folio)
            if err:
                return False
    added = yield from add_to_swap(folio)
    if added:
        return True
    nr_pages = yield READ_ONCE(folio.nr_pages)
    if nr_pages == 1:
        return False
    err = yield from split_huge_page(folio)
    if err:
        return False
    added = yield from add_to_swap(folio)
    return added


def worth_splitting(folio, nr_pages):
    """The condition of shrink_folio_list() for a split before a large folio goes to swap: no PMD maps it."""
    mapped = yield READ_ONCE(folio.mapcount)
    return nr_pages != SWAPFILE_CLUSTER or mapped < nr_pages


def shrink_folio_activate(folio):
    """The label activate_locked of shrink_folio_list(): a folio that stays gives up its swap, if swap is scarce. Unlocks
    it."""
    swapcache = yield read(folio.swapcache)
    if swapcache:
        full = yield from vm_swap_full()
        if full:
            yield from folio_free_swap(folio)
    yield folio_unlock(folio)
