"""What must never hold of the words of memory, beyond what the machine itself finds (use after free, NULL, lock misuse).

An oracle is made for one memory and then looks at each distinct memory once: words -> None | Violation. Its `twin` says the
same to JavaScript, which finds it again in replay/static/oracles.js: a name, and the numbers of words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .machine import NULL, Address, Pointer, Violation

Oracle = Callable[[tuple[Any, ...]], Violation | None]


def swap_map_underflow(map: Pointer) -> Oracle:
    """No byte of swap_map drops below 0 or leaves its 8 bits."""
    words = [map[i].word for i in range(len(map))]
    first, last = words[0], words[-1] + 1

    def check(memory: tuple[Any, ...]) -> Violation | None:
        for i, byte in enumerate(memory[first:last]):
            if not 0 <= byte <= 0xFF:
                return Violation("swap_map underflow", f"a reference to {map[i]} is dropped that nobody had", map[i])
        return None

    check.twin = ("swap_map_underflow", first, last)  # type: ignore[attr-defined]
    return check


def inuse_pages(si: Pointer, map: Pointer, bad: int = 0x3F) -> Oracle:
    """While nobody holds si->lock, inuse_pages is the number of bytes that are neither free nor bad."""
    first, last = map[0].word, map[len(map) - 1].word + 1
    lock, count, live = si.lock.word, si.inuse_pages.word, map._object.life

    def check(memory: tuple[Any, ...]) -> Violation | None:
        if memory[lock] or memory[live] < 0:
            return None
        used = sum(byte not in (0, bad) for byte in memory[first:last])
        if used == memory[count]:
            return None
        return Violation("accounting", f"inuse_pages is {memory[count]}, but {used} bytes are in use", si.inuse_pages)

    check.twin = ("inuse_pages", first, last, lock, count, live, bad)  # type: ignore[attr-defined]
    return check


def mm_users(mm: Pointer, users: int) -> Oracle:
    """To be asked at the end: whoever took a reference to the address space has dropped it; the process holds `users`."""
    word = mm.mm_users.word

    def check(memory: tuple[Any, ...]) -> Violation | None:
        if memory[word] == users:
            return None
        return Violation("reference count", f"{mm.mm_users} is {memory[word]} at the end, but {users} are held", mm.mm_users)

    return check


def no_entry_left(si: Pointer, references: Sequence[tuple[Address, Address]]) -> Oracle:
    """Once swapoff has taken swap_map away, nothing refers to the device: `references` are (slot, its lock) pairs. While the
    lock is held its holder may be on the way between dropping the count and clearing the slot."""
    map = si.swap_map.word
    pairs = [(slot, slot.word, lock.word) for slot, lock in references]

    def check(memory: tuple[Any, ...]) -> Violation | None:
        if memory[map] is not NULL:
            return None
        for slot, word, lock in pairs:
            if isinstance(memory[word], tuple) and hasattr(memory[word], "entry") and not memory[lock]:
                return Violation("lost page", f"swapoff takes the device away while {slot} still refers to it", slot)
        return None

    check.twin = ("no_entry_left", map, [[word, lock] for _, word, lock in pairs])  # type: ignore[attr-defined]
    return check
