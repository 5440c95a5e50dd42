"""mthp-v3: v6.8 with the series under review at the time of the seed message, "Swap-out small-sized THP without splitting", v3.

Posted on 25 October 2023 (20231025144546.577640-1): 1 removes CLUSTER_FLAG_HUGE, 2 removes struct percpu_cluster (here its
`next` stays, for the cpu_next that took its place), 3 gives a cluster up where somebody took a slot of it, 4 adds the orders.
It was written for the mm-unstable of that month; here it lies on v6.8. free_swap_and_cache() pins no device: that question is
what it raised. Patches 2 to 4 were read as posted; of patch 1 only its message, quoted in the answers, and its form in v5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import READ_ONCE, WARN, memset, read, write
from ..mm.swapops import (
    SWAP_HAS_CACHE,
    SWP_BLKDEV,
    SWP_SCANNING,
    SWP_WRITEOK,
    TTRS_FULL,
    TTRS_UNMAPPED,
    non_swap_entry,
    swp_entry,
    swp_offset,
)

if TYPE_CHECKING:
    from ..mm.config import SWAPFILE_CLUSTER
    from ..mm.swapfile.allocate import reserve_slots
    from ..mm.swapfile.avail import swap_range_alloc
    from ..mm.swapfile.clusters import lock_cluster, unlock_cluster
    from ..mm.swapfile.counts import swap_swapcount
    from ..mm.swapfile.entries import __swap_entry_free
    from ..mm.swapfile.lookup import _swap_info_get
    from ..mm.swapfile.reclaim import __try_to_reclaim_swap
    from ..mm.swapfile.scan import scan_swap_map_slots
    from .mthp import (
        add_cluster_info_page,
        any_slot_of_folio_swapped,
        leave_cluster_in_conflict,
        next_of_order,
        set_next_of_order,
        wait_for_discards,
    )

    def cond_resched() -> object: ...


# ---- patch 1 ---------------------------------------------------------------------------------------------------------


def free_swap_and_cache(entry):
    """mm/swapfile.c, v6.8 with the series, v3. The look at all slots of the folio before __try_to_reclaim_swap() is gone:
    it was the one caller that does not know the folio. folio_free_swap() takes the same look, with the folio locked."""
    if non_swap_entry(entry):
        return True
    si = yield from _swap_info_get(entry)
    if not si:
        return False
    count = yield from __swap_entry_free(si, entry)
    if count == SWAP_HAS_CACHE:
        yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)
    return True


def swap_page_trans_huge_swapped(si, entry, nr_pages=1):
    """mm/swapfile.c, v6.8 with the series, v3. Does any slot of a folio of `nr_pages` still have a reference?"""
    swapped = yield from any_slot_of_folio_swapped(si, entry, nr_pages)
    return swapped


def folio_swapped(folio):
    """mm/swapfile.c, v6.8 with the series, v3. Does any PTE or shmem slot still refer to the folio's slots? Caller holds the
    folio lock."""
    entry = yield read(folio.swap)
    si = yield from _swap_info_get(entry)
    if not si:
        return False
    nr_pages = yield READ_ONCE(folio.nr_pages)
    if nr_pages == 1:
        count = yield from swap_swapcount(si, entry)
        return count != 0
    swapped = yield from swap_page_trans_huge_swapped(si, entry, nr_pages)
    return swapped


# ---- patches 2 to 4 --------------------------------------------------------------------------------------------------


def inc_cluster_info_page(si, page_nr):
    """mm/swapfile.c, v6.8 with the series, v3. One slot of the cluster more. Caller holds si->lock and the cluster's lock."""
    yield from add_cluster_info_page(si, page_nr, 1)


def __scan_swap_map_ssd_cluster_conflict(si, offset, order):
    """mm/swapfile.c, v6.8 with the series, v3. As in v6.8, for one order. Caller holds si->lock."""
    conflict = yield from leave_cluster_in_conflict(si, offset, order)
    return conflict


def scan_swap_map_ssd_cluster_conflict(si, offset):
    """mm/swapfile.c, v6.8 with the series, v3: order 0."""
    conflict = yield from __scan_swap_map_ssd_cluster_conflict(si, offset, 0)
    return conflict


