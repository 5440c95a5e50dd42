"""mm/memory.c, v6.8: do_swap_page(), the way back of a swapped page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    BUG,
    NULL,
    READ_ONCE,
    folio_lock,
    folio_trylock,
    folio_unlock,
    init_store,
    read,
    schedule_timeout_uninterruptible,
    write,
)
from .swapops import (
    SWP_SYNCHRONOUS_IO,
    mk_pte,
    pte_mkdirty,
    pte_mkwrite,
    pte_swp_exclusive,
    pte_to_swp_entry,
    swp_offset,
)

if TYPE_CHECKING:
    from .filemap import folio_put
    from .memory import (
        folio_add_anon_rmap_pte,
        pte_offset_map_lock,
        pte_unmap_unlock,
        vma_alloc_folio,
    )
    from .memory_fault import FAULT_FLAG_WRITE, VM_FAULT_ERROR, VM_FAULT_MAJOR, VM_FAULT_OOM, VM_FAULT_SIGBUS
    from .memory_wp import do_wp_page
    from .page_io import swap_read_folio
    from .swap_cgroup import lookup_swap_cgroup_id
    from .swap_readahead import swapin_readahead
    from .swap_state import get_shadow_from_swap_cache, swap_cache_get_folio
    from .swapfile.counts import __swap_count, swapcache_clear, swapcache_prepare
    from .swapfile.entries import swap_free
    from .swapfile.lookup import get_swap_device, put_swap_device
    from .swapfile.reclaim import folio_free_swap, vm_swap_full


def do_swap_page(mm, i, flags, orig_pte):
    """mm/memory.c, v6.8. Brings back the page behind a swap entry. The device is pinned until the end: the entry in the PTE
    can go at any time, as no page table lock is held yet.

    A folio in the swap cache is taken. Without one, a page of a RAM disk that has no other reference is read past the cache:
    swapcache_prepare() keeps everybody else from reading or reusing the slot meanwhile, and whoever finds it taken tries again
    after a tick. All others are read into the cache."""
    entry = pte_to_swp_entry(orig_pte)
    direct, fault = False, 0
    si = yield from get_swap_device(entry)
    if not si:
        return 0
    folio = yield from swap_cache_get_folio(entry)
    if not folio:
        direct = yield from may_skip_swapcache(si, entry)
        if direct:
            err = yield from swapcache_prepare(entry)
            if err:
                yield schedule_timeout_uninterruptible(1)
                yield from put_swap_device(si)
                return 0
        folio, fault = yield from do_swap_page_read(mm, i, orig_pte, direct)
    if folio:
        mapped = yield from do_swap_page_map(mm, i, flags, orig_pte, folio, direct)
        fault |= mapped
    if direct:
        yield from swapcache_clear(si, entry)
    yield from put_swap_device(si)
    return fault & VM_FAULT_ERROR or fault


def may_skip_swapcache(si, entry):
    """The question of do_swap_page() before it reads past the swap cache: a synchronous device, one reference. Lockless."""
    flags = yield READ_ONCE(si.flags)
    if not flags & SWP_SYNCHRONOUS_IO:
        return False
    count = yield from __swap_count(entry)
    return count == 1


def do_swap_page_read(mm, i, orig_pte, direct):
    """The part of do_swap_page() that needs a new folio. Without memory for one, or if the entry went away, nothing was read:
    that is only an error while the PTE is still the same. Returns the folio with a reference, and the VM_FAULT_* bits."""
    entry = pte_to_swp_entry(orig_pte)
    if direct:
        folio = yield from swapin_direct(entry)
    else:
        folio = yield from swapin_readahead(entry)
    if folio:
        return folio, VM_FAULT_MAJOR
    yield from pte_offset_map_lock(mm)
    current = yield read(mm.pte[i])
    yield from pte_unmap_unlock(mm)
    return NULL, VM_FAULT_OOM if current == orig_pte else 0


def swapin_direct(entry):
    """The part of do_swap_page() that reads past the swap cache. Nobody else can find the folio; it has the entry only while
    the device needs to know it. The shadow is looked at (get_shadow_from_swap_cache()), which decides nothing here."""
    folio = yield from vma_alloc_folio(1)
    if not folio:
        return NULL
    yield folio_trylock(folio)
    yield from lookup_swap_cgroup_id(entry)
    yield from get_shadow_from_swap_cache(entry)
    yield write(folio.swap, entry)
    yield from swap_read_folio(folio)
    yield init_store(folio.swap, 0)
    return folio


def do_swap_page_map(mm, i, flags, orig_pte, folio, direct):
    """The part of do_swap_page() that checks again and maps the folio, whose reference becomes the PTE's. First the folio lock:
    is the folio still that of the entry? Then the page table lock: is the PTE the same?"""
    yield folio_lock(folio)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    page = swp_offset(pte_to_swp_entry(orig_pte)) % nr_pages
    right = direct
    if not direct:
        right = yield from swapcache_is_of(folio, page, pte_to_swp_entry(orig_pte))
    if not right:
        yield folio_unlock(folio)
        yield from folio_put(folio)
        return 0
    yield from pte_offset_map_lock(mm)
    current = yield read(mm.pte[i])
    uptodate = yield read(folio.uptodate)
    if current != orig_pte or not uptodate:
        yield from pte_unmap_unlock(mm)
        yield folio_unlock(folio)
        yield from folio_put(folio)
        return 0 if current != orig_pte else VM_FAULT_SIGBUS
    exclusive = yield from do_swap_page_exclusive(folio, page, orig_pte, flags, direct)
    pte = mk_pte(folio, page)
    if exclusive and flags & FAULT_FLAG_WRITE:
        pte, flags = pte_mkwrite(pte_mkdirty(pte)), 0
    yield from folio_add_anon_rmap_pte(folio, page, i, exclusive)
    yield write(mm.pte[i], pte)
    yield folio_unlock(folio)
    if flags & FAULT_FLAG_WRITE:
        fault = yield from do_wp_page(mm, i, pte)
        return fault
    yield from pte_unmap_unlock(mm)
    return 0


def swapcache_is_of(folio, page, entry):
    """The check of do_swap_page() under the folio lock: folio_free_swap() or swapoff may have taken the folio out of the cache,
    and another swap-out may have given it another slot."""
    swapcache = yield read(folio.swapcache)
    if not swapcache:
        return False
    first = yield read(folio.swap)
    return first + page == entry


def do_swap_page_exclusive(folio, page, orig_pte, flags, direct):
    """The part of do_swap_page() that gives up the entry, and the swap cache too if that may help. Returns whether this process
    has the page alone: the PTE says so, the folio is fresh, or no reference but the caller's is left."""
    bits = yield READ_ONCE(folio.anon_exclusive)
    if bits & 1 << page:
        yield BUG("do_swap_page: the page of a swap entry is exclusive to a process that maps it")
    yield from swap_free(pte_to_swp_entry(orig_pte))
    wanted = yield from should_try_to_free_swap(folio, flags)
    if wanted:
        yield from folio_free_swap(folio)
    if pte_swp_exclusive(orig_pte) or direct:
        return True
    references = yield READ_ONCE(folio.refcount)
    return references == 1


def should_try_to_free_swap(folio, flags):
    """mm/memory.c, v6.8. When swap is scarce; and for a write where only the caller and the swap cache refer to the folio, as
    the write can then go without a copy."""
    swapcache = yield read(folio.swapcache)
    if not swapcache:
        return False
    full = yield from vm_swap_full()
    if full:
        return True
    if not flags & FAULT_FLAG_WRITE:
        return False
    references = yield READ_ONCE(folio.refcount)
    return references == 2
