"""Where everything stands in the sequence picture: a lane for each thread, a line of text for each row of the story."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from ..trace import Recorder
from .calls import Row, rows
from .columns import c_names
from .holds import grace_periods, holds, readings

WIDTH, LEFT, RIGHT = 1000, 58, 12
CHAR = 7.3  # width of a character of a monospace font of 12 pixels
LINE, SWITCH, HEAD = 16, 26, 34  # heights: of a line, of a context switch; of the lanes' names
LAST = 300  # width that the last lane's text should have
BAR, MOST_BARS = 8, 5  # width of a bar with its gap; bars side by side


class Line(NamedTuple):
    """A row with its place: `y` is the middle of its first line of text."""

    row: Row
    x: float
    y: float
    texts: list[str]


class Bar(NamedTuple):
    """What lasts: kind is lock | rcu | grace. `open` if it is not over at the end of the trace."""

    kind: str
    name: str
    thread: int
    x: float
    top: float
    bottom: float
    open: bool


class Switch(NamedTuple):
    """A context switch: from a lane to another one, at a height."""

    x1: float
    x2: float
    y: float


class Plan(NamedTuple):
    """The whole picture. `lanes` are (thread, name, x); `runs` are (x, top, bottom) of each turn of a thread."""

    lanes: list[tuple[int, str, float]]
    lines: list[Line]
    switches: list[Switch]
    runs: list[tuple[float, float, float]]
    bars: list[Bar]
    bottom: float


def plan(recorder: Recorder, top: float) -> Plan:
    """The picture of a trace, from height `top` on."""
    story = rows(recorder, all_locks=True)
    order = sorted({row.thread for row in story})
    xs = dict(zip(order, lane_places(len(order)), strict=True))
    lines, switches, runs, bottom = _lay_lines(story, xs, top + HEAD)
    lanes = [(t, recorder.system.memory.threads[t], xs[t]) for t in order]
    return Plan(lanes, lines, switches, runs, _bars(recorder, lines, xs, bottom), bottom)


def lane_places(lanes: int) -> list[float]:
    pitch = min(470.0, (WIDTH - LEFT - RIGHT - LAST) / max(1, lanes - 1))
    return [LEFT + i * pitch for i in range(lanes)]


def _lay_lines(
    story: list[Row], xs: dict[int, float], y: float
) -> tuple[list[Line], list[Switch], list[tuple[float, float, float]], float]:
    lines, switches, runs = list[Line](), list[Switch](), list[tuple[float, float, float]]()
    began = y
    for row in story:
        x = xs[row.thread]
        if lines and lines[-1].row.thread != row.thread:
            before = lines[-1].x
            runs.append((before, began - LINE / 2, y - LINE / 2))
            switches.append(Switch(before, x, y - LINE / 2 + SWITCH / 2))
            y = began = y + SWITCH
        texts = _wrapped(row, x)
        lines.append(Line(row, x, y, texts))
        y += LINE * len(texts)
    if lines:
        runs.append((lines[-1].x, began - LINE / 2, y - LINE / 2))
    return lines, switches, runs, y + 4


def text_x(line: Line) -> float:
    """Where the text of a row begins: right of its lane, as deep as its call."""
    return line.x + 14 + min(line.row.depth, 10) * 1.3 * CHAR


def _wrapped(row: Row, x: float) -> list[str]:
    room = int((WIDTH - RIGHT - text_x(Line(row, x, 0, []))) / CHAR)
    return textwrap.wrap(c_names(row.text), max(room, 16), subsequent_indent="  ") or [""]


def _bars(recorder: Recorder, lines: list[Line], xs: dict[int, float], bottom: float) -> list[Bar]:
    """Grace periods, RCU readers and locks that last while another thread does something, side by side left of their lane."""
    steps = recorder.steps
    spans = [("grace", "grace period", p.thread, p.first, p.last) for p in grace_periods(steps)]
    spans += [("rcu", "RCU reader", r.thread, r.first, r.last) for r in readings(recorder)]
    spans += [("lock", h.name, h.thread, h.first, h.last) for h in holds(steps) if h.name]
    bars: list[Bar] = []
    for kind, name, thread, first, last in spans:
        until = last + (last == len(steps))  # the waits at the end come after the last step
        seen = any(first < line.row.step < until and line.row.thread != thread for line in lines)
        if thread not in xs or not (seen or kind == "grace"):
            continue
        y0, y1 = _height(lines, first, bottom), _height(lines, last, bottom) if last < len(steps) else bottom
        taken = {b.x for b in bars if b.thread == thread and b.top < y1 and y0 < b.bottom}
        places = [xs[thread] - 12 - BAR * i for i in range(MOST_BARS)]
        x = next((x for x in places if x not in taken), places[-1])
        bars.append(Bar(kind, name, thread, x, y0, max(y1, y0 + LINE), last == len(steps)))
    return bars


def _height(lines: list[Line], step: int, bottom: float) -> float:
    """The height of a step: the middle of its own row, or above the first row after it."""
    own = (line.y for line in lines if line.row.step == step and line.row.kind != "call")
    return next(own, next((line.y - LINE / 2 for line in lines if line.row.step >= step), bottom))
