"""mm/swapfile.c, v6.8: scan_swap_map_slots(), the search for free slots of one device.

The kernel function is one piece with six labels. Here each stretch between two labels is a function that returns the label to
go on at: "checks", "scan", "done" or "no_page".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...machine import READ_ONCE, WRITE_ONCE, read, spin_lock, spin_unlock, write
from ..swapops import SWAP_HAS_CACHE, SWP_SCANNING, SWP_SOLIDSTATE, SWP_WRITEOK, TTRS_ANYWAY, swp_entry
from .avail import swap_range_alloc
from .clusters import inc_cluster_info_page, lock_cluster, unlock_cluster
from .cursor import (
    cluster_next_of_cpu,
    scan_swap_map_ssd_cluster_conflict,
    scan_swap_map_try_ssd_cluster,
    set_cluster_next,
)

if TYPE_CHECKING:
    from ..config import LATENCY_LIMIT, SWAPFILE_CLUSTER
    from .reclaim import __try_to_reclaim_swap, vm_swap_full

    def cond_resched() -> object: ...


class SwapScan(NamedTuple):
    """The local variables of scan_swap_map_slots()."""

    offset: int
    scan_base: int  # where it began: the search wraps around and ends there
    latency_ration: int  # how many more bytes it may look at before it lets others run
    slots: tuple[int, ...] = ()  # the entries found
    scanned_many: bool = False


def scan_swap_map_slots(si, usage, nr):
    """mm/swapfile.c, v6.8. Takes up to `nr` free slots, whose bytes become `usage`, and returns their entries. Caller holds
    si->lock, which may be dropped meanwhile: SWP_SCANNING then keeps the device's memory, because swapoff waits for it."""
    flags = yield READ_ONCE(si.flags)
    yield write(si.flags, flags + SWP_SCANNING)
    scan, label = yield from scan_begin(si)
    while label == "checks" or label == "scan":
        if label == "checks":
            scan, label = yield from scan_checks(si, scan, usage, nr)
        else:
            scan, label = yield from scan_without_lock(si, scan)
    if label == "done":
        yield from set_cluster_next(si, scan.offset + 1)
    flags = yield READ_ONCE(si.flags)
    yield write(si.flags, flags - SWP_SCANNING)
    return scan.slots


def scan_begin(si):
    """The part of scan_swap_map_slots() before its label checks: where to look first. Caller holds si->lock."""
    base = yield from scan_start(si)
    clusters = yield READ_ONCE(si.cluster_info)
    if clusters:
        found, offset, base = yield from scan_swap_map_try_ssd_cluster(si, base, base)
        return SwapScan(offset, base, LATENCY_LIMIT), "checks" if found else "scan"
    scan = SwapScan(base, base, LATENCY_LIMIT)
    left = yield read(si.cluster_nr)
    yield write(si.cluster_nr, (left - 1) % (1 << 32))
    if not left:
        scan = yield from scan_for_empty_cluster(si, scan)
    return scan, "checks"


def scan_start(si):
    """The part of scan_swap_map_slots() that reads where the search before this one ended. Caller holds si->lock."""
    flags = yield READ_ONCE(si.flags)
    if flags & SWP_SOLIDSTATE:
        base = yield from cluster_next_of_cpu(si)
    else:
        base = yield read(si.cluster_next)
    return base


def scan_for_empty_cluster(si, scan):
    """The part of scan_swap_map_slots() for a device without clusters whose run of slots is used up: looks from the lowest free
    slot on for as many free neighbours as a cluster has. si->lock is dropped meanwhile."""
    pages = yield READ_ONCE(si.pages)
    inuse = yield read(si.inuse_pages)
    if pages - inuse < SWAPFILE_CLUSTER:
        yield write(si.cluster_nr, SWAPFILE_CLUSTER - 1)
        return scan
    yield spin_unlock(si.lock)
    lowest = yield READ_ONCE(si.lowest_bit)
    scan = scan._replace(offset=lowest, scan_base=lowest)
    scan, last_in_cluster = yield from find_free_run(si, scan)
    yield spin_lock(si.lock)
    if scan.offset == last_in_cluster:
        scan = scan._replace(offset=scan.offset - (SWAPFILE_CLUSTER - 1))
        yield write(si.cluster_next, scan.offset)
    else:
        scan = scan._replace(offset=scan.scan_base)
    yield write(si.cluster_nr, SWAPFILE_CLUSTER - 1)
    return scan


