"""The table of what a search costs, as `python -m tests.bench --growth --save diagrams` writes it, read again.

    # Measured: 29 November 2026, 2 cores of ...
    scenario  P,N     checker                        CPU s   wall s     MiB       states  outcome
    peers     2,2     SPIN and gcc                    1.81     1.82     131       16,626  holds

The lines with `#` say where the figures are from. Columns are two or more spaces apart.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..names import BadUse

LINE = "{:<9} {:<7} {:<27} {:>8} {:>8} {:>7} {:>12}  {}"  # of the table
COLUMNS = ("scenario", "P,N", "checker", "CPU s", "wall s", "MiB", "states", "outcome")


class Cost(NamedTuple):
    """One command: CPU seconds and MiB at its peak. `states` is None for one that came to no end, and `outcome` says why."""

    scenario: str
    processes: int
    pages: int
    checker: str
    cpu: float
    peak: int
    states: int | None
    outcome: str


def read_costs(text: str) -> tuple[list[str], list[Cost]]:
    """What the lines with `#` say, and the figures. BadUse for a line that is neither."""
    notes, costs = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            notes.append(line.removeprefix("#").strip())
        elif not line.startswith("scenario "):
            costs.append(_cost(number, line))
    return notes, costs


def _cost(number: int, line: str) -> Cost:
    try:
        scenario, cell, checker, cpu, _, peak, states, outcome = re.split(r" {2,}", line.strip())
        processes, pages = map(int, cell.split(","))
        stored = None if states == "-" else int(states.replace(",", ""))
        return Cost(scenario, processes, pages, checker, float(cpu), int(peak), stored, outcome)
    except ValueError:
        raise BadUse(f"cost.txt:{number}: no line of the table of `python -m tests.bench --growth`: {line.strip()!r}") from None
