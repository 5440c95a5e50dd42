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
    from .swapfile.reclaim import free_swap_and_cache


def pte_offset_map_lock(mm):
    """mm/pgtable-generic.c, v6.8. Locks the page table. Since v6.5 (0d940a9b270b) it begins an explicit RCU read-side
    section too, which lasts until pte_unmap()."""
    yield rcu_read_lock()
    yield spin_lock(mm.page_table_lock)


def pte_unmap_unlock(mm):
    """include/linux/mm.h, v6.8."""
    yield spin_unlock(mm.page_table_lock)
    yield rcu_read_unlock()


def zap_pte_range(mm):
    """mm/memory.c, v6.8. Clears every PTE of the range under one hold of the page table lock. The reference of a swap
    entry is dropped first, its PTE cleared afterwards: lockless readers can still see it meanwhile."""
    yield from pte_offset_map_lock(mm)
    for i in range(len(mm.pte)):
        pte = yield read(mm.pte[i])
        if pte_none(pte):
            continue
        if pte_present(pte):
            yield from zap_present_pte(mm.pte[i], pte.folio)
            continue
        entry = pte_to_swp_entry(pte)
        if not non_swap_entry(entry):
            freed = yield from free_swap_and_cache(entry)
            if not freed:
                yield WARN("print_bad_pte: a page table holds a swap entry that is not in use")
        yield write(mm.pte[i], NULL)
    yield from pte_unmap_unlock(mm)


def zap_present_pte(pte, folio):
    """The branch of zap_pte_range() for a page that is mapped: mmu_gather drops its reference after the loop; dropping it
    here is one of the orders that are possible there."""
    yield write(pte, NULL)
    yield atomic_add(-1, folio.mapcount)
    yield from folio_put(folio)
