"""Verdicts and traces: plain data, complete in themselves, JSON with a schema (verdict.schema.json)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .machine import BLOCKED, RCU, Address, Cpu, Memory, Operation, Violation
from .program import Frame, Step, System

OWN_FILES = ("machine/", "life.py", "subpages.py", "zoo/threads.py")  # frames of these are not kernel code


class Change(NamedTuple):
    """A word that a step changed, in kernel words."""

    name: str
    before: str
    after: str


class TraceStep(NamedTuple):
    """One step as it was taken."""

    thread: int
    stack: tuple[Frame, ...]
    operation: Operation
    value: Any
    changes: tuple[Change, ...]
    fault: bool  # the step that violates

    def document(self, names: tuple[str, ...]) -> dict[str, Any]:
        """As the JSON document has it."""
        address = self.operation.address
        obj, field = split_name(str(address)) if address is not None else ("", "")
        main = next((c for c in self.changes if c.name == str(address)), None)
        return {
            "thread": names[self.thread],
            "stack": [f._asdict() for f in kernel_frames(self.stack)],
            "op": self.operation.name,
            "text": str(self.operation),
            "object": obj,
            "field": field,
            "value": show_value(self.value),
            "before": main.before if main else None,
            "after": main.after if main else None,
            "changes": [c._asdict() for c in self.changes],
            "fault": self.fault,
        }


def kernel_frames(stack: tuple[Frame, ...]) -> tuple[Frame, ...]:
    return tuple(f for f in stack if not f.file.startswith(OWN_FILES))


def split_name(name: str) -> tuple[str, str]:
    """("si", "lock") of "si.lock"; ("swap_map", "3") of "swap_map[3]"."""
    if name.endswith("]"):
        head, _, tail = name[:-1].rpartition("[")
        return head, tail
    head, _, tail = name.rpartition(".")
    return head or name, tail


def show_value(value: Any) -> str | None:
    """A value that an operation returned, for people."""
    if value is None:
        return None
    if isinstance(value, tuple):
        return str(value) if hasattr(value, "entry") or hasattr(value, "folio") else f"({', '.join(map(repr, value))})"
    return str(value)


class Recorder:
    """Takes a system through a schedule, one step at a time, and notes what happened."""

    def __init__(self, system: System):
        self.system = system
        self.words: tuple[Any, ...] = system.words
        self.at: list[Step] = [p.first for p in system.programs]
        self.steps: list[TraceStep] = []
        self.violation: Violation | None = None

    def take(self, t: int) -> bool:
        """Thread t takes its next step. False, and nothing changes, when it has returned or is blocked."""
        step = self.at[t]
        if step.operation is None or self.violation is not None:
            return False
        cpu = Cpu(self.system.memory, self.words, t)
        try:
            value = step.operation.apply(cpu)
        except Violation as violation:
            self.violation = violation
            self.steps.append(TraceStep(t, step.stack, step.operation, None, (), True))
            return True
        if value is BLOCKED:
            cpu = Cpu(self.system.memory, self.words, t)
            if not step.operation.sleep(cpu):
                return False
        else:
            self.at[t] = self.system.programs[t].after(step, value)
        after = cpu.after()
        changes = changed(self.system.memory, self.words, after, sorted(cpu.writes))
        self.words = after
        self.violation = self.system.wrong(after, self.at)
        shown = None if value is BLOCKED else value
        self.steps.append(TraceStep(t, step.stack, step.operation, shown, changes, self.violation is not None))
        return True

    def waits(self, t: int) -> str:
        """What thread t waits for, and who holds it; an empty string if it can go on."""
        step = self.at[t]
        if step.operation is None:
            return ""
        cpu = Cpu(self.system.memory, self.words, t)
        try:
            if step.operation.apply(cpu) is not BLOCKED:
                return ""
        except Violation:
            return ""
        return explain_wait(self.system.memory, self.words, t, step.operation)


def changed(
    memory: Memory, before: tuple[Any, ...], after: tuple[Any, ...], words: Iterable[int] | None = None
) -> tuple[Change, ...]:
    """The words that differ, as people should see them: without the machine's own, and with births and deaths. `words` are
    those that can; all, if not given."""
    changes = []
    for word in range(len(before)) if words is None else words:
        old, new = before[word], after[word]
        if old is new or old == new:
            continue
        shown = memory.shown[word]
        if not shown.hidden:
            changes.append(Change(shown.name, shown.show(old), shown.show(new)))
        elif shown.name.endswith(" (object)"):
            state = "freed" if new < 0 else "allocated"
            changes.append(Change(shown.name.removesuffix(" (object)"), "allocated" if old > 0 else "freed", state))
    return tuple(changes)


def explain_wait(memory: Memory, words: tuple[Any, ...], t: int, operation: Operation) -> str:
    """One clause: what a blocked thread waits for and who holds it."""
    if operation.name == "cond_synchronize_rcu":
        readers = [r for r in range(len(memory.threads)) if words[memory.grace[t]] & 1 << r]
        return "waits in synchronize_rcu() for " + " and ".join(reader_reason(memory, words, r) for r in readers)
    if operation.name == "wait_for_completion":
        return "waits in wait_for_completion() for " + completion_reason(memory, words, operation.arguments[0])
    if operation.name == "wait_var_event":
        return f"waits for {operation.arguments[0]} to become {operation.arguments[1]}"
    address = operation.arguments[0]
    lock = address.locked if operation.name == "folio_lock" else address
    holder = words[lock.word] if isinstance(lock, Address) else 0
    return f"waits for {lock}, held by {holders(memory, holder)}"


def holders(memory: Memory, value: Any) -> str:
    """The threads that a lock word names."""
    if not isinstance(value, int) or not value:
        return "nobody"
    if value < 0:
        return memory.threads[-value - 1]
    return memory.threads[value - 1] if value <= len(memory.threads) else str(value)


def reader_reason(memory: Memory, words: tuple[Any, ...], reader: int) -> str:
    """Why a thread is an RCU reader: the spinlocks it holds, rcu_read_lock(), or a kernel that is not preempted."""
    name = memory.threads[reader]
    held = [
        memory.shown[word].name
        for word, value in enumerate(words)
        if memory.shown[word].name in memory.spinlocks and value == reader + 1
    ]
    if held:
        return f"{name}, which holds the spinlock {held[0]}"
    if words[memory.context[reader]] & 0xFFFF >= RCU:
        return f"{name}, which is inside rcu_read_lock()"
    return f"{name}, which has not passed a schedule point"


def completion_reason(memory: Memory, words: tuple[Any, ...], done: Address) -> str:
    ref = next((first for first, word in memory.refs if word == done.word), None)
    if ref is None:
        return str(done)
    if words[ref + 2]:
        readers = [r for r in range(len(memory.threads)) if words[ref + 2] & 1 << r]
        return "the grace period of percpu_ref_kill(), hence for " + " and ".join(
            reader_reason(memory, words, r) for r in readers
        )
    return f"the {words[ref]} reference(s) to {memory.shown[ref].name} that are still held"


def record(system: System, schedule: list[int]) -> Recorder:
    """The steps of a schedule, as far as it goes."""
    recorder = Recorder(system)
    for t in schedule:
        if not recorder.take(t):
            break
    return recorder
