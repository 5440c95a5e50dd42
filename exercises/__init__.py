"""Exercises: one set for each notebook, judged by the machine and by the explorer.

from exercises import ask, check
question = ask("ex05a")             # what is asked; its parts are attributes: question.kernel, ...
check("ex05a", answer)              # a verdict, a reason, a hint, and the interleaving that refutes it
check("ex05a", answer, seed=3)      # another variant, of ask("ex05a", seed=3)

This check() judges an answer; swapmodel.check() explores a scenario. In these notebooks the one is `check`, the other
`swapmodel.check`."""

from .exercise import Exercise, Question
from .grade import EXERCISES, ask, check
from .result import Result

__all__ = ["EXERCISES", "Exercise", "Question", "Result", "ask", "check"]
