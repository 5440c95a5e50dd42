"""A long search on disk: what is needed to go on after it was killed.

The file is plain: one line of JSON, then for each state that was found the number of the state it was found from (4 bytes, in
the order of this machine), and then for each which thread moved (1 byte). States themselves are not stored: every one is made
again by one move from the one before, which is what a search spends least on. A file is replaced in one piece, so a kill
leaves the last.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from array import array
from pathlib import Path
from types import CodeType
from typing import Any

from ..program import System
from .space import Found, Space

FORMAT = "search 1"
HEAD = {"format", "order", "system", "reductions", "states", "next", "layer_end", "depth", "transitions", "seconds"}


class Checkpoint:
    """Where a search is written, and how often: after so many seconds."""

    def __init__(self, path: str | Path, every: float = 60.0):
        self.path, self.every = Path(path), every
        self._last = time.monotonic()
        self._threads = bytearray()  # who moved, of the states that were written before

    def due(self) -> bool:
        return time.monotonic() - self._last >= self.every

    def save(self, space: Space, order: list[int], parent: array[int], head: dict[str, Any]) -> None:
        """Writes the search as it is: `head` is where it stands."""
        for i in range(len(self._threads), len(order)):
            self._threads.append(_who(space, order[parent[i]], order[i]) if i else 0)
        head = {"format": FORMAT, "order": sys.byteorder, "system": fingerprint(space.system), "states": len(order), **head}
        parents = array("I", parent)
        beside = self.path.with_name(self.path.name + ".new")
        with beside.open("wb") as file:
            file.write(json.dumps(head).encode() + b"\n")
            parents.tofile(file)
            file.write(self._threads)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        self._last = time.monotonic()

    def load(self, space: Space, reductions: tuple[str, ...]) -> tuple[dict[str, Any], list[int], array[int]] | None:
        """(head, states, parents) of a search that was written, or None if there is none. ValueError if it is another one's."""
        if not self.path.exists():
            return None
        head, parents, threads = self._read()
        if head["system"] != fingerprint(space.system) or tuple(head["reductions"]) != reductions:
            raise ValueError(f"{self.path} is a search of another system, or with other reductions")
        order = [space.initial]
        for i in range(1, len(parents)):
            before = order[parents[i]] if parents[i] < i else -1
            change = _change(space, before, threads[i]) if before >= 0 and threads[i] < len(space.threads) else 0
            if not change:
                raise ValueError(f"{self.path}: state {i} can't be reached as it says")
            order.append(before + change)
        if len(set(order)) != len(order):
            raise ValueError(f"{self.path} has a state twice")
        self._threads = bytearray(threads)
        return head, order, array("L", parents)

    def forget(self) -> None:
        """What was written is of no use: it was made with reductions that do not apply."""
        self.path.unlink(missing_ok=True)
        self._threads = bytearray()

    def reductions(self) -> tuple[str, ...] | None:
        """With which reductions the search was written; None if there is none."""
        return tuple(self._read()[0]["reductions"]) if self.path.exists() else None

    def _read(self) -> tuple[dict[str, Any], array[int], bytes]:
        text, _, data = self.path.read_bytes().partition(b"\n")
        try:
            head = json.loads(text)
            good = isinstance(head, dict) and set(head) == HEAD and (head["format"], head["order"]) == (FORMAT, sys.byteorder)
            good = good and len(data) == 5 * head["states"] and 0 <= head["next"] <= head["states"] > 0
        except (ValueError, TypeError):
            good = False
        if not good:
            raise ValueError(f"{self.path} is no search that was written on a machine like this, or it is cut off")
        return head, array("I", data[: 4 * head["states"]]), data[4 * head["states"] :]


def fingerprint(system: System) -> str:
    """What a search must agree on to be gone on with: the threads, the words they begin with, and the code they run."""
    digest = hashlib.sha256()
    for name, value in zip(system.memory.shown, system.words, strict=True):
        digest.update(f"{name.name}={value!r}\n".encode())
    for program in system.programs:
        digest.update(f"{program.name} {program.first.operation!r}\n".encode())
        _add_code(digest, program._start)
    for _, function in sorted(vars(system.kernel).items()) if system.kernel else ():
        _add_code(digest, function)
    return digest.hexdigest()[:32]


def _add_code(digest: Any, value: Any) -> None:
    """A function as it was compiled, with the functions that it closes over."""
    code = value if isinstance(value, CodeType) else getattr(value, "__code__", None)
    if code is None:
        return
    digest.update(code.co_code + repr((code.co_name, code.co_names, code.co_varnames)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add_code(digest, constant)
        else:
            digest.update(repr(constant).encode())
    for cell in getattr(value, "__closure__", None) or ():
        _add_code(digest, cell.cell_contents)


def _change(space: Space, state: int, t: int) -> int:
    try:
        return space.difference(state, t)
    except Found:
        return 0


def _who(space: Space, before: int, after: int) -> int:
    return next(t for t in space.threads if before + (_change(space, before, t) or -before) == after)
