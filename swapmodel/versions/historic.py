"""Functions as they were before a fix of the bug family (zoo/): each says the version, or the commit that changed it.

Only what the fix is about is old; everything else of a function is as in the base, so that the fix is all that differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    READ_ONCE,
    folio_lock,
    folio_unlock,
    mutex_lock,
    mutex_unlock,
    read,
    wait_var_event,
    write,
)
from ..mm.swapops import is_swap_pte, non_swap_entry, pte_to_swp_entry, swp_entry

if TYPE_CHECKING:
    from ..mm.config import MMLIST, SHMEM_SWAPLIST, page_cluster
    from ..mm.filemap import folio_put
    from ..mm.memory import pte_offset_map, pte_unmap
    from ..mm.page_io import swap_read_folio
    from ..mm.shmem_unuse import shmem_swaplist_mutex, shmem_unuse_inode
    from ..mm.swap_readahead import __read_swap_cache_async, read_neighbours, read_swap_cache_async
    from ..mm.swap_state import delete_from_swap_cache
    from ..mm.swapfile.lookup import swap_info, swp_swap_info
    from ..mm.swapfile.unuse import find_next_to_unuse
    from ..mm.swapfile.unuse_pte import unuse_pte

    def cond_resched() -> object: ...
    def igrab(info: object) -> object: ...
    def iput(info: object) -> object: ...


# ---- readahead ------------------------------------------------------------------------------------------------------------


def swap_cluster_readahead(entry):
    """mm/swap_state.c, v5.13: before the neighbours are read, inode_read_congested() asks the swap file's inode, which is found
    through si->swap_file, whether its disk is busy. Here any word of the file's disk stands for that inode."""
    if page_cluster:
        si = yield from swp_swap_info(entry)
        file = yield READ_ONCE(si.swap_file)
        yield READ_ONCE(file.disk[0])
        yield from read_neighbours(entry)
    folio, allocated = yield from __read_swap_cache_async(entry, False)
    if allocated:
        yield from swap_read_folio(folio)
    return folio


def swap_vma_readahead(mm, i, entry):
    """mm/swap_state.c, v6.17. Reads what the neighbouring PTEs refer to, whatever device that is on; then the page that the
    fault at PTE `i` wants. Nothing is held while it reads. Since 78524b05f1a3 the caller of __read_swap_cache_async() is to
    pin the device; the fault has pinned that of `entry`."""
    for n in range(len(mm.pte)):
        yield from pte_offset_map(mm)
        pte = yield READ_ONCE(mm.pte[n])
        yield from pte_unmap(mm)
        if n == i or not is_swap_pte(pte) or non_swap_entry(pte_to_swp_entry(pte)):
            continue
        yield from readahead_neighbour(pte_to_swp_entry(pte), entry)
    folio, allocated = yield from __read_swap_cache_async(entry, False)
    if allocated:
        yield from swap_read_folio(folio)
    return folio


def readahead_neighbour(entry, targ_entry):
    """One round of the loop of swap_vma_readahead(). The fault has pinned the device of `targ_entry`."""
    folio, allocated = yield from __read_swap_cache_async(entry, False)
    if folio:
        if allocated:
            yield from swap_read_folio(folio)
        yield from folio_put(folio)


# ---- swapoff: tmpfs inodes ------------------------------------------------------------------------------------------------


def shmem_unuse(type):
    """mm/shmem.c, 5.1-rc (b56a2d8af914): igrab() holds the inode while the list's mutex is dropped."""
    error = 0
    yield mutex_lock(shmem_swaplist_mutex)
    for i in range(len(SHMEM_SWAPLIST)):
        info = SHMEM_SWAPLIST[i]
        listed = yield read(info.swaplist)
        if not listed:
            continue
        swapped = yield READ_ONCE(info.swapped)
        if not swapped:
            yield write(info.swaplist, 0)
            continue
        grabbed = yield from igrab(info)
        if not grabbed:
            continue
        yield mutex_unlock(shmem_swaplist_mutex)
        error = yield from shmem_unuse_inode(info, type)
        yield from cond_resched()
        yield mutex_lock(shmem_swaplist_mutex)
        left = yield READ_ONCE(info.swapped)
        if not left:
            yield write(info.swaplist, 0)
        yield from iput(info)
        if error:
            break
    yield mutex_unlock(shmem_swaplist_mutex)
    return error


# ---- swapoff: one slot after the other ------------------------------------------------------------------------------------


def try_to_unuse(type):
    """mm/swapfile.c, 2.6.28 (before 68bdc8d64742). Slot by slot: the page is read into the swap cache, every process that has
    the entry gets it, and it leaves the swap cache. The page is locked only after it was found, so that it may be in the swap
    cache for another slot by then, even of another device."""
    si = yield READ_ONCE(swap_info[type])
    i = yield from find_next_to_unuse(si, 0)
    while i:
        folio = yield from read_swap_cache_async(swp_entry(type, i))
        if folio:
            yield folio_lock(folio)
            yield wait_var_event(folio.writeback, 0)
            yield from unuse_processes(swp_entry(type, i), folio)
            yield from try_to_unuse_delete(swp_entry(type, i), folio)
            yield write(folio.dirty, 1)
            yield folio_unlock(folio)
            yield from folio_put(folio)
        i = yield from find_next_to_unuse(si, 0)
    return 0


def try_to_unuse_delete(entry, folio):
    """The end of a round of that try_to_unuse(): the folio leaves the swap cache. Caller holds its lock."""
    swapcache = yield read(folio.swapcache)
    if swapcache:
        yield from delete_from_swap_cache(folio)


def unuse_processes(entry, folio):
    """The part of that try_to_unuse() about processes: each that may have the entry gets the folio. Its lock, which the caller
    holds, is kept here, where the kernel dropped it if mmap_sem was not to be had at once."""
    for i in range(len(MMLIST)):
        for index in range(len(MMLIST[i].pte)):
            yield from unuse_pte(MMLIST[i], index, entry, folio)
