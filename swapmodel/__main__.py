"""The command `swapmodel`. Exit status: 0 holds, 1 violated, 2 bad use or input, 3 unfinished."""

from __future__ import annotations

import argparse
import contextlib
import os
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
        status: int = tell_version() if given.version else given.run(given)
        if sys.stdout is not None:
            sys.stdout.flush()
    except (BadUse, KernelError, ValueError) as error:
        print(f"swapmodel: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("swapmodel: interrupted", file=sys.stderr)
        return 3
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        print(f"swapmodel: {error.filename or 'standard output'}: {error.strerror}", file=sys.stderr)
        forget_output()
        return 2
    return status


def tell_version() -> int:
    from importlib.metadata import version

    print("swapmodel", version("swapmodel"))
    return 0


def forget_output() -> None:
    """What could not be written must not be tried again when Python ends."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="swapmodel", description="Which interleavings of the Linux swap code exist, and which fix closes them.")
    top.add_argument("--version", action="store_true", help="tell the version")
    top.set_defaults(run=main_job)
    commands = top.add_subparsers(metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        command.register(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