def __scan_swap_map_try_ssd_cluster(si, offset, scan_base, order):
    """mm/swapfile.c, v6.8 with the series, v3. 1 << order free slots of this CPU's cluster for this order, or of a new one:
    (True, offset, offset). (False, offset, scan_base) if there is none. It does not look on in a cluster of which somebody
    without one has taken a slot. Caller holds si->lock, dropped during a discard."""
    nr_pages = 1 << order
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
        free = yield from all_slots_free(si, next, nr_pages)
        if free:
            following = next + nr_pages
            yield from set_next_of_order(si, order, following if following % SWAPFILE_CLUSTER else 0)
            return True, next, next
        yield from set_next_of_order(si, order, 0)


def all_slots_free(si, offset, nr_pages):
    """The part of __scan_swap_map_try_ssd_cluster() under the cluster's lock."""
    ci = yield from lock_cluster(si, offset)
    map = yield READ_ONCE(si.swap_map)
    free = True
    for i in range(nr_pages):
        byte = yield read(map[offset + i])
        if byte:
            free = False
            break
    yield from unlock_cluster(ci)
    return free


def scan_swap_map_try_ssd_cluster(si, offset, scan_base):
    """mm/swapfile.c, v6.8 with the series, v3: order 0."""
    found, offset, scan_base = yield from __scan_swap_map_try_ssd_cluster(si, offset, scan_base, 0)
    return found, offset, scan_base


def swap_alloc_large(si, nr_pages):
    """mm/swapfile.c, v6.8 with the series, v3, where v6.8 has swap_alloc_cluster(). Takes `nr_pages` neighbouring slots:
    the only entry, or none. Caller holds si->lock, dropped where a discard comes between; SWP_SCANNING keeps swapoff away
    then."""
    order = nr_pages.bit_length() - 1
    if nr_pages != 1 << order or nr_pages < 2 or nr_pages > SWAPFILE_CLUSTER:
        yield WARN("swap_alloc_large: no power of two from 2 to a whole cluster")
    clusters = yield READ_ONCE(si.cluster_info)
    flags = yield READ_ONCE(si.flags)
    if not flags & SWP_BLKDEV or not clusters:
        return ()
    while True:
        flags = yield READ_ONCE(si.flags)
        yield write(si.flags, flags + SWP_SCANNING)
        found, offset, _ = yield from __scan_swap_map_try_ssd_cluster(si, 0, 0, order)
        flags = yield READ_ONCE(si.flags)
        yield write(si.flags, flags - SWP_SCANNING)
        if not found or not flags & SWP_WRITEOK:
            return ()
        conflict = yield from __scan_swap_map_ssd_cluster_conflict(si, offset, order)
        if not conflict:
            break
    ci = yield from lock_cluster(si, offset)
    map = yield READ_ONCE(si.swap_map)
    yield memset(map, offset, nr_pages, SWAP_HAS_CACHE)
    yield from add_cluster_info_page(si, offset, nr_pages)
    yield from unlock_cluster(ci)
    yield from swap_range_alloc(si, offset, nr_pages)
    type = yield READ_ONCE(si.type)
    return (swp_entry(type, offset),)


def get_swap_pages(n_goal, entry_size):
    """mm/swapfile.c, v6.8 with the series, v3. As v6.8; of entries with more than one slot one is asked for at a time."""
    if n_goal > 1 and entry_size > 1:
        yield WARN("get_swap_pages: more than one large entry is wanted")
    slots = yield from reserve_slots(n_goal, entry_size)
    return slots


def slots_of_size(si, n_goal, size):
    """The part of get_swap_pages() that asks the device. Caller holds si->lock."""
    if size > 1:
        slots = yield from swap_alloc_large(si, size)
    else:
        slots = yield from scan_swap_map_slots(si, SWAP_HAS_CACHE, n_goal)
    return slots


def worth_splitting(folio, nr_pages):
    """The condition of shrink_folio_list(), v6.8 with the series, v3: a folio of PMD size that is not mapped as a whole is
    split right away, since some of its pages may be free already. Smaller ones are not, whoever maps them."""
    mapped = yield READ_ONCE(folio.mapcount)
    return nr_pages == SWAPFILE_CLUSTER and mapped < nr_pages
