"""Why no execution fits a story: the furthest point from which it could still go on, and what stops it there.

A state is *live* if every thread, taken alone, could still do what the story has for it. So a thread that has gone past its
next event makes a state dead, and of the live states the furthest are where the story ends. Of those we show one from which
every move leads to a dead state: nobody has anything left to do but what would spoil the story."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..explore import Found, Space
from ..explore.guided import Guided, last_step
from ..machine import BLOCKED, Address, Pointer
from ..program import Program, Step
from ..trace import explain_wait
from .bound import Bound
from .events import Call, Change, Compare, Store
from .script import Line, StoryScript

LOOKED_AT = 20_000  # states that are searched for what is told
VALUES = 4  # that are told


class Stuck(NamedTuple):
    """Where a story ends: what is next, on which thread, why it can't happen, and the schedule that leads there."""

    line: Line
    thread: int
    why: str
    schedule: list[int]
    matched: int


def stuck(search: Guided, script: StoryScript) -> Stuck:
    """Why an infeasible story, whose search looked at everything, is infeasible."""
    space = search.space
    lines = possible_lines(space, script)
    needs = [needed(program, own) for program, own in zip(space.system.programs, lines, strict=True)]
    live = _live(search, script, needs, [len(own) for own in lines])
    most = max(matched for _, _, matched in live)
    ends = [(state, position) for state, position, matched in live if matched == most]
    if most == sum(map(len, lines)):  # all that the threads can do, each alone, happened
        return _impossible(search, script, ends, [len(own) for own in lines])
    return _choose(search, script, ends)


def possible_lines(space: Space, script: StoryScript) -> list[list[Line]]:
    """The story up to the first event that its thread never does, whatever the others do."""
    limit = min(
        (
            own[done].said.row
            for t, own in enumerate(script.lines)
            if (done := _alone(space.system.programs[t], own)) < len(own)
        ),
        default=None,
    )
    return [[line for line in own if limit is None or line.said.row < limit] for own in script.lines]


def _alone(program: Program, own: list[Line]) -> int:
    """How many of its events a thread can do, taken alone."""
    now = {program.first}
    for done, line in enumerate(own):
        now = {s for s in _reachable(now) if may(line.bound, s)}
        if not now:
            return done
    return len(own)


def _reachable(steps: set[Step]) -> set[Step]:
    found, pending = set(steps), list(steps)
    while pending:
        for after in pending.pop().next.values():
            if after not in found:
                found.add(after)
                pending.append(after)
    return found


def needed(program: Program, own: list[Line]) -> dict[Step, int]:
    """For each step: how many of its events the thread must have done when it stands there, to be able to do the rest."""
    steps = [s for s in program.steps if s is not None]
    before: dict[Step, list[Step]] = {}
    for step in steps:
        for after in step.next.values():
            before.setdefault(after, []).append(step)
    need = dict.fromkeys(steps, len(own))
    able = set(steps)
    for k in range(len(own) - 1, -1, -1):
        pending = [s for s in able if may(own[k].bound, s)]
        able = set(pending)
        while pending:
            for earlier in before.get(pending.pop(), ()):
                if earlier not in able:
                    able.add(earlier)
                    pending.append(earlier)
        for step in able:
            need[step] = k
    return need


def may(bound: Bound, step: Step) -> bool:
    """Could the event happen at this step? Whatever the values are."""
    if bound.stands is not None:
        return bound.stands(step)
    if step.operation is None:
        return False
    if bound.waits is not None:
        return bool(step.operation.blocks)
    return not bound.words or bound.sees(step.operation) or touches(step.operation, bound.words)


def touches(operation: Any, words: frozenset[int]) -> bool:
    """Is one of these words, or the object that it is in, among the arguments?"""
    for argument in operation.arguments:
        if isinstance(argument, Address):
            if argument.word in words or argument.life in words:
                return True
        elif isinstance(argument, Pointer):
            if argument._object.life in words or not words.isdisjoint(argument._object.words):
                return True
    return operation.name in ("percpu_ref_put", "percpu_ref_kill")


def _live(search: Guided, script: StoryScript, needs: list[dict[Step, int]], most: list[int]) -> list[tuple[int, int, int]]:
    """The live nodes: (state, position, events matched of those that count)."""
    found = []
    for state, positions in search.furthest.items():
        steps = search.space.steps(state)
        for position in positions:
            place = [min(done, limit) for done, limit in zip(script.place(position), most, strict=True)]
            if all(need[step] <= done for need, step, done in zip(needs, steps, place, strict=True)):
                found.append((state, position, sum(place)))
    return found


