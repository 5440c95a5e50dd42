"""What is held meanwhile: locks, RCU sections; and since when a thread is an RCU reader, which a spinlock makes it too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..machine import RCU
from ..trace import Recorder, TraceStep
from ..views import DROPS, TAKES


class Hold(NamedTuple):
    """A lock, or an RCU read-side section, that `thread` holds from step `first` until step `last`; at the end of the trace
    it is still held where `last` is len(steps)."""

    thread: int
    first: int
    last: int
    name: str  # "" for an RCU section or interrupts off, which belong to no lock


def holds(steps: Sequence[TraceStep]) -> list[Hold]:
    """Every lock and RCU section of the trace, with the steps that began and ended it."""
    done: list[Hold] = []
    open_: dict[tuple[int, str], list[int]] = {}
    for i, step in enumerate(steps):
        name, key = step.operation.name, (step.thread, subject(step))
        if takes(step):
            open_.setdefault(key, []).append(i)
        elif name in DROPS and open_.get(key):
            done.append(Hold(step.thread, open_[key].pop(), i, key[1]))
    done += [Hold(t, i, len(steps), name) for (t, name), began in open_.items() for i in began]
    return sorted(done, key=lambda h: (h.first, h.last))


def subject(step: TraceStep) -> str:
    """The name of what a step is about; empty for rcu_read_lock() and its like."""
    address = step.operation.address
    return "" if address is None else str(address)


def takes(step: TraceStep) -> bool:
    name = step.operation.name
    return not step.fault and ((name in TAKES and step.value is not False) or (name.startswith("spin_trylock") and step.value))


class Reading(NamedTuple):
    """`thread` is an RCU reader from step `first` until step `last`; still at the end of the trace where that is len(steps)."""

    thread: int
    first: int
    last: int


def readings(recorder: Recorder) -> list[Reading]:
    """When each thread is an RCU reader, as the machine counts: for whom a grace period that begins then must wait."""
    again, found = Recorder(recorder.system), list[Reading]()
    since: dict[int, int] = {}
    for i, step in enumerate(recorder.steps):
        again.take(step.thread)
        reads = again.words[recorder.system.memory.context[step.thread]] >= RCU
        if reads and step.thread not in since:
            since[step.thread] = i
        elif not reads and step.thread in since:
            found.append(Reading(step.thread, since.pop(step.thread), i))
    return sorted([*found, *(Reading(t, i, len(recorder.steps)) for t, i in since.items())], key=lambda r: r.first)


class Period(NamedTuple):
    """A grace period that `thread` waits for: from the step that begins it to the one that sees it over."""

    thread: int
    first: int
    last: int


def grace_periods(steps: Sequence[TraceStep]) -> list[Period]:
    """Each synchronize_rcu() of the trace; one that is not over lasts until len(steps)."""
    begun: dict[int, int] = {}
    found = []
    for i, step in enumerate(steps):
        if step.operation.name == "start_poll_synchronize_rcu":
            begun[step.thread] = i
        elif step.operation.name == "cond_synchronize_rcu" and step.thread in begun:
            found.append(Period(step.thread, begun.pop(step.thread), i))
    return [*found, *(Period(t, i, len(steps)) for t, i in begun.items())]
