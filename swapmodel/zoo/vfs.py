"""fs/inode.c and fs/super.c, 5.1: a tmpfs is unmounted. Only the bug family needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
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
    from ..mm.shmem import shmem_evict_inode

I_FREEING = 1 << 5  # include/linux/fs.h


class super_block(Struct):
    """include/linux/fs.h, 5.1."""

    s_op = word(1)


class inode(Struct):
    """include/linux/fs.h, 5.1: struct inode, as far as unmounting goes."""

    i_lock = spinlock_t()
    i_state = word(guarded_by="i_lock")
    i_count = word()
    i_sb = word()


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


VFS = {"I_FREEING": I_FREEING, **{f.__name__: f for f in (igrab, iput, evict_inodes, generic_shutdown_super)}}
