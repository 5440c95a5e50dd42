"""A kernel function with a few lines of its source changed, as a patch on a mailing list changes it.

`edited("swapoff_wait_for_users", drop("yield from synchronize_rcu()"))` is the function without that line: a kernel in which
one thing is different, without a copy of all that is not. What is made here the lint, the coverage and the views can read, as
if it stood in a file."""

from __future__ import annotations

import inspect
import linecache
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .kernel import base


class Replace(NamedTuple):
    """The text `old`, which occurs once, becomes `new`."""

    old: str
    new: str

    def apply(self, text: str) -> str:
        if text.count(self.old) != 1:
            raise ValueError(f"{self.old!r} occurs {text.count(self.old)} times, not once")
        return text.replace(self.old, self.new)


class Lines(NamedTuple):
    """The one line `old` becomes `new` lines, as far to the right."""

    old: str
    new: tuple[str, ...]

    def apply(self, text: str) -> str:
        before = text.splitlines()
        found = [i for i, line in enumerate(before) if line.strip() == self.old]
        if len(found) != 1:
            raise ValueError(f"the line {self.old!r} occurs {len(found)} times, not once")
        [i] = found
        margin = before[i][: -len(self.old)]
        return "\n".join([*before[:i], *[margin + line for line in self.new], *before[i + 1 :]]) + "\n"


Edit = Replace | Lines


def drop(line: str) -> Edit:
    return Lines(line, ())


def before(line: str, *new: str) -> Edit:
    return Lines(line, (*new, line))


def after(line: str, *new: str) -> Edit:
    return Lines(line, (line, *new))


def edited(name: str, *edits: Edit, of: Mapping[str, Callable[..., Any]] | None = None, title: str = "") -> Callable[..., Any]:
    """The kernel function `name`, of the replacements `of` or else of v6.8, with `edits` made one after the other. `title` is
    the patch in the file names that people see. ValueError if a line to change is not there exactly once."""
    original = (of or {}).get(name) or base()[name]
    text = textwrap.dedent(inspect.getsource(original))
    for edit in edits:
        try:
            text = edit.apply(text)
        except ValueError as error:
            raise ValueError(f"{name}(): {error}") from None
    return compiled(name, text, f"patches/{title}/{name}.py" if title else f"patches/{name}.py")


def compiled(name: str, text: str, file: str) -> Callable[..., Any]:
    """The kernel function `name` that `text` defines, for whom `file` is where it stands."""
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)  # where inspect looks for it
    space = {**base(), "__name__": "patches"}
    space.pop(name, None)  # so that the kernel's own is never mistaken for the text's
    exec(compile(text, file, "exec"), space)
    if name not in space:
        raise ValueError(f"{file}: its text defines no {name}()")
    function: Callable[..., Any] = space[name]
    return function
