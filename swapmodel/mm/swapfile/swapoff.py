"""mm/swapfile.c, v6.8: swapoff(), in the 25 steps of the kernel's order, cut into five parts for the reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    NULL,
    READ_ONCE,
    Global,
    atomic_add,
    kfree,
    kvfree,
    mutex_lock,
    mutex_t,
    mutex_unlock,
    percpu_ref_kill,
    read,
    schedule_timeout_uninterruptible,
    spin_lock,
    spin_unlock,
    synchronize_rcu,
    vfree,
    wait_for_completion,
    word,
    write,
)
from ..swapops import SWP_SCANNING, SWP_WRITEOK
from .clusters import del_from_avail_list, swap_lock
from .entries import nr_swap_pages, swap_info, total_swap_pages
from .unuse import try_to_unuse

if TYPE_CHECKING:
    from ..config import MMLIST
    from ..mmap import mmlist_lock
    from ..swap_cgroup import swap_cgroup_swapoff
    from ..swap_slots import disable_swap_slots_cache_lock, reenable_swap_slots_cache_unlock
    from ..swap_state import exit_swap_address_space

swapon_mutex = Global(mutex_t())
swap_active_head = Global(word(1, guarded_by="swap_lock"))  # how many devices are on the list
i_rwsem = Global(mutex_t())  # inode_lock() of the swap file


def swapoff(type):
    """mm/swapfile.c, v6.8. Every NULL store and every free comes after inuse_pages read 0 and after a whole grace period.
    Steps 1 and 6 of its 25, finding the file and giving up after a signal, are not on this path."""
    si = yield READ_ONCE(swap_info[type])
    yield from swapoff_unlist(si)
    yield from disable_swap_slots_cache_lock()
    yield from try_to_unuse(type)
    yield from reenable_swap_slots_cache_unlock()
    yield from swapoff_wait_for_users(si)
    yield from destroy_swap_extents(si)
    map, clusters = yield from swapoff_unpublish(si)
    yield from swapoff_free(si, map, clusters)
    yield from swapoff_release(si)
    return 0


def swapoff_unlist(si):
    """swapoff(), steps 2 and 3: nobody allocates from the device any more."""
    yield spin_lock(swap_lock)
    yield spin_lock(si.lock)
    yield from del_from_avail_list(si)
    yield write(si.list, 0)
    active = yield read(swap_active_head)
    yield write(swap_active_head, active - 1)
    pages = yield READ_ONCE(si.pages)
    yield atomic_add(-pages, nr_swap_pages)
    total = yield read(total_swap_pages)
    yield write(total_swap_pages, total - pages)
    flags = yield read(si.flags)
    yield write(si.flags, flags & ~SWP_WRITEOK)
    yield spin_unlock(si.lock)
    yield spin_unlock(swap_lock)


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
    yield from drain_mmlist(si)
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


def drain_mmlist(si):
    """mm/swapfile.c, v6.8. When no device has a page left, no mm needs to be on the list."""
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
    bdev = yield READ_ONCE(si.bdev)
    yield kfree(bdev)
    yield write(si.bdev_handle, NULL)
    yield mutex_lock(i_rwsem)
    yield mutex_unlock(i_rwsem)
    yield spin_lock(swap_lock)
    yield write(si.flags, 0)
    yield spin_unlock(swap_lock)