def find_free_run(si, scan):
    """The loop of scan_swap_map_slots() over neighbours, with no lock held. Where it found a run, the offset is its last slot,
    which is the second value returned."""
    map = yield READ_ONCE(si.swap_map)
    last_in_cluster = scan.offset + SWAPFILE_CLUSTER - 1
    highest = yield READ_ONCE(si.highest_bit)
    while last_in_cluster <= highest:
        byte = yield READ_ONCE(map[scan.offset])
        if byte:
            last_in_cluster = scan.offset + SWAPFILE_CLUSTER
        elif scan.offset == last_in_cluster:
            return scan, last_in_cluster
        scan = yield from scan_breathe(scan)
        scan = scan._replace(offset=scan.offset + 1)
        highest = yield READ_ONCE(si.highest_bit)
    return scan, -1


def scan_breathe(scan):
    """The part of scan_swap_map_slots() that lets others run, now and then, while no lock is held."""
    if scan.latency_ration > 0:
        return scan._replace(latency_ration=scan.latency_ration - 1)
    yield from cond_resched()
    return scan._replace(latency_ration=LATENCY_LIMIT)


def scan_checks(si, scan, usage, nr):
    """The part of scan_swap_map_slots() from its label checks on: takes the slot at the offset if it is free, then looks for
    the next one. Caller holds si->lock."""
    scan, label = yield from scan_leave_conflict(si, scan)
    if label != "checks":
        return scan, label
    flags = yield READ_ONCE(si.flags)
    highest = yield read(si.highest_bit)
    if not flags & SWP_WRITEOK or not highest:
        return scan, "no_page"
    if scan.offset > highest:
        lowest = yield read(si.lowest_bit)
        scan = scan._replace(offset=lowest, scan_base=lowest)
    label = yield from scan_take_slot(si, scan, usage)
    if label != "taken":
        return scan, label
    type = yield READ_ONCE(si.type)
    scan = scan._replace(slots=(*scan.slots, swp_entry(type, scan.offset)))
    highest = yield read(si.highest_bit)
    if len(scan.slots) == nr or scan.offset >= highest:
        return scan, "done"
    scan, label = yield from scan_for_next(si, scan)
    return scan, label


def scan_leave_conflict(si, scan):
    """The part of scan_swap_map_slots() that goes elsewhere while the offset lies in a cluster that must not be taken."""
    clusters = yield READ_ONCE(si.cluster_info)
    if not clusters:
        return scan, "checks"
    while True:
        conflict = yield from scan_swap_map_ssd_cluster_conflict(si, scan.offset)
        if not conflict:
            return scan, "checks"
        if scan.slots:
            return scan, "done"
        found, offset, base = yield from scan_swap_map_try_ssd_cluster(si, scan.offset, scan.scan_base)
        scan = scan._replace(offset=offset, scan_base=base)
        if not found:
            return scan, "scan"


def scan_take_slot(si, scan, usage):
    """The part of scan_swap_map_slots() under the lock of the byte. "taken", or the label to go on at: a slot that only its
    folio in the swap cache keeps is reclaimed when swap is short, with no lock held, and looked at again."""
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
        return "checks" if freed else "scan"
    if byte:
        yield from unlock_cluster(ci)
        return "done" if scan.slots else "scan"
    yield WRITE_ONCE(map[offset], usage)
    yield from inc_cluster_info_page(si, offset)
    yield from unlock_cluster(ci)
    yield from swap_range_alloc(si, offset, 1)
    return "taken"


