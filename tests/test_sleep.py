"""Sleep sets: the same states in the same order, and the same violations, by fewer moves."""

import random
import sys

import pytest
from hypothesis import given, settings

from swapmodel import KERNELS, SCENARIOS, Budget
from swapmodel.explore import Found, NotReducible, Outcome, Space, explore
from swapmodel.explore.checkpoint import Checkpoint
from swapmodel.explore.feet import Feet, apart
from swapmodel.explore.shortest import ending
from swapmodel.explore.sleep import Sleep, threads_of
from tests.fragments import program, search
from tests.peer_scenario import peer_system
from tests.random_programs import Source, programs
from tests.reference import TooBig
from tests.test_reductions import SLEEPERS, sources
from tests.test_soundness import CELLS, LARGER, QUICK, SMALL

MOST = 6_000  # states of a random program
SKIPPED = "reuse", "two-faults"  # nothing can be put off in the one; the other is large


class Curious(Sleep):
    """It goes on where something is violated; a move that violates something is none."""

    def __init__(self, *given):
        super().__init__(*given)
        self.said, self.violating = set(), set()

    def _violated(self, index, found):
        self.said.add((found.violation.kind, str(found.violation)))
        self.violating.add(index)

    def _nobody_moves(self, i, state):
        if i not in self.violating:
            super()._nobody_moves(i, state)


class Deaf(Curious):
    """Whatever the others do, it sleeps on."""

    def _tell_apart(self):
        everything = set(range(len(self.space.touched)))
        self._beside[:] = [everything] * len(everything)


class Blind(Curious):
    """It does not look at what the machine notes: who is a reader, and for whom a grace period waits."""

    def _tell_apart(self):
        memory = self.space.system.memory
        seen = ~sum(1 << word for word in (*memory.context, *memory.grace))
        touched = [(reads & seen, stores & seen) for reads, stores in self.space.touched]
        self._beside[:] = [{n for n, other in enumerate(touched) if apart(one, other)} for one in touched]


def by_sleep(system, reduce, kind=Curious):
    """(states in the order found, the number of the one that each was found from, violations, moves) with sleep sets."""
    search = kind(Feet(system, reduce), Budget(), Outcome())
    search.run()
    return search.order, list(search.parent), search.said, search.outcome.transitions


def in_full(system, reduce, most=sys.maxsize):
    """The same without them."""
    space, said, moves = Space(system, reduce), set(), 0
    order, parent, seen = [space.initial], [0], {space.initial}
    for i, state in enumerate(order):
        after, violations = around(space, state)
        said |= violations
        moves += len(after)
        for new in after:
            if new not in seen:
                seen.add(new)
                order.append(new)
                parent.append(i)
        if len(order) > most:
            raise TooBig
    return order, parent, said, moves


def around(space, state):
    """(states that the moves from this one lead to, what is violated there)."""
    new, found = [], []
    for t in space.threads:
        try:
            change = space.difference(state, t)
        except Found as end:
            found.append(end)
        else:
            new += [state + change] if change else []
    if not new and not found:
        found = [end for end in [ending(space, state)] if end]
    return new, {(end.violation.kind, str(end.violation)) for end in found}


def agrees(source):
    """The same with single steps and with moves; False where it is too big or nothing can be put off."""
    for reduce in (False, True):
        system = source.build().system
        try:
            full = in_full(system, reduce, MOST)
        except (TooBig, NotReducible):
            return False
        assert_the_same(full, by_sleep(system, reduce))
    return True


def assert_the_same(full, slept):
    """States, in the same order and each found from the same, and violations; by no more moves."""
    assert slept[:3] == full[:3]
    assert len(full[0]) - 1 <= slept[3] <= full[3]


FEWER = settings(QUICK, max_examples=30)


@FEWER
@given(programs(SMALL))
def test_the_same_on_random_programs(source):
    agrees(source)


@FEWER
@given(programs(LARGER, loops=True))
def test_the_same_on_larger_programs_with_loops(source):
    agrees(source)


@pytest.mark.parametrize("seed", range(4))
def test_the_same_on_fragments_of_kernel_code(seed):
    chance = random.Random(seed)
    assert sum(agrees(program(chance)) for _ in range(25)) > 15


@pytest.mark.parametrize("source", list(sources()))
def test_the_same_on_programs_that_a_wrong_reduction_gets_wrong(source):
    agrees(source)


@pytest.mark.parametrize(("scenario", "kernel", "parameters"), [c for c in CELLS[::14] if c[0] not in SKIPPED], ids=str)
def test_the_same_on_the_scenarios(scenario, kernel, parameters):
    system = SCENARIOS[scenario].system(KERNELS[kernel], parameters)
    full, slept = in_full(system, True), by_sleep(system, True)
    assert_the_same(full, slept)
    assert slept[3] < full[3]


def figures(outcome):
    found = outcome.violation and (outcome.violation.kind, str(outcome.violation))
    return outcome.verdict, outcome.states, outcome.depth, outcome.schedule, found


@FEWER
@given(programs(LARGER, loops=True))
def test_explore_comes_to_the_same(source):
    """Livelocks too, which are looked for along all moves."""
    for reduce in (False, True):
        full, _ = explore(source.build().system, Budget(max_states=MOST), reduce=reduce)
        slept, _ = explore(source.build().system, Budget(max_states=MOST), reduce=reduce, sleep=True)
        assert figures(slept) == figures(full)
        assert slept.transitions <= full.transitions


