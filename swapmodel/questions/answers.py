"""Asking: the cases of a question are explored, and its answer follows from them; or the recorded results are taken."""

from __future__ import annotations

import functools
import html
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..names import look_up
from ..trace import Recorder
from .case import Case, Result
from .question import Part, Question
from .table import QUESTIONS, all_cases

RECORDED = Path(__file__).parent / "recorded.json"
WIDTH = 100  # of the text


class Answer:
    """A question and the results of its cases, by name. `answers` has yes or no for each part."""

    def __init__(self, question: Question, results: Mapping[str, Result]):
        self.question, self.results = question, results
        self.answers = question.answers(results)

    @property
    def differs(self) -> list[Part]:
        """The parts whose answer is not the expected one."""
        parts = zip(self.question.parts, self.answers, strict=True)
        return [part for part, answer in parts if part.expected and answer != part.expected]

    @property
    def short(self) -> str:
        """All parts in a few words: "no", or "a no, b yes"."""
        return _short(self.question, self.answers)

    @property
    def otherwise(self) -> str:
        """What was expected of the parts that are answered otherwise, in the same form; empty where there are none."""
        labels = [label.strip("() ") for label, part in self.question.labelled() if part in self.differs]
        return ", ".join(f"{label} {part.expected}".strip() for label, part in zip(labels, self.differs, strict=True))

    def witness(self) -> Recorder | None:
        """The interleaving that the first case ends in that goes wrong; None if all hold."""
        wrong = (case for name, case in self.question.cases.items() if self.results[name].verdict == "violated")
        case = next(wrong, None)
        return case.witness() if case else None

    def __repr__(self) -> str:
        return f"<{self.question.name}: {self.short}>"

    def __str__(self) -> str:
        head = textwrap.fill(f"{self.question.name}  {self.question.title}", WIDTH, subsequent_indent="     ")
        return "\n".join([head, _wrapped(f"Expected by: {self.question.whose}."), *self._lines()])

    def _lines(self) -> Iterator[str]:
        for (label, part), answer in zip(self.question.labelled(), self.answers, strict=True):
            yield ""
            yield textwrap.fill(f"{label}{part.asks}", WIDTH, subsequent_indent="    ")
            yield f"    {answer.upper()}{_compared(part, answer)}"
            for case in part.cases:
                yield from self._case(case, part)
            yield _wrapped(f"Why: {part.why}")
            if part.differs:
                yield _wrapped(f"The difference: {part.differs}")

    def _case(self, case: Case, part: Part) -> Iterator[str]:
        result = self.results[str(case)]
        yield _wrapped(f"- {case}: {result}")
        for kind, where in result.failures:
            if kind in part.kinds and part.where in where:
                yield _wrapped(f"  {kind}: {where}")
        if result.cause:
            yield _wrapped(f"  {result.cause}")

    def _repr_html_(self) -> str:
        first, *rest = str(self).split("\n")
        body = html.escape("\n".join(rest))
        return f'<div><strong>{html.escape(first)}</strong><pre style="font-family: monospace">{body}</pre></div>'

    def markdown(self) -> str:
        """The answer as a section of Markdown."""
        lines = [
            f"## {self.question.name}. {_plain(self.question.title)}",
            "",
            f"Expected by: {_plain(self.question.whose)}.",
            "",
        ]
        for (label, part), answer in zip(self.question.labelled(), self.answers, strict=True):
            lines += [f"{label}{_plain(part.asks)} **{answer}**{_compared(part, answer)}. {_plain(part.why)}"]
            lines += ["", *([f"*The difference:* {_plain(part.differs)}", ""] if part.differs else [])]
            lines += [f"- `{case}`: {self.results[str(case)]}" for case in part.cases]
            lines.append("")
        return "\n".join(lines)


def ask(name: str, *, recorded: bool = False, tick: Callable[[int], None] | None = None) -> Answer:
    """The answer to "Q18", found by exploring its cases; or from what was `recorded`, at once. `tick` is told how many cases
    are done. UnknownName, in one sentence, for a question that there is not."""
    question = look_up("question", str(name).strip().upper(), QUESTIONS)
    if recorded:
        return Answer(question, recorded_results())
    results = {}
    for case in question.cases.values():
        results[str(case)] = case.run()
        if tick:
            tick(len(results))
    return Answer(question, results)


@functools.cache
def recorded_results() -> dict[str, Result]:
    """Verdict and exact number of states of every case, by its name; tests/record_questions.py writes them."""
    documents = json.loads(RECORDED.read_text(encoding="utf-8"))
    return {name: Result.of(document) for name, document in documents.items()}


def recorded_answers() -> list[Answer]:
    """The answers to all questions, from what was recorded."""
    return [Answer(question, recorded_results()) for question in QUESTIONS.values()]


def rows(answers: list[Answer]) -> list[tuple[str, ...]]:
    """A row of a table for each answer."""
    head = ("", "answer", "expected was", "question")
    return [head, *((a.question.name, a.short, a.otherwise, a.question.title) for a in answers)]


def markdown(answers: list[Answer]) -> str:
    """The committed QUESTIONS.md."""
    lines = [
        "# Forty questions, answered by the model",
        "",
        "Written by `swapmodel ask --markdown`; the answers follow from the verdicts of the cases, and a test explores each",
        "case again. A kernel is named with what was changed in it: `with` a fix of `swapmodel list`, `+` a patch of",
        "`swapmodel/questions/patches.py`.",
        f"{len(QUESTIONS)} questions, {len(all_cases())} cases. Third column: what was expected of parts answered otherwise.",
        "",
        "| | answer | expected was | question |",
        "|---|---|---|---|",
        *("| " + " | ".join(_plain(cell) for cell in row) + " |" for row in rows(answers)[1:]),
        "",
    ]
    return "\n".join([*lines, *(a.markdown() for a in answers)]).rstrip() + "\n"


def _short(question: Question, answers: tuple[str, ...]) -> str:
    if len(answers) == 1:
        return answers[0]
    labels = [label.strip("() ") for label, _ in question.labelled()]
    return ", ".join(f"{label} {answer}" for label, answer in zip(labels, answers, strict=True))


def _compared(part: Part, answer: str) -> str:
    if not part.expected:
        return ""
    return " (as expected)" if answer == part.expected else f" (expected: {part.expected})"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="    ", subsequent_indent="      ")


def _plain(text: str) -> str:
    """Text that Markdown takes for nothing else."""
    for mark in "\\`*_|<>":
        text = text.replace(mark, f"\\{mark}")
    return text
