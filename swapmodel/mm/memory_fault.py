"""mm/memory.c, v6.8: page faults. The functions that look for the page of one PTE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    READ_ONCE,
    atomic_add,
    init_store,
    read,
    spin_lock,
    write,
)
from .swapops import (
    mk_pte,
    pte_mkdirty,
    pte_mkwrite,
    pte_none,
    pte_present,
    pte_write,
)

if TYPE_CHECKING:
    from .filemap import folio_put
    from .memory import (
        folio_add_new_anon_rmap,
        pte_offset_map,
        pte_offset_map_lock,
        pte_unmap,
        pte_unmap_unlock,
        vma_alloc_folio,
    )
    from .memory_swapin import do_swap_page
    from .memory_wp import do_wp_page

FAULT_FLAG_WRITE = 0x01  # include/linux/mm_types.h
VM_FAULT_OOM = 0x01
VM_FAULT_SIGBUS = 0x02
VM_FAULT_MAJOR = 0x04
VM_FAULT_SIGSEGV = 0x40
VM_FAULT_ERROR = VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV


def handle_pte_fault(mm, i, flags):
    """mm/memory.c, v6.8. The fault of PTE i, with mmap_lock held for reading. The PTE is read without its lock, so whoever
    takes the lock compares. Returns 0, also where the access must simply be tried again, or VM_FAULT_* bits."""
    yield from pte_offset_map(mm)
    orig_pte = yield READ_ONCE(mm.pte[i])
    if not pte_present(orig_pte):
        yield from pte_unmap(mm)
        if pte_none(orig_pte):
            fault = yield from do_anonymous_page(mm, i, 1)
        else:
            fault = yield from do_swap_page(mm, i, flags, orig_pte)
        return fault
    yield spin_lock(mm.page_table_lock)
    current = yield read(mm.pte[i])
    if current == orig_pte and flags & FAULT_FLAG_WRITE:
        if not pte_write(orig_pte):
            fault = yield from do_wp_page(mm, i, orig_pte)
            return fault
        yield write(mm.pte[i], pte_mkdirty(orig_pte))
    yield from pte_unmap_unlock(mm)
    return 0


def do_anonymous_page(mm, i, nr_pages):
    """mm/memory.c, v6.8. A page that nobody has touched yet: a zeroed folio, of `nr_pages` pages around PTE i. If one of the
    PTEs is in use by the time the lock is held, the folio is given back. Returns 0 or VM_FAULT_OOM."""
    first = i - i % nr_pages
    folio = yield from vma_alloc_folio(nr_pages)
    if not folio:
        return VM_FAULT_OOM
    yield init_store(folio.uptodate, 1)
    yield from pte_offset_map_lock(mm)
    free = yield from pte_range_none(mm, first, nr_pages)
    if free:
        yield atomic_add(nr_pages - 1, folio.refcount)
        yield from folio_add_new_anon_rmap(folio, first)
        for page in range(nr_pages):
            yield write(mm.pte[first + page], pte_mkwrite(pte_mkdirty(mk_pte(folio, page))))
    else:
        yield from folio_put(folio)
    yield from pte_unmap_unlock(mm)
    return 0


def pte_range_none(mm, first, nr_pages):
    """mm/memory.c, v6.8. Caller holds the page table lock."""
    for i in range(first, first + nr_pages):
        pte = yield read(mm.pte[i])
        if not pte_none(pte):
            return False
    return True


def handle_mm_fault(mm, i, flags):
    """mm/memory.c, v6.8, down to handle_pte_fault(): the walk to the PTE can't fail here. Caller holds mmap_lock for
    reading."""
    fault = yield from handle_pte_fault(mm, i, flags)
    return fault
