"""A word cut into named fields, as text and as HTML, bit by bit."""

from __future__ import annotations

import html
import operator
import textwrap
from dataclasses import dataclass
from typing import NamedTuple, SupportsIndex

WIDTH = 100  # columns of the text
GROUP = 8  # bits between two spaces
# Okabe and Ito's colours, without black: told apart by colour-blind readers, visible on white and on black.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
TEXT = "text-align:left;padding:1px 6px"  # of a cell with prose


class Field(NamedTuple):
    """Bits `high` down to `low` of a word; `meaning` is what they say in the word at hand."""

    name: str
    high: int
    low: int
    meaning: str = ""

    @property
    def width(self) -> int:
        return self.high - self.low + 1

    @property
    def bits(self) -> str:
        return f"{self.high}-{self.low}" if self.width > 1 else str(self.low)


@dataclass(frozen=True, slots=True)
class Picture:
    """An int of `width` bits and its fields, from the highest bit to bit 0; usable wherever an int is asked for.

    ValueError when the fields overlap or leave a bit out, or when the word does not fit: a picture hides nothing."""

    title: str
    word: int
    width: int
    fields: tuple[Field, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ends = [self.width, *(f.low for f in self.fields)]
        tops = [*(f.high + 1 for f in self.fields), 0]
        if ends != tops or any(f.width < 1 for f in self.fields):
            raise ValueError(f"the fields of {self.title} are not its {self.width} bits, each once, from the highest down")
        in_range("a word of this picture", self.word, self.width)

    def __index__(self) -> int:
        return self.word

    def __repr__(self) -> str:
        return f"<{self.title} {self.hex}>"

    @property
    def hex(self) -> str:
        """In groups of four digits, as Python reads them too."""
        digits = self.width // 4
        return f"{self.word:#0{digits + 2 + (digits - 1) // 4}_x}"

    def raw(self, field: Field) -> int:
        """The field's bits as they are stored."""
        return self.word >> field.low & (1 << field.width) - 1

    def _short(self, field: Field) -> str:
        raw = self.raw(field)
        return number(raw) if raw < 1 << 16 else f"{raw:#_x}"

    def digits(self, field: Field) -> str:
        return f"{self.raw(field):0{field.width}b}"

    # ---- text ----

    def __str__(self) -> str:
        lines = [f"{self.title}  {self.hex}", *self._ruler(), self._spaced(f"{self.word:0{self.width}b}"), *self._brackets()]
        for note in self.notes:
            lines += textwrap.wrap(note, WIDTH, subsequent_indent="    " if note[:1] == " " else "  ")
        return "\n".join(line.rstrip() for line in [*lines, "", *self._legend()])

    def _column(self, bit: int) -> int:
        place = self.width - 1 - bit
        return place + place // GROUP

    def _spaced(self, digits: str) -> str:
        return " ".join(textwrap.wrap(digits, GROUP))

    def _ruler(self) -> list[str]:
        """Every bit's number, read downwards: tens above units."""
        bits = range(self.width - 1, -1, -1)
        tens = self._spaced("".join(str(b // 10) for b in bits))
        return [tens.replace("0", " ")] * (self.width > 10) + [self._spaced("".join(str(b % 10) for b in bits))]

    def _brackets(self) -> list[str]:
        """A bracket under every field. Names too long for theirs hang below it, the rightmost first, so that none collide."""
        fits = [f for f in self.fields if len(f.name) <= self._span(f)]
        narrow = [f for f in self.fields if f not in fits]
        rows = [[(f, "|" if f.width == 1 else f"[{'-' * (self._span(f) - 2)}]") for f in self.fields]]
        rows.append([(f, f.name.center(self._span(f)) if f in fits else "|") for f in self.fields])
        for i in range(len(narrow) - 1, -1, -1):
            rows.append([*((f, "|") for f in narrow[:i]), (narrow[i], narrow[i].name)])
        return [self._placed(row) for row in rows]

    def _span(self, field: Field) -> int:
        """Columns from the field's first bit to its last one, spaces included."""
        return self._column(field.low) - self._column(field.high) + 1

    def _placed(self, cells: list[tuple[Field, str]]) -> str:
        line = ""
        for field, text in cells:
            line = line.ljust(self._column(field.high)) + text
        return line

    def _legend(self) -> list[str]:
        rows = [("bits", "field", "raw", "meaning"), *self._rows()]
        widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:3]]
        lines = []
        for row in rows:
            start = "".join(cell.ljust(w + 2) for cell, w in zip(row[:3], widths, strict=True))
            lines += textwrap.wrap(start + row[3], WIDTH, subsequent_indent=" " * len(start)) if row[3] else [start]
        return lines

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [(f.bits, f.name, self._short(f), f.meaning) for f in self.fields]

    # ---- HTML ----

    def _repr_html_(self) -> str:
        """Two tables: the bits under their fields' names, and what each field says. A colour repeats what a name says."""
        caption = f"<caption><strong>{html.escape(self.title)}</strong> <code>{self.hex}</code></caption>"
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return (
            f'<div style="overflow-x:auto"><table>{caption}{self._html_bits()}</table>{notes}'
            f"<table>{_html_row('th', ('bits', 'field', 'raw', 'meaning'))}{self._html_legend()}</table></div>"
        )

    def _html_bits(self) -> str:
        marks = [f"border-top:4px solid {self._colour(i)};text-align:center" for i in range(len(self.fields))]
        code = "text-align:center;font-family:monospace;white-space:nowrap"
        return (
            _html_row("th", [f.name for f in self.fields], marks)
            + _html_row("td", [f.bits for f in self.fields], [code] * len(marks))
            + _html_row("td", [self.digits(f) for f in self.fields], [code] * len(marks))
        )

    def _html_legend(self) -> str:
        return "".join(
            _html_row("td", row, [f"{TEXT};border-left:4px solid {self._colour(i)}", *[TEXT] * 3])
            for i, row in enumerate(self._rows())
        )

    def _colour(self, i: int) -> str:
        return COLOURS[i % len(COLOURS)]


def _html_row(tag: str, cells: tuple[str, ...] | list[str], styles: list[str] | None = None) -> str:
    styles = styles or [TEXT] * len(cells)
    tag_open = 'th scope="col"' if tag == "th" else tag
    row = (f'<{tag_open} style="{s}">{html.escape(c)}</{tag}>' for c, s in zip(cells, styles, strict=True))
    return f"<tr>{''.join(row)}</tr>"


def number(value: int) -> str:
    """Decimal while it is easy to read."""
    return str(value) if value < 1000 else f"{value:#x}"


def in_range(what: str, value: SupportsIndex, bits: int) -> int:
    """`value` as an int of `bits` bits. ValueError otherwise, in a sentence that begins with `what`; TypeError for no int."""
    plain = operator.index(value)
    if not 0 <= plain < 1 << bits:
        shown = str(plain) if plain < 0 else number(plain)
        raise ValueError(f"{what} is 0 to {number((1 << bits) - 1)}, not {shown}")
    return plain
