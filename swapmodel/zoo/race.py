"""What an entry of the bug family says, and the patterns that the entries are grouped by."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..kernel import Kernel
from ..names import Named
from ..scenarios import Scenario
from ..views import table

WIDTH = 100  # of the text
PATTERNS = {
    "P1": "the last use comes when the pin has ended, or without a pin, or with one of something else",
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

    @property
    def head(self) -> str:
        return f"{self.name}  {self.title}"

    def lines(self) -> Iterator[str]:
        """What there is to say of it, below its head."""
        cve = f", {self.cve}" if self.cve else ""
        brought = f"; the bug came with {self.brought}" if self.brought else ""
        yield f"     {self.commit} ({self.release}){cve}{brought}"
        for pattern in self.patterns:
            yield labelled(pattern, PATTERNS[pattern])
        yield ""
        yield labelled("Story", self.story)
        yield labelled("Missing", self.missing)
        yield labelled("The fix", self.pins)
        if self.differs:
            yield labelled("Differs", self.differs)
        yield labelled("Source", self.source)

    def __str__(self) -> str:
        return "\n".join([self.head, *self.lines()])

    def __repr__(self) -> str:
        return f"<{self.head}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return block(self.head, self.lines())


class Family(Named[Race]):
    """All of them by name; shown grouped by pattern."""

    def __str__(self) -> str:
        return table([("", "", "fixed in", "", "subject"), *self.rows()])

    def __repr__(self) -> str:
        return f"<the bug family: {', '.join(self)}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def rows(self) -> Iterator[tuple[str, ...]]:
        """(pattern, name, release, CVE, title) of each entry; one with two patterns comes twice."""
        for pattern in PATTERNS:
            for race in self.values():
                if pattern in race.patterns:
                    yield pattern, race.name, race.release, race.cve, race.title

    def _repr_html_(self) -> str:
        parts = ["<table><tbody>"]
        for pattern, what in PATTERNS.items():
            parts.append(
                f'<tr><th colspan="4" scope="rowgroup" style="text-align: left">{pattern}: {html.escape(what)}</th></tr>'
            )
            for _, *cells in (row for row in self.rows() if row[0] == pattern):
                row = "".join(f'<td style="text-align: left">{html.escape(cell)}</td>' for cell in cells)
                parts.append(f"<tr>{row}</tr>")
        return "".join([*parts, "</tbody></table>"])


def labelled(label: str, text: str) -> str:
    """`text` in lines, with `label` before the first."""
    return textwrap.fill(text, WIDTH, initial_indent=f"{label}:".ljust(9), subsequent_indent=" " * 9)


def block(head: str, lines: Iterator[str]) -> str:
    """The HTML of a head and its lines."""
    body = html.escape("\n".join(lines))
    return f'<div><strong>{html.escape(head)}</strong><pre style="font-family: monospace">{body}</pre></div>'
