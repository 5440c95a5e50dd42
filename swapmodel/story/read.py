"""read_story(): the text of an interleaving, as people write them, into events."""

from __future__ import annotations

import itertools
import re
import reprlib
from collections.abc import Iterator

from .events import Event, Remark, Said, Story, Touch
from .grammar import LONGEST, event, events, is_remark, without_tail
from .layout import Layout, Piece, lay_out, same_label
from .problems import NotUnderstood, Problem, quoted
from .words import NAME, functions, kernel_words, negated, operations, suggestion

JOINED = 8  # lines that one cell may be wrapped into
EVENTS = 2_000  # of one story
ENDS_BEFORE = re.compile(
    r"\bswapoff\b.{0,40}\b(?:succeed|finish|complet)\w*\b.*\bbefore (?P<who>(?:process|cpu) ?\d+)\b.*?\b(?P<function>\w+)\(\)",
    re.IGNORECASE,
)


def read_story(text: str, file: str = "<story>") -> Story:
    """The story in `text`. NotUnderstood names every line that is neither an event nor, by the grammar, a remark."""
    if not isinstance(text, str):
        raise ValueError(f"read_story() takes the text of a story, not {reprlib.repr(text)}")
    layout = lay_out(text, file)
    said, remarks, problems = _Reading(layout).read()
    if problems or layout.problems:
        raise NotUnderstood(file, [*layout.problems, *problems])
    if not said:
        raise NotUnderstood(file, [Problem(layout.pieces[0].line, "no line of the story says what happens", suggestion(""))])
    if len(said) > EVENTS:
        raise NotUnderstood(file, [Problem(said[EVENTS][3], f"a story has at most {EVENTS} events")])
    labels = tuple(dict.fromkeys([*(p.label for p in layout.pieces if p.label), *(who for who, *_ in said)]))
    used = [label for label in labels if any(label == who for who, *_ in said)]
    spoken = tuple(Said(e, used.index(who), row, line, text) for who, e, row, line, text in said)
    return Story(file, tuple(used), spoken, tuple(_merged([*layout.remarks, *remarks])))


Spoken = tuple[str, Event, int, int, str]  # label, event, row, line, text


class _Reading:
    """The pieces of a layout, read one after the other. A cell that was wrapped is put together again."""

    def __init__(self, layout: Layout):
        self.pieces = layout.pieces
        self.said: list[Spoken] = []
        self.remarks: list[tuple[int, str]] = []
        self.problems: list[Problem] = []

    def read(self) -> tuple[list[Spoken], list[tuple[int, str]], list[Problem]]:
        i = 0
        while i < len(self.pieces):
            i += self._read_one(i)
        return self.said, self.remarks, self.problems

    def _read_one(self, i: int) -> int:
        """Reads what begins at piece i; returns how many pieces that took."""
        piece = self.pieces[i]
        after = list(self._below(i))
        alone = events(piece.text)
        if after and not is_remark(piece.text) and may_go_on(piece.text, alone, after[0].text):
            for n in range(len(after), 0, -1):
                for text in joins([piece, *after[:n]]):
                    if event(text) is not None or (text.startswith("<") and text.endswith(">") and events(text)):
                        self._say(piece, events(text) or [], text)
                        return n + 1
        asked = self._question(i)
        if asked and self._ask(self.pieces[i : i + asked]):
            return asked
        if alone is not None:
            self._say(piece, alone, piece.text)
            return 1
        if not asked:
            self.problems.append(Problem(piece.line, *why_not(piece.text)))
        self.remarks += [(p.line, "question") for p in self.pieces[i : i + asked]]
        return asked or 1

    def _ask(self, pieces: list[Piece]) -> bool:
        """A question whether swapoff can come to its end before another thread goes on claims just that order."""
        text, line = " ".join(p.text for p in pieces), pieces[0].line
        found = ENDS_BEFORE.search(text)
        labels = [p.label for p in self.pieces if p.label]
        who = next((label for label in labels if found and same_label(label) == same_label(found["who"])), None)
        if not found or not who or found["function"] not in functions():
            return False
        ends, goes_on = event("si->swap_map = NULL"), event(f"{found['function']}()")
        assert ends is not None and goes_on is not None
        self.said += [("swapoff", ends, line, line, text), (who, goes_on, line + 1, line, text)]
        return True

    def _below(self, i: int) -> Iterator[Piece]:
        """The pieces that may be further lines of the cell that begins with piece i."""
        for k in range(1, JOINED):
            now = self._goes_on(i, k)
            if now is None:
                return
            yield now

    def _goes_on(self, i: int, k: int) -> Piece | None:
        """Piece i + k, if the pieces from i to it can be one wrapped cell: below one another, indented alike."""
        if i + k >= len(self.pieces):
            return None
        first, second, last, now = (self.pieces[j] for j in (i, i + 1, i + k - 1, i + k))
        below = now.label == first.label and now.line == first.line + k
        return now if below and (now.indent == second.indent > first.indent or last.text.endswith(("->", ","))) else None

    def _question(self, i: int) -> int:
        """How many pieces from i on make up a sentence that asks something; 0 if it does not."""
        for n in range(1, min(JOINED, len(self.pieces) - i) + 1):
            piece = self.pieces[i + n - 1]
            if piece.line != self.pieces[i].line + n - 1 or piece.label != self.pieces[i].label:
                return 0
            if piece.text.endswith("?"):
                return n
            if piece.text.endswith((".", ":", ";")):
                return 0
        return 0

    def _say(self, piece: Piece, found: list[Event], text: str) -> None:
        assert piece.label is not None
        self.said += [(piece.label, e, piece.line, piece.line, text) for e in found]
        if not found and (kernel_words(text) or is_remark(text)) and any(c.isalpha() for c in text):
            self.remarks.append((piece.line, "comment"))
        elif not found and any(c.isalpha() for c in text):
            self.remarks.append((piece.line, "prose"))
        elif found and any(c.isalpha() for c in text[len(without_tail(text)) :]):
            self.remarks.append((piece.line, "comment"))


