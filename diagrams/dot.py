"""A picture as graphviz source: nodes and edges with a class each, which the style sheet of style.py colours.

Colours are also written into the source, as six digits, for a renderer or a reader without style sheets. Every text that comes
from a model is escaped here and nowhere else.
"""

from __future__ import annotations

import html
import textwrap
from typing import NamedTuple

import graphviz

INK, QUIET, PAPER = "#1a1a1a", "#56606b", "#ffffff"
KINDS = {  # class -> (line, fill): Okabe-Ito, the fills much lighter
    "plain": (QUIET, "#f4f5f7"),
    "blue": ("#0072b2", "#e3f0f9"),
    "sky": ("#2c8fcf", "#e8f5fd"),
    "green": ("#009e73", "#e0f5ee"),
    "orange": ("#b87d00", "#fdf1d9"),
    "red": ("#d55e00", "#fce9dc"),
    "purple": ("#a8568b", "#f8e8f2"),
}
SIZE, SMALL = 13, 12  # of text, in units of the picture: one is a pixel, unless the page is narrower than the picture


class Picture(NamedTuple):
    """`source` begins with two comments: the title and the description, which the SVG has inside."""

    name: str
    source: str

    @property
    def title(self) -> str:
        return self.source.split("\n")[0].removeprefix("// ")

    @property
    def description(self) -> str:
        return self.source.split("\n")[1].removeprefix("// ")


class Graph:
    """A graph that is being drawn. `name` is that of its files and the prefix of every id in the SVG."""

    def __init__(self, name: str, title: str, description: str, **attributes: str):
        self.name, self.title, self.description = name, title, " ".join(description.split())
        settings = {"bgcolor": PAPER, "fontname": "Helvetica", "fontsize": str(SIZE), "fontcolor": INK, "pad": "0.15"}
        font = {"fontname": "Helvetica", "fontsize": str(SIZE), "fontcolor": INK}
        self.dot = graphviz.Digraph(
            name,
            graph_attr={**settings, **attributes},
            node_attr={**font, "shape": "box", "style": "filled,rounded", "margin": "0.09,0.05", "height": "0.3"},
            edge_attr={**font, "fontsize": str(SMALL), "arrowsize": "0.7"},
        )

    def node(self, name: str, text: str = "", small: str = "", kind: str = "plain", **attributes: str) -> None:
        """`text` in the size of the picture, `small` below it in a smaller one; a line break is one in the picture too."""
        line, fill = KINDS[kind]
        colours = {"class": kind, "color": line, "fillcolor": fill}
        self.dot.node(quote(name), label(text or name, small), **{**colours, **attributes})

    def edge(self, tail: str, head: str, text: str = "", kind: str = "plain", **attributes: str) -> None:
        colours = {"class": kind, "color": KINDS[kind][0]}
        if text:
            colours["label"] = label("", "\n".join(f" {line} " for line in text.split("\n")), align="LEFT")  # off the line
        self.dot.edge(quote(tail), quote(head), **{**colours, **attributes})

    def order(self, *names: str, **attributes: str) -> None:
        """These stand one behind the other; no line is drawn."""
        for tail, head in zip(names, names[1:], strict=False):
            self.dot.edge(quote(tail), quote(head), style="invis", **attributes)

    def same_rank(self, *names: str) -> None:
        with self.dot.subgraph() as level:
            level.attr(rank="same")
            for name in names:
                level.node(quote(name))

    def picture(self) -> Picture:
        return Picture(self.name, f"// {self.title}\n// {self.description}\n{self.dot.source}")


def quote(name: str) -> str:
    """A node's name that graphviz takes as it is: a colon would begin a port."""
    return graphviz.quoting.escape(name.replace(":", "."))


def label(text: str, small: str = "", align: str = "CENTER") -> str:
    """An HTML-like label, escaped. Lines are cells' lines, each closed by its own break."""
    lines = [f"{html.escape(line) or ' '}{_break(align)}" for line in text.split("\n") if text]
    rest = [f"{html.escape(line) or ' '}{_break(align)}" for line in small.split("\n") if small]
    quiet = f'<font point-size="{SMALL}" color="{QUIET}">{"".join(rest)}</font>' if rest else ""
    return f"<{''.join(lines)}{quiet}>"


def _break(align: str) -> str:
    return f'<br align="{align.lower()}"/>'


def wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width))
