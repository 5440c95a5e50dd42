"""mm/swap_state.c, v6.8: reading pages into the swap cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    BUG,
    NULL,
    READ_ONCE,
    alloc_page,
    folio_trylock,
    schedule_timeout_uninterruptible,
)
from .errno import EEXIST
from .swapops import swp_entry, swp_offset, swp_type

if TYPE_CHECKING:
    from .config import FOLIOS, page_cluster
    from .filemap import filemap_get_folio, folio_put
    from .page_io import swap_read_folio
    from .swap_cgroup import lookup_swap_cgroup_id
    from .swap_slots import swap_slot_cache_enabled
    from .swap_state import add_to_swap_cache, swap_address_space
    from .swapfile.counts import swap_swapcount, swapcache_prepare
    from .swapfile.lookup import get_swap_device, put_swap_device, swp_swap_info


def alloc_pages_mpol():
    """mm/mempolicy.c, v6.8. A folio of one page, zeroed, with one reference. The model has a place for each page that can be
    needed at once: there is no -ENOMEM."""
    folio = yield alloc_page(FOLIOS)
    if not folio:
        yield BUG("no place for a folio: config.FOLIOS (Machine(folios=...)) is too small")
    return folio


def __read_swap_cache_async(entry, skip_if_exists):
    """mm/swap_state.c, v6.8. The folio of an entry with a reference, and whether it is new: then it is locked, in the cache,
    and to be read. NULL if nobody refers to the entry any more, or the device is going.

    SWAP_HAS_CACHE, which only one task can take, decides who brings the folio. Who is too late waits for the folio, with a
    sleep; but with `skip_if_exists` gives up."""
    si = yield from get_swap_device(entry)
    if not si:
        return NULL, False
    while True:
        mapping = yield from swap_address_space(entry)
        folio = yield from filemap_get_folio(mapping, swp_offset(entry))
        if folio:
            break
        wanted = yield from worth_reading(si, entry)
        if not wanted:
            break
        fresh = yield from alloc_pages_mpol()
        err = yield from swapcache_prepare(entry)
        if not err:
            yield from bring_into_swap_cache(fresh, entry)
            yield from put_swap_device(si)
            return fresh, True
        yield from folio_put(fresh)
        if err != -EEXIST or skip_if_exists:
            break
        yield schedule_timeout_uninterruptible(1)
    yield from put_swap_device(si)
    return folio, False


def worth_reading(si, entry):
    """The part of __read_swap_cache_async() that skips free slots in readahead. While swapoff has the slot caches disabled a
    count of 0 proves nothing to it, so there swapcache_prepare() decides."""
    count = yield from swap_swapcount(si, entry)
    if count:
        return True
    enabled = yield READ_ONCE(swap_slot_cache_enabled)
    return not enabled


def bring_into_swap_cache(folio, entry):
    """The part of __read_swap_cache_async() with SWAP_HAS_CACHE: nobody else knows the folio, so the lock is free."""
    yield folio_trylock(folio)
    yield from lookup_swap_cgroup_id(entry)
    yield from add_to_swap_cache(folio, entry)


def read_swap_cache_async(entry):
    """mm/swap_state.c, v6.8. The folio of an entry with a reference, read if need be; NULL as __read_swap_cache_async()."""
    folio, allocated = yield from __read_swap_cache_async(entry, False)
    if allocated:
        yield from swap_read_folio(folio)
    return folio


def swap_cluster_readahead(entry):
    """mm/swap_state.c, v6.8. The folio of an entry with a reference, or NULL; its neighbours on the device are read too."""
    if page_cluster:
        yield from read_neighbours(entry)
    folio, allocated = yield from __read_swap_cache_async(entry, False)
    if allocated:
        yield from swap_read_folio(folio)
    return folio


def read_neighbours(entry):
    """The loop of swap_cluster_readahead(): every entry in use in the aligned window of 1 << page_cluster slots, this one
    included. The header is left out, and what lies beyond the end of the device; max is read without a pin."""
    si = yield from swp_swap_info(entry)
    mask = (1 << page_cluster) - 1
    first, last = max(swp_offset(entry) & ~mask, 1), swp_offset(entry) | mask
    maximum = yield READ_ONCE(si.max)
    for offset in range(first, min(last, maximum - 1) + 1):
        folio, allocated = yield from __read_swap_cache_async(swp_entry(swp_type(entry), offset), False)
        if folio:
            if allocated:
                yield from swap_read_folio(folio)
            yield from folio_put(folio)


def swapin_readahead(entry):
    """mm/swap_state.c, v6.8. Swaps in for a fault or for swapoff. Returns the folio with a reference, which may still be
    locked for reading; NULL for an entry that nobody refers to any more."""
    folio = yield from swap_cluster_readahead(entry)
    return folio
