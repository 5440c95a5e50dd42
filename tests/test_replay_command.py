"""swapmodel replay: a page from a scenario or a file; bad input ends with one sentence and status 2, and costs no page."""

import json

import pytest

from swapmodel import check
from swapmodel.__main__ import main
from swapmodel.replay.document import runs


def test_a_scenario_becomes_a_page(tmp_path):
    page = tmp_path / "page.html"
    assert main(["replay", "shmem-truncate", "--html", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>") and "NULL dereference" in text and len(text) < 400_000
    assert [text.count(name) for name in ("<html", "</html>")] == [1, 1]


def held(page):
    return json.loads(page.split('<script type="application/json">')[1].split("</script>")[0])["variants"]


def test_a_saved_verdict_becomes_a_page_with_its_schedule(tmp_path, capsys):
    verdict = check("shmem-truncate", "v6.8")
    (tmp_path / "trace.json").write_text(json.dumps(verdict.document()))
    assert main(["replay", str(tmp_path / "trace.json"), "--html", "-"]) == 0
    first = held(capsys.readouterr().out)[0]
    assert first["schedule"] == runs(step.thread for step in verdict.recorder.steps)
    assert first["told"] == "violated: NULL dereference"


def test_what_a_reader_can_switch_to_is_chosen(tmp_path, capsys):
    own = tmp_path / "own.py"
    own.write_text("def free_swap_and_cache(entry):\n    while True:\n        yield schedule_point()\n")
    chosen = ["--beside", "v6.1", "--cure", str(own)]
    assert main(["replay", "shmem-truncate", *chosen, "--html", "-"]) == 0
    variants = held(capsys.readouterr().out)
    assert [(v["kernel"], v["fix"]) for v in variants][1:] == [("v6.1", None), ("v6.8", "free_swap_and_cache()")]


SPOILED = {
    "not JSON": "{",
    "no object": "[]",
    "not ours": '{"swapmodel": "schedule"}',
    "names of JavaScript": '{"swapmodel": "__proto__", "scenario": "constructor"}',
    "deep": "[" * 100_000,
    "markup": '{"scenario": "<script>alert(1)</script>", "kernel": "<b>"}',
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_file_is_refused_and_the_earlier_page_stays(tmp_path, capsys, name):
    trace, page = tmp_path / "trace.json", tmp_path / "page.html"
    trace.write_text(SPOILED[name])
    page.write_text("an earlier page")
    assert main(["replay", str(trace), "--html", str(page)]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("swapmodel: ") and told.err.count("\n") == 1
    assert page.read_text() == "an earlier page"


@pytest.mark.parametrize(
    "given",
    [
        ["nothing", "--html", "{}/page.html"],
        ["shmem-truncate", "--html", "{}"],
        ["shmem-truncate", "--html", "{}/no/page.html"],
        ["shmem-truncate", "--beside", "v9", "--html", "{}/page.html"],
        ["shmem-truncate", "--cure", "{}/none.py", "--html", "{}/page.html"],
        ["{}/none.json", "--html", "{}/page.html"],
    ],
)
def test_what_there_is_not_is_refused(tmp_path, capsys, given):
    assert main(["replay", *(part.format(tmp_path) for part in given)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
