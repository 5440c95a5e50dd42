"""Two slow explorers to compare the fast one with.

`unmerged` knows nothing of steps: a thread is the tuple of the values it was sent, and its generator is run again from the
start whenever it is asked what it does next. `merged` goes over Program's steps, but without Space's encoding, its tables and
its moves. Both look at everything that can be reached: a violation ends its own path, not the search.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

from swapmodel.machine import BLOCKED, Cpu, Memory, Operation, Violation
from swapmodel.program import System

Start = Callable[[], Any]
Place = tuple[tuple[Any, ...], tuple[Any, ...]]  # words, each thread's pending operation (None: returned)
Said = tuple[str, str]  # kind and message of a violation


class TooBig(Exception):
    """The program has more states than the reference is asked to look at."""


class Reference(NamedTuple):
    """Everything that a program can do."""

    places: set[Place]
    violations: set[Said]
    deadlocks: set[Place]
    doomed: set[Place]  # from here on not every thread can return; of interest where nothing else is wrong
    states: int
    steps: int | None  # of the shortest path to a violation or a deadlock
    kinds: set[str]  # of what is found after so many steps
    switches: tuple[int, int] | None  # the fewest context switches to one, and the fewest steps with so many

    @property
    def verdict(self) -> str:
        return "violated" if self.violations or self.deadlocks or self.doomed else "holds"


class _Graph:
    """All states of a system of threads. `pending(t, local)` is what thread t does next, `advance(t, local, value)` where it
    stands once that has returned `value`."""

    def __init__(
        self,
        memory: Memory,
        oracles: Iterable[Callable[[Any], Violation | None]],
        at_end: Iterable[Callable[[Any], Violation | None]],
        pending: Callable[[int, Any], Operation | None],
        advance: Callable[[int, Any, Any], Hashable],
        limit: int,
    ):
        self.memory, self.oracles, self.pending, self.advance = memory, tuple(oracles), pending, advance
        self.limit, self.at_end = limit, tuple(at_end)

    def walk(self, first: Any) -> Reference:
        edges: dict[Any, list[tuple[int, Any]]] = {}  # state -> (thread, state or Violation)
        depth, layer = {first: 0}, [first]
        while layer:
            after = []
            for state in layer:
                edges[state] = self._edges(state)
                for _, new in edges[state]:
                    if not isinstance(new, Violation) and new not in depth:
                        depth[new] = depth[state] + 1
                        after.append(new)
            if len(depth) > self.limit:
                raise TooBig
            layer = after
        ends: dict[Any, list[tuple[int, str]]] = {}  # state -> (steps that are still to be taken, kind)
        for state, leaving in edges.items():
            ends[state] = [(1, new.kind) for _, new in leaving if isinstance(new, Violation)]
            if not leaving and not self._returned(state):
                ends[state].append((0, "deadlock"))
            ends[state] += [(0, violation.kind) for violation in self._at_end(state)]
        lengths = [(depth[state] + more, kind) for state, found in ends.items() for more, kind in found]
        steps = min((length for length, _ in lengths), default=None)
        return Reference(
            {self.place(state) for state in edges},
            {(new.kind, str(new)) for leaving in edges.values() for _, new in leaving if isinstance(new, Violation)}
            | {(violation.kind, str(violation)) for state in edges for violation in self._at_end(state)},
            {self.place(state) for state, found in ends.items() if (0, "deadlock") in found},
            {self.place(state) for state in set(edges) - self._can_finish(edges)},
            len(edges),
            steps,
            {kind for length, kind in lengths if length == steps},
            self._fewest_switches(first, edges, ends),
        )

    def place(self, state: Any) -> Place:
        words, threads = state
        return words, tuple(self.pending(t, local) for t, local in enumerate(threads))

    def _returned(self, state: Any) -> bool:
        return all(operation is None for operation in self.place(state)[1])

    def _at_end(self, state: Any) -> list[Violation]:
        """What the oracles that are asked at the end say of a state in which every thread has returned."""
        found = [oracle(state[0]) for oracle in self.at_end] if self._returned(state) else []
        return [violation for violation in found if violation is not None][:1]

    def _edges(self, state: Any) -> list[tuple[int, Any]]:
        words, threads = state
        leaving: list[tuple[int, Any]] = []
        for t, local in enumerate(threads):
            operation = self.pending(t, local)
            if operation is None:
                continue
            cpu = Cpu(self.memory, words, t)
            try:
                value = operation.apply(cpu)
                if value is not BLOCKED:
                    local = self.advance(t, local, value)
                elif not operation.sleep(cpu):
                    continue
                after = cpu.after()
                for violation in [oracle(after) for oracle in self.oracles if after != words]:
                    if violation is not None:
                        raise violation
            except Violation as violation:
                leaving.append((t, violation))
                continue
            new = (after, (*threads[:t], local, *threads[t + 1 :]))
            if new != state:
                leaving.append((t, new))
        return leaving

    def _can_finish(self, edges: dict[Any, list[tuple[int, Any]]]) -> set[Any]:
        """The states from which every thread can still return."""
        before: dict[Any, list[Any]] = {}
        for state, leaving in edges.items():
            for _, new in leaving:
                if not isinstance(new, Violation):
                    before.setdefault(new, []).append(state)
        pending = [state for state in edges if self._returned(state)]
        good = set(pending)
        while pending:
            for state in before.get(pending.pop(), ()):
                if state not in good:
                    good.add(state)
                    pending.append(state)
        return good

    @staticmethod
    def _fewest_switches(first: Any, edges: Any, ends: Any) -> tuple[int, int] | None:
        count = itertools.count()  # states can't be ordered
        queue: list[Any] = [(0, 0, next(count), first, -1)]
        done = set()
        while queue:
            switches, steps, _, state, last = heapq.heappop(queue)
            if state is None:
                return switches, steps
            if (state, last) in done:
                continue
            done.add((state, last))
            if any(not more for more, _ in ends[state]):
                return switches, steps
            for t, new in edges[state]:
                more = switches + (last not in (-1, t))
                end = isinstance(new, Violation)
                heapq.heappush(queue, (more, steps + 1, next(count), None if end else new, t))
        return None


def unmerged(system: System, starts: list[Start], limit: int = 100_000) -> Reference:
    """Every interleaving, where a thread's state is its whole history of received values."""

    def pending(t: int, history: tuple[Any, ...]) -> Operation | None:
        return replay(starts[t], history)

    def advance(t: int, history: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
        return (*history, value)

    graph = _Graph(system.memory, system.oracles, system.at_end, pending, advance, limit)
    return graph.walk((system.words, tuple(() for _ in starts)))


def merged(system: System, limit: int = 2_000_000) -> Reference:
    """Every interleaving of Program's steps."""

    def advance(t: int, step: Any, value: Any) -> Any:
        return system.programs[t].after(step, value)

    graph = _Graph(system.memory, system.oracles, system.at_end, lambda t, step: step.operation, advance, limit)
    return graph.walk((system.words, tuple(p.first for p in system.programs)))


def starved(system: System, victim: int, limit: int = 20_000) -> bool:
    """Is there an infinite execution, strongly fair to every thread, in which thread `victim` never returns? By definition:
    some set of threads takes steps for ever, no other thread can then move, and the victim has not returned."""

    def advance(t: int, step: Any, value: Any) -> Any:
        return system.programs[t].after(step, value)

    graph = _Graph(system.memory, system.oracles, system.at_end, lambda t, step: step.operation, advance, limit)
    first = (system.words, tuple(p.first for p in system.programs))
    moves: dict[Any, list[tuple[int, Any]]] = {}
    pending, threads = [first], range(len(system.programs))
    while pending:
        state = pending.pop()
        if state in moves or state[1][victim].operation is None:
            continue
        moves[state] = graph._edges(state) + [(t, state) for t in threads if _goes_round(graph, state, t)]
        pending += [new for _, new in moves[state] if not isinstance(new, Violation)]
        if len(moves) > limit:
            raise TooBig
    sets = [set(chosen) for n in range(len(threads) + 1) for chosen in itertools.combinations(threads, n)]
    return any(_forever(moves, chosen) for chosen in sets)


def _goes_round(graph: _Graph, state: Any, t: int) -> bool:
    """Does the step of thread t lead back to the same state? Then it takes steps, though nobody can tell."""
    words, threads = state
    operation = graph.pending(t, threads[t])
    if operation is None:
        return False
    cpu = Cpu(graph.memory, words, t)
    try:
        value = operation.apply(cpu)
    except Violation:
        return False
    return value is not BLOCKED and cpu.after() == words and graph.advance(t, threads[t], value) == threads[t]


def _forever(moves: dict[Any, list[tuple[int, Any]]], chosen: set[int]) -> bool:
    """Can exactly the threads of `chosen` take steps for ever, no other one being able to?"""
    inside = {state for state, leaving in moves.items() if {t for t, _ in leaving} <= chosen}
    after = {s: [(t, new) for t, new in moves[s] if not isinstance(new, Violation) and new in inside] for s in inside}
    if not chosen:
        return bool(inside)
    before: dict[Any, list[Any]] = {}
    for state, leaving in after.items():
        for _, new in leaving:
            before.setdefault(new, []).append(state)
    left = set(inside)
    while left:
        state = left.pop()
        component = _reached(state, lambda s: [new for _, new in after[s]]) & _reached(state, lambda s: before.get(s, []))
        left -= component
        if {t for s in component for t, new in after[s] if new in component} == chosen:
            return True
    return False


def _reached(first: Any, following: Callable[[Any], Iterable[Any]]) -> set[Any]:
    seen, pending = {first}, [first]
    while pending:
        for new in following(pending.pop()):
            if new not in seen:
                seen.add(new)
                pending.append(new)
    return seen


def replay(start: Start, history: Iterable[Any]) -> Operation | None:
    """What a thread does next after it was sent these values; None once it has returned."""
    generator = start()
    try:
        operation = next(generator)
        for value in history:
            operation = generator.send(value)
    except StopIteration:
        return None
    return operation


def run(system: System, starts: list[Start], schedule: list[int]) -> Said | None:
    """Takes the steps of a schedule, one after the other, and returns the violation in which it ends (a deadlock is one).
    AssertionError when a step can't be taken, or something is violated before the last one."""
    words = system.words
    generators = [start() for start in starts]
    waiting: list[Any] = [next(generator, None) for generator in generators]
    for i, t in enumerate(schedule):
        assert waiting[t] is not None, f"step {i}: thread {t} has returned"
        cpu = Cpu(system.memory, words, t)
        try:
            value = waiting[t].apply(cpu)
            assert value is not BLOCKED or waiting[t].sleep(cpu), f"step {i}: thread {t} is blocked at {waiting[t]}"
            words = cpu.after()
            for violation in [oracle(words) for oracle in system.oracles]:
                if violation is not None:
                    raise violation
        except Violation as violation:
            assert i == len(schedule) - 1, f"step {i} of {len(schedule)}: {violation.kind}, {violation}"
            return violation.kind, str(violation)
        if value is not BLOCKED:
            try:
                waiting[t] = generators[t].send(value)
            except StopIteration:
                waiting[t] = None
    stuck = [
        f"{program.name} waits at {operation}"
        for program, operation in zip(system.programs, waiting, strict=True)
        if operation is not None
    ]
    if not stuck:
        ended = next((v for oracle in system.at_end if (v := oracle(words)) is not None), None)
        return (ended.kind, str(ended)) if ended is not None else None
    for t, operation in enumerate(waiting):
        if operation is not None:
            cpu = Cpu(system.memory, words, t)
            try:
                value = operation.apply(cpu)
                if value is BLOCKED and operation.sleep(cpu):
                    return None
                if value is not BLOCKED and (cpu.after() != words or generators[t].send(value) != operation):
                    return None  # else it waits in a loop, and looks at the same word again
            except (Violation, StopIteration):
                return None
    return "deadlock", "nobody can go on: " + ", ".join(stuck)
