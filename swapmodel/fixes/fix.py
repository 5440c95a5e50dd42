"""Fix: the functions that replace the kernel's, who proposed them where, and what each hopes for; as text and as HTML."""

from __future__ import annotations

import ast
import difflib
import html
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..kernel import Replacements, kernel_functions
from ..program import short_file

KINDS = {
    "candidate": "proposed in the thread or after it, or a form of that which can be written",
    "weaker": "begins later, or protects less",
    "wrong": "written without a look at what is called, or at what it may answer",
    "removed": "what the kernel does already is taken away",
}


class Fix(NamedTuple):
    """One fix. `kind` is one of KINDS; `note` says what it hopes for. The verdict is not in here: check() finds it."""

    name: str
    title: str
    origin: str
    replaces: Replacements
    kind: str
    note: str

    def __repr__(self) -> str:
        return f"<fix {self.name}>"

    def __str__(self) -> str:
        names = ", ".join(f"{n}()" for n in self.replaces) or "nothing: the kernel as it is"
        rows = (
            ("kind", f"{self.kind}: {KINDS[self.kind]}"),
            ("origin", self.origin),
            ("hopes", self.note),
            ("replaces", names),
        )
        parts = [f"{self.name}: {self.title}", "", *(_row(title, text) for title, text in rows)]
        return "\n".join([*parts, *(["", changes] if (changes := self.diff()) else [])])

    def _repr_html_(self) -> str:
        first, _, rest = str(self).partition("\n")
        return f"<div><strong>{html.escape(first)}</strong><pre>{html.escape(rest.lstrip())}</pre></div>"

    def diff(self) -> str:
        """What it changes in the functions of v6.8, as a unified diff without the docstrings; empty if nothing."""
        return "\n".join(line for name, function in self.replaces.items() for line in _diff(name, function))


def _row(title: str, text: str) -> str:
    return textwrap.fill(text, 118, initial_indent=f"  {title:9} ", subsequent_indent=" " * 12)


def _diff(name: str, function: Callable[..., Any]) -> Iterator[str]:
    original = kernel_functions().get(name)
    before, file = (_code(original), _file(original)) if original else ([], f"{name}()")
    after = _code(function)
    yield from difflib.unified_diff(before, after, f"a/{file}", f"b/{file}", n=len(before), lineterm="")


def _file(function: Callable[..., Any]) -> str:
    return short_file(function.__code__.co_filename)


def _code(function: Callable[..., Any]) -> list[str]:
    """The lines of a function without its docstring."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines()
    tree = ast.parse("\n".join(lines)).body[0]
    assert isinstance(tree, ast.FunctionDef)
    if ast.get_docstring(tree) is None:
        return lines
    doc = tree.body[0]
    return lines[: doc.lineno - 1] + lines[doc.end_lineno :]
