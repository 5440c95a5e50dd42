"""Unknown names are answered with the nearest known one."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


class Told:
    """An exception whose message is all there is to say: a notebook shows it without the frames that it came through."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class BadUse(Told, Exception):
    """Something the user must change, in one sentence."""


class UnknownName(Told, ValueError):
    """A scenario, kernel or fix that there is not. The message names the nearest one."""


class UnknownKey(UnknownName, KeyError):
    """The same where it was looked up with `[...]`."""

    __str__ = Exception.__str__  # KeyError's would put the sentence into quotes


class Named(dict[str, T]):
    """Things by name. `[...]` with a name that there is not tells the nearest one; all else is a dict's."""

    def __init__(self, kind: str, things: Mapping[str, T]):
        super().__init__(things)
        self.kind = kind

    def __missing__(self, name: str) -> T:
        try:
            return look_up(self.kind, name, dict(self))
        except UnknownName as error:
            raise UnknownKey(str(error)) from None


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name most like `name`; an empty string if none is."""
    found = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return found[0] if found else ""


def look_up(kind: str, name: str, known: Mapping[str, T]) -> T:
    """known[name], or UnknownName in one sentence."""
    if name in known:
        return known[name]
    guess = nearest(name, known)
    hint = f"did you mean {guess}?" if guess else f"there are: {', '.join(known)}"
    raise UnknownName(f"no {kind} is named {name!r}; {hint}")


def look_up_or_take(kind: str, given: str | T, known: Mapping[str, T]) -> T:
    """known[given], or what was given if it is one of these things itself. ValueError for anything else."""
    if isinstance(given, str):
        return look_up(kind, given, known)
    types = tuple({type(value) for value in known.values()})
    if isinstance(given, types):
        return given
    raise ValueError(f"a {kind} is given by its name or as a {types[0].__name__}, not as {quoted(given)}")


def quoted(value: object) -> str:
    """Something that was given in place of something else, cut to what fits a sentence."""
    return " ".join(reprlib.repr(value).split())
