"""The live player and the controls: what Python hears from them and tells them. No browser; that one is in tests/browser."""

import json

import pytest

from swapmodel import Replay, check

pytest.importorskip("anywidget", reason="anywidget, of the extra notebook, is not installed")
pytest.importorskip("ipywidgets", reason="ipywidgets, of the extra notebook, is not installed")


@pytest.fixture
def replay():
    return Replay(check("one-process", "as-argued"), (), ())


def test_python_sees_what_the_reader_chose(replay):
    widget = replay.widget
    assert replay.schedule == list(replay.variants[0].schedule) and replay.step == 0
    assert replay.columns().startswith("CPU0 (process)")
    widget.schedule, widget.step = [1, 3, 0, 2], 4
    assert replay.schedule == [1, 1, 1, 0, 0] and len(replay.recorder.steps) == 4
    assert replay.explain() == "nobody waits"


def test_it_explains_the_violation(replay):
    replay.widget.step = len(replay.schedule)
    assert "dereferences" in replay.explain() or "touches" in replay.explain()


def test_another_kernel_is_prepared_when_the_player_asks(replay):
    from swapmodel.replay.widget import answer

    widget = replay.widget
    assert ["v6.9", ""] in widget.choices
    answer(replay, widget, {"ask": "variant", "kernel": "v6.9", "fix": ""})
    made = json.loads(widget.document)["variants"]
    assert [v["kernel"] for v in made] == ["as-argued", "v6.9"] and widget.wanted == 1
    widget.kernel, widget.fix = "v6.9", ""
    assert replay.variant.kernel.name == "v6.9"


def test_what_the_page_does_not_hold_is_learnt(monkeypatch):
    import swapmodel.replay.document as module
    from swapmodel.replay.cover import Covered, known_edges
    from swapmodel.replay.widget import answer

    monkeypatch.setattr(module, "cover", lambda *_, **__: Covered(False, ()))  # a document with the recorded steps alone
    replay = Replay(check("one-process", "as-argued"), (), ())
    graphs = json.loads(replay.widget.document)["graphs"]
    before = known_edges(replay.variants[0].system)
    answer(replay, replay.widget, {"ask": "extend", "variant": 0, "schedule": [1, 40]})
    assert known_edges(replay.variants[0].system) > before
    assert json.loads(replay.widget.document)["graphs"] != graphs


def test_a_verdict_is_told_of_what_was_searched_alone():
    from swapmodel import SCENARIOS, Kernel

    verdict = check("shmem-truncate", "v6.8")
    assert [v.told for v in Replay(verdict, ("v6.9",), ()).variants] == ["violated: NULL dereference", "holds"]
    namesake = Kernel("v6.9", "v6.8 under another name")
    assert [v.told for v in Replay(verdict, (namesake,), ()).variants] == ["violated: NULL dereference", ""]
    own = check(SCENARIOS["shmem-truncate"]._replace(name="fork"))
    assert [v.told for v in Replay(own, ("v6.9",), ()).variants] == ["violated: NULL dereference", ""]


@pytest.mark.parametrize(
    "asked",
    [
        {"ask": "variant", "kernel": "v9", "fix": ""},
        {"ask": "variant", "kernel": "v6.8", "fix": "nothing"},
        {},
        [],
        {"ask": "extend"},
    ],
)
def test_a_bad_question_is_answered_in_one_sentence(replay, asked):
    from swapmodel.replay.widget import answer

    said = []
    replay.widget.send = said.append
    before = replay.widget.document
    answer(replay, replay.widget, asked)
    assert len(said) == 1 and said[0]["refused"] and "\n" not in said[0]["refused"]
    assert replay.widget.document == before


@pytest.fixture
def controls():
    from swapmodel import Controls

    return Controls()


def test_the_controls_check_and_show_a_player(controls):
    controls.scenario.value, controls.kernel.value = "shmem-truncate", "v6.9"
    controls.run()
    controls.wait()
    assert controls.verdict.verdict == "holds" and len(controls.shown.children) == 1
    assert "holds" in controls.status.value and controls.cancel.disabled and not controls.start.disabled


def test_a_search_can_be_cancelled(controls):
    controls.scenario.value, controls.processes.value = "thread", 4
    controls.run()
    controls.cancel.click()
    controls.wait()
    assert controls.verdict.verdict == "unfinished" and "interrupted" in controls.status.value


def test_the_making_of_the_player_can_be_cancelled(controls, monkeypatch):
    """Cancel is clicked at the first state that is explored for the page; the next look at the clock ends it."""
    import swapmodel.replay.cover as cover

    explored, seen = cover._explored, []

    def begun(system, budget):
        seen.append((controls.cancel.disabled, controls.progress.layout.visibility, controls.status.value))
        controls.cancel.click()
        return explored(system, budget)

    monkeypatch.setattr(cover, "_explored", begun)
    controls.scenario.value, controls.kernel.value = "shmem-truncate", "v6.9"
    controls.run()
    controls.wait()
    [(disabled, visible, said)] = seen
    assert (disabled, visible) == (False, "visible") and "Making the player" in said
    assert controls.verdict.verdict == "holds" and controls.shown.children == ()
    assert "no player: it was cancelled" in controls.status.value and not controls.start.disabled
    monkeypatch.undo()
    controls.run()
    controls.wait()
    assert len(controls.shown.children) == 1 and "cancelled" not in controls.status.value


def test_what_can_not_be_is_told_below_the_button(controls):
    controls.scenario.value, controls.processes.value = "one-process", 3
    controls.run()
    controls.wait()
    assert "contradicts" in controls.status.value and controls.verdict is None


def test_a_fix_from_the_notebook_is_offered(controls, monkeypatch):
    import swapmodel.replay.controls as module

    def free_swap_and_cache(entry):
        si = yield from get_swap_device(entry)  # noqa: F821
        yield from __swap_entry_free(si, entry)  # noqa: F821
        yield from put_swap_device(si)  # noqa: F821
        return True

    monkeypatch.setattr(module, "own_functions", lambda: {"free_swap_and_cache": free_swap_and_cache})
    controls.again.click()
    controls.fix.value = ("free_swap_and_cache",)
    controls.scenario.value = "shmem-truncate"
    controls.run()
    controls.wait()
    assert controls.verdict.fix == "free_swap_and_cache()"


def test_a_static_page_shows_no_controls(controls):
    bundle, _ = controls._repr_mimebundle_()
    assert "hidden" in bundle["text/html"] and bundle["text/plain"] == "Controls()"
