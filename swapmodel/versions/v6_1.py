"""v6.1 as Debian ships it (6.1.192-2, package linux-image-6.1.0-56): v6.8 with who pins the device changed back.

In v6.8 callers pin (a series of May 2023); before, the functions that look at a device did it themselves, each for itself.
Debian's 6.1 has the fixes of CVE-2024-26960 (82b1c07a0af6; v6.9's function is used) and of CVE-2024-26759 (13ddaf26be32), but
not 64cf264c8fef. What each function does to bytes and counters is the same as in v6.8: swapmodel.conform compares both kernels
with events recorded on this one, and both agree with every event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    NULL,
    READ_ONCE,
    WARN,
    WRITE_ONCE,
    atomic_add,
    folio_lock,
    folio_unlock,
    read,
    schedule_timeout_uninterruptible,
    spin_lock,
    spin_unlock,
    write,
)
from ..mm.errno import EEXIST, EINVAL, EIO, ENOENT, ENOMEM
from ..mm.swapops import (
    SWAP_HAS_CACHE,
    SWAP_MAP_BAD,
    SWP_WRITEOK,
    plist_add,
    plist_node_empty,
    swap_count,
    swp_offset,
)

if TYPE_CHECKING:
    from ..mm.filemap import filemap_get_folio, folio_put
    from ..mm.shmem_swapin import shmem_confirm_swap, shmem_swapin_locked
    from ..mm.swap_readahead import alloc_pages_mpol, bring_into_swap_cache, swap_cluster_readahead
    from ..mm.swap_slots import swap_slot_cache_enabled
    from ..mm.swap_state import swap_address_space
    from ..mm.swapfile.avail import swap_active_head, swap_avail_head, swap_avail_lock
    from ..mm.swapfile.clusters import lock_cluster_or_swap_info, unlock_cluster_or_swap_info
    from ..mm.swapfile.counts import duplicated_byte, pinned_byte, swap_swapcount, swapcache_prepare
    from ..mm.swapfile.entries import nr_swap_pages, total_swap_pages
    from ..mm.swapfile.lookup import get_swap_device, put_swap_device


def __swap_duplicate(entry, usage):
    """mm/swapfile.c, v6.1. Pins the device itself, where v6.8 leaves that to its callers: one more error, -EINVAL, when swapoff
    has come so far that the device can't be pinned any more."""
    si = yield from get_swap_device(entry)
    if not si:
        return -EINVAL
    ci = yield from lock_cluster_or_swap_info(si, swp_offset(entry))
    map = yield READ_ONCE(si.swap_map)
    byte = yield read(map[swp_offset(entry)])
    if swap_count(byte) == SWAP_MAP_BAD:
        err = -ENOENT
    elif usage == SWAP_HAS_CACHE:
        err, byte = pinned_byte(byte)
    else:
        err, byte = yield from duplicated_byte(si, swp_offset(entry), byte, usage)
    if not err:
        yield WRITE_ONCE(map[swp_offset(entry)], byte)
    yield from unlock_cluster_or_swap_info(si, ci)
    yield from put_swap_device(si)
    return err


def __swap_count(entry):
    """mm/swapfile.c, v6.1. Pins the device itself, and says 0 if it can't; v6.8 relies on its callers' pin."""
    si = yield from get_swap_device(entry)
    if not si:
        return 0
    map = yield READ_ONCE(si.swap_map)
    byte = yield READ_ONCE(map[swp_offset(entry)])
    yield from put_swap_device(si)
    return swap_count(byte)


def __swp_swapcount(entry):
    """mm/swapfile.c, v6.1, gone in v6.8: swap_swapcount() for those who have not pinned the device. 0 if it can't be."""
    si = yield from get_swap_device(entry)
    if not si:
        return 0
    count = yield from swap_swapcount(si, entry)
    yield from put_swap_device(si)
    return count


