"""For what is too large to explore: every execution with few context switches, or random ones. Neither ever says `holds`.

Most known concurrency bugs need few switches at the right places (M. Musuvathi and S. Qadeer, 2007). A random execution that
runs the thread of the highest priority, and lowers a priority at d - 1 random steps, meets a bug of depth d among n threads
and at most k steps with probability 1 / (n * k^(d - 1)) or more (S. Burckhardt and others, 2010: "probabilistic concurrency
testing").
"""

from __future__ import annotations

import random
import time
from typing import NamedTuple

from ..machine import Violation
from ..program import System
from .budget import CHUNK, Budget, Outcome, no_collection
from .shortest import ending
from .space import Found, Space

LONGEST = 10_000  # steps of one random execution


def few_switches(system: System, switches: int, budget: Budget | None = None) -> Outcome:
    """Every execution with at most so many context switches, in single steps: the fewest first, so a violation is told with as
    few switches as there can be. Without one the verdict is `unfinished`; the reason says what was looked at."""
    if not isinstance(switches, int) or switches < 0:
        raise ValueError(f"switches is a whole number from 0 on, not {switches!r}")
    outcome, began = Outcome(), time.process_time()
    with no_collection():
        try:
            _Bounded(system, switches, budget or Budget(), outcome).run()
        except KeyboardInterrupt:
            outcome.reason = "interrupted"
    outcome.seconds = time.process_time() - began
    return outcome


class _Bounded:
    def __init__(self, system: System, switches: int, budget: Budget, outcome: Outcome):
        self.space, self.most, self.budget, self.outcome = Space(system, reduce=False), switches, budget, outcome
        self.came: dict[int, int] = {}  # a node is a state times threads, plus who moved last -> the node before; -1: none

    def run(self) -> None:
        """Level after level: the nodes that are reached with so many switches, and not with fewer."""
        space, outcome, n = self.space, self.outcome, len(self.space.threads)
        level = [space.initial * n + t for t in space.threads]
        self.came.update(dict.fromkeys(level, -1))
        for switches in range(self.most + 1):
            outcome.depth, later = switches, list[int]()
            while level:
                node = level.pop()
                if not len(self.came) % CHUNK and (stop := self.budget.spent(len(self.came), switches)):
                    outcome.reason = f"{stop}; everything with fewer than {switches} context switches was explored"
                    return
                self._expand(node, level, later)
                if outcome.violation is not None:
                    return
            outcome.states = len(self.came)
            level = later
            if not level:
                outcome.reason = (
                    f"everything was reached with {switches} context switches; explore() proves that all can finish"
                )
                return
        outcome.reason = (
            f"no violation with at most {self.most} context switches; executions with more were not looked at "
            f"({len(self.came)} pairs of a state and who moved last)"
        )

    def _expand(self, node: int, level: list[int], later: list[int]) -> None:
        """Whoever runs goes on, or another one takes over."""
        space, n, moved = self.space, len(self.space.threads), False
        state, last = divmod(node, n)
        for t in space.threads:
            try:
                change = space.difference(state, t)
            except Found as found:
                if t == last:
                    return self._end(node, found)
                change = -1
            if change:
                moved = True
                new, place = (node, t) if t != last else (node + change * n, t)
                new += place - last
                if new not in self.came:
                    self.came[new] = node
                    (level if t == last else later).append(new)
                    self.outcome.transitions += t == last
        nobody = None if moved else ending(space, state)
        if nobody is not None:
            self._end(node, nobody)
        return None

    def _end(self, node: int, found: Found) -> None:
        self.outcome.verdict, self.outcome.violation = "violated", found.violation
        self.outcome.schedule, self.outcome.states = self._schedule(node) + found.steps, len(self.came)

    def _schedule(self, node: int) -> list[int]:
        n, path = len(self.space.threads), list[int]()
        while (before := self.came[node]) >= 0:
            if before // n != node // n:
                path.append(node % n)
            node = before
        return path[::-1]


class Chance(NamedTuple):
    """What random executions are good for: `runs` of them would have met a violation of depth `depth`, in an execution of at
    most `steps` steps by `threads` threads, with at least this `probability`."""

    runs: int
    depth: int
    steps: int
    threads: int

    @property
    def probability(self) -> float:
        return float(1 - (1 - 1 / (self.threads * self.steps ** (self.depth - 1))) ** self.runs)

    def __str__(self) -> str:
        return (
            f"{self.runs} random executions found nothing; a violation that takes {self.depth} ordered steps, in an execution "
            f"of at most {self.steps}, would have been met with probability {self.probability:.2g} or more"
        )


def random_search(
    system: System, runs: int, depth: int = 3, seed: int = 0, steps: int = 0, budget: Budget | None = None
) -> tuple[Outcome, Chance]:
    """`runs` random executions by priorities, in single steps. `steps`: how long an execution is taken to be; 0: twice as long
    as when one thread runs after the other. The same arguments give the same executions. `outcome.states` counts
    distinct states, `transitions` steps; an execution of more than LONGEST steps is cut."""
    for name, value in (("runs", runs), ("depth", depth)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} is a whole number from 1 on, not {value!r}")
    outcome, began, budget = Outcome(), time.process_time(), budget or Budget()
    space, seen, done = Space(system, reduce=False), set[int](), 0
    if not steps:
        steps = 2 * max(1, len(_execution(space, [], {}, seen)[0]))
    with no_collection():
        try:
            for done in range(runs):
                outcome.reason = budget.spent(len(seen), done)
                if outcome.reason:
                    break
                chance = random.Random(f"{seed}:{done}")
                order = chance.sample(range(len(space.threads)), len(space.threads))
                changes = dict(zip(chance.choices(range(steps), k=depth - 1), range(-1, -depth, -1), strict=True))
                path, violation = _execution(space, order, changes, seen)
                outcome.transitions += len(path)
                if violation is not None:
                    outcome.verdict, outcome.violation, outcome.schedule = "violated", violation, path
                    break
            else:
                done = runs
        except KeyboardInterrupt:
            outcome.reason = "interrupted"
    chances = Chance(done, depth, steps, len(space.threads))
    outcome.states, outcome.seconds = len(seen), time.process_time() - began
    if outcome.violation is None:
        outcome.reason = "; ".join(filter(None, (outcome.reason, str(chances))))
    return outcome, chances


def _execution(space: Space, order: list[int], changes: dict[int, int], seen: set[int]) -> tuple[list[int], Violation | None]:
    """(schedule, violation). At each step the thread of the highest priority that can move does; `changes`: after how many
    steps the one that is running gets which priority."""
    priority = {t: len(order) - order.index(t) if order else -t for t in space.threads}
    state, path = space.initial, list[int]()
    while len(path) < LONGEST:
        for t in sorted(space.threads, key=priority.__getitem__, reverse=True):
            try:
                change = space.difference(state, t)
            except Found as found:
                return path + found.steps, found.violation
            if change:
                break
        else:
            nobody = ending(space, state)
            return (path + nobody.steps, nobody.violation) if nobody else (path, None)
        if len(path) in changes:
            priority[t] = changes[len(path)]
            del changes[len(path)]
            continue
        state += change
        path.append(t)
        seen.add(state)
    return path, None
