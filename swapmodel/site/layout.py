"""The frame around every page, and how words of the code become HTML."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bs4 import BeautifulSoup
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from .page import Page, contents, lead

NAME = re.compile(r"`([^`]+)`|(?<![\w/])([A-Za-z_][\w/]*(?:(?:->|\.)\w+)*(?:\[\w*\])?(?:\(\))?)")
DESCRIPTION = 200  # characters of a page's first paragraph, for those who list pages


def render(template: str, **values: Any) -> str:
    """A template of templates/; everything put into it is escaped, but what is Markup."""
    return environment().get_template(f"{template}.html.j2").render(**values)


def framed(page: Page, soup: BeautifulSoup, pages: Sequence[Page]) -> str:
    """The whole document. `pages` are all, in reading order."""
    at = pages.index(page)
    text = lead(soup)
    return render(
        "frame",
        page=page,
        body=Markup(soup.decode(formatter="minimal")),
        contents=contents(soup),
        description=text if len(text) <= DESCRIPTION else text[: DESCRIPTION - 3].rsplit(" ", 1)[0] + "...",
        groups=[(group, list(some)) for group, some in itertools.groupby(pages, lambda p: p.group)],
        before=pages[at - 1] if at else None,
        after=pages[at + 1] if at + 1 < len(pages) else None,
        version=own_version(),
    )


@functools.cache
def environment() -> Environment:
    made = Environment(loader=PackageLoader("swapmodel.site"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters.update(words=words, docstring=docstring, diff=diff, python=python)
    return made


def own_version() -> str:
    try:
        return version("swapmodel")
    except PackageNotFoundError:
        return ""


def words(text: str) -> Markup:
    """A sentence in which `names`, and what can only be a name of the code's, are set as code."""
    pieces, last = [], 0
    for found in NAME.finditer(text):
        name = found[1] or found[2]
        if found[1] or "_" in name or "->" in name or name.endswith("()"):
            pieces += [escape(text[last : found.start()]), Markup("<code>{}</code>").format(name)]
            last = found.end()
    return Markup("").join([*pieces, escape(text[last:])])


def docstring(text: str) -> Markup:
    """Paragraphs; those that are indented, or have columns, keep their lines."""
    return Markup("\n").join(map(_paragraph, re.split(r"\n\s*\n", text.strip("\n"))))


def _paragraph(text: str) -> Markup:
    lines = text.split("\n")
    if all(line.startswith("    ") for line in lines) or any(re.search(r"\S   +\S", line) for line in lines):
        return Markup("<pre>{}</pre>").format(text)
    return Markup("<p>{}</p>").format(words(" ".join(line.strip() for line in lines)))


def diff(text: str) -> Markup:
    return _highlighted(text, "diff")


def python(text: str) -> Markup:
    return _highlighted(text, "python")


def _highlighted(text: str, language: str) -> Markup:
    from pygments import highlight  # type: ignore[import-untyped]
    from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]

    return Markup(highlight(text, get_lexer_by_name(language), HtmlFormatter(cssclass=f"highlight {language}")))
