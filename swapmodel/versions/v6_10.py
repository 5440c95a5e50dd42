"""v6.10: v6.9 with "Swap-out mTHP without splitting", v7. Here d7d0d389ff90, a62fb92ac12e, 5ed890ce5147 and 3931b871c493; where
slots come from is in v6_10_scan.py.

Page tables drop the references of a run of swap entries at once, with the device pinned; every order of folio has swap slots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import BUG, NULL, READ_ONCE, WARN, atomic_add, folio_trylock, folio_unlock, read, write
from ..mm.swapops import (
    SWAP_HAS_CACHE,
    TTRS_ANYWAY,
    TTRS_FULL,
    TTRS_UNMAPPED,
    non_swap_entry,
    pte_dirty,
    pte_mkclean,
    pte_none,
    pte_present,
    pte_to_swp_entry,
    swp_entry,
    swp_offset,
    swp_type,
)

if TYPE_CHECKING:
    from ..mm.filemap import filemap_get_folio, folio_put
    from ..mm.madvise_pageout import madvise_split, reclaim_pages
    from ..mm.memory import folio_remove_rmap_pte, pte_offset_map_lock, pte_unmap_unlock
    from ..mm.rmap import folio_mark_lazyfree
    from ..mm.swap_state import free_swap_cache, swap_address_space
    from ..mm.swapfile.counts import swap_swapcount
    from ..mm.swapfile.entries import __swap_entry_free
    from ..mm.swapfile.lookup import _swap_info_get, get_swap_device, put_swap_device
    from ..mm.swapfile.reclaim import folio_free_swap, vm_swap_full
    from .mthp import any_slot_of_folio_swapped

    def cond_resched() -> object: ...


# ---- freeing a run of swap entries -----------------------------------------------------------------------------------


def free_swap_and_cache(entry):
    """include/linux/swap.h, v6.10: free_swap_and_cache_nr() of one entry. Nobody learns any more whether the entry was in
    use."""
    yield from free_swap_and_cache_nr(entry, 1)
    return True


def free_swap_and_cache_nr(entry, nr):
    """mm/swapfile.c, v6.10. Drops one reference of each of `nr` neighbouring slots; only when all are dropped, the folios
    without any other. The device is pinned from before the first reference goes: after the last one nothing else would be
    left."""
    if non_swap_entry(entry):
        return
    si = yield from get_swap_device(entry)
    if not si:
        return
    maximum = yield READ_ONCE(si.max)
    if swp_offset(entry) + nr > maximum:
        yield WARN("free_swap_and_cache_nr: the run goes beyond the end of the device")
    any_only_cache = yield from free_run_of_entries(si, entry, nr)
    if any_only_cache:
        yield from reclaim_run_of_entries(si, swp_offset(entry), nr)
    yield from put_swap_device(si)


def free_run_of_entries(si, entry, nr):
    """The first loop of free_swap_and_cache_nr(). Is there a slot that only its folio in the swap cache keeps now?"""
    any_only_cache = False
    for i in range(nr):
        map = yield READ_ONCE(si.swap_map)
        byte = yield READ_ONCE(map[swp_offset(entry) + i])
        if not byte:
            yield WARN("free_swap_and_cache_nr: the slot is free already")
        count = yield from __swap_entry_free(si, swp_entry(swp_type(entry), swp_offset(entry) + i))
        if count == SWAP_HAS_CACHE:
            any_only_cache = True
    return any_only_cache


def reclaim_run_of_entries(si, start, nr):
    """The second loop of free_swap_and_cache_nr(). Folios are naturally aligned in swap: so, behind a slot whose folio was
    found, it goes on at the next boundary of that folio's size. Slots may have been freed and taken again meanwhile."""
    offset = start
    while offset < start + nr:
        map = yield READ_ONCE(si.swap_map)
        byte = yield READ_ONCE(map[offset])
        size = 1
        if byte == SWAP_HAS_CACHE:
            pages = yield from __try_to_reclaim_swap(si, offset, TTRS_UNMAPPED | TTRS_FULL)
            size = abs(pages) or 1
        offset = (offset // size + 1) * size


def __try_to_reclaim_swap(si, offset, flags):
    """mm/swapfile.c, v6.10. Frees the swap of the folio cached for `offset`, if nobody has it locked, and returns how many
    pages that folio has: negative if its swap was not freed, 0 if there is no folio."""
    type = yield READ_ONCE(si.type)
    mapping = yield from swap_address_space(swp_entry(type, offset))
    folio = yield from filemap_get_folio(mapping, offset)
    if not folio:
        return 0
    freed = False
    locked = yield folio_trylock(folio)
    if locked:
        wanted = flags & TTRS_ANYWAY
        if not wanted and flags & TTRS_UNMAPPED:
            mapped = yield READ_ONCE(folio.mapcount)
            wanted = not mapped
        if not wanted and flags & TTRS_FULL:
            wanted = yield from vm_swap_full()
        if wanted:
            freed = yield from folio_free_swap(folio)
        yield folio_unlock(folio)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    yield from folio_put(folio)
    return nr_pages if freed else -nr_pages


def folio_order(folio):
    """include/linux/mm.h, v6.10. The size of a folio is a power of two; the model's other sizes have no order."""
    nr_pages = yield READ_ONCE(folio.nr_pages)
    if nr_pages & nr_pages - 1:
        yield BUG("folio_order: a folio whose size is no power of two")
    return nr_pages.bit_length() - 1


def swap_page_trans_huge_swapped(si, entry, order=0):
    """mm/swapfile.c, v6.10. Does any slot of a folio of this order still have a reference?"""
    swapped = yield from any_slot_of_folio_swapped(si, entry, 1 << order)
    return swapped


def folio_swapped(folio):
    """mm/swapfile.c, v6.10. Does any PTE or shmem slot still refer to the folio's slots? Caller holds the folio lock."""
    entry = yield read(folio.swap)
    si = yield from _swap_info_get(entry)
    if not si:
        return False
    order = yield from folio_order(folio)
    if not order:
        count = yield from swap_swapcount(si, entry)
        return count != 0
    swapped = yield from swap_page_trans_huge_swapped(si, entry, order)
    return swapped


# ---- page tables -----------------------------------------------------------------------------------------------------


def swap_pte_batch(mm, i, max_nr, pte):
    """mm/internal.h, v6.10. How many PTEs from `i` on, whose value is `pte`, hold neighbouring slots of one device, with
    the same flags. Caller holds the page table lock."""
    nr = 1
    while nr < max_nr:
        found = yield read(mm.pte[i + nr])
        if found != pte._replace(entry=pte.entry + nr):
            break
        nr += 1
    return nr


def clear_not_present_full_ptes(mm, i, nr):
    """include/linux/pgtable.h, v6.10. Caller holds the page table lock."""
    for n in range(nr):
        yield write(mm.pte[i + n], NULL)


def zap_pte_range(mm):
    """mm/memory.c, v6.10. As v6.8, but swap entries go in batches: first the references of a whole batch, then its PTEs.
    The lock may be dropped before every PTE, but not inside a batch; here every batch has a hold of its own."""
    i = 0
    while i < len(mm.pte):
        yield from pte_offset_map_lock(mm)
        nr, folio = yield from zap_ptes(mm, i)
        yield from pte_unmap_unlock(mm)
        if folio:
            yield from free_swap_cache(folio)
            yield from folio_put(folio)
        yield from cond_resched()
        i += nr


def zap_ptes(mm, i):
    """One round of the loop of zap_pte_range(): how many PTEs it dealt with, and the folio that was mapped, whose swap
    cache and reference mmu_gather drops after the lock."""
    pte = yield read(mm.pte[i])
    if pte_none(pte):
        return 1, NULL
    if pte_present(pte):
        yield write(mm.pte[i], NULL)
        yield from folio_remove_rmap_pte(pte.folio)
        return 1, pte.folio
    nr = 1
    if not non_swap_entry(pte_to_swp_entry(pte)):
        nr = yield from swap_pte_batch(mm, i, len(mm.pte) - i, pte)
        yield from free_swap_and_cache_nr(pte_to_swp_entry(pte), nr)
    yield from clear_not_present_full_ptes(mm, i, nr)
    return nr, NULL


# ---- madvise ---------------------------------------------------------------------------------------------------------


def madvise_free_pte_range(mm):
    """mm/madvise.c, v6.10. As v6.8, but swap entries go in batches, and a large folio is split only if the range does not
    map all of it (3931b871c493 for MADV_PAGEOUT, dce7d10be4bb here); one that can't be split is left as it is, and the walk
    goes on."""
    i = 0
    yield from pte_offset_map_lock(mm)
    while i < len(mm.pte):
        pte = yield read(mm.pte[i])
        nr = 1
        if pte_present(pte):
            nr = yield from madvise_free_ptes(mm, i, pte)
        elif not pte_none(pte) and not non_swap_entry(pte_to_swp_entry(pte)):
            nr = yield from swap_pte_batch(mm, i, len(mm.pte) - i, pte)
            yield from free_swap_and_cache_nr(pte_to_swp_entry(pte), nr)
            yield from clear_not_present_full_ptes(mm, i, nr)
        i += nr
    yield from pte_unmap_unlock(mm)
    yield from cond_resched()


def madvise_free_ptes(mm, i, pte):
    """One round of the loop of madvise_free_pte_range() for a page that is present. Returns how many PTEs are done with: 0
    after a split, so that this one is looked at again."""
    folio = pte.folio
    nr_pages = yield READ_ONCE(folio.nr_pages)
    nr = yield from madvise_folio_pte_batch(mm, i, len(mm.pte), pte)
    if nr < nr_pages:
        split = yield from madvise_split(mm, folio, nr_pages)
        return 0 if split else nr
    cleaned = yield from madvise_clean_large_folio(folio, nr_pages)
    if not cleaned:
        return nr
    for n in range(nr):
        found = yield read(mm.pte[i + n])
        if pte_dirty(found):
            yield write(mm.pte[i + n], pte_mkclean(found))
    yield from folio_mark_lazyfree(folio)
    return nr


def madvise_clean_large_folio(folio, nr_pages):
    """The part of madvise_free_pte_range() under the folio lock: out of the swap cache, and clean. False if it can't be. All of
    its `nr_pages` are mapped here, so a higher mapcount is another process."""
    locked = yield folio_trylock(folio)
    if not locked:
        return False
    swapcache = yield read(folio.swapcache)
    dirty = yield read(folio.dirty)
    mapped = yield READ_ONCE(folio.mapcount)
    cleaned = mapped == nr_pages or not (swapcache or dirty)
    if cleaned and swapcache:
        cleaned = yield from folio_free_swap(folio)
    if cleaned:
        yield write(folio.dirty, 0)
    yield folio_unlock(folio)
    return cleaned


def madvise_folio_pte_batch(mm, i, end, pte):
    """mm/madvise.c, v6.10, with folio_pte_batch(). How many PTEs from `i` on, whose value is `pte`, and none behind `end`, map
    neighbouring pages of one folio. Caller holds the page table lock."""
    nr_pages = yield READ_ONCE(pte.folio.nr_pages)
    nr = 1
    while nr < min(end - i, nr_pages - pte.page):
        found = yield read(mm.pte[i + nr])
        if not pte_present(found) or found.folio is not pte.folio or found.page != pte.page + nr:
            break
        nr += 1
    return nr


def madvise_cold_or_pageout_pte_range(mm, first, end, pageout=True):
    """mm/madvise.c, v6.10 (3931b871c493), for MADV_PAGEOUT. As v6.8, but no large folio is split that the range maps all of,
    whatever its size; one that can't be split is left as it is, and the walk goes on."""
    i, folios = first, ()
    yield from pte_offset_map_lock(mm)
    while i < end:
        pte = yield read(mm.pte[i])
        nr = 1
        if pte_present(pte):
            nr, folio = yield from pageout_ptes(mm, i, end, pte, pageout)
            if folio:
                folios = (*folios, folio)
        i += nr
    yield from pte_unmap_unlock(mm)
    yield from reclaim_pages(folios)
    yield from cond_resched()


def pageout_ptes(mm, i, end, pte, pageout):
    """One round of the loop of madvise_cold_or_pageout_pte_range() for a page that is present. How many PTEs are done with,
    0 after a split; and the folio with the reference that isolation takes, if no other process maps it."""
    nr_pages = yield READ_ONCE(pte.folio.nr_pages)
    nr = yield from madvise_folio_pte_batch(mm, i, end, pte)
    if nr < nr_pages:
        split = yield from madvise_split(mm, pte.folio, nr_pages)
        return 0 if split else nr, NULL
    mapped = yield READ_ONCE(pte.folio.mapcount)
    if mapped != nr_pages or not pageout:
        return nr, NULL
    yield atomic_add(1, pte.folio.refcount)
    return nr, pte.folio


# ---- reclaim ---------------------------------------------------------------------------------------------------------


def worth_splitting(folio, nr_pages):
    """The condition of shrink_folio_list(), v6.10 (5ed890ce5147): only a folio of which not all pages are mapped any more
    is split before it goes to swap. The kernel looks whether it waits for a deferred split."""
    mapped = yield READ_ONCE(folio.mapcount)
    return mapped < nr_pages
