"""Persistent sets of one thread: where a thread's next move is nobody else's affair, it alone is explored.

In such a state every execution can be rearranged so that this move comes first: whatever the other threads can do before it
neither stores what it touches nor touches what it stores (P. Godefroid, 1996). So the others wait, and the state need not be
stored: `settle()` follows such moves up to a state that is explored in full, which is why no move is put off for ever.

What the others "can do" is what was seen of them: each move that was ever computed is noted with the words it read and stored
(`Seen`), and a thread can still do whatever was seen on any way on from where it stands. That is complete once the search has
ended and every decision still holds with all that was seen by then (`stands()`): the first move of an execution that had not
been seen would begin at a place that was, and differ from what was seen there only by a word which a move that was put before
it stores; but that move was chosen because nobody reads such a word there. Where a decision no longer holds, the search is
made again, knowing more.

A lock narrows it: while thread t holds it and does not move, the others do not come past taking it. A move that stores what an
oracle looks at is never alone: in between, the oracle may see what it would not see afterwards.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

from ..machine import Cpu
from ..program import System
from .feet import Feet
from .space import Found, Watched

HOLDERS = frozenset({"spin_lock", "spin_lock_irq", "spin_lock_not_rcu", "spin_lock_irq_not_rcu", "mutex_lock", "folio_lock"})
WRITERS = frozenset({"down_read", "down_write"})  # of these locks, -(t + 1) is held by t; of the others, t + 1
WALKS, CALM = 400, 30  # random executions to learn from; fewer if so many in a row brought nothing new
LONGEST_WALK = 2_000  # moves
LONGEST_CHAIN = 64  # moves after which it is asked whether they go round

Read = tuple[int, Any, bool]  # word, its value, was it looked at in order to take it as a lock?


class Traced(Watched):
    """Words that note what is read of them, in order."""

    def __init__(self, words: tuple[Any, ...]):
        super().__init__(words)
        self.order: list[Read] = []
        self.taking = False

    def __getitem__(self, word: int) -> Any:
        value = self._words[word]
        if word not in self.reads:
            self.reads.add(word)
            self.order.append((word, value, self.taking))
        return value


class Seen:
    """A move as it was seen: bits of the words it read and stored, where it led, and the locks among what it read: for each
    the bits read before, the word, its value, and whether it was to be taken."""

    __slots__ = ("after", "locks", "reads", "writes")

    def __init__(self, order: tuple[Read, ...], writes: int, after: int, locks: dict[int, int]):
        self.reads, self.writes, self.after = 0, writes, after
        self.locks = []
        for word, value, taking in order:
            if word in locks:
                self.locks.append((self.reads, word, value, taking))
            self.reads |= 1 << word

    def beside(self, t: int, held: int, locks: dict[int, int]) -> tuple[int, int, bool]:
        """What of it can happen while t holds the locks `held`: bits read, bits stored, does it go on?"""
        for before, word, value, taking in self.locks:
            if held >> word & 1:
                if taking:
                    return before, 0, False
                if value != locks[word] * (t + 1):
                    return before | 1 << word, 0, False
        return self.reads, self.writes, True


class Later:
    """What can still be done from each place of the others while thread t, which holds the locks `held`, stands still."""

    def __init__(self, seen: dict[int, list[Seen]], t: int, held: int, mine: int, locks: dict[int, int]):
        self.reads: dict[int, int] = {}
        self.writes: dict[int, int] = {}
        before: dict[int, list[int]] = {}
        for place, moves in seen.items():
            if place & mine:
                continue
            reads = writes = 0
            for move in moves:
                r, w, goes_on = move.beside(t, held, locks)
                reads, writes = reads | r, writes | w
                if goes_on and move.after != place:
                    before.setdefault(move.after, []).append(place)
            self.reads[place], self.writes[place] = reads, writes
        self._spread(before)

    def _spread(self, before: dict[int, list[int]]) -> None:
        reads, writes = self.reads, self.writes
        pending = list(before)
        while pending:
            place = pending.pop()
            r, w = reads.get(place, 0), writes.get(place, 0)
            for earlier in before.get(place, ()):
                if reads[earlier] | r != reads[earlier] or writes[earlier] | w != writes[earlier]:
                    reads[earlier], writes[earlier] = reads[earlier] | r, writes[earlier] | w
                    pending.append(earlier)


class Move:
    """A move that may be alone: `disturbed` says of places of others whether one who stands there can get in its way."""

    __slots__ = ("disturbed", "held", "reads", "thread", "writes")

    def __init__(self, thread: int, held: int, reads: int, writes: int):
        self.thread, self.held, self.reads, self.writes = thread, held, reads, writes
        self.disturbed: dict[int, bool] = {}


class Alone(Feet):
    """A Space that knows where a thread's next move is nobody else's affair. What was seen only grows; all else follows."""

    walks = WALKS

    def __init__(self, system: System, reduce: bool = True, early: bool = True):
        self._records: dict[int, dict[tuple[tuple[Read, ...], int, int], None]] = {}
        self._locks: dict[int, int] = {}  # lock -> 1 if t + 1 holds it; -1 if -(t + 1) does; 0: not to be told
        self.seen = 0  # how many records there are
        super().__init__(system, reduce, early)
        self._learn_by_walking()
        self.forget()

    # ---- what is seen --------------------------------------------------------------------------------------------

    def _watch(self, words: tuple[Any, ...]) -> Watched:
        self._watched = self._traced = Traced(words)
        return self._traced

    def _apply(self, cpu: Cpu, operation: Any) -> Any:
        if operation.name in HOLDERS or operation.name in WRITERS:
            self._traced.taking = self._takes(operation)
        try:
            return operation.apply(cpu)
        finally:
            self._traced.taking = False

    def _takes(self, operation: Any) -> bool:
        """Notes the lock that is about to be taken. Does a thread that finds it held only wait?"""
        lock = operation.arguments[0]
        word = getattr(lock.locked if operation.name == "folio_lock" else lock, "word", -1)
        if word < 0:  # behind NULL
            return False
        kind = 1 if operation.name in HOLDERS else -1
        if self._locks.setdefault(word, kind) != kind:
            self._locks[word] = 0
        return self.system.memory.preempt == "full" or not hasattr(operation.effect, "may_sleep")

    def _learn(self, words: tuple[Any, ...], place: int, t: int) -> Any:
        try:
            case = super()._learn(words, place, t)
        except Found:
            self._note(place, 0, place)
            raise
        self._note(place, self._stores(words, case), place + case[1])
        return case

    def _note(self, place: int, writes: int, after: int) -> None:
        records, record = self._records.setdefault(place, {}), (tuple(self._traced.order), writes, after)
        self.seen += record not in records
        records[record] = None

    def _learn_by_walking(self) -> None:
        """Random executions, so that the search need not often be made again."""
        chance, new, calm = random.Random(0), self.seen, 0
        for _ in range(self.walks):
            self._walk(chance)
            calm = calm + 1 if new == self.seen else 0
            if calm == CALM:
                return
            new = self.seen

    def _walk(self, chance: random.Random) -> None:
        """One execution, each thread for a while, up to an end of it."""
        state, able, t = self.initial, list(self.threads), -1
        for _ in range(LONGEST_WALK):
            if t not in able or chance.random() < 0.2:
                t = chance.choice(able)
            try:
                change = self.difference(state, t)
            except Found:
                return
            state += change
            able = list(self.threads) if change else [u for u in able if u != t]
            if not able:
                return

    # ---- what follows from it ------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Decides everything anew, by all that was seen."""
        self._later: dict[tuple[int, int], Later] = {}
        self._moves: dict[tuple[int, int, int, int], Move] = {}
        self._alone: list[dict[int, Move | None]] = []  # memory -> {step, in its place: its move, if it may be alone}
        self._digested, self._by_then = self._digest(), self.seen
        self._visible = sum(1 << word for word in self.looked)
        self._fell = False

    def _digest(self) -> dict[int, list[Seen]]:
        locks = {word: kind for word, kind in self._locks.items() if kind}
        digested = {}
        for place, records in self._records.items():
            moves: dict[Any, Seen] = {}
            for order, writes, after in records:
                short = tuple((w, v, taking) if w in locks else (w, 0, False) for w, v, taking in order)
                if (short, writes, after) not in moves:
                    moves[short, writes, after] = Seen(short, writes, after, locks)
            digested[place] = list(moves.values())
        return digested

    def stands(self) -> bool:
        """Does every decision that was made hold with all that was seen since? Once one does not, none does before forget()."""
        if self._fell or (self._by_then == self.seen and self._visible == sum(1 << word for word in self.looked)):
            return not self._fell
        made = self._moves
        self.forget()
        self._fell = not self._hold(made)
        return not self._fell

    def _hold(self, made: dict[tuple[int, int, int, int], Move]) -> bool:
        """Takes over the decisions that were made; False at the first one that does not hold any longer."""
        for (t, held, reads, writes), move in made.items():
            again = Move(t, held, reads, writes)
            if writes & self._visible:
                return False
            if any(self._disturbs(again, place) for place, disturbs in move.disturbed.items() if not disturbs):
                return False
            self._moves[t, held, reads, writes] = move
        return True

    def _disturbs(self, move: Move, place: int) -> bool:
        """Can a thread that stands there get in the way of the move before it is made?"""
        key = move.thread, move.held
        later = self._later.get(key)
        if later is None:
            later = self._later[key] = Later(self._digested, *key, self.masks[move.thread], self._locks)
        reads, writes = later.reads.get(place, 0), later.writes.get(place, 0)
        return bool(writes & (move.reads | move.writes | move.held) or reads & move.writes)

    def _decide(self, number: int, place: int, t: int) -> Move | None:
        """What is known of thread t's next move there, which is possible; None if an oracle may see it."""
        words, (reads, writes) = self.memories[number], self.touched[self.feet[number][place]]
        if writes & self._visible:
            return None
        held = sum(1 << word for word, kind in self._locks.items() if kind and words[word] == kind * (t + 1))
        key = t, held, reads, writes
        return self._moves.setdefault(key, Move(*key))

    def alone(self, state: int) -> int:
        """A thread whose next move from this state can be explored in place of all others, or -1."""
        number = state >> self.shift
        row, places = self.rows[number], [state & mask for mask in self.masks]
        able = [t for t, place in enumerate(places) if (row[place] if place in row else self.difference(state, t))]
        if len(able) < 2:
            return able[0] if able else -1
        while number >= len(self._alone):
            self._alone.append({})
        decided = self._alone[number]
        for t in able:
            place = places[t]
            move = decided[place] if place in decided else decided.setdefault(place, self._decide(number, place, t))
            if move is not None and self._undisturbed(move, places):
                return t
        return -1

    def _undisturbed(self, move: Move, places: list[int]) -> bool:
        disturbed, me = move.disturbed, move.thread
        for u, place in enumerate(places):
            if u != me:
                known = disturbed.get(place)
                if known is None:
                    known = disturbed[place] = place not in self.finished and self._disturbs(move, place)
                if known:
                    return False
        return True

    def settle(self, state: int, path: list[tuple[int, int]] | None = None) -> int:
        """The state from which every thread's move is to be explored, after the moves that are made alone; `path` gets them,
        as (thread, steps). May raise Found."""
        met: set[int] = set()
        for moves in itertools.count():
            t = self.alone(state)
            if t < 0 or state in met:
                return state
            if moves >= LONGEST_CHAIN:
                met.add(state)
            if path is not None:
                path.append((t, self.length(state, t)))
            state += self.difference(state, t)
        raise AssertionError
