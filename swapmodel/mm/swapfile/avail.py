"""mm/swapfile.c, v6.8: the lists of devices, and the accounting of slots that are taken."""

from __future__ import annotations

from ...machine import (
    READ_ONCE,
    WARN,
    WRITE_ONCE,
    Global,
    read,
    spin_lock,
    spin_unlock,
    spinlock_t,
    word,
    write,
)
from ..swapops import (
    plist_add,
    plist_del,
    plist_node_empty,
    show_plist,
)

swap_lock = Global(spinlock_t())  # outer to every si->lock


swap_avail_lock = Global(spinlock_t())  # inner to si->lock


swap_active_head = Global(word((), guarded_by="swap_lock", show=show_plist))  # every device in use, by priority


swap_avail_head = Global(word((), guarded_by="swap_avail_lock", show=show_plist))  # those with free slots


def del_from_avail_list(si):
    """mm/swapfile.c, v6.8. No new allocation finds the device. Caller holds si->lock."""
    yield spin_lock(swap_avail_lock)
    devices = yield read(swap_avail_head)
    yield write(swap_avail_head, plist_del(devices, si))
    yield spin_unlock(swap_avail_lock)


def add_to_avail_list(si):
    """mm/swapfile.c, v6.8. Caller holds si->lock."""
    prio = yield READ_ONCE(si.prio)
    yield spin_lock(swap_avail_lock)
    devices = yield read(swap_avail_head)
    if not plist_node_empty(devices, si):
        yield WARN("plist_add: the device is on swap_avail_head already")
    yield write(swap_avail_head, plist_add(devices, prio, si))
    yield spin_unlock(swap_avail_lock)


def swap_range_alloc(si, offset, nr_entries):
    """mm/swapfile.c, v6.8. Accounts slots that were taken; a device that is full now leaves the list of those with free slots.
    nr_swap_pages was lowered before. Caller holds si->lock."""
    end = offset + nr_entries - 1
    lowest = yield read(si.lowest_bit)
    if offset == lowest:
        yield write(si.lowest_bit, lowest + nr_entries)
    highest = yield read(si.highest_bit)
    if end == highest:
        yield WRITE_ONCE(si.highest_bit, highest - nr_entries)
    inuse = yield read(si.inuse_pages)
    yield WRITE_ONCE(si.inuse_pages, inuse + nr_entries)
    pages = yield READ_ONCE(si.pages)
    if inuse + nr_entries == pages:
        maximum = yield READ_ONCE(si.max)
        yield write(si.lowest_bit, maximum)
        yield WRITE_ONCE(si.highest_bit, 0)
        yield from del_from_avail_list(si)
