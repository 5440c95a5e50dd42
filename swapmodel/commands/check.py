"""swapmodel check: explore one scenario."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..explore import ENGINES
from ..how import How
from ..progress import Progress
from ..verdict import check
from ..views import report
from .arguments import add_question, asked, count, positive
from .show import add_exports, export, open_exports

STATUS = {"holds": 0, "violated": 1, "unfinished": 3}


def register(commands: Any) -> None:
    one = commands.add_parser("check", help="explore one scenario")
    one.set_defaults(run=check_one)
    add_question(one)
    one.add_argument("--shortest", choices=("steps", "switches"), default="steps", help="what a counterexample has few of")
    add_search(one)
    add_exports(one)
    one.add_argument("--every-step", action="store_true", help="show loads and short locks too")


def add_search(one: argparse.ArgumentParser) -> None:
    """How to search. What a search can have one of contradicts."""
    one.add_argument(
        "--unreduced", dest="reduce", action="store_false", help="every single step, for comparison: the same verdict, later"
    )
    one.add_argument(
        "--no-releases",
        dest="releases",
        action="store_false",
        help="for comparison: no release of a lock is part of the move before it; the same verdict, later",
    )
    one.add_argument(
        "--every-page",
        dest="subpages",
        action="store_false",
        help="for comparison: no sub-page that nobody maps stands for others; the same verdict, later",
    )
    kind = one.add_mutually_exclusive_group()
    kind.add_argument("--engine", choices=ENGINES, default=ENGINES[0], help="compiled: sooner from a second on (extra `fast`)")
    kind.add_argument(
        "--persistent", action="store_true", help="store fewer states; a livelock is not told in the fewest steps"
    )
    kind.add_argument("--sleep", action="store_true", help="sleep sets: the same states by fewer moves, and slower")
    kind.add_argument("--compact", action="store_true", help="a third of the memory, and slower")
    kind.add_argument("--checkpoint", metavar="FILE", help="write the search there now and then, and go on from what is there")
    kind.add_argument("--switches", type=count, metavar="K", help="only what needs at most K context switches; never `holds`")
    kind.add_argument(
        "--random",
        type=positive,
        metavar="RUNS",
        help="random executions, and how likely they were to meet a violation; never `holds`",
    )
    one.add_argument("--seed", type=count, default=0, metavar="N", help="of --random: the same seed gives the same executions")


def check_one(given: argparse.Namespace) -> int:
    progress = Progress(f"{given.scenario} on {given.kernel}")
    question, exports = asked(given, progress), open_exports(given, checkpoint=given.checkpoint)
    try:
        verdict = check(shortest=given.shortest, **{name: getattr(given, name) for name in How._fields}, **question)
    finally:
        progress.close()
    export(exports, verdict)
    if all(out is not sys.stdout for _, out in exports):
        print(report(verdict, given.every_step))
        print(f"{verdict.outcome.seconds:.2f} s of CPU for the search", file=sys.stderr)
    return STATUS[verdict.verdict]
