"""An exercise: what it asks, in a variant for each seed, and who judges the answer."""

from __future__ import annotations

import html
from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple

from .result import Result


class Question(SimpleNamespace):
    """One variant of an exercise. `id`, `title`, `text`, `form` (what an answer looks like); the rest is asked about."""

    id: str
    title: str
    text: str
    form: str

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.__dict__.get('id', 'the question')} has no {name}")

    def __str__(self) -> str:
        return f"{self.id}: {self.title}\n\n{self.text}\n\nAnswer: {self.form}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = f"<strong>{html.escape(self.id)}: {html.escape(self.title)}</strong>"
        return f"<div>{head}<pre>{html.escape(self.text)}</pre><p>Answer: {html.escape(self.form)}</p></div>"


class Exercise(NamedTuple):
    """`vary(seed, random)` gives the text and the parts of a variant; `judge(question, answer)` the Result. Seed 0 is the
    notebook's own."""

    id: str
    title: str
    form: str
    vary: Callable[[int, Random], dict[str, Any]]
    judge: Callable[[Question, Any], Result]

    def ask(self, seed: int = 0) -> Question:
        return Question(id=self.id, title=self.title, form=self.form, **self.vary(seed, Random(f"{self.id} {seed}")))
