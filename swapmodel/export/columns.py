"""The trace as the columns of a kernel commit message: a column for each CPU, one line after the other in time."""

from __future__ import annotations

import re
import textwrap

from ..trace import Recorder
from ..verdict import Verdict, demand_verdict
from ..views import wrapped
from .calls import Row, rows

LONGEST = 32  # characters that the last column should have: the longest names of mm/ fit
POINTERS = re.compile(r"\b((?:si|mm|folio|info)\d*)\.(?=[a-z_])")  # what is a pointer in the kernel's own text
LEAST = 40  # of the width of a message


def commit_message(verdict: Verdict, width: int = 72) -> str:
    """The counterexample, or the nearest miss, as CPU columns of at most `width` characters, at least 40.

    Only one column has text in a line, so a line may run on into the columns to its right, as it does in commit messages.
    Locks in both orders have no interleaving: there it is the sentences. Where there is nothing to show, one sentence in
    brackets says so, which a story takes as a remark.
    ValueError for a width that nothing fits into."""
    demand_verdict("commit_message", verdict)
    if width < LEAST:
        raise ValueError(f"a commit message is at least {LEAST} characters wide, not {width}")
    if verdict.recorder is None or not verdict.recorder.steps:
        told = str(verdict.outcome.violation) if verdict.verdict == "violated" else ""
        return wrapped(told) if told else textwrap.fill(f"[{nothing_to_show(verdict)}]", width)
    return story_columns(verdict.recorder, width)


def nothing_to_show(verdict: Verdict) -> str:
    """Why a verdict has no trace."""
    if verdict.verdict == "unfinished":
        return "no interleaving to show: the search is unfinished"
    looked = "no near miss was found" if verdict.stopped_at else "no near miss was asked for"
    return f"no interleaving to show: it holds, and {looked}"


def story_columns(recorder: Recorder, width: int) -> str:
    lines = rows(recorder)
    if not lines:
        return ""
    order = list(dict.fromkeys(row.thread for row in lines))
    names = [recorder.system.memory.threads[t] for t in order]
    starts = column_starts(len(order), width)
    gap = starts[1] if len(starts) > 1 else width
    labels = labels_of(names, gap)
    legend = ", ".join(f"{label}: {name}" for label, name in zip(labels, names, strict=True))
    text = [*textwrap.wrap(legend, width), ""] if labels[0] == "T0" else []
    text += [side_by_side(starts, labels), side_by_side(starts, ["-" * len(label) for label in labels])]
    last = -1
    for row in evened(lines, names, order, starts, width):
        if row.thread != last and last >= 0:
            text.append("")
        last = row.thread
        column = order.index(row.thread)
        text += cell(row, names[column], starts, column, width)
    return "\n".join(text)


def column_starts(columns: int, width: int) -> list[int]:
    """Where each column begins: far enough to the left that the last one has room."""
    step = (width // columns) if columns < 3 else max(6, (width - LONGEST) // (columns - 1))
    return [i * step for i in range(columns)]


def labels_of(names: list[str], gap: int) -> list[str]:
    """What the columns are called: CPU and thread, or the thread alone where there is little room."""
    for style in ("CPU{i} ({name})", "{name}", "T{i}"):
        labels = [style.format(i=i, name=name) for i, name in enumerate(names)]
        if max(map(len, labels[:-1]), default=0) <= gap - 2:
            break
    return labels


def side_by_side(starts: list[int], cells: list[str]) -> str:
    line = ""
    for start, text in zip(starts, cells, strict=True):
        line = line.ljust(start) + text
    return line


def evened(lines: list[Row], names: list[str], order: list[int], starts: list[int], width: int) -> list[Row]:
    """The rows, those inside a call moved right together where a word of one of them would begin in another column."""
    depths: dict[tuple[int, int], int] = {}
    moved = list[Row]()
    for row in lines:
        around, column = (row.thread, row.inside), order.index(row.thread)
        if around not in depths:
            least = moved[row.inside].depth + 1 if row.inside >= 0 else 0
            beside = [other for other in lines if (other.thread, other.inside) == around]
            tried = ((d, [other._replace(depth=d) for other in beside]) for d in range(least, least + 3))
            clear = (d for d, rows in tried if all(is_clear(r, names[column], starts, column, width) for r in rows))
            depths[around] = next(clear, least)
        moved.append(row._replace(depth=depths[around]))
    return moved


def is_clear(row: Row, name: str, starts: list[int], column: int, width: int) -> bool:
    return not any(begins_in(part, starts[column + 1 :]) for part in parts_of(row, name, starts, column, width))


def cell(row: Row, name: str, starts: list[int], column: int, width: int) -> list[str]:
    """A row's lines, which a reader finds in its column."""
    return [apart(part, starts[column + 1 :], width) for part in parts_of(row, name, starts, column, width)]


def parts_of(row: Row, name: str, starts: list[int], column: int, width: int) -> list[str]:
    """A row's lines: indented as deep as its call, as far as there is room for its longest word."""
    text = c_names(f"<{name} {row.text}>" if row.kind == "wait" else row.text)
    start = starts[column]
    longest = max(map(len, text.split()))
    room = width - start - longest - (2 if longest < len(text) else 0)
    indent = max(0, min(row.depth, room))
    inside = max(width - start, longest + 2)
    wrapped_text = textwrap.wrap(
        text, inside, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2), break_long_words=False
    )
    return [" " * start + part for part in wrapped_text]


def apart(line: str, starts: list[int], width: int) -> str:
    """The line, moved a little where one of its words would begin as if it were in another column."""
    for moved in (line, " " + line, "  " + line, line.removeprefix(" ")):
        if len(moved) <= max(width, len(line)) and not begins_in(moved, starts):
            return moved
    return line


def begins_in(line: str, starts: list[int]) -> bool:
    """Does a word of the line begin where one of these columns does?"""
    return any(at < len(line) and line[at - 1] == " " != line[at] for at in starts)


def c_names(text: str) -> str:
    """`si.inuse_pages` as C writes it: si->inuse_pages."""
    return POINTERS.sub(r"\1->", text)
