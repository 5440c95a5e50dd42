"""The command `swapmodel`. Exit status: 0 holds, 1 violated, 2 bad use or input, 3 unfinished."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .commands import COMMANDS
from .commands.arguments import Parser
from .commands.main_job import main_job
from .names import BadUse
from .program import KernelError


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        given = parser().parse_args(arguments)
        status: int = given.run(given)
    except (BadUse, KernelError, ValueError) as error:
        print(f"swapmodel: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("swapmodel: interrupted", file=sys.stderr)
        return 3
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return status


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="swapmodel", description="Which interleavings of the Linux swap code exist, and which fix closes them.")
    top.set_defaults(run=main_job)
    commands = top.add_subparsers(metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        command.register(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
