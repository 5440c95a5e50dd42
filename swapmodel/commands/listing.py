"""swapmodel list: what there is. `swapmodel list fix NAME` shows one fix whole."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from ..names import look_up
from ..scenarios import SCENARIOS
from ..versions import KERNELS
from ..views import table


def register(commands: Any) -> None:
    listing = commands.add_parser("list", help="scenarios, kernels and fixes")
    listing.set_defaults(run=list_all, what=None)
    one = listing.add_subparsers(metavar="fix NAME").add_parser("fix", help="one fix: its origin, and what it changes")
    one.set_defaults(run=list_fix)
    one.add_argument("name", metavar="NAME")


def list_all(given: argparse.Namespace) -> int:
    from ..fixes import FIXES, KINDS

    _print("Scenarios", ((s.name, s.title) for s in SCENARIOS.values()))
    _print("Kernels", ((k.name, k.title) for k in KERNELS.values()))
    for kind, meaning in KINDS.items():
        _print(f"Fixes, {kind} ({meaning})", ((f.name, f.title) for f in FIXES.values() if f.kind == kind))
    print("swapmodel list fix NAME shows one of them whole.")
    return 0


def list_fix(given: argparse.Namespace) -> int:
    from ..fixes import FIXES

    print(look_up("fix", given.name, FIXES))
    return 0


def _print(title: str, rows: Iterable[tuple[str, str]]) -> None:
    print(f"{title}:", *(f"  {line}" for line in table(list(rows)).split("\n")), "", sep="\n")
