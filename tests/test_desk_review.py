"""What two reviewers found of the review desk, whose only task was to break it: each with the words it was found by."""

import subprocess
import sys

import pytest

from swapmodel import FIXES, against, check, commit_message, experiments, fits, load, markdown, read_story, svg, why
from swapmodel.__main__ import main
from swapmodel.edits import Lines, drop, edited
from swapmodel.explore import Outcome
from swapmodel.questions import case

IN_BOTH_ORDERS = {
    "swapoff_unpublish": edited(
        "swapoff_unpublish",
        drop("yield spin_lock(swap_lock)"),
        Lines("yield spin_lock(si.lock)", ("yield spin_lock(si.lock)", "yield spin_lock(swap_lock)")),
        title="in-both-orders",
    )
}
LEAK = {
    "__try_to_reclaim_swap": edited("__try_to_reclaim_swap", Lines("yield from folio_put(folio)", ("pass",)), title="leak"),
}


def gives_up(type):
    """A swapoff that never comes to an end."""
    yield from swapoff_unlist(type)  # noqa: F821
    return -4


@pytest.fixture(scope="module")
def inversion():
    verdict = check("one-process", fix=IN_BOTH_ORDERS, nearest=False)
    assert (verdict.verdict, verdict.outcome.violation.kind) == ("violated", "lock order")
    return verdict


# was: IndexError in pin.py; "0 steps ... nothing goes wrong"; an empty line as commit message
@pytest.mark.parametrize("form", [str, lambda v: str(why(v)), commit_message, markdown, lambda v: str(load_again(v))])
def test_a_lock_order_is_told_in_every_form(inversion, form):
    said = " ".join(form(inversion).split())
    assert "i.lock and swap_lock are taken in both orders" in said and "0 steps" not in said
    assert "swapoff holds si.lock" in said and "swapoff holds swap_lock" in said


def load_again(verdict):
    return load(verdict.document(), fix=IN_BOTH_ORDERS)


def test_a_lock_order_is_no_schedule(inversion):
    assert "lock order" in svg(inversion)
    with pytest.raises(ValueError, match="there is no bad schedule to replay"):
        against(inversion, fix="get-swap-device")


# was: 70 of 208 steps "matter", and the orderings were not proven enough
def test_what_is_found_at_the_end_has_its_orderings():
    verdict = check("madvise", fix=LEAK)
    assert verdict.outcome.violation.kind == "reference count"
    told = why(verdict)
    assert told.orders.enough and told.orders.needed and len(told.orders.orders) == 2
    kept = " ".join(str(told).split())
    assert "si.inuse_pages 1 -> 0, before swapoff, try_to_unuse()" in kept


# was: blamed si.flags, which swapoff had changed too, but which _swap_info_get() lets pass
def test_the_cause_is_the_load_that_sends_it_away():
    standoff = against(check("shmem-truncate"), fix="recheck-after-drop")
    assert "READ_ONCE(si.max) returns 0 in _swap_info_get()" in standoff.said


# was: "even if swapoff waited for nobody ... locks alone keep the threads apart"
def test_a_swapoff_that_frees_nothing_proves_nothing():
    fix = {"swapoff": gives_up}
    verdict = check("one-process", fix=fix)
    assert verdict.verdict == "holds" and "never comes to free anything" in verdict.stopped_at


# was: a traceback and status 1, which says "violated"
@pytest.mark.parametrize("command", [["list"], ["ask"], ["check", "one-process", "--commit-message", "/dev/full"]])
def test_a_full_disk_is_one_sentence(command):
    with open("/dev/full", "w") as full:
        ended = subprocess.run([sys.executable, "-m", "swapmodel", *command], stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 2 and ended.stderr == "swapmodel: standard output: No space left on device\n"


# was: only the JSON was left; both in one stream
@pytest.mark.parametrize("to", ["-", "same.out"])
def test_two_forms_do_not_go_to_one_file(to, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["check", "one-process", "--json", to, "--svg", to]) == 2
    assert "can't both go to" in capsys.readouterr().err


# was: went on for 18 s, and called what it had cut off DIFFERENT
def test_an_interrupt_ends_experiments_and_questions(monkeypatch, capsys):
    def interrupted(*arguments, **options):
        outcome = Outcome()
        outcome.reason = "interrupted"
        return outcome, None

    monkeypatch.setattr(experiments, "explore", interrupted)
    monkeypatch.setattr(case, "explore", interrupted)
    assert main(["experiments"]) == 3
    assert "DIFFERENT" not in (told := capsys.readouterr().out) and "interrupted: 0 of 34 rows were run" in told
    assert main(["ask", "Q4"]) == 3
    assert capsys.readouterr().err == "swapmodel: interrupted\n"


def test_the_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("swapmodel 0.")


# was: AttributeError from inside
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: fits("x"), r"fits\(\) takes a story: fits\(read_story\(text\)\), not 'x'"),
        (lambda: read_story(None), r"read_story\(\) takes the text of a story, not None"),
        (lambda: commit_message("thread"), r"commit_message\(\) takes a verdict: commit_message\(check\('thread'\)\)"),
        (lambda: svg(None), r"svg\(\) takes a verdict"),
        (lambda: markdown(3), r"markdown\(\) takes a verdict"),
    ],
)
def test_what_is_handed_over_is_checked(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_a_story_with_a_fix_of_every_form():
    story = read_story("CPU0: free_swap_and_cache()\nswapoff: si->swap_map = NULL\nCPU0: swap_page_trans_huge_swapped()\n")
    for fix in ("get-swap-device", FIXES["get-swap-device"], FIXES["get-swap-device"].replaces):
        assert fits(story, "v6.8", "shmem-truncate", fix).feasible is False
    assert fits(story, "v6.8", "shmem-truncate").feasible is True
