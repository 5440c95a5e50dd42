"""Guided search: is there an execution in which given events happen in a given order?

The caller's `Script` says which positions of the story there are and how a step, or a state, moves it on. An event is matched
as early as it can be, which along one execution is never worse than later. So a node of the search is a state with the furthest
position known for it, and the furthest nodes are looked at first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from ..machine import BLOCKED, Cpu, Violation
from ..program import Step
from .budget import CHUNK, Budget
from .space import BITS, Found, Space, deadlock

POSITIONS = 1 << 24  # more than a script has


class Taken(NamedTuple):
    """One step as it was taken. `stores` are the words that it stored; `after` is None when the step violates something."""

    thread: int
    step: Step
    value: Any
    words: Any  # before the step
    stores: Mapping[int, Any]
    after: Step | None
    violation: Violation | None


class Script(Protocol):
    """A story, for the search: positions are integers below POSITIONS, 0 is before the first event."""

    def complete(self, position: int) -> bool:
        """Has everything happened?"""

    def matched(self, position: int) -> int:
        """How many events have happened."""

    def covers(self, one: int, other: int) -> bool:
        """Has all that happened at `other` happened at `one`?"""

    def wanted(self, position: int) -> frozenset[int]:
        """The threads of which a step is what happens next."""

    def taken(self, position: int, taken: Taken) -> int:
        """The position after a step."""

    def standing(self, position: int, words: Any, step_of: Callable[[int], Step]) -> int:
        """The position in a state: some events are places where a thread stands."""

    def placed(self, position: int) -> bool:
        """Is such a place what happens next?"""


class Guided:
    """The search and what it found. `schedule` fits the whole story if `feasible`."""

    def __init__(self, space: Space, script: Script, budget: Budget):
        self.space, self.script, self.budget = space, script, budget
        self.feasible = False
        self.reason = ""  # why it is unfinished
        self.violations = 0  # steps that end an execution here
        self.furthest: dict[int, tuple[int, ...]] = {}  # state -> its furthest positions
        self.schedule: list[int] = []
        self._came: dict[int, int] = {}  # node -> the node before, times threads, plus the thread that moved
        self._todo: dict[int, deque[tuple[int, int]]] = {}  # events matched -> nodes, with the thread that moved last

    def run(self) -> Guided:
        self._note(self.space.initial, self._standing(0, self.space.initial), -1, -1)
        looked = 0
        while self._todo and not self.feasible:
            most = max(self._todo)
            queue = self._todo[most]
            if not queue:
                del self._todo[most]
                continue
            node, last = queue.popleft()
            looked += 1
            if not looked % CHUNK:
                self.reason = self.budget.spent(len(self.furthest), most)
                if self.reason:
                    return self
            self._expand(node, last)
        return self

    def _expand(self, node: int, last: int) -> None:
        state, position = divmod(node, POSITIONS)
        if position not in self.furthest[state]:
            return
        space, wanted, placed = self.space, self.script.wanted(position), self.script.placed(position)
        row, stuck = space.rows[state >> space.shift], True
        for t, mask in enumerate(space.masks):
            change = row.get(state & mask)
            if change is None:
                try:
                    change = space.difference(state, t)
                except Found as found:
                    self.violations, stuck = self.violations + 1, False
                    if t in wanted and self._fails(node, t, found):
                        return
                    continue
            if change:
                stuck = False
                new, after = state + change, position
                ends = bool(space.system.at_end) and space.is_final(new)
                if t in wanted or ends:
                    taken = last_step(space, state, t, space.length(state, t))
                    self.violations += ends and taken.violation is not None
                    if t in wanted:
                        after = self.script.taken(position, taken)
                if placed or after != position:
                    after = self._standing(after, new)
                if after not in self.furthest.get(new, ()) and self._note(new, after, node, t, t == last):
                    return
        if stuck and wanted and not space.is_final(state):
            self._nobody_moves(node)

    def _nobody_moves(self, node: int) -> None:
        """A deadlock, which is an event of any thread that waits there."""
        state, position = divmod(node, POSITIONS)
        end = deadlock(self.space, state)
        self.violations += 1
        for t, step in enumerate(self.space.steps(state)):
            if step.operation is not None:
                words = self.space.memories[state >> self.space.shift]
                taken = Taken(t, self.space.waiting(state, t)[0], None, words, {}, None, end.violation)
                if self.script.complete(self.script.taken(position, taken)):
                    self.feasible, self.schedule = True, self.path(node) + end.steps
                    return

    def _standing(self, position: int, state: int) -> int:
        programs = self.space.system.programs

        def step_of(t: int) -> Step:
            step = programs[t].steps[state >> BITS * t & (1 << BITS) - 1]
            assert step is not None
            return step

        return self.script.standing(position, self.space.memories[state >> self.space.shift], step_of)

    def _fails(self, node: int, t: int, found: Found) -> bool:
        state, position = divmod(node, POSITIONS)
        last = last_step(self.space, state, t, found.taken)._replace(violation=found.violation)
        after = self.script.taken(position, last)
        if self.script.complete(after):
            self.feasible, self.schedule = True, self.path(node) + [t] * found.taken
        return self.feasible

    def _note(self, state: int, position: int, before: int, t: int, same: bool = False) -> bool:
        known = self.furthest.get(state, ())
        if known and any(self.script.covers(k, position) for k in known):
            return False
        self.furthest[state] = (*(k for k in known if not self.script.covers(position, k)), position)
        node = state * POSITIONS + position
        if before >= 0:
            self._came[node] = before * len(self.space.threads) + t
        if self.script.complete(position):
            self.feasible, self.schedule = True, self.path(node)
            return True
        queue = self._todo.setdefault(self.script.matched(position), deque())
        if same or t in self.script.wanted(position):
            queue.appendleft((node, t))
        else:
            queue.append((node, t))
        return False

    def path(self, node: int) -> list[int]:
        """Which thread takes each step on the way to this node."""
        moves: list[tuple[int, int]] = []
        while node in self._came:
            node, t = divmod(self._came[node], len(self.space.threads))
            moves.append((t, self.space.length(node // POSITIONS, t)))
        return [t for t, steps in reversed(moves) for _ in range(steps)]

    def path_to(self, state: int, position: int) -> list[int]:
        """The same for a state and one of its furthest positions."""
        return self.path(state * POSITIONS + position)


def last_step(space: Space, state: int, t: int, length: int) -> Taken:
    """The last step of thread t's next move, which has `length` steps."""
    memory, words = space.system.memory, space.memories[state >> space.shift]
    cpu, step = Cpu(memory, words, t), space.steps(state)[t]
    for _ in range(length - 1):
        step = space.system.programs[t].after(step, _apply(space, cpu, step))
    if length > 1:
        words = cpu.after()
    cpu = Cpu(memory, words, t)
    try:
        value = _apply(space, cpu, step)
    except Violation as violation:
        return Taken(t, step, None, words, {}, None, violation)
    if value is BLOCKED:
        cpu = Cpu(memory, words, t)
        step.operation.sleep(cpu)
        return Taken(t, step, BLOCKED, words, cpu.writes, step, None)
    after = cpu.after()
    steps = space.steps(state)
    steps[t] = space.system.programs[t].after(step, value)
    return Taken(t, step, value, words, cpu.writes, steps[t], space.system.wrong(after, steps))


def _apply(space: Space, cpu: Cpu, step: Step) -> Any:
    assert step.operation is not None
    return step.operation.apply(cpu)


def guided(space: Space, script: Script, budget: Budget | None = None) -> Guided:
    """Searches until the script is complete, everything is explored, or the budget is spent."""
    return Guided(space, script, budget or Budget()).run()
