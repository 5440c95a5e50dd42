"""The oracles a reviewer expects: each finds what it is for, and says nothing of a sound kernel."""

import functools
import itertools

import pytest

from swapmodel import KERNELS, SCENARIOS, Parameters
from swapmodel.edits import Replace, before, drop, edited
from swapmodel.explore import Budget, Space, explore, fewest_steps, fewest_switches
from swapmodel.lockorder import inversions, lock_class, lock_edges, nested_edges
from swapmodel.machine import (
    READ_ONCE,
    WRITE_ONCE,
    Address,
    Memory,
    Struct,
    Violation,
    atomic_add,
    down_read,
    down_write,
    downgrade_write,
    folio_lock,
    folio_trylock,
    folio_unlock,
    mutex_lock,
    mutex_unlock,
    read,
    rw_semaphore,
    spin_lock,
    spin_trylock,
    spin_unlock,
    spinlock_t,
    up_read,
    up_write,
    word,
    write,
)
from swapmodel.machine import mutex_t as a_mutex
from swapmodel.program import Program, System
from swapmodel.races import races
from swapmodel.scenarios import Scenario, lay_anonymous
from swapmodel.trace import record
from tests.reference import run

SOUND = ("v6.8", "v6.9")


class inner(Struct):
    lock = spinlock_t()


class outer(Struct):
    lock = spinlock_t()
    mutex = a_mutex()
    sem = rw_semaphore()
    locked = word(stable=True)
    flag = word()
    guarded = word(guarded_by="lock", lockless=True)


def system(*functions, at_end=()):
    """Threads that run `functions` with a struct outer `a` and two of inner, `b0` and `b1`."""
    memory = Memory([f.__name__ for f in functions])
    a = memory.new(outer, "a")
    b = memory.structs(inner, "b", [{}, {}])
    starts = [lambda f=f: f(a, b) for f in functions]
    built = System(memory, [Program(f.__name__, s) for f, s in zip(functions, starts, strict=True)])
    built.at_end = tuple(oracle(a) for oracle in at_end)
    return built


@functools.cache
def scene(scenario, *edits, kernel="v6.8", preempt="full", slot_cache=False):
    """The scenario on the kernel with these edited functions in it, explored."""
    fix = {function.__name__: function for function in edits}
    built = SCENARIOS[scenario].system(KERNELS[kernel], Parameters(preempt=preempt, slot_cache=slot_cache), fix)
    outcome, _ = explore(built)
    return built, outcome


# ---- at the end ------------------------------------------------------------------------------------------------------


def adds(a, b):
    value = yield READ_ONCE(a.flag)
    yield WRITE_ONCE(a.flag, value + 1)


def adds_too(a, b):
    value = yield READ_ONCE(a.flag)
    yield WRITE_ONCE(a.flag, value + 1)


def both_counted(a):
    return lambda words: None if words[a.flag.word] == 2 else Violation("left", f"flag is {words[a.flag.word]}", a.flag)


@pytest.mark.parametrize("reduce", [True, False])
@pytest.mark.parametrize("shortest", ["steps", "switches", "any"])
@pytest.mark.parametrize("hunt", [True, False])
def test_an_oracle_of_the_end_is_asked_in_every_search(reduce, shortest, hunt):
    built = system(adds, adds_too, at_end=[both_counted])
    outcome, _ = explore(built, reduce=reduce, shortest=shortest, hunt=hunt)
    assert (outcome.verdict, outcome.violation.kind) == ("violated", "left")
    assert sorted(outcome.schedule) == [0, 0, 1, 1]
    starts = [p._start for p in built.programs]
    assert run(built, starts, outcome.schedule) == ("left", "flag is 1")


def test_it_is_not_asked_before_all_have_returned():
    def never_half(a):
        return lambda words: Violation("left", "asked too early") if words[a.flag.word] == 0 else None

    outcome, _ = explore(system(adds, adds_too, at_end=[never_half]))
    assert outcome.verdict == "holds"


