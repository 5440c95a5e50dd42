"""mm/swapfile.c, v6.8: where each CPU allocates on a device: its cluster, and where its next search begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import READ_ONCE, raw_cpu_ptr, read, write
from ..swapops import SWP_SOLIDSTATE
from .clusters import lock_cluster, unlock_cluster
from .discard import swap_do_scheduled_discard

if TYPE_CHECKING:
    from ..config import SWAP_ADDRESS_SPACE_SHIFT, SWAPFILE_CLUSTER


def cluster_next_of_cpu(si):
    """The this_cpu_read(*si->cluster_next_cpu) of scan_swap_map_slots() and its helpers."""
    array = yield READ_ONCE(si.cluster_next_cpu)
    p = yield raw_cpu_ptr(array)
    next = yield read(p)
    return next


def scan_swap_map_ssd_cluster_conflict(si, offset):
    """mm/swapfile.c, v6.8. Does the offset lie in a free cluster that is not the first of the free list? Only the first can
    be taken off. If so, this CPU has no cluster any more. Caller holds si->lock."""
    clusters = yield read(si.free_clusters)
    if offset // SWAPFILE_CLUSTER not in clusters[1:]:
        return False
    percpu = yield READ_ONCE(si.percpu_cluster)
    cluster = yield raw_cpu_ptr(percpu)
    yield write(cluster.index, -1)
    return True


def scan_swap_map_try_ssd_cluster(si, offset, scan_base):
    """mm/swapfile.c, v6.8. A free slot of this CPU's cluster, or of a new one: (True, offset, offset). (False, offset,
    scan_base) if there is none; waiting clusters are discarded first. Caller holds si->lock, dropped during a discard."""
    percpu = yield READ_ONCE(si.percpu_cluster)
    cluster = yield raw_cpu_ptr(percpu)
    while True:
        index = yield read(cluster.index)
        if index < 0:
            clusters = yield read(si.free_clusters)
            if clusters:
                index = clusters[0]
                yield write(cluster.index, index)
                yield write(cluster.next, index * SWAPFILE_CLUSTER)
            else:
                clusters = yield read(si.discard_clusters)
                if not clusters:
                    return False, offset, scan_base
                yield from swap_do_scheduled_discard(si)
                scan_base = yield from cluster_next_of_cpu(si)
                offset = scan_base
                continue
        next, end = yield from free_slot_of_cluster(si, cluster, index)
        if next < end:
            yield write(cluster.next, next + 1)
            return True, next, next
        yield write(cluster.index, -1)


def free_slot_of_cluster(si, cluster, index):
    """The loop of scan_swap_map_try_ssd_cluster() over this CPU's cluster: the next free slot, and the cluster's end, which is
    not below it if there is none. Other CPUs may have taken slots of this cluster."""
    next = yield read(cluster.next)
    maximum = yield READ_ONCE(si.max)
    end = min(maximum, (index + 1) * SWAPFILE_CLUSTER)
    if next < end:
        ci = yield from lock_cluster(si, next)
        map = yield READ_ONCE(si.swap_map)
        while next < end:
            byte = yield read(map[next])
            if not byte:
                break
            next += 1
        yield from unlock_cluster(ci)
    return next, end


def set_cluster_next(si, next):
    """mm/swapfile.c, v6.8. Where the next search begins; at the end of an address space it goes to another one, so that CPUs
    share its lock less. Caller holds si->lock. The kernel picks that one at random, this one the lowest."""
    flags = yield READ_ONCE(si.flags)
    if not flags & SWP_SOLIDSTATE:
        yield write(si.cluster_next, next)
        return
    prev = yield from cluster_next_of_cpu(si)
    if prev >> SWAP_ADDRESS_SPACE_SHIFT != next >> SWAP_ADDRESS_SPACE_SHIFT:
        lowest = yield read(si.lowest_bit)
        highest = yield read(si.highest_bit)
        if highest <= lowest:
            return
        next = lowest
    array = yield READ_ONCE(si.cluster_next_cpu)
    p = yield raw_cpu_ptr(array)
    yield write(p, next)
