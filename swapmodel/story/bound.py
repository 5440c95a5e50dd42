"""The events of a story on one system: which steps they are, which words they mean."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..explore.guided import Taken
from ..machine import Address, Memory
from ..program import Step, System
from ..trace import explain_wait
from . import events
from .events import Call, Change, Compare, Event, Fault, Operation, Store, Touch, Wait
from .words import COUNTS, SYNONYMS, number, same

BASES = {  # names of pointers in kernel code -> the names of our objects
    **dict.fromkeys(("si", "p", "sis", "swap_info"), r"si\d*"),
    **dict.fromkeys(("ci", "cluster_info", "cluster"), r"(?:swap\d+\.)?cluster_info\[\d+\]"),
    **dict.fromkeys(("folio", "page"), r"(?:new )?folio\d*"),
    **dict.fromkeys(("mm", "vma"), r"mm\d+"),
    "info": r"info",
    "mapping": r".*i_mapping\[\d+\]",
}
LOADS = {"READ_ONCE", "read", "raw_cpu_ptr", "might_sleep"}


class Unknown(ValueError):
    """A name in a story that this system does not have."""


class Bound(NamedTuple):
    """One event on one system. A place (`stands`) is where a thread is; a wait (`waits`) is what it waits for; all else is a
    step (`matches`), which may be one only if it stores one of `words` or if `sees` its operation."""

    event: Event
    stands: Callable[[Step], bool] | None = None
    waits: Callable[[Memory, Any, int, Step], bool] | None = None
    matches: Callable[[Taken], bool] | None = None
    words: frozenset[int] = frozenset()
    sees: Callable[[Any], bool] = lambda operation: False


def bind(event: Event, system: System) -> Bound:
    """The event on `system`. Unknown if it names a word or an object that there is not."""
    return BIND[type(event)](event, system)


# ---- names -------------------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """A name or a value without spaces and & *, its members with dots."""
    return re.sub(r"\s+", "", text).replace("->", ".").lstrip("&*")


def pattern(name: str) -> str:
    """A regular expression for the names of the words that a story means by `name`; the longest name we know is short."""
    name = SYNONYMS.get(name, name)
    if name in COUNTS:
        return r"(?:.*\.)?swap_map\[\d+\]"
    base, dot, rest = plain(name).replace("NULL", "NULL ").partition(".")
    if dot and base in BASES:
        return BASES[base] + r"\." + _member(rest)
    return r"(?:.*[.])?" + _member(plain(name))


def _member(name: str) -> str:
    """A member, with an index that is no number left open."""
    opened = re.split(r"\[([^][]*)\]", name)
    parts = [
        re.escape(part) if i % 2 == 0 else rf"\[{part if part.isdigit() else r'[0-9]+'}\]" for i, part in enumerate(opened)
    ]
    return "".join(parts)


def named(name: str, memory: Memory) -> frozenset[int]:
    """The words that `name` means. Unknown, with the nearest name, if there is none."""
    found = _named(name, memory)
    if not found and plain(name).partition(".")[0] in BASES and "." in plain(name):
        found = _named(plain(name).partition(".")[2], memory)  # p->swap_map[i]: the array that the member points to
    if not found:
        raise Unknown(f"no word here is named {name}")
    return found


def _named(name: str, memory: Memory) -> frozenset[int]:
    exact = [w for w, shown in enumerate(memory.shown) if shown.name == name]
    wanted = re.compile(pattern(name))
    return frozenset(
        exact or [w for w, s in enumerate(memory.shown) if not s.hidden and wanted.fullmatch(s.name.replace(" ", ""))]
    )


def lives(name: str, memory: Memory) -> frozenset[int]:
    """The life words of the objects that `name` means."""
    short = plain(name)
    base, dot, rest = short.partition(".")
    wanted = re.compile(r"(?:.*\.)?" + re.escape(rest if dot and base in BASES else short))
    found = frozenset(
        w
        for w, shown in enumerate(memory.shown)
        if shown.name.endswith(" (object)") and wanted.fullmatch(shown.name.removesuffix(" (object)").replace(" ", ""))
    )
    if not found:
        raise Unknown(f"no object here is named {name}, or it is never freed")
    return found


def equals(text: str, memory: Memory, word: int) -> Callable[[Any], bool]:
    """Is a value what `text` says? As the views show this word, or as a number."""
    wanted, as_number, show = plain(text), number(text), memory.shown[word].show
    bare = wanted.removeprefix("SWP_").replace("|SWP_", "|")

    def check(value: Any) -> bool:
        if as_number is not None and isinstance(value, int):
            return int(value) == as_number
        return wanted == plain(str(value)) or (value is not None and plain(show(value)) in (wanted, bare))

    return check


# ---- one function for each kind of event -------------------------------------------------------------------------------


def _call(event: Call, system: System) -> Bound:
    whole = event.exact or len(event.functions) < 3
    functions = event.functions if whole else (event.functions[0], event.functions[-1])
    known: dict[Step, bool] = {}

    def stands(step: Step) -> bool:
        found = known.get(step)
        if found is None:
            found = known[step] = within(functions, [f.function for f in step.stack])
        return found

    return Bound(event, stands=stands)


def within(functions: tuple[str, ...], stack: list[str]) -> bool:
    """Are these functions on the stack, in this order?"""
    left = iter(stack)
    return all(f in left for f in functions)


def _operation(event: Operation, system: System) -> Bound:
    names = same(event.name)
    wanted = [_argument(a, system.memory) for a in event.arguments]

    def sees(operation: Any) -> bool:
        given = operation.arguments
        return operation.name in names and all(w(given[i]) for i, w in enumerate(wanted) if i < len(given))

    def matches(taken: Taken) -> bool:
        if taken.step.operation is None or not sees(taken.step.operation):
            return False
        address = taken.step.operation.address
        if not event.value or not isinstance(address, Address) or address.word < 0:
            return not event.value or plain(str(taken.value)) == plain(event.value)
        return plain(str(taken.value)) == plain(event.value) or equals(event.value, system.memory, address.word)(taken.value)

    return Bound(event, matches=matches, sees=functools.cache(sees))


def _argument(text: str, memory: Memory) -> Callable[[Any], bool]:
    """May an argument of an operation be what the story has there? What is neither a name nor a value is anything."""
    if text.strip(". …?") == "":
        return lambda given: True
    try:
        words = named(text, memory)
    except Unknown:
        words = frozenset()
    value = number(text)
    literal = words or value is not None or text == "NULL"

    def check(given: Any) -> bool:
        if isinstance(given, Address) and given.word in words:
            return True
        if plain(repr(given)) == plain(text) or plain(str(given)) == plain(text):
            return True
        if isinstance(given, int) and not isinstance(given, bool) and value is not None:
            return given == value
        return not literal and not isinstance(given, Address)

    return check


def _change(event: Change, system: System) -> Bound:
    checks = [_one_change(*word, system.memory) for word in event.words]

    def matches(taken: Taken) -> bool:
        return all(any(check(w, taken.words[w], v) for w, v in taken.stores.items()) for _, check in checks)

    return Bound(event, matches=matches, words=frozenset().union(*(words for words, _ in checks)))


def _one_change(name: str, before: str, after: str, memory: Memory) -> tuple[frozenset[int], Callable[[int, Any, Any], bool]]:
    if not before:
        return lives(name, memory), functools.partial(_dies if after == "freed" else _is_born, lives(name, memory))
    words = named(name, memory)
    old, new = ({w: equals(text, memory, w) for w in words} for text in (before, after))
    return words, lambda word, was, now: word in words and was != now and old[word](was) and new[word](now)


def _dies(words: frozenset[int], word: int, was: Any, now: Any) -> bool:
    return bool(word in words and was > 0 > now)


def _is_born(words: frozenset[int], word: int, was: Any, now: Any) -> bool:
    return bool(word in words and now > 0 >= was)


def _store(event: Store, system: System) -> Bound:
    words = named(event.word, system.memory)
    new = {w: equals(event.value, system.memory, w) for w in words}

    def matches(taken: Taken) -> bool:
        return any(w in words and new[w](value) for w, value in taken.stores.items())

    return Bound(event, matches=matches, words=words)


def _compare(event: Compare, system: System) -> Bound:
    words = named(event.word, system.memory)
    tests = {w: equals(event.value, system.memory, w) for w in words}
    equal = event.sign == "=="

    def matches(taken: Taken) -> bool:
        if any(w in words and tests[w](value) == equal for w, value in taken.stores.items()):
            return True
        return _loads(taken.step.operation, words) and tests[taken.step.operation.address.word](taken.value) == equal  # type: ignore[union-attr]

    return Bound(event, matches=matches, words=words, sees=lambda operation: _loads(operation, words))


def _loads(operation: Any, words: frozenset[int]) -> bool:
    """Is this a load of one of these words?"""
    if operation is None or operation.name not in ("READ_ONCE", "read", "xchg", "cmpxchg"):
        return False
    return isinstance(operation.address, Address) and operation.address.word in words


def _touch(event: Touch, system: System) -> Bound:
    words = named(event.word, system.memory)
    through_null = re.compile(r"NULL" + (r"\[\d+\]" if "[" in event.word else r"->" + plain(event.word).rpartition(".")[2]))

    def sees(operation: Any) -> bool:
        address = operation.address
        if not isinstance(address, Address):
            return False
        return address.word in words or (address.word < 0 and bool(through_null.fullmatch(address.name)))

    def matches(taken: Taken) -> bool:
        return not words.isdisjoint(taken.stores) or (taken.step.operation is not None and sees(taken.step.operation))

    return Bound(event, matches=matches, words=words, sees=sees)


def _wait(event: Wait, system: System) -> Bound:
    why = plain(event.why.removeprefix("waits").strip())

    def waits(memory: Memory, words: Any, thread: int, step: Step) -> bool:
        assert step.operation is not None
        told = plain(explain_wait(memory, words, thread, step.operation).removeprefix("waits").strip())
        return told.startswith(why) or _waits_for(why, told)

    return Bound(event, waits=waits)


def _waits_for(why: str, told: str) -> bool:
    """`for PTL`, `for the lock of the cluster`: the last member of what it waits for."""
    wanted = why.removeprefix("for").removeprefix("the")
    lock = told.removeprefix("for").partition(",")[0]
    return bool(wanted) and told.startswith("for") and bool(re.fullmatch(pattern(wanted), lock))


def _fault(event: Fault, system: System) -> Bound:
    def matches(taken: Taken) -> bool:
        violation = taken.violation
        if violation is None or not plain(violation.kind).lower().startswith(plain(event.kind).lower()):
            return False
        return not event.operation or plain(str(taken.step.operation)) == plain(event.operation)

    return Bound(event, matches=matches)


BIND: Mapping[type, Callable[..., Bound]] = {
    events.Call: _call,
    events.Operation: _operation,
    events.Change: _change,
    events.Store: _store,
    events.Compare: _compare,
    events.Touch: _touch,
    events.Wait: _wait,
    events.Fault: _fault,
}