def test_the_shortest_searches_agree():
    built = system(adds, adds_too, at_end=[both_counted])
    steps = fewest_steps(Space(built))
    switches = fewest_switches(Space(built))
    assert len(steps[0]) == len(switches[0]) == 4
    assert str(steps[1]) == str(switches[1]) == "flag is 1"
    assert sum(a != b for a, b in zip(switches[0], switches[0][1:], strict=False)) == 2


def without_swapoff(parameters):
    """Two processes quit, and the device stays."""
    setup = lay_anonymous(parameters, "do_exit", huge=False)
    return setup._replace(threads=setup.threads[:-1])


STAYS = Scenario("stays", "two processes quit, one small page", "", without_swapoff, processes=2)

LEAKS = {
    "a folio keeps the reference of its finder": (
        SCENARIOS["one-process"],
        edited("__try_to_reclaim_swap", drop("yield from folio_put(folio)")),
        "reference count",
        "has 1 references, but 0 are held",
    ),
    "swapoff keeps the last mm it looked at": (
        SCENARIOS["madvise"],
        edited("unuse_mms", Replace("yield from mmput(MMLIST[prev])\n    return 0", "pass\n    return 0")),
        "reference count",
        "mm1.mm_users is 2 at the end, but 1 are held",
    ),
    "an mm that is gone stays on the mmlist": (
        STAYS,
        edited("mmput", drop("yield write(mm.mmlist, 0)")),
        "accounting",
        "mmlist",
    ),
    "a slot keeps its SWAP_HAS_CACHE": (
        STAYS,
        edited("delete_from_swap_cache", drop("yield from put_swap_folio(folio, entry)")),
        "swap cache",
        "is 0x40, but the cache has NULL",
    ),
    "a slot keeps a reference": (
        STAYS,
        edited("free_swap_and_cache", before("si = yield from _swap_info_get(entry)", "return True")),
        "accounting",
        "but 0 PTEs and 0 file slots refer to it",
    ),
    "the count of slots in use is not": (
        STAYS,
        edited("swap_range_free", drop("yield WRITE_ONCE(si.inuse_pages, pages - nr_entries)")),
        "accounting",
        "inuse_pages is 1, but 0 bytes are in use",
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("shortest", ["steps", "switches"])
def test_what_is_left_at_the_end_is_found(leak, shortest):
    scenario, function, kind, message = LEAKS[leak]

    def search(reduce):
        built = scenario.system(KERNELS["v6.8"], Parameters(), {function.__name__: function})
        built.oracles = () if scenario is STAYS else built.oracles  # which say some of it while the threads run
        outcome, _ = explore(built, reduce=reduce, shortest=shortest)
        return outcome

    reduced, full = search(True), search(False)
    for outcome in (reduced, full):
        assert (outcome.verdict, outcome.violation.kind) == ("violated", kind)
        assert message in str(outcome.violation)
    assert turns(reduced.schedule, shortest) == turns(full.schedule, shortest)


def turns(schedule, shortest):
    return len(schedule), sum(a != b for a, b in itertools.pairwise(schedule)) if shortest == "switches" else 0


@pytest.mark.parametrize("kernel", SOUND)
def test_nothing_is_left_where_the_device_stays(kernel):
    outcome, _ = explore(STAYS.system(KERNELS[kernel]))
    assert outcome.verdict == "holds"


# ---- lock order ------------------------------------------------------------------------------------------------------


def explored(*functions):
    built = system(*functions)
    explore(built)
    return lock_edges(built)


def a_then_b(a, b):
    yield spin_lock(a.lock)
    yield spin_lock(b[0].lock)
    yield spin_unlock(b[0].lock)
    yield spin_unlock(a.lock)


def b_then_a(a, b):
    yield spin_lock(b[1].lock)
    yield spin_lock(a.lock)
    yield spin_unlock(a.lock)
    yield spin_unlock(b[1].lock)


def b_then_tries_a(a, b):
    yield spin_lock(b[1].lock)
    got = yield spin_trylock(a.lock)
    if got:
        yield spin_unlock(a.lock)
    yield spin_unlock(b[1].lock)


def tries_b_then_a(a, b):
    got = yield spin_trylock(b[1].lock)
    if got:
        yield spin_lock(a.lock)
        yield spin_unlock(a.lock)
        yield spin_unlock(b[1].lock)


def mutex_then_folio(a, b):
    yield mutex_lock(a.mutex)
    yield folio_lock(a)
    yield folio_unlock(a)
    yield mutex_unlock(a.mutex)


def folio_then_sem(a, b):
    yield folio_lock(a)
    yield down_read(a.sem)
    yield up_read(a.sem)
    yield folio_unlock(a)


def sem_then_mutex(a, b):
    yield down_write(a.sem)
    yield downgrade_write(a.sem)
    yield mutex_lock(a.mutex)
    yield mutex_unlock(a.mutex)
    yield up_read(a.sem)


def tries_folio_after_mutex(a, b):
    yield mutex_lock(a.mutex)
    got = yield folio_trylock(a)
    if got:
        yield folio_unlock(a)
    yield mutex_unlock(a.mutex)


def b_in_b(a, b):
    yield spin_lock(b[0].lock)
    yield spin_lock(b[1].lock)
    yield spin_unlock(b[0].lock)  # in the order in which they were taken
    yield spin_lock(a.lock)
    yield spin_unlock(a.lock)
    yield spin_unlock(b[1].lock)


def test_two_orders_are_an_inversion_with_the_first_place_of_each():
    edges = explored(a_then_b, b_then_a)
    assert set(edges) == {("a.lock", "b.lock"), ("b.lock", "a.lock")}
    [found] = inversions(edges)
    assert found.classes == ("a.lock", "b.lock")
    told = str(found)
    for part in ("taken in both orders", "a_then_b holds a.lock", "b_then_a holds b[1].lock", "test_oracles.py:"):
        assert part in told


def test_the_deadlock_need_not_happen():
    """The two are kept apart by a third lock; lockdep, and we, say it all the same."""

    def first(a, b):
        yield mutex_lock(a.mutex)
        yield from a_then_b(a, b)
        yield mutex_unlock(a.mutex)

    def second(a, b):
        yield mutex_lock(a.mutex)
        yield from b_then_a(a, b)
        yield mutex_unlock(a.mutex)

    built = system(first, second)
    assert explore(built)[0].verdict == "holds"
    assert [i.classes for i in inversions(lock_edges(built))] == [("a.lock", "b.lock")]


def test_a_trylock_waits_for_nobody():
    assert inversions(explored(a_then_b, b_then_tries_a)) == []


def test_what_a_trylock_took_is_held():
    assert [i.classes for i in inversions(explored(a_then_b, tries_b_then_a))] == [("a.lock", "b.lock")]


def test_sleeping_locks_and_longer_circles():
    edges = explored(mutex_then_folio, folio_then_sem, sem_then_mutex)
    [found] = inversions(edges)
    assert found.classes == ("a.locked", "a.sem", "a.mutex")
    assert "comes back to where it began" in str(found)
    assert inversions(explored(folio_then_sem, sem_then_mutex, tries_folio_after_mutex)) == []


def test_two_locks_of_one_class():
    edges = explored(b_in_b)
    assert set(edges) == {("b.lock", "b.lock"), ("b.lock", "a.lock")}  # b[1] is still held after b[0] is released
    [found] = inversions(edges)
    assert "is taken while another b.lock is held" in str(found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("swap_lock", "swap_lock"),
        ("si0.lock", "si.lock"),
        ("cluster_info[3].lock", "cluster_info.lock"),
        ("swap0.cluster_info[3].lock", "cluster_info.lock"),
        ("info2.i_mapping[0].xa_lock", "i_mapping.xa_lock"),
        ("new folio1.locked", "folio.locked"),
        ("mm1.pte[0]", "mm.pte"),
    ],
)
def test_the_class_of_a_lock(name, expected):
    assert lock_class(Address(name, 0)) == expected


# Section 3 of the facts, as far as the scenarios come: every lock before those that may be taken while it is held.
ORDER = """
i_rwsem: swapon_mutex swap_cgroup_mutex
swapon_mutex: swap_lock
swap_slots_cache_enable_mutex: swp_slots.alloc_lock swap_lock mm.mmap_lock shmem_swaplist_mutex
swp_slots.alloc_lock: swp_slots.free_lock
mm.mmap_lock: folio.locked
folio.locked: mm.page_table_lock i_mapping.xa_lock info.lock
mm.page_table_lock: swap_lock swp_slots.free_lock mmlist_lock swapper_space.xa_lock
swp_slots.free_lock: si.lock
swap_lock: si.lock
si.lock: cluster_info.lock swap_avail_lock mmlist_lock swapper_space.xa_lock swap_cgroup_lock
"""


def allowed():
    after = {line.split(":")[0]: set(line.split(":")[1].split()) for line in ORDER.strip().splitlines()}
    while True:
        more = {outer: inner.union(*(after.get(i, set()) for i in inner)) for outer, inner in after.items()}
        if more == after:
            return {(outer, inner) for outer, inners in after.items() for inner in inners}
        after = more


@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if not s.startswith("thread-")])
@pytest.mark.parametrize("kernel", SOUND)
def test_the_kernels_keep_the_order_of_the_facts(scenario, kernel):
    built, _ = scene(scenario, kernel=kernel, slot_cache=not SCENARIOS[scenario].fixed and scenario != "thread")
    edges = lock_edges(built)
    assert inversions(edges) == []
    assert set(edges) - allowed() == set()
    assert len(edges) > 20


