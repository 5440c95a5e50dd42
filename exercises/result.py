"""What check() says about an answer: a verdict, a reason, a hint, and the interleaving that refutes it."""

from __future__ import annotations

import html
from typing import Any, NamedTuple

from swapmodel.trace import Recorder
from swapmodel.views import columns


class Result(NamedTuple):
    """True if the answer is right. `shown` is what refutes it, or what it made happen: a swapmodel Verdict, which can be
    replayed, an Interleaving, or the Fit of a story; None where there is nothing to replay."""

    exercise: str
    passed: bool
    reason: str
    hint: str = ""
    shown: Any = None

    def __bool__(self) -> bool:
        return self.passed

    @property
    def verdict(self) -> str:
        """right | not yet"""
        return "right" if self.passed else "not yet"

    def __str__(self) -> str:
        hint = [f"  Hint: {self.hint}"] if self.hint else []
        shown = ["", str(self.shown)] if self.shown is not None else []
        return "\n".join([f"{self.exercise}: {self.verdict}", f"  {self.reason}", *hint, *shown])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        hint = f"<p><em>Hint:</em> {html.escape(self.hint)}</p>" if self.hint else ""
        shown = "" if self.shown is None else str(self.shown._repr_html_())
        head = f"<strong>{html.escape(self.exercise)}: {self.verdict}</strong>"
        return f"<div>{head}<p>{html.escape(self.reason)}</p>{hint}</div>{shown}"


def right(reason: str, shown: Any = None) -> Result:
    return Result("", True, reason, "", shown)


def wrong(reason: str, hint: str, shown: Any = None) -> Result:
    return Result("", False, reason, hint, shown)


class NoAnswer(Exception):
    """What was given is no answer to this question: one sentence that says why, and one that says what is."""

    def __init__(self, reason: str, hint: str):
        super().__init__(reason)
        self.reason, self.hint = reason, hint


class Interleaving(NamedTuple):
    """One interleaving, as far as it went, in CPU columns."""

    recorder: Recorder

    def __str__(self) -> str:
        return columns(self.recorder)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"
