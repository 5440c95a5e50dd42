"""What a reader waits for: the import, the main command, a page with a player, the notebooks, the site; rows of bench.py.

`python -m tests.everyday notebooks` runs every notebook and writes nothing. The browser's times are from the navigation to the
first paint with something in it, and to the frame in which the player is in the document; its CPU seconds are not measured.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

from tests.checkers import Run, median, medians, timed

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
COMMANDS = {  # the last is README's first command, once it is installed
    "python -c pass": ["-c", "pass"],
    "python -c 'import swapmodel'": ["-c", "import swapmodel"],
    "python -m swapmodel": ["-m", "swapmodel"],
}
REPLAY = ["-m", "swapmodel", "replay", "shmem-truncate", "--html"]
PAINTED = """performance.getEntriesByName("first-contentful-paint").map((entry) => entry.startTime)[0]"""
DRAWN = """() => { const look = () => document.querySelector(".smr input[type=range]")
  ? requestAnimationFrame(() => { window.drawn = performance.now(); }) : requestAnimationFrame(look); look(); }"""


def everyday(runs, long_runs):
    """(name, medians) of each row, as they are measured; and (None, a note) for what is left out."""
    for name, arguments in COMMANDS.items():
        yield name, repeated(arguments, runs)
    with tempfile.TemporaryDirectory() as folder:
        page, site = Path(folder, "race.html"), Path(folder, "site")
        yield "swapmodel replay --html", repeated([*REPLAY, page], runs)
        yield from paints(page, runs)
        if not long_runs:
            yield None, "the notebooks and the site are left out: --long-runs 0"
        elif missing := [name for name in ("nbclient", "nbconvert", "ipykernel") if importlib.util.find_spec(name) is None]:
            yield None, f"the notebooks and the site are left out: pip install {' '.join(missing)}"
        else:
            told = f"{long_runs} run" + "s" * (long_runs > 1)
            yield f"all notebooks, {told}", repeated(["-m", "tests.everyday", "notebooks"], long_runs, warm=False)
            yield f"swapmodel site, {told}", repeated(["-m", "swapmodel", "site", site], long_runs, warm=False)


def repeated(arguments, runs, warm=True):
    """RuntimeError for a command that failed: its time would be nobody's."""
    every = [timed([[sys.executable, *arguments]]) for _ in range(runs + warm)]
    failed = next((run for run in every if run.status), None)
    if failed:
        raise RuntimeError(f"python {' '.join(map(str, arguments))} failed: {failed.output[-2000:]}")
    return medians(every[warm:])


# ---- a browser -------------------------------------------------------------------------------------------------------


def paints(page, runs):
    """How long a browser that runs takes to show a page of `swapmodel replay`."""
    where = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if importlib.util.find_spec("playwright") is None or where is None:
        yield None, "the first paint is left out: pip install playwright, apt install chromium"
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=where, args=["--no-sandbox"])
        figures = [opened(browser, page) for _ in range(runs + 1)][1:]
        browser.close()
    for name, column in zip(
        ("its first contentful paint", "its player in the document"), zip(*figures, strict=True), strict=True
    ):
        yield name, Run(None, median(column), None, "")


def opened(browser, page):
    """Seconds to the first paint, and to the player, in a context without a cache."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    tab = context.new_page()
    tab.add_init_script(f"({DRAWN})()")
    tab.goto(page.as_uri())
    tab.wait_for_function(f"window.drawn !== undefined && {PAINTED} !== undefined")
    painted, drawn = tab.evaluate(PAINTED), tab.evaluate("window.drawn")
    context.close()
    return painted / 1000, drawn / 1000


# ---- the notebooks ---------------------------------------------------------------------------------------------------


def run_notebooks():
    """Runs every notebook of the course in its folder and keeps nothing. CellExecutionError where a cell fails."""
    import nbformat
    from nbclient import NotebookClient

    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        NotebookClient(nbformat.read(path, as_version=4), resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
        print(path.name, flush=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["notebooks"]:
        sys.exit("usage: python -m tests.everyday notebooks")
    run_notebooks()
