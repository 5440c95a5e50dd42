"""The index of the search: the text of every section, in one script, since a page opened from disk can't fetch data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from bs4 import BeautifulSoup, NavigableString, Tag

from .page import Page

HEADS = ("h1", "h2", "h3")
LEFT_OUT = {"output", "diff"}
BLOCKS = {"h4", "p", "li", "td", "th", "tr", "div", "pre", "dt", "dd", "summary", "figcaption", "br"}


def index_script(pages: Iterable[tuple[Page, BeautifulSoup]]) -> str:
    """`swapmodelIndex`, an array of [file, id, page, section, text]."""
    rows = [row for page, soup in pages for row in sections(page, soup)]
    return f"window.swapmodelIndex = {json.dumps(rows, ensure_ascii=False, separators=(',', ':'))};\n"


def sections(page: Page, soup: BeautifulSoup) -> Iterator[tuple[str, str, str, str, str]]:
    """A row for each section that begins with a heading. Outputs, diffs and scripts are not searched."""
    id, head, words = "", page.title, [""]
    for piece in _pieces(soup):
        if isinstance(piece, str):
            words.append(piece)
        else:
            yield page.file, id, page.title, head, _text(words)
            id, head, words = str(piece.get("id", "")), _text([piece.get_text()]), [""]
    yield page.file, id, page.title, head, _text(words)


def _pieces(tag: Tag) -> Iterator[str | Tag]:
    """Text in the order of the page, and the headings between it."""
    for child in tag.children:
        if type(child) is NavigableString:
            yield str(child)
        elif isinstance(child, Tag) and child.name in HEADS:
            yield child
        elif isinstance(child, Tag) and not LEFT_OUT & set(child.get_attribute_list("class")):
            if child.name in BLOCKS:
                yield " "
            yield from _pieces(child)


def _text(words: list[str]) -> str:
    return " ".join("".join(words).split())
