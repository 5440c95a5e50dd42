"""A reader's functions as source text, so that another process can build them anew. No function is ever pickled."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from ..edits import compiled
from ..kernel import Replacements, source_text


class SourceText(NamedTuple):
    """One function. `text` has it on the line where it stands in `file`, whose whole text is `whole`."""

    name: str
    file: str
    text: str
    whole: str


def packed(functions: Replacements) -> tuple[SourceText, ...] | None:
    """The functions as text; None if one of them would not come out the same: a closure, no source, a computed default."""
    texts = tuple(_packed(name, function) for name, function in functions.items())
    whole = tuple(t for t in texts if t is not None)
    return whole if len(whole) == len(texts) else None


def unpacked(texts: tuple[SourceText, ...]) -> dict[str, Callable[..., Any]]:
    """The functions that packed() took apart, with the lines and the file names that they had."""
    functions = {}
    for name, file, text, whole in texts:
        functions[name] = compiled(name, text, file)
        linecache.cache[file] = (len(whole), None, whole.splitlines(keepends=True), file)
    source_text.cache_clear()  # a file may have changed since this process read it
    return functions


def _packed(name: str, function: Any) -> SourceText | None:
    if not isinstance(function, FunctionType) or function.__closure__ or function.__name__ != name:
        return None
    try:
        lines, first = inspect.getsourcelines(function)
        text = "\n" * (first - 1) + textwrap.dedent("".join(lines))
        code = _code(ast.parse(text), function)
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    file = function.__code__.co_filename
    if code is None or not _same(code, function.__code__):
        return None
    return SourceText(name, file, text, "".join(linecache.getlines(file)))


def _code(tree: ast.Module, function: FunctionType) -> CodeType | None:
    """The code of the one plain function that `tree` defines, if its default values are written out."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef) or tree.body[0].decorator_list:
        return None
    arguments = tree.body[0].args
    written = tuple(ast.literal_eval(d) for d in arguments.defaults)
    by_name = {a.arg: ast.literal_eval(d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d}
    if written != (function.__defaults__ or ()) or by_name != (function.__kwdefaults__ or {}):
        return None
    module = compile(tree, function.__code__.co_filename, "exec", dont_inherit=True)
    return next((c for c in module.co_consts if isinstance(c, CodeType) and c.co_name == function.__name__), None)


def _same(one: CodeType, other: CodeType) -> bool:
    """Does the text still say what the function does? A file may have changed since it was loaded."""
    parts = ("co_code", "co_names", "co_varnames", "co_firstlineno", "co_flags")
    mask: Mapping[str, int] = {"co_flags": 0xFF}  # not those of __future__
    mine, theirs = ([getattr(c, p) & mask[p] if p in mask else getattr(c, p) for p in parts] for c in (one, other))
    return mine == theirs and _plain(one.co_consts) == _plain(other.co_consts)


def _plain(constants: tuple[Any, ...]) -> list[tuple[type, Any]]:
    return [(type(c), c) for c in constants]
