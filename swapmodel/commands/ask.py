"""swapmodel ask: forty questions about the race, answered by the model."""

from __future__ import annotations

import argparse
from typing import Any

from ..progress import Progress
from ..views import columns, table


def register(commands: Any) -> None:
    asked = commands.add_parser("ask", help="forty questions about the race, answered by the model")
    asked.set_defaults(run=ask_question)
    asked.add_argument(
        "question", nargs="?", metavar="Q1..Q40", help="explores its cases; without it: the table of recorded answers"
    )
    asked.add_argument("--recorded", action="store_true", help="take the recorded results; --witness explores its case")
    asked.add_argument("--witness", action="store_true", help="show the interleaving of the first case that goes wrong")
    asked.add_argument("--markdown", action="store_true", help="as Markdown: swapmodel/questions/QUESTIONS.md")


def ask_question(given: argparse.Namespace) -> int:
    """Status 1 if an answer is undecided: a search was not finished, or found something else."""
    from ..names import look_up
    from ..questions import QUESTIONS, ask, recorded_answers
    from ..questions.answers import markdown, rows

    if given.question is None:
        answers = recorded_answers()
        print(markdown(answers) if given.markdown else table(rows(answers)), end="" if given.markdown else "\n")
        if not given.markdown:
            print("\nWhere something else was expected, `swapmodel ask Q3` tells why.")
        return int(any("undecided" in answer.answers for answer in answers))
    question = look_up("question", given.question.strip().upper(), QUESTIONS)
    progress = Progress(question.name, "case", len(question.cases))
    try:
        answer = ask(question.name, recorded=given.recorded, tick=progress)
    finally:
        progress.close()
    print(answer.markdown() if given.markdown else answer)
    recorder = answer.witness() if given.witness else None
    if recorder:
        print("", columns(recorder), sep="\n")
    return int("undecided" in answer.answers)