def swap_cache_get_folio(entry):
    """mm/swap_state.c, v6.1. Pins the device for the look-up, or finds nothing; v6.8 relies on its callers' pin."""
    si = yield from get_swap_device(entry)
    if not si:
        return NULL
    mapping = yield from swap_address_space(entry)
    folio = yield from filemap_get_folio(mapping, swp_offset(entry))
    yield from put_swap_device(si)
    return folio


def __read_swap_cache_async(entry, skip_if_exists):
    """mm/swap_state.c, v6.1. The device is pinned for each look-up anew, and not in between, where v6.8 pins it once over the
    whole function. v6.1 has no `skip_if_exists`: who comes too late always waits."""
    while True:
        folio, gone = yield from look_into_swap_cache(entry)
        if folio or gone:
            return folio, False
        wanted = yield from worth_reading(NULL, entry)
        if not wanted:
            return NULL, False
        fresh = yield from alloc_pages_mpol()
        err = yield from swapcache_prepare(entry)
        if not err:
            yield from bring_into_swap_cache(fresh, entry)
            return fresh, True
        yield from folio_put(fresh)
        if err != -EEXIST:
            return NULL, False
        yield schedule_timeout_uninterruptible(1)


def look_into_swap_cache(entry):
    """The part of v6.1's __read_swap_cache_async() with the device pinned: the cached folio, and whether the device is gone."""
    si = yield from get_swap_device(entry)
    if not si:
        return NULL, True
    mapping = yield from swap_address_space(entry)
    folio = yield from filemap_get_folio(mapping, swp_offset(entry))
    yield from put_swap_device(si)
    return folio, False


def worth_reading(si, entry):
    """The part of __read_swap_cache_async() that skips free slots in readahead: v6.1 asks __swp_swapcount(), with a pin of its
    own. `si` is v6.8's."""
    count = yield from __swp_swapcount(entry)
    if count:
        return True
    enabled = yield READ_ONCE(swap_slot_cache_enabled)
    return not enabled


def shmem_swapin_folio(info, index, swap):
    """mm/shmem.c, v6.1. Nothing pins the device over the whole function; v6.8 does. A device that is going looks
    like a page that can't be had."""
    folio = yield from swap_cache_get_folio(swap)
    if not folio:
        folio = yield from swap_cluster_readahead(swap)
    error = -ENOMEM
    if folio:
        yield folio_lock(folio)
        error = yield from shmem_swapin_locked(info, index, swap, folio)
    if error in (-ENOMEM, -EIO):
        still = yield from shmem_confirm_swap(info.i_mapping, index, swap)
        error = error if still else -EEXIST
    if error and folio:
        yield folio_unlock(folio)
        yield from folio_put(folio)
        folio = NULL
    return error, folio


def add_to_avail_list(si):
    """mm/swapfile.c, v6.1. As in v6.8, with a warning if the device is on the list already. Caller holds si->lock."""
    prio = yield READ_ONCE(si.prio)
    yield spin_lock(swap_avail_lock)
    devices = yield read(swap_avail_head)
    if not plist_node_empty(devices, si):
        yield WARN("add_to_avail_list: the device is on the list already")
    yield write(swap_avail_head, plist_add(devices, prio, si))
    yield spin_unlock(swap_avail_lock)


def _enable_swap_info(si):
    """mm/swapfile.c, v6.1. Puts the device on both lists, on that with free slots even if it has none, which happens where a
    swapoff of a full device gives up; v6.8 leaves a full one out. Caller holds swap_lock and si->lock."""
    flags = yield read(si.flags)
    yield write(si.flags, flags | SWP_WRITEOK)
    pages = yield READ_ONCE(si.pages)
    yield atomic_add(pages, nr_swap_pages)
    total = yield read(total_swap_pages)
    yield write(total_swap_pages, total + pages)
    prio = yield read(si.prio)
    active = yield read(swap_active_head)
    yield write(swap_active_head, plist_add(active, prio, si))
    yield from add_to_avail_list(si)
