"""The search in little memory is the search."""

import random

import pytest
from hypothesis import given, settings

from swapmodel import KERNELS, SCENARIOS, Budget, Parameters
from swapmodel.explore import explore
from swapmodel.explore.compact import Stored
from tests.peer_scenario import peer_system
from tests.random_programs import programs
from tests.test_soundness import LARGER, QUICK


def figures(outcome):
    found = outcome.violation and (outcome.violation.kind, str(outcome.violation))
    return outcome.verdict, outcome.states, outcome.transitions, outcome.depth, outcome.schedule, found


@settings(QUICK, max_examples=60)
@given(programs(LARGER, loops=True))
def test_the_same_on_random_programs(source):
    for reduce in (False, True):
        plain, _ = explore(source.build().system, Budget(max_states=20_000), reduce=reduce)
        compact, _ = explore(source.build().system, Budget(max_states=20_000), reduce=reduce, compact=True)
        if plain.verdict != "unfinished":
            assert figures(compact) == figures(plain)


@pytest.mark.parametrize("variant", ["fixed", "unfixed"])
@pytest.mark.parametrize("reduce", [False, True])
def test_the_same_on_the_scenario_of_the_peers(variant, reduce):
    plain, _ = explore(peer_system(variant, 2, 2), reduce=reduce)
    compact, _ = explore(peer_system(variant, 2, 2), reduce=reduce, compact=True)
    assert figures(compact) == figures(plain)


def test_the_same_on_a_scenario_of_our_own():
    plain, _ = explore(SCENARIOS["shmem-truncate"].system(KERNELS["v6.9"], Parameters()))
    compact, _ = explore(SCENARIOS["shmem-truncate"].system(KERNELS["v6.9"], Parameters()), compact=True)
    assert figures(compact) == figures(plain)


def test_states_are_stored_once_in_order_and_found_again():
    chance, stored, states = random.Random(1), Stored(), dict.fromkeys([0])
    stored.add(0)
    for _ in range(20_000):
        state = chance.choice(
            [chance.getrandbits(12), chance.getrandbits(64), chance.getrandbits(110), chance.getrandbits(16) << 64]
        )
        assert stored.add(state) == (state not in states)
        states[state] = None
    assert list(stored) == list(states) and len(stored) == len(states)
    assert all(stored.index(state) == i and stored[i] == state for i, state in enumerate(states))
    with pytest.raises(KeyError):
        stored.index(1 << 127)


def test_the_arrays_take_no_more_than_promised():
    stored = Stored()
    for state in range(0, 500_000 * 7, 7):
        stored.add(state)
    taken = sum(len(part) * part.itemsize for part in (stored._low, stored._high, stored._table))
    assert taken / len(stored) <= 28


def test_too_many_threads_are_refused():
    with pytest.raises(ValueError, match="6 threads"):
        explore(peer_system("fixed", 6, 6), compact=True)
