"""mm/rmap.c, v6.8: unmapping a folio that goes to swap. Counting who maps it is in memory.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import NULL, READ_ONCE, WARN, WRITE_ONCE, atomic_add, read, spin_lock, spin_unlock, write, xchg
from .swapops import pte_dirty, pte_present, pte_swp_mkexclusive, swp_entry_to_pte

if TYPE_CHECKING:
    from .config import MMLIST
    from .filemap import folio_put
    from .memory import folio_remove_rmap_pte, pte_offset_map_lock, pte_unmap_unlock
    from .mmap import mmlist_lock
    from .swapfile.counts import swap_duplicate

    def cond_resched() -> object: ...


def try_to_unmap(folio):
    """mm/rmap.c, v6.8: try_to_unmap() and rmap_walk(). Takes the folio out of every page table, one process after the other,
    until nobody maps it or one PTE can't be replaced; the caller looks at mapcount. Caller holds the folio lock and a
    reference."""
    for m in range(len(MMLIST)):
        yield from cond_resched()
        unmapped = yield from try_to_unmap_one(folio, MMLIST[m])
        if not unmapped:
            return
        mapped = yield READ_ONCE(folio.mapcount)
        if not mapped:
            return


def try_to_unmap_one(folio, mm):
    """mm/rmap.c, v6.8, with page_vma_mapped_walk(). The PTEs where one process can have the folio's pages: the page table
    lock is taken at the first that is present, and kept. False if a PTE could not be replaced."""
    first = yield READ_ONCE(folio.index)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    locked, unmapped = False, True
    for i in range(first, min(first + nr_pages, len(mm.pte))):
        if not locked:
            pte = yield READ_ONCE(mm.pte[i])
            if not pte_present(pte):
                continue
            yield from pte_offset_map_lock(mm)
            locked = True
        pte = yield read(mm.pte[i])
        if pte_present(pte) and pte.folio is folio:
            unmapped = yield from unmap_pte(folio, mm, i)
            if not unmapped:
                break
    if locked:
        yield from pte_unmap_unlock(mm)
    return unmapped


def unmap_pte(folio, mm, i):
    """One round of the loop of try_to_unmap_one(), under the page table lock. The PTE is cleared first, so that nobody can
    store to the page any more; then its dirty bit counts. A swap entry takes its place if the folio has swap; the reference
    of a file's page just goes. If that can't be, the PTE comes back, and it is false."""
    pte = yield xchg(mm.pte[i], NULL)
    if pte_dirty(pte):
        yield write(folio.dirty, 1)
    mapping = yield READ_ONCE(folio.mapping)
    unmapped = True
    if not mapping:
        unmapped = yield from unmap_anon_pte(folio, mm, i, pte.page)
    if not unmapped:
        yield write(mm.pte[i], pte)
        return False
    yield from folio_remove_rmap_pte(folio)
    yield from folio_put(folio)
    return True


def unmap_anon_pte(folio, mm, i, page):
    """The part of try_to_unmap_one() for anonymous pages. Before the swap entry can be seen it is counted, the page belongs
    to this process no longer alone, and swapoff finds the process on the mmlist."""
    lazyfree = yield READ_ONCE(folio.lazyfree)
    swapcache = yield read(folio.swapcache)
    if bool(swapcache) == bool(lazyfree):
        yield WARN("try_to_unmap_one: folio_test_swapbacked(folio) != folio_test_swapcache(folio)")
    if lazyfree:
        unmapped = yield from unmap_lazyfree(folio)
        return unmapped
    entry = yield read(folio.swap)
    err = yield from swap_duplicate(entry + page)
    if err:
        return False
    exclusive = yield from folio_try_share_anon_rmap_pte(folio, page)
    yield from insert_into_mmlist(mm)
    pte = swp_entry_to_pte(entry + page)
    if exclusive:
        pte = pte_swp_mkexclusive(pte)
    yield write(mm.pte[i], pte)
    return True


def unmap_lazyfree(folio):
    """The part of try_to_unmap_one() for a folio that MADV_FREE was called for. Nobody has stored to it, and only the caller
    and its PTEs refer to it: then it goes without a trace. Else it is an ordinary anonymous folio again."""
    references = yield READ_ONCE(folio.refcount)
    mapped = yield READ_ONCE(folio.mapcount)
    dirty = yield read(folio.dirty)
    if references == 1 + mapped and not dirty:
        return True
    yield write(folio.lazyfree, 0)
    return False


def folio_try_share_anon_rmap_pte(folio, page):
    """include/linux/rmap.h, v6.8. No process has the page alone any more. Returns whether one had; it can't fail here, where
    no device pins pages. Caller holds the page table lock and has cleared the PTE."""
    bits = yield READ_ONCE(folio.anon_exclusive)
    exclusive = bool(bits & 1 << page)
    if exclusive:
        yield atomic_add(-(1 << page), folio.anon_exclusive)
    return exclusive


def insert_into_mmlist(mm):
    """The part of try_to_unmap_one() that makes swapoff look at this process. Nobody takes it off while it has users."""
    listed = yield READ_ONCE(mm.mmlist)
    if listed:
        return
    yield spin_lock(mmlist_lock)
    listed = yield read(mm.mmlist)
    if not listed:
        yield write(mm.mmlist, 1)
    yield spin_unlock(mmlist_lock)


def folio_mark_lazyfree(folio):
    """mm/swap.c, v6.8. MADV_FREE: the content of an anonymous folio may be dropped while nobody stores to it. A folio that is
    in the swap cache, or marked already, is left alone."""
    swapcache = yield READ_ONCE(folio.swapcache)
    lazyfree = yield READ_ONCE(folio.lazyfree)
    if not swapcache and not lazyfree:
        yield WRITE_ONCE(folio.lazyfree, 1)
