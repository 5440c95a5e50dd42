"""swapmodel site: the notebooks, the catalogues and the API as HTML pages that work from disk."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..names import BadUse
from ..progress import Progress


def register(commands: Any) -> None:
    site = commands.add_parser("site", help="the notebooks and catalogues as HTML pages that work from disk")
    site.set_defaults(run=build_site)
    site.add_argument("out", metavar="OUT", help="a folder: new, empty, or one that an earlier `swapmodel site` made")
    site.add_argument("--no-execute", action="store_true", help="show the notebooks' stored outputs, in place of running them")
    site.add_argument("--notebooks", metavar="DIR", help="the checkout's notebooks/, if swapmodel was not installed from there")


def build_site(given: argparse.Namespace) -> int:
    """Status 0, and where the site is; BadUse for whatever stops it."""
    demand_installed(["nbconvert"] if given.no_execute else ["nbconvert", "ipykernel"])
    from ..site import build
    from ..site.sources import find_sources

    if not given.out:
        raise BadUse("the site needs a folder: swapmodel site OUT")
    if given.notebooks == "":
        raise BadUse("the notebooks are in a folder that has a name: --notebooks DIR")
    sources = find_sources(given.notebooks)
    out = Path(given.out)
    count, ran = len(sources.course()) + len(sources.exercises()), 0
    progress = Progress("site", " notebooks", count)

    def ended() -> None:
        nonlocal ran
        ran += 1
        progress(ran)

    try:
        with tidied_when_terminated():
            pages = build(out, sources, execute=not given.no_execute, ended=ended)
    finally:
        progress.close()
    print(f"{pages} pages: open {out / 'index.html'}")
    return 0


@contextlib.contextmanager
def tidied_when_terminated() -> Iterator[None]:
    """SIGTERM ends the command as ^C does: what it has begun is taken away, and kernels end. A second one ends it at once."""

    def leave(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def demand_installed(packages: list[str]) -> None:
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise BadUse(f"swapmodel site needs {' and '.join(missing)}: pip install 'swapmodel[notebook]'")
