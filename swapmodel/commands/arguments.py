"""What several commands take: numbers, a fix, a file to write to."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, TextIO

from ..fixes import FIXES, load_fix
from ..kernel import Replacements
from ..names import BadUse, nearest
from ..versions import KERNELS

KERNEL_HELP = "one of: " + ", ".join(KERNELS)


class Parser(argparse.ArgumentParser):
    """argparse, with one sentence in place of the usage."""

    def error(self, message: str) -> Any:
        raise BadUse(f"{message} (see {self.prog} --help)")


def positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
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
    if given in FIXES:
        return FIXES[given].replaces, given
    if given.endswith(".py"):
        return load_fix(given), Path(given).name
    guess = nearest(given, FIXES)
    hint = f"did you mean {guess}?" if guess else f"there are: {', '.join(FIXES)}"
    raise BadUse(f"no fix is named {given!r}, and a file of your own must end in .py; {hint}")


def open_json(to: str | None) -> TextIO | None:
    """Where the JSON goes, opened before the search, so that no search is lost to a file that can't be written."""
    if to is None or to == "-":
        return sys.stdout if to else None
    try:
        return open(to, "w", encoding="utf-8")
    except OSError as error:
        raise BadUse(f"{to}: can't be written: {error.strerror}") from None
