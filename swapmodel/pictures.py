"""The committed diagrams, for notebooks: the SVG is shown as it is, so nobody needs a renderer."""

from __future__ import annotations

import html
from pathlib import Path
from typing import NamedTuple

from .names import BadUse, look_up

FOLDER = Path(__file__).parent.parent / "diagrams"


class Diagram(NamedTuple):
    """A diagram: `svg` is a document of its own, `source` the graphviz text it was drawn from.

    A notebook shows the SVG inside the page, and not as an image: so its title can be read aloud."""

    name: str
    title: str
    description: str
    svg: str
    source: str

    def __repr__(self) -> str:
        return f"{self.title}\n\n{self.description}"

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text(repr(self))  # type: ignore[attr-defined]

    def _repr_html_(self) -> str:
        return f"<figure>{self.svg}<figcaption>{html.escape(self.description)}</figcaption></figure>"


def diagram(name: str) -> Diagram:
    """A diagram of diagrams/ by its name. UnknownName if there is none, BadUse where the folder is not beside the package."""
    known = {path.stem: path for path in sorted(FOLDER.glob("*.gv"))}
    if not known:
        raise BadUse("the diagrams are part of the checkout: install swapmodel from there with pip install -e .")
    path = look_up("diagram", name, known)
    source = path.read_text()
    title, description = (line.removeprefix("// ") for line in source.split("\n")[:2])
    return Diagram(name, title, description, path.with_suffix(".svg").read_text(), source)
