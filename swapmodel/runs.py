"""What is said of one element after the other of an array, in one line: `swap_map[514..1023] 0x40 -> 0x00`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, TypeVar

LONGEST = 8  # lines that are left as they are
ELEMENT = re.compile(r"(.*)\[(\d+)\](.*)", re.DOTALL)  # the last one that a text names

T = TypeVar("T")


def folded(lines: Iterable[tuple[T, str]], alike: Callable[[T], Hashable] = lambda line: 0) -> Iterator[tuple[T, str]]:
    """The lines, each as (what it is about, its text). More than 8 in a row that are `alike`, and say the same of one element
    after the other, become the first of them, told of all."""
    for _, group in itertools.groupby(enumerate(lines), lambda numbered: _pattern(numbered, alike)):
        run = [line for _, line in group]
        if len(run) <= LONGEST:
            yield from run
        else:
            yield run[0][0], ELEMENT.sub(rf"\g<1>[\g<2>..{_index(run[-1][1])}]\g<3>", run[0][1])


def _pattern(numbered: tuple[int, tuple[T, str]], alike: Callable[[T], Hashable]) -> Hashable:
    """What the lines of one run have in common; of a line that names no element, what no other line has."""
    position, (line, text) = numbered
    found: Any = ELEMENT.fullmatch(text)
    return (alike(line), found[1], found[3], int(found[2]) - position) if found else position


def _index(text: str) -> int:
    found: Any = ELEMENT.fullmatch(text)
    return int(found[2])
