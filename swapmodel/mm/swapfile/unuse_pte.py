"""mm/swapfile.c, v6.8: the page tables that swapoff looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    READ_ONCE,
    atomic_add,
    down_read,
    folio_lock,
    folio_unlock,
    read,
    up_read,
    wait_var_event,
    write,
)
from ..errno import ENOMEM
from ..swapops import (
    SWAP_MAP_BAD,
    is_swap_pte,
    mk_pte,
    pte_same_as_swp,
    pte_swp_exclusive,
    pte_to_swp_entry,
    swp_entry,
    swp_entry_to_pte,
    swp_offset,
    swp_type,
)
from .entries import swap_free
from .lookup import swap_info
from .reclaim import folio_free_swap

if TYPE_CHECKING:
    from ..filemap import folio_put
    from ..memory import folio_add_anon_rmap_pte, pte_offset_map_lock, pte_unmap_unlock
    from ..swap_readahead import swapin_readahead
    from ..swap_state import swap_cache_get_folio

    def cond_resched() -> object: ...


SWP_PTE_MARKER = 31  # the last of the pseudo types


PTE_MARKER_POISONED = 2


def make_poisoned_swp_entry():
    """include/linux/swapops.h, v6.8: stands where a page could not be read."""
    return swp_entry(SWP_PTE_MARKER, PTE_MARKER_POISONED)


def unuse_mm(mm, type):
    """mm/swapfile.c, v6.8. Every VMA that the mm still has, with mmap_lock held for reading. Returns 0 or -ENOMEM."""
    error = 0
    yield down_read(mm.mmap_lock)
    attached = yield read(mm.vma)
    if attached:
        error = yield from unuse_pte_range(mm, type)
    if not error:
        yield from cond_resched()
    yield up_read(mm.mmap_lock)
    return error


def unuse_pte_range(mm, type):
    """mm/swapfile.c, v6.8. The PTEs are read without their lock; unuse_pte() looks again under it. A page that is not in the
    swap cache is read from the device. -ENOMEM if there was no memory for it, which only a slot that is still in use tells."""
    for i in range(len(mm.pte)):
        pte = yield READ_ONCE(mm.pte[i])
        if not is_swap_pte(pte) or swp_type(pte_to_swp_entry(pte)) != type:
            continue
        entry = pte_to_swp_entry(pte)
        folio = yield from swap_cache_get_folio(entry)
        if not folio:
            folio = yield from swapin_readahead(entry)
        if not folio:
            si = yield READ_ONCE(swap_info[type])
            map = yield READ_ONCE(si.swap_map)
            count = yield READ_ONCE(map[swp_offset(entry)])
            if count not in (0, SWAP_MAP_BAD):
                return -ENOMEM
            continue
        yield folio_lock(folio)
        yield wait_var_event(folio.writeback, 0)
        yield from unuse_pte(mm, i, entry, folio)
        yield from folio_free_swap(folio)
        yield folio_unlock(folio)
        yield from folio_put(folio)
    return 0


def unuse_pte(mm, index, entry, folio):
    """mm/swapfile.c, v6.8. Maps the page where the swap entry was, PTE `index`, if it is still there; then drops the entry's
    reference. Both under the page table lock. A page that could not be read leaves a marker instead."""
    nr_pages = yield READ_ONCE(folio.nr_pages)
    page = swp_offset(entry) % nr_pages
    pte = mm.pte[index]
    yield from pte_offset_map_lock(mm)
    current = yield read(pte)
    if pte_same_as_swp(current, swp_entry_to_pte(entry)):
        uptodate = yield read(folio.uptodate)
        if uptodate:
            yield atomic_add(1, folio.refcount)
            yield from folio_add_anon_rmap_pte(folio, page, index, pte_swp_exclusive(current))
            yield write(pte, mk_pte(folio, page))
        else:
            yield write(pte, swp_entry_to_pte(make_poisoned_swp_entry()))
        yield from swap_free(entry)
    yield from pte_unmap_unlock(mm)
