"""mm/madvise.c, v6.8: what a process tells about its memory. The VMA stays, its pages go, or come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    NULL,
    READ_ONCE,
    down_read,
    folio_trylock,
    folio_unlock,
    read,
    up_read,
    write,
)
from .swapops import is_swap_pte, non_swap_entry, pte_dirty, pte_mkclean, pte_none, pte_present, pte_to_swp_entry

if TYPE_CHECKING:
    from .filemap import folio_put
    from .madvise_pageout import madvise_split
    from .memory import pte_offset_map_lock, pte_unmap_unlock, zap_pte_range
    from .rmap import folio_mark_lazyfree
    from .swap_readahead import read_swap_cache_async
    from .swapfile.reclaim import folio_free_swap, free_swap_and_cache

    def cond_resched() -> object: ...


def madvise_dontneed(mm):
    """mm/madvise.c, v6.8: MADV_DONTNEED, madvise_dontneed_single_vma(). The mapping stays, its pages go."""
    yield down_read(mm.mmap_lock)
    attached = yield read(mm.vma)
    if attached:
        yield from zap_pte_range(mm)
    yield up_read(mm.mmap_lock)


def madvise_free(mm):
    """mm/madvise.c, v6.8: MADV_FREE, madvise_free_single_vma(). What is stored before the next store to a page may be lost."""
    yield down_read(mm.mmap_lock)
    attached = yield read(mm.vma)
    if attached:
        yield from madvise_free_pte_range(mm)
    yield up_read(mm.mmap_lock)


def madvise_willneed(mm):
    """mm/madvise.c, v6.8: MADV_WILLNEED of anonymous memory: reads every swapped page into the swap cache."""
    yield down_read(mm.mmap_lock)
    attached = yield read(mm.vma)
    if attached:
        yield from swapin_walk_pmd_entry(mm)
    yield up_read(mm.mmap_lock)


def swapin_walk_pmd_entry(mm):
    """mm/madvise.c, v6.8. Each PTE is looked at under its lock; the read needs no lock, as it fails if the entry is gone."""
    for i in range(len(mm.pte)):
        yield from pte_offset_map_lock(mm)
        pte = yield read(mm.pte[i])
        yield from pte_unmap_unlock(mm)
        if not is_swap_pte(pte) or non_swap_entry(pte_to_swp_entry(pte)):
            continue
        folio = yield from read_swap_cache_async(pte_to_swp_entry(pte))
        if folio:
            yield from folio_put(folio)
    yield from cond_resched()


def madvise_free_pte_range(mm):
    """mm/madvise.c, v6.8. Swapped pages go at once, present ones become clean. A large folio is split first, with the page
    table lock dropped; the walk ends where that can't be."""
    i = 0
    yield from pte_offset_map_lock(mm)
    while i < len(mm.pte):
        pte = yield read(mm.pte[i])
        nr_pages = 1
        if pte_present(pte):
            nr_pages = yield READ_ONCE(pte.folio.nr_pages)
        if nr_pages > 1:
            split = yield from madvise_split(mm, pte.folio, nr_pages)
            if not split:
                break
            continue
        yield from madvise_free_pte(mm, i, pte)
        i += 1
    yield from pte_unmap_unlock(mm)
    yield from cond_resched()


def madvise_free_pte(mm, i, pte):
    """One round of the loop of madvise_free_pte_range() for a small page. A folio in the swap cache, or dirty, that others
    map too stays as it is; so does one that somebody has locked, or whose slot is still in use."""
    if pte_none(pte):
        return
    if not pte_present(pte):
        if not non_swap_entry(pte_to_swp_entry(pte)):
            yield from free_swap_and_cache(pte_to_swp_entry(pte))
            yield write(mm.pte[i], NULL)
        return
    locked = yield folio_trylock(pte.folio)
    if not locked:
        return
    cleaned = yield from madvise_clean_folio(pte.folio)
    if cleaned:
        if pte_dirty(pte):
            yield write(mm.pte[i], NULL)
            yield write(mm.pte[i], pte_mkclean(pte))
        yield from folio_mark_lazyfree(pte.folio)
    yield folio_unlock(pte.folio)


def madvise_clean_folio(folio):
    """The part of madvise_free_pte_range() under the folio lock: out of the swap cache, and clean. False if it can't be."""
    swapcache = yield read(folio.swapcache)
    dirty = yield read(folio.dirty)
    mapped = yield READ_ONCE(folio.mapcount)
    if mapped != 1 and (swapcache or dirty):
        return False
    if swapcache:
        freed = yield from folio_free_swap(folio)
        if not freed:
            return False
    yield write(folio.dirty, 0)
    return True
