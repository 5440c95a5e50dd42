"""swapmodel, without a command: the seed's question, on the kernels that answer it."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor

from ..scenarios import SCENARIOS
from ..verdict import Verdict, check
from ..views import failure, sentence, table

MAIN_JOB = (
    ("thread", "as-argued", "what the thread of March 2024 concluded"),
    ("thread", "v6.8", "refuted: the page table lock is a spinlock, so swapoff waits"),
    ("shmem-truncate", "v6.8", "the real race, CVE-2024-26960: nothing is held here"),
    ("shmem-truncate", "v6.9", "fixed by 82b1c07a0af6, which pins the device"),
)

NEXT = """Next:
  swapmodel check thread --kernel as-argued    the thread's race, step by step
  swapmodel check shmem-truncate               the real one
  swapmodel replay shmem-truncate --html race.html   step through it in a browser, be the scheduler
  swapmodel list                               scenarios, kernels and fixes
  jupyter lab                                  and in it notebooks/00-start-here.ipynb: the same, to play with"""


def main_job(given: argparse.Namespace) -> int:
    """The seed's question, on the kernels that answer it: one cell a process, on two cores."""
    print("Can free_swap_and_cache() touch a swap device that swapoff() is tearing down?\n", flush=True)
    with ProcessPoolExecutor(max_workers=2) as pool:
        cells = list(pool.map(main_cell, MAIN_JOB))
    print(table([("scenario", "kernel", "verdict", "states", ""), *(row for row, _ in cells)]), "\n", sep="")
    print("States of a VIOLATED cell: those looked at until any counterexample was found; `swapmodel check` looks for the")
    print("shortest one, which takes more.\n")
    print("\n".join(why for _, why in cells), NEXT, sep="\n\n")
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
