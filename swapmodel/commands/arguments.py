"""What several commands take: numbers, a fix, a file to write to."""

from __future__ import annotations

import argparse
import itertools
import os
import stat
import sys
from pathlib import Path
from typing import Any, TextIO

from ..explore import Budget
from ..fixes import load_fix
from ..kernel import Replacements
from ..names import BadUse, look_up, nearest
from ..progress import Progress
from ..scenarios import SCENARIOS, Parameters
from ..verdict import MAX_BYTES, MAX_STATES, MOST_STATES
from ..versions import KERNELS

KERNEL_HELP = "one of: " + ", ".join(KERNELS)


class Once(argparse.Action):
    """An option with a value, given once: of two files to write to, one would silently not be written."""

    def __call__(self, parser: Any, found: argparse.Namespace, value: Any, option: str | None = None) -> None:
        seen = vars(found).setdefault("seen", set())
        if option and self.dest in seen:
            parser.error(f"argument {option}: given twice")
        seen.add(self.dest)
        setattr(found, self.dest, value)


class Parser(argparse.ArgumentParser):
    """argparse, with one sentence in place of the usage, and with options that are given once."""

    def __init__(self, **how: Any):
        super().__init__(**how)
        self.register("action", None, Once)

    def error(self, message: str) -> Any:
        raise BadUse(f"{message} (see {self.prog} --help)")


def add_question(one: argparse.ArgumentParser, max_seconds: float | None = None) -> None:
    """What is asked of the explorer: a scenario, a kernel, a fix, sizes, and a budget."""
    one.add_argument("scenario", metavar="SCENARIO")
    one.add_argument("--kernel", default="v6.8", metavar="K", help=KERNEL_HELP)
    one.add_argument("--fix", metavar="NAME|FILE.py", help="functions that replace the kernel's")
    one.add_argument("--processes", type=positive, default=0, metavar="P")
    one.add_argument("--pages", type=positive, default=0, metavar="N")
    one.add_argument("--preempt", choices=("full", "none"), default="full")
    one.add_argument("--slot-cache", choices=("on", "off"), default="off")
    one.add_argument("--device", choices=("ssd", "hdd"), default="ssd", help="with clusters, or without")
    one.add_argument("--max-states", type=positive, metavar="N", help=f"give up after so many ({MAX_STATES:,})")
    limit = "of CPU, of each search" + (f"; {max_seconds:g} unless given" if max_seconds else "")
    one.add_argument("--max-seconds", type=seconds, default=max_seconds, metavar="S", help=limit)


def asked(given: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """The same, as check() takes it. BadUse or UnknownName, one sentence, for what there is not."""
    fix, fix_name = chosen_fix(given.fix)
    most = given.max_states or MOST_STATES[vars(given).get("engine", "python")]
    return {
        "scenario": look_up("scenario", given.scenario, SCENARIOS),
        "kernel": look_up("kernel", given.kernel, KERNELS),
        "fix": fix,
        "fix_name": fix_name,
        "budget": Budget(most, given.max_seconds, MAX_BYTES, progress),
        **{k: getattr(given, k) for k in Parameters._fields if k != "slot_cache"},
        "slot_cache": given.slot_cache == "on",
    }


def positive(text: str) -> int:
    return _whole(text, 1)


def count(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
    return value


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def chosen_fix(given: str | None) -> tuple[Replacements | None, str]:
    if given is None:
        return None, ""
    from ..fixes import FIXES

    if given in FIXES:
        return FIXES[given].replaces, given
    if given.endswith(".py"):
        return load_fix(given), Path(given).name
    guess = nearest(given, FIXES)
    hint = f"did you mean {guess}?" if guess else f"there are: {', '.join(FIXES)}"
    raise BadUse(f"no fix is named {given!r}, and a file of your own must end in .py; {hint}")


def open_json(to: str | None) -> TextIO | None:
    """Where a result goes, opened before the search, so that no search is lost to a file that can't be written. What the file
    holds stays there until write() has the result: a command may yet refuse, or be interrupted."""
    if to is None or to == "-":
        return sys.stdout if to else None
    if not to:
        raise BadUse("a file to write to has a name, or is - for the standard output")
    try:
        return open(to, "a", encoding="utf-8")
    except OSError as error:
        raise BadUse(f"{to}: can't be written: {error.strerror}") from None


def write(out: TextIO, text: str) -> None:
    """The result, in place of what the file held."""
    if out is not sys.stdout and stat.S_ISREG(os.fstat(out.fileno()).st_mode):
        out.truncate(0)
    print(text, end="" if text.endswith("\n") else "\n", file=out, flush=True)


def open_outputs(wanted: dict[str, str | None], **also: str | None) -> dict[str, TextIO]:
    """The files that options name, by option; those that were not given are left out. BadUse if two name the same one, or one
    of the files that `also` names."""
    asked = {option: to for option, to in (wanted | also).items() if to is not None}
    for (one, first), (other, second) in itertools.combinations(asked.items(), 2):
        if first == second or ("-" not in (first, second) and Path(first).absolute() == Path(second).absolute()):
            raise BadUse(f"--{one} and --{other} can't both go to {'the standard output' if first == '-' else first}")
    opened = {option: open_json(to) for option, to in wanted.items()}
    return {option: out for option, out in opened.items() if out is not None}
