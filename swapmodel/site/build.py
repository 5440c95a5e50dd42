"""Which pages there are, in which order, and how they become a folder."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from ..names import BadUse
from .api import api_page
from .catalogue import fixes_page, kernels_page, questions_page, scenarios_page
from .cost import cost_page
from .diagrams import diagrams_page
from .execute import executed, read_notebook
from .folder import replaced
from .home import home_page
from .layout import framed
from .links import demand_links, lead_links, mend_fragments
from .notebooks import notebook_page, text_page
from .page import COURSE, EXERCISES, REFERENCE, Page, parsed
from .polish import polish
from .search import index_script
from .shared import FOLDER, share
from .sources import PACKAGE, Sources

STATIC = Path(__file__).parent / "static"
MODEL, GUIDE = "swapmodel/mm/README.md", "exercises/README.md"


def build(out: Path, sources: Sources, *, execute: bool = True, ended: Callable[[], None] = lambda: None) -> int:
    """Builds the site in OUT; returns the number of its pages. `ended` is called after each notebook that was run. BadUse, in
    one sentence, for whatever stops it; OUT is then as it was."""
    with replaced(out) as folder:
        write(folder, all_pages(sources, execute, ended), sources)
    return len(list(out.glob("*.html")))


def all_pages(sources: Sources, execute: bool, ended: Callable[[], None]) -> list[Page]:
    """In reading order: the index, the course, exercises, diagrams, what one looks up."""
    books = outputs([*sources.course(), *sources.exercises()], execute, ended)
    course = [notebook_page(books[path], sources.relative(path), COURSE) for path in sources.course()]
    exercises = [notebook_page(books[path], sources.relative(path), EXERCISES, "exercises-") for path in sources.exercises()]
    guide = sources.text(GUIDE)
    if exercises and guide:
        told = text_page(guide, GUIDE, EXERCISES)
        exercises.append(told._replace(file="exercises.html", title="About the exercises"))
    pictures = [diagrams_page(sources)] if sources.diagrams() else []
    costs = [cost_page(sources)] if sources.cost() else []
    pages = [*course, *exercises, *pictures, *reference(), *costs]
    return [home_page(sources, pages), *pages]


@functools.cache
def reference() -> tuple[Page, ...]:
    """What is made from the package alone."""
    model = text_page((PACKAGE / "mm" / "README.md").read_text(encoding="utf-8"), MODEL, REFERENCE)
    told = model._replace(file="model.html", title="The model")
    return scenarios_page(), kernels_page(), fixes_page(), questions_page(), api_page(), told


def outputs(paths: list[Path], execute: bool, ended: Callable[[], None]) -> dict[Path, Any]:
    return executed(paths, ended) if execute else {path: read_notebook(path) for path in paths}


def write(folder: Path, pages: list[Page], sources: Sources) -> None:
    """Every page in its frame, and all that they need."""
    demand_names(pages)
    soups = {page.file: parsed(page.body) for page in pages}
    copies = {f"files/diagrams/{path.name}": path for path in [*sources.diagrams(), *sources.cost()]}
    places = {name: page.file for page in pages for name in (page.source, page.file) if name}
    for page in pages:
        polish(soups[page.file])
        copies |= lead_links(soups[page.file], page, places, sources.root)
    ids = {file: {str(tag["id"]) for tag in soup.find_all(id=True)} for file, soup in soups.items()}
    for file, soup in soups.items():
        mend_fragments(soup, file, ids)
    write_shared(folder, pages, soups, copies)
    for page in pages:
        (folder / page.file).write_text(framed(page, soups[page.file], pages), encoding="utf-8")
    demand_links(folder)


def demand_names(pages: list[Page]) -> None:
    """BadUse for two pages of one name, as a notebook `api` would make."""
    sources: dict[str, str] = {}
    for page in pages:
        if page.file in sources:
            named = [name or "a page of our own" for name in (page.source, sources[page.file])]
            raise BadUse(f"{page.file} would be made from {named[0]} and from {named[1]}: rename the notebook")
        sources[page.file] = page.source


def write_shared(folder: Path, pages: list[Page], soups: dict[str, BeautifulSoup], copies: dict[str, Path]) -> None:
    """Styles, scripts, the index of the search, and pictures."""
    shutil.copytree(STATIC, folder / FOLDER)
    index = index_script((page, soups[page.file]) for page in pages)
    for name, text in {**share(list(soups.values())), f"{FOLDER}/search-index.js": index}.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, path in copies.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
