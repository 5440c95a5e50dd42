"""The player's script and style as one text each, from the files of static/."""

from __future__ import annotations

import functools
import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
MODEL = ("values", "operations", "oracles", "machine", "views", "telling", "calls", "columns", "follow")  # runs without a page


@functools.cache
def model_script() -> str:
    """The interpreter of a document alone: what the tests run beside Python."""
    return "\n".join(source(name) for name in MODEL)


@functools.cache
def source(name: str) -> str:
    """A script of static/, without its comments and indentation: every notebook that shows a player holds a copy of it."""
    return dense((STATIC / f"{name}.js").read_text(encoding="utf-8"))


def dense(text: str) -> str:
    """The lines without indentation and comments, the empty ones left out. No string of ours spans lines."""
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join(re.sub(r"\s+// .*$", "", line) for line in lines if line and not line.startswith("//"))
