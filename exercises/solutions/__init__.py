"""Solutions, one file for each set, apart from the exercises. Each function is named as its exercise, takes the question, and
gives the answer; its docstring is the explanation.

    from exercises.solutions import explain, solve
    solve("ex05c", seed=1)
    print(explain("ex05c"))"""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from exercises import ask


def solve(id: str, seed: int = 0) -> Any:
    """An answer to ask(id, seed)."""
    return _solution(id)(ask(id, seed))


def explain(id: str) -> str:
    """Why it is the answer."""
    return inspect.getdoc(_solution(id)) or ""


def _solution(id: str) -> Any:
    return getattr(import_module(f"{__name__}.set{id[2:4]}"), id)