# ---- which of the ends is told -----------------------------------------------------------------------------------------


def _impossible(search: Guided, script: StoryScript, ends: list[tuple[int, int]], most: list[int]) -> Stuck:
    """The next event is one that its thread never does at that place of its own story."""
    left = [(own[done], t) for t, (own, done) in enumerate(zip(script.lines, most, strict=True)) if done < len(own)]
    line, t = min(left, key=lambda one: one[0].said.row)
    state, position = ends[0]
    return Stuck(line, t, missed(search, script, ends, t, line), search.path_to(state, position), script.matched(position))


def _choose(search: Guided, script: StoryScript, ends: list[tuple[int, int]]) -> Stuck:
    space, alive = search.space, {state for state, _ in ends}
    last = [(s, p) for s, p in ends[:LOOKED_AT] if not any(after in alive for after in _successors(space, s))]
    waiting = [
        (_blame(script, position, why, space.system.memory.threads, t), state, position, t, line, why)
        for state, position in last or ends[:LOOKED_AT]
        for t, line in script.next(position)
        if (why := _wait(space, state, t))
    ]
    if waiting:
        _, state, position, t, line, why = min(waiting, key=lambda one: one[0])
        schedule = search.path_to(state, position) + [t] * space.waiting(state, t)[1]
        return Stuck(line, t, f"{space.system.memory.threads[t]} {why}", schedule, script.matched(position))
    state, position = (last or ends)[-1]
    t, line = script.next(position)[0]
    return Stuck(line, t, missed(search, script, ends, t, line), search.path_to(state, position), script.matched(position))


def _successors(space: Space, state: int) -> Iterator[int]:
    for t in space.threads:
        try:
            change = space.difference(state, t)
        except Found:
            continue
        if change:
            yield state + change


def _wait(space: Space, state: int, t: int) -> str:
    """What thread t waits for; an empty string if it can move."""
    try:
        if space.difference(state, t) or space.is_final(state):
            return ""
        step, _ = space.waiting(state, t)
    except Found:
        return ""
    if step.operation is None:
        return ""
    return explain_wait(space.system.memory, space.memories[state >> space.shift], t, step.operation)


def _blame(script: StoryScript, position: int, why: str, threads: tuple[str, ...], me: int) -> tuple[int, int]:
    """(threads to blame that have nothing left to do in the story, threads to blame)."""
    blamed = [t for t, name in enumerate(threads) if t != me and name in why]
    place = script.place(position)
    return sum(place[t] >= len(script.lines[t]) for t in blamed), len(blamed)


def missed(search: Guided, script: StoryScript, ends: list[tuple[int, int]], t: int, line: Line) -> str:
    """What the thread does in place of its next event, when nobody stops it."""
    who, event = search.space.system.memory.threads[t], line.bound.event
    if isinstance(event, Call):
        stacks = {s.stack[-1].function for state, _ in ends[:LOOKED_AT] if (s := search.space.steps(state)[t]).stack}
        names = ", ".join(f"{n}()" for n in sorted(stacks)[:VALUES])
        where = f"; it is in {names} then" if names else f"; {who} has returned by then"
        return f"{who} is never in {event.functions[-1]}() after that{where}"
    if isinstance(event, Change | Compare | Store):
        values = _seen(search, ends, t, line)
        if values:
            return f"{who} never does that; what it does there: {'; '.join(values)}"
    return f"{who} never does that after what the story has before it"


def _seen(search: Guided, ends: list[tuple[int, int]], t: int, line: Line) -> list[str]:
    """What the thread's next steps do with the words of the event."""
    space, memory, told = search.space, search.space.system.memory, dict[str, None]()
    for state, _ in ends[:LOOKED_AT]:
        try:
            if not space.difference(state, t):
                continue
        except Found:
            continue
        taken = last_step(space, state, t, space.length(state, t))
        operation = taken.step.operation
        for w in line.bound.words & set(taken.stores):
            shown = memory.shown[w]
            if shown.hidden:
                continue
            told[f"{shown.name} {shown.show(taken.words[w])} -> {shown.show(taken.stores[w])}"] = None
        if not taken.stores and operation is not None and line.bound.sees(operation) and taken.value is not BLOCKED:
            show = memory.shown[operation.address.word].show if operation.address.word >= 0 else str
            told[f"{operation.address} is {show(taken.value)}"] = None
        if len(told) >= VALUES:
            break
    return list(told)
