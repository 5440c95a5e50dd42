"""mm/shmem.c, v6.8: what swapoff does to swapped pages of tmpfs files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    READ_ONCE,
    Global,
    atomic_add,
    atomic_dec_and_test,
    folio_unlock,
    mutex_lock,
    mutex_t,
    mutex_unlock,
    rcu_read_lock,
    rcu_read_unlock,
    read,
    write,
)
from .errno import ENOMEM
from .swapops import radix_to_swp_entry, swp_type, xa_is_value, xa_size, xa_slot

if TYPE_CHECKING:
    from .config import SHMEM_SWAPLIST
    from .filemap import folio_put
    from .shmem_swapin import shmem_swapin_folio

    def cond_resched() -> object: ...


shmem_swaplist_mutex = Global(mutex_t())


def shmem_unuse(type):
    """mm/shmem.c, v6.8: the first loop of try_to_unuse(). Every file on the list, the list's mutex dropped meanwhile. Returns 0
    or -ENOMEM."""
    error = 0
    if not SHMEM_SWAPLIST:
        return error
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
            error = yield from shmem_unuse_inode(info, type)
            yield from cond_resched()
            yield mutex_lock(shmem_swaplist_mutex)
            left = yield READ_ONCE(info.swapped)
            if not left:
                yield write(info.swaplist, 0)
            yield atomic_dec_and_test(info.stop_eviction)
            if error:
                break
        else:
            yield write(info.swaplist, 0)
    yield mutex_unlock(shmem_swaplist_mutex)
    return error


def shmem_unuse_inode(info, type):
    """mm/shmem.c, v6.8: find swap entries of this device in the file, swap each in, until a scan finds none. The next scan
    begins at the last index of this one. Entries that went away are no error; returns 0 or -ENOMEM."""
    start = 0
    while True:
        entries = yield from shmem_find_swap_entries(info.i_mapping, start, type)
        if not entries:
            return 0
        for i in range(len(entries)):
            error, folio = yield from shmem_swapin_folio(info, entries[i][0], entries[i][1])
            if not error:
                yield folio_unlock(folio)
                yield from folio_put(folio)
            elif error == -ENOMEM:
                return error
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
