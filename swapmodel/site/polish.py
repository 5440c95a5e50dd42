"""A body is made fit for everybody: headings in order, ids that are unique, wide boxes that a keyboard can scroll."""

from __future__ import annotations

import re

from bs4 import BeautifulSoup, Tag

FORBIDDEN = ("script", "style", "iframe", "object", "embed", "form", "link", "meta", "base")  # in prose
REFERS = ("for", "aria-labelledby", "aria-describedby", "aria-controls")  # attributes that name ids


def polish(soup: BeautifulSoup) -> None:
    disarm_prose(soup)
    order_headings(soup)
    name_headings(soup)
    part_ids(soup)
    box_wide(soup)


def disarm_prose(soup: BeautifulSoup) -> None:
    """Markdown may hold HTML; what would run or load something is taken out. Outputs are left as the cells made them."""
    for tag in soup.select(".prose *"):
        if tag.name in FORBIDDEN:
            tag.decompose()
        elif not tag.decomposed:
            for name in [n for n in tag.attrs if n.startswith("on") or "javascript:" in str(tag[n]).lower()]:
                del tag[name]


def order_headings(soup: BeautifulSoup) -> None:
    """One h1, and no level skipped: so a screen reader's list of headings is a table of contents."""
    level = 0
    for head in soup.find_all(re.compile(r"^h[1-6]$")):
        if head.find_parent(class_="output") is None:
            level = min(max(int(head.name[1]), 2 if level else 1), level + 1)
            head.name = f"h{level}"


def name_headings(soup: BeautifulSoup) -> None:
    for head in soup.find_all(["h2", "h3", "h4"]):
        if not head.get("id") and head.find_parent(class_="output") is None:
            head["id"] = slug(head.get_text())


def slug(text: str) -> str:
    """The id of a heading, as GitHub makes it; Jupyter's `#A-heading` becomes the same."""
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") or "section"


def part_ids(soup: BeautifulSoup) -> None:
    """The second of two equal ids gets a number. In an output, what refers to it there follows (pictures repeat their ids)."""
    taken: set[str] = set()
    for part in [*soup.select(".output"), soup]:
        renamed = {}
        for tag in part.find_all(id=True):
            if part is soup and tag.find_parent(class_="output") is not None:
                continue
            old = str(tag["id"])
            tag["id"] = renamed[old] = _free(old, taken)
            taken.add(renamed[old])
        _follow(part, {old: new for old, new in renamed.items() if old != new})


def _free(name: str, taken: set[str]) -> str:
    number, free = 2, name
    while free in taken:
        number, free = number + 1, f"{name}-{number}"
    return free


def _follow(part: Tag, renamed: dict[str, str]) -> None:
    if not renamed:
        return
    for tag in part.find_all(True):
        for name, value in tag.attrs.items():
            text = str(value)
            if name in REFERS:
                tag[name] = " ".join(renamed.get(one, one) for one in text.split())
            elif text.startswith("#") and text[1:] in renamed:
                tag[name] = "#" + renamed[text[1:]]
            elif "url(#" in text:
                tag[name] = re.sub(r"url\(#([^)]*)\)", lambda m: f"url(#{renamed.get(m[1], m[1])})", text)


def box_wide(soup: BeautifulSoup) -> None:
    """What may be wider than a small screen scrolls in a box of its own, which can have the focus. (site.js takes it from boxes
    that need not scroll.)"""
    for tag in soup.select("table, pre"):
        if tag.find_parent(class_="scroll") is None and tag.find_parent(class_="output") is None:
            caption = tag.find("caption") if tag.name == "table" else None
            label = caption.get_text(" ", strip=True) if caption else "Table" if tag.name == "table" else "Code"
            kind = "scroll" if tag.name == "table" else "scroll panel"
            tag.wrap(soup.new_tag("div", attrs={"class": kind, "role": "group", "aria-label": label}))
    for tag in soup.select('.scroll, .scroll [style*="overflow"]'):
        tag["tabindex"] = "0"
    for tag in soup.find_all("th"):
        if not tag.get_text(strip=True):
            tag.name = "td"  # the empty corner of a table is the head of nothing
