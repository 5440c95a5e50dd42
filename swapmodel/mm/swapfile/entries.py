"""mm/swapfile.c, v6.8: dropping one reference, and freeing a slot that nobody refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    BUG,
    NULL,
    READ_ONCE,
    WRITE_ONCE,
    Global,
    atomic_add,
    memset,
    read,
    spin_unlock,
    word,
    write,
)
from ..swapops import (
    COUNT_CONTINUED,
    SWAP_HAS_CACHE,
    SWAP_MAP_MAX,
    SWAP_MAP_SHMEM,
    SWP_BLKDEV,
    SWP_WRITEOK,
    swp_offset,
)
from .avail import add_to_avail_list
from .clusters import (
    dec_cluster_info_page,
    free_cluster,
    lock_cluster,
    lock_cluster_or_swap_info,
    unlock_cluster,
    unlock_cluster_or_swap_info,
)

if TYPE_CHECKING:
    from ..config import SWAPFILE_CLUSTER
    from ..swap_cgroup import mem_cgroup_uncharge_swap
    from ..swap_slots import free_swap_slot
    from ..swap_state import clear_shadow_from_swap_cache
    from .continuation import swap_count_continued
    from .lookup import _swap_info_get, swap_info_get_cont

nr_swap_pages = Global(word())  # atomic
total_swap_pages = Global(word(guarded_by="swap_lock", lockless=True, writers=("swapoff_unlist", "_enable_swap_info")))


def __swap_entry_free_locked(si, offset, usage):
    """mm/swapfile.c, v6.8. Drops a reference (usage 1) or the cache's pin (SWAP_HAS_CACHE). Returns what is left; where
    that is 0 the byte stays at SWAP_HAS_CACHE, so that the slot remains in limbo until it is freed."""
    map = yield READ_ONCE(si.swap_map)
    byte = yield read(map[offset])
    has_cache = byte & SWAP_HAS_CACHE
    count = byte & ~SWAP_HAS_CACHE
    if usage == SWAP_HAS_CACHE:
        if not has_cache:
            yield BUG("__swap_entry_free_locked: the byte has no SWAP_HAS_CACHE to drop")
        has_cache = 0
    elif count == SWAP_MAP_SHMEM:
        count = 0
    elif count == COUNT_CONTINUED:
        continued = yield from swap_count_continued(si, offset, count)
        count = SWAP_MAP_MAX | COUNT_CONTINUED if continued else SWAP_MAP_MAX
    elif count & ~COUNT_CONTINUED <= SWAP_MAP_MAX:
        count -= 1
    usage = count | has_cache
    yield WRITE_ONCE(map[offset], usage or SWAP_HAS_CACHE)
    return usage


def __swap_entry_free(si, entry):
    """mm/swapfile.c, v6.8. Drops one reference; returns the byte that is left (0: the slot is in limbo)."""
    ci = yield from lock_cluster_or_swap_info(si, swp_offset(entry))
    usage = yield from __swap_entry_free_locked(si, swp_offset(entry), 1)
    yield from unlock_cluster_or_swap_info(si, ci)
    if not usage:
        yield from free_swap_slot(entry)
    return usage


def swap_entry_free(si, entry):
    """mm/swapfile.c, v6.8. A slot in limbo becomes free. Caller holds si->lock."""
    offset = swp_offset(entry)
    ci = yield from lock_cluster(si, offset)
    map = yield READ_ONCE(si.swap_map)
    byte = yield read(map[offset])
    if byte != SWAP_HAS_CACHE:
        yield BUG("swap_entry_free: the byte is not SWAP_HAS_CACHE")
    yield write(map[offset], 0)
    yield from dec_cluster_info_page(si, offset)
    yield from unlock_cluster(ci)
    yield from mem_cgroup_uncharge_swap(entry, 1)
    yield from swap_range_free(si, offset, 1)


def swap_free_cluster(si, idx):
    """mm/swapfile.c, v6.8. All slots of a cluster become free at once. Caller holds si->lock."""
    offset = idx * SWAPFILE_CLUSTER
    ci = yield from lock_cluster(si, offset)
    map = yield READ_ONCE(si.swap_map)
    yield memset(map, offset, SWAPFILE_CLUSTER, 0)
    yield write(ci.data, 0)
    yield from free_cluster(si, idx)
    yield from unlock_cluster(ci)
    yield from swap_range_free(si, offset, SWAPFILE_CLUSTER)


def swap_range_free(si, offset, nr_entries):
    """mm/swapfile.c, v6.8. Accounts freed slots. Caller holds si->lock. Here inuse_pages drops before the shadows are
    cleared; since v6.9 (64cf264c8fef) it is the last thing."""
    yield from swap_range_free_bounds(si, offset, offset + nr_entries - 1)
    yield atomic_add(nr_entries, nr_swap_pages)
    pages = yield read(si.inuse_pages)
    yield WRITE_ONCE(si.inuse_pages, pages - nr_entries)
    yield from swap_slot_free_notify(si)
    type = yield READ_ONCE(si.type)
    yield from clear_shadow_from_swap_cache(type, offset, offset + nr_entries - 1)


def swap_slot_free_notify(si):
    """The part of swap_range_free() that asks the block device for its hook; only zram has one."""
    flags = yield READ_ONCE(si.flags)
    if flags & SWP_BLKDEV:
        bdev = yield READ_ONCE(si.bdev)
        yield READ_ONCE(bdev.value)


def swap_range_free_bounds(si, begin, end):
    """The first part of swap_range_free(): lowest_bit and highest_bit, and the list of devices with free slots."""
    lowest = yield read(si.lowest_bit)
    if begin < lowest:
        yield write(si.lowest_bit, begin)
    highest = yield read(si.highest_bit)
    if end > highest:
        yield WRITE_ONCE(si.highest_bit, end)
        flags = yield READ_ONCE(si.flags)
        if not highest and flags & SWP_WRITEOK:
            yield from add_to_avail_list(si)


def swap_free(entry):
    """mm/swapfile.c, v6.8. Drops a reference that the caller owns, under the PTL or with the device pinned."""
    si = yield from _swap_info_get(entry)
    if si:
        yield from __swap_entry_free(si, entry)


def swapcache_free_entries(entries):
    """mm/swapfile.c, v6.8. Frees slots that are in limbo; si->lock is kept while the device stays the same."""
    si = NULL
    for i in range(len(entries)):
        si = yield from swap_info_get_cont(entries[i], si)
        if si:
            yield from swap_entry_free(si, entries[i])
    if si:
        yield spin_unlock(si.lock)
