"""The scenario on which other checkers were compared, for our machine: the same steps, so that the figures compare.

`swapref.py` of the comparison is the original: P processes exit while swapoff runs, one folio of N pages is in the swap cache.
It is not the kernel model of swapmodel/mm: one step here is one step there, which is coarser. Its locks exclude and do
nothing else, so all of them are mutexes here: no atomic section, no RCU. Each step's name of theirs stands at its line.

`python -m tests.peer_scenario unfixed|fixed P N [WORD]` prints what one search needs. The words are those of modes.py: `plain`
is without reductions, `persistent` with persistent sets too, `compact` in little memory, `compiled` by the other engine.
"""

from __future__ import annotations

import sys

from swapmodel import program
from swapmodel.machine import (
    READ_ONCE,
    WRITE_ONCE,
    Memory,
    Struct,
    atomic_add,
    folio_lock,
    folio_trylock,
    folio_unlock,
    kfree,
    mutex_lock,
    mutex_unlock,
    operation,
    read,
    wait_var_event,
    word,
    write,
)
from swapmodel.program import Program, System

from .modes import search

HAS_CACHE = 0x40

# ---- what they do in one step, and the kernel in several ---------------------------------------------------------


@operation()
def decrement(cpu, p):
    """DEC: `*p -= 1` under its lock, read and written in one step; returns what is left."""
    left = cpu.load(p) - 1
    cpu.store(p, left)
    return left


@operation()
def clear_bits(cpu, p, bits):
    """CLEAR: `*p &= ~bits` under its lock, read and written in one step."""
    cpu.store(p, cpu.load(p) & ~bits)


@operation()
def tryget_live(cpu, dead, users):
    """GET: percpu_ref_tryget_live() without the grace period that the kernel's percpu_ref_kill() begins."""
    if cpu.load(dead):
        return False
    cpu.store(users, cpu.load(users) + 1)
    return True


@operation()
def read_si(cpu, used, lock):
    """READ_SI: swap_info[] is looked at and, if the device is in use, its swap_map touched."""
    if not cpu.load(used):
        return False
    cpu.load(lock)
    return True


# ---- memory ------------------------------------------------------------------------------------------------------


class swap_info(Struct):
    used = word(1)
    writeok = word(1)
    dead = word(0)
    users = word(0)
    inuse = word(0)
    lock = word(0)
    swap_map = word(0, constant=True)  # the pointer, of which READ_MAP is the load


class folio(Struct):
    locked = word(0)
    cached = word(1, guarded_by="locked", lockless=True)


class mm(Struct):
    alive = word(1)
    ptl = word(0)
    pte = word(1, guarded_by="ptl")


class World:
    """Everything the threads know: the words, and how many pages the folio has."""

    def __init__(self, memory, processes, pages):
        self.si = memory.new(swap_info, "si", inuse=pages)
        slots = {f"map{j}": word(HAS_CACHE | (j < processes), guarded_by="lock", lockless=True) for j in range(pages)}
        self.device = memory.new(type("device", (Struct,), {"lock": word(0), **slots}), "device", heap=True)
        self.map = tuple(getattr(self.device, name) for name in slots)
        self.folio = memory.new(folio, "folio")
        self.mms = tuple(memory.new(mm, f"mm{i}") for i in range(processes))
        self.pages = pages
        self.si.writeok.private = processes  # only swapoff, the last thread, stores it


# ---- both kinds of thread ----------------------------------------------------------------------------------------


def has_count(w):
    """SCAN2, SCAN3: swap_page_trans_huge_swapped(), a byte a step, up to the first that has a count."""
    for j in range(w.pages):
        count = yield read(w.map[j])
        if count & ~HAS_CACHE:
            return True
    return False


def free_swap(w):
    """RECHECK to UNLOCK_FOLIO: the folio, which is locked, loses its swap if no page has a count."""
    cached = yield READ_ONCE(w.folio.cached)  # RECHECK
    if cached:
        yield mutex_lock(w.device.lock)  # LOCK3
        swapped = yield from has_count(w)
        yield mutex_unlock(w.device.lock)  # UNLOCK3
        if not swapped:
            yield from delete_from_swap_cache(w)
    yield folio_unlock(w.folio)  # UNLOCK_FOLIO


def delete_from_swap_cache(w):
    """DEL to UNLOCK_SI."""
    yield WRITE_ONCE(w.folio.cached, 0)  # DEL
    yield mutex_lock(w.si.lock)  # LOCK_SI
    yield mutex_lock(w.device.lock)  # LOCK4
    for j in range(w.pages):
        yield clear_bits(w.map[j], HAS_CACHE)  # CLEAR
    yield atomic_add(-w.pages, w.si.inuse)  # INUSE
    yield mutex_unlock(w.device.lock)  # UNLOCK4
    yield mutex_unlock(w.si.lock)  # UNLOCK_SI


# ---- a process that exits ----------------------------------------------------------------------------------------


