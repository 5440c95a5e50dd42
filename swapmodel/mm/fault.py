"""arch/x86/mm/fault.c, v6.8: the page fault exception, and the loads and stores of user space that take it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..machine import NULL, down_read, read, up_read, user_load, user_store, write
from .memory_fault import FAULT_FLAG_WRITE, VM_FAULT_ERROR, VM_FAULT_OOM, VM_FAULT_SIGBUS, VM_FAULT_SIGSEGV
from .swapops import pte_dirty, pte_mkdirty, pte_present, pte_write

if TYPE_CHECKING:
    from .memory import pte_offset_map_lock, pte_unmap_unlock
    from .memory_fault import do_anonymous_page, handle_mm_fault


def do_user_addr_fault(mm, i, flags):
    """arch/x86/mm/fault.c, v6.8. The page fault exception: finds the VMA under mmap_lock. Returns VM_FAULT_* bits."""
    yield down_read(mm.mmap_lock)
    fault = VM_FAULT_SIGSEGV
    attached = yield read(mm.vma)
    if attached:
        fault = yield from handle_mm_fault(mm, i, flags)
    yield up_read(mm.mmap_lock)
    return fault


class Signal(NamedTuple):
    """What an access of user space ends with when its page fault can't be resolved."""

    name: str

    def __str__(self) -> str:
        return self.name


def fatal_signal(fault):
    """The signal for the VM_FAULT_ERROR bits of a fault, NULL if there are none. Out of memory, the process is the victim."""
    if not fault & VM_FAULT_ERROR:
        return NULL
    return Signal("SIGKILL" if fault & VM_FAULT_OOM else "SIGBUS" if fault & VM_FAULT_SIGBUS else "SIGSEGV")


def user_read(mm, i):
    """A load instruction of user space, with the page faults that it takes. Returns the value, or the Signal."""
    while True:
        yield from pte_offset_map_lock(mm)
        pte = yield read(mm.pte[i])
        if pte_present(pte):
            value = yield user_load(pte.folio.content, pte.page)
            yield from pte_unmap_unlock(mm)
            return value
        yield from pte_unmap_unlock(mm)
        fault = yield from do_user_addr_fault(mm, i, 0)
        signal = fatal_signal(fault)
        if signal:
            return signal


def user_write(mm, i, value):
    """A store instruction of user space, with the page faults that it takes. Returns NULL, or the Signal."""
    while True:
        yield from pte_offset_map_lock(mm)
        pte = yield read(mm.pte[i])
        if pte_present(pte) and pte_write(pte):
            if not pte_dirty(pte):
                yield write(mm.pte[i], pte_mkdirty(pte))
            yield user_store(pte.folio.content, pte.page, value)
            yield from pte_unmap_unlock(mm)
            return None
        yield from pte_unmap_unlock(mm)
        fault = yield from do_user_addr_fault(mm, i, FAULT_FLAG_WRITE)
        signal = fatal_signal(fault)
        if signal:
            return signal


def do_huge_anonymous_page(mm, i, nr_pages):
    """A write fault where the VMA wants large folios: do_anonymous_page() with the size that alloc_anon_folio() would choose.
    Returns VM_FAULT_* bits; nothing happens if one of the PTEs is in use."""
    yield down_read(mm.mmap_lock)
    fault = VM_FAULT_SIGSEGV
    attached = yield read(mm.vma)
    if attached:
        fault = yield from do_anonymous_page(mm, i, nr_pages)
    yield up_read(mm.mmap_lock)
    return fault
