"""The other checkers, and our own command, as rows of the table of bench.py: how each is run, and how its answer is read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parents[1]
PEERS = HERE.parent / "shared" / "peers"
INSTALL = {"SPIN": "apt install spin gcc", "Harmony": "pip install harmony"}


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
