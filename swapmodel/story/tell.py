"""What people see of an answer."""

from __future__ import annotations

import html as markup
import textwrap
from collections.abc import Iterator

from ..views import columns, failure, plural, sentence
from .events import Remark
from .fit import Fit, mapped
from .problems import quoted

WIDTH = 76
MARKER = {True: "feasible", False: "INFEASIBLE", None: "unfinished"}


def text(fit: Fit, every_step: bool = False) -> str:
    """The answer in a line, how the story was read, why, and the execution in CPU columns."""
    parts = [_head(fit), *(f"  {line}" for line in _reading(fit))]
    if fit.feasible is False:
        parts += ["", _why(fit)]
    if fit.recorder is not None and fit.recorder.steps:
        title = "An execution that fits:" if fit.feasible else "As far as an execution can follow:"
        parts += ["", title, "", columns(fit.recorder, every_step)]
        if fit.recorder.violation is not None:
            parts += ["", textwrap.fill(sentence(failure(fit.recorder)), WIDTH)]
    return "\n".join(parts)


def _head(fit: Fit) -> str:
    fix = f" with {fit.fix}" if fit.fix else ""
    where = f"{fit.scenario.name} on {fit.kernel.name}{fix}, preempt {fit.parameters.preempt}"
    told = f": {fit.why}" if fit.feasible is None else ""
    return f"{fit.story.file}: {MARKER[fit.feasible]}{told}\n  {where}; {plural(fit.states, 'state')}"


def _reading(fit: Fit) -> Iterator[str]:
    yield ", ".join(f"{label} is {thread}" if label != thread else label for label, thread in mapped(fit).items())
    if fit.story.remarks:
        yield "read as remarks: " + ", ".join(map(_remark, fit.story.remarks))
    yield from fit.notes


def _remark(remark: Remark) -> str:
    lines = f"line {remark.first}" if remark.first == remark.last else f"lines {remark.first}-{remark.last}"
    return f"{lines} ({remark.why})"


def _why(fit: Fit) -> str:
    assert fit.next is not None
    who = mapped(fit)[fit.story.labels[fit.next.label]]
    told = f"No execution gets beyond {fit.matched} of {plural(len(fit.story.said), 'event')}. Line {fit.next.line}, {who}, "
    return textwrap.fill(f"{told}{quoted(fit.next.text)}: {fit.why}.", WIDTH)


def html(fit: Fit) -> str:
    """The same for a notebook, escaped."""
    first, *rest = text(fit).split("\n")
    body = markup.escape("\n".join(rest))
    return f'<div><strong>{markup.escape(first)}</strong><pre style="font-family: monospace">{body}</pre></div>'
