"""Scenarios, kernels, fixes and questions as pages, from the code and from what was recorded."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..fixes import FIXES, KINDS, Fix
from ..kernel import Kernel
from ..questions import recorded_answers
from ..questions.answers import rows
from ..scenarios import SCENARIOS, Scenario
from ..verdict import all_recorded, cell_name
from ..versions import KERNELS
from ..views import plural
from .layout import render
from .page import REFERENCE, Page

SETTINGS = {
    "preemptible": ("full", False),
    "preemptible, slot cache on": ("full", True),
    "not preempted": ("none", False),
    "not preempted, slot cache on": ("none", True),
}


class Row(NamedTuple):
    """A line of a table of verdicts: `cells` has what was recorded on each kernel, or None."""

    label: str
    cells: list[dict[str, Any] | None]


def scenarios_page() -> Page:
    overview = [Row(name, recorded_row(name, "full", False)) for name in SCENARIOS]
    told = [(scene, sizes(scene), recorded_rows(scene)) for scene in SCENARIOS.values()]
    body = render("scenarios", kernels=KERNELS, overview=overview, scenarios=told)
    return Page("scenarios.html", "Scenarios", REFERENCE, body)


def recorded_row(scenario: str, preempt: str, slot_cache: bool) -> list[dict[str, Any] | None]:
    return [all_recorded().get(cell_name(scenario, kernel, preempt, slot_cache)) for kernel in KERNELS]


def recorded_rows(scene: Scenario) -> list[Row]:
    """Of every setting that was recorded on any kernel."""
    every = [Row(label, recorded_row(scene.name, *setting)) for label, setting in SETTINGS.items()]
    return [row for row in every if any(row.cells)]


def sizes(scene: Scenario) -> str:
    if scene.fixed:
        return "It has its own device, processes and pages."
    processes, pages = plural(scene.processes, "process", "processes"), plural(scene.pages, "page")
    return f"{processes} and {pages}, besides swapoff, unless others are asked for."


def kernels_page() -> Page:
    return Page("kernels.html", "Kernels", REFERENCE, render("kernels", kernels=[(k, changes(k)) for k in KERNELS.values()]))


def changes(kernel: Kernel) -> str:
    """What a kernel changes in the functions of v6.8, as a unified diff: a version is a set of functions, as a fix is."""
    return Fix(kernel.name, kernel.title, kernel.source, kernel.replaces, "candidate", "").diff()


def fixes_page() -> Page:
    kinds = [(kind, meaning, [f for f in FIXES.values() if f.kind == kind]) for kind, meaning in KINDS.items()]
    return Page("fixes.html", "Fixes", REFERENCE, render("fixes", kinds=[one for one in kinds if one[2]], count=len(FIXES)))


def questions_page() -> Page:
    answers = recorded_answers()
    body = render("questions", answers=answers, rows=rows(answers)[1:])
    return Page("questions.html", "Questions", REFERENCE, body, "swapmodel/questions/QUESTIONS.md")
