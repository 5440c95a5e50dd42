"""mm/swapfile.c, v6.8: looking an entry up, pinning its device, dropping one reference."""

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
    percpu_ref_put,
    percpu_ref_tryget_live,
    read,
    spin_lock,
    spin_unlock,
    word,
    write,
)
from ..swapops import (
    MAX_SWAPFILES,
    SWAP_HAS_CACHE,
    SWAP_MAP_SHMEM,
    SWP_BLKDEV,
    SWP_USED,
    SWP_WRITEOK,
    swp_offset,
    swp_type,
)
from .clusters import (
    add_to_avail_list,
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

swap_info = Global(word(NULL, constant=True), count=2)  # published by swapon with a release store, never cleared
nr_swap_pages = Global(word())  # atomic
total_swap_pages = Global(word(guarded_by="swap_lock", lockless=True, writers=("swapoff_unlist",)))


def swp_swap_info(entry):
    """mm/swapfile.c, v6.8. The device of an entry, NULL if that type was never used."""
    type = swp_type(entry)
    if type >= MAX_SWAPFILES:
        return NULL
    si = yield READ_ONCE(swap_info[type])
    return si


def _swap_info_get(entry):
    """mm/swapfile.c, v6.8. The device, after five checks that nothing protects; NULL (and a message) if one fails."""
    if not entry:
        return NULL
    si = yield from swp_swap_info(entry)
    if not si:
        return NULL
    flags = yield READ_ONCE(si.flags)
    if not flags & SWP_USED:
        return NULL
    maximum = yield READ_ONCE(si.max)
    if swp_offset(entry) >= maximum:
        return NULL
    map = yield READ_ONCE(si.swap_map)
    byte = yield READ_ONCE(map[swp_offset(entry)])
    if not byte:
        return NULL
    return si


def swap_info_get_cont(entry, q):
    """mm/swapfile.c, v6.8. _swap_info_get() with si->lock held, exchanged for the lock of `q`, the device before."""
    si = yield from _swap_info_get(entry)
    if si is not q:
        if q:
            yield spin_unlock(q.lock)
        if si:
            yield spin_lock(si.lock)
    return si


def get_swap_device(entry):
    """mm/swapfile.c, v6.8. Pins the device against swapoff; NULL once swapoff has killed it. Does not look at the byte."""
    if not entry:
        return NULL
    si = yield from swp_swap_info(entry)
    if not si:
        return NULL
    alive = yield percpu_ref_tryget_live(si.users)
    if not alive:
        return NULL
    maximum = yield READ_ONCE(si.max)
    if swp_offset(entry) >= maximum:
        yield percpu_ref_put(si.users)
        return NULL
    return si


def put_swap_device(si):
    """include/linux/swap.h, v6.8."""
    yield percpu_ref_put(si.users)


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
    else:
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
    yield from clear_shadow_from_swap_cache(type, offset)


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
