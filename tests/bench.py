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
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parents[1]
PEERS = HERE.parent / "shared" / "peers"
VARIANTS = ("unfixed", "fixed")
INSTALL = {"SPIN": "apt install spin gcc", "Harmony": "pip install harmony"}
SECONDS, MIB = 60, 8192  # of CPU and of memory that a command of the growth table may take


class Run(NamedTuple):
    """One command: CPU and wall seconds, peak MiB, what it printed."""

    cpu: float
    wall: float
    peak: float
    output: str


class Answer(NamedTuple):
    """What a checker says. `bytes` is None where it can't tell."""

    verdict: str
    states: int | None
    length: int
    bytes: int | None = None


class Row(NamedTuple):
    """One line of the table. `run(variant, processes, pages)` is one run, `read(output)` the answer in it."""

    checker: str
    run: Callable
    read: Callable


# ---- running commands ----------------------------------------------------------------------------------------------

# A child's peak begins at the memory of the process that starts it, so a process with next to nothing in it does.
LAUNCH = """import os, resource, sys, time
seconds, mib = int(sys.argv.pop(1)), int(sys.argv.pop(1))
if seconds:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (mib << 20, mib << 20))
began = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 1, 2)])
used = os.wait4(child, 0)[2]
print(used.ru_utime + used.ru_stime, time.perf_counter() - began, used.ru_maxrss / 1024, file=sys.stderr)
"""


limits = [0, 0]  # CPU seconds and MiB of each command; 0: none


def timed(commands, folder=HERE):
    """Runs commands one after the other in `folder`: their times add up, the highest peak counts, the last output is kept."""
    runs = []
    for command in commands:
        launch = [sys.executable, "-I", "-S", "-c", LAUNCH, *map(str, (*limits, *command))]
        done = subprocess.run(launch, cwd=folder, capture_output=True, text=True, check=True)
        runs.append(Run(*map(float, done.stderr.split()), done.stdout))
    return Run(sum(r.cpu for r in runs), sum(r.wall for r in runs), max(r.peak for r in runs), runs[-1].output)


def keep_bytecode(folder):
    """Python commands find the checkout, and compiled modules where a user would have them: in a cache."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.update(PYTHONPATH=str(HERE), PYTHONPYCACHEPREFIX=folder)


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def medians(runs):
    return Run(*(median(column) for column in zip(*(r[:3] for r in runs), strict=True)), runs[-1].output)


# ---- checkers ------------------------------------------------------------------------------------------------------


def ours_cold(*mode):
    def run(variant, processes, pages):
        return timed([[sys.executable, "-m", "tests.peer_scenario", variant, processes, pages, *mode]])

    return run


def read_ours(output):
    _, verdict, states, _, length, bytes_ = re.search("VERDICT.*", output).group().split()
    return Answer(verdict, int(states), int(length), int(bytes_))


def naive(peers):
    def run(variant, processes, pages):
        return timed([[sys.executable, "peer_naive.py", variant, processes, pages]], peers / "python")

    return run


def read_naive(output):
    _, verdict, states, _, length, *_ = re.search("VERDICT.*", output).group().split()
    return Answer({"ok": "holds", "violation": "violated"}[verdict], int(states), int(length))


def spin(peers):
    def run(variant, processes, pages):
        bytes_ = ",".join("65" if j < processes else "64" for j in range(pages))
        defines = [f"-DP={processes}", f"-DN={pages}", f"-DMAPINIT={bytes_}", *(["-DFIXED"] if variant == "fixed" else [])]
        options = ["-w", "-O2", "-DSAFETY", "-DMEMLIM=8192", "-DBFS", "-DNOREDUCE"]
        with tempfile.TemporaryDirectory() as folder:
            model = shutil.copy(peers / "promela" / "swap.pml", folder)
            translate = ["spin", "-a", "-o3", *defines, Path(model).name]
            run = timed([translate, ["gcc", *options, "-o", "pan", "pan.c"], ["./pan", "-m2000000"]], folder)
            trail = Path(folder, "swap.pml.trail")
            steps = sum(not line.startswith("-") for line in trail.read_text().splitlines()) if trail.exists() else 0
        return run._replace(output=f"{run.output}\nSTEPS {steps}")

    return run


def read_spin(output):
    states = int(re.search(r"(\d+) states, stored", output).group(1))
    return Answer("violated" if "assertion violated" in output else "holds", states, int(output.split()[-1]))


def harmony(peers):
    def run(variant, processes, pages):
        constants = [f"P={processes}", f"N={pages}", f"FIXED={variant == 'fixed'}"]
        options = [word for constant in constants for word in ("-c", constant)]
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(peers / "harmony" / "swap.hny", folder)
            run = timed([["harmony", "--noweb", "-s", "-W", *options, "swap.hny"]], folder)
            found = Path(folder, "swap.hco").read_text().count('"microsteps"')  # once in each atomic step
        return run._replace(output=f"{run.output}\nSTEPS {found}")

    return run


def read_harmony(output):
    states = [int(n) for n in re.findall(r"(\d+) states", output)][-1]
    violated = "Safety Violation" in output
    return Answer("violated" if violated else "holds", states, int(output.split()[-1]) if violated else 0)


def tlc(peers, jar):
    def run(variant, processes, pages):
        constants = f"CONSTANTS P = {processes} N = {pages} FIXED = {str(variant == 'fixed').upper()} defaultInitValue = 0"
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(peers / "tla" / "Swap.tla", folder)
            Path(folder, "Swap.cfg").write_text(f"SPECIFICATION Spec\n{constants}\nINVARIANT NoUseAfterFree\n")
            java = ["java", "-Xmx6g", "-XX:+UseParallelGC", "-cp", jar]
            check = ["sh", "-c", f"{' '.join(map(str, java))} tlc2.TLC -workers 2 Swap.tla || true"]
            return timed([[*java, "pcal.trans", "-nocfg", "Swap.tla"], check], folder)

    return run


def read_tlc(output):
    states = int(re.findall(r"(\d+) distinct states found", output)[-1].replace(",", ""))
    violated = "is violated" in output
    return Answer(
        "violated" if violated else "holds", states, len(re.findall(r"^State \d+:", output, re.M)) - 1 if violated else 0
    )


def checkers(peers, jar=None):
    """The rows of the table, and what is missing for the others."""
    rows = [
        Row("swapmodel, cold", ours_cold(), read_ours),
        Row("swapmodel persistent, cold", ours_cold("persistent"), read_ours),
        Row("swapmodel unreduced, cold", ours_cold("plain"), read_ours),
    ]
    missing = []
    if jar is None or not (peers / "tla" / "Swap.tla").exists() or not shutil.which("java"):
        missing.append("TLC is left out: give its tla2tools.jar with --jar, install java, and --peers with tla/Swap.tla")
    else:
        rows.append(Row("TLC, cold", tlc(peers, jar.resolve()), read_tlc))
    for name, row, model, programs in (
        ("plain Python", Row("plain Python, cold", naive(peers), read_naive), "python/peer_naive.py", ()),
        ("SPIN", Row("SPIN and gcc, cold", spin(peers), read_spin), "promela/swap.pml", ("spin", "gcc")),
        ("Harmony", Row("Harmony, cold", harmony(peers), read_harmony), "harmony/swap.hny", ("harmony",)),
    ):
        if not (peers / model).exists():
            missing.append(f"{name} is left out: --peers names no directory with {model}")
        elif not all(map(shutil.which, programs)):
            missing.append(f"{name} is left out: {INSTALL[name]}")
        else:
            rows.append(row)
    return rows, missing


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
