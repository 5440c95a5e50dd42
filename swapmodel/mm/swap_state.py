"""mm/swap_state.c, v6.8: the swap cache, and reading pages into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    BUG,
    NULL,
    READ_ONCE,
    Global,
    atomic_add,
    atomic_sub_and_test,
    folio_trylock,
    folio_unlock,
    kvfree,
    kvzalloc,
    rcu_read_lock,
    rcu_read_unlock,
    read,
    spin_lock_irq,
    spin_unlock_irq,
    word,
    write,
    xchg,
)
from .swapops import swp_entry, swp_offset, swp_type, xa_is_value, xa_slot

if TYPE_CHECKING:
    from .config import SWAP_ADDRESS_SPACE_SHIFT
    from .filemap import filemap_get_folio, folio_put
    from .swap_slots_alloc import folio_alloc_swap
    from .swapfile.reclaim import folio_free_swap, put_swap_folio

# one array of address spaces per type
swapper_spaces = Global(word(NULL, writers=("exit_swap_address_space", "init_swap_address_space")), count=3)


def swap_address_space(entry):
    """mm/swap.h, v6.8. The address space of an entry's 64 MiB: swapoff frees the array and stores NULL."""
    spaces = yield READ_ONCE(swapper_spaces[swp_type(entry)])
    return spaces[swp_offset(entry) >> SWAP_ADDRESS_SPACE_SHIFT]


def get_shadow_from_swap_cache(entry):
    """mm/swap_state.c, v6.8. What reclaim left in the cache for an evicted page, NULL if nothing. The device is pinned."""
    mapping = yield from swap_address_space(entry)
    yield rcu_read_lock()
    found = yield READ_ONCE(xa_slot(mapping, swp_offset(entry)))
    yield rcu_read_unlock()
    return found if xa_is_value(found) else NULL


def swap_cache_get_folio(entry):
    """mm/swap_state.c, v6.8. The cached folio with a reference, or NULL. Readahead statistics are left out."""
    mapping = yield from swap_address_space(entry)
    folio = yield from filemap_get_folio(mapping, swp_offset(entry))
    return folio


def add_to_swap_cache(folio, entry):
    """mm/swap_state.c, v6.8. Caller holds the folio lock and SWAP_HAS_CACHE of every slot of the folio. The cache takes a
    reference for each page before the folio can be found; the shadow of an earlier page is overwritten. Returns 0: no node
    of the XArray has to be allocated here."""
    nr_pages = yield READ_ONCE(folio.nr_pages)
    mapping = yield from swap_address_space(entry)
    swapcache = yield read(folio.swapcache)
    if swapcache:
        yield BUG("add_to_swap_cache: VM_BUG_ON_FOLIO(folio_test_swapcache(folio))")
    yield atomic_add(nr_pages, folio.refcount)
    yield write(folio.swapcache, 1)
    yield write(folio.swap, entry)
    yield spin_lock_irq(mapping.xa_lock)
    for i in range(nr_pages):
        yield write(xa_slot(mapping, swp_offset(entry) + i), folio)
    yield spin_unlock_irq(mapping.xa_lock)
    return 0


def add_to_swap(folio):
    """mm/swap_state.c, v6.8. Gives an anonymous folio slots and puts it into the cache, dirty, so that it is written whatever
    its PTEs say. Caller holds the folio lock and a reference. False: there is no swap for it."""
    uptodate = yield read(folio.uptodate)
    if not uptodate:
        yield BUG("add_to_swap: VM_BUG_ON_FOLIO(!folio_test_uptodate(folio))")
    entry = yield from folio_alloc_swap(folio)
    if not entry:
        return False
    err = yield from add_to_swap_cache(folio, entry)
    if err:
        yield from put_swap_folio(folio, entry)
        return False
    yield write(folio.dirty, 1)
    return True


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


def __delete_from_swap_cache(folio, mapping, entry, shadow=NULL):
    """mm/swap_state.c, v6.8. Caller holds the folio lock and the address space's xa_lock. What is left in the cache is
    `shadow`; the slots still have SWAP_HAS_CACHE, and the cache's references are the caller's to drop."""
    swapcache = yield read(folio.swapcache)
    if not swapcache:
        yield BUG("__delete_from_swap_cache: VM_BUG_ON_FOLIO(!folio_test_swapcache(folio))")
    writeback = yield READ_ONCE(folio.writeback)
    if writeback:
        yield BUG("__delete_from_swap_cache: VM_BUG_ON_FOLIO(folio_test_writeback(folio))")
    nr_pages = yield READ_ONCE(folio.nr_pages)
    for i in range(nr_pages):
        found = yield xchg(xa_slot(mapping, swp_offset(entry) + i), shadow)
        if found is not folio:
            yield BUG("__delete_from_swap_cache: VM_BUG_ON_PAGE(entry != folio)")
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


def free_page_and_swap_cache(folio):
    """mm/swap_state.c, v6.8. Drops a reference, and the swap of the folio if it is not needed any more."""
    yield from free_swap_cache(folio)
    yield from folio_put(folio)


def clear_shadow_from_swap_cache(type, begin, end):
    """mm/swap_state.c, v6.8. Takes the shadows of freed slots out of the cache, one address space after the other. Caller
    holds si->lock. A folio that has taken one of the slots meanwhile stays."""
    current = begin
    while current <= end:
        mapping = yield from swap_address_space(swp_entry(type, current))
        following = (current >> SWAP_ADDRESS_SPACE_SHIFT) + 1 << SWAP_ADDRESS_SPACE_SHIFT
        yield spin_lock_irq(mapping.xa_lock)
        for index in range(current, min(end + 1, following)):
            found = yield read(xa_slot(mapping, index))
            if xa_is_value(found):
                yield write(xa_slot(mapping, index), NULL)
        yield spin_unlock_irq(mapping.xa_lock)
        current = following


def init_swap_address_space(type, place):
    """mm/swap_state.c, v6.8. Called by swapon before anybody can have an entry of the device. The `place` for the array
    already has the size that the kernel works out. Returns 0: there is always memory for it."""
    spaces = yield kvzalloc(place)
    yield write(swapper_spaces[type], spaces)
    return 0


def exit_swap_address_space(type):
    """mm/swap_state.c, v6.8. Frees first, stores NULL afterwards."""
    spaces = yield READ_ONCE(swapper_spaces[type])
    yield kvfree(spaces)
    yield write(swapper_spaces[type], NULL)