def test_the_nested_locks_of_fork_are_vouched_for():
    built, _ = scene("fork")
    assert set(nested_edges(built)) == {("mm.mmap_lock", "mm.mmap_lock"), ("mm.page_table_lock", "mm.page_table_lock")}


INVERSIONS = {
    "swapoff takes si->lock before swap_lock": (
        "one-process",
        edited(
            "swapoff_unpublish",
            Replace(
                "yield spin_lock(swap_lock)\n    yield spin_lock(si.lock)",
                "yield spin_lock(si.lock)\n    yield spin_lock(swap_lock)",
            ),
        ),
        ("si.lock", "swap_lock"),
    ),
    "a cluster lock is held while si->lock is waited for": (
        "one-process",
        edited(
            "__swap_entry_free",
            before("yield from unlock_cluster_or_swap_info(si, ci)", "yield spin_lock(si.lock)", "yield spin_unlock(si.lock)"),
        ),
        ("cluster_info.lock", "si.lock"),
    ),
}


@pytest.mark.parametrize("name", INVERSIONS)
def test_two_locks_swapped_are_an_inversion(name):
    scenario, function, classes = INVERSIONS[name]
    built, _ = scene(scenario, function)
    assert classes in [i.classes for i in inversions(lock_edges(built))]


# ---- data races ------------------------------------------------------------------------------------------------------


