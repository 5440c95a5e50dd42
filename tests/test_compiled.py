"""The compiled search is the search: the same figures where it holds, the plain search's answer where something is wrong."""

import subprocess
import sys

import pytest
from hypothesis import given, settings

from swapmodel import KERNELS, SCENARIOS, Budget, Parameters
from swapmodel.explore import Space, explore
from swapmodel.explore.memories import WORDS, Memories
from swapmodel.machine import BUG, READ_ONCE, WRITE_ONCE, Memory, Struct, Violation, spinlock_t, word, xchg
from swapmodel.program import KernelError, Program, System
from swapmodel.verdict import all_recorded
from tests.peer_scenario import peer_system
from tests.random_programs import programs
from tests.test_compact import figures
from tests.test_soundness import LARGER, QUICK, SMALL

np = pytest.importorskip("numpy", reason="the extra `fast` is not installed")
pytest.importorskip("numba", reason="the extra `fast` is not installed")
from swapmodel.explore import compiled, loops  # noqa: E402


@settings(QUICK, max_examples=100)
@given(programs(LARGER, loops=True))
def test_the_same_on_random_programs(source):
    for reduce in (False, True):
        plain, _ = explore(source.build().system, Budget(max_states=20_000), reduce=reduce)
        again, _ = explore(source.build().system, Budget(max_states=20_000), reduce=reduce, engine="compiled")
        if plain.verdict != "unfinished":
            assert figures(again) == figures(plain)


@pytest.fixture
def handed(monkeypatch):
    """One for each time that the plain search was called in: it would come to the same figures whatever the arrays hold."""
    times = []
    real = compiled.Compiled._hand_over
    monkeypatch.setattr(compiled.Compiled, "_hand_over", lambda search: times.append(1) or real(search))
    return times


@pytest.fixture
def little_room(monkeypatch):
    """Tables in which keys meet, arrays that grow all the time, paths that end before they come to an end."""
    monkeypatch.setattr(compiled, "ROOM", 2)
    monkeypatch.setattr(compiled, "STATES", 3)
    monkeypatch.setattr(compiled, "LONGEST_PATH", 2)


@settings(QUICK, max_examples=100)
@given(programs(SMALL, loops=True))
def test_the_same_in_little_room(little_room, handed, source):
    handed.clear()
    plain, _ = explore(source.build().system, reduce=False)
    again, _ = explore(source.build().system, reduce=False, engine="compiled")
    assert figures(again) == figures(plain)
    assert len(handed) == (plain.verdict == "violated")


@pytest.mark.parametrize("reduce", [False, True])
def test_the_scenario_of_the_peers_in_little_room(little_room, handed, reduce):
    plain, _ = explore(peer_system("fixed", 2, 2), reduce=reduce)
    again, _ = explore(peer_system("fixed", 2, 2), reduce=reduce, engine="compiled")
    assert figures(again) == figures(plain) and not handed


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
def test_the_recorded_counts(handed, scenario, kernel, preempt, slot_cache):
    given = Parameters(preempt=preempt.removeprefix("preempt="), slot_cache=slot_cache == "slot-cache=on")
    outcome, _ = explore(SCENARIOS[scenario].system(KERNELS[kernel], given), engine="compiled")
    known = all_recorded()[" ".join((scenario, kernel, preempt, slot_cache))]
    assert (outcome.verdict, outcome.states) == (known["verdict"], known["states"])
    assert not handed or not outcome.reductions  # a step peeks: then both begin anew


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


class shared(Struct):
    x = word()
    y = word()
    limit = word(1, constant=True)
    lock = spinlock_t()


def system_of(*functions):
    """A thread for each function of the shared object."""
    memory = Memory([f.__name__ for f in functions])
    t = memory.new(shared, "t")
    return System(memory, [Program(f.__name__, lambda f=f: f(t)) for f in functions])


def stores(t):
    yield WRITE_ONCE(t.x, 1)


def goes_round(t):
    """For ever, once the other thread has stored."""
    seen = yield READ_ONCE(t.x)
    while seen:
        yield WRITE_ONCE(t.y, 1)
        yield WRITE_ONCE(t.y, 2)
        seen = yield READ_ONCE(t.x)


def locks_by_xchg(t):
    while (yield xchg(t.x, 1)):
        pass
    yield WRITE_ONCE(t.x, 0)


def test_a_move_that_changes_nothing_is_none():
    """It stores what is there, and goes back to where it was: as good as waiting."""
    again, _ = explore(system_of(locks_by_xchg, locks_by_xchg), engine="compiled")
    assert again.verdict == "holds" and figures(again) == figures(explore(system_of(locks_by_xchg, locks_by_xchg))[0])


