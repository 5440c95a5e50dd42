"""A progress bar for searches that take more than two seconds: tqdm's, in a terminal or a notebook."""

from __future__ import annotations

import sys
import time
from typing import Any

AFTER = 2.0  # seconds


class Progress:
    """Given to a Budget as `tick`. Shows nothing for a quick search, nor where nobody looks (stderr is not a terminal)."""

    def __init__(self, title: str):
        self._title, self._began, self._bar = title, time.monotonic(), None
        self._shown: Any = None

    def __call__(self, states: int, depth: int) -> None:
        if self._shown is None and time.monotonic() - self._began > AFTER and watched():
            from tqdm.auto import tqdm

            self._shown = tqdm(desc=self._title, unit=" states", unit_scale=True)
        if self._shown is not None:
            self._shown.set_postfix(depth=depth, refresh=False)
            self._shown.update(states - self._shown.n)

    def close(self) -> None:
        if self._shown is not None:
            self._shown.close()


def watched() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules
