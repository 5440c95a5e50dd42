"""The recorded verdicts and exact state counts: swapmodel/recorded.json. `python -m tests.record` writes them anew.

A changed count is reviewed as one reviews a golden file: say in the commit what changed it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from swapmodel import KERNELS, SCENARIOS, Parameters
from swapmodel.explore import explore
from swapmodel.verdict import cell_name as name

FILE = Path(__file__).parent.parent / "swapmodel" / "recorded.json"


def cells():
    """(scenario, kernel, preempt, slot cache) of every recorded cell; the large ones, and the kernels that differ elsewhere,
    without their variants."""
    for scenario, kernel in itertools.product(SCENARIOS, KERNELS):
        variants = itertools.product(("full", "none"), (False, True))
        if SCENARIOS[scenario].fixed:
            variants = [("full", False), ("none", False)]
        elif scenario.startswith("thread-") or kernel not in ("v6.8", "v6.9", "v5.2", "as-argued"):
            variants = [("full", False)]
        for preempt, slot_cache in variants:
            yield scenario, kernel, preempt, slot_cache


def verdict(scenario, kernel, preempt, slot_cache):
    system = SCENARIOS[scenario].system(KERNELS[kernel], Parameters(preempt=preempt, slot_cache=slot_cache))
    outcome, _ = explore(system, shortest="any")
    kind = outcome.violation.kind if outcome.violation else None
    return {"verdict": outcome.verdict, "violation": kind, "states": outcome.states}


if __name__ == "__main__":
    lines = [f' "{name(*cell)}": {json.dumps(verdict(*cell))}' for cell in cells()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