def scan_for_next(si, scan):
    """The part of scan_swap_map_slots() between one slot and the next: a neighbour, else what is free close behind. Caller
    holds si->lock, and has a slot: so it gives up where it would have to let others run."""
    if scan.latency_ration <= 0:
        return scan._replace(latency_ration=LATENCY_LIMIT), "done"
    scan = scan._replace(latency_ration=scan.latency_ration - 1)
    clusters = yield READ_ONCE(si.cluster_info)
    if clusters:
        found, offset, base = yield from scan_swap_map_try_ssd_cluster(si, scan.offset, scan.scan_base)
        scan = scan._replace(offset=offset, scan_base=base)
    else:
        found, scan = yield from scan_next_in_run(si, scan)
    if found:
        return scan, "checks"
    if not scan.scanned_many:
        scan, found = yield from scan_close_behind(si, scan)
    return scan, "checks" if found else "done"


def scan_next_in_run(si, scan):
    """The part of scan_swap_map_slots() for a device without clusters: is the next slot of this run free?"""
    left = yield read(si.cluster_nr)
    if not left:
        return False, scan
    scan = scan._replace(offset=scan.offset + 1)
    map = yield READ_ONCE(si.swap_map)
    byte = yield read(map[scan.offset])
    if byte:
        return False, scan
    yield write(si.cluster_nr, left - 1)
    return True, scan


def scan_close_behind(si, scan):
    """The last part of scan_swap_map_slots() with si->lock held: looks on as long as its ration lasts. Bytes of other clusters
    are read without their locks."""
    limit = scan.scan_base
    if scan.offset >= limit:
        limit = yield read(si.highest_bit)
    map = yield READ_ONCE(si.swap_map)
    while scan.offset <= limit:
        scan = scan._replace(latency_ration=scan.latency_ration - 1)
        if scan.latency_ration <= 0:
            break
        byte = yield READ_ONCE(map[scan.offset])
        if not byte:
            return scan, True
        scan = scan._replace(offset=scan.offset + 1)
    return scan, False


def scan_without_lock(si, scan):
    """The part of scan_swap_map_slots() from its label scan on: every slot up to the highest, then from the lowest to where the
    search began, with si->lock dropped. It is held again on return."""
    yield spin_unlock(si.lock)
    offset = scan.offset + 1
    highest = yield READ_ONCE(si.highest_bit)
    while offset <= highest:
        scan = yield from scan_breathe_often(scan)
        available = yield from swap_offset_available_and_locked(si, offset)
        if available:
            return scan._replace(offset=offset), "checks"
        offset += 1
        highest = yield READ_ONCE(si.highest_bit)
    offset = yield READ_ONCE(si.lowest_bit)
    while offset < scan.scan_base:
        scan = yield from scan_breathe_often(scan)
        available = yield from swap_offset_available_and_locked(si, offset)
        if available:
            return scan._replace(offset=offset), "checks"
        offset += 1
    yield spin_lock(si.lock)
    return scan._replace(offset=offset), "no_page"


def scan_breathe_often(scan):
    """The part of scan_swap_map_slots() that lets others run in its slow loops, and remembers that it had to."""
    many = scan.scanned_many or scan.latency_ration <= 0
    scan = yield from scan_breathe(scan)
    return scan._replace(scanned_many=many)


def swap_offset_available_and_locked(si, offset):
    """mm/swapfile.c, v6.8. Looks at a byte with no lock held. True, and si->lock is held: the slot seems to be free, or to
    have nothing but its folio in the swap cache while swap is short."""
    map = yield READ_ONCE(si.swap_map)
    byte = yield READ_ONCE(map[offset])
    if byte:
        full = yield from vm_swap_full()
        if not full:
            return False
        byte = yield READ_ONCE(map[offset])
        if byte != SWAP_HAS_CACHE:
            return False
    yield spin_lock(si.lock)
    return True
