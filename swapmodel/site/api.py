"""The public names, from their signatures and docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from typing import Any, ForwardRef, NamedTuple

import swapmodel

from .layout import render
from .page import REFERENCE, Page
from .sources import PACKAGE

CATALOGUES = {"FIXES": "fixes.html", "KERNELS": "kernels.html", "QUESTIONS": "questions.html", "SCENARIOS": "scenarios.html"}
ONE_LINE = 88  # characters of a signature that stands in one line


class Name(NamedTuple):
    """A public name, or a public member of a class. `catalogue`: the page that shows all of a table."""

    name: str
    kind: str
    signature: str
    doc: str
    source: str = ""
    members: tuple[Name, ...] = ()
    catalogue: str = ""

    @property
    def short(self) -> str:
        """The first sentence of the docstring."""
        first = " ".join(self.doc.split("\n\n")[0].split())
        return first.split(". ")[0].rstrip(".") + "." if first else ""


def api_page() -> Page:
    """The names grouped by the module that they live in."""
    names = {name: told(name, getattr(swapmodel, name)) for name in swapmodel.__all__}
    homes = sorted({home.split(".")[0] for home in swapmodel.HOME.values()})
    groups = [(f"swapmodel.{home}", _intro(home), [names[n] for n in names if _home(n) == home]) for home in homes]
    return Page("api.html", "Python API", REFERENCE, render("api", names=names.values(), groups=groups))


def _home(name: str) -> str:
    return swapmodel.HOME[name].split(".")[0]


def _intro(home: str) -> str:
    """The first paragraph of a module's docstring."""
    return (import_module(f"swapmodel.{home}").__doc__ or "").split("\n\n")[0]


def told(name: str, thing: Any) -> Name:
    if isinstance(thing, dict):
        first = type(next(iter(thing.values()))).__name__
        doc = f"A dict of {len(thing)}, each a {first}, by name: {', '.join(thing)}."
        return Name(name, "table", f"{name}: dict[str, {first}]", doc, catalogue=CATALOGUES.get(name, ""))
    kind = "class" if isinstance(thing, type) else "function"
    members = tuple(_members(thing)) if kind == "class" else ()
    return Name(name, kind, signature(name, thing), inspect.getdoc(thing) or "", source_of(thing), members)


def _members(cls: type) -> Iterator[Name]:
    """What a class itself defines, has a docstring, and begins with no underscore."""
    for name, member in vars(cls).items():
        if name.startswith("_"):
            continue
        plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if isinstance(member, property) and member.__doc__:
            yield Name(name, "property", name, inspect.cleandoc(member.__doc__))
        elif inspect.isfunction(plain) and plain.__doc__:
            yield Name(name, "method", signature(name, plain), inspect.cleandoc(plain.__doc__))


def source_of(thing: Any) -> str:
    """File and line in the checkout."""
    file = inspect.getsourcefile(thing)
    line = inspect.getsourcelines(thing)[1]
    return f"swapmodel/{inspect.getfile(thing)[len(str(PACKAGE)) + 1 :]}:{line}" if file else ""


def signature(name: str, thing: Any) -> str:
    """With annotations as they are written; over several lines if it is long."""
    try:
        given = inspect.signature(thing)
    except ValueError:  # an exception takes its message
        return f"{name}(message)"
    parameters = [p for p in given.parameters.values() if p.name not in ("self", "cls")]
    shown = [str(p.replace(annotation=Bare.of(p.annotation), default=Bare.default(p.default))) for p in parameters]
    keyword = next((i for i, p in enumerate(parameters) if p.kind is p.KEYWORD_ONLY), None)
    if keyword is not None and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        shown.insert(keyword, "*")
    back = "" if given.return_annotation is given.empty else f" -> {Bare.of(given.return_annotation)!r}"
    line = f"{name}({', '.join(shown)}){back}"
    return line if len(line) <= ONE_LINE else f"{name}(\n    " + ",\n    ".join(shown) + f",\n){back}"


class Bare(NamedTuple):
    """Shows itself as the text that it is."""

    text: str

    def __repr__(self) -> str:
        return self.text

    @classmethod
    def of(cls, annotation: Any) -> Any:
        if annotation is inspect.Parameter.empty:
            return annotation
        if isinstance(annotation, ForwardRef):
            return cls(annotation.__forward_arg__)
        return cls(annotation if isinstance(annotation, str) else inspect.formatannotation(annotation))

    @classmethod
    def default(cls, value: Any) -> Any:
        """An object of ours that is as its class makes it, without arguments, is shown so."""
        own = type(value).__module__.startswith("swapmodel")
        return cls(f"{type(value).__name__}()") if own and value == type(value)() else value
