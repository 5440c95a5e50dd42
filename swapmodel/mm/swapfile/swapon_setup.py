"""mm/swapfile.c, v6.8: what swapon() allocates and fills before anybody can see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    READ_ONCE,
    init_store,
    kvzalloc,
    memcpy,
    write,
)
from ..errno import EINVAL
from ..swapops import (
    CLUSTER_FLAG_FREE,
    SWAP_MAP_BAD,
    SWP_AREA_DISCARD,
    SWP_DISCARDABLE,
    SWP_PAGE_DISCARD,
    SWP_SOLIDSTATE,
    SWP_SYNCHRONOUS_IO,
)

if TYPE_CHECKING:
    from ..config import SWAP_ADDRESS_SPACE_SHIFT, SWAPFILE_CLUSTER
    from .swapon import L1_CACHE_BYTES


MAX_SWAP_BADPAGES = 637  # what fits into a header of 4096 bytes


SIZEOF_SWAP_CLUSTER_INFO = 8


def read_swap_header(si, file):
    """mm/swapfile.c, v6.8. How many slots there are, with the header; 0 for a header that makes no sense. Nobody allocates from
    the device yet, so its bounds are set without its lock."""
    yield init_store(si.lowest_bit, 1)
    yield init_store(si.cluster_next, 1)
    yield init_store(si.cluster_nr, 0)
    if file.pages < 2:
        return 0
    yield init_store(si.highest_bit, file.pages - 1)
    return file.pages if len(file.bad) <= MAX_SWAP_BADPAGES else 0


def swapon_set_flags(si, file):
    """The part of swapon() that asks the block device what it is."""
    flags = yield READ_ONCE(si.flags)
    if file.synchronous:
        flags |= SWP_SYNCHRONOUS_IO
    if file.solidstate:
        flags |= SWP_SOLIDSTATE
    yield write(si.flags, flags)


def swapon_alloc_clusters(si, file):
    """The part of swapon() for solid-state devices: per-CPU positions and the array of clusters, which only a local knows."""
    next = yield kvzalloc(file.cluster_next_cpu)
    yield write(si.cluster_next_cpu, next)
    for cpu in range(len(next)):
        yield init_store(next[cpu], 1)
    clusters = yield kvzalloc(file.cluster_info)
    percpu = yield kvzalloc(file.percpu_cluster)
    yield write(si.percpu_cluster, percpu)
    for cpu in range(len(percpu)):
        yield init_store(percpu[cpu].index, -1)
    return clusters


def setup_swap_map_and_extents(si, file, map, clusters, maxpages):
    """mm/swapfile.c, v6.8. Marks the header and the bad pages, fills in the clusters and the list of free ones. Nobody else
    knows of the arrays, so no lock is held and each store could be seen by nobody."""
    yield init_store(si.free_clusters, ())
    yield init_store(si.discard_clusters, ())
    for i in range(len(file.bad)):
        if file.bad[i] <= 0 or file.bad[i] >= maxpages:
            return -EINVAL
        yield init_store(map[file.bad[i]], SWAP_MAP_BAD)
    nr_good_pages = maxpages - 1 - len(file.bad)
    if nr_good_pages <= 0:
        return -EINVAL
    yield init_store(map[0], SWAP_MAP_BAD)
    yield init_store(si.max, maxpages)
    yield write(si.pages, nr_good_pages)
    yield from setup_swap_extents(si, file)
    if clusters:
        yield from setup_clusters(si, clusters, cluster_counts(maxpages, (0, *file.bad)))
    return 0


def setup_swap_extents(si, file):
    """mm/swapfile.c, v6.8, for a block device: one extent for all of it."""
    extent = yield kvzalloc(file.extent)
    yield write(si.swap_extent_root, extent)


def setup_clusters(si, clusters, counts):
    """The part of setup_swap_map_and_extents() about clusters: the free ones become a list, linked through `data`."""
    for i in range(len(counts)):
        if counts[i]:
            yield init_store(clusters[i].data, counts[i])
    order = free_cluster_order(counts)
    for i in range(len(order)):
        yield init_store(clusters[order[i]].flags, CLUSTER_FLAG_FREE)
        if i:
            yield init_store(clusters[order[i - 1]].data, order[i])
    yield init_store(si.free_clusters, order)


def cluster_counts(maxpages, bad):
    """How many slots of each cluster are not to be had: bad ones, the header, and what lies behind the end of the device."""
    counts = [0] * -(-maxpages // SWAPFILE_CLUSTER)
    for offset in (*bad, *range(maxpages, len(counts) * SWAPFILE_CLUSTER)):
        counts[offset // SWAPFILE_CLUSTER] += 1
    return tuple(counts)


def swap_cluster_cols():
    """mm/swapfile.c, v6.8: SWAP_CLUSTER_COLS. How far apart neighbours on the free list lie, so that they share neither a cache
    line of cluster_info nor an address space of the swap cache."""
    info = -(-L1_CACHE_BYTES // SIZEOF_SWAP_CLUSTER_INFO)
    space = -(-(1 << SWAP_ADDRESS_SPACE_SHIFT) // SWAPFILE_CLUSTER)
    return max(info, space)


def free_cluster_order(counts):
    """The free clusters, column by column. The first column is that of cluster_next, which is 1."""
    cols = swap_cluster_cols()
    first = 1 // SWAPFILE_CLUSTER % cols
    columns = ((first + k) % cols for k in range(cols))
    return tuple(i for column in columns for i in range(column, len(counts), cols) if not counts[i])


def swapon_discard(si, file):
    """The part of swapon() for SWAP_FLAG_DISCARD without a policy: freed clusters are discarded later, and all of it now."""
    flags = yield READ_ONCE(si.flags)
    yield write(si.flags, flags | SWP_DISCARDABLE | SWP_AREA_DISCARD | SWP_PAGE_DISCARD)
    yield from discard_swap(file)


def discard_swap(file):
    """mm/swapfile.c, v6.8. All slots but the header lose their contents; one step, because nobody reads or writes them yet."""
    yield memcpy(file.disk, 1, (None,) * (file.pages - 1))
