"""A search of check() on disk: it says from where it went on, and an interrupt does not lose what was found."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .explore import Budget, Found, Space
from .explore.checkpoint import Checkpoint

EVERY = 20.0  # seconds: writing takes half as long as finding what is written


class Resumed(Checkpoint):
    """`went_on` is the number of states that were there when the search began; 0 for a new one."""

    def __init__(self, path: str | Path):
        super().__init__(path, EVERY)
        self.went_on = 0
        self.whole = False  # nothing is left to look at: from now on an interrupt loses nothing

    def load(self, space: Space, reductions: tuple[str, ...]) -> tuple[dict[str, Any], list[int], array[int]] | None:
        """As Checkpoint. What was looked at before is looked at again, or coverage and the order of locks would lack the steps
        that lead to nothing new."""
        found = super().load(space, reductions)
        if found is not None:
            head, order, _ = found
            self.went_on = len(order)
            for state in order[: head["next"]]:
                known = space.rows[state >> space.shift]
                for t, mask in enumerate(space.masks):
                    if state & mask not in known:
                        with contextlib.suppress(Found):
                            space.difference(state, t)
        return found

    def save(self, space: Space, order: list[int], parent: array[int], head: dict[str, Any]) -> None:
        try:
            super().save(space, order, parent, head)
        except OSError as error:  # a full disk, say: what was written last is still there
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        self.whole = head["next"] == len(order)

    def forget(self) -> None:
        super().forget()
        self.went_on = 0


class Stoppable(Budget):
    """A budget that is spent when somebody interrupts: so the search ends between two states, and writes itself."""

    def __init__(self, budget: Budget):
        super().__init__(budget.max_states, budget.max_seconds, budget.max_bytes, budget.tick)
        self._began = budget._began
        self.stopped = False

    def spent(self, states: int, depth: int) -> str:
        return "interrupted" if self.stopped else super().spent(states, depth)


@contextlib.contextmanager
def written_when_interrupted(budget: Budget, checkpoint: Resumed) -> Iterator[Budget]:
    """The budget to search with: ^C spends it. A second ^C, or one after all was written, is raised as ever."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield budget
        return
    stoppable = Stoppable(budget)

    def stop(number: int, frame: Any) -> None:
        if stoppable.stopped or checkpoint.whole:
            raise KeyboardInterrupt
        stoppable.stopped = True

    signal.signal(signal.SIGINT, stop)
    try:
        yield stoppable
    finally:
        signal.signal(signal.SIGINT, before)


def opened(path: str | Path) -> Resumed:
    """ValueError for a name that no search can be written to; found before the search, so that none is lost to it."""
    if not isinstance(path, str | Path) or not str(path):
        raise ValueError(f"checkpoint is the name of a file to write the search to, not {path!r}")
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: is no file, so no search can be written there")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return Resumed(path)
    except OSError as error:
        raise ValueError(f"{path}: can't be written: {error.strerror}") from None
