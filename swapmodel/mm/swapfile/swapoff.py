"""mm/swapfile.c, v6.8: swapoff(), in the 25 steps of the kernel's order, cut into parts for the reader;
and how swapon() is undone when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    NULL,
    READ_ONCE,
    init_store,
    kfree,
    kvfree,
    mutex_lock,
    mutex_unlock,
    percpu_ref_kill,
    read,
    schedule_timeout_uninterruptible,
    spin_lock,
    spin_unlock,
    synchronize_rcu,
    vfree,
    wait_for_completion,
    write,
)
from ..errno import EINVAL
from ..swapops import SWP_CONTINUED, SWP_SCANNING
from .avail import swap_lock
from .lookup import swap_info
from .swapon import (
    bdev_release,
    i_flags,
    i_rwsem,
    swapon_mutex,
    without_holder,
)
from .unuse import try_to_unuse

if TYPE_CHECKING:
    from ..config import MMLIST
    from ..mmap import mmlist_lock
    from ..swap_cgroup import swap_cgroup_swapoff
    from ..swap_slots import disable_swap_slots_cache_lock, reenable_swap_slots_cache_unlock
    from ..swap_state import exit_swap_address_space
    from .continuation import free_swap_count_continuations
    from .discard import flush_discard_work
    from .swapoff_lists import reinsert_swap_info, swapoff_unlist


def swapoff(type):
    """mm/swapfile.c, v6.8. Every NULL store and every free comes after inuse_pages read 0 and after a whole grace period.
    Step 1 of its 25, finding the file, is not on this path. When pages remain, after a signal or without memory (step 6), the
    device is put back into use. Returns 0, -EINVAL, -EINTR or -ENOMEM."""
    si = yield from swapoff_unlist(type)
    if not si:
        return -EINVAL
    yield from disable_swap_slots_cache_lock()
    error = yield from try_to_unuse(type)
    if error:
        yield from reinsert_swap_info(si)
        yield from reenable_swap_slots_cache_unlock()
        return error
    yield from reenable_swap_slots_cache_unlock()
    yield from swapoff_wait_for_users(si)
    yield from flush_discard_work(si)
    yield from destroy_swap_extents(si)
    flags = yield READ_ONCE(si.flags)
    if flags & SWP_CONTINUED:
        yield from free_swap_count_continuations(si)
    map, clusters = yield from swapoff_unpublish(si)
    yield from swapoff_free(si, map, clusters)
    yield from swapoff_release(si)
    return 0


def swapoff_wait_for_users(si):
    """swapoff(), steps 8 to 10: everybody who could still use the device is waited for. The first fix of 2019 (v5.3)
    brought synchronize_rcu(), the percpu_ref of 2021 (v5.14) the rest."""
    yield percpu_ref_kill(si.users)
    yield from synchronize_rcu()
    yield wait_for_completion(si.comp)


def destroy_swap_extents(si):
    """mm/swapfile.c, v6.8: step 12."""
    extent = yield READ_ONCE(si.swap_extent_root)
    yield write(si.swap_extent_root, NULL)
    yield kfree(extent)


def swapoff_unpublish(si):
    """swapoff(), steps 15 to 18: waits for scanners, then NULLs the pointers in one critical section."""
    yield mutex_lock(swapon_mutex)
    yield spin_lock(swap_lock)
    yield spin_lock(si.lock)
    yield from drain_mmlist()
    yield write(si.highest_bit, 0)
    yield from swapoff_wait_for_scanners(si)
    yield write(si.swap_file, NULL)
    yield write(si.max, 0)
    map = yield read(si.swap_map)
    yield write(si.swap_map, NULL)
    clusters = yield read(si.cluster_info)
    yield write(si.cluster_info, NULL)
    yield spin_unlock(si.lock)
    yield spin_unlock(swap_lock)
    yield mutex_unlock(swapon_mutex)
    return map, clusters


def swapoff_wait_for_scanners(si):
    """swapoff(), step 16: SWP_SCANNING is a count of those who scan with si->lock dropped."""
    flags = yield read(si.flags)
    while flags >= SWP_SCANNING:
        yield spin_unlock(si.lock)
        yield spin_unlock(swap_lock)
        yield schedule_timeout_uninterruptible(1)
        yield spin_lock(swap_lock)
        yield spin_lock(si.lock)
        flags = yield read(si.flags)


def drain_mmlist():
    """mm/swapfile.c, v6.8. When no device has a page left, no mm needs to be on the list. Caller holds swap_lock, so no
    type is added meanwhile."""
    for type in range(len(swap_info)):
        si = yield READ_ONCE(swap_info[type])
        if not si:
            break
        inuse = yield READ_ONCE(si.inuse_pages)
        if inuse:
            return
    yield spin_lock(mmlist_lock)
    for i in range(len(MMLIST)):
        yield write(MMLIST[i].mmlist, 0)
    yield spin_unlock(mmlist_lock)


def swapoff_free(si, map, clusters):
    """swapoff(), steps 19 to 23: the frees. What another thread still points to is gone from here on."""
    percpu = yield READ_ONCE(si.percpu_cluster)
    yield kfree(percpu)
    yield write(si.percpu_cluster, NULL)
    percpu = yield READ_ONCE(si.cluster_next_cpu)
    yield kfree(percpu)
    yield write(si.cluster_next_cpu, NULL)
    yield vfree(map)
    yield kvfree(clusters)
    type = yield READ_ONCE(si.type)
    yield from swap_cgroup_swapoff(type)
    yield from exit_swap_address_space(type)


def swapoff_release(si):
    """swapoff(), steps 24 and 25: the block device and the file; then swapon may reuse the swap_info_struct."""
    handle = yield READ_ONCE(si.bdev_handle)
    if handle:
        bdev = yield READ_ONCE(si.bdev)
        yield from bdev_release(bdev, si)
        yield write(si.bdev_handle, NULL)
    yield mutex_lock(i_rwsem)
    marked = yield read(i_flags)
    yield write(i_flags, without_holder(marked, si))
    yield mutex_unlock(i_rwsem)
    yield spin_lock(swap_lock)
    yield write(si.flags, 0)
    yield spin_unlock(swap_lock)


def swapon_failed(si, map, clusters):
    """The end of a swapon() that failed: what was allocated goes, and the swap_info_struct may be used again."""
    percpu = yield READ_ONCE(si.percpu_cluster)
    yield kfree(percpu)
    yield write(si.percpu_cluster, NULL)
    percpu = yield READ_ONCE(si.cluster_next_cpu)
    yield kfree(percpu)
    yield write(si.cluster_next_cpu, NULL)
    handle = yield READ_ONCE(si.bdev_handle)
    if handle:
        yield from bdev_release(handle, si)
        yield write(si.bdev_handle, NULL)
    yield from destroy_swap_extents(si)
    type = yield READ_ONCE(si.type)
    yield from swap_cgroup_swapoff(type)
    yield spin_lock(swap_lock)
    yield init_store(si.swap_file, NULL)
    yield write(si.flags, 0)
    yield spin_unlock(swap_lock)
    yield vfree(map)
    yield kvfree(clusters)
