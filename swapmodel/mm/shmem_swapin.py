"""mm/shmem.c, v6.8: swapped pages of tmpfs files come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    NULL,
    READ_ONCE,
    folio_lock,
    folio_unlock,
    read,
    wait_var_event,
    write,
)
from .errno import EEXIST, EINVAL, EIO, ENOMEM
from .swapops import swp_to_radix_entry, xa_slot

if TYPE_CHECKING:
    from .filemap import folio_put
    from .shmem import shmem_recalc_inode
    from .shmem_io import shmem_add_to_page_cache
    from .swap_readahead import swap_cluster_readahead
    from .swap_state import delete_from_swap_cache, swap_cache_get_folio
    from .swapfile.entries import swap_free
    from .swapfile.lookup import get_swap_device, put_swap_device


def shmem_confirm_swap(mapping, index, swap):
    """mm/shmem.c, v6.8. Does the file still have the entry there? Lockless."""
    value = yield READ_ONCE(xa_slot(mapping, index))
    return value == swp_to_radix_entry(swap)


def shmem_swapin_folio(info, index, swap):
    """mm/shmem.c, v6.8. Brings the page of a swap entry into the file, from the swap cache or from the device, which is pinned.
    Returns an error and the folio, which is locked and has a reference of the caller's. -EEXIST: the file has something else
    there by now. -EINVAL: it has the entry, but the device is going. -ENOMEM, -EIO: no memory, or a read error."""
    si = yield from get_swap_device(swap)
    if not si:
        still = yield from shmem_confirm_swap(info.i_mapping, index, swap)
        return -EINVAL if still else -EEXIST, NULL
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
    yield from put_swap_device(si)
    return error, folio


def shmem_swapin_locked(info, index, swap, folio):
    """The part of shmem_swapin_folio() under the folio lock: the file gets the folio; then the swap cache and the swap
    entry let go of it. Returns an error."""
    right = yield from shmem_swapin_confirm(folio, info.i_mapping, index, swap)
    if not right:
        return -EEXIST
    uptodate = yield read(folio.uptodate)
    if not uptodate:
        return -EIO
    yield wait_var_event(folio.writeback, 0)
    error = yield from shmem_add_to_page_cache(folio, info.i_mapping, index, swp_to_radix_entry(swap))
    if error:
        return error
    yield from shmem_recalc_inode(info, -1)
    yield from delete_from_swap_cache(folio)
    yield write(folio.dirty, 1)
    yield from swap_free(swap)
    return 0


def shmem_swapin_confirm(folio, mapping, index, swap):
    """The checks of shmem_swapin_folio() under the folio lock: is this still the folio of the entry, and the entry the
    file's?"""
    swapcache = yield read(folio.swapcache)
    if not swapcache:
        return False
    entry = yield read(folio.swap)
    if entry != swap:
        return False
    still = yield from shmem_confirm_swap(mapping, index, swap)
    return still
