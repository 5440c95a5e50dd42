"""What people see: a verdict as text and HTML, an interleaving as CPU columns, as in a kernel commit message."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from . import lockorder
from .machine import NULL
from .program import Frame
from .runs import folded
from .trace import Change, Recorder, TraceStep, kernel_frames
from .versions import parts

if TYPE_CHECKING:
    from .verdict import Verdict

WIDTH = 36  # of one CPU's column: two make the 72 characters of a commit message
TAKES = lockorder.WAITS | {"folio_trylock", "rcu_read_lock", "local_irq_disable"}
DROPS = lockorder.RELEASES | {"rcu_read_unlock", "local_irq_enable"}
WAITS = {"wait_for_completion", "percpu_ref_kill"}
RCU_WAIT = {
    "start_poll_synchronize_rcu": "a grace period begins",
    "cond_synchronize_rcu": "the grace period is over",
}
PLAIN_NAMES = {
    "spin_lock_not_rcu": "spin_lock",
    "spin_trylock_not_rcu": "spin_trylock",
    "spin_unlock_not_rcu": "spin_unlock",
    "spin_lock_irq_not_rcu": "spin_lock_irq",
    "spin_unlock_irq_not_rcu": "spin_unlock_irq",
}


def report(verdict: Verdict, every_step: bool = False) -> str:
    """A verdict as text: one line that says it all, then the interleaving."""
    parts = [summary(verdict)]
    if verdict.recorder is not None and verdict.recorder.steps:
        parts += ["", heading(verdict), "", columns(verdict.recorder, every_step)]
    for said in closing(verdict):
        parts += ["", wrapped(said)]
    return "\n".join(parts)


def closing(verdict: Verdict) -> list[str]:
    """What went wrong, or what stops the nearest miss, in a sentence; and the remedy of a mistake in a reader's own fix."""
    from .fixes.mistakes import remedy

    last = failure(verdict.recorder) if verdict.verdict == "violated" and verdict.recorder else verdict.stopped_at
    return [said for said in (sentence(last) if last else "", remedy(verdict)) if said]


def summary(verdict: Verdict) -> str:
    outcome, p = verdict.outcome, verdict.parameters
    fix = f" with {verdict.fix}" if verdict.fix else ""
    told = {"holds": "holds", "violated": "VIOLATED", "unfinished": "unfinished"}[verdict.verdict]
    why = f": {outcome.violation.kind}" if outcome.violation else f": {outcome.reason}" if outcome.reason else ""
    cache = "on" if p.slot_cache else "off"
    asked = f"{plural(p.processes, 'process', 'processes')}, {plural(p.pages, 'page')}"
    sizes = f"{asked}, preempt {p.preempt}, slot cache {cache}, {p.device}"
    if verdict.scenario.fixed:
        sizes = f"preempt {p.preempt}"
    how = f"\n  search: {verdict.searched}" if verdict.searched else ""
    return f"{verdict.scenario.name} on {verdict.kernel.name}{fix}: {told}{why}\n  {sizes}; {outcome.states:,} states{how}"


def plural(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def heading(verdict: Verdict) -> str:
    if verdict.verdict != "violated":
        return "The nearest miss: what would go wrong if swapoff waited for nobody, up to where it is stopped."
    assert verdict.recorder is not None
    steps = verdict.recorder.steps
    switches = sum(a.thread != b.thread for a, b in itertools.pairwise(steps))
    return f"{plural(len(steps), 'step')}, {plural(switches, 'context switch', 'context switches')}:"


def wrapped(text: str) -> str:
    """Prose in 72 columns. What has lines of its own, as a report on the order of locks has, keeps them."""
    lines = text.split("\n")
    indent = "    " if len(lines) > 1 else ""
    return "\n".join(textwrap.fill(line, 2 * WIDTH, subsequent_indent=indent) for line in lines)


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


# ---- CPU columns -------------------------------------------------------------------------------------------------------


def columns(recorder: Recorder, every_step: bool = False) -> str:
    """CPU0 | CPU1 | ...: what each thread does, one context switch after the other, in 36 characters a CPU.

    Shown are calls, changed words, locks held over a context switch, waits and the failure; `every_step` shows all."""
    names = recorder.system.memory.threads
    lines = [_row([f"CPU{t} ({name})" for t, name in enumerate(names)]), _row(["-" * (WIDTH - 2) for _ in names])]
    printed: dict[int, tuple[Frame, ...]] = {}
    last = -1
    for step, text in folded(_events(recorder, every_step), where):
        if step.thread != last and last >= 0:
            lines.append("")
        last = step.thread
        stack = visible_frames(step.stack)
        for cell in [*_new_frames(printed.get(step.thread, ()), stack), _indent(text, len(stack))]:
            lines += [_row([""] * step.thread + [part]) for part in _wrapped(cell)]
        printed[step.thread] = stack
    failed = bool(recorder.steps) and recorder.steps[-1].fault
    for t, name in enumerate(names):
        wait = recorder.waits(t)
        if wait and not failed:
            lines += ["", *(_row([""] * t + [part]) for part in _wrapped(f"<{name} {wait}>"))]
    return "\n".join(line.rstrip() for line in lines)


def where(step: TraceStep) -> tuple[int, tuple[Frame, ...]]:
    return step.thread, step.stack


def _row(cells: Sequence[str]) -> str:
    return "".join(cell.ljust(WIDTH) for cell in cells)


def _indent(text: str, depth: int) -> str:
    return " " * depth + text


def _wrapped(cell: str) -> list[str]:
    """A cell in lines of a column's width; deep calls are moved left as far as their longest word needs."""
    text = cell.lstrip()
    longest = max(map(len, text.split()))
    indent = max(0, min(len(cell) - len(text), 8, WIDTH - 3 - longest))
    return textwrap.wrap(text, WIDTH - 1, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))


