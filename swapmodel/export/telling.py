"""Which steps of a trace tell its story: some twenty of two hundred.

A step tells when one thread learns by it what another one did. So for every word that one thread reads after another has
changed it, all changes of the word are told, and the first such read of each thread. Told besides: the count that swapoff goes
by, a swap entry that is used after its slot was given away, locks and references that keep others waiting or did not, the
freeing of what is touched later, the reference to a swap entry that a thread drops before it goes on, the failure or the waits
at the end. Bookkeeping is not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from ..machine import Address
from ..program import Frame
from ..runs import folded
from ..trace import Change, Recorder, TraceStep
from ..views import PLAIN_NAMES, RCU_WAIT, TAKES, WAITS, show_change
from .frames import told_frames
from .holds import Hold, holds, subject, takes

QUIET = {"flags", "data", "lowest_bit", "highest_bit", "mm_users", "mmlist", "refcount", "mapcount"}
QUIET |= {"uptodate", "dirty", "index", "users"}
QUIET_GLOBALS = {"nr_swap_pages", "total_swap_pages", "swap_active_head", "swap_avail_head", "least_priority"}
ALWAYS = {"inuse_pages", "content"}
CACHED = 0x40  # SWAP_HAS_CACHE in the byte of a swap entry: the swap cache, which is no user of it
COUNT = re.compile(r"(?:.*\.)?swap_map\[\d+\]")
SPINS = {n for n in TAKES if n.startswith("spin_")} | {"rcu_read_lock", "local_irq_disable"}


class Event(NamedTuple):
    """What a reader must see of one step. `step` is its number from 0; len(steps) stands for the end of the trace."""

    step: int
    thread: int
    kind: str  # change | free | read | lock | grace | wait | failure
    text: str
    stack: tuple[Frame, ...]


def telling(recorder: Recorder, *, all_locks: bool = False) -> list[Event]:
    """The events in the order of the trace. `all_locks`: also the locks that are held while other threads tell something."""
    steps = recorder.steps
    if not steps:
        return []
    waits = final_waits(recorder)
    shared = shared_words(recorder)
    told = {i for i, s in enumerate(steps) if any(_tells(c, shared) for c in s.changes)}
    told |= first_reads(steps, shared) | stale_entries(steps)
    told |= {i for i, s in enumerate(steps) if s.operation.name in RCU_WAIT or _freed_and_touched(s, recorder)}
    told |= {i for i, s in enumerate(steps) if any(_is_named(c.name, waits.values()) for c in s.changes)}
    told |= {i for i, s in enumerate(steps) if s.operation.name == "percpu_ref_kill" and _is_named(subject(s), waits.values())}
    told |= {i for i, s in enumerate(steps) if s.fault}
    held = holds(steps)
    told |= {h.first for h in held if _lock_tells(h, steps, told, waits, all_locks)}
    last = {t: len(steps) for t in waits} | {steps[i].thread: i for i in sorted(told) if steps[i].thread not in waits}
    told |= {i for i, s in enumerate(steps) if i < last.get(s.thread, 0) and any(map(drops_reference, s.changes))}
    lines = ((e, e.text) for i in sorted(told) for e in _events(recorder, i, shared))
    events = [e._replace(text=text) for e, text in folded(lines, lambda e: (e.thread, e.kind, e.stack))]
    return [*events, *_endings(recorder, waits)]


def final_waits(recorder: Recorder) -> dict[int, str]:
    """What each thread waits for at the end of a trace of which no step has failed."""
    if any(step.fault for step in recorder.steps[-1:]):
        return {}
    waits = {t: recorder.waits(t) for t in range(len(recorder.at))}
    return {t: text for t, text in waits.items() if text}


def shared_words(recorder: Recorder) -> dict[str, dict[int, int]]:
    """The words by which threads learn of each other: name -> {step that reads it: step of another thread that changed it}."""
    sync, changed_at = recorder.system.memory.sync, dict[str, int]()
    shared: dict[str, dict[int, int]] = {}
    for i, step in enumerate(recorder.steps):
        for word in _words(step):
            name, before = str(word), changed_at.get(str(word))
            if before is None or recorder.steps[before].thread == step.thread or word.word in sync or is_quiet(name):
                continue
            shared.setdefault(name, {})[i] = before
        changed_at.update((c.name, i) for c in step.changes)
    return shared


def _words(step: TraceStep) -> list[Address]:
    return [a for a in step.operation.arguments if isinstance(a, Address)]


def is_quiet(name: str) -> bool:
    return name in QUIET_GLOBALS or name.rpartition(".")[2] in QUIET


def first_reads(steps: Sequence[TraceStep], shared: dict[str, dict[int, int]]) -> set[int]:
    """Of each change, the first read by each other thread."""
    seen: dict[tuple[str, int, int], int] = {}
    for name, reads in shared.items():
        for read, change in sorted(reads.items()):
            seen.setdefault((name, change, steps[read].thread), read)
    return set(seen.values())


def stale_entries(steps: Sequence[TraceStep]) -> set[int]:
    """Reads of a swap entry from a slot that another thread changes later, and that the reader does not look at again."""
    found: set[int] = set()
    last: dict[tuple[int, str], int] = {}
    for i, step in enumerate(steps):
        for change in step.changes:
            found |= {j for (t, name), j in last.items() if name == change.name and t != step.thread}
        for word in _words(step):
            found.discard(last.get((step.thread, str(word)), -1))
            if hasattr(step.value, "entry"):
                last[step.thread, str(word)] = i
    return found


def _tells(change: Change, shared: Collection[str]) -> bool:
    zeroed = change.before == "()"  # memory that has just been allocated
    return not zeroed and (change.name in shared or change.name.rpartition(".")[2] in ALWAYS)


def drops_reference(change: Change) -> bool:
    """Does a swap entry have one user less: 0x41 -> 0x40? That the swap cache lets go of it, 0x40 -> 0x00, is not that."""
    values = (change.before, change.after)
    if not COUNT.fullmatch(change.name) or not all(shown.startswith("0x") for shown in values):
        return False
    before, after = (int(shown, 16) & ~CACHED for shown in values)
    return after < before


def _freed_and_touched(step: TraceStep, recorder: Recorder) -> bool:
    violation = recorder.violation
    touched = violation.address.object if violation is not None and violation.address is not None else ""
    return any(c.after == "freed" and c.name == touched for c in step.changes)


def _is_named(name: str, sentences: Iterable[str]) -> bool:
    """Is the word named in one of the sentences about who waits for whom?"""
    return any(re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.\[])", text) for text in sentences)


# ---- locks -------------------------------------------------------------------------------------------------------------


def _lock_tells(hold: Hold, steps: Sequence[TraceStep], told: set[int], waits: dict[int, str], all_locks: bool) -> bool:
    """Named in a wait at the end; or a spinlock held while others go through their part, by a thread that then goes on."""
    if hold.last == len(steps) and any(
        t != hold.thread and _is_named(hold.name or "rcu_read_lock", [w]) for t, w in waits.items()
    ):
        return True
    during = {steps[i].thread for i in told if hold.first < i < hold.last}
    if all_locks:
        return bool(during - {hold.thread})
    after = [i for i in told if i >= min(hold.last, len(steps) - 1) and steps[i].thread == hold.thread]
    return bool(during - {hold.thread}) and steps[hold.first].operation.name in SPINS and bool(after)


# ---- what is said of a step --------------------------------------------------------------------------------------------


def _events(recorder: Recorder, i: int, shared: dict[str, dict[int, int]]) -> Iterator[Event]:
    step = recorder.steps[i]
    stack = told_frames(step.stack)
    for kind, text in _said(recorder, i, shared):
        yield Event(i, step.thread, kind, text, stack)


def _said(recorder: Recorder, i: int, shared: dict[str, dict[int, int]]) -> Iterator[tuple[str, str]]:
    step, name = recorder.steps[i], recorder.steps[i].operation.name
    if step.fault and recorder.violation is not None:
        yield "failure", f"*** {recorder.violation.kind}: {step.operation}"
    elif name in RCU_WAIT:
        yield "grace", RCU_WAIT[name]
    elif takes(step):
        yield "lock", f"{PLAIN_NAMES.get(name, name)}({subject(step)})"
    elif name in WAITS:
        yield "grace", f"{name}({subject(step)})"
    elif step.changes:
        births = [c for c in step.changes if c.after == "allocated"]
        own = [c for c in step.changes if _tells(c, shared) or (COUNT.fullmatch(c.name) and c.before != "()")]
        for change in births or own or step.changes:
            yield "free" if change.after == "freed" else "change", show_change(change)
    else:
        word = next((w for w in _words(step) if i in shared.get(str(w), {})), _words(step)[0])
        before = shared.get(str(word), {}).get(i)
        changes = recorder.steps[before].changes if before is not None else ()
        value = next((c.after for c in changes if c.name == str(word)), shown_value(word, step.value))
        plain = name in ("read", "READ_ONCE")
        yield "read", f"{word} == {value}" if plain else f"{step.operation} = {shown_value(word, step.value)}"


def shown_value(word: Address, value: object) -> str:
    """A value as the word shows its own."""
    try:
        return word.show(value)
    except (AttributeError, TypeError, ValueError):
        return str(value)


def _endings(recorder: Recorder, waits: dict[int, str]) -> Iterator[Event]:
    """The waits at the end, of the threads that have begun; and a failure that belongs to no step."""
    begun = {s.thread for s in recorder.steps}
    for t, text in waits.items():
        if t in begun:
            yield Event(len(recorder.steps), t, "wait", text, told_frames(recorder.at[t].stack))
