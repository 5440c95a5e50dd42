"""swapmodel experiments: what was run on a real kernel, and what the model says."""

from __future__ import annotations

import argparse
from typing import Any

from ..progress import Progress
from ..views import table


def register(commands: Any) -> None:
    rows = commands.add_parser("experiments", help="what was run on a real kernel, and what the model says")
    rows.set_defaults(run=run_experiments)


def run_experiments(given: argparse.Namespace) -> int:
    """The experiments on 6.1.192 beside the model's verdicts. Status 1 if one differs and is not explained."""
    from ..experiments import EXPERIMENTS, SEEN, compared

    progress = Progress("experiments", "", len(EXPERIMENTS))
    rows, differ = [("experiment", "changed", "preempt", "seen on the real kernel", "the model", "")], False
    try:
        for row, verdict, told in compared():
            differ = differ or told == "DIFFERENT"
            rows.append((row.what, row.changed, row.preempt, SEEN[row.seen], verdict, told.partition(":")[0]))
            progress(len(rows) - 1)
    except KeyboardInterrupt:
        print(table(rows), f"interrupted: {len(rows) - 1} of {len(EXPERIMENTS)} rows were run", sep="\n")
        return 3
    finally:
        progress.close()
    print(table(rows))
    print(*(f"\nexplained: {row.what}, {row.changed}: {row.why}." for row in EXPERIMENTS if row.why), sep="\n")
    return int(differ)
