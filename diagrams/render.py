"""Source to SVG. The renderer is any `dot`: $SWAPMODEL_DOT, graphviz-pure beside this Python, or one on the PATH.

What graphviz writes is made fit for a page: a title and a description inside, ids that no other picture has, a style sheet
for light and dark, no reference to anything outside.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import graphviz  # type: ignore[import-untyped]
from graphviz.backend import dot_command  # type: ignore[import-untyped]

from swapmodel.names import BadUse

from .dot import Picture
from .style import style_sheet


def find_dot() -> Path | None:
    """The renderer; None where there is none. BadUse if $SWAPMODEL_DOT names no file."""
    given = os.environ.get("SWAPMODEL_DOT")
    if given and not Path(given).is_file():
        raise BadUse(f"SWAPMODEL_DOT names no file: {given}")
    beside = Path(sys.executable).parent / ("graphviz-pure.exe" if os.name == "nt" else "graphviz-pure")
    for found in (given, str(beside), shutil.which("dot")):
        if found and Path(found).is_file():
            return Path(found)
    return None


def svg(picture: Picture, dot: Path) -> str:
    """The picture as an SVG document that can stand alone or in a page. BadUse if the renderer is none."""
    before, dot_command.DOT_BINARY = dot_command.DOT_BINARY, dot
    try:
        drawn = graphviz.pipe_string("dot", "svg", picture.source, encoding="utf-8", quiet=True)
    except (subprocess.CalledProcessError, OSError) as error:
        raise BadUse(f"{dot} did not draw {picture.name}: {error}") from error
    finally:
        dot_command.DOT_BINARY = before
    if "<svg" not in drawn:
        raise BadUse(f"{dot} did not draw {picture.name}: it wrote no SVG")
    return fit_for_a_page(drawn, picture)


def fit_for_a_page(drawn: str, picture: Picture) -> str:
    """What the renderer wrote, without its prologue and comments, and with what a page needs."""
    id = f"diagram-{picture.name}"
    body = re.sub(r"<!--.*?-->\n?", "", drawn[drawn.index("<svg") :], flags=re.S)
    opening, body = body[: body.index(">") + 1], body[body.index(">") + 1 :]
    box = re.search(r'viewBox="([\d.\- ]+)"', opening)
    assert box is not None
    width, height = box[1].split()[2:]
    body = re.sub(r'\bid="(\w+)"', rf'id="{id}-\1"', body)
    body = re.sub(r"<title>[^<]*</title>\n", "", body, count=1)  # the graph's own name
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{id}" role="img" aria-labelledby="{id}-title {id}-desc"'
        f' width="{float(width):.0f}" height="{float(height):.0f}" viewBox="{box[1]}">\n'
        f'<title id="{id}-title">{html.escape(picture.title)}</title>\n'
        f'<desc id="{id}-desc">{html.escape(picture.description)}</desc>\n'
        f"<style>\n{style_sheet(id)}</style>{body}"
    )
