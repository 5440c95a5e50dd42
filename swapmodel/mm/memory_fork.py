"""mm/memory.c, v6.8: what fork does to page tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    READ_ONCE,
    atomic_add,
    read,
    spin_lock,
    spin_unlock,
    write,
)
from .errno import EIO, ENOMEM
from .swapops import (
    non_swap_entry,
    pte_none,
    pte_present,
    pte_swp_clear_exclusive,
    pte_swp_exclusive,
    pte_to_swp_entry,
    pte_write,
    pte_wrprotect,
)

if TYPE_CHECKING:
    from .memory import pte_offset_map_lock, pte_unmap_unlock
    from .mmap import mmlist_lock
    from .swapfile.continuation import GFP_KERNEL, add_swap_count_continuation
    from .swapfile.counts import swap_duplicate

    def cond_resched() -> object: ...


def copy_page_range(dst_mm, src_mm):
    """mm/memory.c, v6.8: copy_page_range() down to copy_pte_range(). Both mmap_locks are held for writing. If a slot's count is
    full, both page table locks are dropped to find memory, and copying goes on where it stopped. Returns 0 or -ENOMEM."""
    i = 0
    while i < len(src_mm.pte):
        yield from pte_offset_map_lock(dst_mm)
        yield from pte_offset_map_lock(src_mm)
        i, full = yield from copy_pte_range(dst_mm, src_mm, i)
        yield from pte_unmap_unlock(src_mm)
        yield from pte_unmap_unlock(dst_mm)
        yield from cond_resched()
        if full:
            err = yield from add_swap_count_continuation(full, GFP_KERNEL)
            if err:
                return -ENOMEM
    return 0


def copy_pte_range(dst_mm, src_mm, first):
    """mm/memory.c, v6.8: the loop under the two page table locks, the child's taken first. Returns the PTE where it
    stopped, and the entry that can't be counted, or 0."""
    for i in range(first, len(src_mm.pte)):
        pte = yield read(src_mm.pte[i])
        if pte_none(pte):
            continue
        if pte_present(pte):
            yield from copy_present_pte(dst_mm, src_mm, i, pte)
            continue
        err = yield from copy_nonpresent_pte(dst_mm, src_mm, i, pte)
        if err:
            return i, pte_to_swp_entry(pte)
    return len(src_mm.pte), 0


def copy_nonpresent_pte(dst_mm, src_mm, i, pte):
    """mm/memory.c, v6.8. The child gets a reference of its own to the slot, and a place on the mmlist before it has the entry;
    neither of the two has the page alone any more. Returns 0, or -EIO if the count is full."""
    entry = pte_to_swp_entry(pte)
    if non_swap_entry(entry):
        yield write(dst_mm.pte[i], pte)
        return 0
    err = yield from swap_duplicate(entry)
    if err:
        return -EIO
    listed = yield READ_ONCE(dst_mm.mmlist)
    if not listed:
        yield spin_lock(mmlist_lock)
        yield write(dst_mm.mmlist, 1)
        yield spin_unlock(mmlist_lock)
    if pte_swp_exclusive(pte):
        yield write(src_mm.pte[i], pte_swp_clear_exclusive(pte))
    yield write(dst_mm.pte[i], pte_swp_clear_exclusive(pte))
    return 0


def copy_present_pte(dst_mm, src_mm, i, pte):
    """mm/memory.c, v6.8. Parent and child share the page, read-only, until one of them writes."""
    yield atomic_add(1, pte.folio.refcount)
    yield from folio_try_dup_anon_rmap_pte(pte.folio, pte.page)
    if pte_write(pte):
        yield write(src_mm.pte[i], pte_wrprotect(pte))
    yield write(dst_mm.pte[i], pte_wrprotect(pte))


def folio_try_dup_anon_rmap_pte(folio, page):
    """include/linux/rmap.h, v6.8. The child will map the page too, so nobody has it alone. Pages that a device has pinned would
    be copied at once; there are none here. Caller holds both page table locks."""
    bits = yield READ_ONCE(folio.anon_exclusive)
    if bits & 1 << page:
        yield atomic_add(-(1 << page), folio.anon_exclusive)
    yield atomic_add(1, folio.mapcount)