def stores_plainly(a, b):
    yield spin_lock(a.lock)
    yield write(a.guarded, 1)
    yield spin_unlock(a.lock)


def loads_marked(a, b):
    yield READ_ONCE(a.guarded)


def loads_locked(a, b):
    yield spin_lock(a.lock)
    yield read(a.guarded)
    yield spin_unlock(a.lock)


def stores_marked(a, b):
    yield spin_lock(a.lock)
    yield WRITE_ONCE(a.guarded, 1)
    yield spin_unlock(a.lock)


def loads_before(a, b):
    yield read(a.flag)
    yield spin_lock(a.lock)
    yield WRITE_ONCE(a.guarded, 1)
    yield spin_unlock(a.lock)


def stores_after(a, b):
    ready = yield READ_ONCE(a.guarded)
    if ready:
        yield write(a.flag, 1)


def stores_as_reader(a, b):
    yield down_read(a.sem)
    yield write(a.flag, 1)
    yield up_read(a.sem)


def stores_as_writer(a, b):
    yield down_write(a.sem)
    yield write(a.flag, 2)
    yield up_write(a.sem)


def adds_atomically(a, b):
    yield atomic_add(1, a.flag)


RACING = [(stores_plainly, loads_marked), (stores_as_reader, adds_atomically), (stores_as_reader, stores_after)]
QUIET = [
    (stores_plainly, loads_locked),
    (stores_marked, loads_marked),
    (loads_before, stores_after),
    (stores_as_reader, stores_as_writer),
    (adds_atomically, adds_atomically),
]


