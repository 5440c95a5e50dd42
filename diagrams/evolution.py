"""How the code came to be, 2.6 to 7.0: from a table of facts, with the model's verdicts on the versions that it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swapmodel.verdict import all_recorded, cell_name

from .dot import Graph, Picture, wrapped

FACTS = Path(__file__).parent / "facts" / "evolution.json"
LANES = {  # lane -> (heading, class)
    "lifetime": ("what keeps a device", "green"),
    "swapoff": ("swapoff", "orange"),
    "allocator": ("slots and clusters", "blue"),
    "cache": ("swap cache, swap_map", "purple"),
}
RACES = {"one-process": "anonymous", "shmem-truncate": "shmem"}


def facts() -> list[dict[str, Any]]:
    """version, date of its release, lane, commits, what changed; oldest first. `mark`: what that did to the race."""
    found: list[dict[str, Any]] = json.loads(FACTS.read_text())
    return found


def verdicts(version: str) -> str:
    """What was recorded of the race on a kernel; empty for one that the model has not."""
    recorded, lines = all_recorded(), []
    for scenario, memory in RACES.items():
        found = recorded.get(cell_name(scenario, f"v{version}", "full", False))
        if found:
            lines.append(f"{memory}: {found['verdict']}")
    return "\n".join(lines)


def picture() -> Picture:
    told = facts()
    versions = list(dict.fromkeys(fact["version"] for fact in told))
    versions.insert(versions.index("5.3"), "5.2")  # the model's last kernel without a grace period
    dates = {fact["version"]: fact["date"] for fact in told}
    graph = Graph(
        "evolution",
        "How the swap code came to be, 2.6.14 to 7.0",
        f"""One row for each version of the kernel that changed what matters here: {len(told)} changes in four columns, with
        their commit ids: what keeps a device, swapoff, slots and clusters, swap cache and swap_map. On the left, where
        the model has the version, its verdict on free_swap_and_cache() beside swapoff, for anonymous memory and for
        shmem. In a double frame: where that race began, became one of shmem only, and ended.""",
        nodesep="0.12",
        ranksep="0.1",
    )
    columns: dict[str, list[str]] = {"version": ["version"], **{lane: [lane] for lane in LANES}}
    graph.node("version", "version", "date; the model's verdict", width="1.5", group="version", style="filled")
    for lane, (heading, kind) in LANES.items():
        graph.node(lane, "", "", kind, heading, width="2", group=lane, style="filled")
    graph.same_rank(*(column[0] for column in columns.values()))
    graph.order("version", *LANES)
    for version in versions:
        row = [f"v{version}"]
        graph.node(
            row[0],
            "",
            "\n".join(t for t in (dates.get(version, ""), verdicts(version)) if t),
            "plain",
            version,
            width="1.5",
            group="version",
            style="filled",
        )
        columns["version"].append(row[0])
        for fact in [f for f in told if f["version"] == version]:
            name, mark = f"{version} {fact['lane']}", fact.get("mark", "")
            kind = "red" if mark else LANES[fact["lane"]][1]
            look = {"width": "2", "group": fact["lane"], "peripheries": "2" if mark else "1", "style": "filled"}
            graph.node(name, wrapped(fact["said"], 26), "\n".join(fact["commits"]), kind, mark, **look)
            columns[fact["lane"]].append(name)
            row.append(name)
        graph.same_rank(*row)
    for column in columns.values():
        graph.order(*column, weight="9")
    return graph.picture()
