"""Random search in pieces: the same wherever it is done, and nothing lost when a worker is killed."""

import os
import signal
import threading
import time

import pytest

from swapmodel.swarm import search, swarm


def test_pieces_are_what_one_after_the_other_finds():
    found = swarm("shmem-truncate", "v6.8", pieces=4, runs=30)
    assert found.verdict == "violated" and not found.failed
    assert sorted(found.results) == [0, 1, 2, 3]
    assert "not the shortest" in str(found)
    assert found.violations[0] in found.results.values()
    assert found.chance.runs == sum(result.runs for result in found.results.values())


def test_without_a_violation_it_says_how_likely_one_was_to_be_met():
    found = swarm("shmem-truncate", "v6.9", pieces=3, runs=5, depth=1, seed=10)
    assert (found.verdict, found.chance.runs, sorted(found.results)) == ("unfinished", 15, [10, 11, 12])
    assert found.chance.probability == pytest.approx(1 - (1 - 1 / 2) ** 15)
    assert "15 random executions found nothing" in str(found)


def test_a_fix_goes_along():
    assert swarm("shmem-truncate", "v6.8", fix="get-swap-device", pieces=2, runs=40).verdict == "unfinished"


def test_a_closure_stays_here():
    def make(value):
        def swap_duplicate(entry):
            yield value

        return swap_duplicate

    with pytest.raises(ValueError, match="can't be sent"):
        swarm("shmem-truncate", fix=make(1), client=object())


@pytest.mark.parametrize("wrong", [{"scenario": "nothing"}, {"scenario": "thread", "kernel": "v0"}])
def test_what_is_not_known_is_refused(wrong):
    with pytest.raises(ValueError, match="no "):
        swarm(**wrong)


def slow(piece):
    """A piece that takes long enough to be killed in."""
    time.sleep(0.4)
    return search(piece)


def test_a_killed_worker_loses_nothing_and_counts_nothing_twice(monkeypatch):
    distributed = pytest.importorskip("distributed")
    here = swarm("shmem-truncate", "v6.9", pieces=8, runs=4)
    monkeypatch.setattr("swapmodel.swarm.search", slow)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        timer = threading.Timer(0.6, os.kill, (victim, signal.SIGKILL))
        timer.start()
        there = swarm("shmem-truncate", "v6.9", pieces=8, runs=4, client=client)
        timer.join()
    assert not there.failed
    assert there.results == here.results
    assert there.chance == here.chance and there.chance.runs == 32
