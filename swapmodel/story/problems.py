"""What a reader must change in a story, with file:line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..names import Told

SHOWN = 12  # problems that are listed; the rest is counted
WIDTH = 100  # of a quoted line


class Problem(NamedTuple):
    """Something in a line that is not understood, and what may have been meant."""

    line: int
    what: str
    hint: str = ""


class NotUnderstood(Told, ValueError):
    """A story, or some lines of it, can't be read. The message has a line `file:line: what; hint` for each problem."""

    def __init__(self, file: str, problems: Iterable[Problem]):
        self.file, self.problems = file, sorted(set(problems))
        told = [f"{file}:{p.line}: {p.what}" + (f"; {p.hint}" if p.hint else "") for p in self.problems[:SHOWN]]
        more = len(self.problems) - SHOWN
        super().__init__("\n".join([*told, *([f"... and {more} more"] if more > 0 else [])]))


class Ambiguous(Told, ValueError):
    """The story fits several scenarios: the message names them."""


def quoted(text: str) -> str:
    """A piece of the reader's text, safe to print: short, and without control characters."""
    shown = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text[:WIDTH])
    return f"'{shown}{'...' if len(text) > WIDTH else ''}'"
