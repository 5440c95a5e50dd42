"""Starvation: can a thread be kept from returning for ever, although everybody gets a turn?

Fair means strongly fair: a thread that can go on again and again does go on again and again. That is a fair scheduler and,
as taking a free lock is a step, fair locks: who waits for a lock that is free again and again gets it. What is left are
retries that somebody else spoils each time; and a writer of an rw-semaphore among readers that overlap, which the machine
does not queue. An infinite execution that is fair is a Streett condition; whether there is one
is decided by nested strongly connected components (E. A. Emerson and C.-L. Lei, 1987).
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..machine import BLOCKED, Cpu
from ..program import System
from .budget import CHUNK, Budget, no_collection
from .space import Found, Space

NOWHERE = -1  # the thread is blocked, or has returned
THE_END = -2  # the thread can move, but there it ends: a violation


class Starvation(NamedTuple):
    """A schedule, one thread number a step: `prefix` once, then `cycle` for ever. An empty cycle: nobody can go on."""

    thread: str
    prefix: list[int]
    cycle: list[int]

    def __str__(self) -> str:
        if not self.cycle:
            return f"{self.thread} waits for ever: after {len(self.prefix)} steps nobody can go on"
        told = f"after {len(self.prefix)} steps a cycle of {len(self.cycle)} repeats"
        return f"{self.thread} can be kept from returning for ever, under fair scheduling and fair locks: {told}"


class Unfinished(NamedTuple):
    """The budget ended before there was an answer."""

    reason: str
    states: int


def starves(system: System, thread: int | str, budget: Budget | None = None) -> Starvation | Unfinished | None:
    """Is there an infinite execution, fair to every thread, in which `thread` (its number or name) never returns?

    Every interleaving is looked at in single steps, without reductions. None: no, once it is fair `thread` returns or
    something is violated. ValueError if there is no such thread."""
    t = _number(system, thread)
    with no_collection():
        graph = _Graph(Space(system, reduce=False), t)
        reason = graph.build(budget or Budget())
        if reason:
            return Unfinished(reason, len(graph.states))
        found = graph.fair_component()
        if found is None:
            return None
        prefix, cycle = graph.lasso(found)
        return Starvation(system.programs[t].name, prefix, cycle)


def _number(system: System, thread: int | str) -> int:
    names = [program.name for program in system.programs]
    if isinstance(thread, str) and thread in names:
        return names.index(thread)
    if isinstance(thread, int) and 0 <= thread < len(names):
        return thread
    raise ValueError(f"no thread is {thread!r}; there are: {', '.join(names)}")


class _Graph:
    """All states in which thread `victim` has not returned, numbered as they were found; `after[t][i]` is where the step of
    thread t leads from state i, which may be i itself."""

    def __init__(self, space: Space, victim: int):
        self.space, self.victim = space, victim
        self.states = [space.initial]
        self.parent = array("l", [NOWHERE])
        self.after = [array("l") for _ in space.threads]

    def build(self, budget: Budget) -> str:
        """Returns why it stopped early; an empty string when everything was reached."""
        space, states, parent = self.space, self.states, self.parent
        number = {space.initial: 0}
        mask, returned = space.masks[self.victim], space.finished
        i = 0
        while i < len(states):
            if not i % CHUNK and (reason := budget.spent(len(states), 0)):
                return reason
            state = states[i]
            for t in space.threads:
                try:
                    change = space.difference(state, t)
                except Found:
                    self.after[t].append(THE_END)
                    continue
                if not change:
                    self.after[t].append(NOWHERE if self._blocked(state, t) else i)
                elif (state + change) & mask in returned:
                    self.after[t].append(THE_END)
                else:
                    new = number.setdefault(state + change, len(states))
                    if new == len(states):
                        states.append(state + change)
                        parent.append(i)
                    self.after[t].append(new)
            i += 1
        return ""

    def _blocked(self, state: int, t: int) -> bool:
        """Of a thread that changes nothing: can it not go on? Else it goes round, as with a trylock that fails."""
        step = self.space.steps(state)[t]
        cpu = Cpu(self.space.system.memory, self.space.memories[state >> self.space.shift], t)
        return step.operation is None or step.operation.apply(cpu) is BLOCKED

    def fair_component(self) -> list[int] | None:
        """States that can all be visited for ever, in which each thread that can ever move there does."""
        pending: list[Sequence[int]] = [range(len(self.states))]
        while pending:
            inside = pending.pop()
            for component in self._components(inside):
                wronged = self._wronged(component)
                if not wronged:
                    return component
                rest = [i for i in component if all(after[i] == NOWHERE for after in wronged)]
                if rest:
                    pending.append(rest)
        return None

    def _wronged(self, component: list[int]) -> list[array[int]]:
        """The threads, each as its part of `after`, that can move in some of these states, but never within them."""
        inside = set(component)
        able = [after for after in self.after if any(after[i] != NOWHERE for i in component)]
        return [after for after in able if not any(after[i] in inside for i in component)]

    def _components(self, inside: Sequence[int]) -> Iterable[list[int]]:
        """The strongly connected components of these states (R. E. Tarjan, 1972), without recursion."""
        allowed, open_ = set(inside), set[int]()
        order, low, stack = dict[int, int](), dict[int, int](), list[int]()
        for root in inside:
            path = [] if root in order else [(root, 0)]  # (state, the next thread to follow from it)
            while path:
                i, t = path.pop()
                if t:
                    child = self.after[t - 1][i]
                    if child in open_:
                        low[i] = min(low[i], low[child])
                else:
                    order[i] = low[i] = len(order)
                    stack.append(i)
                    open_.add(i)
                while t < len(self.after) and self.after[t][i] not in allowed:
                    t += 1
                if t < len(self.after):
                    path.append((i, t + 1))
                    if self.after[t][i] not in order:
                        path.append((self.after[t][i], 0))
                elif low[i] == order[i]:
                    yield _cut(stack, open_, i)

    def lasso(self, component: list[int]) -> tuple[list[int], list[int]]:
        """(prefix, cycle): a schedule to the first state of the component, and one from there through a step of each thread
        that can move in it, and back."""
        inside, first = set(component), min(component)
        cycle: list[int] = []
        at = first
        for t, after in enumerate(self.after):
            moving = {i for i in component if after[i] in inside}
            if moving and t not in cycle:
                steps, at = self._path(at, inside, moving)
                cycle += [*steps, t]
                at = after[at]
        back, _ = self._path(at, inside, {first})
        return self._prefix(first), cycle + back

    def _path(self, begin: int, inside: set[int], wanted: set[int]) -> tuple[list[int], int]:
        """(schedule, state): the shortest way, not leaving `inside`, from `begin` to a state that is wanted."""
        came: dict[int, tuple[int, int]] = {}
        pending = deque([begin])
        while pending[0] not in wanted:
            i = pending.popleft()
            for t, after in enumerate(self.after):
                new = after[i]
                if new in inside and new != begin and new not in came:
                    came[new] = (i, t)
                    pending.append(new)
        i = end = pending[0]
        steps = []
        while i in came:
            i, t = came[i]
            steps.append(t)
        return steps[::-1], end

    def _prefix(self, i: int) -> list[int]:
        steps = []
        while self.parent[i] != NOWHERE:
            before = self.parent[i]
            steps.append(next(t for t in self.space.threads if self.after[t][before] == i))
            i = before
        return steps[::-1]


def _cut(stack: list[int], open_: set[int], first: int) -> list[int]:
    """Takes the component that begins at `first` off the stack."""
    component = list[int]()
    while not component or component[-1] != first:
        component.append(stack.pop())
    open_.difference_update(component)
    return component
