"""A verdict over code that never ran says nothing: what of a fix, and of the scenario's own functions, was never executed."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Mapping
from typing import Any

from ..kernel import Replacements
from ..program import System

ASSERTIONS = ("WARN(", "BUG(")


def never_executed(reached: Mapping[str, Any], fix: Replacements | None, system: System) -> list[str]:
    """Sentences; none if every line of the fix ran and every thread can return. Lines that only say that something is wrong are
    not missed."""
    functions, told = reached.get("functions", {}), []
    for name, function in (fix or {}).items():
        if not inspect.isgeneratorfunction(function):
            continue
        if name not in functions:
            told.append(f"{name}() of the fix was never called: the verdict says nothing about it")
            continue
        lines = [n for n in functions[name]["never_reached"] if not _asserts(function.__code__.co_filename, n)]
        if lines:
            told.append(f"{name}() of the fix: {_lines(function.__code__.co_filename, lines)} never ran")
    for program in system.programs:
        if not any(step is not None and step.operation is None for step in program.steps):
            told.append(f"{program.name} never returns in any execution: what comes after it was not looked at")
    return told


def _asserts(file: str, line: int) -> bool:
    text = linecache.getline(file, line)
    return any(word in text for word in ASSERTIONS)


def _lines(file: str, lines: list[int]) -> str:
    shown = [f"{n} (`{linecache.getline(file, n).strip()}`)" for n in lines[:3]]
    more = f" and {len(lines) - 3} more" if len(lines) > 3 else ""
    return ("line " if len(lines) == 1 else "lines ") + ", ".join(shown) + more
