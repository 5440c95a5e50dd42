"""v6.10, where slots come from: 14c62da21b2b, 9faaa0f8168b and 845982eb264b of "Swap-out mTHP without splitting", v7.

Only scan_swap_map_slots() allocates: entries of every order, each naturally aligned. For large ones it takes this CPU's
cluster of that order or a free one, and looks nowhere else; single slots it takes from any cluster. The parts have the
names of v6.8's parts and one argument more, with a default: link() wants as many arguments as the base has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import READ_ONCE, WARN, memset, read, spin_lock, spin_unlock, write
from ..mm.swapops import SWAP_HAS_CACHE, SWP_BLKDEV, SWP_SCANNING, SWP_WRITEOK, TTRS_ANYWAY, swp_entry

if TYPE_CHECKING:
    from ..mm.config import LATENCY_LIMIT, SWAP_SLOTS_CACHE_SIZE, SWAPFILE_CLUSTER
    from ..mm.swap_slots import use_swap_slot_cache
    from ..mm.swap_slots_alloc import take_cached_slot
    from ..mm.swapfile.allocate import reserve_slots
    from ..mm.swapfile.avail import swap_range_alloc
    from ..mm.swapfile.clusters import lock_cluster, unlock_cluster
    from ..mm.swapfile.cursor import set_cluster_next
    from ..mm.swapfile.reclaim import vm_swap_full
    from ..mm.swapfile.scan import (
        SwapScan,
        scan_close_behind,
        scan_for_empty_cluster,
        scan_next_in_run,
        scan_start,
        scan_without_lock,
    )
    from .mthp import add_cluster_info_page, leave_cluster_in_conflict, next_of_order, set_next_of_order, wait_for_discards
    from .v6_10 import __try_to_reclaim_swap, folio_order

    def cond_resched() -> object: ...


def folio_alloc_swap(folio):
    """mm/swap_slots.c, v6.10. An entry for a folio, with one slot for each of its pages; 0 if there is none. Caller holds the
    folio lock."""
    order = yield from folio_order(folio)
    if not order:
        entry = yield from take_cached_slot()
        if entry:
            return entry
    entries = yield from get_swap_pages(1, order)
    return entries[0] if entries else 0


def refill_swap_slots_cache(cache):
    """mm/swap_slots.c, v6.10. As v6.8, of order 0. Caller holds the cache's alloc_lock."""
    use = yield from use_swap_slot_cache()
    if not use:
        return ()
    slots = yield from get_swap_pages(SWAP_SLOTS_CACHE_SIZE, 0)
    yield write(cache.slots, slots)
    return slots


def get_swap_pages(n_goal, entry_order):
    """mm/swapfile.c, v6.10. Takes up to `n_goal` entries of 1 << `entry_order` slots, all of one device, and returns them."""
    slots = yield from reserve_slots(n_goal, 1 << entry_order)
    return slots


def slots_of_size(si, n_goal, size):
    """The part of get_swap_pages() that asks the device. Caller holds si->lock."""
    slots = yield from scan_swap_map_slots(si, SWAP_HAS_CACHE, n_goal, size.bit_length() - 1)
    return slots


def scan_swap_map_slots(si, usage, nr, order=0):
    """mm/swapfile.c, v6.10. Takes up to `nr` entries of 1 << `order` free slots, whose bytes become `usage`. Those of an order
    above 0 come from a cluster of this order, or a free one; nothing else is searched. Order 0 may take slots of any cluster.
    Caller holds si->lock, which may be dropped meanwhile: SWP_SCANNING makes swapoff wait."""
    if order:
        clusters = yield READ_ONCE(si.cluster_info)
        flags = yield READ_ONCE(si.flags)
        if 1 << order > SWAPFILE_CLUSTER:
            yield WARN("scan_swap_map_slots: an entry larger than a cluster")
        if not flags & SWP_BLKDEV or not clusters:
            return ()
    flags = yield READ_ONCE(si.flags)
    yield write(si.flags, flags + SWP_SCANNING)
    scan, label = yield from scan_begin(si, order)
    while label == "checks" or label == "scan":
        if label == "checks":
            scan, label = yield from scan_checks(si, scan, usage, nr, order)
        else:
            if order:
                yield WARN("scan_swap_map_slots: looking everywhere for a large entry")
            scan, label = yield from scan_without_lock(si, scan)
    if label == "done" and not order:
        yield from set_cluster_next(si, scan.offset + 1)
    flags = yield READ_ONCE(si.flags)
    yield write(si.flags, flags - SWP_SCANNING)
    return scan.slots


def scan_begin(si, order=0):
    """The part of scan_swap_map_slots() before its label checks: where to look first. Caller holds si->lock."""
    base = yield from scan_start(si)
    clusters = yield READ_ONCE(si.cluster_info)
    if clusters:
        found, offset, base = yield from scan_swap_map_try_ssd_cluster(si, base, base, order)
        return SwapScan(offset, base, LATENCY_LIMIT), "checks" if found else "no_page" if order else "scan"
    scan = SwapScan(base, base, LATENCY_LIMIT)
    left = yield read(si.cluster_nr)
    yield write(si.cluster_nr, (left - 1) % (1 << 32))
    if not left:
        scan = yield from scan_for_empty_cluster(si, scan)
    return scan, "checks"


