"""mm/swapfile.c, v6.8: discarding the clusters that became free, and the work item that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    READ_ONCE,
    Global,
    memcpy,
    memset,
    mutex_lock,
    mutex_t,
    mutex_unlock,
    read,
    spin_lock,
    spin_unlock,
    word,
    xchg,
)
from ..swapops import (
    SWAP_MAP_BAD,
)

if TYPE_CHECKING:
    from ..config import SWAPFILE_CLUSTER
    from .clusters import __free_cluster, cluster_list_add_tail, cluster_list_del_first, lock_cluster, unlock_cluster


discard_work_pending = Global(word(writers=("swap_cluster_schedule_discard", "process_one_work")), count=3)  # one per type


discard_work_running = Global(mutex_t())


def swap_cluster_schedule_discard(si, idx):
    """mm/swapfile.c, v6.8. A cluster without a slot in use waits for its discard; until then its bytes are bad, so that no scan
    takes them. The work item is queued, unless it is already. Caller holds si->lock and the cluster's lock."""
    map = yield READ_ONCE(si.swap_map)
    yield memset(map, idx * SWAPFILE_CLUSTER, SWAPFILE_CLUSTER, SWAP_MAP_BAD)
    array = yield READ_ONCE(si.cluster_info)
    yield from cluster_list_add_tail(si.discard_clusters, array, idx)
    type = yield READ_ONCE(si.type)
    yield xchg(discard_work_pending[type], 1)


def discard_swap_cluster(si, start_page, nr_pages):
    """mm/swapfile.c, v6.8. Tells the device that these slots hold nothing any more; they read as zeroes afterwards. It sleeps,
    so nothing is held: the extents and the block device are there until swapoff has flushed the work item."""
    extent = yield READ_ONCE(si.swap_extent_root)
    yield READ_ONCE(extent.value)
    bdev = yield READ_ONCE(si.bdev)
    yield READ_ONCE(bdev.value)
    file = yield READ_ONCE(si.swap_file)
    yield memcpy(file.disk, start_page, (None,) * nr_pages)


def swap_do_scheduled_discard(si):
    """mm/swapfile.c, v6.8. Discards every cluster that waits for it and makes it free. Caller holds si->lock, which is dropped
    during each discard: a cluster in the middle of one is on no list."""
    clusters = yield read(si.discard_clusters)
    while clusters:
        idx = yield from cluster_list_del_first(si.discard_clusters)
        yield spin_unlock(si.lock)
        yield from discard_swap_cluster(si, idx * SWAPFILE_CLUSTER, SWAPFILE_CLUSTER)
        yield spin_lock(si.lock)
        ci = yield from lock_cluster(si, idx * SWAPFILE_CLUSTER)
        yield from __free_cluster(si, idx)
        map = yield READ_ONCE(si.swap_map)
        yield memset(map, idx * SWAPFILE_CLUSTER, SWAPFILE_CLUSTER, 0)
        yield from unlock_cluster(ci)
        clusters = yield read(si.discard_clusters)


def swap_discard_work(si):
    """mm/swapfile.c, v6.8. The work item of a device."""
    yield spin_lock(si.lock)
    yield from swap_do_scheduled_discard(si)
    yield spin_unlock(si.lock)


def process_one_work(si):
    """kernel/workqueue.c, v6.8, for this device's one work item: what a kworker runs. It is not pending any more when it
    begins, so it can be queued again meanwhile; it never runs on two CPUs at once."""
    type = yield READ_ONCE(si.type)
    yield mutex_lock(discard_work_running)
    pending = yield xchg(discard_work_pending[type], 0)
    if pending:
        yield from swap_discard_work(si)
    yield mutex_unlock(discard_work_running)


def flush_discard_work(si):
    """kernel/workqueue.c, v6.8: flush_work(&si->discard_work). The work item is neither queued nor running any more. A kworker
    would run what is queued while the caller waits for it; here the caller does."""
    yield from process_one_work(si)