def exit_mm(w, i, free_swap_and_cache):
    """EXIT to UNLOCK_PTL."""
    mm = w.mms[i]
    yield WRITE_ONCE(mm.alive, 0)  # EXIT
    yield mutex_lock(mm.ptl)  # LOCK_PTL
    present = yield read(mm.pte)  # CHECK_PTE
    if present:
        yield from free_swap_and_cache(w, w.map[i])
        yield write(mm.pte, 0)  # CLEAR_PTE
    yield mutex_unlock(mm.ptl)  # UNLOCK_PTL


def free_swap_and_cache(w, byte):
    """READ_SI to UNLOCK_FOLIO, as in v6.8."""
    used = yield read_si(w.si.used, w.device.lock)  # READ_SI
    if used:
        yield mutex_lock(w.device.lock)  # LOCK1
        left = yield decrement(byte)  # DEC
        yield mutex_unlock(w.device.lock)  # UNLOCK1
        if left == HAS_CACHE:
            yield from try_to_reclaim_swap(w)


def free_swap_and_cache_pinned(w, byte):
    """The fix: GET and PUT around it."""
    live = yield tryget_live(w.si.dead, w.si.users)  # GET
    if live:
        yield from free_swap_and_cache(w, byte)
        yield atomic_add(-1, w.si.users)  # PUT


def try_to_reclaim_swap(w):
    """READ_MAP to UNLOCK_FOLIO."""
    yield READ_ONCE(w.si.swap_map)  # READ_MAP
    yield mutex_lock(w.device.lock)  # LOCK2
    swapped = yield from has_count(w)
    yield mutex_unlock(w.device.lock)  # UNLOCK2
    if swapped:
        return
    cached = yield READ_ONCE(w.folio.cached)  # FIND
    if cached:
        locked = yield folio_trylock(w.folio)  # TRYLOCK
        if locked:
            yield from free_swap(w)


# ---- swapoff -----------------------------------------------------------------------------------------------------


def swapoff(w):
    """S_WOK to S_USED."""
    yield WRITE_ONCE(w.si.writeok, 0)  # S_WOK
    while True:
        inuse = yield READ_ONCE(w.si.inuse)  # S_LOOP
        if not inuse:
            break
        yield from unuse_mms(w)
        yield from unuse_cache(w)
    yield WRITE_ONCE(w.si.dead, 1)  # S_KILL
    yield wait_var_event(w.si.users, 0)  # S_WAIT
    yield mutex_lock(w.si.lock)  # S_LSI
    yield kfree(w.device)  # S_FREE
    yield mutex_unlock(w.si.lock)  # S_USI
    yield WRITE_ONCE(w.si.used, 0)  # S_USED


def unuse_mms(w):
    """S_MM: every process that is still alive."""
    for i in range(len(w.mms)):
        alive = yield READ_ONCE(w.mms[i].alive)  # S_MM
        if alive:
            yield from unuse_mm(w, w.mms[i], w.map[i])


def unuse_mm(w, mm, byte):
    """S_PTL to S_UPTL: its page is swapped in."""
    yield mutex_lock(mm.ptl)  # S_PTL
    present = yield read(mm.pte)  # S_PTE
    if present:
        yield folio_lock(w.folio)  # S_FOLIO
        yield mutex_lock(w.device.lock)  # S_LC
        yield decrement(byte)  # S_DEC
        yield mutex_unlock(w.device.lock)  # S_UC
        yield write(mm.pte, 0)  # S_CPTE
        yield folio_unlock(w.folio)  # S_UF
    yield mutex_unlock(mm.ptl)  # S_UPTL


def unuse_cache(w):
    """S_SCAN to S_FLOCK: every page that nobody but the swap cache holds."""
    for j in range(w.pages):
        byte = yield READ_ONCE(w.map[j])  # S_SCAN
        if byte == HAS_CACHE:
            cached = yield READ_ONCE(w.folio.cached)  # S_FIND
            if cached:
                yield folio_lock(w.folio)  # S_FLOCK
                yield from free_swap(w)


# ---- the system, and the command ---------------------------------------------------------------------------------


def peer_system(variant, processes, pages):
    """The scenario ready to explore. `variant` is "unfixed" or "fixed"; a process maps one page, so not more than pages."""
    free = {"unfixed": free_swap_and_cache, "fixed": free_swap_and_cache_pinned}[variant]
    memory = Memory([*(f"p{i}" for i in range(processes)), "swapoff"])
    w = World(memory, processes, pages)
    programs = [Program(f"p{i}", lambda i=i: exit_mm(w, i, free)) for i in range(processes)]
    return System(memory, [*programs, Program("swapoff", lambda: swapoff(w))])


def main(variant, processes, pages, how=""):
    """One search, told in the words of modes.py."""
    program.STATES_OF_A_PLACE = program.STEPS_OF_A_THREAD  # these loops over the pages have an end
    search(lambda: peer_system(variant, int(processes), int(pages)), how, finish=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
