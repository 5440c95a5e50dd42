"""mm/memory.c and mm/pgtable-generic.c, v6.8: page tables, their lock, and zapping them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    NULL,
    WARN,
    atomic_add,
    rcu_read_lock,
    rcu_read_unlock,
    read,
    spin_lock,
    spin_unlock,
    write,
)
from .swapops import non_swap_entry, pte_none, pte_present, pte_to_swp_entry

if TYPE_CHECKING:
    from .filemap import folio_put
    from .swap_state import free_swap_cache
    from .swapfile.reclaim import free_swap_and_cache

    def cond_resched() -> object: ...


def pte_offset_map_lock(mm):
    """mm/pgtable-generic.c, v6.8. Locks the page table. Since v6.6 (a349d72fd9ef) it begins an explicit RCU read-side
    section too, which lasts until pte_unmap()."""
    yield rcu_read_lock()
    yield spin_lock(mm.page_table_lock)


def pte_unmap_unlock(mm):
    """include/linux/mm.h, v6.8."""
    yield spin_unlock(mm.page_table_lock)
    yield rcu_read_unlock()


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
