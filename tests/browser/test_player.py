"""The player in a page opened from disk, with no network: what a reader of a mail's attachment or of the HTML docs has."""

import json

import pytest

from swapmodel import KERNELS, SCENARIOS, Parameters, Replay, check
from swapmodel.kernel import source_hash
from swapmodel.replay.cover import Walker
from swapmodel.replay.schedule import opened

from .conftest import violations


@pytest.fixture(scope="module")
def replay():
    return Replay(check("shmem-truncate", "v6.8"))


@pytest.fixture(scope="module")
def path(replay, tmp_path_factory):
    file = tmp_path_factory.mktemp("player") / "replay.html"
    replay.save(file)
    return file


@pytest.fixture
def page(open_page, path):
    shown = open_page(path)
    shown.locator(".smr").focus()
    return shown


def place(page):
    """How many steps have been taken, and what the last one did."""
    told = page.locator(".smr-now").inner_text()
    return int(told.split()[1]), told


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
    return place(page)[0]


def test_the_page_is_small_and_needs_nothing(path):
    assert path.stat().st_size < 400_000


def test_steps_forward_and_back_by_button_and_by_key(page):
    assert place(page)[0] == 0
    page.get_by_role("button", name="One step forward (Right)").click()
    assert place(page)[0] == 1
    assert press(page, "ArrowRight", "ArrowRight") == 3
    assert press(page, "ArrowLeft") == 2
    assert press(page, "End") == 186
    assert press(page, "Home") == 0
    assert press(page, "PageDown") == 16
    assert press(page, "PageDown", "PageUp") == 16


def test_the_violation_is_shown_where_it_happens(page, screenshot):
    assert press(page, "v") == 186
    alarm = page.locator(".smr-alarm")
    assert alarm.is_visible() and "NULL dereference" in alarm.inner_text()
    assert "swapoff stored NULL there" in alarm.inner_text()
    assert "failed here" in page.locator(".smr-lane").nth(0).inner_text()
    screenshot(page, "player-violation")
    assert press(page, "ArrowLeft") == 185 and not alarm.is_visible()


def test_what_changed_is_told_and_marked_in_place(page):
    press(page, *["ArrowRight"] * 15)
    marked = page.locator(".smr-cell.smr-changed")
    assert "0xff -> 0x40" in page.locator(".smr-now").inner_text().replace("→", "->")
    assert marked.count() == 1 and "was 0xff" in marked.inner_text()
    assert "no ref, pinned" in marked.inner_text()


def test_another_process_can_be_chosen_and_the_schedule_restored(page):
    press(page, "ArrowRight", "ArrowRight")
    page.get_by_role("button", name="swapoff: take one step").click()
    assert place(page)[1].startswith("Step 3 of 3, swapoff")
    assert "a schedule of your own" in page.locator(".smr-told").inner_text()
    press(page, "r")
    assert place(page)[1].startswith("Step 2 of 186")


def test_digits_choose_a_thread(page):
    assert press(page, "1") == 1 and "swapoff" in place(page)[1]
    assert press(page, "0") == 2 and "truncate" in place(page)[1]


def test_a_blocked_thread_says_what_it_waits_for(page):
    lane, taken = page.locator(".smr-lane").nth(1), 0
    while "waits" not in lane.locator(".smr-badge").inner_text() and taken < 60:
        taken += 1
        press(page, "Home", "r", *["0"] * taken, "Shift+Digit1")
    assert "held by truncate" in lane.inner_text() or "waits in" in lane.inner_text()
    before = place(page)[0]
    lane.get_by_role("button", name="swapoff: take one step").click(force=True)
    assert place(page)[0] == before, "who is blocked takes no step"
    assert "waits" in page.locator(".smr-said").inner_text()


def test_the_old_schedule_on_the_fix(page, screenshot):
    press(page, "v")
    page.get_by_label("Kernel and fix").select_option(label="v6.8 with get-swap-device")
    note = page.locator(".smr-note.smr-box")
    assert note.is_visible() and "wait_for_completion" in note.inner_text()
    assert not page.locator(".smr-alarm").is_visible()
    screenshot(page, "player-fix")
    page.get_by_label("Kernel and fix").select_option(label="v6.8")


def test_play_runs_and_pauses(page):
    page.get_by_label("Steps a second").select_option("20")
    page.locator(".smr").focus()
    page.keyboard.press("Space")
    page.wait_for_function("() => Number(document.querySelector('.smr input[type=range]').value) > 4")
    page.keyboard.press("Space")
    stopped = place(page)[0]
    page.wait_for_timeout(200)
    assert place(page)[0] == stopped > 4


