"""mm/swapfile.c, v6.8: swapon()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    NULL,
    READ_ONCE,
    WARN,
    Global,
    atomic_add,
    init_store,
    kfree,
    kvzalloc,
    mutex_lock,
    mutex_t,
    mutex_unlock,
    percpu_ref_init_dead,
    percpu_ref_resurrect,
    read,
    spin_lock,
    spin_unlock,
    word,
    write,
)
from ..errno import EBUSY, EINVAL, EPERM
from ..swapops import (
    SWP_BLKDEV,
    SWP_USED,
    SWP_WRITEOK,
    plist_add,
    plist_node_empty,
    show_claims,
    show_swapfiles,
)
from .avail import add_to_avail_list, swap_active_head, swap_lock
from .entries import nr_swap_pages, total_swap_pages
from .lookup import swap_info

if TYPE_CHECKING:
    from ..config import SWAP_INFOS
    from ..swap_cgroup import swap_cgroup_swapon
    from ..swap_slots_alloc import enable_swap_slots_cache
    from ..swap_state import init_swap_address_space
    from .swapoff import swapon_failed
    from .swapon_setup import (
        read_swap_header,
        setup_swap_map_and_extents,
        swapon_alloc_clusters,
        swapon_discard,
        swapon_set_flags,
    )

L1_CACHE_BYTES = 64

swapon_mutex = Global(mutex_t())
i_rwsem = Global(mutex_t())  # inode_lock() of the swap file
bdev_lock = Global(mutex_t())  # block/bdev.c
# who has claimed which block device: pairs of (file, holder). What bdev->bd_holder says, of all of them:
bd_holder = Global(word((), guarded_by="bdev_lock", show=show_claims))
# whose inode has S_SWAPFILE: pairs of (file, who set it):
i_flags = Global(word((), guarded_by="i_rwsem", show=show_swapfiles))
least_priority = Global(word(-1, guarded_by="swap_lock", writers=("setup_swap_info", "swapoff_shift_priorities")))


def holder_of(pairs, file):
    """Who claimed `file`, in a tuple of (file, holder)."""
    return next((holder for claimed, holder in pairs if claimed is file), NULL)


def without_holder(pairs, holder):
    return tuple(pair for pair in pairs if pair[1] is not holder)


def swapon(file, prio):
    """mm/swapfile.c, v6.8. `prio` is 0 to 32767, or -1 for the next automatic priority. inode_lock() is held from the first
    look at the file to the end; until enable_swap_info() nobody else knows of the memory. Returns 0 or a negative errno."""
    si = yield from alloc_swap_info()
    if not si:
        return -EPERM
    yield init_store(si.swap_file, file)
    error = yield from claim_swapfile(si, file)
    if error:
        yield from swapon_failed(si, NULL, NULL)
        return error
    yield mutex_lock(i_rwsem)
    error, map, clusters = yield from swapon_prepare(si, file)
    if error:
        yield mutex_unlock(i_rwsem)
        yield from swapon_failed(si, map, clusters)
        return error
    marked = yield read(i_flags)
    yield write(i_flags, (*marked, (file, si)))
    yield mutex_lock(swapon_mutex)
    yield from enable_swap_info(si, prio, map, clusters)
    yield mutex_unlock(swapon_mutex)
    yield mutex_unlock(i_rwsem)
    yield from enable_swap_slots_cache()
    return 0


def alloc_swap_info():
    """mm/swapfile.c, v6.8. The first swap_info_struct that no device uses, or a new one for the next type, published when it is
    whole; NULL (-EPERM) when all types are taken. A reused one was never freed: others may still look at it, yet its locks are
    initialised again, and after swap_lock was dropped."""
    yield spin_lock(swap_lock)
    si = NULL
    for type in range(len(SWAP_INFOS)):
        si = yield READ_ONCE(swap_info[type])
        if not si:
            si = SWAP_INFOS[type]
            yield percpu_ref_init_dead(si.users)
            yield write(si.type, type)
            yield write(swap_info[type], si)
            break
        flags = yield READ_ONCE(si.flags)
        if not flags & SWP_USED:
            break
        si = NULL
    if not si:
        yield spin_unlock(swap_lock)
        return NULL
    yield write(si.swap_extent_root, NULL)
    yield write(si.flags, SWP_USED)
    yield spin_unlock(swap_lock)
    yield init_store(si.lock, 0)
    yield init_store(si.cont_lock, 0)
    yield init_store(si.comp, 0)
    return si


def claim_swapfile(si, file):
    """mm/swapfile.c, v6.8, for a block device. Opens it for this swap_info_struct alone."""
    handle = yield from bdev_open_by_dev(file, si)
    if not handle:
        return -EBUSY
    yield write(si.bdev_handle, handle)
    yield write(si.bdev, handle)
    flags = yield READ_ONCE(si.flags)
    yield write(si.flags, flags | SWP_BLKDEV)
    return 0


def bdev_open_by_dev(file, holder):
    """block/bdev.c and include/linux/blkdev.h, v6.8, as far as bd_prepare_to_claim() goes: the block device; NULL (-EBUSY) if
    it is claimed already."""
    yield mutex_lock(bdev_lock)
    pairs = yield read(bd_holder)
    handle = NULL
    if not holder_of(pairs, file):
        yield write(bd_holder, (*pairs, (file, holder)))
        handle = yield kvzalloc(file.bdev)
    yield mutex_unlock(bdev_lock)
    return handle


def bdev_release(handle, holder):
    """block/bdev.c and include/linux/blkdev.h, v6.8. Gives up the claim; from here on the block device may be gone."""
    yield mutex_lock(bdev_lock)
    pairs = yield read(bd_holder)
    yield write(bd_holder, without_holder(pairs, holder))
    yield kfree(handle)
    yield mutex_unlock(bdev_lock)


def swapon_prepare(si, file):
    """The part of swapon() under inode_lock() that may fail: everything is allocated and filled in. Returns the error and what
    only locals point to, swap_map and cluster_info; NULL where there is none yet."""
    marked = yield read(i_flags)
    if holder_of(marked, file):
        return -EBUSY, NULL, NULL
    maxpages = yield from read_swap_header(si, file)
    if not maxpages:
        return -EINVAL, NULL, NULL
    map = yield kvzalloc(file.swap_map)
    yield from swapon_set_flags(si, file)
    clusters = NULL
    if file.solidstate:
        clusters = yield from swapon_alloc_clusters(si, file)
    type = yield READ_ONCE(si.type)
    yield from swap_cgroup_swapon(type, file)
    error = yield from setup_swap_map_and_extents(si, file, map, clusters, maxpages)
    if error:
        return error, map, clusters
    if file.discard:
        yield from swapon_discard(si, file)
    error = yield from init_swap_address_space(type, file.swapper_spaces)
    return error, map, clusters


def enable_swap_info(si, prio, map, clusters):
    """mm/swapfile.c, v6.8. The device gets its priority and its memory, then may be pinned, then is allocated from. Between the
    two critical sections it is whole, but on no list. Caller holds swapon_mutex."""
    yield spin_lock(swap_lock)
    yield spin_lock(si.lock)
    yield from setup_swap_info(si, prio, map, clusters)
    yield spin_unlock(si.lock)
    yield spin_unlock(swap_lock)
    yield percpu_ref_resurrect(si.users)
    yield spin_lock(swap_lock)
    yield spin_lock(si.lock)
    yield from _enable_swap_info(si)
    yield spin_unlock(si.lock)
    yield spin_unlock(swap_lock)


def setup_swap_info(si, prio, map, clusters):
    """mm/swapfile.c, v6.8. A negative priority becomes the lowest of all, that of a device that comes back too. Caller holds
    swap_lock and si->lock."""
    if prio < 0:
        least = yield read(least_priority)
        prio = least - 1
        yield write(least_priority, prio)
    yield write(si.prio, prio)
    yield write(si.swap_map, map)
    yield write(si.cluster_info, clusters)


def _enable_swap_info(si):
    """mm/swapfile.c, v6.8. Counts the device's slots and puts it on both lists; a full one only on that of the active devices.
    Caller holds swap_lock and si->lock."""
    flags = yield read(si.flags)
    yield write(si.flags, flags | SWP_WRITEOK)
    pages = yield READ_ONCE(si.pages)
    yield atomic_add(pages, nr_swap_pages)
    total = yield read(total_swap_pages)
    yield write(total_swap_pages, total + pages)
    prio = yield read(si.prio)
    active = yield read(swap_active_head)
    if not plist_node_empty(active, si):
        yield WARN("plist_add: the device is on swap_active_head already")
    yield write(swap_active_head, plist_add(active, prio, si))
    highest = yield read(si.highest_bit)
    if highest:
        yield from add_to_avail_list(si)
