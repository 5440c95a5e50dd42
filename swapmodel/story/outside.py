"""Lines outside of the lists or the table: what may stand there, and what would be an event if it stood inside."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from .events import Call, Operation, Touch
from .grammar import LONGEST, TRAILER, event, events, is_remark
from .heading import HEADING, LINES, TOLD
from .problems import Problem, quoted
from .words import kernel_words

CPU_TIME = re.compile(r"\d+\.\d\d s of CPU for the search")
OURS = re.compile(  # what stands around the table of a report: views.failure(), Verdict.stopped_at, fixes/mistakes.py
    r"[\d,]+ steps?, [\d,]+ context switch(?:es)?:"
    r"|[\w ]{1,40}, in (?:\w+\(\)|the scenario), (?:dereferences|touches|fails:) .+\."
    r"|[\w ]{1,40} waits (?:for [^,]+(?:, held by| to become)|in synchronize_rcu\(\) for|in wait_for_completion\(\) for) .+\."
    r"|Nobody can go on: .+\.|From here on .+ can never all return\.|The search for the nearest miss was interrupted\."
    r"|\S+:\d+(?:-\d+)?: \w+\(\) (?:calls|takes|begins|pins|goes round) .+",
)
HINT = "put it under a thread, or # before a remark"
WRAPPED = (Call, Touch, Operation)  # forms that a sentence may have in it, and hence alone in its next line


def asides(lines: Sequence[str], before: Iterable[int], around: Collection[int]) -> tuple[list[tuple[int, str]], list[Problem]]:
    """(remarks, problems) of the lines in front of a story and of the paragraphs around its table, by their indices."""
    before = [i for i in before if lines[i].strip()]
    remarks = [(i + 1, "before the story") for i in before] + [(i + 1, "around the table") for i in sorted(around)]
    report = is_report(lines)
    problems = [_problem(lines, i) for i in before if _claims(lines, i, report)]
    for paragraph in _paragraphs(around):
        text = "\n".join(lines[i] for i in paragraph)
        if kernel_words(text) and not ours(text, report) and any(not _marked(lines[i]) for i in paragraph):
            problems += [_problem(lines, i) for i in paragraph if kernel_words(lines[i]) and not _marked(lines[i])]
    return remarks, problems


def is_report(lines: Sequence[str]) -> bool:
    """Is the text a report of ours? Then it may have a report's lines."""
    return any(HEADING.match(line.strip()) or TOLD.fullmatch(line.strip()) for line in lines[:LINES])


def ours(text: str, report: bool) -> bool:
    """Is a paragraph one that our own reports have around their table?"""
    told = " ".join(text.split())
    if CPU_TIME.fullmatch(told) or all(TRAILER.fullmatch(line.strip()) for line in text.split("\n")):
        return True
    return report and bool(OURS.fullmatch(told) or HEADING.match(told))


def _marked(line: str) -> bool:
    return is_remark(line.strip())


def _problem(lines: Sequence[str], i: int) -> Problem:
    return Problem(i + 1, f"{quoted(lines[i].strip())} says what happens, but not on which thread", HINT)


def _claims(lines: Sequence[str], i: int, report: bool) -> bool:
    """Is a line in front of the story an event? A name in it that only ends a sentence begun above is none."""
    text = lines[i].strip()
    if len(text) > LONGEST or ours(text, report) or _marked(text):
        return False
    if not events(text):
        return False
    form = event(text)
    above = lines[i - 1].strip() if i else ""
    goes_on = bool(above) and above[-1] not in ".:;?!" and not events(above) and not _marked(above)
    return not (goes_on and (form is None or isinstance(form, WRAPPED)))


def _paragraphs(indices: Collection[int]) -> Iterator[list[int]]:
    """Neighbouring lines together."""
    paragraph: list[int] = []
    for i in sorted(indices):
        if paragraph and i != paragraph[-1] + 1:
            yield paragraph
            paragraph = []
        paragraph.append(i)
    if paragraph:
        yield paragraph
