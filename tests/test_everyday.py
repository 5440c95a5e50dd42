"""What a reader waits for: what can't be measured here is named, and the notebooks are run without a trace."""

import shutil

import pytest
from nbformat.v4 import new_code_cell

from tests import everyday
from tests.small_checkout import write_book

PLAYER = "<!DOCTYPE html><title>a</title><p>before</p><div class=smr><input type=range></div>"


def test_without_a_browser_the_first_paint_is_left_out_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(everyday.shutil, "which", lambda name: None)
    assert list(everyday.paints(tmp_path / "race.html", 1)) == [
        (None, "the first paint is left out: pip install playwright, apt install chromium")
    ]


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium here: install Debian's package chromium")
def test_a_page_is_opened_until_it_is_painted_and_its_player_is_there(tmp_path):
    pytest.importorskip("playwright.sync_api", reason="playwright, of the test extra, is not installed")
    (tmp_path / "race.html").write_text(PLAYER)
    rows = dict(everyday.paints(tmp_path / "race.html", 1))
    assert list(rows) == ["its first contentful paint", "its player in the document"]
    assert all(0 < run.wall < 30 and run.cpu is None for run in rows.values())


def test_the_time_of_a_command_that_failed_is_not_shown():
    with pytest.raises(RuntimeError, match=r"python -c 1/0 failed: [\s\S]*ZeroDivisionError"):
        everyday.repeated(["-c", "1/0"], 1)


def test_notebooks_are_run_in_their_folder_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    from nbclient.exceptions import CellExecutionError

    write_book(tmp_path / "01.ipynb", [new_code_cell("open('01.ipynb').close(); print(6 * 7)")])
    before = (tmp_path / "01.ipynb").read_bytes()
    monkeypatch.setattr(everyday, "NOTEBOOKS", tmp_path)
    everyday.run_notebooks()
    assert capsys.readouterr().out == "01.ipynb\n"
    assert [path.name for path in tmp_path.iterdir()] == ["01.ipynb"]
    assert (tmp_path / "01.ipynb").read_bytes() == before
    write_book(tmp_path / "02.ipynb", [new_code_cell("1 / 0")])
    with pytest.raises(CellExecutionError):
        everyday.run_notebooks()
