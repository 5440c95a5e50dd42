"""mm/swapfile.c, v6.8: taking free slots, from one device after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import READ_ONCE, WARN, atomic_add, memset, read, spin_lock, spin_unlock, write
from ..swapops import (
    CLUSTER_FLAG_HUGE,
    SWAP_HAS_CACHE,
    SWP_BLKDEV,
    SWP_WRITEOK,
    plist_del,
    plist_first,
    plist_next,
    plist_node_empty,
    plist_requeue,
    swp_entry,
)
from .avail import swap_avail_head, swap_avail_lock, swap_range_alloc
from .clusters import alloc_cluster, lock_cluster, unlock_cluster
from .entries import nr_swap_pages
from .lookup import swp_swap_info
from .scan import scan_swap_map_slots

if TYPE_CHECKING:
    from ..config import SWAP_BATCH, SWAPFILE_CLUSTER

    def cond_resched() -> object: ...


def get_swap_pages(n_goal, entry_size):
    """mm/swapfile.c, v6.8. Takes up to `n_goal` times `entry_size` slots, all of one device, and returns the entries: their
    bytes are SWAP_HAS_CACHE. What is wanted leaves nr_swap_pages before any slot is found; the shortfall goes back."""
    if n_goal > 1 and entry_size == SWAPFILE_CLUSTER:
        yield WARN("get_swap_pages: more than one cluster is wanted")
    slots = yield from reserve_slots(n_goal, entry_size)
    return slots


def reserve_slots(n_goal, size):
    """The body of get_swap_pages(), for entries of `size` slots."""
    yield spin_lock(swap_avail_lock)
    free = yield READ_ONCE(nr_swap_pages)
    if free < size:
        yield spin_unlock(swap_avail_lock)
        return ()
    n_goal = min(n_goal, SWAP_BATCH, free // size)
    yield atomic_add(-n_goal * size, nr_swap_pages)
    slots = yield from slots_of_devices(n_goal, size)
    if len(slots) < n_goal:
        yield atomic_add((n_goal - len(slots)) * size, nr_swap_pages)
    return slots


def slots_of_devices(n_goal, size):
    """The loop of get_swap_pages(): the device with the highest priority goes behind its equals and is asked; then the one that
    was next before, or the first one if that has left the list. Caller holds swap_avail_lock, which is released."""
    devices = yield read(swap_avail_head)
    si = plist_first(devices)
    while si:
        next = plist_next(devices, si)
        yield write(swap_avail_head, plist_requeue(devices, si))
        yield spin_unlock(swap_avail_lock)
        answered, slots = yield from slots_of_device(si, n_goal, size)
        if answered:
            return slots
        devices = yield read(swap_avail_head)
        si = plist_first(devices) if next and plist_node_empty(devices, next) else next
    yield spin_unlock(swap_avail_lock)
    return ()


def slots_of_device(si, n_goal, size):
    """The part of get_swap_pages() about one device. True and the entries; or False, and swap_avail_lock is held again, so that
    the next device is asked. For a whole cluster one device is asked only."""
    yield spin_lock(si.lock)
    highest = yield read(si.highest_bit)
    flags = yield READ_ONCE(si.flags)
    if not highest or not flags & SWP_WRITEOK:
        yield from drop_unusable_device(si)
        return False, ()
    slots = ()
    if size != SWAPFILE_CLUSTER:
        slots = yield from scan_swap_map_slots(si, SWAP_HAS_CACHE, n_goal)
    elif flags & SWP_BLKDEV:
        slots = yield from swap_alloc_cluster(si)
    yield spin_unlock(si.lock)
    if slots or size == SWAPFILE_CLUSTER:
        return True, slots
    yield from cond_resched()
    yield spin_lock(swap_avail_lock)
    return False, ()


def drop_unusable_device(si):
    """The part of get_swap_pages() for a device that filled up, or that swapoff took, before si->lock was held. Who did so took
    it off the list in the same section. Caller holds si->lock, which is released; swap_avail_lock is held afterwards."""
    yield spin_lock(swap_avail_lock)
    devices = yield read(swap_avail_head)
    if not plist_node_empty(devices, si):
        yield WARN("get_swap_pages: a device on the list of those with free slots is full, or not WRITEOK")
        yield write(swap_avail_head, plist_del(devices, si))
    yield spin_unlock(si.lock)


def swap_alloc_cluster(si):
    """mm/swapfile.c, v6.8. Takes the first free cluster as a whole, for a PMD-size folio: its only entry, or none. Caller
    holds si->lock."""
    clusters = yield read(si.free_clusters)
    if not clusters:
        return ()
    offset = clusters[0] * SWAPFILE_CLUSTER
    ci = yield from lock_cluster(si, offset)
    yield from alloc_cluster(si, clusters[0])
    yield write(ci.data, SWAPFILE_CLUSTER)
    yield write(ci.flags, CLUSTER_FLAG_HUGE)
    map = yield READ_ONCE(si.swap_map)
    yield memset(map, offset, SWAPFILE_CLUSTER, SWAP_HAS_CACHE)
    yield from unlock_cluster(ci)
    yield from swap_range_alloc(si, offset, SWAPFILE_CLUSTER)
    type = yield READ_ONCE(si.type)
    return (swp_entry(type, offset),)


def get_swap_page_of_type(type):
    """mm/swapfile.c, v6.8. A slot of this very device for hibernation, which counts as one reference and not as cached; 0 if
    there is none."""
    si = yield from swp_swap_info(swp_entry(type, 0))
    if not si:
        return 0
    slots = ()
    yield spin_lock(si.lock)
    flags = yield READ_ONCE(si.flags)
    if flags & SWP_WRITEOK:
        slots = yield from scan_swap_map_slots(si, 1, 1)
        if slots:
            yield atomic_add(-1, nr_swap_pages)
    yield spin_unlock(si.lock)
    return slots[0] if slots else 0
