"""against(): the old bad schedule, replayed on a kernel or with a fix that should stop it."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable
from typing import Any

from ..fixes import functions_of_fix
from ..kernel import Kernel, Replacements
from ..names import look_up_or_take
from ..trace import Recorder
from ..verdict import Verdict, demand_verdict
from ..versions import KERNELS
from ..views import WIDTH, columns, failure, function_of
from .replayed import Ended, changed_by, follow, returned, waits_for
from .text import wrap


class Standoff:
    """How far the schedule goes. `ended.how` is "blocked", "left", "violated" or "through"; `said` is the sentence that tells
    what ends it; `recorder` has the steps up to there. `document()` is plain data."""

    def __init__(self, verdict: Verdict, against: str, ended: Ended, said: str):
        self.verdict, self.against, self.ended, self.said = verdict, against, ended, said

    @property
    def recorder(self) -> Recorder:
        return self.ended.recorder

    def document(self) -> dict[str, Any]:
        names = self.recorder.system.memory.threads
        return {
            "scenario": self.verdict.scenario.name,
            "kernel": self.verdict.kernel.name,
            "fix": self.verdict.fix or None,
            "against": self.against,
            "ended": self.ended.how,
            "thread": names[self.ended.thread] if self.ended.how in ("blocked", "left") else None,
            "old_step": self.ended.step,
            "said": self.said,
            "trace": [s.document(names) for s in self.recorder.steps],
        }

    def __str__(self) -> str:
        count = len(self.verdict.recorder.steps) if self.verdict.recorder else 0
        name = self.verdict.scenario.name
        head = f"The bad schedule of {name} on {_where(self.verdict)}, {count} steps, against {self.against}:"
        title = textwrap.fill(head, 2 * WIDTH, break_on_hyphens=False)
        return "\n".join([title, "", columns(self.recorder), "", wrap(self.said)])

    def __repr__(self) -> str:
        return f"<{self.verdict.scenario.name} against {self.against}: {self.said}>"

    def _repr_html_(self) -> str:
        return f"<div><strong>{html.escape(self.said)}</strong><pre>{html.escape(str(self))}</pre></div>"


def _where(verdict: Verdict) -> str:
    return verdict.kernel.name + (f" with {verdict.fix}" if verdict.fix else "")


def against(
    verdict: Verdict,
    *,
    fix: Replacements | Callable[..., Any] | str | None = None,
    kernel: Kernel | str | None = None,
    fix_name: str = "",
) -> Standoff:
    """Replays the counterexample of a `violated` verdict on `kernel`, or the same one, with `fix`, as for check(). It tells the
    first step that is now blocked or goes another way, and who is in the way. That stops this one schedule: whether others are
    left is for check() to find out. ValueError if the verdict has no counterexample, or if neither is given."""
    demand_verdict("against", verdict)
    if verdict.verdict != "violated" or verdict.recorder is None or not verdict.recorder.steps:
        raise ValueError(f"{verdict!r}: there is no bad schedule to replay")
    if fix is None and kernel is None:
        raise ValueError("against() needs a fix or a kernel to replay the schedule on")
    other = verdict.kernel if kernel is None else look_up_or_take("kernel", kernel, KERNELS)
    functions, name = functions_of_fix(fix)
    told = " with ".join(filter(None, [other.name if kernel is not None else "", fix_name or name]))
    system = verdict.scenario.system(other, verdict.parameters, functions)
    ended = follow(verdict.recorder.steps, system)
    return Standoff(verdict, told, ended, say(ended, told))


def say(ended: Ended, other: str) -> str:
    """What ends the old schedule, in a sentence or two."""
    recorder, name = ended.recorder, ended.recorder.system.memory.threads[ended.thread]
    if ended.how == "blocked":
        return f"{name} {waits_for(recorder, ended.thread)}: the old step {ended.step} can't come now"
    if ended.how == "violated":
        return f"it still goes wrong: {failure(recorder)}"
    if ended.how == "through":
        return f"every step of the old schedule that {other} has can be taken, and nothing goes wrong"
    if not ended.cause:
        return f"{name} never comes to the old step {ended.step}: {other} begins differently"
    cause = recorder.steps[ended.cause - 1]
    changed = changed_by(recorder, ended.cause)
    why = f" ({changed})" if changed else ""
    return f"{name} goes another way: {returned(cause)} in {function_of(cause)}{why}; the old step {ended.step} never comes"
