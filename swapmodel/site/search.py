"""The index of the search: the text of every section, in one script, since a page opened from disk can't fetch data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from bs4 import BeautifulSoup, NavigableString, Tag

from .page import Page

HEADS = ("h1", "h2", "h3")
BLOCKS = {*HEADS, "h4", "p", "li", "td", "th", "tr", "div", "pre", "dt", "dd", "summary", "figcaption", "br"}


def index_script(pages: Iterable[tuple[Page, BeautifulSoup]]) -> str:
    """`swapmodelIndex`, an array of [file, id, page, section, text]."""
    rows = [row for page, soup in pages for row in sections(page, soup)]
    return f"window.swapmodelIndex = {json.dumps(rows, ensure_ascii=False, separators=(',', ':'))};\n"


def sections(page: Page, soup: BeautifulSoup) -> Iterator[tuple[str, str, str, str, str]]:
    """A row for each section that begins with a heading. Outputs, diffs and scripts are not searched."""
    id, head, words = "", page.title, [""]
    for node in soup.descendants:
        if isinstance(node, Tag):
            if node.name in HEADS and not _left_out(node):
                yield page.file, id, page.title, head, _text(words)
                id, head, words = str(node.get("id", "")), node.get_text(" ", strip=True), [""]
            elif node.name in BLOCKS:
                words.append(" ")
        elif type(node) is NavigableString and node.find_parent(HEADS) is None and not _left_out(node):
            words.append(str(node))
    yield page.file, id, page.title, head, _text(words)


def _left_out(node: Tag | NavigableString) -> bool:
    return node.find_parent(class_=["output", "diff"]) is not None


def _text(words: list[str]) -> str:
    return " ".join("".join(words).split())
