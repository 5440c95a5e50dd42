"""The events of a story on one system: which steps they are, which words they mean."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..explore.guided import Taken
from ..machine import Address, Memory, Pointer
from ..program import Step, System
from ..trace import explain_wait
from . import events
from .brackets import pieces
from .events import Call, Change, Compare, Event, Fault, Operation, Store, Touch, Wait
from .naming import Unknown, called, demand_value, equals, lives, named, object_names, plain, shown_names
from .words import KINDS, PLACE, constants, number, operations, same

WAITED = re.compile(
    r"for (?:the )?(?P<lock>.+?)(?: lock)?(?:, held by (?P<holder>[\w ]+))?"
    r"|in (?P<function>\w+)\(\)(?: for (?P<who>.+))?",
    re.DOTALL,
)
LOCK = re.compile(r"(?:lock|mutex|rwsem|locked)\]?$|^discard_work_running$")  # names of locks
REASONS = re.compile(r"the grace period of|\bthe \d+ reference")


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
    wanted = [_argument(a, i, system.memory) for i, a in enumerate(event.arguments)]
    if event.value:
        demand_value(event.value, system.memory)

    def sees(operation: Any) -> bool:
        given = operation.arguments
        return operation.name in names and all(w(given[i]) for i, w in enumerate(wanted) if i < len(given))

    def matches(taken: Taken) -> bool:
        if taken.step.operation is None or not sees(taken.step.operation):
            return False
        return not event.value or _returned(event.value, taken, system.memory)

    return Bound(event, matches=matches, sees=functools.cache(sees))


def _returned(text: str, taken: Taken, memory: Memory) -> bool:
    """Is what an operation returned what `text` says: as a number, in our words, or as the views show its word?"""
    assert taken.step.operation is not None
    value, address, as_number = taken.value, taken.step.operation.address, number(text)
    if as_number is not None and isinstance(value, int):
        return int(value) == as_number
    if plain(str(value)) == plain(text):
        return True
    return isinstance(address, Address) and address.word >= 0 and equals(text, memory, address.word)(value)


def _argument(text: str, place: int, memory: Memory) -> Callable[[Any], bool]:
    """May an argument of an operation be what the story has there? An expression, or a local variable behind the first place,
    is anything. Unknown: another name that there is not."""
    if text.strip(". …?") == "":
        return lambda given: True
    try:
        words = named(text, memory)
    except Unknown:
        words = frozenset()
    value, objects = number(text), called(text, memory)
    literal = words or objects or value is not None or text == "NULL"
    if not literal and PLACE.fullmatch(text) and not plain(text).startswith("NULL") and (place == 0 or text.isupper()):
        raise Unknown(
            f"no word or object here is named {text}",
            plain(text),
            shown_names(memory) | object_names(memory) | set(constants()),
        )

    def check(given: Any) -> bool:
        if isinstance(given, Address) and given.word in words:
            return True
        if isinstance(given, Pointer) and (
            not words.isdisjoint(given._object.words) or (objects and objects.fullmatch(str(given)))
        ):
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
    why = " ".join(event.why.removeprefix("waits").split())
    lock, holder = _waited(why, system.memory)

    def waits(memory: Memory, words: Any, thread: int, step: Step) -> bool:
        assert step.operation is not None
        told = explain_wait(memory, words, thread, step.operation).removeprefix("waits ")
        if lock is None:
            said = why.replace("->", ".").split()
            return told.split()[: len(said)] == said
        found, _, held = told.removeprefix("for ").partition(" to become ")[0].partition(", held by ")
        return told.startswith("for ") and bool(lock.fullmatch(found.replace(" ", ""))) and holder in ("", held)

    return Bound(event, waits=waits)


def _waited(why: str, memory: Memory) -> tuple[re.Pattern[str] | None, str]:
    """(the names of the lock that a thread waits for, who holds it); (None, "") if it waits for no lock. Unknown: another
    reason than our views tell, or a name that there is not."""
    if not why:
        return None, ""
    found = WAITED.fullmatch(why)
    if not found or (found["function"] and found["function"] not in ("synchronize_rcu", "wait_for_completion")):
        told = "a thread waits for a lock, in synchronize_rcu() or in wait_for_completion()"
        raise Unknown(f"waits {why}: {told}", why, ("in synchronize_rcu()", "in wait_for_completion()"))
    who = found["holder"] or found["who"] or ""
    named_there = [t for t in (*memory.threads, "nobody") if re.search(rf"\b{re.escape(t)}\b", who)]
    if who and not named_there and not REASONS.match(who):
        raise Unknown(f"no thread here is named {who}", who, memory.threads)
    for spinlock in re.findall(r"holds the spinlock (\S+)", who):
        named(spinlock.strip(",."), memory)
    return (None, "") if found["function"] else (_lock(found["lock"], memory), found["holder"] or "")


def _lock(name: str, memory: Memory) -> re.Pattern[str]:
    """The names of a lock, as explain_wait() tells them."""
    folio = called(name, memory) if plain(name).startswith(("folio", "page", "newfolio")) and "." not in plain(name) else None
    words = folio or named(name, memory)
    shown = [memory.shown[w].name for w in words] if isinstance(words, frozenset) else []
    locks = [n for n in shown if LOCK.search(n)]
    if not folio and not locks:
        raise Unknown(f"{name} is no lock", plain(name), {n for n in shown_names(memory) if LOCK.search(n)})
    if folio:
        return re.compile("(?:" + folio.pattern.replace(" ", "") + r")(?:\.locked)?")
    return re.compile("|".join(re.escape(n.replace(" ", "")) for n in locks))


def _fault(event: Fault, system: System) -> Bound:
    kind, known = " ".join(event.kind.lower().split()), {k.lower(): k for k in KINDS}
    if kind not in known:
        raise Unknown(f"no violation is a {event.kind}", kind, KINDS)
    operation = _sees(event.operation, system) if event.operation else None

    def matches(taken: Taken) -> bool:
        violation = taken.violation
        if violation is None or violation.kind.lower() != kind:
            return False
        return (
            operation is None or plain(str(taken.step.operation)) == plain(event.operation) or operation(taken.step.operation)
        )

    return Bound(event, matches=matches)


def _sees(text: str, system: System) -> Callable[[Any], bool]:
    """Is an operation the one that `text` writes? Unknown if there is no such operation."""
    name, _, rest = text.partition("(")
    if name.strip() not in operations():
        raise Unknown(f"no operation is named {name.strip()}", name, operations())
    return _operation(Operation(name.strip(), tuple(pieces(rest.rpartition(")")[0], ","))), system).sees


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
