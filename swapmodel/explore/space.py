"""The state space: states as integers, moves as differences between them, each computed once.

A state is one integer: the number of its memory (memories are interned) and, in 16 bits each, the step every thread stands at.
What a thread's next move does depends on (memory, step) alone, so it is computed once and then added as a difference.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..machine import ACQUIRE, BLOCKED, VISIBLE, Cpu, Violation
from ..program import KernelError, System, at
from .memories import WORDS, Memories, Packed

BITS = 16
LONGEST_MOVE = 10_000  # steps; a longer one goes round in circles


class Found(Exception):
    """The last of the next `taken` steps of `thread` violates something; or, after `steps`, nobody can go on."""

    def __init__(self, thread: int, violation: Violation, taken: int = 1, steps: list[int] | None = None):
        super().__init__(str(violation))
        # Without its traceback, whose frames would keep the whole search alive for as long as the outcome is.
        self.thread, self.violation = thread, violation.with_traceback(None)
        self.steps = [thread] * taken if steps is None else steps

    @property
    def taken(self) -> int:
        return len(self.steps)


class NotReducible(Exception):
    """A thread tests whether a lock is held: then taking that lock is visible, and no step may be put off."""


Visible = Callable[[int, Any, Any, Mapping[int, Any]], bool]  # (thread, step, step after it, words stored)
Case = tuple[tuple[tuple[int, Any], ...], int, int]  # (word, value) stored; difference of the place; steps taken


class Watched:
    """Words that note which of them are read."""

    def __init__(self, words: tuple[Any, ...]):
        self._words, self.reads = words, set[int]()

    def __getitem__(self, word: int) -> Any:
        self.reads.add(word)
        return self._words[word]


def _picker(indices: set[int]) -> Callable[[Any], Any]:
    """Picks the elements of these indices."""
    return operator.itemgetter(*sorted(indices)) if indices else lambda elements: None


class Looked:
    """Words that note which of them an oracle looks at."""

    def __init__(self, words: tuple[Any, ...], seen: set[int]):
        self._words, self._seen = words, seen

    def __len__(self) -> int:
        return len(self._words)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            self._seen.update(range(*index.indices(len(self._words))))
        else:
            self._seen.add(index % len(self._words))
        return self._words[index]

    def __iter__(self) -> Any:
        self._seen.update(range(len(self._words)))
        return iter(self._words)


class Table:
    """What is known of one step's move, by the values of the words that it was ever seen to read."""

    def __init__(self, reads: set[int]):
        self.reads, self.cases = reads, dict[Any, Case]()
        self.key = _picker(reads)


class Change(NamedTuple):
    """What a move makes of a memory: (block, its new value) for those that change; see Case."""

    blocks: tuple[tuple[int, int], ...]
    moved: int
    taken: int


class Changes:
    """The same as a Table, by blocks of words: those that the move reads or stores to."""

    def __init__(self, blocks: set[int]):
        self.blocks, self.known = blocks, dict[Any, Change]()
        self.key = _picker(blocks)


class Fine:
    """Values of the blocks that the oracles look at, in which they found nothing wrong."""

    def __init__(self, blocks: set[int]):
        self.blocks, self.known, self.key = blocks, set[Any](), _picker(blocks)


