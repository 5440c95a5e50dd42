"""What every move touches: the words it reads and the words it stores. Two moves that touch nothing of each other commute."""

from __future__ import annotations

from typing import Any

from ..program import System
from .memories import Packed
from .space import Case, Change, Space, Watched

Touched = tuple[int, int]  # bits of the words read, bits of the words stored


def apart(one: Touched, other: Touched) -> bool:
    """Does neither store what the other reads or stores? Then either order leads to the same, and neither stops the other."""
    return not (one[1] & (other[0] | other[1]) or other[1] & one[0])


class Feet(Space):
    """A Space that knows what its moves touch, the machine's own words among it. Moves of a step that do the same count as
    one, which touches what any of them does: that is more than it is in some memories, never less."""

    def __init__(self, system: System, reduce: bool = True, early: bool = True):
        self.touched: list[Touched] = [(0, 0)]  # what moves touch; number 0 is for no move
        self.feet: list[dict[int, int]] = []  # memory -> {step, in its place: number of what its move touches}
        self._numbers: dict[Touched, int] = {}
        self._cases: dict[tuple[int, Case], Touched] = {}  # (place, case) -> what the move touches
        self._known: dict[tuple[int, Any], int] = {}  # (place, key in Changes) -> number of what the move touches
        super().__init__(system, reduce, early)

    def foot(self, state: int, t: int) -> int:
        """The number of what thread t's next move touches; 0 when it can't make one. May raise Found."""
        self.difference(state, t)
        return self.feet[state >> self.shift][state & self.masks[t]]

    def _watch(self, words: tuple[Any, ...]) -> Watched:
        self._watched = super()._watch(words)
        return self._watched

    def _number(self, packed: Packed, thread: int, taken: int) -> int:
        number = super()._number(packed, thread, taken)
        if number == len(self.feet):
            self.feet.append({})
        return number

    def _learn(self, words: tuple[Any, ...], place: int, t: int) -> Case:
        case = super()._learn(words, place, t)
        known = self._cases.get((place, case), (0, 0))
        reads = sum(1 << word for word in self._watched.reads)
        self._cases[place, case] = known[0] | reads, known[1] | self._stores(words, case)
        return case

    def _stores(self, words: tuple[Any, ...], case: Case) -> int:
        """Bits of what the move that was just learned stores. A word that it read and stores as it is does not count."""
        reads = self._watched.reads
        return sum(1 << word for word, value in case[0] if word not in reads or words[word] != value)

    def _change(self, packed: Packed, place: int, t: int) -> Change:
        change, words = super()._change(packed, place, t), self.memories.words(packed)
        touched = self._cases[place, self._case(words, place, t)]
        self._known[place, self._changes[place].key(packed)] = self._numbered(touched)
        return change

    def _numbered(self, touched: Touched) -> int:
        foot = self._numbers.setdefault(touched, len(self.touched))
        if foot == len(self.touched):
            self.touched.append(touched)
        return foot

    def _difference(self, number: int, place: int, t: int) -> int:
        change = super()._difference(number, place, t)
        key = place, self._changes[place].key(self.memories.packed[number])
        self.feet[number][place] = self._known[key] if change else 0
        return change
