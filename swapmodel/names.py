"""Unknown names are answered with the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


class BadUse(Exception):
    """Something the user must change, in one sentence."""


class UnknownName(ValueError):
    """A scenario, kernel or fix that there is not. The message names the nearest one."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like `name`; an empty string if none is."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return found[0] if found else ""


def look_up(kind: str, name: str, known: Mapping[str, T]) -> T:
    """known[name], or UnknownName in one sentence."""
    if name in known:
        return known[name]
    guess = nearest(name, known)
    hint = f"did you mean {guess}?" if guess else f"there are: {', '.join(known)}"
    raise UnknownName(f"no {kind} is named {name!r}; {hint}")
