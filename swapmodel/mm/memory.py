"""mm/memory.c and mm/pgtable-generic.c, v6.8: page tables and their lock, copying and zapping them, and who maps a folio.
Page faults are in memory_fault.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    NULL,
    READ_ONCE,
    WARN,
    alloc_page,
    atomic_add,
    init_store,
    might_sleep,
    rcu_read_lock,
    rcu_read_unlock,
    read,
    spin_lock,
    spin_unlock,
    write,
)
from .swapops import (
    non_swap_entry,
    pte_none,
    pte_present,
    pte_to_swp_entry,
)

if TYPE_CHECKING:
    from .config import FOLIOS
    from .filemap import folio_put
    from .swap_state import free_swap_cache
    from .swapfile.reclaim import free_swap_and_cache

    def cond_resched() -> object: ...


def pte_offset_map(mm):
    """mm/pgtable-generic.c, v6.8: __pte_offset_map(). Since v6.6 (a349d72fd9ef) it begins an explicit RCU read-side section,
    which lasts until pte_unmap()."""
    yield rcu_read_lock()


def pte_unmap(mm):
    """include/linux/pgtable.h, v6.8."""
    yield rcu_read_unlock()


def pte_offset_map_lock(mm):
    """mm/pgtable-generic.c, v6.8. Locks the page table, inside the RCU section of pte_offset_map()."""
    yield from pte_offset_map(mm)
    yield spin_lock(mm.page_table_lock)


def pte_unmap_unlock(mm):
    """include/linux/mm.h, v6.8."""
    yield spin_unlock(mm.page_table_lock)
    yield from pte_unmap(mm)


def zap_pte_range(mm):
    """mm/memory.c, v6.8. Clears every PTE of the range. The reference of a swap entry is dropped first, its PTE cleared
    afterwards: lockless readers can still see it meanwhile. need_resched() may end a hold of the lock behind any PTE; here
    each PTE has a hold of its own, which allows every order that longer holds do."""
    for i in range(len(mm.pte)):
        yield from pte_offset_map_lock(mm)
        folio = yield from zap_pte(mm.pte[i])
        yield from pte_unmap_unlock(mm)
        if folio:
            yield from free_swap_cache(folio)
            yield from folio_put(folio)
        yield from cond_resched()


def zap_pte(pte):
    """One round of the loop of zap_pte_range(). Returns the folio that was mapped, whose swap cache and reference mmu_gather
    drops after the lock."""
    found = yield read(pte)
    if pte_none(found):
        return NULL
    if pte_present(found):
        yield write(pte, NULL)
        yield atomic_add(-1, found.folio.mapcount)
        return found.folio
    entry = pte_to_swp_entry(found)
    if not non_swap_entry(entry):
        freed = yield from free_swap_and_cache(entry)
        if not freed:
            yield WARN("print_bad_pte: a page table holds a swap entry that is not in use")
    yield write(pte, NULL)
    return NULL


def vma_alloc_folio(nr_pages):
    """include/linux/gfp.h, v6.8, with what zeroes the pages. A folio of `nr_pages` pages and one reference, neither locked nor
    up to date; NULL if there is no memory. It may sleep."""
    yield might_sleep()
    folio = yield alloc_page(FOLIOS)
    if folio:
        if nr_pages > 1:
            yield init_store(folio.nr_pages, nr_pages)
        yield init_store(folio.content, (None,) * nr_pages)
    return folio


def folio_add_new_anon_rmap(folio, index):
    """mm/rmap.c, v6.8. Every page of a new folio is about to be mapped, from PTE `index` on, by one process alone."""
    nr_pages = yield READ_ONCE(folio.nr_pages)
    yield write(folio.index, index)
    yield write(folio.mapcount, nr_pages)
    yield write(folio.anon_exclusive, (1 << nr_pages) - 1)


def folio_add_anon_rmap_pte(folio, page, index, exclusive):
    """mm/rmap.c, v6.8. PTE `index` is about to map one page of a folio that may be mapped elsewhere too, `exclusive` if it
    is not. A folio fresh from the device learns where it belongs. Caller holds the page table lock, so the page's bit can't
    change."""
    yield atomic_add(1, folio.mapcount)
    yield write(folio.index, index - page)
    if exclusive:
        yield atomic_add(1 << page, folio.anon_exclusive)


def folio_remove_rmap_pte(folio):
    """mm/rmap.c, v6.8. A PTE does not map the folio any more. Caller holds the page table lock."""
    yield atomic_add(-1, folio.mapcount)
