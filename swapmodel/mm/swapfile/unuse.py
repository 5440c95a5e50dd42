"""mm/swapfile.c, v6.8: try_to_unuse() and its three loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...machine import (
    READ_ONCE,
    WRITE_ONCE,
    Global,
    folio_lock,
    folio_unlock,
    raw_cpu_ptr,
    read,
    spin_lock,
    spin_unlock,
    wait_var_event,
    word,
)
from ..errno import EINTR
from ..swapops import (
    SWAP_MAP_BAD,
    swap_count,
    swp_entry,
)
from .lookup import swap_info
from .reclaim import folio_free_swap

if TYPE_CHECKING:
    from ..config import LATENCY_LIMIT, MMLIST
    from ..filemap import filemap_get_folio, folio_put
    from ..mmap import mmget_not_zero, mmlist_lock, mmput
    from ..shmem_unuse import shmem_unuse
    from ..swap_state import swap_address_space
    from .unuse_pte import unuse_mm

    def cond_resched() -> object: ...


signals_pending = Global(word(writers=("send_signal",)), count=16)  # TIF_SIGPENDING of the task on each CPU


def send_signal(cpu):
    """kernel/signal.c, v6.8, as far as the flag goes: the task on that CPU has a signal to handle. It stays pending."""
    yield WRITE_ONCE(signals_pending[cpu], 1)


def signal_pending():
    """include/linux/sched/signal.h, v6.8: has the current task a signal to handle?"""
    flag = yield raw_cpu_ptr(signals_pending)
    pending = yield READ_ONCE(flag)
    return bool(pending)


def try_to_unuse(type):
    """mm/swapfile.c, v6.8. Brings every page of the device back. inuse_pages is read without a lock, between items, and
    each loop is abandoned as soon as it reads 0: then no page table need have been looked at. Retries without a bound, until
    a signal comes (-EINTR) or memory runs out (-ENOMEM); 0 when the device is empty."""
    si = yield READ_ONCE(swap_info[type])
    inuse = yield READ_ONCE(si.inuse_pages)
    while inuse:
        error = yield from shmem_unuse(type)
        if error:
            return error
        error = yield from unuse_mms(si, type)
        if error:
            return error
        yield from unuse_swap_cache(si, type)
        inuse = yield READ_ONCE(si.inuse_pages)
        if inuse:
            signal = yield from signal_pending()
            if signal:
                return -EINTR
    return 0


def unuse_mms(si, type):
    """The second loop of try_to_unuse(): every mm on the mmlist that still has users. One that is exiting is skipped; a signal
    ends the loop, but not with an error: the device may be empty by now."""
    prev = -1
    yield spin_lock(mmlist_lock)
    for i in range(len(MMLIST)):
        inuse = yield READ_ONCE(si.inuse_pages)
        if not inuse:
            break
        signal = yield from signal_pending()
        if signal:
            break
        mm = MMLIST[i]
        listed = yield read(mm.mmlist)
        if not listed:
            continue
        got = yield from mmget_not_zero(mm)
        if not got:
            continue
        yield spin_unlock(mmlist_lock)
        if prev >= 0:
            yield from mmput(MMLIST[prev])
        prev = i
        error = yield from unuse_mm(mm, type)
        if error:
            yield from mmput(mm)
            return error
        yield from cond_resched()
        yield spin_lock(mmlist_lock)
    yield spin_unlock(mmlist_lock)
    if prev >= 0:
        yield from mmput(MMLIST[prev])
    return 0


def unuse_swap_cache(si, type):
    """The third loop of try_to_unuse(): slots that no page table refers to any more, but the swap cache does."""
    i = 0
    while True:
        inuse = yield READ_ONCE(si.inuse_pages)
        if not inuse:
            return
        signal = yield from signal_pending()
        if signal:
            return
        i = yield from find_next_to_unuse(si, i)
        if not i:
            return
        mapping = yield from swap_address_space(swp_entry(type, i))
        folio = yield from filemap_get_folio(mapping, i)
        if not folio:
            continue
        yield folio_lock(folio)
        yield wait_var_event(folio.writeback, 0)
        yield from folio_free_swap(folio)
        yield folio_unlock(folio)
        yield from folio_put(folio)


def find_next_to_unuse(si, prev):
    """mm/swapfile.c, v6.8. The next slot in use after `prev`, read byte by byte without a lock; 0 when there is none."""
    maximum = yield READ_ONCE(si.max)
    map = yield READ_ONCE(si.swap_map)
    for i in range(prev + 1, maximum):
        count = yield READ_ONCE(map[i])
        if count and swap_count(count) != SWAP_MAP_BAD:
            return i
        if i % LATENCY_LIMIT == 0:
            yield from cond_resched()
    return 0
