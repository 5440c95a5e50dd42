"""One notebook becomes the body of a page: nbconvert with the template in notebook/, made from its `basic` one."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from .live import static_outputs
from .page import Page, parsed

TEMPLATES = Path(__file__).parent / "notebook"
PRIORITY = ["text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/latex", "text/plain"]


def notebook_page(book: Any, source: str, group: str, prefix: str = "") -> Page:
    """`source` is its path in the checkout, `prefix` begins the name of the page's file."""
    static_outputs(book)
    body = _exporter().from_notebook_node(book)[0]
    stem = Path(source).stem
    head = parsed(body).find("h1")
    title = head.get_text(" ", strip=True) if head else ""
    if not title:
        body = f'<div class="prose"><h1>{html.escape(stem)}</h1></div>\n{body}'
    return Page(f"{prefix}{file_name(stem)}.html", title or stem, group, body, source)


def file_name(stem: str) -> str:
    """A name that needs no quoting in a URL, on any file system."""
    return re.sub(r"[^\w.-]+", "-", stem, flags=re.A).strip("-.") or "notebook"


def _exporter() -> Any:
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    config = Config()
    config.NbConvertBase.display_data_priority = PRIORITY
    return HTMLExporter(
        config=config,
        template_name="swapmodel",
        extra_template_basedirs=[str(TEMPLATES)],
        exclude_anchor_links=True,
        filters={"svg_title": svg_title},
    )


def svg_title(svg: str) -> str:
    """What an SVG says of itself, for those who don't see it."""
    soup = parsed(svg)
    told = [tag.get_text(" ", strip=True) for name in ("title", "desc") if (tag := soup.find(name))]
    return ". ".join(text.rstrip(".") for text in told if text) or "Picture made by the cell above"


def text_page(text: str, source: str, group: str) -> Page:
    """A file of Markdown: it is a notebook of one cell."""
    from nbformat.v4 import new_markdown_cell, new_notebook

    return notebook_page(new_notebook(cells=[new_markdown_cell(text)]), source, group)
