"""The questions Q1 to Q40 that a review of the race asked, each decided by cases: scenarios on kernels, with lines changed.

question.py  what a question is, and how its answer comes from the verdicts of its cases
case.py      a case and what the explorer says of it; failures.py: not the first failure but each
the_*.py     the questions; patches.py, locked.py, scenes.py: the kernels and scenarios that they alone need
answers.py   asking: text, HTML and Markdown, with what was recorded
"""

from __future__ import annotations

from .answers import Answer, ask, recorded_answers, recorded_results
from .case import Case, Result
from .question import Part, Question
from .table import QUESTIONS

__all__ = ["QUESTIONS", "Answer", "Case", "Part", "Question", "Result", "ask", "recorded_answers", "recorded_results"]
