"""mm/swapfile.c, v6.8: free_swap_and_cache() and what frees the folio behind a slot nobody refers to any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import BUG, READ_ONCE, folio_trylock, folio_unlock, read, spin_lock, spin_unlock, write
from ..swapops import (
    SWAP_HAS_CACHE,
    TTRS_ANYWAY,
    TTRS_FULL,
    TTRS_UNMAPPED,
    non_swap_entry,
    swap_count,
    swp_entry,
    swp_offset,
)
from .clusters import (
    cluster_clear_huge,
    cluster_is_huge,
    lock_cluster_or_swap_info,
    unlock_cluster_or_swap_info,
)
from .entries import __swap_entry_free, __swap_entry_free_locked, nr_swap_pages, swap_free_cluster, total_swap_pages
from .lookup import _swap_info_get

if TYPE_CHECKING:
    from ..config import SWAPFILE_CLUSTER
    from ..filemap import filemap_get_folio, folio_put
    from ..swap_cgroup import mem_cgroup_uncharge_swap
    from ..swap_slots import free_swap_slot
    from ..swap_state import delete_from_swap_cache, swap_address_space
    from .counts import swap_swapcount


def free_swap_and_cache(entry):
    """mm/swapfile.c, v6.8. Drops the reference of a PTE or shmem slot that goes away, and the folio with the last one.

    The window of CVE-2024-26960 opens where __swap_entry_free() returned SWAP_HAS_CACHE: from there on nothing that this
    function does keeps the device alive. Callers under a page table lock are RCU readers; shmem_free_swap() is not."""
    if non_swap_entry(entry):
        return True
    si = yield from _swap_info_get(entry)
    if not si:
        return False
    count = yield from __swap_entry_free(si, entry)
    if count == SWAP_HAS_CACHE:
        swapped = yield from swap_page_trans_huge_swapped(si, entry)
        if not swapped:
            yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)
    return True


def swap_page_trans_huge_swapped(si, entry):
    """mm/swapfile.c, v6.8. Does any slot of the entry's folio still have a reference? Reads si->swap_map before it
    locks anything."""
    map = yield READ_ONCE(si.swap_map)
    roffset = swp_offset(entry)
    offset = roffset - roffset % SWAPFILE_CLUSTER
    ci = yield from lock_cluster_or_swap_info(si, offset)
    huge = yield from cluster_is_huge(ci)
    if huge:
        swapped = yield from any_slot_swapped(map, offset)
    else:
        byte = yield READ_ONCE(map[roffset])
        swapped = swap_count(byte) != 0
    yield from unlock_cluster_or_swap_info(si, ci)
    return swapped


def any_slot_swapped(map, offset):
    """The loop of swap_page_trans_huge_swapped() over a huge cluster, one byte a step."""
    for i in range(SWAPFILE_CLUSTER):
        byte = yield READ_ONCE(map[offset + i])
        if swap_count(byte):
            return True
    return False


def __try_to_reclaim_swap(si, offset, flags):
    """mm/swapfile.c, v6.8. Frees the swap of the folio cached for `offset`, if there is one and nobody has it locked.
    Does not look again whether the folio is still that of this slot: folio_free_swap() asks the folio itself."""
    type = yield READ_ONCE(si.type)
    entry = swp_entry(type, offset)
    mapping = yield from swap_address_space(entry)
    folio = yield from filemap_get_folio(mapping, offset)
    if not folio:
        return False
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
    yield from folio_put(folio)
    return freed


def vm_swap_full():
    """include/linux/swap.h, v6.8: less than half of all swap is free. mem_cgroup_swap_full() without a memory cgroup."""
    free = yield READ_ONCE(nr_swap_pages)
    total = yield READ_ONCE(total_swap_pages)
    return free * 2 < total


def folio_swapped(folio):
    """mm/swapfile.c, v6.8. Does any PTE or shmem slot still refer to the folio's slots? Caller holds the folio lock."""
    entry = yield read(folio.swap)
    si = yield from _swap_info_get(entry)
    if not si:
        return False
    nr_pages = yield READ_ONCE(folio.nr_pages)
    if nr_pages == 1:
        count = yield from swap_swapcount(si, entry)
        return count != 0
    swapped = yield from swap_page_trans_huge_swapped(si, entry)
    return swapped


def folio_free_swap(folio):
    """mm/swapfile.c, v6.8. Takes the folio out of the swap cache and frees its slots, if nobody refers to them. Caller
    holds the folio lock; SWAP_HAS_CACHE, which that lock protects, pins the device."""
    swapcache = yield read(folio.swapcache)  # the read demands the folio lock, as the kernel's VM_BUG_ON does
    if not swapcache:
        return False
    writeback = yield read(folio.writeback)
    if writeback:
        return False
    swapped = yield from folio_swapped(folio)
    if swapped:
        return False
    yield from delete_from_swap_cache(folio)
    yield write(folio.dirty, 1)
    return True


def put_swap_folio(folio, entry):
    """mm/swapfile.c, v6.8. Drops SWAP_HAS_CACHE of all slots of a folio that left the swap cache. A huge cluster without
    any reference is freed as a whole; otherwise slot by slot, the lock dropped around each free."""
    offset = swp_offset(entry)
    size = yield READ_ONCE(folio.nr_pages)
    si = yield from _swap_info_get(entry)
    if not si:
        return
    ci = yield from lock_cluster_or_swap_info(si, offset)
    if size == SWAPFILE_CLUSTER:
        free_entries = yield from count_free_entries(si, ci, offset)
        yield from cluster_clear_huge(ci)
        if free_entries == SWAPFILE_CLUSTER:
            yield from unlock_cluster_or_swap_info(si, ci)
            yield spin_lock(si.lock)
            yield from mem_cgroup_uncharge_swap(entry, SWAPFILE_CLUSTER)
            yield from swap_free_cluster(si, offset // SWAPFILE_CLUSTER)
            yield spin_unlock(si.lock)
            return
    for i in range(size):
        left = yield from __swap_entry_free_locked(si, offset + i, SWAP_HAS_CACHE)
        if not left:
            yield from unlock_cluster_or_swap_info(si, ci)
            yield from free_swap_slot(entry + i)
            if i == size - 1:
                return
            yield from lock_cluster_or_swap_info(si, offset)
    yield from unlock_cluster_or_swap_info(si, ci)


def count_free_entries(si, ci, offset):
    """The loop of put_swap_folio() over a huge cluster: how many slots have no reference but the cache's pin."""
    huge = yield from cluster_is_huge(ci)
    if not huge:
        yield BUG("put_swap_folio: a PMD-size folio, but the cluster is not huge")
    map = yield READ_ONCE(si.swap_map)
    free_entries = 0
    for i in range(SWAPFILE_CLUSTER):
        byte = yield read(map[offset + i])
        if not byte & SWAP_HAS_CACHE:
            yield BUG("put_swap_folio: a slot without SWAP_HAS_CACHE")
        if byte == SWAP_HAS_CACHE:
            free_entries += 1
    return free_entries
