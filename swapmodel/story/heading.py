"""The heading of our own reports, `SCENARIO on KERNEL: ...`, tells what a table below it is about."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..scenarios import SCENARIOS
from ..versions import KERNELS

HEADING = re.compile(
    r"(?P<scenario>[\w-]{1,40}) on (?P<kernel>[\w.-]{1,40})(?: with (?P<fix>[\w./-]{1,200}?))?: (?:holds|VIOLATED|unfinished)"
)
SIZES = re.compile(
    r"(?P<processes>\d{1,3}) process(?:es)?, (?P<pages>\d{1,3}) pages?, preempt (?P<preempt>full|none), "
    r"slot cache (?P<slot_cache>on|off), (?P<device>ssd|hdd);|(?P<only>preempt (?P<how>full|none));"
)
TOLD = re.compile(
    r"[\w-]{1,40} on [\w.-]{1,40}(?: with [\w./-]{1,200}?)?, preempt (?:full|none); [\d,]+ states?"
)  # tell.text()
LINES = 40  # of a text that are looked at


class Heading(NamedTuple):
    """What a report was about; empty where the text is no report of ours. `fix` may be a file's name."""

    scenario: str = ""
    kernel: str = ""
    fix: str = ""
    parameters: dict[str, Any] = {}


def heading(text: str) -> Heading:
    """The heading in the first lines of a text."""
    lines = [line.strip() for line in text.split("\n", LINES)[:LINES]]
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        found = HEADING.match(line)
        if found and found["scenario"] in SCENARIOS and found["kernel"] in KERNELS:
            return Heading(found["scenario"], found["kernel"], found["fix"] or "", _sizes(below))
    return Heading()


def _sizes(line: str) -> dict[str, Any]:
    found = SIZES.match(line)
    if not found:
        return {}
    if found["only"]:
        return {"preempt": found["how"]}
    numbers = {name: int(found[name]) for name in ("processes", "pages")}
    return {**numbers, "preempt": found["preempt"], "slot_cache": found["slot_cache"] == "on", "device": found["device"]}
