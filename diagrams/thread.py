"""The thread as a timeline: who said what when, in our words, and what the model says to it."""

from __future__ import annotations

import datetime
import itertools
import json
from pathlib import Path
from typing import Any

from swapmodel.verdict import all_recorded, cell_name

from .dot import Graph, Picture, wrapped

FACTS = Path(__file__).parent / "facts" / "thread.json"
KINDS = {"series": "plain", "plain": "plain", "claim": "orange", "right": "green", "patch": "blue"}
WORDS = {"claim": "a claim that does not hold, or not for this reason", "right": "what holds", "patch": "a patch"}
TAGS = {"series": "", "plain": "", "claim": ": claim", "right": ": it holds", "patch": ": patch"}


def messages() -> list[dict[str, Any]]:
    """date (UTC), author, message id, kind, what was said; `model`: the scenario and the kernel that decide it."""
    found: list[dict[str, Any]] = json.loads(FACTS.read_text())
    return found


def when(date: str) -> str:
    moment = datetime.datetime.fromisoformat(date)
    day = f"{moment.day} {moment:%b} {moment.year}"
    return f"{day}, {moment:%H:%M}" if " " in date else day


def verdict(scenario: str, kernel: str) -> tuple[str, str]:
    """What was recorded of a scenario: as text, and as a class."""
    found = all_recorded()[cell_name(scenario, kernel, "full", False)]["verdict"]
    return f"{scenario} on {kernel}:\n{found}", "red" if found == "violated" else "green"


def picture() -> Picture:
    told = messages()
    graph = Graph(
        "thread",
        "The thread, message by message",
        f"""{len(told)} messages of October 2023 to April 2024 on free_swap_and_cache() and swapoff, in UTC and in our
        words. Orange: {WORDS["claim"]}. Green: {WORDS["right"]}. Blue: {WORDS["patch"]}. Right: the model's verdict on
        what a message is about.""",
        nodesep="0.3",
        ranksep="0.09",
    )
    for i, message in enumerate(told):
        name = f"message {i + 1}"
        head, said = f"{when(message['date'])}, {message['author']}{TAGS[message['kind']]}", wrapped(message["said"], 84)
        kind = KINDS[message["kind"]]
        graph.node(name, said, f"<{message['id']}>", kind, head, width="7.8", group="messages", style="filled")
        if "model" in message:
            text, kind = verdict(*message["model"])
            border = {"peripheries": "2" if kind == "red" else "1", "style": "filled"}
            graph.node(f"verdict {i + 1}", "", text, kind, "the model", group="verdicts", width="2", **border)
            graph.edge(name, f"verdict {i + 1}", kind=kind, constraint="false", style="dashed", arrowhead="none")
            graph.same_rank(name, f"verdict {i + 1}")
    for before, after in itertools.pairwise(range(len(told))):
        graph.edge(f"message {before + 1}", f"message {after + 1}", weight="9", arrowhead="none")
    return graph.picture()
