"""How cost grows with processes and pages: every checker on the same scenario, and our own scenario; one run each, to a limit.

    python -m tests.bench --growth [--save DIR] [--only SCENARIO]

A checker that came to a limit, or needs more in all its processes, is not asked for more in that direction. `--save` writes
cost.txt, after each line, and cost.svg, which `diagrams/cost.py` draws from the table. What is committed in diagrams/ is shown
by the page "What a search costs".
"""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from diagrams.cost import picture
from swapmodel.site.measured import COLUMNS, LINE
from tests.checkers import LIMITS, LONGER, answer, ours, through_few

PAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Series(NamedTuple):
    """Cells (P,N) in one direction. `all`: they are asked whatever came before."""

    scenario: str
    variant: str
    cells: list
    all: bool = False


PEERS = (
    Series("peers", "fixed", [(p, p) for p in range(1, 7)]),
    Series("peers", "fixed", [(2, n) for n in PAGES if n > 1]),
    Series("peers", "fixed", [(3, 4), (4, 16)], all=True),
)
OWN = (
    Series("thread", "v6.8", [(p, 4) for p in range(1, 5)]),
    Series("thread", "v6.8", [(2, n) for n in PAGES]),
)
LARGE = Series("thread", "v6.8", [(p, 512) for p in range(1, 5)])


def growth(rows, save=None, notes=(), only=None):
    """Measures, prints, and writes what it printed to the directory `save`, with a picture. `only`: one scenario; the lines of
    the other one stay, with what is said of them."""
    before = read_table(save, only) if only else {}
    out = Table(save)
    for text in [*heading(() if "peers" in before else notes), *before.get("#", ())]:
        out.add(f"# {text}")
    out.add(LINE.format(*COLUMNS))
    for scenario in SCENARIOS:
        for line in before.get(scenario, ()):
            out.add(line)
        if scenario not in before:
            SCENARIOS[scenario](rows, out)


def peers(rows, out):
    """The scenario of the comparison, with every checker."""
    done = set()
    for series in PEERS:
        measure(series, rows, out, done)


def thread(rows, out):
    """Our own scenario, in the ways in which we can search it."""
    done, few = set(), through_few()
    for series in OWN:
        measure(series, [*ours("tests.thread_scenario")[0], *few], out, done)
    measure(LARGE, few, out, done)


SCENARIOS = {"peers": peers, "thread": thread}


def read_table(save, only):
    """Of the table that is there: the lines of the scenarios but `only`, and under "#" when they were measured, and how."""
    lines = (save / "cost.txt").read_text().splitlines()
    kept = {name: [line for line in lines if line.split()[:1] == [name]] for name in SCENARIOS if name != only}
    told = [line.removeprefix("# ") for line in lines if line.startswith("#")]
    common = {text.partition(": ")[0] for text in heading()} - {"Measured"}
    mine = [text for text in told if text.partition(": ")[0] not in common]
    others = f"Of {' and '.join(kept)}: "
    kept["#"] = [text if text.startswith(others) else f"{others}{text}" for text in mine]
    return kept


class Table:
    """The lines so far, on stdout and in the files: a run of an hour may be interrupted."""

    def __init__(self, save):
        self.save, self.lines = save, []
        if save is not None:
            save.mkdir(parents=True, exist_ok=True)

    def add(self, line):
        self.lines.append(line.rstrip())
        print(self.lines[-1], flush=True)
        if self.save is not None:
            text = "\n".join(self.lines) + "\n"
            (self.save / "cost.txt").write_text(text)
            (self.save / "cost.svg").write_text(picture(text))


def measure(series, rows, out, done):
    """The cells in turn, each with every checker that came to an end before. What is in `done` is not measured again."""
    gone = set()
    for processes, pages in series.cells:
        for row in rows:
            cell = (series.scenario, processes, pages, row.checker)
            if cell in done or (row.checker in gone and not series.all):
                continue
            done.add(cell)
            run = row.run(series.variant, processes, pages)
            told = answer(row, run)
            if told.verdict != "holds" or run.cpu > row.limits[0]:  # the limit is of each of its processes
                gone.add(row.checker)
            states = f"{told.states:,}" if told.states is not None else "-"
            figures = (f"{run.cpu:.2f}", f"{run.wall:.2f}", f"{run.peak:.0f}", states, told.verdict)
            out.add(LINE.format(series.scenario, f"{processes},{pages}", row.checker, *figures))


# ---- where it was measured -------------------------------------------------------------------------------------------


def heading(notes=()):
    """What a reader of the figures must know: when, on which machine, with which versions and limits."""
    (seconds, mib), longer = LIMITS, LONGER["compiled"][0]
    return [
        "What a search costs until its checker has seen every state and says `holds`; one run of a whole command each.",
        "peers: the scenario of the comparison, with the fix. thread: ours, on v6.8, deadlocks and livelocks asked for too; "
        "with sub-pages, few stand for all that nobody maps.",
        "Made by: python -m tests.bench --growth --save diagrams",
        f"Measured: {datetime.date.today():%d %B %Y}, {machine()}",
        f"Limits: {seconds} CPU s and {mib} MiB of data for each process of a command; of swapmodel compiled {longer} s",
        f"Versions: {', '.join(versions())}",
        *notes,
    ]


def machine():
    """Processor, cores, memory, system: nothing that names it."""
    model = _found("/proc/cpuinfo", "model name") or platform.machine()
    memory = int((_found("/proc/meminfo", "MemTotal") or "0").split()[0]) / 2**20
    release = ".".join(platform.release().split(".")[:2])
    return f"{len(os.sched_getaffinity(0))} cores of {model}, {memory:.0f} GiB, {platform.system()} {release}"


def _found(file, key):
    lines = Path(file).read_text().splitlines() if Path(file).is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), None)


def versions():
    """Those of the interpreter and of the checkers that are there."""
    yield f"Python {platform.python_version()}"
    for program, flag in (("gcc", "-dumpfullversion"), ("spin", "-V"), ("harmony", "--version"), ("java", "--version")):
        if shutil.which(program):
            told = subprocess.run([program, flag], capture_output=True, text=True, check=False).stdout.split("\n")
            yield next((f"{program} {word}" for word in told[0].split() if word[0].isdigit()), program)
