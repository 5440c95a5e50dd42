"""python -m diagrams [NAME ...]: writes the source and the SVG of every diagram, or of those named, into this folder."""

from __future__ import annotations

import sys

from swapmodel.names import BadUse, UnknownName, look_up
from swapmodel.versions import KERNELS

from . import FOLDER, PICTURES
from .render import find_dot, svg


def main(names: list[str]) -> int:
    """0; 2 for an unknown name, or where nothing draws: then the sources are written and the SVGs left as they are."""
    try:
        rebuild(names)
    except (UnknownName, BadUse) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def rebuild(names: list[str]) -> None:
    wanted = {name: look_up("diagram", name, PICTURES) for name in names or PICTURES}
    dot = find_dot()
    for name, draw in wanted.items():
        picture = draw(KERNELS["v6.8"])
        (FOLDER / f"{name}.gv").write_text(picture.source)
        if dot:
            (FOLDER / f"{name}.svg").write_text(svg(picture, dot))
        print(f"{name}: {picture.title}")
    if dot is None:
        raise BadUse("no graphviz was found (pip install graphviz-pure, or set SWAPMODEL_DOT): no SVG was drawn")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
