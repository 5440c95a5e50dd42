"""The command `swapmodel`. Exit status: 0 holds, 1 violated, 2 bad use or input, 3 unfinished."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TextIO

from .conform import conform
from .experiments import EXPERIMENTS, SEEN, compared
from .explore import Budget
from .fixes import FIXES, load_fix
from .kernel import Replacements
from .names import BadUse, look_up, nearest
from .program import KernelError
from .progress import Progress
from .scenarios import SCENARIOS, Parameters
from .verdict import Verdict, check
from .versions import KERNELS
from .views import failure, report, sentence, table

STATUS = {"holds": 0, "violated": 1, "unfinished": 3}
MAX_STATES = 5_000_000
MAX_BYTES = 6 << 30

MAIN_JOB = (
    ("thread", "as-argued", "what the thread of March 2024 concluded"),
    ("thread", "v6.8", "refuted: the page table lock is a spinlock, so swapoff waits"),
    ("shmem-truncate", "v6.8", "the real race, CVE-2024-26960: nothing is held here"),
    ("shmem-truncate", "v6.9", "fixed by 82b1c07a0af6, which pins the device"),
)

NEXT = """Next:
  swapmodel check thread --kernel as-argued    the thread's race, step by step
  swapmodel check shmem-truncate               the real one
  swapmodel check shmem-truncate --fix rcu-in-shmem
  swapmodel list                               scenarios, kernels and fixes
  jupyter lab notebooks/00-start-here.ipynb    the same, to play with"""


class Parser(argparse.ArgumentParser):
    """argparse, with one sentence in place of the usage."""

    def error(self, message: str) -> Any:
        raise BadUse(f"{message} (see {self.prog} --help)")


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
    lister = commands.add_parser("list", help="scenarios, kernels and fixes")
    lister.set_defaults(run=list_all)
    rows = commands.add_parser("experiments", help="what was run on a real kernel, and what the model says")
    rows.set_defaults(run=run_experiments)
    traces = commands.add_parser("conform", help="replay recorded accounting of a real kernel through the model's functions")
    traces.set_defaults(run=conform_traces)
    traces.add_argument("traces", metavar="TRACE.csv[.gz]", nargs="+")
    traces.add_argument("--kernel", default="v6.1", metavar="K", help="one of: " + ", ".join(KERNELS))
    traces.add_argument("--json", metavar="FILE|-", help="write the reports as JSON")
    one = commands.add_parser("check", help="explore one scenario")
    one.set_defaults(run=check_one)
    one.add_argument("scenario", metavar="SCENARIO")
    one.add_argument("--kernel", default="v6.8", metavar="K", help="one of: " + ", ".join(KERNELS))
    one.add_argument("--fix", metavar="NAME|FILE.py", help="functions that replace the kernel's")
    one.add_argument("--processes", type=positive, default=0, metavar="P")
    one.add_argument("--pages", type=positive, default=0, metavar="N")
    one.add_argument("--preempt", choices=("full", "none"), default="full")
    one.add_argument("--slot-cache", choices=("on", "off"), default="off")
    one.add_argument("--device", choices=("ssd", "hdd"), default="ssd", help="with clusters, or without")
    one.add_argument("--shortest", choices=("steps", "switches"), default="steps", help="what a counterexample has few of")
    one.add_argument("--max-states", type=positive, default=MAX_STATES, metavar="N")
    one.add_argument("--max-seconds", type=seconds, default=None, metavar="S")
    one.add_argument("--json", metavar="FILE|-", help="write the verdict as JSON")
    one.add_argument("--every-step", action="store_true", help="show loads and short locks too")
    return top


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


def main_job(given: argparse.Namespace) -> int:
    """The seed's question, on the kernels that answer it: one cell a process, on two cores."""
    print("Can free_swap_and_cache() touch a swap device that swapoff() is tearing down?\n", flush=True)
    with ProcessPoolExecutor(max_workers=2) as pool:
        cells = list(pool.map(main_cell, MAIN_JOB))
    print(table([("scenario", "kernel", "verdict", "states", ""), *(row for row, _ in cells)]), "\n", sep="")
    print("\n".join(why for _, why in cells), "\n", NEXT, sep="\n")
    return 0


