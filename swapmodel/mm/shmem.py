"""mm/shmem.c, v6.8: what truncation does to swapped pages of a tmpfs file, and what swapoff does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    NULL,
    READ_ONCE,
    Global,
    atomic_add,
    atomic_dec_and_test,
    folio_lock,
    folio_unlock,
    mutex_lock,
    mutex_t,
    mutex_unlock,
    rcu_read_lock,
    rcu_read_unlock,
    read,
    spin_lock,
    spin_lock_irq,
    spin_unlock,
    spin_unlock_irq,
    write,
)
from .swapops import radix_to_swp_entry, swp_to_radix_entry, swp_type, xa_is_value, xa_size, xa_slot

if TYPE_CHECKING:
    from .config import SHMEM_SWAPLIST
    from .filemap import folio_put
    from .swap_state import delete_from_swap_cache, swap_cache_get_folio, swapin_readahead
    from .swapfile.entries import get_swap_device, put_swap_device, swap_free
    from .swapfile.reclaim import free_swap_and_cache

    def cond_resched() -> object: ...


shmem_swaplist_mutex = Global(mutex_t())


def xa_cmpxchg_irq(mapping, index, old, new):
    """include/linux/xarray.h, v6.8. Compares and exchanges one slot under the xa_lock; returns what was there."""
    yield spin_lock_irq(mapping.xa_lock)
    found = yield read(xa_slot(mapping, index))
    if found == old:
        yield write(xa_slot(mapping, index), new)
    yield spin_unlock_irq(mapping.xa_lock)
    return found


def shmem_free_swap(mapping, index, radswap):
    """mm/shmem.c, v6.8. Takes the swap entry out of the file, then frees it: with no lock held, and no reference to the
    device, between the two and after. This is the real hole behind CVE-2024-26960."""
    old = yield from xa_cmpxchg_irq(mapping, index, radswap, NULL)
    if old != radswap:
        return False
    yield from free_swap_and_cache(radix_to_swp_entry(radswap))
    return True


def shmem_undo_range(info):
    """mm/shmem.c, v6.8: truncation to nothing. info->swapped is corrected only at the very end, so that swapoff goes on
    taking the file for one with swapped pages."""
    mapping = info.i_mapping
    nr_swaps_freed = 0
    remaining = True
    while remaining:
        remaining = False
        for index in range(xa_size(mapping)):
            rcu_value = yield READ_ONCE(xa_slot(mapping, index))
            if not rcu_value:
                continue
            if not xa_is_value(rcu_value):
                again = yield from truncate_inode_folio(mapping, index, rcu_value)
                remaining = remaining or again
                continue
            freed = yield from shmem_free_swap(mapping, index, rcu_value)
            if freed:
                nr_swaps_freed += 1
            else:
                remaining = True
        yield from cond_resched()
    yield from shmem_recalc_inode(info, -nr_swaps_freed)


def truncate_inode_folio(mapping, index, folio):
    """mm/truncate.c, v6.8. Takes a folio out of the page cache. The folio is looked up again under its lock; true when the
    caller must look at this index again."""
    yield folio_lock(folio)
    found = yield READ_ONCE(xa_slot(mapping, index))
    if found is folio:
        yield spin_lock_irq(mapping.xa_lock)
        yield write(xa_slot(mapping, index), NULL)
        yield spin_unlock_irq(mapping.xa_lock)
    yield folio_unlock(folio)
    if found is folio:
        yield from folio_put(folio)
    return found is not folio


def shmem_recalc_inode(info, swapped):
    """mm/shmem.c, v6.8, as far as info->swapped goes."""
    yield spin_lock(info.lock)
    before = yield read(info.swapped)
    yield write(info.swapped, before + swapped)
    yield spin_unlock(info.lock)


def shmem_unuse(type):
    """mm/shmem.c, v6.8: the first loop of try_to_unuse(). Every file on the list, the list's mutex dropped meanwhile."""
    if not SHMEM_SWAPLIST:
        return
    yield mutex_lock(shmem_swaplist_mutex)
    for i in range(len(SHMEM_SWAPLIST)):
        info = SHMEM_SWAPLIST[i]
        listed = yield read(info.swaplist)
        if not listed:
            continue
        swapped = yield READ_ONCE(info.swapped)
        if swapped:
            yield atomic_add(1, info.stop_eviction)
            yield mutex_unlock(shmem_swaplist_mutex)
            yield from shmem_unuse_inode(info, type)
            yield from cond_resched()
            yield mutex_lock(shmem_swaplist_mutex)
            left = yield READ_ONCE(info.swapped)
            if not left:
                yield write(info.swaplist, 0)
            yield atomic_dec_and_test(info.stop_eviction)
        else:
            yield write(info.swaplist, 0)
    yield mutex_unlock(shmem_swaplist_mutex)


def shmem_unuse_inode(info, type):
    """mm/shmem.c, v6.8: find swap entries of this device in the file, swap each in, until a scan finds none. The next scan
    begins at the last index of this one."""
    start = 0
    while True:
        entries = yield from shmem_find_swap_entries(info.i_mapping, start, type)
        if not entries:
            return
        for i in range(len(entries)):
            folio = yield from shmem_swapin_folio(info, info.i_mapping, entries[i][0], entries[i][1])
            if folio:
                yield folio_unlock(folio)
                yield from folio_put(folio)
        start = entries[-1][0]


def shmem_find_swap_entries(mapping, start, type):
    """mm/shmem.c, v6.8. The (index, entry) pairs of this device, read locklessly under RCU."""
    entries = ()
    yield rcu_read_lock()
    for index in range(start, xa_size(mapping)):
        value = yield READ_ONCE(xa_slot(mapping, index))
        if xa_is_value(value) and swp_type(radix_to_swp_entry(value)) == type:
            entries = (*entries, (index, radix_to_swp_entry(value)))
    yield rcu_read_unlock()
    return entries


def shmem_swapin_folio(info, mapping, index, swap):
    """mm/shmem.c, v6.8, called by swapoff for a folio in the swap cache. Everything is checked again once the folio is
    locked; then the file gets the folio, and the swap cache and the swap entry let go of it. Returns it locked, or NULL."""
    si = yield from get_swap_device(swap)
    if not si:
        return NULL
    folio = yield from swap_cache_get_folio(swap)
    if not folio:
        folio = yield from swapin_readahead(swap)
    if folio:
        yield folio_lock(folio)
        still = yield from shmem_swapin_confirm(folio, mapping, index, swap)
        if still:
            yield from shmem_recalc_inode(info, -1)
            yield from delete_from_swap_cache(folio)
            yield from swap_free(swap)
        else:
            yield folio_unlock(folio)
            yield from folio_put(folio)
            folio = NULL
    yield from put_swap_device(si)
    return folio


def shmem_swapin_confirm(folio, mapping, index, swap):
    """The checks of shmem_swapin_folio() under the folio lock, and shmem_add_to_page_cache(): true when the file's slot
    now holds the folio, with a reference of its own."""
    swapcache = yield read(folio.swapcache)
    if not swapcache:
        return False
    entry = yield read(folio.swap)
    if entry != swap:
        return False
    yield atomic_add(1, folio.refcount)
    found = yield from xa_cmpxchg_irq(mapping, index, swp_to_radix_entry(swap), folio)
    if found == swp_to_radix_entry(swap):
        return True
    yield from folio_put(folio)
    return False
