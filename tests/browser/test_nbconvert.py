"""A notebook with players, converted by nbconvert as it comes: the page works from disk, without a kernel."""

import re
import subprocess
import sys

import pytest

from .test_jupyterlab import notebook

CELL = 'from swapmodel import Replay, check\nReplay(check("shmem-truncate", "v6.8"), kernels=["v6.9"])'


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    pytest.importorskip("nbconvert", reason="nbconvert, of the extra notebook, is not installed")
    folder = tmp_path_factory.mktemp("nbconvert")
    (folder / "two.ipynb").write_text(
        notebook(CELL, 'check("shmem-truncate", "v6.9")', "from swapmodel import Controls\nControls()")
    )
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", "--ExecutePreprocessor.store_widget_state=False"]
    done = subprocess.run([*command, "two.ipynb"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = folder / "two.html"
    # nbconvert's own template asks two content delivery networks for scripts that no player needs
    page.write_text(re.sub(r'<script[^>]*src="https://[^"]*"[^>]*>\s*</script>', "", page.read_text()))
    return page


def test_two_players_on_a_page_are_independent(open_page, converted, screenshot):
    shown = open_page(converted)
    players = shown.locator(".smr")
    assert players.count() == 2
    players.nth(1).focus()
    shown.keyboard.press("PageDown")
    places = [players.nth(i).locator(".smr-now").inner_text().split()[1] for i in (0, 1)]
    assert places[0] == "0" and int(places[1]) > 0
    screenshot(shown, "nbconvert")


def test_the_reader_chooses_and_switches_without_a_kernel(open_page, converted):
    shown = open_page(converted)
    player = shown.locator(".smr").first
    player.focus()
    for key in ("ArrowRight", "ArrowRight", "1"):
        shown.keyboard.press(key)
    assert player.locator(".smr-now").inner_text().startswith("Step 3 of 3, swapoff")
    for key in ("r", "v"):
        shown.keyboard.press(key)
    assert "NULL dereference" in player.locator(".smr-alarm").inner_text()
    player.get_by_label("Kernel and fix").select_option(label="v6.8 with get-swap-device")
    assert "wait_for_completion" in player.locator(".smr-note.smr-box").inner_text()


def test_controls_are_hidden_where_there_is_no_kernel(open_page, converted):
    shown = open_page(converted)
    assert not shown.get_by_text("Controls that need a notebook").is_visible()
    assert shown.locator(".widget-dropdown, .jupyter-widgets").count() == 0


def test_the_notebooks_own_style_of_lists_and_code_stays_outside(open_page, converted):
    shown = open_page(converted)
    style = "e => [getComputedStyle(e).paddingLeft, getComputedStyle(e).backgroundColor, getComputedStyle(e).fontWeight]"
    lists = [e.evaluate(style)[0] for e in shown.locator(".smr ul, .smr ol").all()]
    assert set(lists) == {"0px"}
    lines = [e.evaluate(style) for e in shown.locator(".smr .smr-stack li:last-child code").all()]
    assert {(background, weight) for _, background, weight in lines} == {("rgba(0, 0, 0, 0)", "700")}