def test_a_livelock_that_is_not_told_to_its_end_is_unfinished(monkeypatch):
    """The whole space was explored, and is again by the plain search: that one's budget may end, or somebody interrupts it."""
    assert explore(system_of(goes_round, stores), engine="compiled")[0].violation.kind == "livelock"
    over = []
    budget = Budget()
    monkeypatch.setattr(budget, "spent", lambda *figures: "no time is left" if over else "")
    monkeypatch.setattr(
        compiled.Compiled, "_hand_over", lambda *a, real=compiled.Compiled._hand_over: over.append(1) or real(*a)
    )
    outcome, _ = explore(system_of(goes_round, stores), budget, engine="compiled")
    assert (outcome.verdict, outcome.reason, outcome.violation) == ("unfinished", "no time is left", None)

    def interrupt(search):
        raise KeyboardInterrupt

    monkeypatch.setattr(compiled.Search, "demand_finish", interrupt)
    outcome, _ = explore(system_of(goes_round, stores), engine="compiled")
    assert (outcome.verdict, outcome.reason, outcome.violation) == ("unfinished", "interrupted", None)


def fails(t):
    yield WRITE_ONCE(t.x, 1)
    yield BUG("first")


def cannot_run(t):
    yield READ_ONCE(t.limit)
    yield READ_ONCE(t.limit)
    yield READ_ONCE(t.y)
    seen = yield xchg(t.y, 1)
    yield READ_ONCE(seen.member)


def peeks(t):
    yield READ_ONCE(t.limit)
    yield READ_ONCE(t.limit)
    yield READ_ONCE(t.y)
    yield READ_ONCE(t.lock)


@pytest.mark.parametrize("other", [cannot_run, peeks])
def test_what_the_plain_search_does_not_come_to_is_not_told(other):
    """The states of a layer are looked at in another order: it fails in the first, and the machine gives up in the second."""
    plain, _ = explore(system_of(fails, other))
    again, _ = explore(system_of(fails, other), engine="compiled")
    assert figures(again) == figures(plain) and again.reductions == plain.reductions == ("moves", "releases")


def test_a_function_the_machine_cannot_run_is_refused_as_ever():
    with pytest.raises(KernelError, match="cannot_run"):
        explore(system_of(stores, cannot_run), engine="compiled")


def test_machine_code_needs_no_directory_to_write_to():
    space = {}
    exec("def one_more(n):\n    return n + 1", space)  # it has no file beside which, or by whose name, it could be kept
    assert loops.machine_code(space["one_more"])(1) == 2


@pytest.mark.parametrize("threads", [0, 1])
def test_few_threads(threads):
    again, _ = explore(system_of(*[stores] * threads), engine="compiled")
    assert figures(again) == figures(explore(system_of(*[stores] * threads))[0])


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


def test_memories_of_the_same_hash_are_told_apart():
    rows, hashes, table = np.array([[1, 2], [3, 4]], np.int32), np.array([7, 7]), np.zeros(4, np.int64)
    loops.rehash_rows(hashes, 2, table)
    found = [table[loops.find_row(7, row, rows, hashes, table)] for row in (*rows, np.array([5, 6], np.int32))]
    assert found == [1, 2, loops.EMPTY]


def test_a_case_of_blocks_that_are_no_longer_all_is_stale():
    """By block 0, a case; by blocks 0 and 1 another: the first is not found any more, and not entered again."""
    row, cases = np.array([3, 0], np.int32), compiled.Cases(1)
    cases.begin(0, [0])
    cases.add(0, row, ((1, 9),), 5)
    cases.begin(0, [0, 1])
    both = cases.blocks[cases.starts[0] : cases.ends[0]]
    crowded = np.array([1] * 7 + [loops.EMPTY])  # the search for it comes by the first one, whose values are the same
    assert crowded[loops.find_case(0, 2, row, both, cases.data, crowded)] == loops.EMPTY
    cases.add(0, row, (), 6)
    larger = np.zeros(1 << 6, np.int64)
    loops.rehash_cases(cases.table.keys, cases.data, cases.versions, cases.starts, cases.ends, larger)
    assert np.count_nonzero(cases.table.keys) == 2 and np.count_nonzero(larger) == 1
    begin = larger[loops.find_case(0, 2, row, both, cases.data, larger)] - 1
    assert list(cases.data[begin : begin + 6]) == [0, 2, 0, 6, 3, 0]


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


class wide(Struct):
    """x and y are in different blocks."""

    x, a, b, c, d, y = (word() for _ in range(6))


def both(t):
    yield WRITE_ONCE(t.x, 1)
    yield WRITE_ONCE(t.y, 1)


@pytest.mark.parametrize("engine", ["python", "compiled"])
def test_an_oracle_may_look_at_more_where_it_finds_something(engine):
    memory = Memory(["both"])
    t = memory.new(wide, "t")
    x, y = t.x.word, t.y.word

    def oracle(words):
        return Violation("oracle", "both") if words[x] == 1 and words[y : y + 1] == (1,) else None

    outcome, _ = explore(System(memory, [Program("both", lambda: both(t))], (oracle,)), engine=engine, reduce=False)
    assert outcome.verdict == "violated" and str(outcome.violation) == "both"
