"""The compiled search is the search: the same figures where it holds, the plain search's answer where something is wrong."""

import subprocess
import sys

import pytest
from hypothesis import given, settings

from swapmodel import KERNELS, SCENARIOS, Budget, Parameters
from swapmodel.explore import Space, explore
from swapmodel.explore.memories import WORDS, Memories
from swapmodel.verdict import all_recorded
from tests.peer_scenario import peer_system
from tests.random_programs import programs
from tests.test_compact import figures
from tests.test_soundness import LARGER, QUICK

np = pytest.importorskip("numpy", reason="the extra `fast` is not installed")
pytest.importorskip("numba", reason="the extra `fast` is not installed")
from swapmodel.explore import compiled, loops  # noqa: E402


@settings(QUICK, max_examples=150)
@given(programs(LARGER, loops=True))
def test_the_same_on_random_programs(source):
    for reduce in (False, True):
        plain, _ = explore(source.build().system, Budget(max_states=20_000), reduce=reduce)
        again, _ = explore(source.build().system, Budget(max_states=20_000), reduce=reduce, engine="compiled")
        if plain.verdict != "unfinished":
            assert figures(again) == figures(plain)


@pytest.mark.parametrize("variant", ["fixed", "unfixed"])
@pytest.mark.parametrize("reduce", [False, True])
@pytest.mark.parametrize(("processes", "pages"), [(1, 3), (2, 2), (3, 3)])
def test_the_same_on_the_scenario_of_the_peers(variant, reduce, processes, pages):
    plain, _ = explore(peer_system(variant, processes, pages), reduce=reduce)
    again, _ = explore(peer_system(variant, processes, pages), reduce=reduce, engine="compiled")
    assert figures(again) == figures(plain)


HOLDS = [
    cell.split()
    for cell, found in all_recorded().items()
    if found["verdict"] == "holds" and cell.split()[1] in ("v6.8", "v6.9")
]


@pytest.mark.parametrize(("scenario", "kernel", "preempt", "slot_cache"), HOLDS)
def test_the_recorded_counts(scenario, kernel, preempt, slot_cache):
    given = Parameters(preempt=preempt.removeprefix("preempt="), slot_cache=slot_cache == "slot-cache=on")
    outcome, _ = explore(SCENARIOS[scenario].system(KERNELS[kernel], given), engine="compiled")
    known = all_recorded()[" ".join((scenario, kernel, preempt, slot_cache))]
    assert (outcome.verdict, outcome.states) == (known["verdict"], known["states"])


@pytest.mark.parametrize("preempt", ["full", "none"])
@pytest.mark.parametrize("scenario", [name for name, found in SCENARIOS.items() if not found.fixed])
def test_the_same_where_something_is_wrong(scenario, preempt):
    """On the kernel that the thread had in mind, with fewer states than a budget that both get."""
    systems = [SCENARIOS[scenario].system(KERNELS["as-argued"], Parameters(preempt=preempt)) for _ in range(2)]
    plain, _ = explore(systems[0], Budget(max_states=60_000))
    if plain.verdict == "violated":
        again, _ = explore(systems[1], Budget(max_states=60_000), engine="compiled")
        assert figures(again) == figures(plain)


def test_a_state_grows_wider_while_it_is_searched(monkeypatch):
    """Tables and fields begin small and grow: every time all that is known must come along."""
    monkeypatch.setattr(compiled, "STATES", 64)
    widened = []
    monkeypatch.setattr(compiled.Fields, "moved", lambda *a, real=compiled.Fields.moved: widened.append(1) or real(*a))
    plain, _ = explore(SCENARIOS["thread"].system(KERNELS["v6.8"], Parameters()))
    again, _ = explore(SCENARIOS["thread"].system(KERNELS["v6.8"], Parameters()), engine="compiled")
    assert figures(again) == figures(plain) and len(widened) > 10


@pytest.mark.parametrize(("limit", "least"), [("BITS", 20), ("MOST_PLACES", 20)])
def test_what_is_too_large_is_searched_plainly(monkeypatch, limit, least):
    monkeypatch.setattr(compiled, limit, least)
    again, _ = explore(peer_system("fixed", 2, 2), engine="compiled")
    assert figures(again) == figures(explore(peer_system("fixed", 2, 2))[0])


