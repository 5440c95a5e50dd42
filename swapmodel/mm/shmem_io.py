"""mm/shmem.c, v6.8: how the pages of a tmpfs file come into memory, and how they go to swap."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..machine import (
    BUG,
    NULL,
    READ_ONCE,
    atomic_add,
    folio_lock,
    folio_trylock,
    folio_unlock,
    mutex_lock,
    mutex_unlock,
    read,
    spin_lock_irq,
    spin_unlock_irq,
    user_load,
    user_store,
    write,
)
from .errno import EEXIST, ENOMEM
from .swapops import radix_to_swp_entry, swp_to_radix_entry, xa_is_value, xa_slot

if TYPE_CHECKING:
    from .config import SHMEM_SWAPLIST
    from .filemap import filemap_get_folio, folio_put
    from .memory import vma_alloc_folio
    from .page_io import swap_writepage
    from .shmem import shmem_recalc_inode, xa_cmpxchg_irq
    from .shmem_swapin import shmem_swapin_folio
    from .shmem_unuse import shmem_swaplist_mutex
    from .swap_slots_alloc import folio_alloc_swap
    from .swap_state import add_to_swap_cache
    from .swapfile.counts import swap_shmem_alloc
    from .swapfile.entries import total_swap_pages
    from .swapfile.reclaim import put_swap_folio
    from .vmscan_writeout import AOP_WRITEPAGE_ACTIVATE

SGP_READ, SGP_CACHE, SGP_WRITE = 0, 2, 3  # include/linux/shmem_fs.h: a hole stays; gets a page; gets one to be written


class SyscallError(NamedTuple):
    """What read() or write() returns instead of a page's value: a negative errno."""

    errno: int

    def __str__(self) -> str:
        return str(self.errno)


def SHMEM_I(mapping):
    """include/linux/shmem_fs.h, v6.8, with mapping->host: whose pages these are."""
    return next(info for info in SHMEM_SWAPLIST if info.i_mapping is mapping)


def shmem_add_to_page_cache(folio, mapping, index, expected):
    """mm/shmem.c, v6.8. Puts a locked folio, with a reference for the page cache, where the file has `expected`: NULL or a swap
    entry. -EEXIST, and nothing changed, if it has something else."""
    yield atomic_add(1, folio.refcount)
    yield write(folio.mapping, mapping)
    yield write(folio.index, index)
    found = yield from xa_cmpxchg_irq(mapping, index, expected, folio)
    if found == expected:
        return 0
    yield write(folio.mapping, NULL)
    yield atomic_add(-1, folio.refcount)
    return -EEXIST


def shmem_delete_from_page_cache(folio, radswap):
    """mm/shmem.c, v6.8. The file has the swap entry instead of the folio. Caller holds the folio lock, so nobody else takes the
    folio out of the file, and a reference besides that of the page cache, which is dropped."""
    mapping = yield read(folio.mapping)
    index = yield read(folio.index)
    yield spin_lock_irq(mapping.xa_lock)
    found = yield read(xa_slot(mapping, index))
    if found is folio:
        yield write(xa_slot(mapping, index), radswap)
    yield write(folio.mapping, NULL)
    yield spin_unlock_irq(mapping.xa_lock)
    yield from folio_put(folio)
    if found is not folio:
        yield BUG("shmem_delete_from_page_cache: the file does not have the folio")


def shmem_writepage(folio):
    """mm/shmem.c, v6.8. Moves a folio of a file to swap; reclaim calls it with the folio locked and no longer dirty. The
    file is put on shmem_swaplist, and its count raised, before the entry is in the file: all under the list's mutex, so
    that swapoff does not take the file for one without swapped pages. Returns what swap_writepage() does, with the folio
    unlocked; or AOP_WRITEPAGE_ACTIVATE, the folio still locked and dirty again, if there is no swap."""
    mapping = yield read(folio.mapping)
    info = SHMEM_I(mapping)
    swap = 0
    total = yield READ_ONCE(total_swap_pages)
    if total:
        swap = yield from folio_alloc_swap(folio)
    if not swap:
        yield write(folio.dirty, 1)
        return AOP_WRITEPAGE_ACTIVATE
    yield mutex_lock(shmem_swaplist_mutex)
    listed = yield read(info.swaplist)
    if not listed:
        yield write(info.swaplist, 1)
    err = yield from add_to_swap_cache(folio, swap)
    if err:
        yield mutex_unlock(shmem_swaplist_mutex)
        yield from put_swap_folio(folio, swap)
        yield write(folio.dirty, 1)
        return AOP_WRITEPAGE_ACTIVATE
    yield from shmem_recalc_inode(info, 1)
    yield from swap_shmem_alloc(swap)
    yield from shmem_delete_from_page_cache(folio, swp_to_radix_entry(swap))
    yield mutex_unlock(shmem_swaplist_mutex)
    err = yield from swap_writepage(folio)
    return err


