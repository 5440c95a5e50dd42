"""mm/shmem.c, v6.8: what truncation and swapoff do to the pages of a tmpfs file. How they come and go is in shmem_io.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    NULL,
    READ_ONCE,
    folio_lock,
    folio_unlock,
    mutex_lock,
    mutex_unlock,
    read,
    spin_lock,
    spin_lock_irq,
    spin_unlock,
    spin_unlock_irq,
    wait_var_event,
    write,
)
from .errno import EIO
from .swapops import radix_to_swp_entry, xa_is_value, xa_size, xa_slot

if TYPE_CHECKING:
    from .filemap import __filemap_remove_folio, filemap_get_folio, folio_put
    from .shmem_unuse import shmem_swaplist_mutex
    from .swapfile.reclaim import free_swap_and_cache

    def cond_resched() -> object: ...


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


def shmem_undo_range(info, start=0, end=None):
    """mm/shmem.c, v6.8. Truncation of pages `start` up to `end`: to nothing, or a hole that is punched. info->swapped is
    corrected only at the very end, so that swapoff goes on taking the file for one with swapped pages."""
    mapping = info.i_mapping
    end = xa_size(mapping) if end is None else end
    nr_swaps_freed = 0
    remaining = True
    while remaining:
        remaining = False
        for index in range(start, end):
            rcu_value = yield READ_ONCE(xa_slot(mapping, index))
            if not rcu_value:
                continue
            if not xa_is_value(rcu_value):
                again = yield from shmem_undo_folio(mapping, index)
                remaining = remaining or again
                continue
            freed = yield from shmem_free_swap(mapping, index, rcu_value)
            if freed:
                nr_swaps_freed += 1
            else:
                remaining = True
        yield from cond_resched()
    yield from shmem_recalc_inode(info, -nr_swaps_freed)


def shmem_undo_folio(mapping, index):
    """The part of shmem_undo_range() for a folio, which may leave the file before it is locked. True when the caller must look
    at this index again."""
    folio = yield from filemap_get_folio(mapping, index)
    if not folio:
        return True
    yield folio_lock(folio)
    err = yield from truncate_inode_folio(mapping, folio)
    yield folio_unlock(folio)
    yield from folio_put(folio)
    return err != 0


def truncate_inode_folio(mapping, folio):
    """mm/truncate.c, v6.8. Takes a locked folio out of the page cache. -EIO if it is not in this file any more."""
    owner = yield read(folio.mapping)
    if owner is not mapping:
        return -EIO
    yield from filemap_remove_folio(folio)
    return 0


def filemap_remove_folio(folio):
    """mm/filemap.c, v6.8. Caller holds the folio lock, and a reference besides that of the page cache, which is dropped."""
    mapping = yield read(folio.mapping)
    yield spin_lock_irq(mapping.xa_lock)
    yield from __filemap_remove_folio(mapping, folio)
    yield write(folio.mapping, NULL)
    yield spin_unlock_irq(mapping.xa_lock)
    yield from folio_put(folio)


def shmem_recalc_inode(info, swapped):
    """mm/shmem.c, v6.8, as far as info->swapped goes."""
    yield spin_lock(info.lock)
    before = yield read(info.swapped)
    yield write(info.swapped, before + swapped)
    yield spin_unlock(info.lock)


def shmem_evict_inode(info):
    """mm/shmem.c, v6.8. The file is deleted: truncated, then taken off shmem_swaplist. While swapoff is at work on this file,
    which is on the list without the mutex then, the inode must stay."""
    yield from shmem_undo_range(info)
    listed = yield READ_ONCE(info.swaplist)
    while listed:
        yield wait_var_event(info.stop_eviction, 0)
        yield mutex_lock(shmem_swaplist_mutex)
        at_work = yield READ_ONCE(info.stop_eviction)
        if not at_work:
            yield write(info.swaplist, 0)
        yield mutex_unlock(shmem_swaplist_mutex)
        listed = yield READ_ONCE(info.swaplist)
