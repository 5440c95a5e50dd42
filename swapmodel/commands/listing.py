"""swapmodel list: what there is."""

from __future__ import annotations

import argparse
from typing import Any

from ..fixes import FIXES
from ..scenarios import SCENARIOS
from ..versions import KERNELS
from ..views import table


def register(commands: Any) -> None:
    commands.add_parser("list", help="scenarios, kernels and fixes").set_defaults(run=list_all)


def list_all(given: argparse.Namespace) -> int:
    for title, rows in (
        ("Scenarios", [(s.name, s.title) for s in SCENARIOS.values()]),
        ("Kernels", [(k.name, k.title) for k in KERNELS.values()]),
        ("Fixes", [(f.name, f.title) for f in FIXES.values()]),
    ):
        print(f"{title}:", *(f"  {line}" for line in table(rows).split("\n")), "", sep="\n")
    return 0