def test_a_search_out_of_budget_never_holds():
    outcome, _ = explore(peer_system("fixed", 2, 2), Budget(max_states=1000), engine="compiled")
    assert (outcome.verdict, outcome.reason) == ("unfinished", "the budget of 1000 states is used up")


def test_an_interrupted_search_never_holds():
    def interrupt(states, depth):
        if states > 2000:
            raise KeyboardInterrupt

    outcome, _ = explore(peer_system("fixed", 3, 3), Budget(tick=interrupt), engine="compiled")
    assert outcome.verdict == "unfinished" and "interrupted" in outcome.reason


def test_tables_find_what_was_put_into_them():
    """Keys that collide, and keys that are not there."""
    chance = np.random.default_rng(1)
    states = np.unique(chance.integers(0, 1 << 62, 10_000))
    table = np.zeros(1 << 14, np.int64)
    added = states.copy()
    assert loops.add(added, table)[0] == len(states) and (added == states).all()
    assert loops.add(states.copy(), table)[0] == 0
    larger = np.zeros(1 << 15, np.int64)
    loops.rehash(table, larger)
    assert all(larger[loops.slot(larger, state)] == state + 1 for state in states)
    assert larger[loops.slot(larger, int(states[0]) + 1)] == loops.EMPTY or states[0] + 1 in states


def test_integers_are_spread_and_not_negative():
    mixed = [loops.mixed(n) for n in (*range(4096), (1 << 63) - 1, *(n << 40 for n in range(4096)))]
    assert min(mixed) >= 0 and len(set(mixed)) > 8_180
    assert max(sum(m & 63 == low for m in mixed) for low in range(64)) < 2 * len(mixed) / 64


def test_memories_are_their_words():
    memories, words = Memories(), tuple(range(3 * WORDS + 1))
    packed = memories.pack(words)
    assert memories.words(packed) == words
    changed = dict(memories.stored(packed, ((0, "a"), (3 * WORDS, "b"))))
    other = tuple(changed.get(block, value) for block, value in enumerate(packed))
    assert memories.words(other) == ("a", *words[1:-1], "b")
    assert memories.find(other) is None and memories.add(other) == memories.find(other) == 0
    assert memories[0] == memories.words(other) and list(memories) == memories[:] == [memories[0]]


def test_other_engines_are_refused():
    with pytest.raises(ValueError, match="engine is 'python' or 'compiled', not 'fast'"):
        explore(peer_system("fixed", 1, 1), engine="fast")
    with pytest.raises(ValueError, match="a search can have one"):
        explore(peer_system("fixed", 1, 1), engine="compiled", compact=True)


def test_too_many_threads_are_refused(monkeypatch):
    monkeypatch.setattr(compiled, "THREADS", 2)
    with pytest.raises(ValueError, match="room for 2 threads, not 3"):
        explore(peer_system("fixed", 2, 2), engine="compiled")


WITHOUT = """
import sys
sys.modules["numba"] = None
from swapmodel.explore import explore
from tests.peer_scenario import peer_system
try:
    explore(peer_system("fixed", 1, 1), engine="compiled")
except ValueError as error:
    print(error)
"""


def test_without_the_extra_it_says_what_to_install():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("engine 'compiled' needs the extra `fast`: pip install 'swapmodel[fast]'")


def test_the_default_needs_none_of_it():
    script = "import sys, swapmodel.explore as e; from tests.peer_scenario import peer_system as p;"
    script += "e.explore(p('fixed', 1, 1)); print('numpy' in sys.modules or 'numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_space_of_the_plain_search_asks_the_oracles_once_for_what_they_look_at():
    """They look at few words: a memory that agrees with one they found fine on these is not asked about again."""
    system = SCENARIOS["thread"].system(KERNELS["v6.8"], Parameters())
    asked = []
    system.oracles = tuple(lambda words, o=o: asked.append(1) or o(words) for o in system.oracles)
    space = explore(system)[1]
    assert len(asked) < len(space.memories) / 10
    for words in space.memories:
        assert all(oracle(words) is None for oracle in system.oracles)
    assert isinstance(space, Space)
