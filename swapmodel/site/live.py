"""What needs a running kernel is left out of a static page."""

from __future__ import annotations

from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"
JAVASCRIPT = "application/javascript"  # runs in the page of a notebook, which this is not
STATIC = ("text/html", "image/svg+xml", "image/png", "image/jpeg", "text/markdown", "text/latex")
NOTE = '<p class="live">Controls stand here when the notebook runs.</p>'


def static_outputs(book: Any) -> None:
    """A widget that has a static form is shown as that; one that has none as a note; a progress bar not at all. What tqdm and
    others wrote to stderr is of the moment, and goes too."""
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = [_static(output) for output in cell.outputs if _shown(output)]


def _shown(output: Any) -> bool:
    if output.output_type == "stream":
        return bool(output.name != "stderr")
    kinds = set(output.get("data", {}))
    return not kinds or not kinds <= {VIEW, JAVASCRIPT}


def _static(output: Any) -> Any:
    data = output.get("data", {})
    if VIEW in data and not any(kind in data for kind in STATIC):
        output.data = {"text/html": NOTE}
    data.pop(JAVASCRIPT, None)
    return output
