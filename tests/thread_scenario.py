"""Our own scenario `thread`, searched completely in one process.

`python -m tests.thread_scenario KERNEL P N [WORD]` prints what that needs, as peer_scenario.py does for the peers' scenario.
WORD is one of modes.py; with `sub-pages` in it, few sub-pages stand for many that nobody maps.
"""

from __future__ import annotations

import sys

from swapmodel.scenarios import SCENARIOS, Parameters
from swapmodel.subpages import alike, fewer, stranger
from swapmodel.versions import KERNELS

from .modes import FEW, search


def main(version, processes, pages, how=""):
    scenario, kernel, parameters = SCENARIOS["thread"], KERNELS[version], Parameters(int(processes), int(pages))
    few = fewer(scenario, scenario.fill(parameters)) if how in FEW else None
    if few is None:
        return search(lambda: scenario.system(kernel, parameters), FEW.get(how, how))
    system = alike(scenario, kernel, few)
    search(lambda: system, FEW[how])
    if stranger(system) is not None:
        raise RuntimeError(f"few sub-pages do not stand for all: {stranger(system).stack[-1]}")
    return None


if __name__ == "__main__":
    main(*sys.argv[1:])
