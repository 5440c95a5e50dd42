"""Who lives on a Machine: processes and tmpfs files."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from .machine import Pointer

if TYPE_CHECKING:
    from .effect import Effect
    from .session import Machine


class Process:
    """A process of a Machine: its name and its mm. `alive` until it has exited."""

    def __init__(self, name: str, mm: Pointer, pages: int, machine: Machine):
        self.name, self.mm, self.pages, self.machine, self.alive = name, mm, pages, machine, True
        self.born: Effect | None = None  # what fork() changed

    def __repr__(self) -> str:
        return self.name

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"{self.name}\n{self.born}" if self.born else self.name)

    def _repr_html_(self) -> str:
        born = self.born._repr_html_() if self.born else ""
        return f"<p><b>{html.escape(self.name)}</b></p>{born}"


class File:
    """A tmpfs file of a Machine."""

    def __init__(self, name: str, info: Pointer, pages: int, machine: Machine):
        self.name, self.info, self.pages, self.machine, self.alive = name, info, pages, machine, True

    def __repr__(self) -> str:
        return self.name
