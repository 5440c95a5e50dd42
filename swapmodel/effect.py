"""What one whole operation of a session did: the words that changed, told as people want to read them."""

from __future__ import annotations

import html
import re
from typing import Any, NamedTuple

from .machine import Memory
from .trace import Change, show_value

WIDTH = 60  # of a value that is shown; the rest is cut
LINES = 40  # of changes that are shown; the rest is counted


class Effect(NamedTuple):
    """`value` is what the kernel function returned, `steps` how many operations it took; `words` are (word, old, new)."""

    what: str
    value: Any
    steps: int
    memory: Memory
    words: tuple[tuple[int, Any, Any], ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every word that has another value now, in the order of memory."""
        return tuple(
            c for word, old, new in sorted(self.words, key=lambda w: w[0]) if (c := _change(self.memory, word, old, new))
        )

    @property
    def told(self) -> tuple[Change, ...]:
        """The changes, with runs of neighbours that changed alike as one."""
        runs: list[list[Change]] = []
        for change in self.changes:
            if runs and _next_to(runs[-1][-1], change):
                runs[-1].append(change)
            else:
                runs.append([change])
        return tuple(_run(run) for run in runs)

    def __str__(self) -> str:
        told = self.told
        width = max((len(c.name) for c in told[:LINES]), default=0)
        lines = [f"  {c.name:<{width}}  {c.before} -> {c.after}" for c in told[:LINES]]
        more = [f"  ... and {len(told) - LINES} more"] if len(told) > LINES else []
        return "\n".join([self._head(), *lines, *more])

    def __repr__(self) -> str:
        return str(self)

    def _head(self) -> str:
        returned = "" if self.value is None else f", returned {show_value(self.value)}"
        steps = "1 step" if self.steps == 1 else f"{self.steps:,} steps"
        return f"{self.what}: {steps}{returned}" + ("" if self.changes else ", nothing changed")

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'><code>{html.escape(c.name)}</code></td><td>{html.escape(c.before)}</td>"
            f"<td aria-label='becomes'>→</td><td><b>{html.escape(c.after)}</b></td></tr>"
            for c in self.told[:LINES]
        )
        more = f"<p>… and {len(self.told) - LINES} more</p>" if len(self.told) > LINES else ""
        return f"<p>{html.escape(self._head())}</p><table>{rows}</table>{more}"


def _change(memory: Memory, word: int, old: Any, new: Any) -> Change | None:
    shown = memory.shown[word]
    if old == new or (shown.hidden and not shown.name.endswith(" (object)")):
        return None
    if shown.hidden:
        lives = ["allocated" if v > 0 else "free" for v in (old, new)]
        return Change(shown.name.removesuffix(" (object)"), *lives) if lives[0] != lives[1] else None
    return Change(shown.name, short(shown.show(old)), short(shown.show(new)))


def short(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."


_NUMBER = re.compile(r"(\d+)(?!.*\d)")


def _next_to(before: Change, after: Change) -> bool:
    """Is `after` the next element of the same array, changed in the same way?"""
    a, b = _NUMBER.search(before.name), _NUMBER.search(after.name)
    if a is None or b is None or int(b[1]) != int(a[1]) + 1:
        return False
    if before[1:] != after[1:] and ".disk[" not in after.name:  # what was written differs from slot to slot
        return False
    return before.name[: a.start()] == after.name[: b.start()] and before.name[a.end() :] == after.name[b.end() :]


def _run(run: list[Change]) -> Change:
    if len(run) == 1:
        return run[0]
    last = _NUMBER.search(run[-1].name)
    assert last is not None
    first = _NUMBER.sub(lambda m: f"{m[1]}..{last[1]}", run[0].name)
    alike = all(change[1:] == run[0][1:] for change in run)
    return Change(first, run[0].before, run[0].after) if alike else Change(first, "...", "written")
