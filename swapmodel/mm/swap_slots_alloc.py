"""mm/swap_slots.c, v6.8: slots for swap-out, from this CPU's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    READ_ONCE,
    mutex_lock,
    mutex_unlock,
    raw_cpu_ptr,
    read,
    write,
)

if TYPE_CHECKING:
    from .config import NR_CPUS, SWAP_SLOTS_CACHE_SIZE, swp_slots
    from .swap_slots import (
        __drain_swap_slots_cache,
        __reenable_swap_slots_cache,
        swap_slot_cache_active,
        swap_slot_cache_enabled,
        swap_slot_cache_initialized,
        swap_slots_cache_enable_mutex,
        swap_slots_cache_mutex,
        use_swap_slot_cache,
    )
    from .swapfile.allocate import get_swap_pages
    from .swapfile.entries import nr_swap_pages


def enable_swap_slots_cache():
    """mm/swap_slots.c, v6.8. At the end of swapon: the first one makes the caches of all CPUs. Where a scenario has none, their
    allocation has failed, and swap works without."""
    yield mutex_lock(swap_slots_cache_enable_mutex)
    initialized = yield READ_ONCE(swap_slot_cache_initialized)
    if not initialized and all(swp_slots):
        yield write(swap_slot_cache_initialized, 1)
        initialized = 1
    if initialized:
        yield from __reenable_swap_slots_cache()
    yield mutex_unlock(swap_slots_cache_enable_mutex)


def deactivate_swap_slots_cache():
    """mm/swap_slots.c, v6.8. Swap is short: no new slot goes into the caches, and what they hold goes back."""
    yield mutex_lock(swap_slots_cache_mutex)
    yield write(swap_slot_cache_active, 0)
    yield from __drain_swap_slots_cache()
    yield mutex_unlock(swap_slots_cache_mutex)


def reactivate_swap_slots_cache():
    """mm/swap_slots.c, v6.8. There is enough free swap again."""
    yield mutex_lock(swap_slots_cache_mutex)
    yield write(swap_slot_cache_active, 1)
    yield mutex_unlock(swap_slots_cache_mutex)


def check_cache_active():
    """mm/swap_slots.c, v6.8. Are the caches in use? Switches them on above 5 full caches of free slots for each CPU, and off
    below 2."""
    enabled = yield READ_ONCE(swap_slot_cache_enabled)
    if not enabled:
        return False
    pages = yield READ_ONCE(nr_swap_pages)
    active = yield READ_ONCE(swap_slot_cache_active)
    if not active:
        if pages > NR_CPUS * 5 * SWAP_SLOTS_CACHE_SIZE:
            yield from reactivate_swap_slots_cache()
    elif pages < NR_CPUS * 2 * SWAP_SLOTS_CACHE_SIZE:
        yield from deactivate_swap_slots_cache()
    active = yield READ_ONCE(swap_slot_cache_active)
    return bool(active)


def refill_swap_slots_cache(cache):
    """mm/swap_slots.c, v6.8. Fills this CPU's empty cache and returns its slots. Caller holds the cache's alloc_lock."""
    use = yield from use_swap_slot_cache()
    if not use:
        return ()
    active = yield READ_ONCE(swap_slot_cache_active)
    if not active:
        return ()
    slots = yield from get_swap_pages(SWAP_SLOTS_CACHE_SIZE, 1)
    yield write(cache.slots, slots)
    return slots


def folio_alloc_swap(folio):
    """mm/swap_slots.c, v6.8. An entry for a folio, with one slot for each of its pages; 0 if there is none. Caller holds the
    folio lock. A large folio gets a whole cluster, a small one a slot of this CPU's cache."""
    nr_pages = yield READ_ONCE(folio.nr_pages)
    if nr_pages == 1:
        entry = yield from take_cached_slot()
        if entry:
            return entry
    entries = yield from get_swap_pages(1, nr_pages)
    return entries[0] if entries else 0


def take_cached_slot():
    """The part of folio_alloc_swap() with this CPU's cache: an empty one is filled first. 0 if it is off, or stays empty."""
    cache = yield raw_cpu_ptr(swp_slots)
    active = yield from check_cache_active()
    if not active or not cache:
        return 0
    yield mutex_lock(cache.alloc_lock)
    slots = yield read(cache.slots)
    if not slots:
        slots = yield from refill_swap_slots_cache(cache)
    if slots:
        yield write(cache.slots, slots[1:])
    yield mutex_unlock(cache.alloc_lock)
    return slots[0] if slots else 0
