"""A schedule taken again, with what each step read and wrote."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..explore.space import Watched
from ..machine import BLOCKED, Address, Cpu, Violation
from ..program import Step, System
from ..trace import TraceStep, show_value
from ..views import describe


class Taken(NamedTuple):
    """One step. `nth`: how many steps its thread took before it; a thread that sleeps and waits on is still at the same step.
    `reads` and `writes` are words; `before` is the memory that it found."""

    number: int  # in the schedule, from 1
    thread: int
    nth: int
    step: Step
    value: Any
    slept: bool
    reads: frozenset[int]
    writes: frozenset[int]
    before: tuple[Any, ...]
    stands: tuple[Step, ...]  # where every thread stands before it


class Replay:
    """The steps of a schedule, and where everything stands behind the last of them."""

    def __init__(self, system: System, schedule: list[int]):
        self.system, self.taken = system, list[Taken]()
        self.words, self.at = system.words, [p.first for p in system.programs]
        self.counts = [0] * len(system.programs)
        for number, t in enumerate(schedule, 1):
            self._take(number, t)

    def _take(self, number: int, t: int) -> None:
        step, stands, watched = self.at[t], tuple(self.at), Watched(self.words)
        cpu = Cpu(self.system.memory, watched, t)
        operation: Any = step.operation
        value, slept = None, False
        try:
            value = operation.apply(cpu)
            slept = value is BLOCKED and operation.sleep(cpu)
            if not slept:
                self.at[t] = self.system.programs[t].after(step, value)
        except Violation:
            pass
        reads, writes = frozenset(watched.reads), frozenset(cpu.writes)
        self.taken.append(Taken(number, t, self.counts[t], step, value, slept, reads, writes, self.words, stands))
        self.counts[t] += not slept
        words = list(self.words)
        for word, value in cpu.writes.items():
            words[word] = value
        self.words = tuple(words)

    def paths(self) -> list[list[Step]]:
        """Each thread's own steps, one after the other."""
        return [[s.step for s in self.taken if s.thread == t and not s.slept] for t in range(len(self.counts))]

    def after(self, number: int) -> tuple[tuple[Any, ...], tuple[Step, ...]]:
        """The memory, and where every thread stands, behind step `number`."""
        if number < len(self.taken):
            return self.taken[number].before, self.taken[number].stands
        return self.words, tuple(self.at)

    def conflicts(self, a: Taken, b: Taken) -> frozenset[int]:
        """The words for which it matters which of the two comes first."""
        return (a.writes & (b.reads | b.writes)) | (a.reads & b.writes)


def did(step: TraceStep) -> str:
    """What a step did, or the value that it read."""
    value = loaded(step)
    return describe(step) or (describe(step, every_step=True) if value is None else f"{step.operation} = {value}")


def loaded(step: TraceStep) -> str | None:
    """The value that a step returned; a number that it read as its word shows it: 0x40 of a swap_map byte."""
    address, value = step.operation.address, step.value
    if step.operation.name in ("READ_ONCE", "read") and type(value) is int and isinstance(address, Address):
        return address.show(value)
    return show_value(value)
