"""mm/swapfile.c, v6.8: swapoff() takes a device off the lists, and puts it back if it must give up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    NULL,
    READ_ONCE,
    atomic_add,
    read,
    spin_lock,
    spin_unlock,
    write,
)
from ..swapops import SWP_WRITEOK, plist_del, plist_node_empty
from .avail import del_from_avail_list, swap_active_head, swap_avail_head, swap_avail_lock, swap_lock
from .entries import nr_swap_pages, total_swap_pages
from .lookup import swap_info
from .swapon import (
    _enable_swap_info,
    least_priority,
    setup_swap_info,
)

if TYPE_CHECKING:
    pass


def swapoff_unlist(type):
    """swapoff(), steps 2 and 3: nobody allocates from the device any more. NULL (-EINVAL) if it is not in use, or if another
    swapoff() is at it already: then it is not on the list."""
    si = yield READ_ONCE(swap_info[type])
    yield spin_lock(swap_lock)
    active = yield read(swap_active_head)
    if plist_node_empty(active, si):
        yield spin_unlock(swap_lock)
        return NULL
    yield spin_lock(si.lock)
    yield from del_from_avail_list(si)
    prio = yield read(si.prio)
    if prio < 0:
        yield from swapoff_shift_priorities(si)
        active = yield read(swap_active_head)
    yield write(swap_active_head, plist_del(active, si))
    pages = yield READ_ONCE(si.pages)
    yield atomic_add(-pages, nr_swap_pages)
    total = yield read(total_swap_pages)
    yield write(total_swap_pages, total - pages)
    flags = yield read(si.flags)
    yield write(si.flags, flags & ~SWP_WRITEOK)
    yield spin_unlock(si.lock)
    yield spin_unlock(swap_lock)
    return si


def swapoff_shift_priorities(si):
    """The part of swapoff() for a device of automatic priority: those behind it, all automatic too, move up by one. Their own
    locks are not held, only swap_lock."""
    active = yield read(swap_active_head)
    behind = plist_behind(active, si)
    for i in range(len(behind)):
        yield write(behind[i].prio, -plist_key(active, behind[i]) + 1)
    yield write(swap_active_head, plist_shift(active, behind))
    if behind:
        yield spin_lock(swap_avail_lock)
        available = yield read(swap_avail_head)
        yield write(swap_avail_head, plist_shift(available, behind))
        yield spin_unlock(swap_avail_lock)
    least = yield read(least_priority)
    yield write(least_priority, least + 1)


def plist_behind(nodes, item):
    """The items of a plist that come after `item`."""
    items = tuple(n[1] for n in nodes)
    return items[items.index(item) + 1 :]


def plist_key(nodes, item):
    return next(key for key, it in nodes if it is item)


def plist_shift(nodes, items):
    """The plist with the keys of `items` smaller by one."""
    return tuple((key - (item in items), item) for key, item in nodes)


def reinsert_swap_info(si):
    """mm/swapfile.c, v6.8. swapoff() could not bring all pages back: the device is in use again, all in one critical section,
    since nobody has been kept from pinning it meanwhile."""
    yield spin_lock(swap_lock)
    yield spin_lock(si.lock)
    prio = yield read(si.prio)
    map = yield read(si.swap_map)
    clusters = yield read(si.cluster_info)
    yield from setup_swap_info(si, prio, map, clusters)
    yield from _enable_swap_info(si)
    yield spin_unlock(si.lock)
    yield spin_unlock(swap_lock)