@pytest.mark.parametrize("reduce", [False, True])
@pytest.mark.parametrize(("variant", "verdict"), [("unfixed", "violated"), ("fixed", "holds")])
def test_fewer_moves_on_the_scenario_of_the_peers(variant, verdict, reduce):
    full, _ = explore(peer_system(variant, 2, 2), reduce=reduce)
    slept, _ = explore(peer_system(variant, 2, 2), reduce=reduce, sleep=True)
    assert figures(slept) == figures(full)
    assert slept.verdict == verdict
    assert slept.transitions < full.transitions
    assert slept.reductions == (*full.reductions, "sleep")


APART = """
def thread0(t, o):
    yield WRITE_ONCE(t.flag, 1)
    yield WRITE_ONCE(t.flag, 2)

def thread1(t, o):
    yield WRITE_ONCE(t.turn, 1)
    yield READ_ONCE(t.limit)

def thread2(t, o):
    yield WRITE_ONCE(t.ptr, NULL)
    yield READ_ONCE(t.limit)
"""


def test_to_every_state_leads_one_way_where_nobody_touches_what_another_does():
    system = Source(APART, 3).build().system
    full, slept = in_full(system, False), by_sleep(system, False)
    assert_the_same(full, slept)
    assert (len(full[0]), full[3], slept[3]) == (4**3, 3 * 3 * 4**2, 4**3 - 1)  # who enters the kernel takes a step


# ---- what it rests on -------------------------------------------------------------------------------------------------------

OVERWRITTEN = """
def thread0(t, o):
    yield WRITE_ONCE(t.ptr, o)

def thread1(t, o):
    yield WRITE_ONCE(t.ptr, o)
    yield READ_ONCE(t.limit)

def thread2(t, o):
    yield WRITE_ONCE(t.ptr, NULL)

def thread3(t, o):
    yield READ_ONCE(t.limit)
    yield WRITE_ONCE(t.ptr, NULL)
"""


def in_any_order(system, chance, matching):
    """States found where it is left to chance which one is looked at next. `matching`: those sleep in a state who are asleep on
    every way to it, and who is awake on one way more makes his move then."""
    space = Feet(system, False)
    asleep, todo = {space.initial: 0}, [(space.initial, space.threads)]
    while todo:
        state, threads = todo.pop(chance.randrange(len(todo)))
        sleepers, touch = asleep[state], [space.touched[space.foot(state, t)] for t in space.threads]
        for t in threads:
            change = 0 if sleepers >> t & 1 else space.difference(state, t)
            if change:
                new = state + change
                after = sum(1 << u for u in threads_of(sleepers) if apart(touch[t], touch[u]))
                sleepers |= 1 << t
                if new not in asleep:
                    asleep[new] = after
                    todo.append((new, space.threads))
                elif matching:
                    todo.append((new, threads_of(asleep[new] & ~after)))
                    asleep[new] &= after
    return asleep.keys()


def test_breadth_first_alone_the_first_way_to_a_state_is_enough():
    system = Source(OVERWRITTEN, 4).build().system
    states = len(in_full(system, False)[0])
    found = {matching: [len(in_any_order(system, random.Random(n), matching)) for n in range(30)] for matching in (False, True)}
    assert min(found[False]) < states  # some orders lose some
    assert set(found[True]) == {states}
    assert len(by_sleep(system, False)[0]) == states


TORN = """
def thread0(t, o):
    yield WRITE_ONCE(t.flag, 1)

def thread1(t, o):
    x = yield READ_ONCE(t.flag)
    y = yield READ_ONCE(t.flag)
    if y > x:
        yield BUG("torn")
"""


@pytest.mark.parametrize(
    ("source", "kind"), [(Source(TORN, 2), Deaf), (Source(SLEEPERS["system call"], 3, "none"), Blind)], ids=["deaf", "blind"]
)
def test_who_sleeps_on_behind_what_he_touches_loses_violations(source, kind):
    system = source.build().system
    order, _, said, _ = by_sleep(system, False, kind)
    full = in_full(system, False)
    assert len(order) < len(full[0])
    assert said < full[2]
    assert_the_same(full, by_sleep(system, False))


@pytest.mark.parametrize(
    "other", [{"checkpoint": Checkpoint("nowhere")}, {"persistent": True}, {"compact": True}, {"engine": "compiled"}]
)
def test_what_contradicts_is_refused(other):
    with pytest.raises(ValueError, match="a search can have one"):
        explore(peer_system("fixed", 1, 1), sleep=True, **other)


def test_a_budget_ends_it_and_is_told():
    outcome, _ = explore(peer_system("fixed", 2, 2), Budget(max_states=500), sleep=True)
    assert (outcome.verdict, outcome.violation) == ("unfinished", None)
    assert "500 states" in outcome.reason
    assert 500 <= outcome.states <= outcome.transitions + 1


def test_where_nothing_can_be_put_off_it_takes_single_steps():
    source = next(p.values[0] for p in sources() if p.id.startswith("trylock"))
    outcome, _ = explore(source.build().system, sleep=True)
    assert outcome.reductions == ("sleep",)


if __name__ == "__main__":
    search(int(sys.argv[1]), float(sys.argv[2]), agrees)
