"""mm/madvise.c, v6.8: MADV_PAGEOUT and MADV_COLD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    READ_ONCE,
    atomic_add,
    down_read,
    folio_trylock,
    folio_unlock,
    read,
    up_read,
)
from .swapops import pte_present

if TYPE_CHECKING:
    from .filemap import folio_put
    from .huge_memory import split_huge_page
    from .memory import pte_offset_map_lock, pte_unmap_unlock
    from .vmscan import shrink_folio

    def cond_resched() -> object: ...


def madvise_pageout(mm, first=0, end=None):
    """mm/madvise.c, v6.8: MADV_PAGEOUT of the PTEs `first` up to `end`. Reclaims what this process alone maps."""
    yield down_read(mm.mmap_lock)
    attached = yield read(mm.vma)
    if attached:
        yield from madvise_cold_or_pageout_pte_range(mm, first, len(mm.pte) if end is None else end)
    yield up_read(mm.mmap_lock)


def madvise_cold(mm):
    """mm/madvise.c, v6.8: MADV_COLD. Moves pages on lists that are not modelled; but large folios are split as for
    MADV_PAGEOUT."""
    yield down_read(mm.mmap_lock)
    attached = yield read(mm.vma)
    if attached:
        yield from madvise_cold_or_pageout_pte_range(mm, 0, len(mm.pte), False)
    yield up_read(mm.mmap_lock)


def madvise_split(mm, folio, nr_pages):
    """What both walks do with a large folio, called with the page table lock held, which is dropped meanwhile. False if other
    processes map it, somebody has it locked, or split_huge_page() fails."""
    mapped = yield READ_ONCE(folio.mapcount)
    if mapped > nr_pages:
        return False
    locked = yield folio_trylock(folio)
    if not locked:
        return False
    yield atomic_add(1, folio.refcount)
    yield from pte_unmap_unlock(mm)
    err = yield from split_huge_page(folio)
    yield folio_unlock(folio)
    yield from folio_put(folio)
    yield from pte_offset_map_lock(mm)
    return not err


def madvise_cold_or_pageout_pte_range(mm, first, end, pageout=True):
    """mm/madvise.c, v6.8, for MADV_PAGEOUT, and for MADV_COLD as far as it splits. Isolates, which takes a reference, every
    folio that has no other mapping; reclaims them once the page table lock is dropped. A large folio is taken as one if the
    range has all of it, as a PMD would; else it is split."""
    i, folios = first, ()
    yield from pte_offset_map_lock(mm)
    while i < end:
        pte = yield read(mm.pte[i])
        if not pte_present(pte):
            i += 1
            continue
        nr_pages = yield READ_ONCE(pte.folio.nr_pages)
        whole = yield from pte_range_maps(mm, i, end, pte.folio, nr_pages)
        if not whole:
            split = yield from madvise_split(mm, pte.folio, nr_pages)
            if not split:
                break
            continue
        mapped = yield READ_ONCE(pte.folio.mapcount)
        if pageout and mapped == nr_pages:
            yield atomic_add(1, pte.folio.refcount)
            folios = (*folios, pte.folio)
        i += nr_pages
    yield from pte_unmap_unlock(mm)
    yield from reclaim_pages(folios)
    yield from cond_resched()


def pte_range_maps(mm, first, end, folio, nr_pages):
    """Where the kernel has one PMD for a large folio: do the PTEs from `first` on, none behind `end`, map all its pages?"""
    if nr_pages == 1:
        return True
    for page in range(nr_pages):
        if first + page >= end:
            return False
        pte = yield read(mm.pte[first + page])
        if not pte_present(pte) or pte.folio is not folio or pte.page != page:
            return False
    return True


def reclaim_pages(folios):
    """mm/vmscan.c, v6.8, with reclaim_folio_list(). Folios that are kept lose the reference that isolation took."""
    for i in range(len(folios)):
        freed = yield from shrink_folio(folios[i])
        if not freed:
            yield from folio_put(folios[i])
