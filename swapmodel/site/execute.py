"""The notebooks are run, each in a kernel of its own, on every core."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..names import BadUse
from ..review.pool import Pool

TIMEOUT = 600  # seconds for one cell: far more than any takes, so that a cell without end is told and not waited for


def read_notebook(path: Path) -> Any:
    """A notebook as nbformat has it. BadUse, in one sentence, if it is none."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError, AttributeError, KeyError):
        raise BadUse(f"{path.name}: not a notebook (Jupyter's JSON, version 4)") from None


def executed(paths: list[Path], ended: Callable[[], None]) -> dict[Path, Any]:
    """Every notebook with the outputs of a fresh run; `ended` is called after each. BadUse for the first that fails."""
    import nbformat

    done: dict[Path, Any] = {}

    def told(path: Path, outcome: Any) -> None:
        if isinstance(outcome, BaseException):
            raise outcome if isinstance(outcome, BadUse) else BadUse(f"{path.name}: {outcome}")
        done[path] = nbformat.from_dict(json.loads(outcome))
        ended()

    pool = Pool(told, workers=max(2, os.cpu_count() or 2))
    for path in sorted(paths, key=lambda p: -p.stat().st_size):  # the long ones first
        pool.submit(path, run_notebook, str(path))
    try:
        pool.run()
    finally:
        pool.close()
    return done


def run_notebook(path: str) -> str:
    """One notebook, run in its own folder by the Python that this is, as JSON. BadUse tells which cell failed, and how."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError
    from traitlets.config import Config

    book = without_outputs(read_notebook(Path(path)))
    config = Config()
    config.NotebookClient.store_widget_state = False
    config.NotebookClient.extra_arguments = ["--log-level=ERROR"]  # no remarks on transports between the progress bars
    where = {"metadata": {"path": str(Path(path).parent)}}
    client = NotebookClient(book, timeout=TIMEOUT, kernel_name="python3", resources=where, config=config)
    try:
        client.execute()
    except CellExecutionError as error:
        raise BadUse(f"{Path(path).name}: {failed_cell(book)} failed: {error.ename}: {_first_line(error.evalue)}") from None
    except DeadKernelError:
        raise BadUse(f"{Path(path).name}: the kernel died (killed, or out of memory?) after {last_cell(book)}") from None
    except (CellControlSignal, TimeoutError):
        raise BadUse(f"{Path(path).name}: {last_cell(book)} took more than {TIMEOUT} seconds") from None
    return json.dumps(book)


def without_outputs(book: Any) -> Any:
    """Whatever is in the cells after the run comes from it."""
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return book


def failed_cell(book: Any) -> str:
    """The last cell that ends in an error: with it the run stopped."""
    failed = [c for c in book.cells if any(o.output_type == "error" for o in c.get("outputs", []))]
    return cell_named(book, failed[-1]) if failed else "a cell"


def last_cell(book: Any) -> str:
    """The last cell that was begun."""
    begun = [c for c in book.cells if c.cell_type == "code" and c.get("execution_count")]
    return cell_named(book, begun[-1]) if begun else "its start"


def cell_named(book: Any, cell: Any) -> str:
    code = [c for c in book.cells if c.cell_type == "code"]
    return f"code cell {code.index(cell) + 1} ({_first_line(cell.source)})"


def _first_line(text: str) -> str:
    line = (text.strip() or "empty").split("\n")[0]
    return line if len(line) <= 100 else line[:97] + "..."
