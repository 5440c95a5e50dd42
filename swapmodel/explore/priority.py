"""One CPU and two tasks, one of real-time priority: is there a moment at which it takes the CPU for ever?

The high task may become runnable at any step of the low one outside atomic sections. From then on the low one runs only while
the high one sleeps or waits for a sleeping lock; how long a sleep lasts is open. Preemption is full."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from ..machine import ATOMIC, BLOCKED, Cpu
from ..program import Step, System
from .budget import Budget

SLEEPS = {"schedule_timeout_uninterruptible"}
ATOMIC_SECTIONS = 0xFF * ATOMIC  # the bits of a context word that count them


class State(NamedTuple):
    """Where both tasks stand, and whether the high one is ready to run."""

    words: tuple[Any, ...]
    low: Step
    high: Step
    ready: bool


class Hog(NamedTuple):
    """After `schedule` (thread numbers) the high task goes round the last `cycle` steps of it for ever."""

    schedule: list[int]
    cycle: int


def hogs(system: System, low: int, high: int, budget: Budget | None = None) -> tuple[Hog | None, int, str]:
    """(the first Hog or None, states looked at, why it stopped early or an empty string). Every moment of preemption is tried.
    What either task violates by itself is raised."""
    search = _Search(system, low, high)
    budget = budget or Budget()
    first = State(system.words, system.programs[low].first, system.programs[high].first, False)
    seen, pending = {first}, deque([(first, list[int]())])
    while pending:
        if reason := budget.spent(len(seen), 0):
            return None, len(seen), reason
        state, schedule = pending.popleft()
        for after, steps in search.following(state):
            if after is None:
                return search.hog(state, schedule), len(seen), ""
            if after not in seen:
                seen.add(after)
                pending.append((after, schedule + steps))
    return None, len(seen), ""


class _Search:
    def __init__(self, system: System, low: int, high: int):
        self.system, self.low, self.high = system, low, high
        self.context = system.memory.context[low]

    def following(self, state: State) -> list[tuple[State | None, list[int]]]:
        """The states that can come next, each with the steps that lead to it; None for a high task that never stops."""
        if state.ready:
            after, steps, _ = self.run(state)
            return [(after, steps)]
        found: list[tuple[State | None, list[int]]] = []
        if state.high.operation is not None and not state.words[self.context] & ATOMIC_SECTIONS:
            found.append((state._replace(ready=True), []))
        taken = self.take(state.words, state.low, self.low)
        if taken is not None:
            found.append((state._replace(words=taken[0], low=taken[1]), [self.low]))
        return found

    def run(self, state: State) -> tuple[State | None, list[int], int]:
        """The high task has the CPU, until it sleeps, waits or returns: then `ready` ends. None if it comes back to where it
        has been before; with the steps taken, and how long the circle is."""
        words, step, steps = state.words, state.high, list[int]()
        been = {(words, step): 0}
        while step.operation is not None:
            taken = self.take(words, step, self.high)
            if taken is None:
                break
            sleeps = step.operation.name in SLEEPS
            words, step = taken
            steps.append(self.high)
            if sleeps:
                break
            if (words, step) in been:
                return None, steps, len(steps) - been[words, step]
            been[words, step] = len(steps)
        return state._replace(words=words, high=step, ready=False), steps, 0

    def take(self, words: tuple[Any, ...], step: Step, t: int) -> tuple[tuple[Any, ...], Step] | None:
        """One step of thread t; None if it has returned or must wait."""
        if step.operation is None:
            return None
        cpu = Cpu(self.system.memory, words, t)
        value = step.operation.apply(cpu)
        if value is BLOCKED:
            return None
        return cpu.after(), self.system.programs[t].after(step, value)

    def hog(self, state: State, schedule: list[int]) -> Hog:
        _, steps, cycle = self.run(state)
        return Hog(schedule + steps, cycle)
