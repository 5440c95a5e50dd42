"""swapmodel check: explore one scenario."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..explore import Budget
from ..names import look_up
from ..progress import Progress
from ..scenarios import SCENARIOS, Parameters
from ..verdict import MAX_BYTES, MAX_STATES, check
from ..versions import KERNELS
from ..views import report
from .arguments import KERNEL_HELP, chosen_fix, positive, seconds
from .show import add_exports, export, open_exports

STATUS = {"holds": 0, "violated": 1, "unfinished": 3}


def register(commands: Any) -> None:
    one = commands.add_parser("check", help="explore one scenario")
    one.set_defaults(run=check_one)
    one.add_argument("scenario", metavar="SCENARIO")
    one.add_argument("--kernel", default="v6.8", metavar="K", help=KERNEL_HELP)
    one.add_argument("--fix", metavar="NAME|FILE.py", help="functions that replace the kernel's")
    one.add_argument("--processes", type=positive, default=0, metavar="P")
    one.add_argument("--pages", type=positive, default=0, metavar="N")
    one.add_argument("--preempt", choices=("full", "none"), default="full")
    one.add_argument("--slot-cache", choices=("on", "off"), default="off")
    one.add_argument("--device", choices=("ssd", "hdd"), default="ssd", help="with clusters, or without")
    one.add_argument("--shortest", choices=("steps", "switches"), default="steps", help="what a counterexample has few of")
    one.add_argument("--max-states", type=positive, default=MAX_STATES, metavar="N")
    one.add_argument("--max-seconds", type=seconds, default=None, metavar="S")
    add_exports(one)
    one.add_argument("--every-step", action="store_true", help="show loads and short locks too")


def check_one(given: argparse.Namespace) -> int:
    scenario = look_up("scenario", given.scenario, SCENARIOS)
    kernel = look_up("kernel", given.kernel, KERNELS)
    fix, fix_name = chosen_fix(given.fix)
    exports = open_exports(given)
    progress = Progress(f"{scenario.name} on {kernel.name}")
    parameters = {k: getattr(given, k) for k in Parameters._fields if k != "slot_cache"}
    try:
        verdict = check(
            scenario,
            kernel,
            fix=fix,
            fix_name=fix_name,
            shortest=given.shortest,
            budget=Budget(given.max_states, given.max_seconds, MAX_BYTES, progress),
            slot_cache=given.slot_cache == "on",
            **parameters,
        )
    finally:
        progress.close()
    export(exports, verdict)
    if all(out is not sys.stdout for _, out in exports):
        print(report(verdict, given.every_step))
        print(f"\n{verdict.outcome.seconds:.2f} s of CPU for the search")
    return STATUS[verdict.verdict]
