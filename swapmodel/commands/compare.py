"""swapmodel compare: scenarios x fixes x kernels x preemption in one table, and what each fix costs."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..scenarios import SCENARIOS
from ..verdict import MAX_STATES
from .arguments import KERNEL_HELP, chosen_fix, open_outputs, positive, seconds, write


def register(commands: Any) -> None:
    table = commands.add_parser(
        "compare",
        help="scenarios x fixes x kernels x preemption in one table, with the price of each fix",
        epilog="Exit status: 0 every cell is done, 2 bad use or a fix that can't run, 3 some cell is unfinished.",
    )
    table.set_defaults(run=compare_all)
    table.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"by default all {len(SCENARIOS)}")
    table.add_argument("--fix", action="append", metavar="NAME|FILE.py", help="once for each fix; by default all of them")
    table.add_argument("--kernel", action="append", metavar="K", help=f"once for each kernel; by default v6.8; {KERNEL_HELP}")
    table.add_argument("--preempt", choices=("full", "none", "both"), default="both")
    table.add_argument("--processes", type=positive, default=0, metavar="P")
    table.add_argument("--pages", type=positive, default=0, metavar="N")
    table.add_argument("--max-states", type=positive, default=MAX_STATES, metavar="N", help="of each cell")
    table.add_argument("--max-seconds", type=seconds, default=None, metavar="S", help="of CPU, of each cell")
    table.add_argument("--workers", type=positive, default=None, metavar="W", help="processes; by default one a core")
    table.add_argument("--html", metavar="FILE|-", help="write a page with every counterexample")
    table.add_argument("--json", metavar="FILE|-", help="write the table as JSON")


def compare_all(given: argparse.Namespace) -> int:
    from ..review.desk import compare
    from ..review.page import page

    fixes = [_fix(name) for name in given.fix] if given.fix else None
    outputs = open_outputs({"html": given.html, "json": given.json})
    done = compare(
        given.scenarios or None,
        fixes,
        given.kernel or "v6.8",
        ("full", "none") if given.preempt == "both" else given.preempt,
        processes=given.processes,
        pages=given.pages,
        max_states=given.max_states,
        max_seconds=given.max_seconds,
        workers=given.workers,
    )
    if "html" in outputs:
        write(outputs["html"], page(done))
    if "json" in outputs:
        write(outputs["json"], json.dumps(done.document(), indent=1))
    if "-" not in (given.html, given.json):
        print(done)
    for note in done.notes:
        print(f"swapmodel: {note}", file=sys.stderr)
    return done.status


def _fix(given: str) -> Any:
    """A name of FIXES, or the functions of a file under the file's name."""
    from ..fixes import Fix

    functions, name = chosen_fix(given)
    if not given.endswith(".py") or functions is None:
        return given
    return Fix(name, f"your own {Path(given).name}", given, functions, "candidate", "")
