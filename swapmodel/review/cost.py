"""What a fix costs: on the path of one successful free, in lock order, and for swapoff.

Two callers free one swapped page each, alone on the machine: zap_pte_range() (anonymous memory, under the page table lock) and
shmem_undo_range() (tmpfs, under nothing). What they do between their first step and their last is counted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..explore import Budget
from ..explore.fair import Starvation, Unfinished, starves
from ..fixes import FIXES, Fix
from ..kernel import Replacements
from ..lockorder import RELEASES, TRIES, WAITS, lock_class, lock_edges
from ..names import look_up
from ..program import KernelError, System
from ..scenarios import SCENARIOS, Parameters
from ..trace import Recorder, TraceStep
from ..versions import KERNELS
from .cell import Cell

PATHS = {"anon": ("madvise", "zap_pte_range"), "shmem": ("shmem-truncate", "shmem_undo_range")}  # scenario, caller
LOCKS = WAITS | TRIES
ATOMICS = {
    "xchg",
    "cmpxchg",
    "atomic_add",
    "atomic_dec_and_test",
    "atomic_sub_and_test",
    "atomic_inc_not_zero",
    "folio_ref_freeze",
}
STEPS = 100_000  # of one free: more is a loop without end
MAX_STATES = 400_000  # of the search for a stalled swapoff

Tick = Callable[[int, int], None] | None


class Path(NamedTuple):
    """One free, from the caller's first step to its last.

    operations: all steps on shared memory. atomics: locked read-modify-writes that are not the taking of a lock, and that are
    not per-CPU, as those of a percpu_ref are. locks: locks taken. holds: the most operations run under one hold of each class
    of spinlock, the unlock not counted."""

    operations: int
    atomics: int
    locks: int
    holds: dict[str, int]

    @property
    def worst_hold(self) -> int:
        return max(self.holds.values(), default=0)

    @property
    def worst_lock(self) -> str:
        return max(self.holds, key=lambda name: self.holds[name], default="")


class Price(NamedTuple):
    """What a fix costs on a kernel. A path is None where the free does not come to its end: `reason` says why.

    lock_edges: "outer -> inner", classes of locks, that the kernel as it is does not have. stalls: how swapoff is stalled for
    ever in one of the two scenarios, however fair the scheduler and the locks; "" if it can't be. Both are None where the
    search for them did not end, or was not made."""

    fix: str
    kernel: str
    anon: Path | None
    shmem: Path | None
    kernel_anon: Path
    kernel_shmem: Path
    lock_edges: tuple[str, ...] | None
    stalls: str | None
    reason: str = ""

    def added(self, path: str, what: str) -> int | None:
        """How many more operations, atomics, locks, or worst_hold, than the kernel as it is has. `path`: "anon" or "shmem"."""
        mine: Path | None = getattr(self, path)
        theirs: Path = getattr(self, f"kernel_{path}")
        return None if mine is None else int(getattr(mine, what)) - int(getattr(theirs, what))


def price(fix: Fix | str | None = None, kernel: str = "v6.8") -> Price:
    """What a fix, one of FIXES or an object like them, costs on a kernel. None: the kernel as it is, which the others are
    compared with. May raise ValueError (an unknown name) or KernelError (a fix that the machine can't run)."""
    look_up("kernel", kernel, KERNELS)
    chosen = look_up("fix", fix, FIXES) if isinstance(fix, str) else fix
    return _price(chosen.name if chosen else "", kernel, chosen.replaces if chosen else None, Limits())


def price_of(cell: Cell, functions: Replacements | None = None, tick: Tick = None) -> Price | KernelError:
    """The price of a cell's fix on its kernel; the KernelError of one that can't run."""
    try:
        limits = Limits(min(MAX_STATES, cell.max_states or MAX_STATES), cell.max_seconds)
        return _price(cell.fix, cell.kernel, functions or cell.functions(), limits, tick)
    except KernelError as error:
        return error


class Limits(NamedTuple):
    """Of one search for a stalled swapoff."""

    states: int = MAX_STATES
    seconds: float | None = None


def _price(label: str, kernel: str, fix: Replacements | None, limits: Limits, tick: Tick = None) -> Price:
    whys: list[str] = []
    anon, shmem = (_path(path, kernel, fix, whys) for path in PATHS)
    bare_anon, bare_shmem = (_path(path, kernel, None, []) for path in PATHS)
    assert bare_anon is not None and bare_shmem is not None
    bare, order = _kernels_order(kernel, limits), _order(kernel, fix, limits, tick)
    edges = order.edges - bare.edges
    known = order.stalls is not None and bare.stalls is not None
    told = tuple(sorted(f"{outer} -> {inner}" for outer, inner in edges))
    why = "; ".join(dict.fromkeys(whys))
    return Price(label, kernel, anon, shmem, bare_anon, bare_shmem, told if known else None, order.stalls, why)


class Order(NamedTuple):
    """What two searches of every interleaving, single steps, found: which locks wait inside which, and whether swapoff is
    stalled for ever. `stalls` None: not known, and there may be more edges."""

    edges: frozenset[tuple[str, str]]
    stalls: str | None


def _order(kernel: str, fix: Replacements | None, limits: Limits, tick: Tick = None) -> Order:
    edges: set[tuple[str, str]] = set()
    stalls: str | None = ""
    for path, (scenario, _) in PATHS.items():
        system = _system(path, kernel, fix)
        found = starves(system, "swapoff", Budget(*limits, tick=tick))
        edges |= set(lock_edges(system))
        if isinstance(found, Unfinished):
            stalls = None
        elif isinstance(found, Starvation) and stalls == "":
            stalls = f"{scenario}: {found}"
    return Order(frozenset(edges), stalls)


@functools.cache
def _kernels_order(kernel: str, limits: Limits) -> Order:
    return _order(kernel, None, limits)


def _system(path: str, kernel: str, fix: Replacements | None = None) -> System:
    return SCENARIOS[PATHS[path][0]].system(KERNELS[kernel], Parameters(), fix)


def _path(path: str, kernel: str, fix: Replacements | None, whys: list[str]) -> Path | None:
    """Runs the first thread alone. None, and why, if it does not return."""
    caller, recorder = PATHS[path][1], Recorder(_system(path, kernel, fix))
    while recorder.take(0) and len(recorder.steps) < STEPS:
        pass
    if recorder.violation is not None or recorder.at[0].operation is not None:
        told = str(recorder.violation or recorder.waits(0) or f"it has not ended after {STEPS} steps")
        whys.append(f"{caller}(), alone on the machine, does not return: {told}")
        return None
    return counted([s for s in recorder.steps if any(f.function == caller for f in s.stack)])


def counted(steps: list[TraceStep]) -> Path:
    """What these steps of one thread cost."""
    names = [s.operation.name for s in steps]
    failed = sum(s.operation.name in LOCKS and s.value is False for s in steps)
    holds: dict[str, int] = {}
    for lock, length in held(steps):
        holds[lock] = max(length, holds.get(lock, 0))
    return Path(len(steps), sum(n in ATOMICS for n in names), sum(n in LOCKS for n in names) - failed, holds)


def held(steps: list[TraceStep]) -> Iterator[tuple[str, int]]:
    """Every hold of a spinlock: the lock's class, and the operations between taking and releasing it."""
    since: dict[int, int] = {}
    for i, step in enumerate(steps):
        operation, lock = step.operation, step.operation.address
        if not operation.name.startswith("spin_") or step.value is False:
            continue
        if operation.name in LOCKS:
            since[lock.word] = i
        elif operation.name in RELEASES and lock.word in since:
            yield lock_class(lock), i - since.pop(lock.word) - 1
