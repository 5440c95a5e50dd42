"""Questions about part of the state space: what the other threads can reach while one stands still, and whether every
execution that keeps some orderings takes the same steps and ends in the same violation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..machine import BLOCKED, Cpu
from .budget import CHUNK, Budget
from .shortest import ending
from .space import BITS, Found, Space

Place = tuple[Any, ...]  # what makes two steps alike: the operation's name, what it is about, and the call stack


class Reach(NamedTuple):
    """`reached`: can they? None when the budget ended first. `places`: (thread, step number) pairs that were come by."""

    reached: bool | None
    states: int
    places: frozenset[tuple[int, int]]


def state_of(space: Space, words: tuple[Any, ...], steps: Iterable[Any]) -> int:
    """The state with these words, where thread t stands at the t-th step. May raise Found, if an oracle forbids the words."""
    state = space._number(space.memories.pack(words), 0, 0) << space.shift
    for t, step in enumerate(steps):
        state += space._place(t, step)
    return state


def reach(
    space: Space, state: int, threads: Iterable[int], goal: Callable[[tuple[Any, ...]], bool], budget: Budget | None = None
) -> Reach:
    """Can `threads`, while all the others stand still, get from `state` to words for which `goal` holds? The search ends there,
    or where nothing new is found; an execution that violates something ends with that."""
    budget, threads = budget or Budget(), tuple(threads)
    seen, pending, numbers = {state}, [state], dict[int, bool]()
    while pending:
        state = pending.pop()
        number = state >> space.shift
        if number not in numbers:
            numbers[number] = goal(space.memories[number])
        if numbers[number]:
            return Reach(True, len(seen), _places(seen, threads))
        if not len(seen) % CHUNK and budget.spent(len(seen), 0):
            return Reach(None, len(seen), _places(seen, threads))
        for t in threads:
            try:
                change = space.difference(state, t)
            except Found:
                continue
            if change and state + change not in seen:
                seen.add(state + change)
                pending.append(state + change)
    return Reach(False, len(seen), _places(seen, threads))


def _places(seen: set[int], threads: tuple[int, ...]) -> frozenset[tuple[int, int]]:
    return frozenset((t, state >> BITS * t & ((1 << BITS) - 1)) for state in seen for t in threads)


def place_of(step: Any) -> Place:
    return (step.operation and (step.operation.name, str(step.operation.address)), step.stack)


class Story(NamedTuple):
    """An execution that went wrong, as orderings constrain it. `paths[t]`: the steps that thread t takes, in its order; the
    last step of one of them is the violation. `kind`: of the violation. `points[t]`: the indices of the steps whose order
    against other threads' steps is tried; all others are taken at once after the one before."""

    space: Space  # not reduced
    paths: Sequence[Sequence[Any]]
    kind: str
    points: Sequence[frozenset[int]]


Gates = Mapping[tuple[int, int], Sequence[tuple[int, int]]]  # (thread, index of its step): (other, steps it must have taken)


def escape(story: Story, gates: Gates, budget: Budget | None = None) -> tuple[list[int] | None, bool]:
    """An execution in which every thread comes to each of `gates` only when the others have taken as many steps as it says,
    and which nevertheless takes a step that is not of the story, or can't go on, or ends otherwise. No thread goes further than
    it does in the story. Returns its schedule, or
    None if there is none; and whether the search was complete."""
    return _Escape(story, gates, budget or Budget(max_states=100_000)).search()


class _Other(Exception):
    """The execution is another one from here on."""


class _Escape:
    def __init__(self, story: Story, gates: Gates, budget: Budget):
        self.story, self.gates, self.budget, self.space = story, gates, budget, story.space
        self.threads = self.space.threads
        self.alike: dict[tuple[int, int, int], bool] = {}

    def search(self) -> tuple[list[int] | None, bool]:
        """Depth first, each thread as long as it goes: an execution that escapes is found early where there is one."""
        start = (self.space.initial, tuple(0 for _ in self.threads))
        came: dict[Any, tuple[Any, list[int]]] = {start: (None, [])}
        pending = [start]
        while pending:
            node = pending.pop()
            if not len(came) % CHUNK and self.budget.spent(len(came), 0):
                return None, False
            moved = False
            for t in self.threads:
                taken: list[int] = []
                try:
                    after = self._move(node, t, taken)
                except _Other:
                    return _schedule(came, node) + taken, True
                if after is None:
                    continue
                moved = True
                if after and after not in came:
                    came[after] = (node, taken)
                    pending.append(after)
            if not moved:
                return _schedule(came, node), True
        return None, True

    def _move(self, node: Any, t: int, taken: list[int]) -> Any:
        """The node after thread t's next step that is tried, and those that follow it; () where it violates as told; None
        where it can't go on or must not."""
        state, counts = node
        path, points, at, began = self.story.paths[t], self.story.points[t], counts[t], state
        while at < len(path) and (state == began or at not in points):
            if any(counts[other] < steps for other, steps in self.gates.get((t, at), ())):
                break
            before = state
            state, at, end = self._step(state, t, at, taken)
            if end:
                return ()
            if state == before:
                break
        return None if state == began else (state, (*counts[:t], at, *counts[t + 1 :]))

    def _step(self, state: int, t: int, at: int, taken: list[int]) -> tuple[int, int, bool]:
        """One step: (state, steps taken, whether it violates as told). The same state where it can't be taken now."""
        if not self._is_alike(state, t, at):
            raise _Other
        try:
            change = self.space.difference(state, t)
        except Found as found:
            taken.append(t)
            if found.violation.kind == self.story.kind:
                return state, at, True
            raise _Other from None
        if not change:
            return state, at, False
        taken.append(t)
        if self.space.is_final(state + change):
            return self._finished(state + change, at + 1)
        slept = self._stands(state, t) is self._stands(state + change, t) and self._blocked(state, t)
        return state + change, at + (not slept), False

    def _finished(self, state: int, at: int) -> tuple[int, int, bool]:
        """Every thread has returned: what must hold then does not, or this is another execution."""
        end = ending(self.space, state)
        if end is None or end.violation.kind != self.story.kind:
            raise _Other
        return state, at, True

    def _blocked(self, state: int, t: int) -> bool:
        cpu = Cpu(self.space.system.memory, self.space.memories[state >> self.space.shift], t)
        return self._stands(state, t).operation.apply(cpu) is BLOCKED

    def _stands(self, state: int, t: int) -> Any:
        return self.space.system.programs[t].steps[state >> BITS * t & ((1 << BITS) - 1)]

    def _is_alike(self, state: int, t: int, at: int) -> bool:
        key = (t, state >> BITS * t & ((1 << BITS) - 1), at)
        if key not in self.alike:
            step, told = self._stands(state, t), self.story.paths[t][at]
            self.alike[key] = step is told or place_of(step) == place_of(told)
        return self.alike[key]


def _schedule(came: dict[Any, tuple[Any, list[int]]], node: Any) -> list[int]:
    parts = []
    while node is not None:
        node, taken = came[node]
        parts.append(taken)
    return [t for taken in reversed(parts) for t in taken]
