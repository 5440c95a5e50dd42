"""python -m diagrams [NAME ...]: writes the source and the SVG of every diagram, or of those named, into this folder."""

from __future__ import annotations

import sys

from swapmodel.names import UnknownName, look_up
from swapmodel.versions import KERNELS

from . import FOLDER, PICTURES
from .render import find_dot, svg


def main(names: list[str]) -> int:
    """0; 2 for an unknown name, or where there is no renderer: then the sources are written and the SVGs left as they are."""
    try:
        wanted = {name: look_up("diagram", name, PICTURES) for name in names or PICTURES}
    except UnknownName as error:
        print(error, file=sys.stderr)
        return 2
    dot = find_dot()
    for name, draw in wanted.items():
        picture = draw(KERNELS["v6.8"])
        (FOLDER / f"{name}.gv").write_text(picture.source)
        if dot:
            (FOLDER / f"{name}.svg").write_text(svg(picture, dot))
        print(f"{name}: {picture.title}")
    if dot is None:
        print("no graphviz was found (pip install graphviz-pure, or set SWAPMODEL_DOT): no SVG was drawn", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
