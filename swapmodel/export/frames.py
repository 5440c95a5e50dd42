"""Which calls a reader is shown: those that the views show, and synchronize_rcu(), which maintainers look for."""

from __future__ import annotations

import copy

from ..program import Frame
from ..trace import Recorder
from ..views import visible_frames

LENT = {"synchronize_rcu"}  # kernel functions that the machine has


def told_frames(stack: tuple[Frame, ...]) -> tuple[Frame, ...]:
    """The frames of kernel functions, outermost first."""
    visible = set(visible_frames(stack))
    return tuple(f for f in stack if f.function in LENT or f in visible)


def told(recorder: Recorder) -> Recorder:
    """The same trace with those frames alone, for sentences about it."""
    shown = copy.copy(recorder)
    shown.steps = [step._replace(stack=told_frames(step.stack)) for step in recorder.steps]
    return shown