@pytest.mark.parametrize("threads", RACING[:2], ids=lambda v: "-".join(f.__name__ for f in v))
def test_a_plain_access_that_races(threads):
    built = system(*threads)
    [race] = races(built)
    recorder = record(built, race.schedule)
    assert [s.operation is not None for s in recorder.at] == [True, True]
    assert {
        s.operation.address.word if s.operation.name != "atomic_add" else s.operation.arguments[1].word for s in recorder.at
    } == {next(iter(recorder.at)).operation.address.word}
    assert "data race on a." in str(race)
    assert race.note == ""


@pytest.mark.parametrize("threads", QUIET, ids=lambda v: "-".join(f.__name__ for f in v))
def test_accesses_that_do_not_race(threads):
    """Locked, marked on both sides, one after the other in every execution, or kept apart by an rw-semaphore."""
    assert races(system(*threads)) == []


def test_two_readers_of_a_semaphore_do_not_exclude_each_other():
    assert len(races(system(stores_as_reader, stores_as_reader))) == 1


def test_a_race_that_the_budget_could_not_confirm_is_told_so():
    found = races(system(a_then_b, stores_plainly, loads_marked), Budget(max_states=1))
    assert all(race.schedule is None and "not confirmed" in str(race) for race in found)


SMALL = [s for s in SCENARIOS if not s.startswith("thread")]


@pytest.mark.parametrize(
    ("scenario", "kernel"), [(s, k) for s in SMALL for k in SOUND if k == "v6.8" or s in ("reclaim", "reuse")]
)
def test_every_race_of_the_kernel_has_been_examined(scenario, kernel):
    built = SCENARIOS[scenario].system(KERNELS[kernel], Parameters())
    found = races(built, Budget(max_states=200_000))
    assert [str(race) for race in found if not race.note] == []
    assert all(race.schedule is not None for race in found)
    cve = [race for race in found if "CVE-2024-26960" in race.note]
    assert bool(cve) == (kernel == "v6.8" and scenario in ("shmem-truncate", "reuse"))


def test_a_write_once_made_plain_is_a_race():
    plain = edited("swap_range_free", Replace("WRITE_ONCE(si.inuse_pages", "write(si.inuse_pages"))
    built = SCENARIOS["one-process"].system(KERNELS["v6.8"], Parameters(), {"swap_range_free": plain})
    found = [race for race in races(built) if race.word == "si.inuse_pages"]
    assert found
    assert not any(race.note for race in found if "drain_mmlist" not in str(race))
    assert "swap_range_free" in str(found[0])


# ---- what the machine finds at the step itself -------------------------------------------------------------------------


AT_ONCE = {
    "sleeping in atomic context": (
        "one-process",
        edited("zap_pte_range", before("folio = yield from zap_pte(mm.pte[i])", "yield from synchronize_rcu()")),
        "sleeping while atomic",
        "start_poll_synchronize_rcu() may sleep inside an atomic section",
    ),
    "a member written without the lock that guards it": (
        "one-process",
        edited("swapoff_unpublish", drop("yield spin_lock(si.lock)"), drop("yield spin_unlock(si.lock)")),
        "lock misuse",
        "si.highest_bit is written without si.lock",
    ),
    "a member read without the lock that guards it": (
        "one-process",
        edited(
            "swap_page_trans_huge_swapped",
            before("huge = yield from cluster_is_huge(ci)", "yield from unlock_cluster_or_swap_info(si, ci)"),
        ),
        "lock misuse",
        "cluster_info[0].flags is read without cluster_info[0].lock",
    ),
}


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_a_step_must_not_do(name):
    scenario, function, kind, message = AT_ONCE[name]
    _, outcome = scene(scenario, function)
    assert (outcome.verdict, outcome.violation.kind) == ("violated", kind)
    assert message in str(outcome.violation)


@pytest.mark.parametrize(("kernel", "verdict"), [("v6.7", "violated"), ("v6.8", "holds"), ("v6.9", "holds")])
def test_stale_data(kernel, verdict):
    """v6.7 is v6.8 without 13ddaf26be32."""
    _, outcome = scene("two-faults", kernel=kernel)
    assert outcome.verdict == verdict
    if outcome.violation is not None:
        assert str(outcome.violation) == "stale data: the page reads old, but new was written"
