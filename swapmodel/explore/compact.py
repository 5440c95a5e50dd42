"""The plain search in little memory: states as words of an array, found again through a hash table of their numbers.

A state takes 12 bytes, or 16, the number of the state before it 4, and its place in the table 6 to 12; an integer in a set
takes three times as much. What it costs is that the table is looked up by Python, not by C.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from .budget import CHUNK
from .search import Search
from .shortest import ending
from .space import BITS, Found

WORD, LOW = 64, (1 << 64) - 1
MIX = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio (D. E. Knuth, volume 3, 6.4)
NARROW, WIDEST = 4, 6  # threads, whose steps and a memory of 32 bits are 96 bits, and 128


class Stored:
    """All states that were found, in order, each once: 96 bits of each, or 128."""

    def __init__(self, wide: bool = True) -> None:
        self._low, self._high = array("Q"), array("Q" if wide else "I")
        self._table, self._bits = array("I", bytes(4 << 10)), 10

    def __len__(self) -> int:
        return len(self._low)

    def __getitem__(self, i: int) -> int:
        return self._high[i] << WORD | self._low[i]

    def __iter__(self) -> Iterator[int]:
        return (high << WORD | low for low, high in zip(self._low, self._high, strict=True))

    def add(self, state: int) -> bool:
        """False if it was known."""
        table, lows, low = self._table, self._low, state & LOW
        last = len(table) - 1
        at = (hash(state) * MIX & LOW) >> WORD - self._bits
        while known := table[at]:
            if lows[known - 1] == low and self._high[known - 1] == state >> WORD:
                return False
            at = at + 1 & last
        lows.append(low)
        self._high.append(state >> WORD)
        table[at] = len(lows)
        if len(lows) * 3 > len(table) * 2:
            self._grow()
        return True

    def index(self, state: int) -> int:
        """Its number. KeyError if it is not stored."""
        at = (hash(state) * MIX & LOW) >> WORD - self._bits
        while known := self._table[at]:
            if self[known - 1] == state:
                return known - 1
            at = at + 1 & len(self._table) - 1
        raise KeyError(state)

    def _grow(self) -> None:
        self._bits += 1
        table = self._table = array("I", bytes(4 << self._bits))
        right, last = WORD - self._bits, len(table) - 1
        for i, state in enumerate(self):
            at = (hash(state) * MIX & LOW) >> right
            while table[at]:
                at = at + 1 & last
            table[at] = i + 1


class Compact(Search):
    """The same search, states in the same order."""

    def _breadth_first(self) -> str:
        space, outcome, order, parent = self.space, self.outcome, Stored(len(self.space.threads) > NARROW), array("I", [0])
        if len(space.threads) > WIDEST:
            raise ValueError(f"compact states have room for {WIDEST} threads, not {len(space.threads)}")
        self.order, self.parent = order, parent
        order.add(space.initial)
        rows, masks, shift, add = space.rows, space.masks, space.shift, order.add
        i, layer_end = 0, 1
        while i < len(order):
            if i >= layer_end:
                outcome.depth, layer_end = outcome.depth + 1, len(order)
            if not i % CHUNK and (stop := self.budget.spent(len(order), outcome.depth)):
                return stop
            state, moved = order[i], False
            row = rows[state >> shift]
            for t, mask in enumerate(masks):
                change = row.get(state & mask)
                if change is None:
                    try:
                        change = space.difference(state, t)
                    except Found as found:
                        self._violated(i, found)
                        return ""
                if change:
                    moved = True
                    outcome.transitions += 1
                    if add(state + change):
                        parent.append(i)
            if not moved:
                nobody = ending(space, state)
                if nobody is not None:
                    self._violated(i, nobody)
                    return ""
            i += 1
        return ""

    def demand_finish(self) -> None:
        """As Search.demand_finish(), with a byte for each state."""
        order, steps_only = self.order, (1 << BITS * len(self.space.threads)) - 1
        finals = self.space.final_places()
        good = bytearray(state & steps_only in finals for state in order)
        more = True
        while more:
            more = False
            for i in reversed(range(len(order))):
                if not good[i] and any(good[order.index(after)] for after in self._after(order[i])):
                    good[i] = more = True
        self.outcome.verdict, self.outcome.reason = "holds", ""
        doomed = good.find(0)
        if doomed >= 0:
            self._livelock(order[doomed])
