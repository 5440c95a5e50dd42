"""One cell of the table: plain data in, plain data out, so that any process, on any machine, can work on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

from ..explore import Budget
from ..fixes import FIXES
from ..kernel import Replacements, base
from ..program import KernelError, short_file
from ..verdict import Verdict, check
from ..versions import KERNELS
from .travel import SourceText, unpacked

REFUSED = "refused"  # the kernel can't be run with this fix
BY_PREEMPTION = frozenset({"cond_resched", "syscall"})  # names that link() gives to one function or another of machine/


class Cell(NamedTuple):
    """What to check. The fix is one of FIXES, or else source text; without either it is the kernel as it is."""

    scenario: str
    kernel: str
    preempt: str
    fix: str = ""  # its label in the table
    named: str = ""
    texts: tuple[SourceText, ...] = ()
    processes: int = 0
    pages: int = 0
    max_states: int | None = None
    max_seconds: float | None = None
    max_bytes: int | None = None

    @property
    def key(self) -> Key:
        return Key(self.kernel, self.preempt, self.fix, self.scenario)

    def functions(self) -> Replacements | None:
        """What replaces the kernel's functions."""
        if self.named:
            return FIXES[self.named].replaces
        return unpacked(self.texts) if self.texts else None


class Key(NamedTuple):
    """Where a cell stands in the table. The fix "" is the kernel as it is."""

    kernel: str
    preempt: str
    fix: str
    scenario: str


class Result(NamedTuple):
    """What came out of a cell. `steps` and `switches` are of the shortest counterexample; without one they are None.

    `reached` names the functions, of the kernel's names, that ran. `shared`: none of those that the fix replaces did, so this
    is the result of the kernel as it is. `searched`: how, where that is not as always; the counterexample may then not be the
    shortest."""

    verdict: str  # holds | violated | unfinished | refused
    reason: str = ""
    kind: str = ""
    message: str = ""
    states: int = 0
    steps: int | None = None
    switches: int | None = None
    seconds: float = 0.0
    threads: tuple[str, ...] = ()
    schedule: tuple[int, ...] = ()
    interleaving: str = ""
    source: str = ""
    reached: frozenset[str] = frozenset()
    shared: bool = False
    searched: str = ""


def run(cell: Cell, functions: Replacements | None = None, tick: Callable[[int, int], None] | None = None) -> Result:
    """Checks one cell. `functions`: those of a fix that can't travel. A fix that can't run makes a `refused` cell."""
    try:
        verdict = check(
            cell.scenario,
            cell.kernel,
            fix=functions or cell.functions(),
            fix_name=cell.fix,
            budget=Budget(cell.max_states, cell.max_seconds, cell.max_bytes, tick),
            nearest=False,
            preempt=cell.preempt,
            processes=cell.processes,
            pages=cell.pages,
        )
    except KernelError as error:
        return Result(REFUSED, str(error))
    except MemoryError:
        return Result("unfinished", "the process ran out of memory")
    return _result(verdict, cell)


def _result(verdict: Verdict, cell: Cell) -> Result:
    outcome, violation = verdict.outcome, verdict.outcome.violation
    schedule = tuple(outcome.schedule) if verdict.verdict == "violated" else ()
    result = Result(
        verdict.verdict,
        outcome.reason,
        states=outcome.states,
        seconds=outcome.seconds,
        searched=verdict.searched,
        source=verdict.source,
        reached=frozenset() if cell.fix else reached(cell.kernel, verdict.reached["functions"]),
    )
    if verdict.verdict != "violated" or violation is None or verdict.recorder is None:
        return result
    return result._replace(
        kind=violation.kind,
        message=str(violation),
        steps=len(schedule),
        switches=sum(a != b for a, b in itertools.pairwise(schedule)),
        threads=verdict.recorder.system.memory.threads,
        schedule=schedule,
        interleaving=str(verdict).partition("\n\n")[2],
    )


def reached(kernel: str, ran: Any) -> frozenset[str]:
    """The names of a kernel's functions that ran, or that can't be told not to have run: coverage looks at mm/ alone."""
    space: dict[str, Any] = {**base(), **KERNELS[kernel].replaces}
    return BY_PREEMPTION | {n for n, f in space.items() if _unseen(f) or f.__code__.co_name in ran}


def _unseen(value: Any) -> bool:
    """An operation, a constant, or a function of machine/, whose lines coverage does not tell."""
    if not isinstance(value, FunctionType) or getattr(value, "is_operation", False):
        return True
    return short_file(value.__code__.co_filename).startswith("machine/")


def untouched(functions: Replacements, unfixed: Result) -> bool:
    """Did the finished search of the unfixed kernel run none of these? Then the search with them is the same search. A name
    that is none of the kernel's can only be called by the others."""
    return unfixed.verdict in ("holds", "violated") and not set(functions) & unfixed.reached
