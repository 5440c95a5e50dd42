"""The rows of the story: its events, each inside the calls that a reader needs to see."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from ..program import Frame
from ..trace import Recorder, TraceStep
from .frames import told_frames
from .telling import Event, telling

LANDMARKS = {"free_swap_and_cache", "free_swap_and_cache_nr", "__try_to_reclaim_swap", "folio_free_swap", "try_to_unuse"}
LANDMARKS |= {"do_swap_page", "swapoff", "swapon"}  # calls by which people know where they are


class Row(NamedTuple):
    """A line of the story: an event, or the call of a function. `depth` counts the calls that are shown around it; `inside` is
    the number of the row that is the innermost of them, -1 if there is none."""

    step: int
    thread: int
    kind: str  # as Event, or call
    text: str
    depth: int
    inside: int


def rows(recorder: Recorder, *, all_locks: bool = False) -> list[Row]:
    """The events, each inside the calls that a reader needs: the outermost, the innermost, landmarks, and where paths part."""
    events = telling(recorder, all_locks=all_locks)
    paths = _paths(recorder.steps, events)
    shown = _shown_calls(paths)
    printed: dict[int, tuple[Call, ...]] = {}
    row_of: dict[Call, int] = {}
    lines: list[Row] = []
    for event, path in zip(events, paths, strict=True):
        around = tuple(call for call in path if call in shown)
        before = printed.get(event.thread, ())
        inside = -1
        for depth, call in enumerate(around):
            if call not in before:
                row_of[call] = len(lines)
                lines.append(Row(event.step, event.thread, "call", f"{call.function}()", depth, inside))
            inside = row_of[call]
        lines.append(Row(event.step, event.thread, event.kind, event.text, len(around), inside))
        printed[event.thread] = around
    return lines


class Call(NamedTuple):
    """One call on a thread's stack: its function, how deep, and the step of the trace at which it was first seen."""

    function: str
    depth: int
    thread: int
    since: int


def _paths(steps: Sequence[TraceStep], events: Sequence[Event]) -> list[tuple[Call, ...]]:
    """The calls around each event. Two events are inside the same call if the thread did not leave it in between."""
    at: dict[int, tuple[tuple[Call, ...], tuple[Frame, ...]]] = {}
    known: list[tuple[Call, ...]] = []
    for i, step in enumerate(steps):
        calls, frames = at.get(step.thread, ((), ()))
        stack = told_frames(step.stack)
        same = _same_calls(frames, stack)
        new = (Call(f.function, depth, step.thread, i) for depth, f in enumerate(stack) if depth >= same)
        at[step.thread] = ((*calls[:same], *new), stack)
        known.append(at[step.thread][0])
    ends = {t: calls for t, (calls, _) in at.items()}
    return [known[e.step] if e.step < len(steps) else _at_end(ends[e.thread], e.stack) for e in events]


def _at_end(calls: tuple[Call, ...], stack: tuple[Frame, ...]) -> tuple[Call, ...]:
    """The calls around a wait: those of the last step that are still on the stack."""
    return tuple(itertools.takewhile(lambda c: c.depth < len(stack) and c.function == stack[c.depth].function, calls))


def _same_calls(before: tuple[Frame, ...], now: tuple[Frame, ...]) -> int:
    """How many calls are the same: the functions are, and each was called from the same line."""
    same = 0
    while same < min(len(before), len(now)) and before[same].function == now[same].function:
        if same and before[same - 1].line != now[same - 1].line:
            break
        same += 1
    return same


def _shown_calls(paths: Sequence[tuple[Call, ...]]) -> set[Call]:
    """The outermost call of each thread, the innermost around each event, and those inside which the events part."""
    shown: set[Call] = set()
    inside: dict[Call, set[Call | int]] = {}
    for number, path in enumerate(paths):
        shown |= {*path[:1], *path[-1:], *(c for c in path if c.function in LANDMARKS)}
        for call, next_ in itertools.zip_longest(path, path[1:]):
            inside.setdefault(call, set()).add(next_ if next_ is not None else -number)
    return shown | {call for call, parts in inside.items() if len(parts) > 1}
