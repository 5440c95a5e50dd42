"""Every interleaving of a system's threads, breadth first.

A state is one integer: the number of its memory (memories are interned) and, in 16 bits each, the step every thread stands
at. What a thread's next step does depends on (memory, step) alone, so it is computed once and then added as a difference.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import operator
import time
from array import array
from collections.abc import Callable, Iterator
from typing import Any

from .machine import ACQUIRE, BLOCKED, VISIBLE, Cpu, Violation
from .program import System

BITS = 16
CHUNK = 1024  # states between two looks at the clock
PROBE = 100_000  # pairs of (state, last thread) looked at for a violation with few switches before the full search
FAR = 1 << 60
LONGEST_MOVE = 10_000  # steps; a longer one goes round in circles


class Found(Exception):
    """The last of the next `taken` steps of `thread` violates something."""

    def __init__(self, thread: int, violation: Violation, taken: int = 1):
        super().__init__(str(violation))
        self.thread, self.violation, self.taken = thread, violation, taken


class NotReducible(Exception):
    """A thread tests whether a lock is held: then taking that lock is visible, and no step may be put off."""


class Outcome:
    """What a search found. `schedule` is the counterexample: which thread takes each step."""

    def __init__(self) -> None:
        self.verdict = "unfinished"  # holds | violated | unfinished
        self.reason = ""  # why it is unfinished
        self.violation: Violation | None = None
        self.schedule: list[int] = []
        self.states = self.transitions = self.depth = 0
        self.seconds = 0.0
        self.reduced = False


class Budget:
    """When to give up. None means no limit. `tick(states, depth)` is called now and then, to show progress."""

    def __init__(
        self,
        max_states: int | None = None,
        max_seconds: float | None = None,
        max_bytes: int | None = None,
        tick: Callable[[int, int], None] | None = None,
    ):
        self.max_states, self.max_seconds, self.max_bytes, self.tick = max_states, max_seconds, max_bytes, tick
        self._began = time.process_time()

    def spent(self, states: int, depth: int) -> str:
        """Why the search must stop now, or an empty string."""
        if self.tick:
            self.tick(states, depth)
        if self.max_states is not None and states >= self.max_states:
            return f"the budget of {self.max_states} states is used up"
        if self.max_seconds is not None and time.process_time() - self._began >= self.max_seconds:
            return f"the budget of {self.max_seconds:g} seconds is used up"
        if self.max_bytes is not None and resident_bytes() >= self.max_bytes:
            return f"the budget of {self.max_bytes >> 20} MiB of memory is used up"
        return ""


def resident_bytes() -> int:
    """This process's memory now; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096
    except OSError:
        return 0


Case = tuple[tuple[tuple[int, Any], ...], int, int]  # (word, value) stored; difference of the place; steps taken


class Watched:
    """Words that note which of them are read."""

    def __init__(self, words: tuple[Any, ...]):
        self._words, self.reads = words, set[int]()

    def __getitem__(self, word: int) -> Any:
        self.reads.add(word)
        return self._words[word]


class Table:
    """What is known of one step's move, by the values of the words that it was ever seen to read."""

    def __init__(self, reads: set[int]):
        self.reads, self.cases = reads, dict[Any, Case]()
        self.key: Callable[[Any], Any] = operator.itemgetter(*sorted(reads)) if reads else _nothing


def _nothing(words: Any) -> None:
    return None


