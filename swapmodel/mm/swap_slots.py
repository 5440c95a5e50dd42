"""mm/swap_slots.c, v6.8: per-CPU caches of slots, in front of si->lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    READ_ONCE,
    Global,
    mutex_lock,
    mutex_t,
    mutex_unlock,
    raw_cpu_ptr,
    read,
    spin_lock,
    spin_lock_irq,
    spin_unlock,
    spin_unlock_irq,
    word,
    write,
)

if TYPE_CHECKING:
    from .config import NR_CPUS, SWAP_SLOTS_CACHE_SIZE, swp_slots
    from .swapfile.avail import swap_active_head, swap_lock
    from .swapfile.entries import swapcache_free_entries

swap_slots_cache_mutex = Global(mutex_t())
swap_slots_cache_enable_mutex = Global(mutex_t())
swap_slot_cache_enabled = Global(word())
swap_slot_cache_active = Global(word(writers=("reactivate_swap_slots_cache", "deactivate_swap_slots_cache")))
swap_slot_cache_initialized = Global(word(writers=("enable_swap_slots_cache",)))


def use_swap_slot_cache():
    """mm/swap_slots.c, v6.8: the macro of this name. Two lockless reads."""
    active = yield READ_ONCE(swap_slot_cache_active)
    if not active:
        return False
    enabled = yield READ_ONCE(swap_slot_cache_enabled)
    return bool(enabled)


def free_swap_slot(entry):
    """mm/swap_slots.c, v6.8. A slot in limbo goes into this CPU's return cache, or is freed at once when that is off."""
    cache = yield raw_cpu_ptr(swp_slots)
    use = yield from use_swap_slot_cache()
    if use and cache:
        yield spin_lock_irq(cache.free_lock)
        use = yield from use_swap_slot_cache()
        if use:
            yield from put_into_slots_ret(cache, entry)
            yield spin_unlock_irq(cache.free_lock)
            return
        yield spin_unlock_irq(cache.free_lock)
    yield from swapcache_free_entries((entry,))


def put_into_slots_ret(cache, entry):
    """The part of free_swap_slot() under free_lock: a full cache is emptied first."""
    slots = yield read(cache.slots_ret)
    if len(slots) >= SWAP_SLOTS_CACHE_SIZE:
        yield from swapcache_free_entries(slots)
        slots = ()
    yield write(cache.slots_ret, (*slots, entry))


def drain_slots_cache_cpu(cpu):
    """mm/swap_slots.c, v6.8. Frees what both caches of one CPU hold."""
    cache = swp_slots[cpu]
    if not cache:
        return
    yield mutex_lock(cache.alloc_lock)
    slots = yield read(cache.slots)
    yield from swapcache_free_entries(slots)
    yield write(cache.slots, ())
    yield mutex_unlock(cache.alloc_lock)
    yield spin_lock_irq(cache.free_lock)
    slots = yield read(cache.slots_ret)
    yield from swapcache_free_entries(slots)
    yield write(cache.slots_ret, ())
    yield spin_unlock_irq(cache.free_lock)


def __drain_swap_slots_cache():
    """mm/swap_slots.c, v6.8. All online CPUs, one after the other."""
    for cpu in range(NR_CPUS):
        yield from drain_slots_cache_cpu(cpu)


def disable_swap_slots_cache_lock():
    """mm/swap_slots.c, v6.8. The mutex stays locked until reenable_swap_slots_cache_unlock()."""
    yield mutex_lock(swap_slots_cache_enable_mutex)
    yield write(swap_slot_cache_enabled, 0)
    initialized = yield READ_ONCE(swap_slot_cache_initialized)
    if initialized:
        yield from __drain_swap_slots_cache()


def has_usable_swap():
    """mm/swapfile.c, v6.8. Is any device still on the active list?"""
    yield spin_lock(swap_lock)
    active = yield read(swap_active_head)
    yield spin_unlock(swap_lock)
    return bool(active)


def __reenable_swap_slots_cache():
    """mm/swap_slots.c, v6.8. Caller holds swap_slots_cache_enable_mutex."""
    usable = yield from has_usable_swap()
    yield write(swap_slot_cache_enabled, int(usable))


def reenable_swap_slots_cache_unlock():
    """mm/swap_slots.c, v6.8."""
    yield from __reenable_swap_slots_cache()
    yield mutex_unlock(swap_slots_cache_enable_mutex)
