"""The committed pictures, each with the title and the description that it holds."""

from __future__ import annotations

from typing import NamedTuple

from ..names import BadUse
from .layout import render
from .page import PICTURES, Page, parsed
from .sources import Sources


class Picture(NamedTuple):
    name: str
    title: str
    description: str


def diagrams_page(sources: Sources) -> Page:
    pictures = [_picture(path.name, path.read_text(encoding="utf-8")) for path in sources.diagrams()]
    return Page("diagrams.html", "Diagrams", PICTURES, render("diagrams", pictures=pictures), "diagrams/README.md")


def _picture(name: str, svg: str) -> Picture:
    """The first <title> and <desc> of an SVG. BadUse if there is no title: nobody could say what it shows."""
    soup = parsed(svg)
    title, text = soup.find("title"), soup.find("desc")
    if title is None or not title.get_text(strip=True):
        raise BadUse(f"diagrams/{name}: has no <title>")
    return Picture(name, title.get_text(" ", strip=True), text.get_text(" ", strip=True) if text else "")
