"""The mistakes of a reader's fix that only exploring finds: where they were made, and the remedy.

What can be seen before a fix runs (no `yield from`, another number of arguments) lint.py and kernel.py tell. Here are those
that need an interleaving: a lock left held or taken twice, sleeping under a spinlock, a pin never put, a loop without end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..machine import Address
from ..program import CELL, OWN_FILES, Frame, short_file
from ..trace import Recorder, TraceStep

if TYPE_CHECKING:
    from ..verdict import Verdict

RELEASE = {
    "spin_lock": "spin_unlock",
    "spin_trylock": "spin_unlock",
    "spin_lock_irq": "spin_unlock_irq",
    "local_irq_disable": "local_irq_enable",
    "rcu_read_lock": "rcu_read_unlock",
    "mutex_lock": "mutex_unlock",
    "down_read": "up_read",
    "down_write": "up_write",
    "folio_lock": "folio_unlock",
    "folio_trylock": "folio_unlock",
    "percpu_ref_tryget_live": "percpu_ref_put",
}
ATOMIC = {"spin_unlock", "spin_unlock_irq", "local_irq_enable", "rcu_read_unlock"}
SLEEPING_LOCKS = {"mutex_lock", "down_read", "down_write", "folio_lock"}  # a thread that sleeps for one takes this step twice
LOOP = 4_000  # steps in which a loop must come round


class Held(NamedTuple):
    """A lock, a section or a pin that a thread has and did not give back."""

    release: str  # the operation that would
    what: str  # the lock's name; "" for a section without one
    stack: tuple[Frame, ...]

    def __str__(self) -> str:
        sections = {"rcu_read_unlock": "an RCU read-side section", "local_irq_enable": "a section with interrupts off"}
        return self.what or sections.get(self.release, "a section")


def remedy(verdict: Verdict) -> str:
    """One sentence with file and line, and what to do about it; empty if the violation is none of a reader's mistakes."""
    violation, recorder = verdict.outcome.violation, verdict.recorder
    if violation is None or recorder is None:
        return ""
    if violation.kind == "sleeping while atomic":
        return _sleeps(recorder)
    if violation.kind == "lock misuse":
        return _unguarded(recorder) or _taken_twice(recorder) or _left_held(recorder)
    if violation.kind == "deadlock":
        return _never_given_back(recorder) or _goes_round(recorder)
    return _goes_round(recorder) if violation.kind == "livelock" else ""


def held(recorder: Recorder, thread: int) -> list[Held]:
    """What a thread holds at the end of the interleaving, in the order in which it was taken."""
    found: list[Held] = []
    for step in recorder.steps:
        if step.thread != thread or (step.fault and recorder.violation is not None):
            continue
        name, what = _plain(step.operation.name), _name(step)
        if name in SLEEPING_LOCKS:
            _remove(found, RELEASE[name], what)
        if name in RELEASE and step.value is not False:
            found.append(Held(RELEASE[name], what, step.stack))
        elif name in RELEASE.values():
            _remove(found, name, what)
    return found


def _remove(found: list[Held], release: str, what: str) -> None:
    for i in reversed(range(len(found))):
        if found[i].release == release and found[i].what == what:
            del found[i]
            return


def _plain(operation: str) -> str:
    return operation.removesuffix("_not_rcu")


def _name(step: TraceStep) -> str:
    return "" if step.operation.address is None else str(step.operation.address)


def own(stack: tuple[Frame, ...]) -> Frame | None:
    """The innermost function of the call stack that is neither the kernel's nor the machine's: the reader's."""
    return next((f for f in reversed(stack) if not f.file.startswith(OWN_FILES)), None)


def _line(recorder: Recorder, frame: Frame) -> str:
    """File and line; of a notebook cell with its number."""
    code = getattr(getattr(recorder.system.kernel, frame.function, None), "__code__", None)
    file = short_file(code.co_filename) if frame.file == CELL and code is not None else frame.file
    return f"{file}:{frame.line}"


def _at(recorder: Recorder, stack: tuple[Frame, ...]) -> str:
    """Where somebody was: in the reader's function if it was on the call stack, in the innermost otherwise."""
    frame = own(stack) or stack[-1]
    return f"{_line(recorder, frame)}, in {frame.function}()"


def _begin(recorder: Recorder, stack: tuple[Frame, ...]) -> str:
    frame = own(stack) or stack[-1]
    return f"{_line(recorder, frame)}: {frame.function}()"


def _called(step: TraceStep) -> tuple[str, str]:
    """The call that stands on the reader's line, and the primitive in it that takes the step: often the same."""
    frame, operation = own(step.stack), _plain(step.operation.name)
    if frame is None:
        return operation, operation
    below = step.stack[len(step.stack) - step.stack[::-1].index(frame) :]
    primitive = next((f.function for f in below if f.file.startswith("machine/")), operation)
    return (below[0].function if below else operation), primitive


