"""What "Swap-out mTHP without splitting" changes in v3 and in v6.10 alike: no huge clusters, and a cursor for each order.

A folio of any power of two of pages, up to a whole cluster, gets neighbouring slots, naturally aligned. The members of struct
percpu_cluster shrink to `next`: here a tuple by order, or 0 while this CPU has no cluster of any order. 0 is "none" for each
order too, because slot 0 is the header (SWAP_NEXT_NULL in v3, SWAP_NEXT_INVALID in v6.10). `index` is not used any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import BUG, READ_ONCE, raw_cpu_ptr, read, spin_lock, spin_unlock, write
from ..mm.swapops import CLUSTER_FLAG_FREE, SWAP_HAS_CACHE, SWP_WRITEOK, swap_count, swp_offset

if TYPE_CHECKING:
    from ..mm.config import SWAPFILE_CLUSTER
    from ..mm.swap_cgroup import mem_cgroup_uncharge_swap
    from ..mm.swap_slots import free_swap_slot
    from ..mm.swapfile.allocate import drop_unusable_device
    from ..mm.swapfile.avail import swap_avail_lock
    from ..mm.swapfile.clusters import alloc_cluster, lock_cluster_or_swap_info, unlock_cluster_or_swap_info
    from ..mm.swapfile.cursor import cluster_next_of_cpu
    from ..mm.swapfile.discard import swap_do_scheduled_discard
    from ..mm.swapfile.entries import __swap_entry_free_locked, swap_free_cluster
    from ..mm.swapfile.lookup import _swap_info_get

    def cond_resched() -> object: ...
    def slots_of_size(si: object, n_goal: int, size: int) -> object: ...


# ---- no flag for the cluster of a PMD-size folio ---------------------------------------------------------------------


def split_swap_cluster(entry):
    """mm/swapfile.c: gone, as its only work was to clear CLUSTER_FLAG_HUGE. Nothing is looked at, nothing can fail."""
    return 0
    yield


def any_slot_of_folio_swapped(si, entry, nr_pages):
    """The body of swap_page_trans_huge_swapped(), which is told how large the folio is. Reads si->swap_map before it locks
    anything. A device without clusters has small folios only."""
    map = yield READ_ONCE(si.swap_map)
    roffset = swp_offset(entry)
    offset = roffset - roffset % nr_pages
    ci = yield from lock_cluster_or_swap_info(si, offset)
    if not ci:
        offset, nr_pages = roffset, 1
    swapped = False
    for i in range(nr_pages):
        byte = yield READ_ONCE(map[offset + i])
        if swap_count(byte):
            swapped = True
            break
    yield from unlock_cluster_or_swap_info(si, ci)
    return swapped


def put_swap_folio(folio, entry):
    """mm/swapfile.c: as v6.8, but nothing marks the cluster of a PMD-size folio: only the size of the folio says that it may go
    as a whole. A smaller one goes slot by slot, the lock dropped around each free."""
    offset = swp_offset(entry)
    size = yield READ_ONCE(folio.nr_pages)
    si = yield from _swap_info_get(entry)
    if not si:
        return
    ci = yield from lock_cluster_or_swap_info(si, offset)
    if size == SWAPFILE_CLUSTER:
        free_entries = yield from count_cache_only(si, offset)
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


def count_cache_only(si, offset):
    """The loop of put_swap_folio() over a whole cluster: how many slots have no reference but the cache's pin."""
    map = yield READ_ONCE(si.swap_map)
    free_entries = 0
    for i in range(SWAPFILE_CLUSTER):
        byte = yield read(map[offset + i])
        if not byte & SWAP_HAS_CACHE:
            yield BUG("put_swap_folio: a slot without SWAP_HAS_CACHE")
        if byte == SWAP_HAS_CACHE:
            free_entries += 1
    return free_entries


# ---- a cluster of this CPU for each order ----------------------------------------------------------------------------


def add_cluster_info_page(si, page_nr, count):
    """mm/swapfile.c: inc_cluster_info_page() for `count` slots at once. The first ones take the cluster off the free list.
    Caller holds si->lock and the cluster's lock."""
    array = yield READ_ONCE(si.cluster_info)
    if not array:
        return
    ci = array[page_nr // SWAPFILE_CLUSTER]
    flags = yield read(ci.flags)
    if flags & CLUSTER_FLAG_FREE:
        yield from alloc_cluster(si, page_nr // SWAPFILE_CLUSTER)
    used = yield read(ci.data)
    if used + count > SWAPFILE_CLUSTER:
        yield BUG("add_cluster_info_page: the cluster counts more slots than it has")
    yield write(ci.data, used + count)


def next_of_order(si, order):
    """The this_cpu_ptr(si->percpu_cluster)->next[order]: where this CPU allocates next; 0 if it has no cluster of this order.
    Caller holds si->lock."""
    percpu = yield READ_ONCE(si.percpu_cluster)
    cluster = yield raw_cpu_ptr(percpu)
    nexts = yield read(cluster.next)
    return nexts[order] if nexts else 0


def set_next_of_order(si, order, next):
    """The store to next_of_order(). A cluster has from 1 to all its slots for a folio: so many orders there are."""
    percpu = yield READ_ONCE(si.percpu_cluster)
    cluster = yield raw_cpu_ptr(percpu)
    nexts = yield read(cluster.next)
    nexts = nexts or (0,) * SWAPFILE_CLUSTER.bit_length()
    yield write(cluster.next, (*nexts[:order], next, *nexts[order + 1 :]))


def leave_cluster_in_conflict(si, offset, order):
    """The body of scan_swap_map_ssd_cluster_conflict(): as v6.8, but what this CPU loses is its cluster of one order."""
    clusters = yield read(si.free_clusters)
    if offset // SWAPFILE_CLUSTER not in clusters[1:]:
        return False
    yield from set_next_of_order(si, order, 0)
    return True


def slots_of_device(si, n_goal, size):
    """The part of get_swap_pages() about one device. As v6.8, but for every size above 1 one device is asked only; then the
    folio is split."""
    yield spin_lock(si.lock)
    highest = yield read(si.highest_bit)
    flags = yield READ_ONCE(si.flags)
    if not highest or not flags & SWP_WRITEOK:
        yield from drop_unusable_device(si)
        return False, ()
    slots = yield from slots_of_size(si, n_goal, size)
    yield spin_unlock(si.lock)
    if slots or size > 1:
        return True, slots
    yield from cond_resched()
    yield spin_lock(swap_avail_lock)
    return False, ()


def wait_for_discards(si):
    """The part of scan_swap_map_try_ssd_cluster() without any free cluster: those that wait for their discard are discarded
    now. False if none does. Caller holds si->lock, dropped meanwhile; the second value is where this CPU's search begins
    after it."""
    clusters = yield read(si.discard_clusters)
    if not clusters:
        return False, 0
    yield from swap_do_scheduled_discard(si)
    base = yield from cluster_next_of_cpu(si)
    return True, base
