"""A progress bar for searches that take more than two seconds: tqdm's, in a terminal or a notebook."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from typing import Any

AFTER = 2.0  # seconds


class Progress:
    """Given to a Budget as `tick`, or called with what is done. Shows nothing for what is quick, nor where nobody looks (stderr
    is not a terminal)."""

    def __init__(self, title: str, unit: str = " states", total: int | None = None):
        self._title, self._unit, self._total, self._began = title, unit, total, time.monotonic()
        self._shown: Any = None

    def __call__(self, done: int, depth: int | None = None) -> None:
        if self._shown is None and time.monotonic() - self._began > AFTER and watched():
            self._shown = bar(desc=self._title, unit=self._unit, unit_scale=self._total is None, total=self._total)
        if self._shown is not None:
            if depth is not None:
                self._shown.set_postfix(depth=depth, refresh=False)
            self._shown.update(done - self._shown.n)

    def close(self) -> None:
        if self._shown is not None:
            self._shown.close()


def bar(**options: Any) -> Any:
    """In a notebook, a widget alone: its text form would stand in the stored outputs, and differ from one run to the next."""
    if "ipykernel" in sys.modules and find_spec("ipywidgets"):
        from IPython.display import display
        from tqdm.notebook import tqdm as notebook_bar

        shown = notebook_bar(display=False, **options)
        display(shown.container, include=["application/vnd.jupyter.widget-view+json"])
        return shown
    from tqdm import tqdm

    return tqdm(**options)


def watched() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules
