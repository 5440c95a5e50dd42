"""How long a search may take, and what it found."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator

from ..machine import Violation

CHUNK = 1024  # states between two looks at the clock


class Outcome:
    """What a search found. `schedule` is the counterexample: which thread takes each step."""

    def __init__(self) -> None:
        self.verdict = "unfinished"  # holds | violated | unfinished
        self.reason = ""  # why it is unfinished
        self.violation: Violation | None = None
        self.schedule: list[int] = []
        self.states = self.transitions = self.depth = 0
        self.seconds = 0.0  # of CPU; `earlier` of them before this search went on from a checkpoint
        self.earlier = 0.0
        self.reductions: tuple[str, ...] = ()  # of moves, releases, persistent, sleep and what check() adds

    @property
    def reduced(self) -> bool:
        return "moves" in self.reductions


class Budget:
    """When to give up. None means no limit. `tick(states, depth)` is called now and then, to show progress."""

    def __init__(
        self,
        max_states: int | None = None,
        max_seconds: float | None = None,
        max_bytes: int | None = None,
        tick: Callable[[int, int], None] | None = None,
    ):
        self.max_states, self.max_seconds, self.max_bytes, self.tick = max_states, max_seconds, max_bytes, tick
        self._began = time.process_time()
        self.over = ""  # why a search was stopped by it

    def spent(self, states: int, depth: int) -> str:
        """Why the search must stop now, or an empty string."""
        self.over = self._spent(states, depth)
        return self.over

    def _spent(self, states: int, depth: int) -> str:
        if self.tick:
            self.tick(states, depth)
        if self.max_states is not None and states >= self.max_states:
            return f"the budget of {self.max_states} states is used up"
        if self.max_seconds is not None and time.process_time() - self._began >= self.max_seconds:
            return f"the budget of {self.max_seconds:g} seconds is used up"
        if self.max_bytes is not None and resident_bytes() >= self.max_bytes:
            return f"the budget of {self.max_bytes >> 20} MiB of memory is used up"
        return ""


def resident_bytes() -> int:
    """This process's memory now; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096
    except OSError:
        return 0


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """A search makes millions of integers and no cycles: Python's collector would look through them for nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
