"""The memories that were found, each once: a memory is the numbers of its blocks, and a block is a few words.

Memories differ from each other in few words. So a memory takes a fraction of the room that its words would, and what a move
makes of it is found without looking at the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

WORDS = 4  # of a block

Packed = Sequence[int]  # for every block, which of its values (a tuple, where it is a key)


class Memories(Sequence[tuple[Any, ...]]):
    """A sequence of memories, each a tuple of words: what is read is made from the blocks."""

    def __init__(self) -> None:
        self.packed: list[Packed] = []
        self._numbers: dict[Packed, int] = {}
        self._values: list[list[tuple[Any, ...]]] = []  # block -> its values
        self._known: list[dict[tuple[Any, ...], int]] = []  # block -> value -> which of its values

    def __len__(self) -> int:
        return len(self.packed)

    @overload
    def __getitem__(self, number: int) -> tuple[Any, ...]: ...

    @overload
    def __getitem__(self, number: slice) -> list[tuple[Any, ...]]: ...

    def __getitem__(self, number: int | slice) -> Any:
        if isinstance(number, slice):
            return [self.words(packed) for packed in self.packed[number]]
        return self.words(self.packed[number])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return map(self.words, self.packed)

    def words(self, packed: Packed) -> tuple[Any, ...]:
        words: list[Any] = []
        for values, i in zip(self._values, packed, strict=True):
            words += values[i]
        return tuple(words)

    def pack(self, words: tuple[Any, ...]) -> Packed:
        """The same memory in blocks."""
        if not self._values:
            blocks = range(0, len(words), WORDS)
            self._values, self._known = [[] for _ in blocks], [{} for _ in blocks]
        return tuple(self._value(i, words[i * WORDS : i * WORDS + WORDS]) for i in range(len(self._values)))

    def _value(self, block: int, words: tuple[Any, ...]) -> int:
        known = self._known[block]
        if words not in known:
            known[words] = len(known)
            self._values[block].append(words)
        return known[words]

    def stored(self, packed: Packed, writes: tuple[tuple[int, Any], ...]) -> tuple[tuple[int, int], ...]:
        """(block, its value) for every block that the writes of (word, value) change in this memory."""
        changed: dict[int, list[Any]] = {}
        for word, value in writes:
            block = word // WORDS
            if block not in changed:
                changed[block] = list(self._values[block][packed[block]])
            changed[block][word % WORDS] = value
        return tuple((block, self._value(block, tuple(words))) for block, words in changed.items())

    def find(self, packed: Packed) -> int | None:
        return self._numbers.get(packed)

    def add(self, packed: Packed) -> int:
        self._numbers[packed] = len(self.packed)
        self.packed.append(packed)
        return len(self.packed) - 1
