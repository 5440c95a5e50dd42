"""A story bound to a system, as the guided search wants it: positions, and what moves them on.

The events of one row that stand in different columns may happen in either order; every event of a row comes after those of the
rows above. A position says how many events of each thread have happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..explore.guided import Taken
from ..machine import BLOCKED, Cpu, Violation
from ..program import Step, System
from .bound import Bound
from .events import Said


class Line(NamedTuple):
    """One event of a thread: what the story says, and what that is on the system."""

    said: Said
    bound: Bound


class StoryScript:
    """`lines[t]` are the events of thread t, in order. A Script (explore/guided.py)."""

    def __init__(self, system: System, lines: list[list[Line]]):
        self.system, self.lines = system, lines
        self.threads = range(len(lines))
        self.total = sum(map(len, lines))
        self.waits = any(line.bound.waits for own in lines for line in own)
        self._positions: list[tuple[int, ...]] = [tuple(0 for _ in lines)]
        self._numbers = {self._positions[0]: 0}
        self._next: list[tuple[tuple[int, Line], ...]] = []
        self._wanted: list[frozenset[int]] = []
        self._placed: list[bool] = []
        self._add_position(self._positions[0])
        self._enters: dict[tuple[int, int, int], bool] = {}

    # ---- positions -----------------------------------------------------------------------------------------------------

    def place(self, position: int) -> tuple[int, ...]:
        """How many events of each thread have happened."""
        return self._positions[position]

    def next(self, position: int) -> tuple[tuple[int, Line], ...]:
        """What may happen next: (thread, event)."""
        return self._next[position]

    def complete(self, position: int) -> bool:
        return not self._next[position]

    def matched(self, position: int) -> int:
        return sum(self._positions[position])

    def covers(self, one: int, other: int) -> bool:
        pairs = zip(self._positions[one], self._positions[other], strict=True)
        return one == other or all(a >= b for a, b in pairs)

    def _forward(self, position: int, thread: int) -> int:
        place = list(self._positions[position])
        place[thread] += 1
        new = tuple(place)
        if new not in self._numbers:
            self._numbers[new] = len(self._positions)
            self._positions.append(new)
            self._add_position(new)
        return self._numbers[new]

    def _add_position(self, place: tuple[int, ...]) -> None:
        following = self._find_next(place)
        self._next.append(following)
        self._wanted.append(frozenset(t for t, line in following if line.bound.matches is not None))
        self._placed.append(any(line.bound.matches is None for _, line in following))

    def _find_next(self, place: tuple[int, ...]) -> tuple[tuple[int, Line], ...]:
        waiting = [(t, own[done]) for t, (own, done) in enumerate(zip(self.lines, place, strict=True)) if done < len(own)]
        row = min((line.said.row for _, line in waiting), default=0)
        return tuple((t, line) for t, line in waiting if line.said.row == row)

    # ---- what moves it on ----------------------------------------------------------------------------------------------

    def wanted(self, position: int) -> frozenset[int]:
        return self._wanted[position]

    def placed(self, position: int) -> bool:
        return self._placed[position]

    def taken(self, position: int, taken: Taken) -> int:
        """One step can be several events, if no two of them are the same."""
        used: list[Any] = []
        while True:
            line = next((line for t, line in self._next[position] if t == taken.thread), None)
            if line is None:
                return position
            event = line.bound.event
            if line.bound.matches is not None:
                if event in used or not line.bound.matches(taken):
                    return position
                used.append(event)
            elif line.bound.stands is None or not line.bound.stands(taken.step):
                return position
            position = self._forward(position, taken.thread)

    def standing(self, position: int, words: Any, step_of: Callable[[int], Step]) -> int:
        """Events that are places, or waits, of threads in a state."""
        while self._placed[position]:
            t = next((t for t, line in self._next[position] if self._is_there(line.bound, words, t, step_of(t))), None)
            if t is None:
                break
            position = self._forward(position, t)
        return position

    def _is_there(self, bound: Bound, words: Any, thread: int, step: Step) -> bool:
        if bound.stands is not None:
            return bound.stands(step)
        if bound.waits is None or not self._is_stopped(words, thread, step):
            return False
        return bound.waits(self.system.memory, words, thread, step)

    def _is_stopped(self, words: Any, thread: int, step: Step) -> bool:
        if step.operation is None:
            return False
        try:
            return step.operation.apply(Cpu(self.system.memory, words, thread)) is BLOCKED
        except Violation:
            return False

    # ---- for the reduction ---------------------------------------------------------------------------------------------

    def visible(self, thread: int, step: Step, after: Step, stores: Mapping[int, Any]) -> bool:
        """May this step be an event? Or does it take the thread to a place that is one, or away from it?"""
        key = (thread, step.index, after.index)
        entered = self._enters.get(key)
        if entered is None:
            entered = self._enters[key] = any(self._shows(line.bound, step, after) for line in self.lines[thread])
        return entered or any(not line.bound.words.isdisjoint(stores) for line in self.lines[thread] if line.bound.words)

    def _shows(self, bound: Bound, step: Step, after: Step) -> bool:
        if bound.stands is not None:
            return bound.stands(after) != bound.stands(step)
        return step.operation is not None and bound.sees(step.operation)
