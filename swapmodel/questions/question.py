"""What a question is: its parts, the answer that was expected of each, and the answer that the cases give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .case import Case, Result

MEMORY = ("NULL dereference", "use after free")  # memory of the device is touched after swapoff took it away
REACHED = ("kernel BUG",)  # an edited kernel has a BUG() where the question points
STUCK = ("livelock", "deadlock", "starvation")


class Part(NamedTuple):
    """A question that yes or no answers.

    It is asked whether a violation of one of `kinds` exists in any of the `cases`, in a function or word that `where` names (of
    cases that look for every failure): yes if so. With `holds` it is the other way round: yes if none of them has any.
    `expected` is "yes", "no" or "" where nobody said; `differs` explains an answer that is not the expected one."""

    asks: str
    expected: str
    cases: tuple[Case, ...]
    why: str
    kinds: tuple[str, ...] = MEMORY
    where: str = ""
    holds: bool = False
    differs: str = ""

    def answer(self, results: Mapping[str, Result]) -> str:
        """yes or no, from the results of the cases by name; "undecided" if a search was not finished, or found something that
        the question does not ask for."""
        told = [self._happens(case, results[str(case)]) for case in self.cases]
        if any(told):
            return "no" if self.holds else "yes"
        if None in told:
            return "undecided"
        return "yes" if self.holds else "no"

    def _happens(self, case: Case, result: Result) -> bool | None:
        if result.failures:
            return any(kind in self.kinds and self.where in where for kind, where in result.failures)
        if result.kind in self.kinds and not self.where:
            return True
        return False if result.verdict == "holds" else None


class Question(NamedTuple):
    """`whose`: who expected the answers, or was the first to ask."""

    name: str
    title: str
    whose: str
    parts: tuple[Part, ...]

    @property
    def cases(self) -> dict[str, Case]:
        """Every case of the question, by name."""
        return {str(case): case for part in self.parts for case in part.cases}

    def answers(self, results: Mapping[str, Result]) -> tuple[str, ...]:
        """The answer to each part."""
        return tuple(part.answer(results) for part in self.parts)

    def labelled(self) -> list[tuple[str, Part]]:
        """The parts, as (a), (b), ...; a question of one part needs no letter."""
        return [(f"({'abcdefghi'[i]}) " if len(self.parts) > 1 else "", part) for i, part in enumerate(self.parts)]
