"""v6.9: v6.8 with 82b1c07a0af6 (the fix of CVE-2024-26960) and 64cf264c8fef (inuse_pages last)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import READ_ONCE, WARN, WRITE_ONCE, atomic_add, read
from ..mm.swapops import SWAP_HAS_CACHE, TTRS_FULL, TTRS_UNMAPPED, non_swap_entry, swp_offset

if TYPE_CHECKING:
    from ..mm.swap_state import clear_shadow_from_swap_cache
    from ..mm.swapfile.entries import __swap_entry_free, nr_swap_pages, swap_range_free_bounds, swap_slot_free_notify
    from ..mm.swapfile.lookup import get_swap_device, put_swap_device
    from ..mm.swapfile.reclaim import __try_to_reclaim_swap, swap_page_trans_huge_swapped


def free_swap_and_cache(entry):
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


def swap_range_free(si, offset, nr_entries):
    """mm/swapfile.c, v6.9: swap_range_free() with 64cf264c8fef. inuse_pages drops after everything else is cleaned up."""
    yield from swap_range_free_bounds(si, offset, offset + nr_entries - 1)
    yield from swap_slot_free_notify(si)
    type = yield READ_ONCE(si.type)
    yield from clear_shadow_from_swap_cache(type, offset, offset + nr_entries - 1)
    yield atomic_add(nr_entries, nr_swap_pages)
    pages = yield read(si.inuse_pages)
    yield WRITE_ONCE(si.inuse_pages, pages - nr_entries)
