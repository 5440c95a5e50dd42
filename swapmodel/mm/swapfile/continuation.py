"""mm/swapfile.c, v6.8: counts above 62. The digits of a count that its swap_map byte has no room for.

A page of swap_map (PAGE_SIZE slots) has a list of continuation pages. A slot's next digits are the bytes at its own place in
the first, second, ... of them. The byte is a digit of base 63, the others are of base 128; each has COUNT_CONTINUED set while
a higher digit is in use. What lies beyond the last digit in use is garbage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    BUG,
    NULL,
    READ_ONCE,
    WRITE_ONCE,
    Global,
    alloc_page,
    free_unref_folio,
    init_store,
    might_sleep,
    read,
    spin_lock,
    spin_unlock,
    word,
    write,
)
from ..errno import ENOMEM
from ..swapops import COUNT_CONTINUED, SWAP_CONT_MAX, SWAP_MAP_MAX, SWP_CONTINUED, swap_count, swp_offset
from .clusters import lock_cluster, unlock_cluster
from .lookup import get_swap_device, put_swap_device

if TYPE_CHECKING:
    from ..config import PAGE_SIZE, PAGES

GFP_ATOMIC = 0x820  # include/linux/gfp_types.h: __GFP_HIGH | __GFP_KSWAPD_RECLAIM: never sleeps, so it may fail at any time
GFP_KERNEL = 0xCC0  # __GFP_RECLAIM | __GFP_IO | __GFP_FS: may sleep to make room

atomic_reserve_empty = Global(word(writers=("exhaust_atomic_reserve",)))  # 1: GFP_ATOMIC finds nothing


def add_swap_count_continuation(entry, gfp):
    """mm/swapfile.c, v6.8. Gives the page of swap_map that `entry` lies in one more continuation page, if the count of `entry`
    still needs it; called after __swap_duplicate() returned -ENOMEM, with a page table lock held if `gfp` is GFP_ATOMIC.

    The page is allocated before any lock is taken, so it may turn out not to be needed: the device is gone, the count has
    dropped, or somebody else was faster. Then it is freed and the caller, who gets 0, tries again. -ENOMEM: no page."""
    page = yield from alloc_continuation_page(gfp)
    si = yield from get_swap_device(entry)
    ret = 0
    if si:
        yield spin_lock(si.lock)
        ci = yield from lock_cluster(si, swp_offset(entry))
        map = yield READ_ONCE(si.swap_map)
        byte = yield read(map[swp_offset(entry)])
        if swap_count(byte) & ~COUNT_CONTINUED == SWAP_MAP_MAX:
            if page:
                page = yield from link_continuation_page(si, swp_offset(entry), swap_count(byte), page)
            else:
                ret = -ENOMEM
        yield from unlock_cluster(ci)
        yield spin_unlock(si.lock)
        yield from put_swap_device(si)
    if page:
        yield free_unref_folio(page)
    return ret


def alloc_continuation_page(gfp):
    """The alloc_page() of add_swap_count_continuation(). NULL where there is no memory: config.PAGES is all there is, and for
    GFP_ATOMIC not even that while the reserve is empty."""
    if gfp == GFP_KERNEL:
        yield might_sleep()
    else:
        empty = yield READ_ONCE(atomic_reserve_empty)
        if empty:
            return NULL
    page = yield alloc_page(PAGES)
    return page


def exhaust_atomic_reserve(empty):
    """Part of the computer, not of mm/page_alloc.c: from here on GFP_ATOMIC fails (`empty` 1), or no longer does (0)."""
    yield WRITE_ONCE(atomic_reserve_empty, empty)


def link_continuation_page(si, offset, count, page):
    """The part of add_swap_count_continuation() under cont_lock, with si->lock and the cluster's lock held: puts `page` at the
    end of the list if every digit of `count` is full. Returns the page if it is not needed, else NULL."""
    yield spin_lock(si.cont_lock)
    pages = yield read(si.continuation[offset // PAGE_SIZE])
    if not pages:
        if count & COUNT_CONTINUED:
            yield BUG("add_swap_count_continuation: the count continues, but there is no continuation page")
        flags = yield read(si.flags)
        yield write(si.flags, flags | SWP_CONTINUED)
    full = yield from all_digits_full(pages, offset % PAGE_SIZE, count)
    if full:
        yield WRITE_ONCE(si.continuation[offset // PAGE_SIZE], (*pages, page))
        page = NULL
    yield spin_unlock(si.cont_lock)
    return page


def all_digits_full(pages, place, count):
    """The loop of add_swap_count_continuation() over the continuation pages: false as soon as one is found that the next
    increment can carry into. Either its digit is not in use yet, since the one below says that nothing follows, or it has
    room. Caller holds cont_lock."""
    for i in range(len(pages)):
        if not count & COUNT_CONTINUED:
            return False
        count = yield READ_ONCE(pages[i][place])
        if count & ~COUNT_CONTINUED != SWAP_CONT_MAX:
            return False
    return True


def swap_count_continued(si, offset, count):
    """mm/swapfile.c, v6.8. `count` is a byte without SWAP_HAS_CACHE that has come to its end: at 62, one is carried into the
    next digit, and false means that a page must be added first; at 0 with COUNT_CONTINUED, one is borrowed from it, and the
    answer is whether a higher digit is still in use. Caller holds the lock of the byte and stores it."""
    pages = yield READ_ONCE(si.continuation[offset // PAGE_SIZE])
    if not pages:
        if count & COUNT_CONTINUED:
            yield BUG("swap_count_continued: the count continues, but there is no continuation page")
        return False
    yield spin_lock(si.cont_lock)
    pages = yield read(si.continuation[offset // PAGE_SIZE])
    if count == COUNT_CONTINUED:
        continued = yield from borrow_from_continuation(pages, offset % PAGE_SIZE)
    else:
        continued = yield from carry_into_continuation(pages, offset % PAGE_SIZE, count & COUNT_CONTINUED)
    yield spin_unlock(si.cont_lock)
    return continued


def carry_into_continuation(pages, place, continued):
    """The half of swap_count_continued() that adds: as 1999 becomes 2000, the lowest digit with room gets one more and all
    below it become 0. False, and nothing changed, if no digit has room. Unless `continued`, the first digit is not in use
    yet; a digit that comes into use begins at 1, whatever its byte was. Caller holds cont_lock."""
    i, digit = 0, 0
    if continued:
        digit = yield READ_ONCE(pages[0][place])
        while digit == SWAP_CONT_MAX | COUNT_CONTINUED:
            i += 1
            if i == len(pages):
                yield BUG("swap_count_continued: the last digit says that another one follows")
            digit = yield READ_ONCE(pages[i][place])
        if digit == SWAP_CONT_MAX:
            i, digit = i + 1, 0
            if i == len(pages):
                return False
    yield WRITE_ONCE(pages[i][place], digit + 1)
    for below in range(i - 1, -1, -1):
        yield WRITE_ONCE(pages[below][place], COUNT_CONTINUED)
    return True


def borrow_from_continuation(pages, place):
    """The half of swap_count_continued() that subtracts: as 2000 becomes 1999, the lowest digit that is not 0 gets one less
    and all below it become full. If the highest digit becomes 0 it goes out of use, and the one below it loses
    COUNT_CONTINUED. Returns whether the first digit is still in use. Caller holds cont_lock."""
    i = 0
    digit = yield READ_ONCE(pages[0][place])
    while digit == COUNT_CONTINUED:
        i += 1
        if i == len(pages):
            yield BUG("swap_count_continued: the last digit says that another one follows")
        digit = yield READ_ONCE(pages[i][place])
    if digit == 0:
        yield BUG("swap_count_continued: nothing is left to borrow from")
    yield WRITE_ONCE(pages[i][place], digit - 1)
    continued = COUNT_CONTINUED if digit > 1 else 0
    for below in range(i - 1, -1, -1):
        yield WRITE_ONCE(pages[below][place], SWAP_CONT_MAX | continued)
        continued = COUNT_CONTINUED
    return continued != 0


def free_swap_count_continuations(si):
    """mm/swapfile.c, v6.8. swapoff() calls it where SWP_CONTINUED is set, before it takes swap_map away: nobody else can reach
    the lists any more, so cont_lock is not taken."""
    maximum = yield READ_ONCE(si.max)
    for offset in range(0, maximum, PAGE_SIZE):
        pages = yield READ_ONCE(si.continuation[offset // PAGE_SIZE])
        for i in range(len(pages)):
            yield init_store(si.continuation[offset // PAGE_SIZE], pages[i + 1 :])
            yield free_unref_folio(pages[i])