def test_the_speed_can_be_changed_while_it_plays(page):
    page.get_by_label("Steps a second").select_option("1")
    press(page, *["ArrowRight"] * 2)
    page.evaluate("document.querySelector('.smr').focus()")
    page.keyboard.press("Space")
    page.get_by_label("Steps a second").select_option("20")
    page.wait_for_function("() => Number(document.querySelector('.smr input[type=range]').value) > 8", timeout=5000)


def test_while_it_plays_only_turns_are_announced(page):
    heard = "new MutationObserver(() => { globalThis.heard = (globalThis.heard || 0) + 1; })"
    page.evaluate(f"{heard}.observe(document.querySelector('.smr-said'), {{childList: true}})")
    page.get_by_label("Steps a second").select_option("20")
    page.locator(".smr").focus()
    page.keyboard.press("Space")
    page.wait_for_function("() => Number(document.querySelector('.smr input[type=range]').value) > 12")
    assert page.evaluate("globalThis.heard") <= 2
    page.keyboard.press("Space")
    assert page.locator(".smr-said").inner_text() == page.locator("input[type=range]").get_attribute("aria-valuetext")


def test_nothing_plays_by_itself(page):
    page.wait_for_timeout(300)
    assert place(page)[0] == 0


def copied(page, label):
    page.get_by_text("Send on, load").click()
    page.get_by_role("button", name=f"Copy {label}").click()
    page.wait_for_function("() => document.querySelector('.smr-said').textContent === 'Copied.'")
    text = page.locator("textarea").input_value()
    page.bring_to_front()  # a page that is not in front may not read the clipboard
    assert page.evaluate("navigator.clipboard.readText()") == text
    return text


def test_copy_as_commit_message(page, replay):
    assert copied(page, "commit message") == replay.columns()


def test_copy_as_json_and_load_it_again(page, tmp_path):
    press(page, "ArrowRight", "1", "1")
    text = copied(page, "json")
    file = tmp_path / "mine.json"
    file.write_text(text)
    page.reload()
    page.get_by_text("Send on, load").click()
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_function("() => document.querySelector('.smr-now').textContent.includes('Step 3 of 3, swapoff')")


def test_a_link_restores_the_schedule_and_the_place(page, open_page, path):
    press(page, "PageDown", "0", "0")
    link = copied(page, "link")
    assert "#swp=shmem-truncate" in link
    other = open_page(path, fragment="#" + link.partition("#")[2])
    assert place(other)[1] == place(page)[1]


def test_a_spoiled_link_is_told_as_text(open_page, path):
    shown = open_page(path, fragment="#swp=shmem-truncate:<b>x</b>:::1:1.1.full.false.ssd")
    note = shown.locator(".smr-note.smr-box")
    assert "this page does not hold" in note.inner_text() and shown.locator(".smr b").count() == 0