class Space:
    """The state space: interned memories, and for each the differences that moves taken there make.

    Steps that move. With `reduce`, a move of a thread is its invisible steps and at most one lock taken, followed by the
    first step that others can notice. Invisible is a load of what no other thread can store (a constant, or data guarded by
    a lock the thread holds) and a store of what no other thread can load. Any execution can be rearranged so that such
    steps, and the taking of a lock, come right before their thread's next visible step: none of the steps they are put
    off past could see or undo them, and if one frees their memory, they fail there instead. So a violation is found if
    and only if the full search finds one, and the cheapest path in steps is as long. A move never ends behind a lock that
    stands before another wait, so that deadlocks remain.

    With `early`, a move goes on over the releases that follow its visible step: letting others go on sooner hides nothing,
    but a counterexample may then contain releases it does not need. Tested against the full search: tests/test_soundness.py.
    """

    def __init__(self, system: System, reduce: bool = True, early: bool = True, skip: frozenset[str] = frozenset()):
        self.system, self.threads = system, range(len(system.programs))
        self.reduce, self.early = reduce, reduce and early
        self.skip = skip  # operations that never wait: what would happen without them?
        self.shift = BITS * len(system.programs)
        self.masks = tuple(((1 << BITS) - 1) << BITS * t for t in self.threads)
        self.memories: list[tuple[Any, ...]] = []
        self._numbers: dict[tuple[Any, ...], int] = {}
        self.rows: list[dict[int, int]] = []  # memory -> {step, in its place in the state: difference, 0 if blocked}
        self._tables: dict[int, Table] = {}
        self.longs: list[dict[int, int]] = []  # memory -> {step, in its place: steps of a move that has more than one}
        self.finished: set[int] = set()  # steps, in their place, at which a thread has returned
        self.initial = self._number(system.words, 0, 0) << self.shift
        for t, program in enumerate(system.programs):
            self.initial += self._place(t, program.first)

    def _place(self, t: int, step: Any) -> int:
        place: int = step.index << BITS * t
        if step.operation is None:
            self.finished.add(place)
        return place

    def _number(self, words: tuple[Any, ...], thread: int, taken: int) -> int:
        number = self._numbers.get(words)
        if number is None:
            for oracle in self.system.oracles:
                violation = oracle(words)
                if violation is not None:
                    raise Found(thread, violation, taken)
            number = self._numbers[words] = len(self.memories)
            self.memories.append(words)
            self.rows.append({})
            self.longs.append({})
        return number

    def difference(self, state: int, t: int) -> int:
        """What to add to `state` for thread t's next move; 0 when it can't make one. May raise Found."""
        place, number = state & self.masks[t], state >> self.shift
        row = self.rows[number]
        if place not in row:
            row[place] = self._difference(number, place, t)
        return row[place]

    def length(self, state: int, t: int) -> int:
        """How many steps thread t's next move has."""
        return self.longs[state >> self.shift].get(state & self.masks[t], 1)

    def _difference(self, number: int, place: int, t: int) -> int:
        words = self.memories[number]
        table = self._tables.get(place)
        case = table.cases.get(table.key(words)) if table else None
        if case is None:
            case = self._learn(words, place, t)
        writes, moved, taken = case
        if taken > 1:
            self.longs[number][place] = taken
        if not writes:
            return moved
        for word, value in writes:
            words = (*words[:word], value, *words[word + 1 :])
        after = self._numbers.get(words)
        if after is None:
            after = self._number(words, t, taken)
        return (after - number << self.shift) + moved

    def _learn(self, words: tuple[Any, ...], place: int, t: int) -> Case:
        """What the move does in every memory that agrees with `words` on the words it reads."""
        watched = Watched(words)
        cpu = Cpu(self.system.memory, watched, t)
        first = self.system.programs[t].steps[place >> BITS * t]
        step, taken = self._move(cpu, first)
        if not taken:
            cpu.writes, step = {}, first
        case = (tuple(cpu.writes.items()), self._place(t, step) - place, taken)
        table = self._tables.get(place)
        if table is None or not watched.reads <= table.reads:
            table = self._tables[place] = Table(watched.reads | (table.reads if table else set()))
        table.cases[table.key(words)] = case
        return case

    def _move(self, cpu: Cpu, step: Any) -> tuple[Any, int]:
        """The thread's next move: (step after, steps taken). 0 steps when it has returned or is blocked."""
        after = self.system.programs[cpu.me].after
        taken, acquired = 0, None
        while step.operation is not None:
            operation = step.operation
            if acquired is not None and operation.blocks:
                step, taken, cpu.writes = acquired
                break
            if taken > LONGEST_MOVE:
                raise Found(cpu.me, Violation("livelock", "it goes round for ever and nobody could notice"), taken)
            if self.reduce and operation.name == "spin_trylock":
                raise NotReducible
            kind = operation.moves(cpu) if self.reduce else VISIBLE
            try:
                value = operation.apply(cpu)
            except Violation as violation:
                raise Found(cpu.me, violation, taken + 1) from None
            if value is BLOCKED and operation.name in self.skip:
                value = None
            if value is BLOCKED:
                return step, taken + 1 if operation.sleep(cpu) else 0
            step, taken = after(step, value), taken + 1
            if kind == VISIBLE:
                while self.early and step.operation is not None and step.operation.releases:
                    step, taken = after(step, step.operation.apply(cpu)), taken + 1
                break
            if kind == ACQUIRE:
                acquired = (step, taken, dict(cpu.writes))
        return step, taken

    def steps(self, state: int) -> list[Any]:
        """The step each thread stands at."""
        return [p.steps[(state >> BITS * t) & ((1 << BITS) - 1)] for t, p in enumerate(self.system.programs)]

    def final_places(self) -> set[int]:
        """All the ways for every thread to have returned, as the part of a state below its memory."""
        each = [[place for place in self.finished if place & mask] for mask in self.masks]
        return {sum(places) for places in itertools.product(*each)}

    def is_final(self, state: int) -> bool:
        return all(state & mask in self.finished for mask in self.masks)


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """A search makes millions of integers and no cycles: Python's collector would look through them for nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def explore(
    system: System,
    budget: Budget | None = None,
    *,
    finish: bool = True,
    reduce: bool = True,
    shortest: str = "steps",
    hunt: bool = False,
) -> tuple[Outcome, Space]:
    """Breadth-first search through all interleavings until a violation.

    The schedule found has the fewest "steps", or the fewest context "switches" and then steps, as `shortest` says; "any" has
    few steps, but is not proven to have the fewest. `hunt` looks for it at once, which is faster where there is one. `finish`
    also demands that from every state every thread can still return (else: deadlock or livelock). `reduce` explores moves
    in place of single steps (see Space)."""
    budget = budget or Budget()
    began = time.process_time()
    with no_collection():
        try:
            outcome, space = _explore(system, budget, finish, reduce, shortest, hunt)
        except NotReducible:
            outcome, space = _explore(system, budget, finish, False, shortest, hunt)
    outcome.seconds = time.process_time() - began
    return outcome, space


def _explore(system: System, budget: Budget, finish: bool, reduce: bool, shortest: str, hunt: bool) -> tuple[Outcome, Space]:
    outcome = Outcome()
    outcome.reduced = reduce
    exact = shortest != "any"
    if hunt and _hunt(Space(system, reduce, early=not exact), outcome, shortest, budget):
        return outcome, Space(system, reduce)
    space = Space(system, reduce)
    search = _Search(space, budget, outcome)
    search.run()
    if finish and outcome.verdict == "holds":
        search.demand_finish()
    if outcome.violation is not None and outcome.violation.kind != "livelock":
        _hunt(Space(system, reduce, early=not exact), outcome, shortest, budget)
    return outcome, space


def _hunt(space: Space, outcome: Outcome, shortest: str, budget: Budget) -> bool:
    """Looks for the shortest counterexample. Moves differ in length and may have needless releases: the path with the fewest
    moves need not be the one with the fewest steps, or switches."""
    found: tuple[list[int], Violation, int] | None
    if shortest == "switches":
        found = fewest_switches(space, Budget(max_states=PROBE))
    else:
        found = fewest_steps(space, budget)
        again = found and fewest_switches(space, Budget(max_states=PROBE), [found[0].count(t) for t in space.threads])
        if found and again and len(again[0]) == len(found[0]):
            found = (again[0], again[1], found[2])  # as few steps, fewer context switches
    if found is None:
        return False
    outcome.schedule, outcome.violation = found[0], found[1]
    outcome.states = outcome.states or found[2]
    outcome.verdict = "violated"
    return True


class _Search:
    def __init__(self, space: Space, budget: Budget, outcome: Outcome):
        self.space, self.budget, self.outcome = space, budget, outcome
        self.order: list[int] = [space.initial]  # states as they were found
        self.parent = array("L", [0])  # index in `order` of the state each was found from

    def run(self) -> None:
        outcome = self.outcome
        try:
            outcome.reason = self._breadth_first()
        except KeyboardInterrupt:
            outcome.reason = "interrupted"
        outcome.states = len(self.order)
        if outcome.violation is None:
            outcome.verdict = "unfinished" if outcome.reason else "holds"

    def _breadth_first(self) -> str:
        """Returns why it stopped early; an empty string when the whole space was explored or a violation found."""
        space, outcome, order, parent = self.space, self.outcome, self.order, self.parent
        rows, masks, shift, difference = space.rows, space.masks, space.shift, space.difference
        seen, append, add_parent = {space.initial}, order.append, parent.append
        add, edges, i, layer_end = seen.add, 0, 0, 1
        while i < len(order):
            if i >= layer_end:
                outcome.depth, layer_end = outcome.depth + 1, len(order)
            stop = self.budget.spent(len(order), outcome.depth)
            if stop:
                outcome.transitions = edges
                return stop
            for state in order[i : min(i + CHUNK, layer_end)]:
                row, before = rows[state >> shift], edges
                for t, mask in enumerate(masks):
                    change = row.get(state & mask)
                    if change is None:
                        try:
                            change = difference(state, t)
                        except Found as found:
                            outcome.transitions = edges
                            self._violated(i, found)
                            return ""
                    if change:
                        edges += 1
                        new = state + change
                        if new not in seen:
                            add(new)
                            append(new)
                            add_parent(i)
                if edges == before and not space.is_final(state):
                    self._violated(i, Found(0, _deadlock(space, state), 0))
                    outcome.transitions = edges
                    return ""
                i += 1
        outcome.transitions = edges
        return ""

    def _violated(self, index: int, found: Found) -> None:
        outcome = self.outcome
        outcome.violation = found.violation
        outcome.schedule = self.schedule(index) + [found.thread] * found.taken
        outcome.verdict = "violated"

    def schedule(self, index: int) -> list[int]:
        """Which thread takes each step on the way to the state of this index."""
        states = [self.order[index]]
        while index:
            index = self.parent[index]
            states.append(self.order[index])
        states.reverse()
        path: list[int] = []
        for state, after in itertools.pairwise(states):
            t = next(t for t in self.space.threads if state + (self.space.difference(state, t) or -state) == after)
            path += [t] * self.space.length(state, t)
        return path

    def demand_finish(self) -> None:
        """From every state every thread can still return. First each state is followed along one schedule, the first thread
        that can move; what that does not answer is searched backwards."""
        space = self.space
        rows, masks, shift = space.rows, space.masks, space.shift
        finals, steps_only = space.final_places(), (1 << shift) - 1
        good = {state for state in self.order if state & steps_only in finals}
        unclear: set[int] = set()
        for state in reversed(self.order):
            path = []
            while state not in good and state not in unclear:
                row = rows[state >> shift]
                for mask in masks:
                    change = row[state & mask]
                    if change:
                        break
                if state + change in good:
                    good.add(state)
                    break
                path.append(state)
                unclear.add(state)
                state += change
            if path and state in good:
                good.update(path)
                unclear.difference_update(path)
        self._search_backwards(good, unclear)

    def _search_backwards(self, good: set[int], unclear: set[int]) -> None:
        """Adds to `good` the unclear states from which a good one can be reached; the others are doomed."""
        before: dict[int, list[int]] = {}
        pending: list[int] = []
        for state in unclear:
            row = self.space.rows[state >> self.space.shift]
            for mask in self.space.masks:
                after = state + row[state & mask]
                if after in good:
                    pending.append(state)
                before.setdefault(after, []).append(state)
        while pending:
            state = pending.pop()
            if state not in good:
                good.add(state)
                pending += before.get(state, ())
        doomed = next((state for state in self.order if state not in good), None) if unclear - good else None
        if doomed is not None:
            self._livelock(doomed)

    def _livelock(self, state: int) -> None:
        names = [p.name for p, step in zip(self.space.system.programs, self.space.steps(state), strict=True) if step.operation]
        self.outcome.verdict = "violated"
        self.outcome.violation = Violation("livelock", f"from here on {', '.join(names)} can never all return")
        self.outcome.schedule = self.schedule(self.order.index(state))


def _deadlock(space: Space, state: int) -> Violation:
    waits = [
        f"{program.name} waits at {step.operation}"
        for program, step in zip(space.system.programs, space.steps(state), strict=True)
        if step.operation is not None
    ]
    return Violation("deadlock", "nobody can go on: " + ", ".join(waits))


def fewest_steps(space: Space, budget: Budget | None = None) -> tuple[list[int], Violation, int] | None:
    """The violating schedule with the fewest steps, and how many states were visited: moves cost what they have steps. None
    when the budget ends first, or when there is no violation."""
    budget = budget or Budget()
    rows, longs, masks, shift = space.rows, space.longs, space.masks, space.shift
    best = {space.initial: 0}
    came: dict[int, tuple[int, int]] = {}
    buckets: dict[int, list[int]] = {0: [space.initial]}
    found: tuple[int, int, Found] | None = None  # total steps, state, what happens there
    while buckets:
        cost = min(buckets)
        if (found and found[0] <= cost) or budget.spent(len(best), cost):
            break
        for state in buckets.pop(cost):
            if best[state] != cost:
                continue
            row, long, stuck = rows[state >> shift], longs[state >> shift], True
            for t, mask in enumerate(masks):
                place = state & mask
                change = row.get(place)
                if change is None:
                    try:
                        change = space.difference(state, t)
                    except Found as end:
                        if found is None or cost + end.taken < found[0]:
                            found = (cost + end.taken, state, end)
                        stuck = False
                        continue
                if change:
                    stuck, new, total = False, state + change, cost + long.get(place, 1)
                    if best.get(new, FAR) > total:
                        best[new], came[new] = total, (state, t)
                        buckets.setdefault(total, []).append(new)
            if stuck and found is None and not space.is_final(state):
                found = (cost, state, Found(0, _deadlock(space, state), 0))
    if found is None:
        return None
    _, state, last = found
    return _back(space, came, state) + [last.thread] * last.taken, last.violation, len(best)


def _back(space: Space, came: dict[int, tuple[int, int]], state: int) -> list[int]:
    moves = []
    while state in came:
        state, t = came[state]
        moves.append((t, space.length(state, t)))
    return [t for t, steps in reversed(moves) for _ in range(steps)]


def fewest_switches(
    space: Space, budget: Budget | None = None, limits: list[int] | None = None
) -> tuple[list[int], Violation, int] | None:
    """The violating schedule with the fewest context switches and, among those, the fewest steps; and how many (state, last
    thread) pairs were visited. None when the budget ends first, or when there is no violation. `limits`: how many steps each
    thread may take."""
    budget, threads = budget or Budget(), len(space.threads)
    taken: list[tuple[int, ...]] = [tuple(limits or ())]  # node -> steps that each thread has left
    came: list[tuple[int, int, int]] = [(0, -1, 0)]  # node before, thread, steps
    ends: dict[int, Violation] = {}
    done: set[int] = set()
    now: dict[int, list[tuple[int, int]]] = {0: [(space.initial, 0)]}  # steps -> (state, node) with this many switches
    while now:
        later: dict[int, list[tuple[int, int]]] = {}
        while now:
            cost = min(now)
            for state, node in now.pop(cost):
                if node in ends:
                    return _path(came, node), ends[node], len(done)
                last = came[node][1]
                if state * threads + last in done:
                    continue
                done.add(state * threads + last)
                if not len(done) % CHUNK and budget.spent(len(done), cost):
                    return None
                stuck = True
                for t in space.threads:
                    change, steps = _try(space, state, t, ends, len(came))
                    if change and limits is not None:
                        left = list(taken[node])
                        left[t] -= steps
                        taken.append(tuple(left))
                        if left[t] < 0:
                            taken.pop()
                            ends.pop(len(came), None)
                            change, stuck = 0, False
                    if change:
                        stuck = False
                        level = now if t == last or last < 0 else later
                        level.setdefault(cost + steps, []).append((state + change, len(came)))
                        came.append((node, t, steps))
                if stuck and not space.is_final(state):
                    return _path(came, node), _deadlock(space, state), len(done)
        now = later
    return None


def _try(space: Space, state: int, t: int, ends: dict[int, Violation], node: int) -> tuple[int, int]:
    """Thread t's next move from `state`: (difference, steps). A violation is noted as the end that `node` will be."""
    try:
        return space.difference(state, t), space.length(state, t)
    except Found as found:
        ends[node] = found.violation
        return -1, found.taken


def _path(came: list[tuple[int, int, int]], node: int) -> list[int]:
    moves: list[tuple[int, int]] = []
    while node:
        node, t, steps = came[node]
        moves.append((t, steps))
    return [t for t, steps in reversed(moves) for _ in range(steps)]
