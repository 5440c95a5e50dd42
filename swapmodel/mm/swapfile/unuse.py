"""mm/swapfile.c, v6.8: try_to_unuse() and its three loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    BUG,
    READ_ONCE,
    atomic_add,
    down_read,
    folio_lock,
    folio_unlock,
    read,
    spin_lock,
    spin_unlock,
    up_read,
    wait_var_event,
    write,
)
from ..swapops import (
    SWAP_MAP_BAD,
    is_swap_pte,
    mk_pte,
    pte_to_swp_entry,
    swap_count,
    swp_entry,
    swp_entry_to_pte,
    swp_offset,
    swp_type,
)
from .entries import swap_free, swap_info
from .reclaim import folio_free_swap

if TYPE_CHECKING:
    from ..config import MMLIST
    from ..filemap import filemap_get_folio, folio_put
    from ..memory import pte_offset_map_lock, pte_unmap_unlock
    from ..mmap import mmget_not_zero, mmlist_lock, mmput
    from ..shmem import shmem_unuse
    from ..swap_state import swap_address_space, swap_cache_get_folio, swapin_readahead

    def cond_resched() -> object: ...


def try_to_unuse(type):
    """mm/swapfile.c, v6.8. Brings every page of the device back. inuse_pages is read without a lock, between items, and
    each loop is abandoned as soon as it reads 0: then no page table need have been looked at. Retries without a bound."""
    si = yield READ_ONCE(swap_info[type])
    inuse = yield READ_ONCE(si.inuse_pages)
    while inuse:
        yield from shmem_unuse(type)
        yield from unuse_mms(si, type)
        yield from unuse_swap_cache(si, type)
        inuse = yield READ_ONCE(si.inuse_pages)


def unuse_mms(si, type):
    """The second loop of try_to_unuse(): every mm on the mmlist that still has users. One that is exiting is skipped."""
    prev = -1
    yield spin_lock(mmlist_lock)
    for i in range(len(MMLIST)):
        inuse = yield READ_ONCE(si.inuse_pages)
        if not inuse:
            break
        mm = MMLIST[i]
        listed = yield read(mm.mmlist)
        if not listed:
            continue
        got = yield from mmget_not_zero(mm)
        if not got:
            continue
        yield spin_unlock(mmlist_lock)
        if prev >= 0:
            yield from mmput(MMLIST[prev])
        prev = i
        yield from unuse_mm(mm, type)
        yield from cond_resched()
        yield spin_lock(mmlist_lock)
    yield spin_unlock(mmlist_lock)
    if prev >= 0:
        yield from mmput(MMLIST[prev])


def unuse_swap_cache(si, type):
    """The third loop of try_to_unuse(): slots that no page table refers to any more, but the swap cache does."""
    i = 0
    while True:
        inuse = yield READ_ONCE(si.inuse_pages)
        if not inuse:
            return
        i = yield from find_next_to_unuse(si, i)
        if not i:
            return
        mapping = yield from swap_address_space(swp_entry(type, i))
        folio = yield from filemap_get_folio(mapping, i)
        if not folio:
            continue
        yield folio_lock(folio)
        yield wait_var_event(folio.writeback, 0)
        yield from folio_free_swap(folio)
        yield folio_unlock(folio)
        yield from folio_put(folio)


def find_next_to_unuse(si, prev):
    """mm/swapfile.c, v6.8. The next slot in use after `prev`, read byte by byte without a lock; 0 when there is none."""
    maximum = yield READ_ONCE(si.max)
    map = yield READ_ONCE(si.swap_map)
    for i in range(prev + 1, maximum):
        count = yield READ_ONCE(map[i])
        if count and swap_count(count) != SWAP_MAP_BAD:
            return i
    return 0


def unuse_mm(mm, type):
    """mm/swapfile.c, v6.8. Every VMA that the mm still has, with mmap_lock held for reading."""
    yield down_read(mm.mmap_lock)
    attached = yield read(mm.vma)
    if attached:
        yield from unuse_pte_range(mm, type)
    yield from cond_resched()
    yield up_read(mm.mmap_lock)


def unuse_pte_range(mm, type):
    """mm/swapfile.c, v6.8. The PTEs are read without their lock; unuse_pte() looks again under it."""
    for i in range(len(mm.pte)):
        pte = yield READ_ONCE(mm.pte[i])
        if not is_swap_pte(pte) or swp_type(pte_to_swp_entry(pte)) != type:
            continue
        entry = pte_to_swp_entry(pte)
        folio = yield from swap_cache_get_folio(entry)
        if not folio:
            folio = yield from swapin_readahead(entry)
        if not folio:
            si = yield READ_ONCE(swap_info[type])
            map = yield READ_ONCE(si.swap_map)
            count = yield READ_ONCE(map[swp_offset(entry)])
            if count not in (0, SWAP_MAP_BAD):
                yield BUG("unuse_pte_range: no folio for an entry in use, swapoff fails with -ENOMEM")
            continue
        yield folio_lock(folio)
        yield wait_var_event(folio.writeback, 0)
        yield from unuse_pte(mm, mm.pte[i], entry, folio)
        yield from folio_free_swap(folio)
        yield folio_unlock(folio)
        yield from folio_put(folio)


def unuse_pte(mm, pte, entry, folio):
    """mm/swapfile.c, v6.8. Maps the folio where the swap entry was, if it is still there; then drops the entry's
    reference. Both under the page table lock."""
    yield from pte_offset_map_lock(mm)
    current = yield read(pte)
    if current == swp_entry_to_pte(entry):
        yield atomic_add(1, folio.refcount)
        yield atomic_add(1, folio.mapcount)
        yield write(pte, mk_pte(folio))
        yield from swap_free(entry)
    yield from pte_unmap_unlock(mm)
