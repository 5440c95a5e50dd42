"""swapmodel replay: an interleaving as one HTML file, to step through without a server."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ..names import BadUse, look_up
from ..versions import KERNELS
from .arguments import KERNEL_HELP, add_question, asked, chosen_fix, open_json, write

if TYPE_CHECKING:
    from ..verdict import Verdict


def register(commands: Any) -> None:
    one = commands.add_parser("replay", help="an interleaving to step through: one HTML file, which needs nothing else")
    one.set_defaults(run=replay)
    add_question(one)
    one.add_argument("--html", metavar="FILE|-", required=True, help="the file to write")
    one.add_argument("--beside", metavar="K", action="append", help=f"a kernel that the reader can switch to; {KERNEL_HELP}")
    one.add_argument("--cure", metavar="NAME|FILE.py", action="append", help="a fix that the reader can switch to")


def replay(given: argparse.Namespace) -> int:
    """Status 0: that the page was written, whatever is on it; 2: that it was not, with the reason."""
    from ..replay import Replay
    from ..replay.replay import BESIDE, CURE

    kernels = [look_up("kernel", name, KERNELS) for name in given.beside or BESIDE]
    fixes = [cure(name) for name in given.cure or CURE]
    out = open_json(given.html)
    assert out is not None
    write(out, Replay(verdict_of(given), kernels, fixes).page())
    return 0


def verdict_of(given: argparse.Namespace) -> Verdict:
    """What is replayed: a scenario, which is checked now, or a file that `check --json` or the player wrote."""
    from ..progress import Progress
    from ..replay.schedule import opened
    from ..verdict import check

    if given.scenario.endswith(".json"):
        return opened(given.scenario, chosen_fix(given.fix)[0])
    progress = Progress(f"{given.scenario} on {given.kernel}")
    try:
        return check(**asked(given, progress))
    finally:
        progress.close()


def cure(name: str) -> Any:
    """A fix of the catalogue by its name, a reader's own as its functions. BadUse for a file without any."""
    from ..fixes import FIXES

    functions, told = chosen_fix(name)
    if not functions:
        raise BadUse(f"{name}: holds no functions")
    return FIXES[name] if told in FIXES else functions
