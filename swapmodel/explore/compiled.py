"""The same search by machine code, for what takes plain Python minutes: whole layers of states as arrays (extra `fast`).

What a move does is still found by running the kernel's function once (Space); what is compiled is to find it again in other
memories, and to tell which states are new. It answers `holds`, with the same figures. Where anything is wrong it hands over to
the plain search, which tells it in full.
"""

from __future__ import annotations

from typing import Any

from ..program import KernelError
from .budget import Budget, Outcome
from .memories import Packed
from .search import Search
from .space import Change, Found, NotReducible, Space

try:
    import numpy as np

    from . import loops
except ImportError as error:
    raise ValueError(f"engine 'compiled' needs the extra `fast`: pip install 'swapmodel[fast]' ({error})") from None

STATES = 1 << 16  # looked at in one go
ROOM = 1 << 14  # of each array that grows, at first
PLACES = MOST_PLACES = 1 << loops.PLACE_BITS  # of a thread
THREADS, BITS = 16, 63  # the most threads; of a state
LONGEST_PATH = 1 << 16  # that is followed to see whether every thread can return


class HandOver(Exception):
    """Something is wrong, or too large for a state of 63 bits: the plain search is to be made."""


class Hashed:
    """Keys of an open-addressing table, and how many there are."""

    def __init__(self) -> None:
        self.keys, self.count = np.zeros(ROOM, np.int64), 0

    def longer(self, more: int) -> Any:
        """Empty keys, if `more` do not fit beside those that are there."""
        needed = 5 * (self.count + more) // 3
        return None if needed <= len(self.keys) else np.zeros(1 << int(needed).bit_length(), np.int64)


class Rows:
    """The memories, a row of block values each."""

    def __init__(self, first: Packed):
        self.values, self.table = np.zeros((ROOM, len(first)), np.int32), Hashed()
        self.hashes = np.zeros(ROOM, np.int64)
        self.values[0], self.table.count = first, 1
        self.hashes[0] = loops.row_hash(self.values[0])
        loops.rehash_rows(self.hashes, 1, self.table.keys)

    def make_room(self, more: int) -> None:
        count = self.table.count
        if count + more > len(self.values):
            self.values = np.concatenate([self.values, np.zeros((count + more, self.values.shape[1]), np.int32)])
            self.hashes = np.concatenate([self.hashes, np.zeros(count + more, np.int64)])
        keys = self.table.longer(more)
        if keys is not None:
            self.table.keys = keys
            loops.rehash_rows(self.hashes, count, keys)


class Cases:
    """What moves do, by the values of the blocks that they read or store to: Space's Changes as arrays. A kind is a thread and
    one of its places."""

    def __init__(self, kinds: int):
        self.versions, self.starts, self.ends = (np.zeros(kinds, np.int64) for _ in range(3))
        self.blocks, self.blocks_used = np.zeros(ROOM, np.int64), 0
        self.data, self.used, self.table = np.zeros(ROOM, np.int64), 0, Hashed()

    def begin(self, kind: int, blocks: list[int]) -> None:
        """From here on the moves of this kind are told apart by these blocks."""
        self.versions[kind] += 1
        end = self.blocks_used + len(blocks)
        if end > len(self.blocks):
            self.blocks = np.concatenate([self.blocks, np.zeros(end, np.int64)])
        self.blocks[self.blocks_used : end] = blocks
        self.starts[kind], self.ends[kind], self.blocks_used = self.blocks_used, end, end

    def add(self, kind: int, row: Any, changed: tuple[tuple[int, int], ...], place: int) -> None:
        mine = self.blocks[self.starts[kind] : self.ends[kind]]
        flat = [n for change in changed for n in change]
        entry = [kind, self.versions[kind], len(changed), place, *flat, *row[mine]]
        if self.used + len(entry) > len(self.data):
            self.data = np.concatenate([self.data, np.zeros(self.used + len(entry), np.int64)])
        self.data[self.used : self.used + len(entry)] = entry
        self._make_room()
        at = loops.find_case(kind, self.versions[kind], row, mine, self.data, self.table.keys)
        self.table.keys[at], self.table.count = self.used + 1, self.table.count + 1
        self.used += len(entry)

    def _make_room(self) -> None:
        keys = self.table.longer(1)
        if keys is not None:
            loops.rehash_cases(self.table.keys, self.data, self.versions, self.starts, self.ends, keys)
            self.table.keys = keys


