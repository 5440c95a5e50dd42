"""A picture as graphviz source: nodes and edges with a class each, which the style sheet of style.py colours.

Colours are also written into the source, as six digits, for a renderer or a reader without style sheets. Every text that comes
from a model is escaped here and nowhere else.
"""

from __future__ import annotations

import html
import itertools
import textwrap
from typing import NamedTuple

import graphviz  # type: ignore[import-untyped]

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
    """`source` begins with two comments: the title and the description, which the SVG has inside. `nodes` and `edges` are
    the titles of what is drawn there."""

    name: str
    source: str
    nodes: tuple[str, ...]
    edges: tuple[str, ...]

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
        self.nodes, self.edges = list[str](), list[str]()
        settings = {"bgcolor": PAPER, "fontname": "Helvetica", "fontsize": str(SIZE), "fontcolor": INK, "pad": "0.15"}
        font = {"fontname": "Helvetica", "fontsize": str(SIZE), "fontcolor": INK}
        self.dot = graphviz.Digraph(
            name,
            graph_attr={**settings, **attributes},
            node_attr={**font, "shape": "box", "style": "filled,rounded", "margin": "0.09,0.05", "height": "0.3"},
            edge_attr={**font, "fontsize": str(SMALL), "arrowsize": "0.7"},
        )

    def node(self, name: str, text: str = "", small: str = "", kind: str = "plain", head: str = "", **attributes: str) -> None:
        """`head` in bold, `text` in the size of the picture, `small` below it in a smaller one; a line break is one in the
        picture too."""
        line, fill = KINDS[kind]
        colours = {"class": kind, "color": line, "fillcolor": fill}
        self.nodes.append(name)
        self.dot.node(quote(name), label(text or ("" if head else name), small, head=head), **{**colours, **attributes})

    def edge(self, tail: str, head: str, text: str = "", kind: str = "plain", **attributes: str) -> None:
        colours = {"class": kind, "color": KINDS[kind][0]}
        if text:
            colours["label"] = label("", "\n".join(f" {line} " for line in text.split("\n")), align="left")  # off the line
        self.edges.append(f"{tail}->{head}")
        self.dot.edge(quote(tail), quote(head), **{**colours, **attributes})

    def order(self, *names: str, **attributes: str) -> None:
        """These stand one behind the other; no line is drawn."""
        for tail, head in itertools.pairwise(names):
            self.dot.edge(quote(tail), quote(head), style="invis", **attributes)

    def same_rank(self, *names: str) -> None:
        with self.dot.subgraph() as level:
            level.attr(rank="same")
            for name in names:
                level.node(quote(name))

    def picture(self) -> Picture:
        source = f"// {self.title}\n// {self.description}\n{self.dot.source}"
        return Picture(self.name, source, tuple(self.nodes), tuple(self.edges))


def quote(name: str) -> str:
    """A node's name that graphviz takes as it is. ValueError for one with a colon, which would begin a port, or a backslash."""
    if ":" in name or "\\" in name:
        raise ValueError(f"a node's name has neither colon nor backslash: {name!r}")
    return name


def label(text: str, small: str = "", align: str = "center", head: str = "") -> str:
    """An HTML-like label, escaped: one row of a table for each size of letters, or graphviz sets the lines too close."""
    rows = [f"<b>{lines(head, align)}</b>" if head else "", lines(text, align), quiet(small, align) if small else ""]
    cells = "".join(f"<tr><td>{row}</td></tr>" for row in rows if row)
    return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="0">{cells}</table>>'


def quiet(text: str, align: str) -> str:
    return f'<font point-size="{SMALL}" color="{QUIET}">{lines(text, align)}</font>'


def lines(text: str, align: str) -> str:
    """Every line ends with a break of its own."""
    return "".join(f'{html.escape(line) or " "}<br align="{align}"/>' for line in text.split("\n") if text)


def wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width))
