"""Which orderings between steps of different threads a violation needs.

An *ordering* says that one thread's step comes before another thread's step. Each thread's own steps keep their order. A set of
orderings is *enough* if every execution that keeps them takes the steps of the bad schedule, each thread's in its order, and
ends in the same kind of violation: nothing else can happen, and nobody gets stuck. (No thread goes further than it does in the
schedule.) It is *needed* if without any one of them, the others kept, some execution goes another way. What
`needed_orders()` returns is both.

Where the later step stands behind a lock that the earlier thread wants too, its thread is held back before it takes the lock:
behind it, it would wait for somebody who waits for the lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..explore import Budget, Space
from ..explore.reach import Story, escape
from .steps import Replay, Taken

CHECKED = 20_000  # states of one try
PROVED = 400_000  # states of the last word


class Order(NamedTuple):
    """Step `first` comes before step `then`, which is another thread's. `words`: what the two have to do with each other.
    `gate`: the step before which the later thread is held back; `then` itself, or the lock before it."""

    first: Taken
    then: Taken
    gate: Taken
    words: frozenset[int]


class Orders(NamedTuple):
    """`complete` is False where a budget ended the search: then the orderings are enough as far as was looked, or more than
    needed."""

    orders: tuple[Order, ...]
    enough: bool
    needed: bool


def needed_orders(replay: Replay, kind: str, seconds: float = 20.0) -> Orders:
    """The orderings without which the violation of `kind` need not come. Bounded: what can't be decided in time is kept, and
    the answer says so."""
    points = [frozenset(s.nth for s in replay.taken if s.thread == t and _meets(replay, s)) for t in range(len(replay.counts))]
    space = Space(replay.system, reduce=False)
    story = Story(space, replay.paths(), kind, points)
    clock = Budget(max_seconds=seconds)
    tries = _Tries(story, clock)
    found = tries.fewest([], candidates(replay)) if not tries.enough([]) else []
    found = tries.drop_each(found)
    every = story._replace(points=[frozenset(range(len(p))) for p in story.paths])
    other, complete = escape(every, gates(found), Budget(PROVED, seconds))
    return Orders(tuple(found), other is None and complete, not clock.spent(0, 0))


def gates(orders: Iterable[Order]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The orderings as escape() takes them."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for order in orders:
        found.setdefault((order.gate.thread, order.gate.nth), []).append((order.first.thread, order.first.nth + 1))
    return found


def _meets(replay: Replay, step: Taken) -> bool:
    return any(step.thread != other.thread and replay.conflicts(step, other) for other in replay.taken)


def candidates(replay: Replay) -> list[Order]:
    """Every pair of steps of two threads that touch the same word, one of them storing, with no step of the first thread in
    between that does so too. The first are those to keep if there is a choice: what memory holds rather than locks, a store
    before a load, and of several the latest."""
    found = []
    for then in replay.taken:
        done = set()
        for first in reversed(replay.taken[: then.number - 1]):
            words = replay.conflicts(first, then)
            if first.thread != then.thread and words and first.thread not in done:
                done.add(first.thread)
                found.append(Order(first, then, _gate(replay, first, then), words))
    machine = set(replay.system.memory.context) | set(replay.system.memory.grace)
    locks = _locks(replay)

    def preference(order: Order) -> tuple[bool, bool, int]:
        told = order.words - machine - set(locks)
        return not told, not told & order.first.writes, -order.then.number

    return sorted(found, key=preference)


def _locks(replay: Replay) -> set[int]:
    return {address.word for _, field, address in replay.system.memory.named if field.held is not None}


def _gate(replay: Replay, first: Taken, then: Taken) -> Taken:
    """The step with which the later thread took the outermost lock that it holds at `then`, if the earlier thread used that
    lock on its way to `first` and not since; otherwise `then`."""
    memory = replay.system.memory
    held = [a.word for _, f, a in memory.named if f.held is not None and f.held(then.before[a.word], then.thread)]
    gate = then
    for word in held:
        taken = max((s for s in replay.taken[: then.number - 1] if s.thread == then.thread and word in s.writes), default=None)
        wanted = any(word in s.writes for s in replay.taken[: first.number] if s.thread == first.thread)
        if taken is not None and wanted and first.number < taken.number < gate.number:
            gate = taken
    return gate


class _Tries:
    """Removes what is not needed, largest parts first (QuickXplain)."""

    def __init__(self, story: Story, clock: Budget):
        self.story, self.clock = story, clock

    def enough(self, orders: Sequence[Order]) -> bool:
        """Do these orderings leave nothing else? False where that is not known."""
        if self.clock.spent(0, 0):
            return False
        other, complete = escape(self.story, gates(orders), Budget(max_states=CHECKED))
        return other is None and complete

    def fewest(self, kept: list[Order], more: list[Order]) -> list[Order]:
        """A part of `more` that is enough together with `kept`, the first rather than the last."""
        if len(more) <= 1:
            return more
        half = len(more) // 2
        preferred, others = more[:half], more[half:]
        from_others = [] if self.enough(kept + preferred) else self.fewest(kept + preferred, others)
        from_preferred = [] if self.enough(kept + from_others) else self.fewest(kept + from_others, preferred)
        return from_preferred + from_others

    def drop_each(self, orders: list[Order]) -> list[Order]:
        """Without those that are not needed after all."""
        for order in sorted(orders, key=lambda o: o.then.number):
            rest = [o for o in orders if o is not order]
            if self.enough(rest):
                orders = rest
        return sorted(orders, key=lambda o: o.then.number)
