"""Data races: two threads about to touch one word, at least one of them to store, at least one of them with a plain access.

The machine makes every access one step; a compiler need not. It may split, repeat or drop a plain load or store, unless a lock
keeps others away. So a race is a defect even where no interleaving of whole steps goes wrong (the Linux-kernel memory model,
tools/memory-model/Documentation/explanation.txt). What user space does with its own pages is its own affair.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .explore import Budget, Found, Space, no_collection
from .lockorder import Held, lock_class, walk
from .machine import Address, Operation
from .plain import PLAIN_IN_KERNEL, note
from .program import Frame, Program, Step, System, at

PLAIN = frozenset({"read", "write", "init_store", "memset", "memcpy"})
LOADS = frozenset({"read", "READ_ONCE"})
STORES = frozenset(
    {"write", "init_store", "WRITE_ONCE", "xchg", "cmpxchg", "atomic_dec_and_test", "atomic_inc_not_zero", "folio_ref_freeze"}
)
SECOND = frozenset({"atomic_add", "atomic_sub_and_test"})  # operations whose word is the second argument
SHARED = frozenset({"down_read", "downgrade_write"})  # what several can hold at once
CHUNK = 1024


class Access(NamedTuple):
    """A step that touches a word: by which thread, how, and where."""

    thread: str
    operation: str
    stack: tuple[Frame, ...]
    plain: bool
    stores: bool

    def __str__(self) -> str:
        kind = f"{'plain' if self.plain else 'marked'} {'store' if self.stores else 'load'}"
        return f"{self.thread}, {kind} at {at(self.stack)}"

    @property
    def function(self) -> str:
        return self.stack[-1].function


class Race(NamedTuple):
    """Two accesses that can happen at once. `schedule` leads to where both stand before theirs; None: the budget ended before
    that was found or ruled out. `note`: what we know of it from the kernel's text (plain.py); empty if nobody has looked."""

    word: str  # the struct member
    first: Access
    second: Access
    schedule: list[int] | None
    note: str

    def __str__(self) -> str:
        sure = "" if self.schedule is not None else " (not confirmed: the budget ended)"
        told = f"data race on {self.word}{sure}:\n  {self.first}\n  {self.second}"
        return f"{told}\n  {self.note}" if self.note else told


def races(system: System, budget: Budget | None = None, plain: Mapping[tuple[str, str], str] = PLAIN_IN_KERNEL) -> list[Race]:
    """The data races of all interleavings, one for each pair of places, looked for in single steps without reductions.

    `plain` names (function, member) that the model reads with READ_ONCE(), but the kernel with a plain load; give {} to ask
    about the model's own accesses. A race that the lock sets allow but no state shows is dropped, unless the budget ended
    first."""
    with no_collection():
        search = _Search(system, plain)
        complete = search.explore(budget or Budget())
        return search.races(complete)


Key = tuple[Any, ...]


