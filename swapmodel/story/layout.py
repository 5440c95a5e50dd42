"""From text to who says what: CPU columns, or lists under a thread's name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import NamedTuple

from .grammar import FILLERS
from .outside import asides, is_report, ours
from .problems import NotUnderstood, Problem, quoted
from .words import LABEL

SIZE = 256 * 1024  # characters of a story
THREADS = 9  # labels of a story: eight processes and swapoff
THREAD_WORDS = ("swapoff", "swapon", "truncate", "process", "rewrite", "kswapd", "fault", "reclaim", "signal", "fork")
QUOTE = re.compile(r"^(?:>+ ?)+")
NUMBERED = re.compile(r"^\s*(?:\(?\d{1,3}[.)]|[*-])\s+")
GAP = re.compile(r" {2,}|\t+")


class Piece(NamedTuple):
    """Text of one thread (`label` is None: of none), in one row; `indent` is where it begins in its line."""

    label: str | None
    line: int
    indent: int
    text: str


class Layout(NamedTuple):
    """The pieces in the order of the text, the remarks that the layout alone shows: (line, why), and what can't be placed."""

    pieces: list[Piece]
    remarks: list[tuple[int, str]]
    problems: list[Problem]


def lay_out(text: str, file: str) -> Layout:
    """The story's pieces. NotUnderstood if it is too large, or has no thread at all."""
    if len(text) > SIZE:
        raise NotUnderstood(file, [Problem(1, f"a story has at most {SIZE >> 10} KiB, this one {len(text) >> 10}")])
    lines = [QUOTE.sub("", line.rstrip()).expandtabs(8) for line in text.split("\n")]
    for number, line in enumerate(lines, 1):
        odd = next((c for c in line if not c.isprintable()), None)
        if odd is not None:
            raise NotUnderstood(file, [Problem(number, f"has a control character, {quoted(odd)}", "a story is plain text")])
    first = next((i for i, line in enumerate(lines) if header(line)), None)
    layout = _columns(lines, first, file) if first is not None else _list(lines)
    if not layout.pieces:
        hint = "begin with a line `CPU0 (process)    CPU1 (swapoff)`, or with `Process 1:`"
        raise NotUnderstood(file, [Problem(1, "names no thread", hint)])
    return layout


def same_label(label: str) -> str:
    """What two spellings of one label have in common: `CPU 0` and `cpu0`."""
    return re.sub(r"[ #]+", "", label).lower()


# ---- columns -----------------------------------------------------------------------------------------------------------


def header(line: str) -> list[tuple[int, str]]:
    """The columns that a line begins: (where, label); empty if it is no such line."""
    cells = [(at, cell) for at, cell in segments(line) if cell.strip("| ")]
    labels = [(at, cell.strip("| :")) for at, cell in cells]
    return labels if len(labels) > 1 and all(LABEL.fullmatch(cell) for _, cell in labels) else []


def segments(line: str) -> Iterator[tuple[int, str]]:
    """The parts of a line with two or more spaces, or a bar, between them: (where it begins, text)."""
    for found in re.finditer(r"[^ |](?:[^ ]| (?! |\|(?: |$)))*", line):
        yield found.start(), found[0].rstrip()


def _columns(lines: list[str], first: int, file: str) -> Layout:
    columns = header(lines[first])
    labels = [label for _, label in columns]
    if len(columns) > THREADS:
        raise NotUnderstood(file, [Problem(first + 1, f"has {len(columns)} columns; a story has at most {THREADS} threads")])
    if len(set(map(same_label, labels))) < len(labels):
        raise NotUnderstood(file, [Problem(first + 1, "names a thread twice")])
    around = set(_prose_around(lines, first, columns[1][0]))
    remarks, problems = asides(lines, range(first), around)
    pieces, barred = list[Piece](), "|" in lines[first]
    bordered = lines[first].lstrip().startswith("|")
    for i in range(first + 1, len(lines)):
        again = header(lines[i])
        if again:
            if [same_label(label) for _, label in again] != [same_label(label) for label in labels]:
                raise NotUnderstood(file, [Problem(i + 1, "other threads than those of the columns above", "one story a file")])
            columns = [(at, label) for (at, _), label in zip(again, labels, strict=True)]
        elif i not in around:
            cells = _barred(lines[i], i + 1, columns, bordered) if barred else _row(lines[i], i + 1, columns)
            pieces += [piece for piece in cells if piece.label is not None]
            problems += [_beyond(piece, len(columns)) for piece in cells if piece.label is None]
    return Layout(pieces, remarks, problems)


def _beyond(piece: Piece, columns: int) -> Problem:
    return Problem(piece.line, f"{quoted(piece.text)} stands beyond the last of the {columns} columns")


