"""swapmodel why: what a violation needs, the old schedule against a fix, what nearly goes wrong where it holds."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..names import BadUse
from ..progress import Progress
from ..versions import KERNELS
from .arguments import add_question, asked, chosen_fix, open_json, write


def register(commands: Any) -> None:
    one = commands.add_parser("why", help="explain a verdict, or replay its bad schedule against a fix")
    one.set_defaults(run=explain)
    add_question(one, max_seconds=60.0)
    one.add_argument("--against", metavar="NAME|FILE.py|K", help="the fix or kernel to replay the bad schedule on")
    one.add_argument("--json", metavar="FILE|-", help="write the explanation as JSON")


def explain(given: argparse.Namespace) -> int:
    """Exit status as that of check: 0 holds, 1 violated, 3 unfinished."""
    from ..explain import against, why
    from ..verdict import check
    from .check import STATUS

    other = _other(given.against)
    progress = Progress(f"{given.scenario} on {given.kernel}")
    question, out = asked(given, progress), open_json(given.json)
    try:
        verdict = check(**question)
        if verdict.verdict == "unfinished":
            print(verdict)
            return STATUS["unfinished"]
        if other and verdict.verdict != "violated":
            raise BadUse(f"{given.scenario} {verdict.verdict} on {given.kernel}: there is no bad schedule to replay --against")
        told = against(verdict, **other) if other else why(verdict, seconds=given.max_seconds)
    finally:
        progress.close()
    if out is not None:
        write(out, json.dumps(told.document(), indent=1))
    if given.json != "-":
        print(told)
    return STATUS[verdict.verdict]


def _other(given: str | None) -> dict[str, Any]:
    """What --against names, as against() takes it."""
    if given is None:
        return {}
    if given in KERNELS:
        return {"kernel": KERNELS[given]}
    fix, name = chosen_fix(given)
    return {"fix": fix, "fix_name": name}
