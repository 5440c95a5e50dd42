"""What a page is."""

from __future__ import annotations

from typing import NamedTuple

from bs4 import BeautifulSoup, Tag

HOME, COURSE, EXERCISES, PICTURES, REFERENCE = "", "Course", "Exercises", "Diagrams", "Reference"


class Page(NamedTuple):
    """`file` lies in the site's own folder. `group` is the heading it has in the navigation. `source`: the file of the checkout
    that it was made from, relative to it; links to that file lead here. `body` is HTML, with one h1."""

    file: str
    title: str
    group: str
    body: str
    source: str = ""


class Entry(NamedTuple):
    """A line of a table of contents."""

    id: str
    text: str
    level: int


def parsed(body: str) -> BeautifulSoup:
    return BeautifulSoup(body, "html.parser")


def contents(soup: BeautifulSoup) -> list[Entry]:
    """The sections of a page: its h2 and h3 with an id, but those inside outputs."""
    heads = [h for h in soup.find_all(["h2", "h3"]) if h.get("id") and h.find_parent(class_="output") is None]
    return [Entry(str(h["id"]), _plain(h), int(h.name[1])) for h in heads]


def lead(soup: BeautifulSoup) -> str:
    """The first paragraph, as text, with the list that may follow it: what a reader may expect of the page."""
    first = next((p for p in soup.find_all("p") if p.find_parent(class_="output") is None), None)
    if first is None:
        return ""
    after = first.find_next_sibling()
    points = after.find_all("li") if after is not None and after.name == "ul" else []
    return " ".join(_plain(tag) for tag in (first, *points))


def _plain(tag: Tag) -> str:
    return " ".join(tag.get_text().split())
