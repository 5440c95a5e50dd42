"""Small stories, explored completely: what the diagrams of states and of locks are read off.

Every interleaving of the threads is searched step by step, without reductions, so that each step's effect can be told.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from swapmodel.explore import Budget, Space, explore
from swapmodel.explore.space import BITS
from swapmodel.kernel import Kernel
from swapmodel.life import THREADS
from swapmodel.machine import Pointer
from swapmodel.mm.swapops import SWAP_MAP_MAX
from swapmodel.program import Step, System
from swapmodel.scenarios import Scenario, Setup, Thread
from swapmodel.session import Device, Machine, Process
from swapmodel.trace import kernel_frames
from swapmodel.versions import parts

MOST = 300_000  # states of a story; all are smaller


class Change(NamedTuple):
    """A step that some execution takes: the kernel functions it is in, outermost first, and memory before and after it."""

    functions: tuple[str, ...]
    before: tuple[Any, ...]
    after: tuple[Any, ...]


Calls = list[tuple[str, tuple[Any, ...]]]  # what each thread does: (kernel function, arguments)


class Story(NamedTuple):
    """`begin` runs whole operations on the machine, one after the other, and returns what then runs at the same time."""

    begin: Callable[[Machine], Calls]
    device: Device = Device(slots=3)
    pages: int = 1


def swapped(machine: Machine, keep: bool = False, pages: int = 1) -> Process:
    """A process whose pages are on the device; with `keep` also in the swap cache."""
    process = machine.spawn()
    for page in range(pages):
        machine.write(process, page, "old")
        machine.swap_out(process, page, keep)
    return process


def in_use(machine: Machine) -> Pointer:
    """The one folio that there is."""
    return next(f for f in machine.world.folios if machine.value(f.refcount))


def reclaim_and_exit(machine: Machine) -> Calls:
    process = machine.spawn()
    machine.write(process, 0, "old")
    return [("reclaim_page", (process.mm, 0)), ("do_exit", (process.mm,))]


def fork_and_reclaim(machine: Machine) -> Calls:
    process = swapped(machine, keep=True)
    return [("dup_mm", (process.mm, machine.world.mms[1])), ("reclaim_folio", (in_use(machine),))]


def fault_and_exit(machine: Machine) -> Calls:
    process = swapped(machine)
    child = machine.fork(process)
    return [("user_read", (process.mm, 0)), ("do_exit", (child.mm,))]


def alone(function: str) -> Callable[[Machine], Calls]:
    """Nothing but this function, on a process whose one page is swapped and cached."""
    return lambda machine: [(function, (swapped(machine, keep=True).mm,))]


def exit_and_discard(machine: Machine) -> Calls:
    process = swapped(machine, pages=2)
    return [("do_exit", (process.mm,)), ("process_one_work", (machine.value(machine.space.swap_info[0]),))]


def huge_reclaimed_and_discard(machine: Machine) -> Calls:
    process = machine.spawn()
    machine.huge(process)
    return [("reclaim_folio", (in_use(machine),)), ("madvise_dontneed", (process.mm,))]


def huge_split(machine: Machine) -> Calls:
    process = machine.spawn()
    machine.huge(process)
    machine.write(process, 0, "old")
    machine.write(process, 1, "old")
    folio = in_use(machine)
    machine.swap_out(process, 0, keep=True)
    machine.touch(process, 0)
    return [("deferred_split_scan", (folio,)), ("do_exit", (process.mm,))]


def next_cluster(machine: Machine) -> Calls:
    process = swapped(machine, pages=2)
    machine.write(process, 2, "old")
    return [("reclaim_page", (process.mm, 2))]


def file_reclaimed_and_read(machine: Machine) -> Calls:
    file = machine.files[0]
    machine.write(file, 0, "old")
    return [("reclaim_folio", (in_use(machine),)), ("shmem_read", (file.info, 0))]


def file_truncated_and_read(machine: Machine) -> Calls:
    file = machine.files[0]
    machine.write(file, 0, "old")
    machine.swap_out(file, 0)
    return [("shmem_undo_range", (file.info,)), ("shmem_read", (file.info, 0))]


def count_continues(machine: Machine) -> Calls:
    """As if as many processes shared the page as a byte can count; one more forks."""
    process = swapped(machine)
    map: Any = machine.world.devices[0].swap_map
    counted = next(byte for byte in map if machine.value(byte) == 1)
    machine.sequential.words[counted.word] = SWAP_MAP_MAX
    return [("dup_mm", (process.mm, machine.world.mms[1])), ("do_exit", (process.mm,))]


def fault_and_swapoff(machine: Machine) -> Calls:
    return [("user_read", (swapped(machine).mm, 0)), ("swapoff", (0,))]


def file_read_and_swapoff(machine: Machine) -> Calls:
    file = machine.files[0]
    machine.write(file, 0, "old")
    machine.swap_out(file, 0, keep=True)
    return [("shmem_read", (file.info, 0)), ("swapoff", (0,))]


CONTINUED = "a count continues"
RAM_DISK, CLUSTERS = Device(slots=3, synchronous=True), Device(slots=6, synchronous=True, discard=True)
STORIES = {
    "reclaim and exit": Story(reclaim_and_exit),
    "fork and reclaim": Story(fork_and_reclaim),
    "fault and exit": Story(fault_and_exit, RAM_DISK),
    "a file's page is reclaimed and read": Story(file_reclaimed_and_read, RAM_DISK),
    "a file is truncated and read": Story(file_truncated_and_read),
    CONTINUED: Story(count_continues),
    "fault and swapoff": Story(fault_and_swapoff),
    "a file is read, swapoff": Story(file_read_and_swapoff),
    "MADV_FREE": Story(alone("madvise_free")),
    "munmap": Story(alone("munmap")),
    "exit and discard": Story(exit_and_discard, CLUSTERS, pages=2),
    "one page more is reclaimed": Story(next_cluster, CLUSTERS, pages=3),
    "a huge folio is reclaimed and zapped": Story(huge_reclaimed_and_discard, CLUSTERS, pages=2),
    "a huge folio is split": Story(huge_split, Device(slots=6), pages=2),
}


@functools.cache
def explored(name: str, kernel: Kernel) -> Space:
    """The state space of a story on a kernel. ValueError where the search ends before all of it was seen."""
    outcome, space = explore(system_of(STORIES[name], kernel), Budget(max_states=MOST), finish=False, reduce=False)
    if outcome.verdict != "holds":
        raise ValueError(f"{name} on {kernel.name}: {outcome.verdict}, {outcome.violation or outcome.reason}")
    return space


def system_of(story: Story, kernel: Kernel) -> System:
    """The story, ready to run or to explore."""
    return Scenario("a story", "", "", lambda parameters: _lay(story, kernel), fixed=True).system(kernel)


def _lay(story: Story, kernel: Kernel) -> Setup:
    machine = Machine(
        story.device,
        kernel=kernel,
        cpus=2,
        processes=2,
        pages=story.pages,
        files=1,
        folios=4,
        cluster=2,
        continuation_pages=1,
        page_size=4,
        place="counted",
    )
    calls = story.begin(machine)
    memory = machine.world.memory
    memory.words[:] = machine.sequential.words
    memory.threads = tuple(function for function, _ in calls)
    return Setup(
        memory,
        {**machine.world.constants, **THREADS},
        [Thread(function, function, arguments) for function, arguments in calls],
        (),
    )


def changes(space: Space) -> Iterator[Change]:
    """Every step of every execution that changed memory, each once for each memory it was taken in."""
    functions = {place: tuple(_functions(step, parts())) for place, step in _places(space)}
    for number, row in enumerate(space.rows):
        for place, difference in row.items():
            after = ((number << space.shift) + place + difference) >> space.shift
            if difference and after != number:
                yield Change(functions[place], space.memories[number], space.memories[after])


def _places(space: Space) -> Iterator[tuple[int, Step]]:
    """Every step with its part of a state."""
    for thread, program in enumerate(space.system.programs):
        for step in program.steps[1:]:
            assert step is not None
            yield step.index << BITS * thread, step


def _functions(step: Step, ours: frozenset[str]) -> list[str]:
    return [f.function for f in kernel_frames(step.stack) if f.function not in ours]
