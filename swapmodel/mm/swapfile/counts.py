"""mm/swapfile.c, v6.8: one more reference to a slot, the cache's pin, and what a slot's count is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import BUG, READ_ONCE, WRITE_ONCE, read
from ..errno import EEXIST, EINVAL, ENOENT, ENOMEM
from ..swapops import (
    COUNT_CONTINUED,
    SWAP_CONT_MAX,
    SWAP_HAS_CACHE,
    SWAP_MAP_BAD,
    SWAP_MAP_MAX,
    SWAP_MAP_SHMEM,
    swap_count,
    swp_offset,
)
from .clusters import lock_cluster_or_swap_info, unlock_cluster_or_swap_info
from .continuation import GFP_ATOMIC, add_swap_count_continuation, swap_count_continued
from .entries import __swap_entry_free_locked
from .lookup import _swap_info_get, swp_swap_info

if TYPE_CHECKING:
    from ..config import PAGE_SIZE
    from ..swap_slots import free_swap_slot


def __swap_duplicate(entry, usage):
    """mm/swapfile.c, v6.8. One more reference (usage 1), shmem's only one (SWAP_MAP_SHMEM) or the cache's pin (SWAP_HAS_CACHE).
    The entry may be stale, so the byte is looked at under its lock; nothing is changed unless 0 is returned.

    -ENOENT: nobody uses the slot, or it is bad. -EEXIST: the pin is taken. -EINVAL: shmem's are not counted. -ENOMEM: the
    count needs a continuation page."""
    si = yield from swp_swap_info(entry)
    ci = yield from lock_cluster_or_swap_info(si, swp_offset(entry))
    map = yield READ_ONCE(si.swap_map)
    byte = yield read(map[swp_offset(entry)])
    if swap_count(byte) == SWAP_MAP_BAD:
        err = -ENOENT
    elif usage == SWAP_HAS_CACHE:
        err, byte = pinned_byte(byte)
    else:
        err, byte = yield from duplicated_byte(si, swp_offset(entry), byte, usage)
    if not err:
        yield WRITE_ONCE(map[swp_offset(entry)], byte)
    yield from unlock_cluster_or_swap_info(si, ci)
    return err


def pinned_byte(byte):
    """The part of __swap_duplicate() for SWAP_HAS_CACHE: the error, and the byte that comes of it. A pin needs a reference."""
    if byte & SWAP_HAS_CACHE:
        return -EEXIST, byte
    if not byte:
        return -ENOENT, byte
    return 0, byte | SWAP_HAS_CACHE


def duplicated_byte(si, offset, byte, usage):
    """The part of __swap_duplicate() for references: the error, and the byte that comes of it. The pin alone is enough to make
    the first reference: that is how a page is unmapped. Caller holds the lock of the byte."""
    has_cache, count = byte & SWAP_HAS_CACHE, swap_count(byte)
    if not byte:
        return -ENOENT, byte
    if count & ~COUNT_CONTINUED < SWAP_MAP_MAX:
        return 0, count + usage | has_cache
    if count & ~COUNT_CONTINUED > SWAP_MAP_MAX:
        return -EINVAL, byte
    continued = yield from swap_count_continued(si, offset, count)
    if not continued:
        return -ENOMEM, byte
    return 0, COUNT_CONTINUED | has_cache


def swap_shmem_alloc(entry):
    """mm/swapfile.c, v6.8. The slot belongs to a shmem file: its one reference, which is never counted up."""
    yield from __swap_duplicate(entry, SWAP_MAP_SHMEM)


def swap_duplicate(entry):
    """mm/swapfile.c, v6.8. One more PTE refers to the slot. Page table locks are held, hence GFP_ATOMIC; -ENOMEM if that fails:
    the caller drops them and tries GFP_KERNEL. 0 also where the entry is none that can be counted."""
    while True:
        err = yield from __swap_duplicate(entry, 1)
        if err != -ENOMEM:
            return 0
        err = yield from add_swap_count_continuation(entry, GFP_ATOMIC)
        if err:
            return err


def swapcache_prepare(entry):
    """mm/swapfile.c, v6.8. Takes the cache's pin, which only one can have. -EEXIST: somebody has it, with a folio or without
    one yet; -ENOENT: no reference is left."""
    err = yield from __swap_duplicate(entry, SWAP_HAS_CACHE)
    return err


def swapcache_clear(si, entry):
    """mm/swapfile.c, v6.8. Gives the pin of swapcache_prepare() back where no folio came. The device is pinned."""
    ci = yield from lock_cluster_or_swap_info(si, swp_offset(entry))
    usage = yield from __swap_entry_free_locked(si, swp_offset(entry), SWAP_HAS_CACHE)
    yield from unlock_cluster_or_swap_info(si, ci)
    if not usage:
        yield from free_swap_slot(entry)


def __swap_count(entry):
    """mm/swapfile.c, v6.8. The lowest digit, with COUNT_CONTINUED, and without any lock: caller pins the device."""
    si = yield from swp_swap_info(entry)
    map = yield READ_ONCE(si.swap_map)
    byte = yield READ_ONCE(map[swp_offset(entry)])
    return swap_count(byte)


def swap_swapcount(si, entry):
    """mm/swapfile.c, v6.8. As __swap_count(), under the lock of the byte. Only whether it is 0 is exact."""
    ci = yield from lock_cluster_or_swap_info(si, swp_offset(entry))
    map = yield READ_ONCE(si.swap_map)
    byte = yield READ_ONCE(map[swp_offset(entry)])
    yield from unlock_cluster_or_swap_info(si, ci)
    return swap_count(byte)


def swp_swapcount(entry):
    """mm/swapfile.c, v6.8. How many references a slot has, with all digits; /proc/PID/smaps asks. 0 if the entry is stale."""
    si = yield from _swap_info_get(entry)
    if not si:
        return 0
    ci = yield from lock_cluster_or_swap_info(si, swp_offset(entry))
    map = yield READ_ONCE(si.swap_map)
    byte = yield read(map[swp_offset(entry)])
    count = swap_count(byte)
    if count & COUNT_CONTINUED:
        count = yield from continued_count(si, swp_offset(entry), count & ~COUNT_CONTINUED)
    yield from unlock_cluster_or_swap_info(si, ci)
    return count


def continued_count(si, offset, count):
    """The loop of swp_swapcount() over the continuation pages, without cont_lock: who changes a digit of this slot holds the
    lock of its byte, as the caller does; and a list only grows, at its end."""
    pages = yield READ_ONCE(si.continuation[offset // PAGE_SIZE])
    weight = SWAP_MAP_MAX + 1
    for i in range(len(pages)):
        digit = yield READ_ONCE(pages[i][offset % PAGE_SIZE])
        count += (digit & ~COUNT_CONTINUED) * weight
        if not digit & COUNT_CONTINUED:
            return count
        weight *= SWAP_CONT_MAX + 1
    yield BUG("swp_swapcount: the count continues, but there is no further continuation page")
