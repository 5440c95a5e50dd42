"""What a comparison found: per function how many events there were and how each was explained, and every disagreement."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any, NamedTuple


class Disagreement(NamedTuple):
    """A value in the trace that the model does not have there."""

    place: str  # file:line
    fn: str
    column: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return f"{self.place}: {self.fn}: {self.column} is {self.theirs}, in the model {self.ours}"


@dataclass
class Counts:
    """The events of one function. Each is counted once: `events` is the sum of the others."""

    events: int = 0
    agreeing: int = 0  # every value is the model's
    overlap: int = 0  # a value is one that the word had while a call on another CPU changed it
    given: int = 0  # agrees, once the model was told a condition that the trace shows only by its effect
    taken: int = 0  # agrees, once the model was told a value from before the trace began
    disagreeing: int = 0


KINDS = ("agreeing", "overlap", "given", "taken", "disagreeing")
TITLES = ("function", "events", "agree", "overlap", "given", "taken over", "disagree")


@dataclass
class Report:
    """The comparison of one trace with one kernel."""

    trace: str
    kernel: str
    rows: dict[str, Counts] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def events(self) -> int:
        return sum(counts.events for counts in self.rows.values())

    @property
    def agrees(self) -> bool:
        """Is every event explained?"""
        return not self.disagreements

    def add(self, fn: str, kind: str) -> None:
        counts = self.rows.setdefault(fn, Counts())
        counts.events += 1
        setattr(counts, kind, getattr(counts, kind) + 1)

    def total(self) -> Counts:
        return Counts(self.events, *(sum(getattr(c, kind) for c in self.rows.values()) for kind in KINDS))

    def document(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        return {
            "trace": self.trace,
            "kernel": self.kernel,
            "agrees": self.agrees,
            "functions": {fn: asdict(counts) for fn, counts in self.rows.items()},
            "total": asdict(self.total()),
            "disagreements": [d._asdict() for d in self.disagreements],
            "notes": list(self.notes),
        }

    def _table(self) -> list[tuple[str, ...]]:
        lines = [(fn, counts) for fn, counts in sorted(self.rows.items())] + [("all", self.total())]
        return [(fn, *(str(v) for v in asdict(counts).values())) for fn, counts in lines]

    def __str__(self) -> str:
        table = [TITLES, *self._table()]
        widths = [max(len(row[i]) for row in table) for i in range(len(TITLES))]
        lines = [f"{self.trace} against {self.kernel}: {self._verdict()}"]
        for first, *numbers in table:
            cells = [n.rjust(w) for n, w in zip(numbers, widths[1:], strict=True)]
            lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
        lines += [f"  {note}" for note in self.notes]
        lines += [str(d) for d in self.disagreements[:SHOWN]]
        if len(self.disagreements) > SHOWN:
            lines.append(f"... and {len(self.disagreements) - SHOWN} more")
        return "\n".join(lines)

    def _verdict(self) -> str:
        total = self.total()
        if self.agrees:
            return f"{self.events} events, all explained"
        return f"{self.events} events, {total.disagreeing} disagree"

    def _repr_html_(self) -> str:
        def line(cells: tuple[str, ...], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(line(row, "td") for row in self._table())
        rest = [*self.notes, *map(str, self.disagreements[:SHOWN])]
        if len(self.disagreements) > SHOWN:
            rest.append(f"... and {len(self.disagreements) - SHOWN} more")
        told = "".join(f"<li>{escape(text)}</li>" for text in rest)
        title = escape(f"{self.trace} against {self.kernel}: {self._verdict()}")
        return f"<p>{title}</p><table>{line(TITLES, 'th')}{body}</table><ul>{told}</ul>"


SHOWN = 20  # disagreements that are printed; document() has all