def _row(line: str, number: int, columns: list[tuple[int, str]]) -> list[Piece]:
    """The cells of one line: each belongs to the column in which it begins."""
    starts = [at for at, _ in columns]
    pieces: list[Piece] = []
    for at, cell in segments(_cut(line, starts[1:])):
        column = max((c for c, start in enumerate(starts) if start <= at), default=0)
        label = columns[column][1]
        if pieces and pieces[-1].label == label:
            before = pieces.pop()
            at, cell = before.indent, f"{before.text} {cell}"
        pieces.append(Piece(label, number, at, cell))
    return pieces


def _barred(line: str, number: int, columns: list[tuple[int, str]], bordered: bool) -> list[Piece]:
    """The cells of one line of a table with bars: each belongs to the column of its place between them, or to none. The bar of
    a border, which the header has too, begins no cell."""
    inside = line.strip().removeprefix("|") if bordered else line
    pieces = []
    for i, cell in enumerate(re.split(r"(?:(?<=\s)|^)\|(?=\s|$)", inside)):
        at, label = columns[i] if i < len(columns) else (0, None)
        if cell.strip("| "):
            pieces.append(Piece(label, number, at + len(cell) - len(cell.lstrip()), cell.strip()))
    return pieces


def _cut(line: str, starts: list[int]) -> str:
    """The line with a bar in front of each word that begins exactly where a column does."""
    for start in starts:
        if len(line) > start and line[start] != " " and line[start - 1] == " " and line[start - 2 : start] != "  ":
            line = line[: start - 1] + "|" + line[start:]
    return line


def _prose_around(lines: list[str], first: int, second: int) -> Iterator[int]:
    """The lines of paragraphs behind a blank line that run across the columns: a sentence about the table, not a cell."""
    i, report = first + 1, is_report(lines)
    while i < len(lines):
        end = i
        while end < len(lines) and lines[end].strip():
            end += 1
        paragraph = lines[i:end]
        if paragraph and not lines[i - 1].strip() and (_is_prose(paragraph, second) or ours("\n".join(paragraph), report)):
            yield from range(i, end)
        i = end + 1


def _is_prose(paragraph: list[str], second: int) -> bool:
    wide = any(len(line) > second for line in paragraph)
    flush = paragraph[0][0] != " " and not any(GAP.search(line.strip()) for line in paragraph)
    return wide and flush and paragraph[-1][-1] in ".?!:"


# ---- lists -------------------------------------------------------------------------------------------------------------


def _list(lines: list[str]) -> Layout:
    """Lines under a thread's name. What stands before the first name belongs to no thread."""
    pieces, before, known = list[Piece](), list[int](), list[str]()
    now: str | None = None
    problems: list[Problem] = []
    for number, line in enumerate(lines, 1):
        body = NUMBERED.sub("", line)
        label, rest = headed(body)
        meant = "" if label else almost_headed(body)
        if meant:
            problems.append(Problem(number, f"no thread is called {quoted(body.strip()[:-1])}", f"did you mean {meant}?"))
        if label:
            now = _known(label, known)
        if not (rest if label else body).strip():
            continue
        if now is None:
            before.append(number - 1)
        else:
            text = (rest if label else body).strip()
            pieces.append(Piece(now, number, len(line) - len(line.lstrip()), text))
    remarks, misplaced = asides(lines, before, ())
    return Layout(pieces, remarks, [*problems, *misplaced])


def almost_headed(line: str) -> str:
    """The thread that a line such as `Swap off:` nearly names; empty if it names none."""
    text = line.strip().lower()
    if not text.endswith(":") or len(text) > 20:
        return ""
    found = difflib.get_close_matches(text[:-1].replace(" ", ""), THREAD_WORDS, n=1, cutoff=0.75)
    return found[0] if found else ""


def _known(label: str, known: list[str]) -> str:
    """The label as it was first written: `cpu0` is `CPU0 (truncate)` too, if there is only one of that number."""
    found = [k for k in known if same_label(k) == same_label(label)]
    found = found or [k for k in known if same_label(k).partition("(")[0] == same_label(label)]
    if len(found) == 1:
        return found[0]
    known.append(label)
    return label


def headed(line: str) -> tuple[str, str]:
    """("Process 1", the rest) of a line that begins with a thread's name; ("", the line) of another."""
    text = line.strip()
    found = LABEL.match(text)
    if not found:
        return "", line
    label, rest = found[0], text[found.end() :]
    if rest.startswith(":"):
        return label, rest[1:].strip()
    if not found["number"]:  # swapoff: also a function, and a word
        first = rest.split(" ")[1] if rest.startswith(" ") and len(rest) > 1 else ""
        return (label, rest.strip()) if first.strip(",.").lower() in FILLERS | {"waits", "frees"} else ("", line)
    if rest and rest[0] not in " \t,-":
        return "", line
    return label, rest.strip(" \t,-") if not rest.strip().startswith("->") else rest.strip()
