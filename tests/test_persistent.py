"""Persistent sets of one thread: every end of every execution is what it is without them."""

import contextlib
import random
import sys

import pytest
from hypothesis import given, settings

from swapmodel import KERNELS, SCENARIOS, Budget
from swapmodel.explore import Found, NotReducible, Outcome, Space, explore
from swapmodel.explore.alone import Alone
from swapmodel.explore.settled import Settled
from swapmodel.explore.shortest import ending
from tests.fragments import program, search
from tests.peer_scenario import peer_system
from tests.random_programs import Source, programs
from tests.reference import TooBig, merged, run
from tests.test_reductions import sources
from tests.test_soundness import CELLS, LARGER, QUICK, SMALL


class Curious(Alone):
    """Where something is violated, all other threads are looked at too."""

    def alone(self, state):
        try:
            return super().alone(state)
        except Found:
            return -1


class Ignorant(Curious):
    """It knows nothing to begin with: what it decides at first is likely to be wrong."""

    walks = 0


def ends(space, settle=lambda state: state, limit=100_000):
    """(violations, states from which nobody moves) of everything that a space reaches."""
    said, last, first = set(), set(), settle(space.initial)
    seen, todo = {first}, [first]
    while todo:
        state, moved = todo.pop(), False
        for t in space.threads:
            try:
                change = space.difference(state, t)
            except Found as found:
                said.add((found.violation.kind, str(found.violation)))
                moved = True
                continue
            if change:
                moved = True
                new = settle(state + change)
                if new not in seen:
                    seen.add(new)
                    todo.append(new)
        if len(seen) > limit:
            raise TooBig
        if not moved:
            words = space.memories[state >> space.shift]
            last.add((words, tuple(step.operation for step in space.steps(state))))
            found = ending(space, state)
            if found is not None:
                said.add((found.violation.kind, str(found.violation)))
    return said, last, len(seen)


def settled_ends(system, reduce, kind=Curious):
    space = kind(system, reduce)
    while True:
        found = ends(space, space.settle)
        if space.stands():
            return found
        space.forget()


def assert_ends_are_kept(system):
    """Reachable violations, deadlocks and last states, with single steps and with moves."""
    for reduce in (False, True):
        said, last, states = ends(Space(system, reduce))
        for kind in (Curious, Ignorant):
            alone_said, alone_last, alone_states = settled_ends(system, reduce, kind)
            assert alone_said == said
            assert alone_last == last
            assert alone_states <= states


FEWER = settings(QUICK, max_examples=40)


@FEWER
@given(programs(SMALL))
def test_ends_are_kept_on_random_programs(source):
    agrees(source)


@FEWER
@given(programs(LARGER, loops=True))
def test_ends_are_kept_on_larger_programs_with_loops(source):
    agrees(source)


def agrees(source, limit=5_000):
    """The ends, and what livelocks make of the verdict."""
    try:
        reference = merged(source.build().system, limit)
    except TooBig:
        return False
    with contextlib.suppress(NotReducible):
        assert_ends_are_kept(source.build().system)
    for reduce in (False, True):
        outcome, _ = explore(source.build().system, reduce=reduce, persistent=True, shortest="any")
        assert outcome.verdict == reference.verdict
    if reference.violations:
        assert_the_first_schedule_fails(source)
    return True


def assert_the_first_schedule_fails(source):
    """What Settled itself returns, before anything shorter is looked for."""
    built, outcome = source.build(), Outcome()
    Settled(Alone(built.system, False), Budget(), outcome).run()
    assert run(built.system, built.starts, outcome.schedule) == (outcome.violation.kind, str(outcome.violation))


@pytest.mark.parametrize("seed", range(4))
def test_ends_are_kept_on_fragments_of_kernel_code(seed):
    chance = random.Random(seed)
    assert sum(agrees(program(chance)) for _ in range(40)) > 20


ORACLE = """
def thread0(t, o):
    yield WRITE_ONCE(t.flag, 2)
    yield WRITE_ONCE(t.flag, 0)

def thread1(t, o):
    yield WRITE_ONCE(t.turn, 1)
    yield WRITE_ONCE(t.turn, 2)
    yield WRITE_ONCE(t.turn, 0)
"""


@pytest.mark.parametrize("reduce", [False, True])
def test_what_an_oracle_sees_only_in_between_is_not_passed_over(reduce):
    outcome, _ = explore(Source(ORACLE, 2, oracle=True).build().system, reduce=reduce, persistent=True)
    assert (outcome.verdict, len(outcome.schedule)) == ("violated", 3)


@pytest.mark.parametrize("source", list(sources()))
def test_ends_are_kept_on_programs_that_a_wrong_reduction_gets_wrong(source):
    agrees(source)


@pytest.mark.parametrize(("scenario", "kernel", "parameters"), [cell for cell in CELLS[::3] if cell[0] != "reuse"], ids=str)
def test_ends_are_kept_on_the_scenarios(scenario, kernel, parameters):
    system = SCENARIOS[scenario].system(KERNELS[kernel], parameters)
    said, last, _ = ends(Space(system))
    alone_said, alone_last, _ = settled_ends(system, True)
    assert (alone_said, alone_last) == (said, last)


@pytest.mark.parametrize(("variant", "verdict"), [("unfixed", "violated"), ("fixed", "holds")])
def test_fewer_states_on_the_scenario_of_the_peers(variant, verdict):
    moves, _ = explore(peer_system(variant, 2, 2))
    fewer, _ = explore(peer_system(variant, 2, 2), persistent=True)
    assert moves.verdict == fewer.verdict == verdict
    assert len(moves.schedule) == len(fewer.schedule)
    assert fewer.reductions == ("moves", "releases", "persistent")
    assert fewer.states < moves.states


@pytest.mark.parametrize("look", [1, 50, 1_000_000])
def test_looking_early_whether_decisions_hold_changes_nothing(monkeypatch, look):
    """A decision that does not hold makes the search anew; it must never end it."""
    monkeypatch.setattr("swapmodel.explore.settled.FIRST_LOOK", look)
    monkeypatch.setattr(Alone, "walks", 0 if look == 1 else 3)
    outcome, _ = explore(peer_system("fixed", 2, 2), persistent=True)
    assert outcome.verdict == "holds"
    assert outcome.states >= settled_ends(peer_system("fixed", 2, 2), True)[2] * 0.9
    outcome, _ = explore(peer_system("unfixed", 2, 2), persistent=True)
    assert (outcome.verdict, len(outcome.schedule)) == ("violated", 42)


def test_a_budget_ends_it_and_is_told():
    outcome, _ = explore(peer_system("fixed", 2, 2), Budget(max_states=500), persistent=True)
    assert (outcome.verdict, outcome.violation) == ("unfinished", None)
    assert "500 states" in outcome.reason


if __name__ == "__main__":
    search(int(sys.argv[1]), float(sys.argv[2]), agrees)
