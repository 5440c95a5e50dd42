"""What the threads of the bug family do: whole operations, and what must come of them. Each ends by counting itself out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    BUG,
    READ_ONCE,
    Struct,
    atomic_add,
    atomic_dec_and_test,
    kfree,
    read,
    spin_lock,
    spin_unlock,
    spinlock_t,
    synchronize_rcu,
    word,
    write,
)

if TYPE_CHECKING:
    from ..life import CURTAIN
    from ..mm.filemap import filemap_get_folio
    from ..mm.madvise_pageout import reclaim_pages
    from ..mm.mmap import do_exit
    from ..mm.shmem import shmem_evict_inode
    from ..mm.shmem_io import shmem_read
    from ..mm.swapfile.counts import swap_duplicate
    from ..mm.swapfile.swapoff import swapoff
    from ..mm.swapfile.swapon import swapon
    from ..mm.swapfile.unuse import try_to_unuse


def reclaim_file_thread(info, index):  # type: ignore[no-untyped-def]
    """kswapd comes by a page of a tmpfs file once."""
    folio = yield from filemap_get_folio(info.i_mapping, index)
    if folio:
        yield from reclaim_pages((folio,))
    yield atomic_add(1, CURTAIN.done)


def exit_thread(mm):  # type: ignore[no-untyped-def]
    """The process quits."""
    yield from do_exit(mm)
    yield atomic_add(1, CURTAIN.done)


def patient_swapoff_thread(type):  # type: ignore[no-untyped-def]
    """swapoff() that nothing stands in the way of: no signal comes, and there is memory enough."""
    error = yield from swapoff(type)
    if error:
        yield BUG(f"swapoff gives up with {error}, though nothing stands in its way")
    yield atomic_add(1, CURTAIN.done)


def swapon_thread(file):  # type: ignore[no-untyped-def]
    """swapon() with the next automatic priority."""
    yield from swapon(file, -1)
    yield atomic_add(1, CURTAIN.done)


def read_thread(info, index, expected):  # type: ignore[no-untyped-def]
    """read() of a page of a tmpfs file, which must hold what was written to it."""
    value = yield from shmem_read(info, index)
    if value != expected:
        yield BUG(f"the page reads {value}, but {expected} was written")
    yield atomic_add(1, CURTAIN.done)


def try_to_unuse_thread(type):  # type: ignore[no-untyped-def]
    """swapoff(), as far as it brings the pages back."""
    yield from try_to_unuse(type)
    yield atomic_add(1, CURTAIN.done)


def duplicate_thread(entry):  # type: ignore[no-untyped-def]
    """fork(), as far as it copies one PTE that holds a swap entry. The page table locks that it holds are its own."""
    yield from swap_duplicate(entry)
    yield atomic_add(1, CURTAIN.done)


# ---- the superblock of a tmpfs, and the part of an inode that every file system has -----------------------------------------


class super_block(Struct):
    """include/linux/fs.h, 5.1."""

    s_op = word(1)


class inode_of_info(Struct):
    """include/linux/fs.h, 5.1: struct inode, as far as unmounting goes."""

    i_lock = spinlock_t()
    i_state = word(guarded_by="i_lock")
    i_count = word()
    i_sb = word()


I_FREEING = 1 << 5


def igrab(info):  # type: ignore[no-untyped-def]
    """fs/inode.c, 5.1. One more reference to the inode; False if it is being evicted."""
    yield spin_lock(info.vfs_inode.i_lock)
    state = yield read(info.vfs_inode.i_state)
    if not state & I_FREEING:
        yield atomic_add(1, info.vfs_inode.i_count)
    yield spin_unlock(info.vfs_inode.i_lock)
    return not state & I_FREEING


def iput(info):  # type: ignore[no-untyped-def]
    """fs/inode.c, 5.1: iput() and iput_final(). The last reference asks the superblock what is to be done."""
    last = yield atomic_dec_and_test(info.vfs_inode.i_count)
    if last:
        sb = yield READ_ONCE(info.vfs_inode.i_sb)
        yield READ_ONCE(sb.s_op)


def evict_inodes(info):  # type: ignore[no-untyped-def]
    """fs/inode.c, 5.1. Evicts the inodes that nobody has a reference to. Others are busy, and stay."""
    yield spin_lock(info.vfs_inode.i_lock)
    count = yield READ_ONCE(info.vfs_inode.i_count)
    if count:
        yield spin_unlock(info.vfs_inode.i_lock)
        return False
    state = yield read(info.vfs_inode.i_state)
    yield write(info.vfs_inode.i_state, state | I_FREEING)
    yield spin_unlock(info.vfs_inode.i_lock)
    yield from shmem_evict_inode(info)
    return True


def generic_shutdown_super(sb, info):  # type: ignore[no-untyped-def]
    """fs/super.c, 5.1, and the end of deactivate_locked_super(). Busy inodes make a message, and the superblock goes all the
    same. Evicted inodes and the superblock are freed by call_rcu(): here the thread waits for their grace period itself."""
    evicted = yield from evict_inodes(info)
    yield from synchronize_rcu()
    if evicted:
        yield kfree(info)
    yield kfree(sb)


def umount_thread(sb, info):  # type: ignore[no-untyped-def]
    """umount() of a tmpfs with one file."""
    yield from generic_shutdown_super(sb, info)
    yield atomic_add(1, CURTAIN.done)


FUNCTIONS = (
    *(reclaim_file_thread, exit_thread, patient_swapoff_thread, swapon_thread, read_thread, try_to_unuse_thread),
    *(duplicate_thread, igrab, iput, evict_inodes, generic_shutdown_super, umount_thread),
)
NAMES = {"I_FREEING": I_FREEING, **{f.__name__: f for f in FUNCTIONS}}
