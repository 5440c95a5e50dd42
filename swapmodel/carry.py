"""An execution carried over to a system with more pages: the same calls, and loops that go round as often as they must."""

from __future__ import annotations

from .program import Step, System
from .trace import Recorder, TraceStep

MORE = 200_000  # steps that a thread may take before it comes to where it stood in the small system


def carry_over(steps: list[TraceStep], system: System) -> Recorder | None:
    """`steps` of a smaller system, taken by `system`: each thread goes on until it has taken a step at the same line of the
    same calls. None if that is not how `system` runs."""
    recorder = Recorder(system)
    for step in steps:
        if not _take(recorder, step):
            return None
    return recorder


def _take(recorder: Recorder, step: TraceStep) -> bool:
    t = step.thread
    for _ in range(MORE):
        here = recorder.at[t]
        if not recorder.take(t):
            return False
        if recorder.violation is not None:
            return step.fault
        if _same(here, step):
            return True
    return False


def _same(here: Step, step: TraceStep) -> bool:
    assert here.operation is not None
    return here.operation.name == step.operation.name and here.stack == step.stack
