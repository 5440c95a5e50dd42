"""The page "What a search costs": the committed picture and table of a run of the benchmark, with where it was measured."""

from __future__ import annotations

from typing import NamedTuple

from .layout import render
from .measured import Cost, read_costs
from .page import REFERENCE, Page
from .sources import COST, Sources

FACTS = ("Made by", "Measured", "Limits", "Versions")
TITLES = {"peers": "The scenario of the comparison", "thread": "The scenario `thread`"}


class Table(NamedTuple):
    """What one scenario costs: a row for each size, in the order of the file, and a cell for each checker."""

    scenario: str
    title: str
    checkers: list[str]
    rows: list[tuple[str, list[Cost | None]]]


def cost_page(sources: Sources) -> Page:
    """Made from diagrams/cost.txt. BadUse where that is no such table."""
    notes, costs = read_costs(sources.text(COST))
    told = [note.partition(": ")[::2] for note in notes]
    facts = [(name, text) for name, text in told if name in FACTS]
    remarks = [note for note, (name, _) in zip(notes, told, strict=True) if name not in FACTS]
    tables = [_table(name, [c for c in costs if c.scenario == name]) for name in dict.fromkeys(c.scenario for c in costs)]
    body = render("cost", facts=facts, remarks=remarks, tables=tables)
    return Page("cost.html", "What a search costs", REFERENCE, body, COST)


def _table(scenario: str, costs: list[Cost]) -> Table:
    checkers = list(dict.fromkeys(c.checker for c in costs))
    found = {(c.processes, c.pages, c.checker): c for c in costs}
    cells = sorted({(c.processes, c.pages) for c in costs})
    rows = [(f"{p},{n}", [found.get((p, n, checker)) for checker in checkers]) for p, n in cells]
    return Table(scenario, TITLES.get(scenario, scenario), checkers, rows)
