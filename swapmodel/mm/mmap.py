"""mm/mmap.c and kernel/fork.c, v6.8: how a process comes to have memory, and how it gives it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    READ_ONCE,
    Global,
    atomic_dec_and_test,
    atomic_inc_not_zero,
    down_read,
    down_write,
    downgrade_write,
    init_store,
    might_sleep,
    read,
    spin_lock,
    spin_unlock,
    spinlock_t,
    up_read,
    up_write,
    write,
)
from .errno import ENOMEM

if TYPE_CHECKING:
    from .memory import zap_pte_range
    from .memory_fork import copy_page_range

mmlist_lock = Global(spinlock_t())


def mm_init(mm):
    """kernel/fork.c, v6.8. A place for an mm that nobody uses (mm_users 0) becomes an mm with one user, no VMA and no page."""
    yield init_store(mm.vma, 0)
    yield init_store(mm.mmlist, 0)
    yield init_store(mm.mm_users, 1)


def dup_mm(oldmm, mm):
    """kernel/fork.c, v6.8: copy_mm() and dup_mm(). `mm`, an unused place, becomes a copy of `oldmm`. Returns 0 or -ENOMEM; then
    what had been copied is gone again."""
    yield from mm_init(mm)
    err = yield from dup_mmap(oldmm, mm)
    if err:
        yield from mmput(mm)
        return -ENOMEM
    return 0


def dup_mmap(oldmm, mm):
    """kernel/fork.c, v6.8. Both mmap_locks are held for writing, so neither faults nor swapoff look at the child half done."""
    yield down_write(oldmm.mmap_lock)
    yield down_write(mm.mmap_lock)
    err = 0
    attached = yield read(oldmm.vma)
    if attached:
        yield write(mm.vma, 1)
        err = yield from copy_page_range(mm, oldmm)
    yield up_write(mm.mmap_lock)
    yield up_write(oldmm.mmap_lock)
    return err


def mmput(mm):
    """kernel/fork.c, v6.8: mmput() and __mmput(). The last user tears the address space down. Until that is done the mm
    stays on the mmlist, with mm_users 0."""
    yield might_sleep()
    last = yield atomic_dec_and_test(mm.mm_users)
    if not last:
        return
    yield from exit_mmap(mm)
    listed = yield READ_ONCE(mm.mmlist)
    if listed:
        yield spin_lock(mmlist_lock)
        yield write(mm.mmlist, 0)
        yield spin_unlock(mmlist_lock)


def mmget_not_zero(mm):
    """include/linux/sched/mm.h, v6.8. False for a process that is exiting."""
    got = yield atomic_inc_not_zero(mm.mm_users)
    return got


def exit_mmap(mm):
    """mm/mmap.c, v6.8. Unmaps under mmap_lock held for reading; freeing the page tables after it is left out."""
    yield down_read(mm.mmap_lock)
    yield from zap_pte_range(mm)
    yield up_read(mm.mmap_lock)


def do_exit(mm):
    """kernel/exit.c, v6.8: exit_mm() as far as memory goes."""
    yield from mmput(mm)


def munmap(mm):
    """mm/mmap.c, v6.8: do_vmi_align_munmap(). The VMA is detached under the write lock, which is then downgraded: others
    may read-lock the mmap while the pages are zapped, but no longer find the VMA."""
    yield down_write(mm.mmap_lock)
    yield write(mm.vma, 0)
    yield downgrade_write(mm.mmap_lock)
    yield from zap_pte_range(mm)
    yield up_read(mm.mmap_lock)


def munmap_write_locked(mm):
    """mm/mmap.c, v6.8: munmap where the lock can't be downgraded, as when the next VMA is a stack that may grow."""
    yield down_write(mm.mmap_lock)
    yield write(mm.vma, 0)
    yield from zap_pte_range(mm)
    yield up_write(mm.mmap_lock)
