"""Every step that a thread can come to, so that a reader may choose who runs next wherever they like.

The explorer stops at a violation; here it goes on beside it, until nothing is left to explore or the budget is spent. What a
budget cut off is then looked for along random schedules; the page says where it does not know what comes next.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..explore import Budget, Space, no_collection
from ..explore.budget import CHUNK
from ..explore.space import Found, NotReducible
from ..machine import BLOCKED, Cpu, Violation
from ..program import System

STATES = 300_000
WALKED = 1_000_000  # steps of random schedules in all
EDGES = 4_500  # a page should stay below 400 kB
STAYS = (0.9, 0.97, 0.99, 0.997)  # how likely a thread takes the next step too
LONGEST = 30_000  # steps of one of them
MOST_ENDS = 300  # memories in which the accounting is wrong at the end; more are not written into a page


Tick = Callable[[int, int], None]


class Ending(NamedTuple):
    """A memory with which all threads have ended, and what is wrong in it. `returned`: it is wrong once they have returned."""

    words: tuple[Any, ...]
    violation: Violation
    returned: bool


class Covered(NamedTuple):
    """`complete`: every interleaving was followed, so every step that there is, is known. `ends` then holds every wrong end."""

    complete: bool
    ends: tuple[Ending, ...]


class Effort(NamedTuple):
    """How much is explored: states, and steps of random schedules where those do not suffice."""

    states: int = STATES
    walked: int = WALKED


LITTLE = Effort(20_000, 100_000)  # where a search was given up: nobody waits for the page longer than for that


def cover(
    system: System, schedules: Sequence[Sequence[int]] = (), effort: Effort = Effort(), tick: Tick | None = None
) -> Covered:
    """Grows the step graphs of `system`: along all interleavings, or as many as `effort` allows and random ones besides, those
    that begin with a part of one of `schedules` among them."""
    with no_collection():
        ends = _explored(system, Budget(effort.states, tick=tick))
        if ends is None:
            _walk(system, schedules, effort.walked, tick)
    if ends is None or len(ends) > MOST_ENDS:
        return Covered(False, ())
    return Covered(True, tuple(ends))


def learn(system: System, schedule: Sequence[int]) -> None:
    """Grows the graphs along one schedule, and by what each thread does behind it if it runs on alone."""
    for t in range(len(system.programs)):
        walker = Walker(system)
        for each in schedule:
            walker.take(each)
        while walker.taken < len(schedule) + LONGEST and walker.take(t):
            pass


def at_end(oracle: Callable[..., Any]) -> bool:
    """Is it one that looks at nothing before the threads have ended?"""
    return bool(getattr(oracle, "at_end", False))


def without_ends(system: System) -> System:
    """The same threads on the same memory, without the oracles of the end: what they find is no reason to stop."""
    return System(system.memory, system.programs, tuple(o for o in system.oracles if not at_end(o)), system.kernel)


def _explored(system: System, budget: Budget) -> list[Ending] | None:
    """The wrong ends among all; None if the budget did not suffice."""
    try:
        return _ends(system, budget, Space(without_ends(system)))
    except NotReducible:
        return _ends(system, budget, Space(without_ends(system), reduce=False))


def _ends(system: System, budget: Budget, space: Space) -> list[Ending] | None:
    order, seen, i = [space.initial], {space.initial}, 0
    while i < len(order):
        if not i % CHUNK and (budget.spent(len(order), 0) or known_edges(system) > EDGES):
            return None
        state, i = order[i], i + 1
        for t in space.threads:
            change = _difference(space, state, t)
            if change and state + change not in seen:
                seen.add(state + change)
                order.append(state + change)
    finals = {state >> space.shift for state in order if space.is_final(state)}
    return _wrong_ends(system, space.memories, finals)


def _difference(space: Space, state: int, t: int) -> int:
    """A move that violates leads nowhere."""
    try:
        return space.difference(state, t)
    except Found:
        space.rows[state >> space.shift][state & space.masks[t]] = 0
        return 0


def _wrong_ends(system: System, memories: Sequence[tuple[Any, ...]], finals: set[int]) -> list[Ending]:
    early, found = [o for o in system.oracles if at_end(o)], list[Ending]()
    for number, words in enumerate(memories):
        for returned, asked in ((False, early), (True, system.at_end if number in finals else ())):
            violation = next((v for oracle in asked if (v := oracle(words)) is not None), None)
            if violation is not None:
                found.append(Ending(words, violation, returned))
                break
    return found


def _walk(system: System, schedules: Sequence[Sequence[int]], most: int, tick: Tick | None) -> None:
    """The schedules themselves, then random ones of `most` steps in all; fewer where the graphs grow too large for a page."""
    for schedule in schedules:
        recorded_walker = Walker(system)
        for t in schedule:
            recorded_walker.take(t)
    chance, walked, walk = random.Random(1), 0, 0
    while walked < most and known_edges(system) < EDGES:
        walker = Walker(system)
        recorded = chance.choice(schedules) if schedules else ()
        for t in recorded[: chance.randrange(len(recorded) + 1)]:
            walker.take(t)
        _wander(walker, chance)
        walked, walk = walked + walker.taken + 1, walk + 1
        if tick is not None:
            tick(walk, 0)


def known_edges(system: System) -> int:
    """How many steps are known to follow another one."""
    return sum(len(step.next) for program in system.programs for step in program.steps if step is not None)


def _wander(walker: Walker, chance: random.Random) -> None:
    """Keeps to one thread for a while: who changes threads at every step seldom gets anywhere."""
    stay, t = chance.choice(STAYS), chance.randrange(len(walker.at))
    while walker.taken < LONGEST:
        if chance.random() > stay or not walker.take(t):
            ready = list(range(len(walker.at)))
            chance.shuffle(ready)
            t = next((other for other in ready if walker.take(other)), -1)
            if t < 0:
                return


class Walker:
    """Takes steps as trace.Recorder does, but notes nothing: its memory is changed in place."""

    def __init__(self, system: System):
        self.system, self.words, self.at = system, list(system.words), [p.first for p in system.programs]
        self.taken, self.failed = 0, False

    def take(self, t: int) -> bool:
        """Thread t takes its next step. False when it has returned or is blocked, or when something went wrong before."""
        step = self.at[t]
        if step.operation is None or self.failed:
            return False
        cpu = Cpu(self.system.memory, self.words, t)
        try:
            value = step.operation.apply(cpu)
        except Violation:
            self.failed = True
            return False
        if value is BLOCKED:
            cpu = Cpu(self.system.memory, self.words, t)
            if not step.operation.sleep(cpu):
                return False
        else:
            self.at[t] = self.system.programs[t].after(step, value)
        for word, stored in cpu.writes.items():
            self.words[word] = stored
        self.taken += 1
        return True
