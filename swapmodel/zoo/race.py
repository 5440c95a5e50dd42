"""What an entry of the bug family says, and the patterns that the entries are grouped by."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..kernel import Kernel
from ..scenarios import Scenario

PATTERNS = {
    "P1": "what pins the device, or the inode, ends before the last use, or never began",
    "P2": "a slot, or a struct, is used again: the same value, but something else behind it",
    "P3": "others see it half done",
    "P4": "there is a lock, but not around all that it should protect",
    "P5": "somebody waits in a way that keeps the others from going on, or does not wait long enough",
    "P6": "a count drifts away from what it counts",
}


class Race(NamedTuple):
    """A race that a kernel had, as a scenario, a kernel that still has it and one with the fix.

    `commit` is the fix, `brought` what brought the bug in, `cve` where it has one. `story` is the interleaving in a sentence,
    `missing` what the kernel lacked, `pins` what the fix gives it. `source` says where these facts were read. `differs` says in
    what our two kernels are not those of the time. `kernels` makes the two, (buggy, fixed), which takes a moment."""

    name: str
    title: str
    commit: str
    release: str
    patterns: tuple[str, ...]
    story: str
    missing: str
    pins: str
    source: str
    scenario: Scenario
    kernels: Callable[[], tuple[Kernel, Kernel]]
    brought: str = ""
    cve: str = ""
    differs: str = ""
    preempt: str = "full"
    one_cpu: bool = False  # the second thread has real-time priority, and both share a CPU: see explore/priority.py
