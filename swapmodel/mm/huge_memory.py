"""mm/huge_memory.c, v6.8: splitting a large anonymous folio into folios of one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    BUG,
    READ_ONCE,
    atomic_inc_not_zero,
    folio_ref_freeze,
    folio_trylock,
    folio_unlock,
    read,
    spin_lock,
    spin_trylock,
    spin_unlock,
    write,
)
from .errno import EAGAIN, EBUSY
from .swapops import pte_dirty, pte_present

if TYPE_CHECKING:
    from .config import MMLIST
    from .filemap import folio_put
    from .huge_memory_split import __split_huge_page


def deferred_split_scan(folio):
    """mm/huge_memory.c, v6.8, for one folio: splits it if it is large and nobody has it locked. Returns split_huge_page()'s
    value, -EBUSY if it was not tried."""
    got = yield atomic_inc_not_zero(folio.refcount)
    if not got:
        return -EBUSY
    err = -EBUSY
    locked = yield folio_trylock(folio)
    if locked:
        nr_pages = yield READ_ONCE(folio.nr_pages)
        if nr_pages > 1:
            err = yield from split_huge_page(folio)
        yield folio_unlock(folio)
    yield from folio_put(folio)
    return err


def can_split_folio(folio):
    """mm/huge_memory.c, v6.8. Are the PTEs, the swap cache and the caller all that refer to the folio? They may change at
    once."""
    swapcache = yield READ_ONCE(folio.swapcache)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    mapped = yield READ_ONCE(folio.mapcount)
    references = yield READ_ONCE(folio.refcount)
    return mapped == references - nr_pages * swapcache - 1


def split_huge_page(folio):
    """mm/huge_memory.c, v6.8: split_huge_page_to_list(). Caller holds the folio lock and a reference. The first page keeps
    the folio, the lock and the caller's reference; every other one becomes a folio of its own. Returns 0; -EBUSY while the
    folio is being written, or if nobody maps it; -EAGAIN if somebody else refers to it.

    Nobody can map, unmap or find a page of it from where the reference count is frozen to where the pages are folios: the
    page tables that map it are locked here, where the kernel puts migration entries into them."""
    writeback = yield READ_ONCE(folio.writeback)
    if writeback:
        return -EBUSY
    mapping = yield READ_ONCE(folio.mapping)
    if mapping:
        yield BUG("split_huge_page: large folios of files are not modelled")
    mapped = yield READ_ONCE(folio.mapcount)
    if not mapped:
        return -EBUSY
    possible = yield from can_split_folio(folio)
    if not possible:
        return -EAGAIN
    mms = yield from lock_page_tables(folio)
    if mms is None:
        return -EAGAIN
    ptes = yield from mapping_ptes(folio, mms)
    frozen = yield from freeze_folio(folio, len(ptes))
    if not frozen:
        yield from unlock_page_tables(mms)
        return -EAGAIN
    yield from __split_huge_page(folio, mms, ptes)
    return 0


def lock_page_tables(folio):
    """The part of unmap_folio() that finds the page tables. Returns the processes whose page table lock it took; None if one
    was taken: waiting for it with another one held could deadlock with fork()."""
    mms = ()
    for m in range(len(MMLIST)):
        maps = yield from maps_folio(MMLIST[m], folio)
        if maps and not mms:
            yield spin_lock(MMLIST[m].page_table_lock)
        elif maps:
            locked = yield spin_trylock(MMLIST[m].page_table_lock)
            if not locked:
                yield from unlock_page_tables(mms)
                return None
        if maps:
            mms = (*mms, MMLIST[m])
    return mms


def maps_folio(mm, folio):
    """The look of unmap_folio() at one page table, without its lock: does any PTE map the folio?"""
    first = yield READ_ONCE(folio.index)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    for i in range(first, min(first + nr_pages, len(mm.pte))):
        pte = yield READ_ONCE(mm.pte[i])
        if pte_present(pte) and pte.folio is folio:
            return True
    return False


def unlock_page_tables(mms):
    """The end of what lock_page_tables() began."""
    for m in range(len(mms)):
        yield spin_unlock(mms[m].page_table_lock)


def mapping_ptes(folio, mms):
    """The part of unmap_folio() under the locks: every (mm, i, pte) that maps the folio. The dirty bits count for the
    folio."""
    first = yield READ_ONCE(folio.index)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    ptes = ()
    for m in range(len(mms)):
        for i in range(first, min(first + nr_pages, len(mms[m].pte))):
            pte = yield read(mms[m].pte[i])
            if pte_present(pte) and pte.folio is folio:
                ptes = (*ptes, (mms[m], i, pte))
                if pte_dirty(pte):
                    yield write(folio.dirty, 1)
    return ptes


def freeze_folio(folio, mapped):
    """The part of split_huge_page_to_list() that makes sure of all references: `mapped` PTEs were found, the swap cache has
    one for each page, the caller one. A lookup, or a process that forked while the page tables were being locked, is one
    too many."""
    swapcache = yield read(folio.swapcache)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    frozen = yield folio_ref_freeze(folio.refcount, 1 + nr_pages * swapcache + mapped)
    return frozen
