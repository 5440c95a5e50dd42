"""mm/swap_state.c, v6.8: the swap cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    BUG,
    NULL,
    READ_ONCE,
    Global,
    atomic_sub_and_test,
    folio_trylock,
    folio_unlock,
    kvfree,
    read,
    schedule_timeout_uninterruptible,
    spin_lock_irq,
    spin_unlock_irq,
    word,
    write,
)
from .swapops import swp_offset, swp_type, xa_slot

if TYPE_CHECKING:
    from .filemap import filemap_get_folio
    from .swapfile.entries import get_swap_device, put_swap_device
    from .swapfile.reclaim import folio_free_swap, put_swap_folio, swapcache_prepare

swapper_spaces = Global(word(NULL, writers=("exit_swap_address_space",)), count=2)  # one array of address spaces per type


def swap_address_space(entry):
    """mm/swap.h, v6.8. The address space of an entry's 64 MiB: swapoff frees the array and stores NULL."""
    spaces = yield READ_ONCE(swapper_spaces[swp_type(entry)])
    return spaces[0]


def swap_cache_get_folio(entry):
    """mm/swap_state.c, v6.8. The cached folio with a reference, or NULL. Readahead statistics are left out."""
    mapping = yield from swap_address_space(entry)
    folio = yield from filemap_get_folio(mapping, swp_offset(entry))
    return folio


def swapin_readahead(entry):
    """mm/swap_state.c, v6.8: __read_swap_cache_async() for the one entry, when the cache has no folio for it.

    Its answer is NULL for an entry that nobody refers to any more, which is all that a page table under swapoff's eyes can
    meet here; a real read is a BUG of the scenario, not silence."""
    si = yield from get_swap_device(entry)
    if not si:
        return NULL
    while True:
        folio = yield from swap_cache_get_folio(entry)
        if folio:
            break
        err = yield from swapcache_prepare(entry)
        if err != "EEXIST":
            break
        yield schedule_timeout_uninterruptible(1)
    yield from put_swap_device(si)
    return folio


def delete_from_swap_cache(folio):
    """mm/swap_state.c, v6.8. Caller holds the folio lock and a reference besides those of the cache."""
    entry = yield read(folio.swap)
    mapping = yield from swap_address_space(entry)
    yield spin_lock_irq(mapping.xa_lock)
    yield from __delete_from_swap_cache(folio, mapping, entry)
    yield spin_unlock_irq(mapping.xa_lock)
    yield from put_swap_folio(folio, entry)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    yield atomic_sub_and_test(nr_pages, folio.refcount)


def __delete_from_swap_cache(folio, mapping, entry):
    """mm/swap_state.c, v6.8. Caller holds the folio lock and the address space's xa_lock."""
    swapcache = yield read(folio.swapcache)
    if not swapcache:
        yield BUG("__delete_from_swap_cache: VM_BUG_ON_FOLIO(!folio_test_swapcache(folio))")
    nr_pages = yield READ_ONCE(folio.nr_pages)
    for i in range(nr_pages):
        yield write(xa_slot(mapping, swp_offset(entry) + i), NULL)
    yield write(folio.swap, 0)
    yield write(folio.swapcache, 0)


def free_swap_cache(folio):
    """mm/swap_state.c, v6.8. Gives up the swap of a folio that has just been unmapped, if nobody has it locked. No page table
    lock is held here and no device is pinned: only SWAP_HAS_CACHE is, by the folio lock."""
    swapcache = yield READ_ONCE(folio.swapcache)
    if not swapcache:
        return
    mapped = yield READ_ONCE(folio.mapcount)
    if mapped:
        return
    locked = yield folio_trylock(folio)
    if locked:
        yield from folio_free_swap(folio)
        yield folio_unlock(folio)


def clear_shadow_from_swap_cache(type, begin):
    """mm/swap_state.c, v6.8. Looks for shadow entries of freed slots; the scenarios have none to clear."""
    spaces = yield READ_ONCE(swapper_spaces[type])
    mapping = spaces[0]
    yield spin_lock_irq(mapping.xa_lock)
    yield read(xa_slot(mapping, begin))
    yield spin_unlock_irq(mapping.xa_lock)


def exit_swap_address_space(type):
    """mm/swap_state.c, v6.8. Frees first, stores NULL afterwards."""
    spaces = yield READ_ONCE(swapper_spaces[type])
    yield kvfree(spaces)
    yield write(swapper_spaces[type], NULL)
