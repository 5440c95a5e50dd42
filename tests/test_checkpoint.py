"""A long search goes on after a kill, and comes to what it would have come to."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from swapmodel.explore import Budget, explore
from swapmodel.explore.checkpoint import Checkpoint
from tests.peer_scenario import peer_system
from tests.random_programs import Source
from tests.test_reductions import PEEKS

ROOT = str(Path(__file__).parent.parent)


def figures(outcome):
    return outcome.verdict, outcome.states, outcome.transitions, outcome.depth, outcome.schedule


@pytest.mark.parametrize("variant", ["fixed", "unfixed"])
@pytest.mark.parametrize("reduce", [False, True])
def test_a_search_in_pieces_is_the_search_in_one(tmp_path, variant, reduce):
    whole, _ = explore(peer_system(variant, 2, 2), reduce=reduce)
    path, pieces = tmp_path / "search", 0
    while True:
        pieces += 1
        budget = Budget(max_states=1_500 * pieces)
        outcome, _ = explore(peer_system(variant, 2, 2), budget, reduce=reduce, checkpoint=Checkpoint(path))
        if not outcome.reason:
            break
    assert pieces > 1
    assert figures(outcome) == figures(whole)


KILLED = """
import sys
from swapmodel.explore import explore
from swapmodel.explore.checkpoint import Checkpoint
from tests.peer_scenario import peer_system
explore(peer_system("fixed", 3, 4), checkpoint=Checkpoint(sys.argv[1], every=0.0))
"""


def test_a_search_that_was_killed_goes_on(tmp_path):
    path = tmp_path / "search"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], env={**os.environ, "PYTHONPATH": ROOT})
    while not path.exists() and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    found = json.loads(path.read_bytes().partition(b"\n")[0])["states"]
    outcome, _ = explore(peer_system("fixed", 3, 4), checkpoint=Checkpoint(path))
    assert 0 < found <= 102_816
    assert (outcome.verdict, outcome.states, outcome.transitions) == ("holds", 102_816, 349_322)


def test_the_file_is_plain_and_small(tmp_path):
    path = tmp_path / "search"
    outcome, _ = explore(peer_system("fixed", 2, 2), checkpoint=Checkpoint(path))
    head, _, data = path.read_bytes().partition(b"\n")
    assert json.loads(head)["states"] == outcome.states
    assert len(data) == 5 * outcome.states


def test_a_search_that_can_not_be_reduced_goes_on_without(tmp_path):
    path, source = tmp_path / "search", Source(PEEKS["completion"], 2)
    explore(source.build().system, Budget(max_states=2), checkpoint=Checkpoint(path))
    outcome, _ = explore(source.build().system, checkpoint=Checkpoint(path))
    assert (outcome.verdict, outcome.reductions) == ("violated", ())


def test_the_search_of_another_system_is_refused(tmp_path):
    path = tmp_path / "search"
    explore(peer_system("fixed", 2, 2), Budget(max_states=500), checkpoint=Checkpoint(path))
    with pytest.raises(ValueError, match="another system"):
        explore(peer_system("unfixed", 2, 2), checkpoint=Checkpoint(path))
    with pytest.raises(ValueError, match="other reductions"):
        explore(peer_system("fixed", 2, 2), reduce=False, checkpoint=Checkpoint(path))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda data: data[:-1], "cut off"),
        (lambda data: b"not a search", "cut off"),
        (lambda data: b"[1]\n" + data, "cut off"),
        (lambda data: data[:-400] + b"\xff" * 400, "can't be reached"),
    ],
)
def test_a_file_that_is_spoilt_is_refused(tmp_path, spoil, told):
    path = tmp_path / "search"
    explore(peer_system("fixed", 2, 2), Budget(max_states=500), checkpoint=Checkpoint(path))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=told):
        explore(peer_system("fixed", 2, 2), checkpoint=Checkpoint(path))


def test_persistent_sets_can_not_be_written():
    with pytest.raises(ValueError, match="can have one"):
        explore(peer_system("fixed", 1, 1), persistent=True, checkpoint=Checkpoint("nowhere"))