def _unguarded(recorder: Recorder) -> str:
    """Who reads or writes without the lock that the layout names."""
    fault, violation = recorder.steps[-1], recorder.violation
    address = violation.address if violation else None
    if not isinstance(address, Address) or address.guard is None or own(fault.stack) is None:
        return ""
    lock = address.guard
    told = {f"{address} is read without {lock}": "reads", f"{address} is written without {lock}": "writes"}
    verb = told.get(str(violation))
    if verb is None:
        return ""
    begin, did = _begin(recorder, fault.stack), f"{verb} {address} without {lock}"
    if own(fault.stack) != fault.stack[-1]:
        return f"{begin} calls {_called(fault)[0]}(), which {did}: hold {lock} around the call"
    lockless = f"READ_ONCE({address}) for a lockless look, or " if verb == "reads" and address.lockless else ""
    return f"{begin} {did}: {lockless}hold {lock}"


def _sleeps(recorder: Recorder) -> str:
    fault = recorder.steps[-1]
    sections = [h for h in held(recorder, fault.thread) if h.release in ATOMIC]
    if not sections or not (own(fault.stack) or own(sections[-1].stack)):
        return ""
    section, (called, sleeps) = sections[-1], _called(fault)
    if own(fault.stack) is None:  # the reader's function has returned
        return _left(recorder, section)
    instead = "folio_trylock() does not sleep" if sleeps == "folio_lock" else "leave the section before it"
    since = f"{section}, since {_at(recorder, section.stack)}"
    which = "may sleep" if called == sleeps else f"may sleep in {sleeps}()"
    begin = _begin(recorder, fault.stack)
    return f"{begin} calls {called}(), which {which}, inside {since}: {instead}, or take the section away"


def _taken_twice(recorder: Recorder) -> str:
    fault = recorder.steps[-1]
    if not fault.fault or _plain(fault.operation.name) not in RELEASE:
        return ""
    before = [h for h in held(recorder, fault.thread) if h.what == _name(fault)]
    if not before or not (own(fault.stack) or own(before[-1].stack)):
        return ""
    function = fault.stack[-1].function
    return (
        f"{_begin(recorder, fault.stack)} takes {before[-1]} in {function}(), but has it since "
        f"{_at(recorder, before[-1].stack)}: release it before the call, or call what expects it to be held (as "
        "__swap_entry_free_locked() does)"
    )


def _left_held(recorder: Recorder) -> str:
    """Who returns from a system call with a lock or inside a section."""
    fault = recorder.steps[-1]
    if fault.operation.name != "lockdep_sys_exit":
        return ""
    left = [h for h in held(recorder, fault.thread) if own(h.stack) and h.release != "percpu_ref_put"]
    if not left:
        return ""
    return _left(recorder, left[0])


def _left(recorder: Recorder, section: Held) -> str:
    begin, verb = _begin(recorder, section.stack), "takes" if section.what else "begins"
    return f"{begin} {verb} {section} and returns without its end: `yield {_call(section)}` before every return"


def _call(section: Held) -> str:
    return f"{section.release}({section.what})"


def _never_given_back(recorder: Recorder) -> str:
    """A pin or a lock of the reader's for which others wait for ever."""
    for thread in range(len(recorder.system.memory.threads)):
        for section in held(recorder, thread):
            if not own(section.stack):
                continue
            begin = _begin(recorder, section.stack)
            if section.release == "percpu_ref_put":
                return f"{begin} pins the device for ever: put_swap_device() on every path to the end"
            return f"{begin} takes {section}, and nobody can go on: `yield {_call(section)}` before it waits"
    return ""


def _goes_round(recorder: Recorder) -> str:
    """The reader's lines that a thread takes again and again, from the end of the interleaving on."""
    for thread in range(len(recorder.system.memory.threads)):
        lines = sorted({(f.file, f.function, f.line) for f in _round(recorder, thread)})
        if lines:
            first, last = (Frame(function, file, line) for file, function, line in (lines[0], lines[-1]))
            here = _line(recorder, first) + (f"-{last.line}" if last.line != first.line else "")
            return f"{here}: {first.function}() goes round here without end: give the loop a way out that others can open"
    return ""


def _round(recorder: Recorder, thread: int) -> Iterator[Frame]:
    """Lets one thread run on alone until it comes to where it was; the reader's frames on the way round."""
    again, passed, seen = Recorder(recorder.system), list[tuple[Frame, ...]](), dict[tuple[int, tuple[object, ...]], int]()
    for step in recorder.steps:
        again.take(step.thread)
    again.steps.clear()
    for number in range(LOOP):
        place = (again.at[thread].index, again.words)
        if place in seen:
            yield from (f for stack in passed[seen[place] :] if (f := own(stack)) is not None)
            return
        seen[place] = number
        passed.append(again.at[thread].stack)
        if not again.take(thread):
            return
