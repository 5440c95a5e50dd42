"""Starvation under fair scheduling and fair locks: found where it is, not reported where only an unfair scheduler makes it."""

import pytest
from hypothesis import HealthCheck, given, settings

from swapmodel import KERNELS, SCENARIOS, Parameters
from swapmodel.edits import Replace, edited
from swapmodel.explore import Budget
from swapmodel.explore.fair import Starvation, Unfinished, starves
from swapmodel.machine import (
    READ_ONCE,
    WRITE_ONCE,
    Memory,
    Struct,
    completion_t,
    down_read,
    down_write,
    mutex_lock,
    mutex_unlock,
    rw_semaphore,
    spin_lock,
    spin_trylock,
    spin_unlock,
    spinlock_t,
    up_read,
    up_write,
    wait_for_completion,
    word,
)
from swapmodel.machine import mutex_t as a_mutex
from swapmodel.mm.madvise import madvise_dontneed
from swapmodel.program import Program, System
from swapmodel.scenarios import Scenario, lay_anonymous
from swapmodel.trace import Recorder
from tests.random_programs import programs
from tests.reference import TooBig, starved

QUICK = settings(max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


class thing(Struct):
    lock = spinlock_t()
    mutex = a_mutex()
    sem = rw_semaphore()
    comp = completion_t()
    flag = word()
    turn = word()


def system(*functions):
    memory = Memory([f.__name__ for f in functions])
    t = memory.new(thing, "t")
    return System(memory, [Program(f.__name__, lambda f=f: f(t)) for f in functions])


def assert_replays(system, found):
    """The prefix and then the cycle, over and over: the cycle comes back to where it began, and the thread never returns."""
    recorder = Recorder(system)
    assert all(recorder.take(t) for t in found.prefix)
    begin = (recorder.words, tuple(recorder.at))
    for _ in range(3):
        assert all(recorder.take(t) for t in found.cycle)
        assert (recorder.words, tuple(recorder.at)) == begin
    names = [p.name for p in system.programs]
    assert recorder.at[names.index(found.thread)].operation is not None
    assert recorder.violation is None
    return recorder


# ---- what threads do -------------------------------------------------------------------------------------------------


def locks_for_ever(t):
    while True:
        yield spin_lock(t.lock)
        yield spin_unlock(t.lock)


def mutexes_for_ever(t):
    while True:
        yield mutex_lock(t.mutex)
        yield mutex_unlock(t.mutex)


def writes_for_ever(t):
    while True:
        yield down_write(t.sem)
        yield up_write(t.sem)


def reads_for_ever(t):
    while True:
        yield down_read(t.sem)
        yield up_read(t.sem)


def reads_too(t):
    while True:
        yield down_read(t.sem)
        yield up_read(t.sem)


def flips_for_ever(t):
    while True:
        yield WRITE_ONCE(t.flag, 1)
        yield WRITE_ONCE(t.flag, 0)


def sets_the_flag(t):
    yield WRITE_ONCE(t.flag, 1)


def lock_once(t):
    yield spin_lock(t.lock)
    yield spin_unlock(t.lock)


def mutex_once(t):
    yield mutex_lock(t.mutex)
    yield mutex_unlock(t.mutex)


def read_once(t):
    yield down_read(t.sem)
    yield up_read(t.sem)


def write_once(t):
    yield down_write(t.sem)
    yield up_write(t.sem)


def trylock_until(t):
    locked = yield spin_trylock(t.lock)
    while not locked:
        locked = yield spin_trylock(t.lock)
    yield spin_unlock(t.lock)


def poll_the_flag(t):
    flag = yield READ_ONCE(t.flag)
    while not flag:
        yield WRITE_ONCE(t.turn, 1)
        yield WRITE_ONCE(t.turn, 0)
        flag = yield READ_ONCE(t.flag)


def spin_on_the_flag(t):
    while not (yield READ_ONCE(t.flag)):
        pass


def wait_for_nobody(t):
    yield wait_for_completion(t.comp)


@pytest.mark.parametrize(
    ("waits", "others"),
    [
        (lock_once, [locks_for_ever]),
        (mutex_once, [mutexes_for_ever]),
        (read_once, [writes_for_ever]),
        (write_once, [reads_for_ever]),
        (lock_once, [locks_for_ever, mutexes_for_ever]),
        (poll_the_flag, [sets_the_flag]),
        (spin_on_the_flag, [sets_the_flag]),
        (poll_the_flag, [locks_for_ever, sets_the_flag]),
    ],
    ids=lambda v: getattr(v, "__name__", None) or ",".join(f.__name__ for f in v),
)
def test_what_only_an_unfair_scheduler_or_lock_does_is_not_starvation(waits, others):
    assert starves(system(*others, waits), waits.__name__) is None


@pytest.mark.parametrize(
    ("waits", "others"),
    [
        (trylock_until, [locks_for_ever]),
        (
            write_once,
            [reads_for_ever, reads_too],
        ),  # there is always a reader, as this machine has no queue
        (poll_the_flag, [flips_for_ever]),
        (poll_the_flag, []),
        (spin_on_the_flag, []),
        (spin_on_the_flag, [flips_for_ever]),
        (trylock_until, [mutexes_for_ever, locks_for_ever]),
    ],
    ids=lambda v: getattr(v, "__name__", None) or ",".join(f.__name__ for f in v),
)
def test_a_retry_that_others_spoil_each_time_is_starvation(waits, others):
    found = starves(system(*others, waits), waits.__name__)
    assert isinstance(found, Starvation)
    assert found.thread == waits.__name__
    assert "kept from returning for ever" in str(found)
    assert_replays(system(*others, waits), found)
    movers = set(range(len(others) + 1)) - ({len(others)} if waits is write_once else set())
    assert set(found.cycle) == movers  # all but a thread that is blocked in each of its states


def test_a_deadlock_is_a_cycle_without_steps():
    found = starves(system(sets_the_flag, wait_for_nobody), 1)
    assert found == Starvation("wait_for_nobody", [0], [])
    assert "nobody can go on" in str(found)


def test_the_budget_ends_in_unfinished_and_never_in_none():
    found = starves(system(locks_for_ever, lock_once), 1, Budget(max_states=1))
    assert isinstance(found, Unfinished)
    assert "budget" in found.reason


@pytest.mark.parametrize("thread", ["nobody", 2, -1])
def test_there_must_be_such_a_thread(thread):
    with pytest.raises(ValueError, match="there are: locks_for_ever, lock_once"):
        starves(system(locks_for_ever, lock_once), thread)


@QUICK
@given(programs({2: 6, 3: 4}, loops=True))
def test_nested_components_agree_with_the_definition(source):
    for victim in range(source.threads):
        built = source.build()
        try:
            expected = starved(built.system, victim, 3_000)
        except TooBig:
            return
        found = starves(built.system, victim)
        assert (found is not None) == expected
        if found is not None and found.cycle:
            assert_replays(source.build().system, found)


# ---- swapoff ---------------------------------------------------------------------------------------------------------


def zapper(mm):
    """A process that never stops giving its memory back."""
    while True:
        yield from madvise_dontneed(mm)


def lay_zapper(parameters):
    setup = lay_anonymous(parameters, "zapper", huge=False)
    return setup._replace(constants={**setup.constants, "zapper": zapper})


ZAPPER = Scenario("zapper", "a process that never stops giving its memory back, swapoff", "", lay_zapper)
TRY = edited(
    "unuse_pte",
    Replace(
        "    yield from pte_offset_map_lock(mm)\n",
        "    yield from pte_offset_map(mm)\n"
        "    locked = yield spin_trylock(mm.page_table_lock)\n"
        "    while not locked:\n"
        "        locked = yield spin_trylock(mm.page_table_lock)\n",
    ),
    title="unuse-pte-tries",
)


@pytest.mark.parametrize("preempt", ["full", "none"])
@pytest.mark.parametrize("kernel", ["v6.8", "v6.9"])
def test_a_process_that_never_stops_does_not_starve_swapoff(kernel, preempt):
    assert starves(ZAPPER.system(KERNELS[kernel], Parameters(preempt=preempt)), "swapoff") is None


def test_a_swapoff_that_only_tries_the_page_table_lock_is_starved():
    fix = {"unuse_pte": TRY}
    found = starves(ZAPPER.system(KERNELS["v6.8"], Parameters(), fix), "swapoff")
    assert isinstance(found, Starvation)
    recorder = assert_replays(ZAPPER.system(KERNELS["v6.8"], Parameters(), fix), found)
    assert set(found.cycle) == {0, 1}
    tries = [s for s in recorder.steps if s.thread == 1 and s.operation.name == "spin_trylock"]
    assert tries
    assert not any(s.value for s in tries)


SMALL = [
    (scenario, kernel, preempt)
    for scenario in SCENARIOS
    if not scenario.startswith("thread")
    for kernel, preempt in (("v6.8", "full"), ("v6.9", "full"), ("v6.8", "none"))
    if scenario != "two-faults" or (kernel, preempt) == ("v6.8", "full")  # 100,000 states
]


@pytest.mark.parametrize(("scenario", "kernel", "preempt"), SMALL)
def test_nobody_is_starved_in_the_recorded_scenarios(scenario, kernel, preempt):
    system = SCENARIOS[scenario].system(KERNELS[kernel], Parameters(preempt=preempt))
    assert starves(system, len(system.programs) - 1, Budget(max_states=400_000)) is None
