"""The index page: what the README says, and what there is to read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bs4 import BeautifulSoup

from .layout import render
from .notebooks import text_page
from .page import COURSE, EXERCISES, HOME, Page, lead, parsed
from .sources import Sources

NO_README = "# swapmodel\n\nThe Linux swap subsystem as graphs of atomic steps, and every interleaving of them.\n"


class Card(NamedTuple):
    page: Page
    lead: str


def home_page(sources: Sources, pages: Iterable[Page]) -> Page:
    """The list comes before the README's first section."""
    readme = text_page(sources.text("README.md") or NO_README, "README.md", HOME)
    every = [Card(page, lead(parsed(page.body))) for page in pages]
    soup = parsed(readme.body)
    cards = parsed(render("home", course=_of(COURSE, every), exercises=_of(EXERCISES, every), rest=_rest(every)))
    _place(soup, cards)
    return readme._replace(file="index.html", title="swapmodel", body=soup.decode(formatter="minimal"))


def _of(group: str, every: list[Card]) -> list[Card]:
    return [card for card in every if card.page.group == group]


def _rest(every: list[Card]) -> list[Card]:
    return [card for card in every if card.page.group not in (COURSE, EXERCISES)]


def _place(soup: BeautifulSoup, cards: BeautifulSoup) -> None:
    first = soup.find("h2")
    if first is not None:
        first.insert_before(cards)
    else:
        soup.append(cards)
