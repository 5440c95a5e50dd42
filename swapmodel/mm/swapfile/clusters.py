"""mm/swapfile.c, v6.8: clusters, their lock and their lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import BUG, READ_ONCE, Global, read, spin_lock, spin_unlock, spinlock_t, write
from ..swapops import CLUSTER_FLAG_FREE, CLUSTER_FLAG_HUGE

if TYPE_CHECKING:
    from ..config import SWAPFILE_CLUSTER

swap_lock = Global(spinlock_t())  # outer to every si->lock
swap_avail_lock = Global(spinlock_t())  # inner to si->lock


def lock_cluster(si, offset):
    """mm/swapfile.c, v6.8. Locks the cluster of `offset`; NULL, and nothing locked, on a device without clusters."""
    ci = yield READ_ONCE(si.cluster_info)
    if ci:
        ci = ci[offset // SWAPFILE_CLUSTER]
        yield spin_lock(ci.lock)
    return ci


def unlock_cluster(ci):
    """mm/swapfile.c, v6.8."""
    if ci:
        yield spin_unlock(ci.lock)


def lock_cluster_or_swap_info(si, offset):
    """mm/swapfile.c, v6.8. What guards the swap_map byte of `offset`: its cluster, or the whole device."""
    ci = yield from lock_cluster(si, offset)
    if not ci:
        yield spin_lock(si.lock)
    return ci


def unlock_cluster_or_swap_info(si, ci):
    """mm/swapfile.c, v6.8."""
    if ci:
        yield from unlock_cluster(ci)
    else:
        yield spin_unlock(si.lock)


def cluster_is_huge(ci):
    """mm/swapfile.c, v6.8. Does the cluster hold one PMD-size folio? Caller holds the cluster's lock."""
    if not ci:
        return False
    flags = yield read(ci.flags)
    return bool(flags & CLUSTER_FLAG_HUGE)


def cluster_clear_huge(ci):
    """mm/swapfile.c, v6.8. Caller holds the cluster's lock."""
    flags = yield read(ci.flags)
    yield write(ci.flags, flags & ~CLUSTER_FLAG_HUGE)


def cluster_list_add_tail(si, idx):
    """mm/swapfile.c, v6.8. Puts cluster `idx` at the end of the free list. Caller holds si->lock and the cluster's lock."""
    clusters = yield read(si.free_clusters)
    if clusters:
        array = yield READ_ONCE(si.cluster_info)
        tail = array[clusters[-1]]
        yield spin_lock(tail.lock)
        yield write(tail.data, idx)
        yield spin_unlock(tail.lock)
    yield write(si.free_clusters, (*clusters, idx))


def free_cluster(si, idx):
    """mm/swapfile.c, v6.8: free_cluster() and __free_cluster(). Discard is not modelled (README)."""
    array = yield READ_ONCE(si.cluster_info)
    ci = array[idx]
    yield write(ci.flags, CLUSTER_FLAG_FREE)
    yield from cluster_list_add_tail(si, idx)


def dec_cluster_info_page(si, page_nr):
    """mm/swapfile.c, v6.8. One slot of the cluster less. Caller holds si->lock and the cluster's lock."""
    array = yield READ_ONCE(si.cluster_info)
    if not array:
        return
    ci = array[page_nr // SWAPFILE_CLUSTER]
    count = yield read(ci.data)
    if count == 0:
        yield BUG("dec_cluster_info_page: the cluster counts no slot")
    yield write(ci.data, count - 1)
    if count == 1:
        yield from free_cluster(si, page_nr // SWAPFILE_CLUSTER)


def del_from_avail_list(si):
    """mm/swapfile.c, v6.8. No new allocation finds the device. Caller holds si->lock."""
    yield spin_lock(swap_avail_lock)
    yield write(si.avail_list, 0)
    yield spin_unlock(swap_avail_lock)


def add_to_avail_list(si):
    """mm/swapfile.c, v6.8. Caller holds si->lock."""
    yield spin_lock(swap_avail_lock)
    yield write(si.avail_list, 1)
    yield spin_unlock(swap_avail_lock)