def scan_checks(si, scan, usage, nr, order=0):
    """The part of scan_swap_map_slots() from its label checks on: takes the slots at the offset if they are free, then
    looks for the next ones. Caller holds si->lock."""
    scan, label = yield from scan_leave_conflict(si, scan, order)
    if label != "checks":
        return scan, label
    flags = yield READ_ONCE(si.flags)
    highest = yield read(si.highest_bit)
    if not flags & SWP_WRITEOK or not highest:
        return scan, "no_page"
    if scan.offset > highest:
        lowest = yield read(si.lowest_bit)
        scan = scan._replace(offset=lowest, scan_base=lowest)
    label = yield from scan_take_slot(si, scan, usage, order)
    if label != "taken":
        return scan, label
    type = yield READ_ONCE(si.type)
    scan = scan._replace(slots=(*scan.slots, swp_entry(type, scan.offset)))
    highest = yield read(si.highest_bit)
    if len(scan.slots) == nr or scan.offset >= highest:
        return scan, "done"
    scan, label = yield from scan_for_next(si, scan, order)
    return scan, label


def scan_leave_conflict(si, scan, order=0):
    """The part of scan_swap_map_slots() that goes elsewhere while the offset lies in a cluster that must not be taken."""
    clusters = yield READ_ONCE(si.cluster_info)
    if not clusters:
        return scan, "checks"
    while True:
        conflict = yield from scan_swap_map_ssd_cluster_conflict(si, scan.offset, order)
        if not conflict:
            return scan, "checks"
        if scan.slots:
            return scan, "done"
        found, offset, base = yield from scan_swap_map_try_ssd_cluster(si, scan.offset, scan.scan_base, order)
        scan = scan._replace(offset=offset, scan_base=base)
        if not found:
            return scan, "no_page" if order else "scan"


def scan_take_slot(si, scan, usage, order=0):
    """The part of scan_swap_map_slots() under the lock of the bytes. "taken", or the label to go on at. A negative answer of
    __try_to_reclaim_swap() is a folio that stays: only the first byte is looked at, as all were free a moment ago."""
    offset = scan.offset
    ci = yield from lock_cluster(si, offset)
    map = yield READ_ONCE(si.swap_map)
    full = yield from vm_swap_full()
    byte = yield read(map[offset])
    if full and byte == SWAP_HAS_CACHE:
        yield from unlock_cluster(ci)
        yield spin_unlock(si.lock)
        freed = yield from __try_to_reclaim_swap(si, offset, TTRS_ANYWAY)
        yield spin_lock(si.lock)
        return "checks" if freed > 0 else "scan"
    if byte:
        yield from unlock_cluster(ci)
        return "done" if scan.slots else "scan"
    yield memset(map, offset, 1 << order, usage)
    yield from add_cluster_info_page(si, offset, 1 << order)
    yield from unlock_cluster(ci)
    yield from swap_range_alloc(si, offset, 1 << order)
    return "taken"


def scan_for_next(si, scan, order=0):
    """The part of scan_swap_map_slots() between one entry and the next: a neighbour, else, for order 0, what is free close
    behind. Caller holds si->lock, and has an entry: so it gives up where it would have to let others run."""
    if scan.latency_ration <= 0:
        return scan._replace(latency_ration=LATENCY_LIMIT), "done"
    scan = scan._replace(latency_ration=scan.latency_ration - 1)
    clusters = yield READ_ONCE(si.cluster_info)
    if clusters:
        found, offset, base = yield from scan_swap_map_try_ssd_cluster(si, scan.offset, scan.scan_base, order)
        scan = scan._replace(offset=offset, scan_base=base)
    else:
        found, scan = yield from scan_next_in_run(si, scan)
    if found:
        return scan, "checks"
    if not order and not scan.scanned_many:
        scan, found = yield from scan_close_behind(si, scan)
    return scan, "checks" if found else "done"


def scan_swap_map_ssd_cluster_conflict(si, offset, order=0):
    """mm/swapfile.c, v6.10. As v6.8, for one order. Caller holds si->lock."""
    conflict = yield from leave_cluster_in_conflict(si, offset, order)
    return conflict


def scan_swap_map_try_ssd_cluster(si, offset, scan_base, order=0):
    """mm/swapfile.c, v6.10. 1 << `order` free slots, naturally aligned, of this CPU's cluster for this order, or of a new one:
    (True, offset, offset). (False, offset, scan_base) if there is none; waiting clusters are discarded first. Caller holds
    si->lock, dropped during a discard."""
    while True:
        next = yield from next_of_order(si, order)
        if not next:
            clusters = yield read(si.free_clusters)
            if not clusters:
                waited, base = yield from wait_for_discards(si)
                if not waited:
                    return False, offset, scan_base
                offset, scan_base = base, base
                continue
            next = clusters[0] * SWAPFILE_CLUSTER
        next, end = yield from free_range_of_cluster(si, next, 1 << order)
        following = next + (1 << order)
        yield from set_next_of_order(si, order, following if following < end else 0)
        if next < end:
            return True, next, next


def free_range_of_cluster(si, next, nr_pages):
    """The loop of scan_swap_map_try_ssd_cluster() over this CPU's cluster, from `next` on: the first range of free slots,
    and the cluster's end, which is not above it if there is none. Who had no cluster may have taken slots of this one."""
    maximum = yield READ_ONCE(si.max)
    end = min(maximum, (next // SWAPFILE_CLUSTER + 1) * SWAPFILE_CLUSTER)
    if next < end:
        ci = yield from lock_cluster(si, next)
        while next < end:
            empty = yield from swap_range_empty(si, next, nr_pages)
            if empty:
                break
            next += nr_pages
        yield from unlock_cluster(ci)
    return next, end


def swap_range_empty(si, start, nr_pages):
    """mm/swapfile.c, v6.10. Are all these slots free? Caller holds the cluster's lock."""
    map = yield READ_ONCE(si.swap_map)
    for i in range(nr_pages):
        byte = yield read(map[start + i])
        if byte:
            return False
    return True
