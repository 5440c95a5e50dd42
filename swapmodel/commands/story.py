"""swapmodel story: does any execution fit an interleaving that somebody wrote down?"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..names import BadUse, look_up
from .arguments import KERNEL_HELP, chosen_fix, positive, seconds

STATUS = {True: 0, False: 1, None: 3}
MAX_STATES = 3_000_000
LARGEST = 4 << 20  # bytes of a file that is read at all


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    one = commands.add_parser("story", help="decide whether an interleaving, written as in mails, can happen")
    one.set_defaults(run=decide)
    one.add_argument("file", metavar="FILE|-", help="CPU columns, or `Process 1 ...` lists")
    one.add_argument("--kernel", metavar="K", help=f"{KERNEL_HELP} (v6.8, or the one that our own report names)")
    one.add_argument("--scenario", metavar="S", help="which threads there are; inferred where the story names enough")
    one.add_argument("--fix", metavar="NAME|FILE.py", help="functions that replace the kernel's")
    one.add_argument("--processes", type=positive, default=None, metavar="P")
    one.add_argument("--pages", type=positive, default=None, metavar="N")
    one.add_argument("--preempt", choices=("full", "none"), default=None)
    one.add_argument("--slot-cache", choices=("on", "off"), default=None)
    one.add_argument("--device", choices=("ssd", "hdd"), default=None, help="with clusters, or without")
    one.add_argument("--max-states", type=positive, default=MAX_STATES, metavar="N")
    one.add_argument("--max-seconds", type=seconds, default=None, metavar="S")
    one.add_argument("--every-step", action="store_true", help="show loads and short locks too")


def decide(given: argparse.Namespace) -> int:
    """Status 0 feasible, 1 infeasible, 2 not understood, 3 unfinished."""
    from ..explore import Budget
    from ..fixes import FIXES
    from ..progress import Progress
    from ..scenarios import SCENARIOS
    from ..story import fits, read_story
    from ..story.heading import heading
    from ..story.tell import text
    from ..verdict import MAX_BYTES
    from ..versions import KERNELS

    written = text_of(given.file)
    story, head = read_story(written, given.file), heading(written)
    if not given.fix and head.fix and head.fix not in FIXES:
        raise BadUse(f"{given.file}: is about the fix {head.fix}, a file: name it with --fix")
    fix, fix_name = chosen_fix(given.fix or head.fix or None)
    asked = {n: getattr(given, n) for n in ("processes", "pages", "preempt", "device") if getattr(given, n) is not None}
    if given.slot_cache:
        asked["slot_cache"] = given.slot_cache == "on"
    progress = Progress(f"story {given.file}")
    try:
        fit = fits(
            story,
            look_up("kernel", given.kernel or head.kernel or "v6.8", KERNELS),
            look_up("scenario", given.scenario or head.scenario, SCENARIOS) if given.scenario or head.scenario else None,
            fix,
            fix_name=fix_name,
            budget=Budget(given.max_states, given.max_seconds, MAX_BYTES, progress),
            **{**head.parameters, **asked},
        )
    finally:
        progress.close()
    print(text(fit, given.every_step))
    return STATUS[fit.feasible]


def text_of(file: str) -> str:
    """The text of a file, or of standard input for `-`. BadUse if it can't be read, or is no UTF-8 text."""
    try:
        if file == "-":
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise BadUse(f"{file}: is too large for a story")
        return data.decode("utf-8").replace("\r\n", "\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "is no UTF-8 text"
        raise BadUse(f"{file}: {why}") from None
