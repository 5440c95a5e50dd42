"""The recorded verdicts and exact state counts of the bug family: swapmodel/zoo/recorded.json. `python -m tests.record_family`
writes them anew.

A changed count is reviewed as one reviews a golden file: say in the commit what changed it."""

import json
from pathlib import Path

from swapmodel import FAMILY, family

FILE = Path(__file__).parent.parent / "swapmodel" / "zoo" / "recorded.json"


def cell(verdict):
    violation = verdict.outcome.violation
    return {"verdict": verdict.verdict, "violation": violation.kind if violation else None, "states": verdict.outcome.states}


def cells(pair):
    """Name -> what is recorded, for both sides of a pair."""
    return {f"{pair.race.name} {side}": cell(getattr(pair, side)) for side in ("buggy", "fixed")}


if __name__ == "__main__":
    lines = [f' "{name}": {json.dumps(value)}' for race in FAMILY for name, value in cells(family(race)).items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
