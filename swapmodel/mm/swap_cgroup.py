"""mm/swap_cgroup.c and mm/memcontrol.c, v6.8: the memory cgroup that each slot is charged to."""

from __future__ import annotations

from ..machine import (
    NULL,
    READ_ONCE,
    Global,
    mutex_lock,
    mutex_t,
    mutex_unlock,
    spin_lock_irq,
    spin_unlock_irq,
    spinlock_t,
    vfree,
    word,
    write,
)
from .swapops import swp_type

swap_cgroup_mutex = Global(mutex_t())
swap_cgroup_lock = Global(spinlock_t())  # swap_cgroup_ctrl[type].lock
swap_cgroup_ctrl = Global(word(NULL, writers=("swap_cgroup_swapoff",)), count=2)  # swap_cgroup_ctrl[type].map


def mem_cgroup_uncharge_swap(entry, nr_pages):
    """mm/memcontrol.c and swap_cgroup_record(), v6.8. The record of the slots goes to 0: what it held does not matter."""
    map = yield READ_ONCE(swap_cgroup_ctrl[swp_type(entry)])
    yield spin_lock_irq(swap_cgroup_lock)
    yield write(map.value, 0)
    yield spin_unlock_irq(swap_cgroup_lock)


def swap_cgroup_swapoff(type):
    """mm/swap_cgroup.c, v6.8."""
    yield mutex_lock(swap_cgroup_mutex)
    map = yield READ_ONCE(swap_cgroup_ctrl[type])
    yield write(swap_cgroup_ctrl[type], NULL)
    yield mutex_unlock(swap_cgroup_mutex)
    yield vfree(map)
