"""What the variants of a document share, each thing written once: words, objects, addresses, operations, call stacks."""

from __future__ import annotations

import linecache
import re
from typing import Any

from ..export.frames import LENT
from ..machine import Address, Memory, Operation, Pointer
from ..program import Frame
from ..trace import OWN_FILES
from ..versions import parts
from .lowering import lowered
from .values import encode

ORIGIN = re.compile(r"([\w/.*-]+\.[chS]), (v\d+(?:\.\d+)*)")  # how docstrings of mm/ begin
INDEX = re.compile(r"(.*)\[(\d+)\](.*)")


class Numbered:
    """Rows, each with a number, the same for the same key."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def number(self, key: Any, row: Any = None) -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self.rows)
            self.rows.append(key if row is None else row)
        return self._numbers[key]


def words_of(memory: Memory) -> list[list[Any]]:
    """[name, how it is shown, hidden?] of each word; of elements of an array that follow each other, one row with their number
    and the first index besides, where "[]" in the name stands for the index."""
    rows: list[list[Any]] = []
    for name, show, hidden in ((w.name, w.show.__name__, int(w.hidden)) for w in memory.shown):
        head, index, tail = split_index(name)
        row = rows[-1] if rows else []
        if index >= 0 and row[:3] == [f"{head}[]{tail}", show, hidden] and row[4] + row[3] == index:
            row[3] += 1
        else:
            rows.append([f"{head}[]{tail}", show, hidden, 1, index] if index >= 0 else [name, show, hidden])
    return rows


def split_index(name: str) -> tuple[str, int, str]:
    """("swap_map", 3, "") of "swap_map[3]": the last index; -1 if there is none."""
    found = INDEX.fullmatch(name)
    return (found[1], int(found[2]), found[3]) if found else (name, -1, "")


def objects_of(memory: Memory) -> list[list[Any]]:
    """[name, word that tells its life or -1, reused?, first word, words, values when zeroed] of each object."""
    rows = []
    for obj in memory.objects:
        first = obj.words[0] if obj.words else -1
        assert obj.words == tuple(range(first, first + len(obj.words)))
        rows.append([obj.name, obj.life, int(obj.reused), first, len(obj.words), [encode(z) for z in obj.zeroed]])
    return rows


def locks_of(memory: Memory) -> list[list[Any]]:
    """[word, is it an rw_semaphore?, name] of each lock that must not be held at the end of a system call."""
    found: dict[int, list[Any]] = {}
    for _, field, address in memory.named:
        if field.held is not None:
            found.setdefault(address.word, [address.word, int(field.held(-1, 0)), str(address)])
    return list(found.values())


class Tables:
    """The rows that grow while graphs are written."""

    def __init__(self, memory: Memory):
        self.addresses, self.operations, self.functions = Numbered(), Numbered(), Numbered()
        self.frames, self.stacks, self.names = Numbered(), Numbered(), Numbered()
        self._words = [w.name for w in memory.shown]
        self._object = {obj.name: n for n, obj in enumerate(memory.objects)}
        self._parts = parts()

    def rows(self) -> dict[str, list[Any]]:
        return {
            "names": self.names.rows,
            "addresses": self.addresses.rows,
            "operations": self.operations.rows,
            "functions": self.functions.rows,
            "frames": self.frames.rows,
            "stacks": self.stacks.rows,
        }

    def object(self, obj: Any) -> int:
        return self._object[obj.name]

    def address(self, address: Address) -> int:
        """[word, word that tells its life, birth, guard, 1: lockless + 2: constant]; one that faults: [-1, name, fault]."""
        if address.word < 0:
            row: tuple[Any, ...] = (-1, address.name, address.fault)
        else:
            assert address.name == self._words[address.word]
            guard = self.address(address.guard) if address.guard is not None else -1
            flags = int(address.lockless) + 2 * int(address.constant)
            row = (address.word, address.life, address.birth, guard, flags)
        return self.addresses.number(row)

    def operation(self, operation: Operation, me: int) -> int:
        """[name, arguments], and the text where it can't be told from those."""
        arguments = lowered(operation, me, self)
        row = [self.names.number(operation.name), arguments]
        if not is_plain(operation):
            row.append(str(operation))
        return self.operations.number(repr(row), row)

    def stack(self, stack: tuple[Frame, ...], kernel: Any) -> int:
        """The number of a call stack: [that of its callers, frame]; -1 is the empty one."""
        number = -1
        for frame in stack:
            number = self.stacks.number((number, self.frame(frame, kernel)))
        return number

    def frame(self, frame: Frame, kernel: Any) -> int:
        """[function, line, text of the line]."""
        function = getattr(kernel, frame.function, None)
        code = getattr(function, "__code__", None)
        text = linecache.getline(code.co_filename, frame.line).strip() if code is not None else ""
        return self.frames.number((self.function(frame, function), frame.line, text))

    def function(self, frame: Frame, function: Any) -> int:
        """[name, file of ours, kernel file, version, 1: shown in columns + 2: told in commit messages]."""
        origin = ORIGIN.match(getattr(function, "__doc__", None) or "")
        ours = frame.file.startswith(OWN_FILES)
        shown = not ours and frame.function not in self._parts
        told = shown or frame.function in LENT
        kernel_file, version = (origin[1], origin[2]) if origin else ("", "")
        return self.functions.number((frame.function, frame.file, kernel_file, version, int(shown) + 2 * int(told)))


def is_plain(operation: Operation) -> bool:
    """Can its text be told from its name and arguments: addresses by their name, values?"""
    return not any(isinstance(a, Pointer) or (isinstance(a, tuple) and not hasattr(a, "_fields")) for a in operation.arguments)
