"""The player's scripts and style, each as one text, from the files of static/."""

from __future__ import annotations

import functools
import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
MODEL = ("values", "operations", "oracles", "machine", "views", "telling", "calls", "columns", "follow")  # runs without a page
USE = ("session", "predict", "scene")  # what a reader does with it, and what words mean
PAGE = ("dom", "picture", "lanes", "question", "player")


@functools.cache
def model_script() -> str:
    """The interpreter and what a reader does with it, without a page: what the tests run beside Python."""
    return "\n".join(map(source, (*MODEL, *USE)))


@functools.cache
def page_script() -> str:
    """The whole player, for the <script> behind its element. All names stay inside; strict, so that a slip is an error."""
    first, last = '"use strict";\nconst here = document.currentScript;', "mount(here.previousElementSibling);"
    player = "\n".join(map(source, PAGE))
    return f"(function () {{\n{first}\n{model_script()}\n{player}\n{last}\n}})();\n"


@functools.cache
def widget_script() -> str:
    """The same as an ES module for anywidget."""
    return "\n".join(map(source, (*MODEL, *USE, *PAGE, "live"))) + "\nexport default { render };\n"


@functools.cache
def style() -> str:
    return dense((STATIC / "player.css").read_text(encoding="utf-8"))


@functools.cache
def source(name: str) -> str:
    """A script of static/, without its comments and indentation: every notebook that shows a player holds a copy of it."""
    return dense((STATIC / f"{name}.js").read_text(encoding="utf-8"))


def dense(text: str) -> str:
    """The lines without indentation and comments, the empty ones left out. No string of ours spans lines."""
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join(re.sub(r"\s+// .*$", "", line) for line in lines if line and not line.startswith("//"))
