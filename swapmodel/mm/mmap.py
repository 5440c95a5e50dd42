"""mm/mmap.c, mm/madvise.c and kernel/fork.c, v6.8: the ways in which a process gives up its memory."""

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
    might_sleep,
    read,
    spin_lock,
    spin_unlock,
    spinlock_t,
    up_read,
    up_write,
    write,
)

if TYPE_CHECKING:
    from .memory import zap_pte_range

mmlist_lock = Global(spinlock_t())


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


def madvise_dontneed(mm):
    """mm/madvise.c, v6.8: MADV_DONTNEED, and MADV_FREE for swapped pages. The mapping stays, its pages go."""
    yield down_read(mm.mmap_lock)
    attached = yield read(mm.vma)
    if attached:
        yield from zap_pte_range(mm)
    yield up_read(mm.mmap_lock)


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