class _Search:
    """Every state in single steps, and then the pairs of accesses that meet in one of them."""

    def __init__(self, system: System, plain: Mapping[tuple[str, str], str]):
        self.system, self.plain = system, plain
        self.space = Space(system, reduce=False)
        self.states, self.parent = [self.space.initial], array("l", [-1])

    def explore(self, budget: Budget) -> bool:
        """True when every state was reached."""
        space, states, seen = self.space, self.states, {self.space.initial}
        i = 0
        while i < len(states):
            if not i % CHUNK and budget.spent(len(states), 0):
                return False
            for t in space.threads:
                try:
                    new = states[i] + space.difference(states[i], t)
                except Found:
                    continue
                if new not in seen:
                    seen.add(new)
                    states.append(new)
                    self.parent.append(i)
            i += 1
        return True

    def races(self, complete: bool) -> list[Race]:
        """One race for each pair of places, the confirmed ones first."""
        pairs = self._candidates()
        found: dict[Key, Race] = {}
        racing = [{step for pair in pairs for step in pair if step[0] == t} for t in self.space.threads]
        bits = self.space.masks[0].bit_length()
        for i, state in enumerate(self.states):
            at_ = [(t, state >> bits * t & self.space.masks[0]) for t in self.space.threads]
            standing = [place for place in at_ if place in racing[place[0]]]
            for a in standing if len(standing) > 1 else ():
                for b in standing:
                    for key, race in pairs.get((a, b), ()):
                        if key not in found:
                            found[key] = race._replace(schedule=self._schedule(i))
        if not complete:
            for listed in pairs.values():
                for key, race in listed:
                    found.setdefault(key, race)
        return list(found.values())

    def _candidates(self) -> dict[tuple[tuple[int, int], tuple[int, int]], list[tuple[Key, Race]]]:
        """((thread, step), (thread, step)) -> the races there would be if both stood there at once: by the lock sets."""
        by_word: dict[int, list[tuple[int, Step, Address, Access, Held]]] = {}
        for t, program in enumerate(self.system.programs):
            for step, held in walk(program):
                for address, access in self._accesses(program, step):
                    by_word.setdefault(address.word, []).append((t, step, address, access, held))
        pairs: dict[tuple[tuple[int, int], tuple[int, int]], list[tuple[Key, Race]]] = {}
        for users in by_word.values():
            for i, (t, step, address, access, held) in enumerate(users):
                for u, other, _, second, holds in users[i + 1 :]:
                    if t == u or not (access.plain or second.plain) or not (access.stores or second.stores):
                        continue
                    if _excluded(held, holds):
                        continue
                    word = member_of(address)
                    key = word, access.stack[-1], access.operation, second.stack[-1], second.operation
                    race = Race(word, access, second, None, note(word, access.function, second.function))
                    pairs.setdefault(((t, step.index), (u, other.index)), []).append((key, race))
        return pairs

    def _accesses(self, program: Program, step: Step) -> Iterator[tuple[Address, Access]]:
        operation = step.operation
        if operation is None:
            return
        for address, stores in touched(operation):
            if address.word < 0:
                continue
            member = member_of(address)
            plain = operation.name in PLAIN or (not stores and (step.stack[-1].function, member) in self.plain)
            yield address, Access(program.name, operation.name, step.stack, plain, stores)

    def _schedule(self, i: int) -> list[int]:
        steps = []
        while self.parent[i] >= 0:
            before = self.states[self.parent[i]]
            steps.append(next(t for t in self.space.threads if before + self._change(before, t) == self.states[i]))
            i = self.parent[i]
        return steps[::-1]

    def _change(self, state: int, t: int) -> int:
        try:
            return self.space.difference(state, t)
        except Found:
            return 0


def member_of(address: Address) -> str:
    """The struct member, or the array, that a word is of: swap_map, si.flags, mm.pte."""
    return lock_class(address).removeprefix("swap.")  # what belongs to one of two devices is named so


def touched(operation: Operation) -> list[tuple[Address, bool]]:
    """The words that an operation touches as data, and whether it stores to them; none for locks, allocation and user space."""
    arguments: Any = operation.arguments
    if operation.name in LOADS or operation.name in STORES:
        return [(arguments[0], operation.name in STORES)]
    if operation.name in SECOND:
        return [(arguments[1], True)]
    if operation.name == "memset":
        return [(arguments[0][i], True) for i in range(arguments[1], arguments[1] + arguments[2])]
    if operation.name == "memcpy":
        return [(arguments[0][arguments[1] + i], True) for i in range(len(arguments[2]))]
    return []


def _excluded(held: Held, holds: Held) -> bool:
    """Is there a lock that both hold, and not both as readers?"""
    mine = {h.lock.word: _shared(h.step) for h in held}
    return any(h.lock.word in mine and not (mine[h.lock.word] and _shared(h.step)) for h in holds)


def _shared(step: Step) -> bool:
    return step.operation is not None and step.operation.name in SHARED
