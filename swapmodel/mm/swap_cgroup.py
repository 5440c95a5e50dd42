"""mm/swap_cgroup.c and mm/memcontrol.c, v6.8: the memory cgroup that each slot is charged to."""

from __future__ import annotations

from ..machine import (
    NULL,
    READ_ONCE,
    Global,
    kvzalloc,
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
# swap_cgroup_ctrl[type].map:
swap_cgroup_ctrl = Global(word(NULL, writers=("swap_cgroup_swapoff", "swap_cgroup_swapon")), count=3)


def mem_cgroup_uncharge_swap(entry, nr_pages):
    """mm/memcontrol.c and swap_cgroup_record(), v6.8. The record of the slots goes to 0: what it held does not matter."""
    map = yield READ_ONCE(swap_cgroup_ctrl[swp_type(entry)])
    yield spin_lock_irq(swap_cgroup_lock)
    yield write(map.value, 0)
    yield spin_unlock_irq(swap_cgroup_lock)


def lookup_swap_cgroup_id(entry):
    """mm/swap_cgroup.c, v6.8. Whom the slot is charged to: mem_cgroup_swapin_charge_folio() asks, with no lock held."""
    map = yield READ_ONCE(swap_cgroup_ctrl[swp_type(entry)])
    yield READ_ONCE(map.value)


def swap_cgroup_swapon(type, file):
    """mm/swap_cgroup.c, v6.8. A map without charges; the one lock for all devices is not initialised again."""
    map = yield kvzalloc(file.swap_cgroup)
    yield mutex_lock(swap_cgroup_mutex)
    yield write(swap_cgroup_ctrl[type], map)
    yield mutex_unlock(swap_cgroup_mutex)


def swap_cgroup_swapoff(type):
    """mm/swap_cgroup.c, v6.8. There is no map where swapon failed early."""
    yield mutex_lock(swap_cgroup_mutex)
    map = yield READ_ONCE(swap_cgroup_ctrl[type])
    yield write(swap_cgroup_ctrl[type], NULL)
    yield mutex_unlock(swap_cgroup_mutex)
    yield vfree(map)
