"""Links between files of the checkout lead to the pages made from them. None is dead, and nothing is loaded from elsewhere."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from ..names import BadUse
from .page import Page, parsed
from .polish import slug

COPIED = {".svg", ".png", ".jpg", ".jpeg", ".gif", ".webp"}  # files that a page may show or lead to, besides pages
FOLDER = "files"
LOADS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
ELSEWHERE = re.compile(r"""url\(\s*['"]?(?:https?:)?//|@import""", re.I)


def lead_links(soup: BeautifulSoup, page: Page, pages: Mapping[str, str], root: Path) -> dict[str, Path]:
    """Rewrites the links of a page that was made from a file; `pages` has the names of all, by source and by name. Returns the
    files that must be copied, by their place on the site. BadUse for a link to what there is not."""
    copies = {}
    for tag in soup.select("a[href], img[src]"):
        name = "href" if tag.name == "a" else "src"
        given = str(tag[name])
        parts = urlsplit(given)
        made = pages.get(parts.path) == parts.path or parts.path.startswith(f"{FOLDER}/")  # by a template: leads there already
        if not page.source or parts.scheme or parts.netloc or not parts.path or made:
            continue
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page.source), unquote(parts.path)))
        if path in pages:
            tag[name] = pages[path] + (f"#{parts.fragment}" if parts.fragment else "")
        elif path.startswith("..") or not (root / path).exists():
            raise BadUse(f"{page.source}: leads to {given}, which there is not{_remedy(path)}")
        elif Path(path).suffix in COPIED:
            copies[f"{FOLDER}/{path}"] = root / path
            tag[name] = quote(f"{FOLDER}/{path}")
        else:
            _tell_path(tag, path)
    return copies


def _remedy(path: str) -> str:
    return " (`python -m diagrams` makes the pictures)" if path.startswith("diagrams/") else ""


def _tell_path(tag: Tag, path: str) -> None:
    """A file of the checkout that the site does not have is named, not linked."""
    tag.name = "span"
    tag.attrs = {"class": "path", "title": path}


def mend_fragments(soup: BeautifulSoup, file: str, ids: Mapping[str, set[str]]) -> None:
    """`#A-heading`, as Jupyter writes it, becomes the id that the heading has here."""
    for tag in soup.select("a[href*='#']"):
        target, _, fragment = str(tag["href"]).partition("#")
        known = ids.get(unquote(target) or file)
        if known is not None and fragment not in known and slug(unquote(fragment)) in known:
            tag["href"] = f"{target}#{slug(unquote(fragment))}"


def demand_links(folder: Path) -> None:
    """BadUse for the first link of a finished site that is dead, and for the first thing that is loaded from elsewhere."""
    soups = {path.name: parsed(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.html"))}
    ids = {name: {str(tag["id"]) for tag in soup.find_all(id=True)} for name, soup in soups.items()}
    for name, soup in soups.items():
        for tag, given in _loaded(soup):
            raise BadUse(f"{name}: a <{tag}> loads {given}; a page that works from disk has it beside itself")
        for given in _links(soup):
            target, _, fragment = given.partition("#")
            if target and not (folder / unquote(target)).is_file():
                raise BadUse(f"{name}: leads to {given}, which there is not")
            if fragment and unquote(target or name) in ids and unquote(fragment) not in ids[unquote(target or name)]:
                raise BadUse(f"{name}: leads to {given}, and there is no such section")


def _loaded(soup: BeautifulSoup) -> Iterator[tuple[str, str]]:
    """What comes from another host when the page is opened."""
    for tag in soup.find_all(True):
        given = str(tag.get(LOADS.get(tag.name, ""), ""))
        parts = urlsplit(given)
        if parts.netloc or parts.scheme not in ("", "data"):
            yield tag.name, given
        text = tag.string if tag.name == "style" else tag.get("style")
        if text and ELSEWHERE.search(str(text)):
            yield tag.name, "a style from another host"


def _links(soup: BeautifulSoup) -> Iterator[str]:
    """Links and loads inside the site."""
    for tag in soup.find_all(["a", *LOADS]):
        given = str(tag.get(LOADS.get(tag.name, "href"), ""))
        parts = urlsplit(given)
        if given and not parts.scheme and not parts.netloc:
            yield given
