"""What can be said of a violation in which no object was freed and no pointer became NULL: deadlocks, locks that were not held,
sleeping where one must not, and values that are the same again."""

from __future__ import annotations

from typing import Any

from ..machine import Violation
from ..trace import Recorder
from ..views import function_of
from .replayed import waits_for
from .steps import Replay, Taken

SHOWN = 3  # remarks on words that are the same again


def remarks(recorder: Recorder, replay: Replay, violation: Violation) -> list[str]:
    """Clauses, as honest as they are short."""
    told = []
    if violation.kind == "deadlock":
        names = recorder.system.memory.threads
        told = [f"{names[t]} {wait}" for t in range(len(names)) if (wait := _waits(recorder, t))]
    elif violation.kind == "lock misuse":
        told = _misuse(recorder, replay, violation)
    elif violation.kind == "sleeping while atomic":
        told = _atomic(recorder, replay)
    return told + same_again(recorder, replay)[:SHOWN]


def _waits(recorder: Recorder, t: int) -> str:
    violation, recorder.violation = recorder.violation, None
    try:
        return waits_for(recorder, t)
    finally:
        recorder.violation = violation


def _misuse(recorder: Recorder, replay: Replay, violation: Violation) -> list[str]:
    """Where the lock that the step needs was last dropped by its thread."""
    address: Any = violation.address
    if address is None:
        return []
    lock = address if address.guard is None else address.guard
    use, name = replay.taken[-1], recorder.system.memory.threads[replay.taken[-1].thread]
    holder = use.before[lock.word]
    mine = [s for s in replay.taken[:-1] if s.thread == use.thread and lock.word in s.writes]
    if holder == use.thread + 1 and mine:
        return [f"{name} holds {lock} since {_at(recorder, mine[-1])}"]
    if mine:
        return [f"{name} does not hold {lock}: it dropped it in {_at(recorder, mine[-1])}"]
    return [f"{name} never took {lock}"]


def _atomic(recorder: Recorder, replay: Replay) -> list[str]:
    """Which spinlocks the thread holds, and where it took them."""
    use, memory = replay.taken[-1], recorder.system.memory
    told = []
    for word, value in enumerate(use.before):
        if memory.shown[word].name in memory.spinlocks and value == use.thread + 1:
            taken = [s for s in replay.taken[:-1] if s.thread == use.thread and word in s.writes]
            where = f" since {_at(recorder, taken[-1])}" if taken else ""
            told.append(f"{memory.threads[use.thread]} holds the spinlock {memory.shown[word].name}{where}")
    return told or [f"{memory.threads[use.thread]} holds no spinlock: it is inside an RCU section, or interrupts are off"]


def same_again(recorder: Recorder, replay: Replay) -> list[str]:
    """Words that a thread read twice with the same value, which others had changed in between and back: it can't tell."""
    memory, told = recorder.system.memory, []
    for thread, name in enumerate(memory.threads):
        last: dict[int, Taken] = {}
        for step in replay.taken:
            for word in _looked_at(step) if step.thread == thread else ():
                before = last.get(word)
                if before is not None and before.before[word] == step.before[word] and step.before[word]:
                    changed = [s for s in replay.taken[before.number : step.number - 1] if word in s.writes]
                    others = [s for s in changed if s.thread != thread and replay.after(s.number)[0][word] != step.before[word]]
                    if others and all(s.thread != thread for s in changed):
                        shown = memory.shown[word]
                        told.append(
                            f"{name} reads {shown.name} {shown.show(step.before[word])} in {_at(recorder, before)}, and the "
                            f"same again in {_at(recorder, step)}: in between it was something else, from step "
                            f"{others[0].number} on"
                        )
                last[word] = step
    return told


def _looked_at(step: Taken) -> set[int]:
    """The word that the step loads; none of a lock."""
    address = step.step.operation.address if step.step.operation else None
    return {getattr(address, "word", -1)} & step.reads if "lock" not in str(address) else set()


def _at(recorder: Recorder, step: Taken) -> str:
    return f"{function_of(recorder.steps[step.number - 1])}, step {step.number}"