class Fields:
    """Where each thread's place lies in a state, and the memory above them."""

    def __init__(self, bits: list[int]):
        self.bits = bits
        *shifts, self.top = (sum(bits[:t]) for t in range(len(bits) + 1))
        self.shifts, self.masks = np.array(shifts, np.int64), np.array([(1 << b) - 1 for b in bits], np.int64)

    def moved(self, states: Any, to: Fields) -> Any:
        """The same states in other fields."""
        again = states >> self.top << to.top
        for t in range(len(self.bits)):
            again |= ((states >> self.shifts[t]) & self.masks[t]) << to.shifts[t]
        return again


class Compiled:
    """A search like Search, over arrays."""

    def __init__(self, space: Space, budget: Budget, outcome: Outcome):
        self.space, self.budget, self.outcome = space, budget, outcome
        threads = len(space.threads)
        if threads > THREADS:
            raise ValueError(f"engine 'compiled' has room for {THREADS} threads, not {threads}")
        self.plain: Search | None = None  # once it was handed over
        self.places: list[list[int]] = [[] for _ in space.threads]  # thread -> its places, as Space has them
        self.known: list[dict[int, int]] = [{} for _ in space.threads]
        self.finished = np.zeros((threads, PLACES), np.bool_)
        self.fields = Fields([1] * threads)
        self.pairs, self.values = Hashed(), np.zeros(ROOM, np.int64)
        self.rows, self.cases = Rows(space.memories.packed[0]), Cases(threads * PLACES)
        self.seen = Hashed()
        self.layers: list[Any] = []  # arrays of states, sorted
        self.new: list[Any] = []  # of the layer after them

    # ---- as Search has them --------------------------------------------------------------------------------------

    def run(self) -> None:
        outcome, plainly = self.outcome, False
        try:
            outcome.reason = self._breadth_first()
        except (Found, HandOver, KernelError, NotReducible):  # the plain search may come to something else before
            plainly = True
        except KeyboardInterrupt:
            outcome.reason = "interrupted"
        if plainly:  # out here, as an exception would keep the arrays of the frames that it came through
            return self._hand_over()
        outcome.states = self.seen.count
        outcome.verdict = "unfinished" if outcome.reason else "holds"
        return None

    def demand_finish(self) -> None:
        """From every state every thread can still return."""
        if self.plain is None and not self._all_can_return():
            self._hand_over()
            if self.outcome.verdict != "holds":  # out of budget, say: then not all that can be reached is known
                return None
        if self.plain is not None:
            return self.plain.demand_finish()
        self.outcome.verdict, self.outcome.reason = "holds", ""
        return None

    def _hand_over(self) -> None:
        self.layers, self.new, self.seen = [], [], Hashed()  # it needs their memory
        self.outcome.depth = self.outcome.transitions = 0
        self.plain = Search(Space(self.space.system, self.space.reduce, self.space.early), self.budget, self.outcome)
        self.plain.run()

    def _all_can_return(self) -> bool:
        marks, path = np.zeros(len(self.seen.keys), np.uint8), np.empty(LONGEST_PATH, np.int64)
        known = (*self._form(), self.seen.keys, marks)
        if not sum(loops.follow(layer, *known, path) for layer in self.layers):
            return True
        left = np.concatenate(self.layers[::-1])  # from behind, as one state is good because of the next
        before = len(left) + 1
        while 0 < len(left) < before:
            before, left = len(left), left[: loops.settle(left, *known)]
        return not len(left)

    # ---- breadth first -------------------------------------------------------------------------------------------

    def _breadth_first(self) -> str:
        self.new = [np.array([self._first()], np.int64)]
        self.seen.keys[loops.slot(self.seen.keys, self.new[0][0])], self.seen.count = self.new[0][0] + 1, 1
        while layer := sum(map(len, self.new)):
            self.layers.append(np.sort(np.concatenate(self.new)))
            self.new = []
            for at in range(0, layer, STATES):
                stop = self.budget.spent(self.seen.count, self.outcome.depth)
                if stop:
                    return stop
                states = self.layers[-1][at : at + STATES]
                while len(states):
                    states = self._expand(states)
            self.outcome.depth += any(map(len, self.new))
        return ""

    def _first(self) -> int:
        return sum(self._place(t, p.first.index << 16 * t) << t for t, p in enumerate(self.space.system.programs))

    def _form(self) -> Any:
        """How states are laid out, and the moves that are known."""
        return self.fields.shifts, self.fields.masks, self.fields.top, self.pairs.keys, self.values

    def _expand(self, states: Any) -> Any:
        """Makes the moves from these states, and finds out those that are not known. Returns the states that had such."""
        more, fields = len(states) * len(self.places), self.fields
        self._make_room(more)
        after, pairs = np.empty(more, np.int64), np.empty(more, np.int64)
        stuck, later = np.empty(len(states), np.int64), np.empty(len(states), np.int64)
        edges, ends, unknown, put_off = loops.moves(states, *self._form(), after, stuck, pairs, later)
        found, _ = loops.add(after[:edges], self.seen.keys)
        self.seen.count += found
        self.outcome.transitions += edges
        self.new.append(after[:found].copy())
        for state in stuck[:ends]:
            self._end(int(state))
        self.pairs.count += unknown
        self._learn(pairs[:unknown])
        self._fit()
        return later[:put_off] if fields is self.fields else fields.moved(later[:put_off], self.fields)

    def _end(self, state: int) -> None:
        """Nobody moves from this state: if that is wrong, it is told by the plain search."""
        places = (state >> self.fields.shifts) & self.fields.masks
        words = self._words(state >> self.fields.top)
        if not all(self.finished[t, place] for t, place in enumerate(places)):
            raise HandOver
        if any(oracle(words) is not None for oracle in self.space.system.at_end):
            raise HandOver

    def _words(self, memory: int) -> tuple[Any, ...]:
        return self.space.memories.words(tuple(self.rows.values[memory].tolist()))

    # ---- what moves do -------------------------------------------------------------------------------------------

    def _learn(self, pairs: Any) -> None:
        """Finds out what these moves lead to: by the cases that are known, or else by making one."""
        slow, cases, rows = np.empty(len(pairs), np.int64), self.cases, self.rows
        while len(pairs):
            rows.make_room(len(pairs))
            known = rows.table.count
            kinds = cases.versions, cases.starts, cases.ends, cases.blocks, cases.data, cases.table.keys
            memories = rows.values, rows.hashes, known, rows.table.keys
            rows.table.count, missing = loops.resolve(pairs, *kinds, *memories, self.pairs.keys, self.values, slow)
            for row in rows.values[known : rows.table.count].tolist():
                if self.space._asked(row) is not None:
                    raise HandOver
            pairs = slow[:missing].copy()
            for key in pairs.tolist():
                self._case(key >> 20, key & 0xFFFFF)

    def _make_room(self, more: int) -> None:
        """For so many more states, and moves."""
        keys = self.pairs.longer(more)
        if keys is not None:
            values = np.zeros(len(keys), np.int64)
            loops.rehash_pairs(self.pairs.keys, self.values, keys, values)
            self.pairs.keys, self.values = keys, values
        keys = self.seen.longer(more)
        if keys is not None:
            loops.rehash(self.seen.keys, keys)
            self.seen.keys = keys

    def _case(self, memory: int, kind: int) -> None:
        """Learns the case that this memory falls under, by a move of one thread. May raise Found."""
        t, place = kind >> 16, self.places[kind >> 16][kind & 0xFFFF]
        row = self.rows.values[memory]
        packed = tuple(row.tolist())
        before = self.space._changes.get(place)
        if before is not None and before.key(packed) in before.known:
            return
        change = self.space._change(packed, place, t)
        after = self.space._changes[place]
        if after is not before:
            self.cases.begin(kind, sorted(after.blocks))
        self.cases.add(kind, row, change.blocks, self._after(t, place, change))

    def _after(self, t: int, place: int, change: Change) -> int:
        return self._place(t, place + change.moved) if change.blocks or change.moved else loops.BLOCKED

    def _place(self, t: int, place: int) -> int:
        """Which of the thread's places this is."""
        known = self.known[t]
        if place not in known:
            if len(known) >= MOST_PLACES:
                raise HandOver
            known[place] = len(known)
            self.places[t].append(place)
            self.finished[t, known[place]] = place in self.space.finished
        return known[place]

    def _fit(self) -> None:
        """Makes the fields of the states as wide as the places that are known now ask for."""
        bits = [max(1, (len(places) - 1).bit_length()) for places in self.places]
        if any(new > old for new, old in zip(bits, self.fields.bits, strict=True)):
            fields = Fields([max(new, old) for new, old in zip(bits, self.fields.bits, strict=True)])
            self.layers = [self.fields.moved(layer, fields) for layer in self.layers]
            self.new = [self.fields.moved(states, fields) for states in self.new]
            seen, self.seen.keys = self.seen.keys, np.zeros_like(self.seen.keys)
            for at in range(0, len(seen), STATES):  # a few at a time: what is made on the way takes several times their room
                some = seen[at : at + STATES]
                loops.rehash(np.where(some, self.fields.moved(some - 1, fields) + 1, 0), self.seen.keys)
            self.fields = fields
        if self.fields.top + self.rows.table.count.bit_length() > BITS:
            raise HandOver
