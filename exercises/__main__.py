"""python -m exercises: the list of exercises. python -m exercises nbgrader DIR: notebooks for an instructor."""

from __future__ import annotations

import sys
from pathlib import Path

from .grade import EXERCISES
from .instructor import write_all

USE = "usage: python -m exercises [nbgrader DIR]"


def main(arguments: list[str]) -> int:
    """0, or 2 for bad use."""
    if not arguments:
        print("\n".join(f"{e.id}  {e.title}" for e in EXERCISES.values()))
        return 0
    if len(arguments) != 2 or arguments[0] != "nbgrader":
        print(USE, file=sys.stderr)
        return 2
    try:
        written = write_all(Path(arguments[1]))
    except OSError as error:
        print(f"{arguments[1]}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{len(written)} notebooks in {arguments[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
