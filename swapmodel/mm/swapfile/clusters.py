"""mm/swapfile.c, v6.8: clusters, their lock and their lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    BUG,
    READ_ONCE,
    read,
    spin_lock,
    spin_unlock,
    write,
)
from ..errno import EBUSY
from ..swapops import (
    CLUSTER_FLAG_FREE,
    CLUSTER_FLAG_HUGE,
    SWP_PAGE_DISCARD,
    SWP_WRITEOK,
    swp_offset,
)

if TYPE_CHECKING:
    from ..config import SWAPFILE_CLUSTER
    from .discard import swap_cluster_schedule_discard
    from .lookup import _swap_info_get


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


def cluster_list_add_tail(list, array, idx):
    """mm/swapfile.c, v6.8. Puts cluster `idx` at the end of a list of the device, which is a tuple here. Caller holds si->lock
    and the cluster's lock; the lock of the old tail, whose link is stored, nests inside."""
    clusters = yield read(list)
    if clusters:
        tail = array[clusters[-1]]
        yield spin_lock(tail.lock)
        yield write(tail.data, idx)
        yield spin_unlock(tail.lock)
    yield write(list, (*clusters, idx))


def cluster_list_del_first(list):
    """mm/swapfile.c, v6.8. Takes the first cluster off a list and returns its index. Caller holds si->lock."""
    clusters = yield read(list)
    yield write(list, clusters[1:])
    return clusters[0]


def __free_cluster(si, idx):
    """mm/swapfile.c, v6.8. The cluster goes to the end of the free list. Caller holds si->lock and the cluster's lock."""
    array = yield READ_ONCE(si.cluster_info)
    ci = array[idx]
    yield write(ci.flags, CLUSTER_FLAG_FREE)
    yield from cluster_list_add_tail(si.free_clusters, array, idx)


def alloc_cluster(si, idx):
    """mm/swapfile.c, v6.8. The first free cluster is free no more. Caller holds si->lock and the cluster's lock."""
    first = yield from cluster_list_del_first(si.free_clusters)
    if first != idx:
        yield BUG("alloc_cluster: not the first cluster of the free list")
    array = yield READ_ONCE(si.cluster_info)
    ci = array[idx]
    yield write(ci.flags, 0)
    yield write(ci.data, 0)


def free_cluster(si, idx):
    """mm/swapfile.c, v6.8. No slot of the cluster is in use any more: it becomes free, on a device that discards only after the
    discard. Caller holds si->lock and the cluster's lock."""
    flags = yield READ_ONCE(si.flags)
    if flags & SWP_WRITEOK and flags & SWP_PAGE_DISCARD:
        yield from swap_cluster_schedule_discard(si, idx)
        return
    yield from __free_cluster(si, idx)


def inc_cluster_info_page(si, page_nr):
    """mm/swapfile.c, v6.8. One slot of the cluster more; the first one takes it off the free list. Caller holds si->lock and
    the cluster's lock."""
    array = yield READ_ONCE(si.cluster_info)
    if not array:
        return
    ci = array[page_nr // SWAPFILE_CLUSTER]
    flags = yield read(ci.flags)
    if flags & CLUSTER_FLAG_FREE:
        yield from alloc_cluster(si, page_nr // SWAPFILE_CLUSTER)
    count = yield read(ci.data)
    if count >= SWAPFILE_CLUSTER:
        yield BUG("inc_cluster_info_page: the cluster counts all its slots already")
    yield write(ci.data, count + 1)


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


def split_swap_cluster(entry):
    """mm/swapfile.c, v6.8. The folio in the swap cache is being split, so its cluster is an ordinary one from now on. Caller
    holds the folio lock. Returns 0, or -EBUSY if the entry is not in use."""
    si = yield from _swap_info_get(entry)
    if not si:
        return -EBUSY
    ci = yield from lock_cluster(si, swp_offset(entry))
    yield from cluster_clear_huge(ci)
    yield from unlock_cluster(ci)
    return 0
