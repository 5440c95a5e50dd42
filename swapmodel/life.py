"""Scenarios that begin where a session left off: a Machine runs whole operations, then the explorer takes its memory over.

Each thread ends by counting itself out; when the last one has, every invariant of the accounting must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from . import oracle
from .invariants import broken
from .machine import BUG, NULL, Struct, Violation, atomic_add, read, word
from .mm.swapops import SWP_WRITEOK, pte_present, xa_slots
from .session import Device, Machine
from .world import World

if TYPE_CHECKING:
    from .mm.fault import user_read, user_write
    from .mm.madvise_pageout import reclaim_pages
    from .mm.memory import pte_offset_map_lock, pte_unmap_unlock
    from .mm.mmap import dup_mm
    from .mm.shmem import shmem_undo_range
    from .mm.swapfile.swapoff import swapoff
    from .mm.swapfile.swapon import swapon
    from .mm.swapfile.unuse import send_signal


class curtain(Struct):
    """How many threads have ended."""

    done = word()


CURTAIN: Any = None  # a pointer to it, in the constants of a scenario


class Life(NamedTuple):
    """What a scenario needs: threads are (name, function, arguments)."""

    machine: Machine
    constants: dict[str, Any]
    threads: list[tuple[str, str, tuple[Any, ...]]]
    oracles: tuple[oracle.Oracle, ...]


# ---- what threads do: whole operations, and what must come of them ---------------------------------------------------------


def fault_thread(mm, page, expected):  # type: ignore[no-untyped-def]
    """User space loads a page, which must hold what was written to it."""
    value = yield from user_read(mm, page)
    if value != expected:
        yield BUG(f"stale data: the page reads {value}, but {expected} was written")
    yield atomic_add(1, CURTAIN.done)


def touch_thread(mm, page):  # type: ignore[no-untyped-def]
    """User space loads a page, whatever it holds."""
    yield from user_read(mm, page)
    yield atomic_add(1, CURTAIN.done)


def truncate_thread(info):  # type: ignore[no-untyped-def]
    """ftruncate(0) of a tmpfs file."""
    yield from shmem_undo_range(info)
    yield atomic_add(1, CURTAIN.done)


def rewrite_thread(mm, page, value):  # type: ignore[no-untyped-def]
    """User space stores to a page, reclaim takes it out again, user space loads it."""
    yield from user_write(mm, page, value)
    yield from reclaim_page(mm, page)
    found = yield from user_read(mm, page)
    if found != value:
        yield BUG(f"stale data: the page reads {found}, but {value} was written")
    yield atomic_add(1, CURTAIN.done)


def reclaim_page(mm, page):  # type: ignore[no-untyped-def]
    """kswapd isolates the folio that a PTE maps. It finds it on an LRU list, where a folio is only once it is mapped: here
    through the PTE, under the page table lock, so that it meets no folio that is not yet on a list."""
    yield from pte_offset_map_lock(mm)
    pte = yield read(mm.pte[page])
    if pte_present(pte):
        yield atomic_add(1, pte.folio.refcount)
    yield from pte_unmap_unlock(mm)
    if pte_present(pte):
        yield from reclaim_pages((pte.folio,))


def reclaim_thread(mm, page):  # type: ignore[no-untyped-def]
    """kswapd comes by once."""
    yield from reclaim_page(mm, page)
    yield atomic_add(1, CURTAIN.done)


def fork_thread(parent, child):  # type: ignore[no-untyped-def]
    """fork()."""
    yield from dup_mm(parent, child)
    yield atomic_add(1, CURTAIN.done)


def swapoff_thread(type):  # type: ignore[no-untyped-def]
    """swapoff(), whatever it returns."""
    yield from swapoff(type)
    yield atomic_add(1, CURTAIN.done)


def swapoff_swapon_thread(type, file):  # type: ignore[no-untyped-def]
    """swapoff(), then swapon() of another file, which gets the same swap_info_struct."""
    yield from swapoff(type)
    yield from swapon(file, -1)
    yield atomic_add(1, CURTAIN.done)


def signal_thread(cpu):  # type: ignore[no-untyped-def]
    """Somebody sends a signal to the task on that CPU."""
    yield from send_signal(cpu)
    yield atomic_add(1, CURTAIN.done)


THREADS = {
    f.__name__: f
    for f in (
        fault_thread,
        touch_thread,
        truncate_thread,
        rewrite_thread,
        reclaim_page,
        reclaim_thread,
        fork_thread,
        swapoff_thread,
        swapoff_swapon_thread,
        signal_thread,
    )
}


# ---- the stories -----------------------------------------------------------------------------------------------------------


def life(
    machine: Machine, threads: Sequence[tuple[str, str, tuple[Any, ...]]], preempt: str, last: tuple[oracle.Oracle, ...] = ()
) -> Life:
    """The explorer's view of a machine as it stands, with these threads on its CPUs. `last` are asked when all have ended."""
    world, sequential = machine.world, machine.sequential
    memory = world.memory
    memory.words[:] = sequential.words
    memory.threads, memory.preempt = tuple(name for name, _, _ in threads), preempt
    at = memory.new(curtain, "curtain")
    constants = {**world.constants, **THREADS, "CURTAIN": at}
    names = SimpleNamespace(**constants, **memory.symbols)
    at_end = (*last, lambda words: next(broken(world, names, words), None))
    oracles = (*references(world, machine, threads), ended(at_end, at.done.word, len(threads)))
    return Life(machine, constants, list(threads), oracles)


