"""The checkout that the pages are made from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..names import BadUse

PACKAGE = Path(__file__).parent.parent
COST = "diagrams/cost.txt"  # what searches cost, measured; its picture lies beside it


class Sources(NamedTuple):
    """`notebooks` is a folder of a checkout; exercises/, diagrams/ and README.md lie beside it, or are left out."""

    notebooks: Path

    @property
    def root(self) -> Path:
        return self.notebooks.parent

    def course(self) -> list[Path]:
        return sorted(self.notebooks.glob("*.ipynb"))

    def exercises(self) -> list[Path]:
        return sorted((self.root / "exercises").glob("*.ipynb"))

    def diagrams(self) -> list[Path]:
        """The pictures made from the model: not the measured one."""
        return sorted(path for path in (self.root / "diagrams").glob("*.svg") if path.stem != "cost")

    def cost(self) -> list[Path]:
        """The table of the benchmark and its picture, or nothing."""
        files = [self.root / COST, (self.root / COST).with_suffix(".svg")]
        return files if all(path.is_file() for path in files) else []

    def text(self, name: str) -> str:
        """A file of the checkout; empty if there is none."""
        path = self.root / name
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def find_sources(given: str | None = None) -> Sources:
    """Of the folder `given`, or of the checkout that this package was imported from. BadUse where there are no notebooks."""
    folder = Path(given).resolve() if given else PACKAGE.parent / "notebooks"
    sources = Sources(folder)
    if sources.course():
        return sources
    if given:
        raise BadUse(f"{given}: there are no notebooks (*.ipynb)")
    raise BadUse("this swapmodel is not installed from a checkout: say where its notebooks are, with --notebooks DIR")