def filemap_get_entry(mapping, index):
    """mm/filemap.c, v6.8. What the file has at an index: a folio with a reference, a swap entry as XArray value, or NULL."""
    while True:
        found = yield READ_ONCE(xa_slot(mapping, index))
        if not found or xa_is_value(found):
            return found
        folio = yield from filemap_get_folio(mapping, index)
        if folio:
            return folio


def shmem_get_folio(info, index, sgp):
    """mm/shmem.c, v6.8: shmem_get_folio_gfp(). The page of a file, from swap if need be; a hole stays one for SGP_READ, and
    gets a zeroed page otherwise. Returns an error and the folio, locked and with a reference, or NULL for a hole. Begins
    again whenever the page has gone elsewhere before its folio was locked."""
    while True:
        found = yield from filemap_get_entry(info.i_mapping, index)
        error, folio = -EEXIST, NULL
        if xa_is_value(found):
            error, folio = yield from shmem_swapin_folio(info, index, radix_to_swp_entry(found))
        elif found:
            error, folio = yield from shmem_lock_folio(info, found)
        elif sgp == SGP_READ:
            return 0, NULL
        else:
            error, folio = yield from shmem_alloc_and_add_folio(info, index, sgp)
        if error != -EEXIST:
            return error, folio


def shmem_lock_folio(info, folio):
    """The part of shmem_get_folio_gfp() for a folio in the file: it may have been truncated or swapped out before it is
    locked."""
    yield folio_lock(folio)
    mapping = yield read(folio.mapping)
    if mapping is info.i_mapping:
        return 0, folio
    yield folio_unlock(folio)
    yield from folio_put(folio)
    return -EEXIST, NULL


def shmem_alloc_and_add_folio(info, index, sgp):
    """mm/shmem.c, v6.8. A zeroed page for a hole. Who is about to write it marks it up to date afterwards."""
    folio = yield from vma_alloc_folio(1)
    if not folio:
        return -ENOMEM, NULL
    yield folio_trylock(folio)
    error = yield from shmem_add_to_page_cache(folio, info.i_mapping, index, NULL)
    if error:
        yield folio_unlock(folio)
        yield from folio_put(folio)
        return error, NULL
    yield from shmem_recalc_inode(info, 0)
    if sgp != SGP_WRITE:
        yield write(folio.uptodate, 1)
    return 0, folio


def shmem_read(info, index):
    """mm/shmem.c, v6.8: shmem_file_read_iter() of one page. It is copied to user space with a reference, but no lock.
    Returns the value, None for a hole, or a SyscallError."""
    error, folio = yield from shmem_get_folio(info, index, SGP_READ)
    if error:
        return SyscallError(error)
    if not folio:
        return None
    yield folio_unlock(folio)
    value = yield user_load(folio.content, 0)
    yield from folio_put(folio)
    return value


def shmem_write(info, index, value):
    """mm/shmem.c, v6.8: shmem_write_begin() and shmem_write_end() around the copy from user space, under the folio lock.
    Returns None, or a SyscallError."""
    error, folio = yield from shmem_get_folio(info, index, SGP_WRITE)
    if error:
        return SyscallError(error)
    yield user_store(folio.content, 0, value)
    yield write(folio.uptodate, 1)
    yield write(folio.dirty, 1)
    yield folio_unlock(folio)
    yield from folio_put(folio)
    return None
