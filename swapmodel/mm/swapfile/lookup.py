"""mm/swapfile.c, v6.8: from an entry to its device, and pinning that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    NULL,
    READ_ONCE,
    Global,
    percpu_ref_put,
    percpu_ref_tryget_live,
    spin_lock,
    spin_unlock,
    word,
)
from ..swapops import (
    MAX_SWAPFILES,
    SWP_USED,
    swp_offset,
    swp_type,
)

if TYPE_CHECKING:
    pass


swap_info = Global(word(NULL, writers=("alloc_swap_info",)), count=3)  # published by swapon with a release store, never cleared


def swp_swap_info(entry):
    """mm/swapfile.c, v6.8. The device of an entry, NULL if that type was never used."""
    type = swp_type(entry)
    if type >= MAX_SWAPFILES:
        return NULL
    si = yield READ_ONCE(swap_info[type])
    return si


def _swap_info_get(entry):
    """mm/swapfile.c, v6.8. The device, after five checks that nothing protects; NULL (and a message) if one fails."""
    if not entry:
        return NULL
    si = yield from swp_swap_info(entry)
    if not si:
        return NULL
    flags = yield READ_ONCE(si.flags)
    if not flags & SWP_USED:
        return NULL
    maximum = yield READ_ONCE(si.max)
    if swp_offset(entry) >= maximum:
        return NULL
    map = yield READ_ONCE(si.swap_map)
    byte = yield READ_ONCE(map[swp_offset(entry)])
    if not byte:
        return NULL
    return si


def swap_info_get_cont(entry, q):
    """mm/swapfile.c, v6.8. _swap_info_get() with si->lock held, exchanged for the lock of `q`, the device before."""
    si = yield from _swap_info_get(entry)
    if si is not q:
        if q:
            yield spin_unlock(q.lock)
        if si:
            yield spin_lock(si.lock)
    return si


def get_swap_device(entry):
    """mm/swapfile.c, v6.8. Pins the device against swapoff; NULL once swapoff has killed it. Does not look at the byte."""
    if not entry:
        return NULL
    si = yield from swp_swap_info(entry)
    if not si:
        return NULL
    alive = yield percpu_ref_tryget_live(si.users)
    if not alive:
        return NULL
    maximum = yield READ_ONCE(si.max)
    if swp_offset(entry) >= maximum:
        yield percpu_ref_put(si.users)
        return NULL
    return si


def put_swap_device(si):
    """include/linux/swap.h, v6.8."""
    yield percpu_ref_put(si.users)
