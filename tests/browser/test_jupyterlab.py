"""The live player in JupyterLab and in Notebook 7, with a kernel: the same player, and keys do not reach the notebook."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from .conftest import Watched, violations

CELL = 'from swapmodel import Replay, check\nreplay = Replay(check("shmem-truncate", "v6.8"), (), ())\nreplay'


def notebook(*cells):
    head = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    made = [{**head, "id": f"c{i}", "source": text} for i, text in enumerate(cells)]
    return json.dumps({"cells": made, "metadata": spec, "nbformat": 4, "nbformat_minor": 5})


PAGES = {"jupyterlab": "lab/tree/replay.ipynb?reset", "notebook": "notebooks/replay.ipynb"}


@pytest.fixture(scope="module", params=PAGES)
def lab(request, tmp_path_factory):
    """A Jupyter on this machine alone, without a token, in a folder of its own: where it is, and the page of the notebook."""
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp("lab")
    (folder / "replay.ipynb").write_text(notebook(CELL, "print(replay.step, replay.schedule[:3], replay.explain())", "1 + 1"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = {
        name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    options = [
        f"--ServerApp.port={port}",
        "--IdentityProvider.token=",
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
    ]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None"]
    command = [sys.executable, "-m", request.param, f"--ServerApp.root_dir={folder}", *options]
    where = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env={**os.environ, **home, "PYTHONPATH": where}, **quiet)
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_for(address + "api")
        yield address, address + PAGES[request.param]
    finally:
        server.terminate()
        server.wait(20)


def wait_for(address):
    for _ in range(300):
        try:
            with urllib.request.urlopen(address):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail("Jupyter did not start")


@pytest.fixture(scope="module")
def shown(chromium, lab):
    """The notebook, its first cell run, the player below it."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    address, notebook_page = lab
    watched = Watched(context, (address, address.replace("http", "ws"), "data:", "blob:"))
    page = watched.page
    page.set_default_timeout(90_000)
    page.goto(notebook_page)
    run_cell(page, 0)
    page.locator(".smr").wait_for()
    yield watched
    context.close()


def run_cell(page, number):
    """Jupyter forgets a cell that is run before its kernel has started: it is run again until it is counted."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    for _ in range(30):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1000)
        if "[ ]" not in cell.locator(".jp-InputPrompt").first.inner_text():
            return
    pytest.fail(f"cell {number} was never run")


def place(page):
    return int(page.locator(".smr-now").inner_text().split()[1])


def test_the_widget_is_shown_and_not_the_copy_for_pages(shown):
    assert shown.page.locator(".smr").count() == 1
    assert shown.page.locator(".jp-OutputArea .swapmodel-replay").count() == 0


def test_keys_step_and_do_not_leak_to_the_notebook(shown):
    page, cells = shown.page, shown.page.locator(".jp-Notebook .jp-Cell")
    before = cells.count()
    page.locator(".smr").focus()
    for key in ("d", "d", "b", "a", "x", "Escape", "Shift+Enter", "d", "d", "ArrowRight", "ArrowRight", "Home", "PageDown"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert place(page) == 16 and cells.count() == before


@pytest.mark.parametrize("control", ["button", "select", "input[type=range]", "input[type=checkbox]", "summary"])
def test_no_control_lets_keys_through(shown, control):
    page, cells = shown.page, shown.page.locator(".jp-Notebook .jp-Cell")
    before = cells.count()
    page.locator(f".smr {control}").first.focus()
    for key in ("d", "d", "b", "a", "x", "Shift+Enter"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert cells.count() == before


def test_a_choice_is_seen_in_python(shown):
    page = shown.page
    page.locator(".smr").focus()
    for key in ("Home", "1", "1", "0"):
        page.keyboard.press(key)
    assert place(page) == 3
    page.wait_for_timeout(500)
    run_cell(page, 1)
    output = page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".jp-OutputArea-output pre")
    output.wait_for()
    assert output.inner_text().strip() == "3 [1, 1, 0] nobody waits"


def test_another_kernel_comes_from_the_notebooks_kernel(shown, screenshot):
    page = shown.page
    page.locator(".smr").focus()
    page.keyboard.press("r")
    page.keyboard.press("v")
    page.get_by_label("Kernel and fix").focus()
    page.get_by_label("Kernel and fix").select_option(label="v6.9 …")
    page.wait_for_function("() => [...document.querySelectorAll('.smr select option')].some((o) => o.textContent === 'v6.9')")
    note = page.locator(".smr-note.smr-box")
    note.wait_for()
    assert "wait_for_completion" in note.inner_text()
    screenshot(page, "jupyterlab")
    within = "document.querySelector('.smr').contains(document.activeElement)"
    assert page.evaluate(within), "the focus does not fall back to the notebook, where d d deletes a cell"


def test_the_schedule_can_be_copied(shown):
    page = shown.page
    page.get_by_text("Send on, load").click()
    page.get_by_role("button", name="Copy commit message").click()
    page.locator("textarea.smr-copied").wait_for()
    assert page.locator("textarea.smr-copied").input_value().startswith("CPU0 (truncate)")


def test_the_player_is_clean_in_light_and_dark(shown):
    page = shown.page
    found = [v for v in violations(page) if 'class="smr' in v]
    assert found == []
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    assert page.evaluate("getComputedStyle(document.querySelector('.smr')).colorScheme") == "dark"
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")


def test_nothing_is_asked_of_others(shown):
    assert shown.outside == []
    assert [c for c in shown.complaints if "smr" in c or "swapmodel" in c or "anywidget" in c] == []
