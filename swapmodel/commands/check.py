"""swapmodel check: explore one scenario."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..progress import Progress
from ..verdict import check
from ..views import report
from .arguments import add_question, asked
from .show import add_exports, export, open_exports

STATUS = {"holds": 0, "violated": 1, "unfinished": 3}


def register(commands: Any) -> None:
    one = commands.add_parser("check", help="explore one scenario")
    one.set_defaults(run=check_one)
    add_question(one)
    one.add_argument("--shortest", choices=("steps", "switches"), default="steps", help="what a counterexample has few of")
    add_exports(one)
    one.add_argument("--every-step", action="store_true", help="show loads and short locks too")


def check_one(given: argparse.Namespace) -> int:
    progress = Progress(f"{given.scenario} on {given.kernel}")
    question, exports = asked(given, progress), open_exports(given)
    try:
        verdict = check(shortest=given.shortest, **question)
    finally:
        progress.close()
    export(exports, verdict)
    if all(out is not sys.stdout for _, out in exports):
        print(report(verdict, given.every_step))
        print(f"{verdict.outcome.seconds:.2f} s of CPU for the search", file=sys.stderr)
    return STATUS[verdict.verdict]
