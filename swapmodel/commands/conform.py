"""swapmodel conform: recorded accounting of a real kernel, replayed through the model's functions."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ..names import look_up
from ..versions import KERNELS
from .arguments import KERNEL_HELP, open_json, write


def register(commands: Any) -> None:
    traces = commands.add_parser("conform", help="replay recorded accounting of a real kernel through the model's functions")
    traces.set_defaults(run=conform_traces)
    traces.add_argument("traces", metavar="TRACE.csv[.gz]", nargs="+")
    traces.add_argument("--kernel", default="v6.1", metavar="K", help=KERNEL_HELP)
    traces.add_argument("--json", metavar="FILE|-", help="write the reports as JSON")


def conform_traces(given: argparse.Namespace) -> int:
    """Each trace's table. Status 1 if an event differs from what the model's functions do."""
    from ..conform import conform

    look_up("kernel", given.kernel, KERNELS)
    out = open_json(given.json)
    reports = []
    for path in given.traces:
        reports.append(conform(path, given.kernel))
        if given.json != "-":
            print(reports[-1], "", sep="\n", flush=True)
    if out is not None:
        write(out, json.dumps([report.document() for report in reports], indent=1))
    return int(not all(report.agrees for report in reports))