def may_go_on(text: str, alone: list[Event] | None, below: str) -> bool:
    """Is a text, which alone means `alone`, perhaps only the first line of a cell?"""
    first = alone[0] if alone else None
    open_end = first is None or isinstance(first, Touch) or text.endswith((",", "->"))
    return open_end or text.startswith("***") or below.startswith(("(prio", "=", "->"))


def joins(pieces: list[Piece]) -> Iterator[str]:
    """The pieces as one text: with a space between two, and without where the line is full, so that a long word may have been
    broken there."""
    full = max(p.indent + len(p.text) for p in pieces)
    gaps = [(" ", "") if p.indent + len(p.text) == full else (" ",) for p in pieces[:-1]]
    if sum(len(p.text) for p in pieces) > LONGEST:
        return
    for chosen in itertools.islice(itertools.product(*gaps), 8):
        yield "".join(p.text + gap for p, gap in zip(pieces, (*chosen, ""), strict=True))


def why_not(text: str) -> tuple[str, str]:
    """What is not understood in a text, and a suggestion."""
    if len(text) > LONGEST:
        return f"a line has at most {LONGEST} characters", ""
    if negated(without_tail(text)):
        hint = "a story says what happens, an execution without it can't be asked for; put # before a remark"
        return f"{quoted(text)} denies something", hint
    for name in NAME.findall(without_tail(text)):
        called = f"{name}(" in text
        if (called or text.rstrip(".;") == name) and name not in functions() | operations():
            return f"{quoted(name + '()' if called else name)} is no kernel function or operation of the model", suggestion(
                name
            )
    if kernel_words(text):
        hint = "write one event a line, as f(), `word before -> after` or `word == value`; or put # before a remark"
        return f"{quoted(text)} is neither an event nor a remark", hint
    return f"{quoted(text)} is not understood", suggestion(text)


def _merged(remarks: list[tuple[int, str]]) -> Iterator[Remark]:
    """Neighbouring lines with the same reason as one."""
    first = last = 0
    why = ""
    for line, reason in sorted(set(remarks)):
        if why == reason and line == last + 1:
            last = line
            continue
        if why:
            yield Remark(first, last, why)
        first = last = line
        why = reason
    if why:
        yield Remark(first, last, why)