class Space:
    """The state space: interned memories, and for each the differences that moves taken there make.

    Steps that move. With `reduce`, a move of a thread is its invisible steps and at most one lock taken, followed by the
    first step that others can notice. Invisible is a load of what no other thread can store (a constant, or data guarded by
    a lock the thread holds), a store of what no other thread can load, and the beginning of an RCU read-side section. Any
    execution can be rearranged so that such steps, and the taking of a lock, come right before their thread's next visible
    step: none of the steps they are put off past could see or undo them, and if one frees their memory, they fail there
    instead; a grace period waits for fewer sections then, which only allows more. So a violation is found if and only if
    the full search finds one, and the cheapest path in steps is as long. A move ends behind a lock that stands before
    another wait, so that deadlocks remain.

    With `early`, a move goes on over the releases that follow its visible step: letting others go on sooner hides nothing,
    but a counterexample may then contain releases it does not need. Tested against the full search: tests/test_soundness.py.

    `visible(thread, step, after, stores)` says of a step that the caller wants to see it where it happens (an event of a
    story): then it ends its move, like the steps that other threads can notice, and no release is taken early across it.
    `stores` are those of the move so far.
    """

    def __init__(
        self,
        system: System,
        reduce: bool = True,
        early: bool = True,
        skip: frozenset[str] = frozenset(),
        visible: Visible | None = None,
    ):
        self.system, self.threads = system, range(len(system.programs))
        self.visible = visible
        self.reduce, self.early = reduce, reduce and early
        self.skip = skip  # operations that never wait: what would happen without them?
        self.shift = BITS * len(system.programs)
        self.masks = tuple(((1 << BITS) - 1) << BITS * t for t in self.threads)
        self.memories = Memories()
        self.rows: list[dict[int, int]] = []  # memory -> {step, in its place in the state: difference, 0 if blocked}
        self._tables: dict[int, Table] = {}
        self._changes: dict[int, Changes] = {}
        self.looked: set[int] = set()  # the words that oracles look at
        self._fine = Fine(set())
        self.longs: list[dict[int, int]] = []  # memory -> {step, in its place: steps of a move that has more than one}
        self.finished: set[int] = set()  # steps, in their place, at which a thread has returned
        self.initial = self._number(self.memories.pack(system.words), 0, 0) << self.shift
        for t, program in enumerate(system.programs):
            self.initial += self._place(t, program.first)

    def _place(self, t: int, step: Any) -> int:
        place: int = step.index << BITS * t
        if step.operation is None:
            self.finished.add(place)
        return place

    def _number(self, packed: Packed, thread: int, taken: int) -> int:
        """The number of a memory, which is asked whether it violates something when it is new."""
        number = self.memories.find(packed)
        if number is None:
            violation = self._asked(packed)
            if violation is not None:
                raise Found(thread, violation, taken)
            number = self.memories.add(packed)
            self.rows.append({})
            self.longs.append({})
        return number

    def _asked(self, packed: Packed) -> Violation | None:
        """What the oracles say of a memory that is new. They look at few blocks, which may have been found fine before."""
        if self._fine.key(packed) in self._fine.known:
            return None
        words: Any = Looked(self.memories.words(packed), self.looked)
        violation = next((v for oracle in self.system.oracles if (v := oracle(words)) is not None), None)
        if violation is None:
            blocks = {word // WORDS for word in self.looked}
            if blocks != self._fine.blocks:
                self._fine = Fine(blocks)
            self._fine.known.add(self._fine.key(packed))
        return violation

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
        packed, changes = self.memories.packed[number], self._changes.get(place)
        change = changes.known.get(changes.key(packed)) if changes else None
        if change is None:
            change = self._change(packed, place, t)
        blocks, moved, taken = change
        if taken > 1:
            self.longs[number][place] = taken
        if not blocks:
            return moved
        after = list(packed)
        for block, value in blocks:
            after[block] = value
        return (self._number(tuple(after), t, taken) - number << self.shift) + moved

    def _change(self, packed: Packed, place: int, t: int) -> Change:
        """What the move makes of every memory that agrees with this one on the blocks it reads or stores to."""
        writes, moved, taken = self._case(self.memories.words(packed), place, t)
        change = Change(self.memories.stored(packed, writes), moved, taken)
        touched = {word // WORDS for word in self._tables[place].reads}.union(word // WORDS for word, _ in writes)
        changes = self._changes.get(place)
        if changes is None or not touched <= changes.blocks:
            changes = self._changes[place] = Changes(touched | (changes.blocks if changes else set()))
        changes.known[changes.key(packed)] = change
        return change

    def _case(self, words: tuple[Any, ...], place: int, t: int) -> Case:
        table = self._tables.get(place)
        case = table.cases.get(table.key(words)) if table else None
        return case or self._learn(words, place, t)

    def _learn(self, words: tuple[Any, ...], place: int, t: int) -> Case:
        """What the move does in every memory that agrees with `words` on the words it reads."""
        watched = self._watch(words)
        cpu = Cpu(self.system.memory, watched, t)
        first: Any = self.system.programs[t].steps[place >> BITS * t]
        try:
            step, taken = self._move(cpu, first)
        except (AttributeError, TypeError) as error:
            raise KernelError(f"{at(first.stack)}: or what follows it: {error}") from error
        if not taken:
            cpu.writes, step = {}, first
        case = (tuple(cpu.writes.items()), self._place(t, step) - place, taken)
        table = self._tables.get(place)
        if table is None or not watched.reads <= table.reads:
            table = self._tables[place] = Table(watched.reads | (table.reads if table else set()))
        table.cases[table.key(words)] = case
        return case

    def _watch(self, words: tuple[Any, ...]) -> Watched:
        return Watched(words)

    def _apply(self, cpu: Cpu, operation: Any) -> Any:
        return operation.apply(cpu)

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
                break  # it goes round in circles, and nobody could notice
            if self.reduce and operation.peeks(self.system.memory):
                raise NotReducible
            kind = operation.moves(cpu) if self.reduce else VISIBLE
            try:
                value = self._apply(cpu, operation)
            except Violation as violation:
                raise Found(cpu.me, violation, taken + 1) from None
            if value is BLOCKED and operation.name in self.skip:
                value = None
            if value is BLOCKED:
                return step, taken + 1 if operation.sleep(cpu) else 0
            before, step, taken = step, after(step, value), taken + 1
            if self.visible is not None and self.visible(cpu.me, before, step, cpu.writes):
                return step, taken
            if kind == VISIBLE:
                return self._release(cpu, step, taken)
            if kind == ACQUIRE:
                acquired = (step, taken, dict(cpu.writes))
        return step, taken

    def _release(self, cpu: Cpu, step: Any, taken: int) -> tuple[Any, int]:
        """Goes on over the releases that follow a visible step; one that would fail is left for a move of its own."""
        while self.early and step.operation is not None and step.operation.releases(cpu):
            before = dict(cpu.writes)
            try:
                value = self._apply(cpu, step.operation)
            except Violation:
                cpu.writes = before
                break
            after = self.system.programs[cpu.me].after(step, value)
            if self.visible is not None and self.visible(cpu.me, step, after, cpu.writes):
                cpu.writes = before
                break
            step, taken = after, taken + 1
        return step, taken

    def steps(self, state: int) -> list[Any]:
        """The step each thread stands at."""
        return [p.steps[(state >> BITS * t) & ((1 << BITS) - 1)] for t, p in enumerate(self.system.programs)]

    def waiting(self, state: int, t: int) -> tuple[Any, int]:
        """Where thread t waits, and how many steps that is from where its move would begin."""
        cpu = Cpu(self.system.memory, self.memories[state >> self.shift], t)
        step, taken = self.steps(state)[t], 0
        seen = {step}
        while step.operation is not None:
            value = step.operation.apply(cpu)
            after = step if value is BLOCKED else self.system.programs[t].after(step, value)
            if after in seen:  # it waits, or goes round
                break
            step, taken = after, taken + 1
            seen.add(step)
        return step, taken

    def final_places(self) -> set[int]:
        """All the ways for every thread to have returned, as the part of a state below its memory."""
        each = [[place for place in self.finished if place & mask] for mask in self.masks]
        return {sum(places) for places in itertools.product(*each)}

    def is_final(self, state: int) -> bool:
        return all(state & mask in self.finished for mask in self.masks)


def deadlock(space: Space, state: int) -> Found:
    """Nobody can make a move: each thread takes the invisible steps of its own up to the one that waits."""
    waits, steps = [], list[int]()
    for t, program in enumerate(space.system.programs):
        step, taken = space.waiting(state, t)
        steps += [t] * taken
        if step.operation is not None:
            waits.append(f"{program.name} waits at {step.operation}")
    return Found(0, Violation("deadlock", "nobody can go on: " + ", ".join(waits)), steps=steps)