def _new_frames(before: tuple[Frame, ...], stack: tuple[Frame, ...]) -> list[str]:
    """The calls that were not on the stack when this thread was last seen."""
    same = 0
    while same < min(len(before), len(stack)) and before[same].function == stack[same].function:
        same += 1
    return [_indent(f"{frame.function}()", depth) for depth, frame in enumerate(stack) if depth >= same]


def visible_frames(stack: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """The kernel's own functions: parts that we cut out of them, and the machine's, are left out."""
    return tuple(f for f in kernel_frames(stack) if f.function not in parts())


def _events(recorder: Recorder, every_step: bool) -> Iterator[tuple[TraceStep, str]]:
    steps = recorder.steps
    hidden = set() if every_step else _short_sections(steps) | _short_lived(steps)
    for i, step in enumerate(steps):
        text = describe(step, every_step)
        if step.fault and recorder.violation is not None:
            text = f"*** {recorder.violation.kind}: {step.operation}"
        if text and (i not in hidden or step.fault):
            yield step, text


def _short_sections(steps: Sequence[TraceStep]) -> set[int]:
    """The indices of locks, and of their unlocks, between which no other thread ran."""
    hidden: set[int] = set()
    open_: dict[tuple[int, str], list[int]] = {}
    for i, step in enumerate(steps):
        key = (step.thread, str(step.operation.address))
        if step.operation.name in TAKES:
            open_.setdefault(key, []).append(i)
        elif step.operation.name in DROPS and open_.get(key):
            began = open_[key].pop()
            if all(s.thread == step.thread for s in steps[began:i]):
                hidden |= {began, i}
    return hidden


def _short_lived(steps: Sequence[TraceStep]) -> set[int]:
    """The indices of changes that the same thread takes back before another one runs: a reference for the time of a look."""
    hidden: set[int] = set()
    open_: dict[str, int] = {}
    for i, step in enumerate(steps):
        if i and steps[i - 1].thread != step.thread:
            open_.clear()
        if len(step.changes) != 1:
            continue
        change = step.changes[0]
        if change.name.startswith("swap_map["):
            continue  # that a slot was free meanwhile is a story of its own
        began = open_.get(change.name)
        if began is not None and steps[began].changes[0].before == change.after:
            hidden |= {began, i}
            del open_[change.name]
        else:
            open_[change.name] = i
    return hidden


def describe(step: TraceStep, every_step: bool = False) -> str:
    """What a step did, in kernel words; empty for a load unless `every_step`."""
    name = step.operation.name
    if name in RCU_WAIT:
        return RCU_WAIT[name]
    if name in TAKES | DROPS | WAITS:
        argument = f"({step.operation.address})" if step.operation.address is not None else "()"
        if name == "folio_trylock" and step.value is False:
            return f"folio_trylock{argument} fails"
        return PLAIN_NAMES.get(name, name) + argument
    if step.changes:
        return ", ".join(text for _, text in folded((c, show_change(c)) for c in step.changes))
    if not every_step:
        return ""
    return f"{step.operation} = {step.value}" if step.value is not None else str(step.operation)


def show_change(change: Change) -> str:
    if change.after in ("freed", "allocated"):
        return f"{change.name} is {change.after}"
    return f"{change.name} {change.before} -> {change.after}"


# ---- the failure in one sentence ---------------------------------------------------------------------------------------


def failure(recorder: Recorder) -> str:
    """Which object, freed or taken away where, touched where."""
    violation = recorder.violation
    if violation is None:
        return ""
    if not recorder.steps or not recorder.steps[-1].fault:
        return str(violation)
    names, fault = recorder.system.memory.threads, recorder.steps[-1]
    who = f"{names[fault.thread]}, in {function_of(fault)},"
    if violation.kind == "NULL dereference":
        source = next((s for s in reversed(recorder.steps) if s.thread == fault.thread and s.value is NULL), None)
        if source is not None:
            word = str(source.operation.address)
            return f"{who} dereferences {word}, which it read as NULL: {_who_changed(recorder, word, 'NULL')}"
    if violation.kind == "use after free" and violation.address is not None:
        return f"{who} touches {violation.address}: {_who_changed(recorder, violation.address.object, 'freed')}"
    return f"{who} fails: {violation}"


def function_of(step: TraceStep) -> str:
    frames = visible_frames(step.stack)
    return f"{frames[-1].function}()" if frames else "the scenario"


def _who_changed(recorder: Recorder, name: str, to: str) -> str:
    for number, step in reversed(list(enumerate(recorder.steps, 1))):
        if any(c.name == name and c.after == to for c in step.changes):
            verb = "freed it" if to == "freed" else f"stored {to} there"
            return f"{recorder.system.memory.threads[step.thread]} {verb} in {function_of(step)}, step {number}"
    return f"it was {to} from the start"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces between them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