HOSTILE = {
    "markup": json.dumps({"scenario": "<img src=x onerror=alert(1)>"}),
    "types": json.dumps({"scenario": ["shmem-truncate"], "trace": {"a": 1}}),
    "broken": "{",
    "large": json.dumps({"scenario": "x" * (10 << 20)}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_as_text(page, tmp_path, name):
    file = tmp_path / "<i>bad</i>.json".replace("/", "_")
    file.write_text(HOSTILE[name])
    page.get_by_text("Send on, load").click()
    page.locator("input[type=file]").set_input_files(file)
    note = page.locator(".smr-note.smr-box")
    note.wait_for()
    assert note.inner_text().endswith(".") and page.locator(".smr i, .smr img").count() == 0
    assert place(page)[0] == 0


def test_predict_asks_before_the_step_and_hints(page, screenshot):
    press(page, *["ArrowRight"] * 14, "p", "ArrowRight")
    assert place(page)[0] == 14
    question = page.locator(".smr-question")
    assert "0xff" in question.inner_text()
    assert "64" not in page.locator(".smr-lanes").inner_text(), "the answer stands nowhere else"
    question.get_by_role("textbox").fill("0x00")
    page.keyboard.press("Enter")
    hint = question.locator(".smr-hint").inner_text()
    assert hint and "0x40" not in hint and place(page)[0] == 14
    assert page.locator(".smr-said").inner_text() == hint and page.locator(".smr [role=alert]").count() == 0
    assert "WRITE_ONCE(swap_map[1], …)" in page.locator(".smr-lane").nth(0).inner_text(), "the value is not on the page"
    screenshot(page, "player-predict")
    question.get_by_role("textbox").fill("0x40")
    page.keyboard.press("Enter")
    assert place(page)[0] == 15 and not question.is_visible()
    assert page.locator(".smr-said").inner_text().startswith("Right.")
    assert page.locator(".smr-answer").inner_text().startswith("Right. swap_map[1] 0xff -> 0x40")
    press(page, "ArrowLeft", "ArrowRight")
    assert place(page)[0] == 15 and not page.locator(".smr-answer").is_visible(), "not asked again"


def test_a_question_shuts_when_the_reader_goes_elsewhere(page):
    question = page.locator(".smr-question")
    press(page, *["ArrowRight"] * 14, "p", "ArrowRight", "Escape")
    assert not question.is_visible() and place(page)[0] == 14
    assert page.evaluate("document.activeElement.className") == "smr"
    press(page, "ArrowRight")
    assert question.is_visible()
    page.get_by_role("button", name="Next context switch").click()
    assert not question.is_visible() and place(page)[0] == 16


def test_who_can_run_is_not_told_before_the_answer(page):
    lane = page.locator(".smr-lane").nth(1)
    press(page, "0", "0", "Shift+Digit1")
    assert "waits" in lane.inner_text()
    press(page, "p", "0")
    assert "can it run?" in lane.inner_text() and "waits" not in lane.inner_text()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    assert page.locator(".smr-answer").inner_text().startswith("Right. Able to run: truncate. swapoff waits for")


def test_help_is_a_list_of_keys(page):
    press(page, "?")
    assert page.get_by_text("next, previous context switch").is_visible()


def test_one_polite_live_region(page):
    assert page.locator(".smr [aria-live]").count() == 1
    assert page.locator(".smr-said").get_attribute("aria-live") == "polite"
    press(page, "ArrowRight")
    assert page.locator(".smr-said").inner_text().startswith("Step 1 of 186")


def test_the_slider_says_where_it_stands(page):
    press(page, "PageDown")
    slider = page.locator("input[type=range]")
    assert slider.get_attribute("aria-valuetext").startswith("Step 16 of 186, truncate")
    slider.focus()
    assert press(page, "ArrowRight") == 17


def test_every_control_has_a_name_and_can_be_reached(page):
    for control in page.locator(".smr button, .smr select, .smr input, .smr textarea").all():
        name = control.evaluate("e => e.getAttribute('aria-label') || e.labels?.[0]?.textContent")
        assert name and name.strip()
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.tagName"))
    assert {"One step forward (Right)", "swapoff: take one step", "SELECT"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(open_page, path, screenshot, scheme, width):
    shown = open_page(path, scheme=scheme, width=width)
    shown.locator(".smr").focus()
    for state in ([], ["PageDown"], ["v"], ["p", "Home", "ArrowRight", "?"]):
        press(shown, *state)
        assert violations(shown) == []
    shown.get_by_text("Send on, load").click()
    shown.get_by_text("All other words").click()
    shown.get_by_text("The steps as text").click()
    assert violations(shown) == []
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    screenshot(shown, f"player-{scheme}-{width}")


def test_four_hundred_percent_zoom(open_page, path):
    """A window of 1280 pixels at 400 % is 320 CSS pixels wide."""
    shown = open_page(path, width=320, height=256)
    shown.locator(".smr").focus()
    assert press(shown, "End") == 186
    assert shown.evaluate("document.documentElement.scrollWidth") <= 320


def test_reduced_motion_has_no_transition(open_page, path):
    shown = open_page(path, motion="reduce")
    moving = (
        "[...document.querySelectorAll('.smr *')].filter(e => !/^(0s|)$/.test(getComputedStyle(e).transitionDuration)).length"
    )
    assert shown.evaluate(moving) == 0


def test_without_scripts_there_is_text(open_page, path, replay):
    shown = open_page(path, scripts=False)
    told = shown.locator(".smr-text").inner_text()
    assert "CPU0 (truncate)" in told and "swap_map[1] 0xff -> 0x40" in told


def one_after_the_other(processes, pages):
    """A long schedule of a large scenario, without a search: every thread runs until it waits or returns."""
    given = SCENARIOS["thread"].fill(Parameters(processes, pages))
    system = SCENARIOS["thread"].system(KERNELS["v6.8"], given)
    walker, turns = Walker(system), []
    for t, name in enumerate(system.memory.threads):
        before = walker.taken
        while walker.take(t):
            pass
        turns += [[name, walker.taken - before]]
    machine, source = given._asdict(), source_hash(system.kernel)
    head = {"swapmodel": "schedule", "scenario": "thread", "kernel": "v6.8", "fix": None}
    return opened({**head, "machine": machine, "source": source, "schedule": turns, "step": 0})


@pytest.mark.parametrize(("processes", "pages"), [(2, 512), (6, 2)])
def test_large_and_many(open_page, tmp_path, screenshot, processes, pages):
    """Readable, and below 400 kB. How long a step takes is measured by tests/latency.py."""
    file = tmp_path / "large.html"
    Replay(one_after_the_other(processes, pages), (), ()).save(file)
    shown = open_page(file)
    shown.locator(".smr").focus()
    assert press(shown, "End") > 100
    assert shown.locator(".smr-cell").count() < 200
    assert file.stat().st_size < 400_000
    screenshot(shown, f"player-{processes}x{pages}")
