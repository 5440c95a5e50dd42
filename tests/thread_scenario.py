"""Our own scenario `thread`, searched completely in one process.

`python -m tests.thread_scenario KERNEL P N [WORD]` prints what that needs, as peer_scenario.py does for the peers' scenario.
"""

from __future__ import annotations

import sys

from swapmodel.scenarios import SCENARIOS, Parameters
from swapmodel.versions import KERNELS

from .modes import search


def main(version, processes, pages, how=""):
    parameters = Parameters(int(processes), int(pages))
    search(lambda: SCENARIOS["thread"].system(KERNELS[version], parameters), how)


if __name__ == "__main__":
    main(*sys.argv[1:])
