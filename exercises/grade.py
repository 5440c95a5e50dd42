"""ask() and check(): from an exercise's number to its question, and from an answer to the result."""

from __future__ import annotations

from typing import Any

from swapmodel import KernelError
from swapmodel.names import look_up

from . import set00, set01, set02, set03, set04, set05, set06, set07, set08
from .answers import unanswered
from .exercise import Exercise, Question
from .result import NoAnswer, Result, wrong

SETS = (set00, set01, set02, set03, set04, set05, set06, set07, set08)
EXERCISES: dict[str, Exercise] = {e.id: e for module in SETS for e in module.EXERCISES}


def ask(id: str, seed: int = 0) -> Question:
    """The question of an exercise. ValueError for a number that there is not."""
    return _exercise(id, seed).ask(seed)


def check(id: str, answer: Any = None, seed: int = 0) -> Result:
    """Judges an answer to ask(id, seed). Whatever is given, one sentence says what is wrong with it; ValueError only for an
    exercise that there is not."""
    exercise = _exercise(id, seed)
    return _judged(exercise, exercise.ask(seed), answer)._replace(exercise=id)


def _exercise(id: str, seed: int) -> Exercise:
    if not isinstance(id, str):
        raise ValueError(f"an exercise is named by its number, as in check('ex00a', answer), not by {type(id).__name__}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed is 0 or a larger whole number, not {seed!r}")
    return look_up("exercise", id, EXERCISES)


def _judged(exercise: Exercise, question: Question, answer: Any) -> Result:
    if unanswered(answer):
        return wrong("No answer yet.", f"An answer is {exercise.form}.")
    try:
        return exercise.judge(question, answer)
    except NoAnswer as error:
        return wrong(error.reason, error.hint)
    except KernelError as error:
        return wrong(f"The machine can't run it: {error}.", "Mend the line that is named; then it is explored.")
