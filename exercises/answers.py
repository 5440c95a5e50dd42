"""Is what was given an answer at all? Each of these returns it, or raises NoAnswer with one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from types import FrameType, FunctionType
from typing import Any

from swapmodel.names import nearest, quoted

from .result import NoAnswer

LINES = 100_000  # that a reader's own function may run


def unanswered(answer: Any) -> bool:
    """Is this what a stub has: nothing, or nothing but empty places?"""
    if isinstance(answer, FunctionType):
        return answer.__code__.co_code == _stub.__code__.co_code
    if isinstance(answer, Mapping):
        return all(map(unanswered, answer.values()))
    if isinstance(answer, list | tuple | set):
        return all(map(unanswered, answer))
    return answer is None or answer is ... or answer == "..."


def _stub() -> None: ...


def number(answer: Any, what: str = "The answer") -> int:
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise NoAnswer(f"{what} is a whole number, not {kind(answer)}.", "Write 7 or 0x40, without quotes.")
    return int(answer)


def name(answer: Any, what: str = "The answer") -> str:
    if not isinstance(answer, str):
        raise NoAnswer(f"{what} is a name, not {kind(answer)}.", "Write names between quotes.")
    return answer


def truth(answer: Any, what: str = "The answer") -> bool:
    if not isinstance(answer, bool):
        raise NoAnswer(f"{what} is True or False, not {kind(answer)}.", "Write True or False, without quotes.")
    return answer


def choice(answer: Any, allowed: Collection[str], what: str = "The answer") -> str:
    """One of a few words."""
    if not isinstance(answer, str) or answer not in allowed:
        guess = nearest(answer, allowed) if isinstance(answer, str) else ""
        given = f"{answer!r}; did you mean {guess!r}?" if guess else f"{kind(answer)}."
        raise NoAnswer(f"{what} is one of the words offered, not {given}", f"The words are: {', '.join(allowed)}.")
    return answer


def row(answer: Any, length: int, what: str = "The answer") -> list[Any]:
    """A tuple or a list of so many parts."""
    if isinstance(answer, str | bytes) or not isinstance(answer, Sequence):
        raise NoAnswer(f"{what} is a tuple or list of {length}, not {kind(answer)}.", "Separate its parts by commas.")
    if len(answer) != length:
        raise NoAnswer(f"{what} has {length} parts, not {len(answer)}.", "Look at the form of the answer again.")
    return list(answer)


def table(answer: Any, keys: Collection[Any], what: str = "The answer") -> dict[Any, Any]:
    """A dict with exactly these keys, each of which has a value."""
    if not isinstance(answer, Mapping):
        raise NoAnswer(f"{what} is a dict, not {kind(answer)}.", "Take the dict of the stub and fill in its values.")
    missing = [key for key in keys if answer.get(key) is None]
    strange = [key for key in answer if key not in keys]
    if strange:
        raise NoAnswer(f"{what} has the key {strange[0]!r}, which was not asked.", f"Its keys: {', '.join(map(str, keys))}.")
    if missing:
        raise NoAnswer(f"{what} says nothing of {missing[0]}.", "Fill in every key.")
    return dict(answer)


def permutation(answer: Any, of: Collection[str], what: str = "The answer") -> list[str]:
    """Every one of these words, once."""
    given = row(answer, len(of), what)
    for word in given:
        choice(word, of, "Each part of the order")
    twice = [word for word in of if given.count(word) > 1]
    if twice:
        raise NoAnswer(f"{what} has {twice[0]} twice.", "Each of them comes once.")
    return given


def function(answer: Any, name: str) -> FunctionType:
    """A function of the reader's."""
    if not isinstance(answer, FunctionType):
        raise NoAnswer(f"The answer is the function {name}(), not {kind(answer)}.", f"Hand over {name}, without parentheses.")
    return answer


def fix_of(answer: Any, *names: str) -> dict[str, Callable[..., Any]]:
    """Kernel functions of the reader's: one, or several in a dict. `names`: those that may be replaced."""
    given = {answer.__name__: answer} if isinstance(answer, FunctionType) else answer
    hint = f"Hand over the function {names[0]}, without parentheses, or a dict of functions by name."
    if not isinstance(given, Mapping) or not all(isinstance(f, FunctionType) for f in given.values()):
        raise NoAnswer(f"A fix is a function or a dict of functions, not {kind(answer)}.", hint)
    if not set(given) & set(names):
        raise NoAnswer(f"The fix replaces {', '.join(map(str, given)) or 'nothing'}, not {names[0]}.", hint)
    for name in given:
        if name in names and not given[name].__code__.co_flags & 0x20:
            raise NoAnswer(f"{name}() has no yield yet.", "Write its body: `yield` for operations, `yield from` for calls.")
    return dict(given)


def kind(answer: Any) -> str:
    """What was given, in a word or two: never its address."""
    if answer is None or answer is ...:
        return "nothing"
    if isinstance(answer, bool | int | float | str | bytes | list | tuple | dict | set):
        return quoted(answer)
    word = type(answer).__name__
    return f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"


class _Endless(Exception):
    """A reader's function has run too many lines."""


def call(f: FunctionType, *arguments: Any) -> Any:
    """What a reader's function returns. NoAnswer if it raises, or goes on without end."""
    left = LINES

    def watch(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left <= 0:
            raise _Endless
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        return f(*arguments)
    except _Endless:
        raise NoAnswer(f"{f.__name__}() does not come to its end.", "Look at the condition of its loop.") from None
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        told = ", ".join(map(kind, arguments))
        raise NoAnswer(f"{f.__name__}({told}) raises {what}.", "Run it in a cell of its own with these arguments.") from None
    finally:
        sys.settrace(before)
