"""The pin: what kept an object alive for the thread that touched it too late, and where that thread let go of it.

The *victim* is the thread that touches what is gone. For each of its steps the explorer is asked: with the victim standing
still right behind this step, can the other threads get to where the object is freed, or the pointer NULL? The pin is what the
victim dropped with the last step before which they could not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..explore import Budget, Found, NotReducible, Space
from ..explore.reach import Reach, place_of, reach, state_of
from ..machine import NULL, RCU, Address, Violation
from .steps import Replay, Taken

STATES = 50_000  # of one question


class Target(NamedTuple):
    """What the victim touches too late. `gone(words)`: is it freed, or the pointer to it NULL?"""

    name: str
    freed: bool  # else: a pointer that became NULL
    word: int  # its life, or the pointer
    gone: Callable[[tuple[Any, ...]], bool]


class Pin(NamedTuple):
    """The moments, each a step of the schedule, or None where it is not part of it.

    `birth`: the allocation, or the store of the pointer; `since`: the victim's step from which on the others could not take
    the object away; `dropped`: its step with which it let go; `until`: where that step was inside a lock that kept the
    others off as well, the step that dropped this lock; `kill`: the step that frees it or stores NULL; `looked`: where the
    victim loaded the NULL; `use`: the violation. `wall`: the last step of the killing thread that it could get to while the
    victim stood before `dropped`, and `beyond`, the first that it could not. `would_keep`: what would have kept the others
    off if the victim had held it from `dropped` on. `complete` is False where a budget left a question open."""

    target: Target
    birth: Taken | None
    since: Taken | None
    dropped: Taken | None
    until: Taken | None
    kill: Taken
    looked: Taken | None
    use: Taken
    wall: Taken | None
    beyond: Taken | None
    would_keep: tuple[str, ...]
    complete: bool


def target_of(replay: Replay, violation: Violation) -> Target | None:
    """What was touched too late; None where no object was freed and no pointer was NULL."""
    use, address = replay.taken[-1], violation.address
    if violation.kind == "use after free" and address is not None and address.life >= 0:
        life, birth = address.life, address.birth
        return Target(address.object, True, life, lambda words: bool(words[life] != birth))
    if violation.kind == "double free":
        pointer = use.step.operation.arguments[0] if use.step.operation else NULL
        if pointer and pointer._object.life >= 0:
            life = pointer._object.life
            return Target(str(pointer), True, life, lambda words: bool(words[life] <= 0))
    if violation.kind == "NULL dereference":
        looked = _looked(replay)
        operation = looked.step.operation if looked else None
        if operation is not None and isinstance(operation.address, Address):
            word = operation.address.word
            return Target(str(operation.address), False, word, lambda words: words[word] is NULL)
    return None


def _looked(replay: Replay) -> Taken | None:
    """Where the victim loaded the NULL that it dereferences."""
    victim = replay.taken[-1].thread
    return next((s for s in reversed(replay.taken) if s.thread == victim and s.value is NULL), None)


def pin_of(replay: Replay, violation: Violation, budget: Callable[[], Budget]) -> Pin | None:
    """The pin and the four moments; None where there is no object, or where it was gone from the start."""
    target = target_of(replay, violation)
    if target is None:
        return None
    kill = next((s for s in reversed(replay.taken[:-1]) if target.word in s.writes and _kills(replay, target, s)), None)
    if kill is None:
        return None
    births = [s for s in replay.taken[: kill.number - 1] if target.word in s.writes and not _kills(replay, target, s)]
    looked = None if target.freed else _looked(replay)
    use, others = replay.taken[-1], _Others(replay, target, budget)
    alone = kill.thread == use.thread  # then nobody else had to be kept off
    since, dropped, until = (None, None, None) if alone else others.pinned(kill)
    wall, beyond = others.wall(dropped, kill, until is not None) if dropped else (None, None)
    keeps = tuple(others.would_keep(dropped, kill)) if dropped else ()
    birth = births[-1] if births else None
    return Pin(target, birth, since, dropped, until, kill, looked, use, wall, beyond, keeps, others.complete)


def _kills(replay: Replay, target: Target, step: Taken) -> bool:
    return not target.gone(step.before) and target.gone(replay.after(step.number)[0])


class _Others:
    """What the other threads can do while the victim stands still."""

    def __init__(self, replay: Replay, target: Target, budget: Callable[[], Budget]):
        self.replay, self.target, self.budget, self.complete = replay, target, budget, True
        self.victim, self.space = replay.taken[-1].thread, Space(replay.system)
        self.threads = [t for t in self.space.threads if t != self.victim]
        self.locks = {a.word for _, field, a in replay.system.memory.named if field.held is not None}

    def reach(self, words: tuple[Any, ...], stands: tuple[Any, ...], steps: bool = False) -> Reach:
        """`steps`: in single steps, so that every place they come by is told."""
        if steps and self.space.reduce:
            self.space = Space(self.replay.system, reduce=False)
        try:
            found = reach(self.space, state_of(self.space, words, stands), self.threads, self.target.gone, self.budget())
        except NotReducible:
            return self.reach(words, stands, steps=True)
        except Found:  # words that an oracle forbids: nobody gets there
            return Reach(None, 0, frozenset())
        self.complete = self.complete and found.reached is not None
        return found

    def pinned(self, kill: Taken) -> tuple[Taken | None, Taken | None, Taken | None]:
        """From which of the victim's steps on the others could not, with which it let go of what kept them off, and with which
        of the lock that did so a little longer; None for what there is not."""
        mine = [s for s in self.replay.taken[: kill.number - 1] if s.thread == self.victim]
        last = next((i for i in reversed(range(len(mine))) if not self._can_before(mine[i])), None)
        if last is None:
            return None, None, None
        first = next((i for i in reversed(range(last)) if self._can_before(mine[i])), -1)
        since = mine[first] if first >= 0 else None
        if not mine[last].writes & self.locks or not self._can_before(mine[last], kill):
            return since, mine[last], None  # no lock, or not for its sake
        for i in reversed(range(max(first, 0), last)):
            if not self._can_before(mine[i], kill):
                return since, mine[i], mine[last]
        return since, mine[last], None

    def _can_before(self, step: Taken, unlocked: Taken | None = None) -> bool:
        """Can they, while the victim stands before `step`? It is asked right behind the victim's step before, as whatever the
        others did in between they may do then. With `unlocked`: if it let go of the locks that it holds here but no longer at
        that step. What is not known counts as yes, and is told."""
        earlier = (s.number for s in reversed(self.replay.taken[: step.number - 1]) if s.thread == self.victim)
        words, stands = self.replay.after(next(earlier, 0))
        if unlocked is not None:
            words = self._without_locks(words, unlocked.before)
        return self.reach(words, stands).reached is not False

    def _without_locks(self, words: tuple[Any, ...], later: tuple[Any, ...]) -> tuple[Any, ...]:
        memory, changed = self.replay.system.memory, list(words)
        for _, field, address in memory.named:
            if field.held is not None and field.held(words[address.word], self.victim):
                if not field.held(later[address.word], self.victim):
                    value = words[address.word]
                    changed[address.word] = 0 if value in (self.victim + 1, -self.victim - 1) else value & ~(1 << self.victim)
        context = memory.context[self.victim]
        changed[context] = min(words[context], later[context])
        return tuple(changed)

    def wall(self, dropped: Taken, kill: Taken, unlocked: bool) -> tuple[Taken | None, Taken | None]:
        """How far the killing thread gets on its way while the victim stands before `dropped`, and, if `unlocked`, holds no
        lock that it lets go of before the kill."""
        words, stands = self.replay.after(dropped.number - 1)
        words = self._without_locks(words, kill.before) if unlocked else words
        places = self.reach(words, stands, steps=True).places
        steps = self.space.system.programs[kill.thread].steps
        known = {place_of(steps[n]) for t, n in places if t == kill.thread}
        way = [s for s in self.replay.taken[dropped.number : kill.number] if s.thread == kill.thread]
        far = next((i for i, s in enumerate(way) if place_of(s.step) not in known), len(way))
        return (way[far - 1] if far else None), (way[far] if far < len(way) else None)

    def would_keep(self, dropped: Taken, kill: Taken) -> Iterator[str]:
        """What the victim could have held behind `dropped` so that the others can't: an RCU read-side section, a reference
        that somebody waits for, a lock that is free then and that its own code takes somewhere."""
        words, stands = self.replay.after(dropped.number)
        words = self._without_locks(words, kill.before)
        memory = self.replay.system.memory
        context = memory.context[self.victim]
        if self._keeps(words, stands, context, words[context] + RCU):
            yield "an RCU read-side section"
        for first, _ in memory.refs:
            if self._keeps(words, stands, first, words[first] + 1):
                yield f"a reference to {memory.shown[first].name}"
        taken = {s.operation.address.word for s in self._steps() if isinstance(s.operation.address, Address)}
        for _, field, address in memory.named:
            if field.held is not None and address.word in taken and not words[address.word]:
                if field.held(self.victim + 1, self.victim) and self._keeps(words, stands, address.word, self.victim + 1):
                    yield f"the lock {address}"

    def _steps(self) -> list[Any]:
        return [s for s in self.replay.system.programs[self.victim].steps if s is not None and s.operation is not None]

    def _keeps(self, words: tuple[Any, ...], stands: tuple[Any, ...], word: int, value: Any) -> bool:
        changed = (*words[:word], value, *words[word + 1 :])
        found = self.reach(changed, stands)
        return found.reached is False
