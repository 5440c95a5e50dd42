"""The replay player's script and style are in every output that has one. On the site each is stored once."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from bs4 import BeautifulSoup, Tag

from .notebooks import file_name

FOLDER = "_static"


def share(soups: list[BeautifulSoup]) -> dict[str, str]:
    """`<script data-swapmodel="replay.js">` and `<style data-swapmodel="replay.css">` whose text occurs more than once become a
    reference, at the same place: the script finds its player by where it stands. Returns the files by name, with their text."""
    tags = [tag for soup in soups for tag in soup.select("script[data-swapmodel], style[data-swapmodel]") if _plain(tag)]
    names = [_name(tag) for tag in tags]
    often = Counter(names)
    files = {}
    for tag, name in zip(tags, names, strict=True):
        if often[name] > 1:
            files[f"{FOLDER}/{name}"] = tag.string or ""
            _refer(tag, f"{FOLDER}/{name}")
    return files


def _plain(tag: Tag) -> bool:
    """Code, not data; and not yet a reference."""
    return bool(tag.string) and not tag.get("src") and (tag.name == "style" or tag.get("type") in (None, "text/javascript"))


def _name(tag: Tag) -> str:
    """The name that the tag gives, and a hash of its text: stored outputs may hold an older player."""
    given = PurePosixPath(file_name(str(tag["data-swapmodel"])))
    return f"{given.stem}-{hashlib.sha256((tag.string or '').encode()).hexdigest()[:8]}{given.suffix}"


def _refer(tag: Tag, file: str) -> None:
    tag.string = ""
    attributes: dict[str, Any] = {"src": file} if tag.name == "script" else {"rel": "stylesheet", "href": file}
    tag.name = "script" if tag.name == "script" else "link"
    if tag.name == "link":
        tag.clear()
        tag.can_be_empty_element = True
    tag.attrs.update(attributes)
