"""Replay in Python: three forms, always the same text, nothing in it that could be markup; the command and its sentences."""

import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

from swapmodel import Replay, check
from swapmodel.__main__ import main
from swapmodel.replay.schedule import opened


@pytest.fixture(scope="module")
def verdict():
    return check("one-process", "as-argued")


@pytest.fixture(scope="module")
def replay(verdict):
    return Replay(verdict)


def test_three_forms_of_one_object(replay):
    bundle = replay._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}, "outside a notebook there is no widget"
    assert bundle["text/plain"] == str(replay.verdict)
    assert bundle["text/html"].count('<div class="swapmodel-replay">') == 1


def test_a_verdicts_own_display_is_a_player(verdict):
    html = verdict._repr_mimebundle_()["text/html"]
    assert html == verdict._repr_html_()
    assert len(html) < 200_000


def test_kernels_and_fixes_to_switch_to(replay):
    told = [(v.kernel.name, v.fix) for v in replay.variants]
    assert told == [("as-argued", ""), ("v6.8", ""), ("v6.9", ""), ("as-argued", "get-swap-device")]
    assert [v.told for v in replay.variants] == ["violated: NULL dereference", "holds", "holds", ""]


def test_the_recorded_schedule_elsewhere_goes_as_far_as_it_can(replay):
    from swapmodel import against

    stand = against(replay.verdict, kernel="v6.8")
    assert len(replay.variants[1].schedule) == len(stand.recorder.steps) > 100


def test_nothing_of_others_and_nothing_random(replay):
    page = replay.page()
    assert not re.search(r"(src|href)=|url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page)
    assert not re.search(r"\bid=|0x[0-9a-f]{8,}", page.replace("0xffff", ""))
    assert page == Replay(replay.verdict).page()


def test_the_same_text_whatever_the_hash_seed():
    code = "from swapmodel import Replay, check; import hashlib; "
    code += "print(hashlib.sha256(Replay(check('fault', 'v6.8'), ['v5.2'], []).html().encode()).hexdigest())"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1 and len(seen.pop()) == 2 * hashlib.sha256().digest_size + 1


def test_names_are_text_wherever_they_stand():
    evil = "</script><img src=x onerror=alert(1)>"
    shown = Replay(check("munmap-write-locked", "v6.8", fix_name=evil), (), ())
    page = shown.page()
    assert "<img" not in page and page.count("</script>") == page.count("<script")
    assert evil in json.dumps(shown.document())


def test_what_is_no_verdict_is_refused():
    with pytest.raises(ValueError, match=r"Replay\(\) takes a verdict"):
        Replay(42)
    with pytest.raises(ValueError, match="kernels is one or several of what check"):
        Replay(check("munmap-write-locked"), 5)
    with pytest.raises(ValueError, match="no kernel is named 'v9'; did you mean"):
        Replay(check("munmap-write-locked"), kernels=["v9"])


def test_one_kernel_or_fix_may_stand_alone():
    shown = Replay(check("munmap-write-locked"), "v6.9", "rcu-read-lock")
    assert [(v.kernel.name, v.fix) for v in shown.variants] == [("v6.8", ""), ("v6.9", ""), ("v6.8", "rcu-read-lock")]


def test_a_name_is_checked_first():
    assert Replay("munmap-write-locked", (), ()).verdict.verdict == "holds"


def run(capsys, *arguments):
    status = main(list(arguments))
    told = capsys.readouterr()
    return status, told.out, told.err


def test_the_command_writes_one_file(capsys, tmp_path):
    out = tmp_path / "o.html"
    status, told, _ = run(
        capsys, "replay", "munmap-write-locked", "--html", str(out), "--beside", "v6.9", "--cure", "rcu-read-lock"
    )
    assert (status, told) == (0, "")
    page = out.read_text()
    assert page.startswith("<!DOCTYPE html>") and "rcu-read-lock" in page and len(page) < 400_000


def test_a_saved_verdict_and_a_copied_schedule_can_be_replayed(capsys, tmp_path, verdict):
    saved, schedule = tmp_path / "v.json", tmp_path / "s.json"
    saved.write_text(json.dumps(verdict.document()))
    machine = {k: v for k, v in verdict.document()["machine"].items() if k != "memory_model"}
    head = {"swapmodel": "schedule", "scenario": "one-process", "kernel": "as-argued", "fix": None, "source": verdict.source}
    schedule.write_text(json.dumps({**head, "machine": machine, "schedule": [["swapoff", 3], ["process", 2]], "step": 1}))
    for file, word in ((saved, "VIOLATED"), (schedule, "nothing was searched")):
        status, page, _ = run(capsys, "replay", str(file), "--html", "-", "--beside", "v6.9", "--cure", "rcu-read-lock")
        assert status == 0 and word in page


SPOILED = {
    "{": "is not JSON",
    "[]": "is not of type object",
    '{"swapmodel": "schedule"}': "lacks 'scenario'",
    '{"swapmodel": "<b>"}': "it has|lacks|swapmodel is",
}


@pytest.mark.parametrize("text", SPOILED)
def test_a_spoiled_file_is_one_sentence_and_status_2(capsys, tmp_path, text):
    file = tmp_path / "x.json"
    file.write_text(text)
    status, out, err = run(capsys, "replay", str(file), "--html", str(tmp_path / "o.html"))
    assert (status, out) == (2, "") and err.count("\n") == 1 and re.search(SPOILED[text], err)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["replay", "thread"], "--html"),
        (["replay", "threed", "--html", "-"], "did you mean thread"),
        (["replay", "fault", "--html", "/nowhere/o.html"], "can't be written"),
        (["replay", "fault", "--html", "-", "--beside", "v9.9"], "no kernel is named"),
        (["replay", "fault", "--html", "-", "--cure", "nothing"], "no fix is named"),
        (["replay", "missing.json", "--html", "-"], "can't be read"),
    ],
)
def test_bad_use_is_one_sentence_and_status_2(capsys, arguments, why):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "") and why in err and err.count("\n") == 1


def schedule_of(verdict, **changes):
    machine = {k: v for k, v in verdict.document()["machine"].items() if k != "memory_model"}
    base = {"swapmodel": "schedule", "scenario": "one-process", "kernel": "as-argued", "fix": None, "machine": machine}
    return {**base, "source": verdict.source, "schedule": [["process", 1]], "step": 0, **changes}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"schedule": [["nobody", 1]]}, "names 'nobody'"),
        ({"schedule": [["process", 10_000]]}, "can't take a step here"),
        ({"schedule": [["process", 0]]}, "below"),
        ({"schedule": [["process"]]}, "fewer items"),
        ({"source": "0" * 16}, "other source text"),
        ({"source": "x"}, "does not match"),
        ({"kernel": "v9"}, "no kernel is named"),
        ({"fix": "mine"}, "reader's own fix"),
        ({"extra": 1}, "the schema does not know"),
        ({"scenario": "<script>" * 3}, "no scenario is named"),
    ],
)
def test_a_spoiled_schedule_is_refused_in_one_sentence(verdict, changes, why):
    with pytest.raises(ValueError, match=re.escape(why)) as refused:
        opened(schedule_of(verdict, **changes))
    assert "\n" not in str(refused.value)