def references(
    world: World, machine: Machine, threads: Sequence[tuple[str, str, tuple[Any, ...]]]
) -> tuple[oracle.Oracle, ...]:
    """The oracles of each device in use where others refer to it during swapoff: as in the older scenarios."""
    called = {function for _, function, _ in threads}
    if not {"swapoff_thread", "swapoff_swapon_thread"} & called or "signal_thread" in called:
        return ()
    slots = [(mm.pte[i], mm.page_table_lock) for mm in world.mms for i in range(len(mm.pte))]
    slots += [(slot, info.i_mapping.xa_lock) for info in world.infos for slot in xa_slots(info.i_mapping)]
    found: list[oracle.Oracle] = []
    for type in range(len(machine.devices)):
        si = machine.value(machine.space.swap_info[type])
        if si and machine.value(si.swap_map):
            found += [oracle.swap_map_underflow(machine.value(si.swap_map)), oracle.no_entry_left(si, slots)]
    return tuple(found)


def ended(last: tuple[oracle.Oracle, ...], done: int, threads: int) -> oracle.Oracle:
    """Asks `last` once every thread has ended: each has then stored everything that it will, as counting itself out is the last
    step that it takes. Before, it looks at nothing but the count."""

    def check(words: tuple[Any, ...]) -> Violation | None:
        if words[done] < threads:
            return None
        return next((found for each in last if (found := each(words)) is not None), None)

    check.at_end = True  # type: ignore[attr-defined]
    return check


def small(
    *devices: Device,
    cpus: int,
    processes: int = 1,
    pages: int = 1,
    files: int = 0,
    swapon: bool = True,
    page_cluster: int = 0,
    page_size: int = 4,
    continuation_pages: int = 1,
) -> Machine:
    """A computer small enough to explore."""
    return Machine(
        *(devices or (Device(slots=3),)),
        cpus=cpus,
        processes=processes,
        pages=pages,
        files=files,
        folios=cpus + 1,
        cluster=2,
        continuation_pages=continuation_pages,
        page_size=page_size,
        page_cluster=page_cluster,
        place="counted",
        swapon=swapon,
    )


def swapped_out(machine: Machine) -> Any:
    """A process with one page, which is on the device alone."""
    process = machine.spawn()
    machine.write(process, 0, "old")
    machine.swap_out(process, 0)
    return process.mm


def fault_and_swapoff(preempt: str, synchronous: bool) -> Life:
    machine = small(Device(slots=3, synchronous=synchronous), cpus=2)
    mm = swapped_out(machine)
    return life(machine, [("fault", "fault_thread", (mm, 0, "old")), ("swapoff", "swapoff_thread", (0,))], preempt)


def reclaim_and_swapoff(preempt: str) -> Life:
    machine = small(Device(slots=3, synchronous=True), cpus=2)
    process = machine.spawn()
    machine.write(process, 0, "old")
    return life(machine, [("kswapd", "reclaim_thread", (process.mm, 0)), ("swapoff", "swapoff_thread", (0,))], preempt)


def fork_and_swapoff(preempt: str) -> Life:
    machine = small(cpus=2, processes=2)
    mm = swapped_out(machine)
    child = machine.world.mms[1]
    return life(machine, [("fork", "fork_thread", (mm, child)), ("swapoff", "swapoff_thread", (0,))], preempt)


def two_faults(preempt: str) -> Life:
    """The one slot of a RAM disk that is handed out again between a fault's read and its look at the PTE."""
    machine = small(Device(slots=3, synchronous=True), cpus=2, pages=2)
    process = machine.spawn()
    for page in (0, 1):
        machine.write(process, page, "old")
        machine.swap_out(process, page)
    mm = process.mm
    return life(machine, [("fault", "touch_thread", (mm, 0)), ("rewrite", "rewrite_thread", (mm, 0, "new"))], preempt)


def reused(preempt: str) -> Life:
    """A file's page is truncated while its device goes and another one takes the same swap_info_struct."""
    machine = small(Device(slots=3), Device(slots=4), cpus=2, files=1, swapon=False)
    machine.swapon(0)
    file = machine.files[0]
    machine.write(file, 0, "old")
    machine.swap_out(file, 0, keep=True)
    other = machine.world.devices[1]
    threads = [("truncate", "truncate_thread", (file.info,)), ("swapoff", "swapoff_swapon_thread", (0, other))]
    return life(machine, threads, preempt)


def interrupted(preempt: str) -> Life:
    machine = small(cpus=2)
    swapped_out(machine)
    si = machine.value(machine.space.swap_info[0])
    threads = [("swapoff", "swapoff_thread", (0,)), ("signal", "signal_thread", (0,))]
    return life(machine, threads, preempt, (off_or_on(si),))


def off_or_on(si: Any) -> oracle.Oracle:
    """The device is gone, or in use as it was."""
    map, flags = si.swap_map.word, si.flags.word

    def check(words: tuple[Any, ...]) -> Violation | None:
        if words[map] is NULL or words[flags] & SWP_WRITEOK:
            return None
        return Violation("accounting", f"swapoff gave up, but {si} was not put back into use", si.flags)

    return check


LIVES: dict[str, Callable[[str], Life]] = {
    "fault": lambda preempt: fault_and_swapoff(preempt, False),
    "fault-ramdisk": lambda preempt: fault_and_swapoff(preempt, True),
    "two-faults": two_faults,
    "reclaim": reclaim_and_swapoff,
    "fork": fork_and_swapoff,
    "signal": interrupted,
    "reuse": reused,
}