def main_cell(cell: tuple[str, str, str]) -> tuple[tuple[str, ...], str]:
    """A row of the main job's table, and the sentence that gives the reason."""
    scenario, kernel, remark = cell
    verdict = check(SCENARIOS[scenario], kernel, shortest="any")
    told = "VIOLATED" if verdict.verdict == "violated" else verdict.verdict
    why = f"{scenario}, {kernel}: {sentence(reason(verdict))}"
    return (scenario, kernel, told, f"{verdict.outcome.states:,}", remark), why


def reason(verdict: Verdict) -> str:
    if verdict.verdict == "violated" and verdict.recorder is not None:
        return failure(verdict.recorder)
    return verdict.stopped_at or verdict.outcome.reason


def list_all(given: argparse.Namespace) -> int:
    for title, rows in (
        ("Scenarios", [(s.name, s.title) for s in SCENARIOS.values()]),
        ("Kernels", [(k.name, k.title) for k in KERNELS.values()]),
        ("Fixes", [(f.name, f.title) for f in FIXES.values()]),
    ):
        print(f"{title}:", *(f"  {line}" for line in table(rows).split("\n")), "", sep="\n")
    return 0


def check_one(given: argparse.Namespace) -> int:
    scenario = look_up("scenario", given.scenario, SCENARIOS)
    kernel = look_up("kernel", given.kernel, KERNELS)
    fix, fix_name = chosen_fix(given.fix)
    out = open_json(given.json)
    progress = Progress(f"{scenario.name} on {kernel.name}")
    parameters = {k: getattr(given, k) for k in Parameters._fields if k != "slot_cache"}
    try:
        verdict = check(
            scenario,
            kernel,
            fix=fix,
            fix_name=fix_name,
            shortest=given.shortest,
            budget=Budget(given.max_states, given.max_seconds, MAX_BYTES, progress),
            slot_cache=given.slot_cache == "on",
            **parameters,
        )
    finally:
        progress.close()
    if out is not None:
        print(json.dumps(verdict.document(), indent=1), file=out, flush=True)
    if given.json != "-":
        print(report(verdict, given.every_step))
        print(f"\n{verdict.outcome.seconds:.2f} s of CPU for the search")
    return STATUS[verdict.verdict]


def run_experiments(given: argparse.Namespace) -> int:
    """The experiments on 6.1.192 beside the model's verdicts. Status 1 if one differs and is not explained."""
    progress = Progress("experiments", "", len(EXPERIMENTS))
    rows, differ = [("experiment", "changed", "preempt", "seen on the real kernel", "the model", "")], False
    try:
        for row, verdict, told in compared():
            differ = differ or told == "DIFFERENT"
            rows.append((row.what, row.changed, row.preempt, SEEN[row.seen], verdict, told.partition(":")[0]))
            progress(len(rows) - 1)
    finally:
        progress.close()
    print(table(rows))
    print(*(f"\nexplained: {row.what}, {row.changed}: {row.why}." for row in EXPERIMENTS if row.why), sep="\n")
    return int(differ)


def conform_traces(given: argparse.Namespace) -> int:
    """Each trace's table. Status 1 if an event differs from what the model's functions do."""
    look_up("kernel", given.kernel, KERNELS)
    out = open_json(given.json)
    reports = []
    for path in given.traces:
        reports.append(conform(path, given.kernel))
        if given.json != "-":
            print(reports[-1], "", sep="\n", flush=True)
    if out is not None:
        print(json.dumps([report.document() for report in reports], indent=1), file=out, flush=True)
    return int(not all(report.agrees for report in reports))


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


if __name__ == "__main__":
    sys.exit(main())
