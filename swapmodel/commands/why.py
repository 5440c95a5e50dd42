"""swapmodel why: what a violation needs, the old schedule against a fix, what nearly goes wrong where it holds."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..names import BadUse, look_up
from .arguments import KERNEL_HELP, chosen_fix, open_json, positive, seconds


def register(commands: Any) -> None:
    one = commands.add_parser("why", help="explain a verdict, or replay its bad schedule against a fix")
    one.set_defaults(run=explain)
    one.add_argument("scenario", metavar="SCENARIO")
    one.add_argument("--kernel", default="v6.8", metavar="K", help=KERNEL_HELP)
    one.add_argument("--fix", metavar="NAME|FILE.py", help="functions that replace the kernel's")
    one.add_argument("--against", metavar="NAME|FILE.py|K", help="the fix or kernel to replay the bad schedule on")
    one.add_argument("--processes", type=positive, default=0, metavar="P")
    one.add_argument("--pages", type=positive, default=0, metavar="N")
    one.add_argument("--preempt", choices=("full", "none"), default="full")
    one.add_argument("--slot-cache", choices=("on", "off"), default="off")
    one.add_argument("--device", choices=("ssd", "hdd"), default="ssd", help="with clusters, or without")
    one.add_argument("--max-states", type=positive, default=5_000_000, metavar="N", help="of the search that is explained")
    one.add_argument("--max-seconds", type=seconds, default=60.0, metavar="S", help="of each search; 60 unless given")
    one.add_argument("--json", metavar="FILE|-", help="write the explanation as JSON")


def explain(given: argparse.Namespace) -> int:
    """Exit status as that of check: 0 holds, 1 violated, 3 unfinished."""
    from ..explain import against, why
    from ..explore import Budget
    from ..progress import Progress
    from ..scenarios import SCENARIOS, Parameters
    from ..verdict import check
    from ..versions import KERNELS
    from .check import MAX_BYTES, STATUS

    scenario = look_up("scenario", given.scenario, SCENARIOS)
    kernel = look_up("kernel", given.kernel, KERNELS)
    fix, fix_name = chosen_fix(given.fix)
    other = _other(given.against, KERNELS)
    out = open_json(given.json)
    progress = Progress(f"{scenario.name} on {kernel.name}")
    parameters = {k: getattr(given, k) for k in Parameters._fields if k != "slot_cache"}
    budget = Budget(given.max_states, given.max_seconds, MAX_BYTES, progress)
    try:
        verdict = check(
            scenario, kernel, fix=fix, fix_name=fix_name, budget=budget, slot_cache=given.slot_cache == "on", **parameters
        )
        if verdict.verdict == "unfinished":
            print(verdict)
            return STATUS["unfinished"]
        if other and verdict.verdict != "violated":
            raise BadUse(f"{scenario.name} {verdict.verdict} on {kernel.name}: there is no bad schedule to replay --against")
        told = against(verdict, **other) if other else why(verdict, fix=fix, seconds=given.max_seconds)
    finally:
        progress.close()
    if out is not None:
        print(json.dumps(told.document(), indent=1), file=out, flush=True)
    if given.json != "-":
        print(told)
    return STATUS[verdict.verdict]


def _other(given: str | None, kernels: Any) -> dict[str, Any]:
    """What --against names, as against() takes it."""
    if given is None:
        return {}
    if given in kernels:
        return {"kernel": kernels[given]}
    fix, name = chosen_fix(given)
    return {"fix": fix, "fix_name": name}
