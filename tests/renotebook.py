"""python -m tests.renotebook [NAME...]: runs notebooks (05, or 05-the-race; all, if none is named) and stores what they show.

What is stored is what nbval compares and what pages show. So there are no views of widgets, as no kernel is behind them: the
player of the same output's text/html is shown instead. No times, and cells are called by their number."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parent.parent / "notebooks"
VIEW = "application/vnd.jupyter.widget-view+json"


def main(names: list[str]) -> None:
    books = sorted(FOLDER.glob("*.ipynb"))
    unknown = [name for name in names if not any(book.stem.startswith(name) for book in books)]
    if unknown:
        sys.exit(f"no notebook begins with {', '.join(unknown)}: there are {', '.join(book.stem for book in books)}")
    for book in books:
        if not names or any(book.stem.startswith(name) for name in names):
            print(book.name, flush=True)
            renew(book)


def renew(path: Path) -> None:
    """Runs the notebook, in its folder, and writes it back. CellExecutionError where a cell fails."""
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, resources={"metadata": {"path": str(FOLDER)}}, store_widget_state=False).execute()
    for number, cell in enumerate(book.cells):
        cell.id, cell.metadata = f"cell-{number:02}", NotebookNode()
        if cell.cell_type == "code":
            cell.outputs = stored(cell.outputs)
    book.metadata.pop("widgets", None)
    nbformat.write(book, path)


def stored(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs without views of widgets; what one stream printed in several pieces is one output."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if VIEW in output.get("data", {}):
            del output.data[VIEW]
            if not output.data:
                continue
        if kept and output.output_type == "stream" == kept[-1].output_type and output.name == kept[-1].name:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


if __name__ == "__main__":
    main([re.sub(r"\.ipynb$", "", Path(name).name) for name in sys.argv[1:]])
