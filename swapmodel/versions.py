"""The kernels: v6.8 is the base (mm/), the others are sets of replacements over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .kernel import Kernel
from .machine import (
    READ_ONCE,
    WARN,
    WRITE_ONCE,
    atomic_add,
    read,
    spin_lock,
    spin_lock_irq_not_rcu,
    spin_lock_not_rcu,
    spin_unlock,
    spin_unlock_irq_not_rcu,
    spin_unlock_not_rcu,
)
from .mm.swapops import SWAP_HAS_CACHE, TTRS_FULL, TTRS_UNMAPPED, non_swap_entry, swp_offset

if TYPE_CHECKING:
    from .mm.swap_state import clear_shadow_from_swap_cache
    from .mm.swapfile.entries import (
        __swap_entry_free,
        get_swap_device,
        nr_swap_pages,
        put_swap_device,
        swap_range_free_bounds,
        swp_swap_info,
    )
    from .mm.swapfile.reclaim import __try_to_reclaim_swap, swap_page_trans_huge_swapped


def free_swap_and_cache_pinned(entry):
    """mm/swapfile.c, v6.9: free_swap_and_cache() with 82b1c07a0af6. The device is pinned over the whole function."""
    if non_swap_entry(entry):
        return True
    si = yield from get_swap_device(entry)
    if not si:
        return False
    map = yield READ_ONCE(si.swap_map)
    byte = yield READ_ONCE(map[swp_offset(entry)])
    if not byte:
        yield WARN("free_swap_and_cache: the slot is free already")
    count = yield from __swap_entry_free(si, entry)
    if count == SWAP_HAS_CACHE:
        swapped = yield from swap_page_trans_huge_swapped(si, entry)
        if not swapped:
            yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)
    yield from put_swap_device(si)
    return True


def swap_range_free_inuse_last(si, offset, nr_entries):
    """mm/swapfile.c, v6.9: swap_range_free() with 64cf264c8fef. inuse_pages drops after everything else is cleaned up."""
    yield from swap_range_free_bounds(si, offset, offset + nr_entries - 1)
    type = yield READ_ONCE(si.type)
    yield from clear_shadow_from_swap_cache(type, offset)
    yield atomic_add(nr_entries, nr_swap_pages)
    pages = yield read(si.inuse_pages)
    yield WRITE_ONCE(si.inuse_pages, pages - nr_entries)


def pte_offset_map_lock_alone(mm):
    """mm/memory.c before v6.5: pte_offset_map_lock() without the explicit RCU read-side section of 0d940a9b270b."""
    yield spin_lock(mm.page_table_lock)


def pte_unmap_unlock_alone(mm):
    """mm/memory.c before v6.5: pte_unmap_unlock() without rcu_read_unlock()."""
    yield spin_unlock(mm.page_table_lock)


def swapoff_wait_for_nobody(si):
    """mm/swapfile.c, v5.2: swapoff() had no percpu_ref (v5.14, 63d8620ecf93) and no synchronize_rcu() (v5.3, eb085574a752)."""
    return
    yield


def get_swap_device_nothing(entry):
    """mm/swapfile.c, v5.2: there was no get_swap_device(); the callers that have it today used the device as it was."""
    si = yield from swp_swap_info(entry)
    return si


def put_swap_device_nothing(si):
    """mm/swapfile.c, v5.2: nothing was pinned."""
    return
    yield


PTL_ALONE = {"pte_offset_map_lock": pte_offset_map_lock_alone, "pte_unmap_unlock": pte_unmap_unlock_alone}

SPINLOCK_IS_NO_READER = {
    "spin_lock": spin_lock_not_rcu,
    "spin_unlock": spin_unlock_not_rcu,
    "spin_lock_irq": spin_lock_irq_not_rcu,
    "spin_unlock_irq": spin_unlock_irq_not_rcu,
}

KERNELS = {
    k.name: k
    for k in (
        Kernel("v6.8", "as released, 10 March 2024", source="torvalds/linux e8f897f4afef"),
        Kernel(
            "v6.9",
            "with the fix of CVE-2024-26960",
            {"free_swap_and_cache": free_swap_and_cache_pinned, "swap_range_free": swap_range_free_inuse_last},
            source="82b1c07a0af6, 64cf264c8fef",
        ),
        Kernel(
            "v5.2",
            "before get_swap_device() and before swapoff waited for RCU",
            {
                "swapoff_wait_for_users": swapoff_wait_for_nobody,
                "get_swap_device": get_swap_device_nothing,
                "put_swap_device": put_swap_device_nothing,
                **PTL_ALONE,
            },
            source="v5.2; eb085574a752 and 63d8620ecf93 came later",
        ),
        Kernel(
            "as-argued",
            "v6.8 as the thread reasoned: a page table lock that no grace period waits for",
            {**SPINLOCK_IS_NO_READER, **PTL_ALONE},
            source="the seed thread, 4 March 2024; no such kernel exists",
        ),
    )
}
