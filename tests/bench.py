"""One command, one table: our search beside other checkers on the same scenario, and our own scenarios below.

    python -m tests.bench [--grid 2,2 3,4] [--runs 5] [--peers DIR] [--jar tla2tools.jar]
    python -m tests.bench --growth [--save DIR]    one run each of larger and larger cells, see tests/growth.py

Every command runs once to warm up, then --runs times, in turns so that a busy moment of the machine meets all of them. CPU is
user and system time of the command and all that it started, "/py" its ratio to plain Python's; figures are medians. "cold" is
a whole command, "in process" one search after another in one process; "unreduced" takes single steps in place of moves. Peers
that are missing are named below the table, with how to install them.

B/state: ours is (peak memory - memory before the search) / states, in a fresh process. The peers can't tell what they need
before the search, so theirs is (peak - peak at 1,1) / states. Steps: Harmony also counts two of its __init__.

Every Python command pays for what its environment does at start-up (an editable install: 20 ms); a plain venv pays nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.checkers import PEERS, Answer, Run, checkers, keep_bytecode, limits, median, medians, timed

VARIANTS = ("unfixed", "fixed")
SECONDS, MIB = 60, 8192  # of CPU and of memory that a command of the growth table may take

# ---- in process ------------------------------------------------------------------------------------------------------


def in_process(make, runs, **options):
    """Searches `runs` times after one warm-up; prints medians and the answer. `make()` lays a fresh system."""
    from swapmodel.explore import explore

    figures = []
    for _ in range(runs + 1):
        cpu, wall = time.process_time(), time.perf_counter()
        outcome, _ = explore(make(), **options)
        figures.append((time.process_time() - cpu, time.perf_counter() - wall))
        states, length = outcome.states, len(outcome.schedule)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cpu, wall = (median(column) for column in zip(*figures[1:], strict=True))
    print("INSIDE", cpu, wall, peak, outcome.verdict, states, length)


def inside_peer(variant, processes, pages, reduce, runs):
    from tests.peer_scenario import peer_system

    in_process(lambda: peer_system(variant, processes, pages), runs, finish=False, reduce=reduce)


def inside_thread(version, processes, pages, runs):
    from swapmodel.scenarios import SCENARIOS, Parameters
    from swapmodel.versions import KERNELS

    in_process(lambda: SCENARIOS["thread"].system(KERNELS[version], Parameters(processes, pages)), runs)


def inside(call):
    """The medians and the answer of one of the two functions above, called in a process of its own."""
    run = timed([[sys.executable, "-c", f"from tests.bench import *; {call}"]])
    found = re.search("INSIDE.*", run.output)
    if not found:
        raise RuntimeError(run.output)
    _, cpu, wall, peak, verdict, states, length = found.group().split()
    return Run(float(cpu), float(wall), float(peak), ""), Answer(verdict, int(states), int(length))


# ---- the table -------------------------------------------------------------------------------------------------------

LINE = "{:<5} {:<9} {:<31} {:>7} {:>6} {:>7} {:>5} {:>9} {:>7} {:>5} {}"
HEAD = ("P,N", "variant", "checker", "CPU s", "/py", "wall s", "MiB", "states", "B/state", "steps", "")


def show(where, what, checker, run, answer, base=None):
    ratio = f"{run.cpu / base:.2f}" if base else "-"
    states = f"{answer.states:,}" if answer and answer.states is not None else "-"
    bytes_ = f"{answer.bytes:,}" if answer and answer.bytes is not None else "-"
    steps = answer.length if answer and answer.length else "-"
    figures = (f"{run.cpu:.3f}", ratio, f"{run.wall:.3f}", f"{run.peak:.0f}", states, bytes_, steps)
    print(LINE.format(where, what, checker, *figures, answer.verdict if answer else "").rstrip(), flush=True)


def side_by_side(rows, case, runs):
    """checker -> (medians, answer): every checker in turn, `runs` times after one warm-up."""
    every = {row.checker: [] for row in rows}
    for _ in range(runs + 1):
        for row in rows:
            every[row.checker].append(row.run(*case))
    return {row.checker: (medians(every[row.checker][1:]), answer(row, every[row.checker][-1])) for row in rows}


def answer(row, run):
    """What the checker says; "failed", and why on stderr, if that can't be read."""
    try:
        return row.read(run.output)
    except (AttributeError, IndexError, ValueError):
        print(f"{row.checker} failed:\n{run.output}", file=sys.stderr)
        return Answer("failed", None, 0)


def add_bytes(row, variant, run, answer):
    """A peer's bytes per state: what its peak grew since 1,1."""
    if answer.bytes is not None or not answer.states:
        return answer
    floor = row.run(variant, 1, 1).peak
    return answer._replace(bytes=max(0, round((run.peak - floor) * 2**20 / answer.states)))


def compare(rows, variant, processes, pages, runs):
    results = side_by_side(rows, (variant, processes, pages), runs)
    base = results["plain Python, cold"][0].cpu if "plain Python, cold" in results else None
    where = f"{processes},{pages}"
    for row in rows:
        run, answer = results[row.checker]
        show(where, variant, row.checker, run, add_bytes(row, variant, run, answer), base)
    for reduce, name in ((True, "swapmodel, in process"), (False, "swapmodel unreduced, in process")):
        show(where, variant, name, *inside(f"inside_peer({variant!r}, {processes}, {pages}, {reduce}, {runs})"), base)
    print()


def our_own(runs):
    """Our scenario of the thread on every kernel, and how long it takes to be there at all."""
    for version in ("v6.8", "v6.9", "v5.2", "as-argued"):
        show("2,2", version, "scenario thread, in process", *inside(f"inside_thread({version!r}, 2, 2, {runs})"))
    commands = {"python -c pass": ["-c", "pass"], "python -c 'import swapmodel'": ["-c", "import swapmodel"]}
    if importlib.util.find_spec("swapmodel.__main__"):
        commands["python -m swapmodel"] = ["-m", "swapmodel"]
    for name, arguments in commands.items():
        every = [timed([[sys.executable, *arguments]]) for _ in range(runs + 1)]
        show("", "", name, medians(every[1:]), None)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.split("\n")[0])
    parser.add_argument("--grid", nargs="*", default=["2,2", "3,4"], metavar="P,N", help="processes and pages (2,2 3,4)")
    parser.add_argument("--runs", type=int, default=5, help="measured runs of each command, after one warm-up (5)")
    parser.add_argument("--peers", type=Path, default=PEERS, metavar="DIR", help="the other checkers' models")
    parser.add_argument("--jar", type=Path, help="tla2tools.jar, for TLC")
    parser.add_argument("--growth", action="store_true", help=f"how cost grows, until {SECONDS} CPU s or {MIB} MiB")
    parser.add_argument("--save", type=Path, metavar="DIR", help="write the growth table and its picture there")
    given = parser.parse_args()
    rows, missing = checkers(given.peers.resolve(), given.jar)
    with tempfile.TemporaryDirectory() as folder:
        keep_bytecode(folder)
        if given.growth or given.save:
            from tests.growth import growth

            limits[:] = SECONDS, MIB
            growth(rows, given.save)
        else:
            table(rows, given.grid, given.runs)
    print(*["", *missing], sep="\n")


def table(rows, grid, runs):
    print(LINE.format(*HEAD).rstrip())
    for cell in grid:
        for variant in VARIANTS:
            compare(rows, variant, *map(int, cell.split(",")), runs)
    our_own(runs)


if __name__ == "__main__":
    main()
