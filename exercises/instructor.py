"""Notebooks for an instructor: each stub with its solution between nbgrader's markers, each check as a graded cell.

python -m exercises nbgrader DIR"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CHECK = re.compile(r'check\("(?P<id>ex\d\d[a-z])", (?P<answer>.+), seed\)\Z', re.DOTALL)
SOLUTION = """

### BEGIN SOLUTION
from exercises.solutions import solve
{answer} = solve("{id}", seed)
### END SOLUTION"""
GRADED = """\
result = check("{id}", {answer}, seed)
display(result)
assert result, result.reason"""


def notebooks() -> list[Path]:
    return sorted(HERE.glob("ex[0-9][0-9].ipynb"))


def write_all(folder: Path) -> list[Path]:
    """Writes the instructor's notebooks into `folder`, which is made; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for path in notebooks():
        book = json.loads(path.read_text(encoding="utf-8"))
        book["cells"] = graded(book["cells"])
        target = folder / path.name
        target.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(target)
    return written


def graded(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells with nbgrader's metadata: a check is graded, the cell before it holds the answer. Without outputs."""
    made: list[dict[str, Any]] = []
    for cell in cells:
        source = "".join(cell["source"])
        found = CHECK.match(source) if cell["cell_type"] == "code" else None
        if cell["cell_type"] == "code":
            cell = {**cell, "outputs": [], "execution_count": None}
        if found:
            made[-1] = _cell(made[-1], "".join(made[-1]["source"]) + SOLUTION.format(**found.groupdict()), found["id"], False)
            cell = _cell(cell, GRADED.format(**found.groupdict()), found["id"], True)
        made.append(cell)
    return made


def _cell(cell: dict[str, Any], source: str, id: str, grade: bool) -> dict[str, Any]:
    """A cell of nbgrader's metadata schema 3."""
    told = {
        "grade": grade,
        "grade_id": id if grade else f"{id}-answer",
        "locked": grade,
        "schema_version": 3,
        "solution": not grade,
        "task": False,
        **({"points": 1} if grade else {}),
    }
    return {**cell, "source": source.splitlines(keepends=True), "metadata": {"nbgrader": told}}
