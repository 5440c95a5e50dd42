"""All questions, by name."""

from __future__ import annotations

from .case import Case
from .question import Question
from .the_callers import CALLERS
from .the_fix import FIX
from .the_race import RACE
from .the_slots import SLOTS
from .the_window import WINDOW

QUESTIONS: dict[str, Question] = {q.name: q for q in (*RACE, *WINDOW, *CALLERS, *SLOTS, *FIX)}


def all_cases() -> dict[str, Case]:
    """Every case of every question, by name. Many questions share one."""
    return {name: case for question in QUESTIONS.values() for name, case in question.cases.items()}
