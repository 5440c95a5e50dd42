"""Whole operations and kernel functions on a Machine: played one after the other, or recorded step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from swapmodel import Machine
from swapmodel.program import Program, System
from swapmodel.trace import Recorder, TraceStep

Line = tuple[Any, ...]  # ("swap_out", "p", 0): a method of Machine and its arguments; a process by its name


def play(machine: Machine, lines: Sequence[Line]) -> dict[str, Any]:
    """Runs the lines; returns the processes by name. p is the first, fork makes q."""
    who: dict[str, Any] = {"p": machine.processes[0] if machine.processes else machine.spawn()}
    for line in lines:
        play_one(machine, who, line)
    return who


def play_one(machine: Machine, who: dict[str, Any], line: Line) -> None:
    method, *arguments = line
    keep = {"keep": True} if "keep" in arguments else {}
    value = getattr(machine, method)(*[who.get(a, a) for a in arguments if a != "keep"], **keep)
    if method == "fork":
        who["q"] = value


def told(lines: Sequence[Line]) -> str:
    """The lines as a notebook would have them."""
    return "\n".join(f"  {number}  {_told(*line)}" for number, line in enumerate(lines, 1))


def _told(method: str, *arguments: Any) -> str:
    words = ["keep=True" if a == "keep" else a if a in ("p", "q") else repr(a) for a in arguments]
    call = f"machine.{method}({', '.join(words)})"
    return f"q = {call}" if method == "fork" else call


def recorder_of(machine: Machine, *starts: Callable[[], Any]) -> Recorder:
    """Kernel functions on the machine's memory as it is now, one for each CPU, not yet run."""
    memory = machine.world.memory
    memory.words[:] = machine.sequential.words
    programs = [Program(memory.threads[i], start) for i, start in enumerate(starts)]
    return Recorder(System(memory, programs, (), machine.space))


def recorded(machine: Machine, start: Callable[[], Any]) -> Recorder:
    """One kernel function on the first CPU, run to its end."""
    recorder = recorder_of(machine, start)
    while recorder.take(0):
        pass
    return recorder


def first_time(recorder: Recorder, moments: Mapping[str, str]) -> dict[str, int]:
    """label -> the number of the first step at which its moment comes: inside a function of that name, or taking an operation
    with that text."""
    found: dict[str, int] = {}
    for number, step in enumerate(recorder.steps):
        for label, moment in moments.items():
            if label not in found and _is(step, moment):
                found[label] = number
    return found


def _is(step: TraceStep, moment: str) -> bool:
    return any(frame.function == moment for frame in step.stack) or str(step.operation) == moment
