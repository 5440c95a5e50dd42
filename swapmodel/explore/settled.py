"""The search that follows moves of one thread alone: it stores only the states in which threads can disturb each other."""

from __future__ import annotations

import contextlib
import itertools
from array import array
from collections.abc import Iterator
from typing import Any

from .alone import Alone
from .budget import CHUNK
from .search import Search
from .shortest import ending
from .space import Found

FIRST_LOOK = 20_000  # states after which it is first asked whether every decision still holds; then after twice as many
RECENT = 200_000  # states that are remembered although they are not stored


class Settled(Search):
    """Breadth first over the states at which moves settle (Alone.settle)."""

    space: Alone

    def _breadth_first(self) -> str:
        while True:
            reason = self._once()
            if reason or self.outcome.violation is not None:
                return reason
            if self.space.stands():
                return ""
            self.space.forget()  # what was decided does not hold with all that is known now

    def _once(self) -> str:
        """One search with what is known; it ends early where a decision turns out not to hold. Returns as Search.run()."""
        space, outcome, look = self.space, self.outcome, FIRST_LOOK
        self.order, self.parent = [], array("L")
        outcome.depth = outcome.transitions = 0
        seen = set[int]()
        self.recent = set[int]()  # states of which it is known that they settle in one that was seen
        self._reached(space.initial, 0, seen, [])
        i = layer_end = 0
        while i < len(self.order) and outcome.violation is None:
            if i >= layer_end:
                outcome.depth, layer_end = outcome.depth + bool(i), len(self.order)
            if not i % CHUNK and (stop := self.budget.spent(len(self.order), outcome.depth)):
                return stop
            if len(self.order) >= look:
                look *= 2
                if not space.stands():
                    return ""
            self._expand(i, seen)
            i += 1
        return ""

    def _expand(self, i: int, seen: set[int]) -> None:
        space, state, before = self.space, self.order[i], self.outcome.transitions
        for t in space.threads:
            try:
                change = space.difference(state, t)
            except Found as found:
                return self._violated(i, found)
            if change:
                self.outcome.transitions += 1
                self._reached(state + change, i, seen, [t] * space.length(state, t))
                if self.outcome.violation is not None:
                    return None
        if before == self.outcome.transitions:
            nobody = ending(space, state)
            if nobody is not None:
                self._violated(i, nobody)
        return None

    def _reached(self, state: int, i: int, seen: set[int], steps: list[int]) -> None:
        """Stores where `state` settles, which `steps` lead to from state number i."""
        if state in seen or state in self.recent:
            return
        try:
            new = self.space.settle(state)
        except Found as found:
            path = self.schedule(i) + steps + self._path(state)
            self.outcome.verdict, self.outcome.violation = "violated", found.violation
            self.outcome.schedule = path + found.steps
            return
        if len(self.recent) >= RECENT:
            self.recent.clear()
        self.recent.add(state)
        if new not in seen:
            seen.add(new)
            self.order.append(new)
            self.parent.append(i)

    def _path(self, state: int) -> list[int]:
        """Which thread takes each step while `state` settles, or up to where something is violated."""
        path: list[tuple[int, int]] = []
        with contextlib.suppress(Found):
            self.space.settle(state, path)
        return [t for t, steps in path for _ in range(steps)]

    def schedule(self, index: int) -> list[int]:
        if not self.order:
            return []
        space, states = self.space, [self.order[index]]
        while index:
            index = self.parent[index]
            states.append(self.order[index])
        path = self._path(space.initial)
        for state, after in itertools.pairwise(reversed(states)):
            t, begun = next((t, begun) for t, begun in self._moves(state) if space.settle(begun) == after)
            path += [t] * space.length(state, t) + self._path(begun)
        return path

    def _moves(self, state: int) -> Iterator[tuple[int, int]]:
        """Each thread that can move, and the state before anything settles."""
        for t in self.space.threads:
            try:
                change = self.space.difference(state, t)
            except Found:
                continue
            if change:
                yield t, state + change

    def _first(self, state: int) -> int:
        return next(self.space.settle(begun) for _, begun in self._moves(state))

    def _after(self, state: int) -> list[Any]:
        return [self.space.settle(begun) for _, begun in self._moves(state)]
