"""Random sequences of whole operations keep every invariant after each, and no page is ever lost.

Nine computers, 1,200 operations each, so 10,800 in all; made by hypothesis.
"""

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from swapmodel.machine import READ_ONCE, WRITE_ONCE, Violation, read
from swapmodel.mm.swapops import SWAP_HAS_CACHE
from swapmodel.session import Device, Machine
from tests.walk import WEIGHTS, Walk, random_walk, walk

if TYPE_CHECKING:
    from swapmodel.mm.swapfile.lookup import _swap_info_get

COMPUTERS = {
    "a device that is often full": lambda: Machine(slots=12, cluster=4),
    "two devices, equal priority": lambda: Machine(Device(32, prio=3), Device(24, prio=3), pages=16, cluster=8),
    "automatic priorities, bad pages": lambda: Machine(Device(32), Device(24, bad=(5, 9)), pages=16, cluster=8),
    "without clusters": lambda: Machine(Device(40, solidstate=False)),
    "a RAM disk": lambda: Machine(Device(48, synchronous=True), cluster=8),
    "discard": lambda: Machine(Device(48, discard=True), cluster=8),
    "slot caches": lambda: Machine(slots=64, slot_cache=4, pages=12, cluster=4, cpus=1),
    "continuation": lambda: Machine(slots=64, pages=4, cluster=4, page_size=8, page_cluster=2),
    "readahead, two address spaces": lambda: Machine(slots=32, page_cluster=3, address_space_shift=4, cluster=8),
}
EXAMPLES, OPERATIONS = 12, 100
DONE = []

NAMES = st.lists(
    st.sampled_from([n for n, weight in WEIGHTS.items() for _ in range(weight)]), min_size=OPERATIONS, max_size=OPERATIONS
)


@pytest.mark.parametrize("computer", COMPUTERS)
def test_random_operations(computer):
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],  # shrinking takes minutes: take Phase.shrink in to look for the cause of a failure
    )
    @given(NAMES, st.randoms(use_true_random=False))
    def run(names, randomness):
        walk(COMPUTERS[computer](), names, randomness.choice)
        DONE.append(len(names))

    run()


def test_that_were_enough():
    assert sum(DONE) >= 10_000 or len(DONE) < len(COMPUTERS) * EXAMPLES  # fewer if only some of the tests were run


# ---- what these tests would notice ---------------------------------------------------------------------------------------


def swapped_out():
    """Everything an invariant is about: two processes that share, a large folio, a file, a folio in the cache."""
    machine = Machine(slots=64, pages=16, cluster=8)
    p = machine.spawn()
    machine.huge(p, 8)
    for page in (0, 1, 2):
        machine.write(p, page, page)
    machine.write(machine.files[0], 0, "file")
    machine.swap_out(p, 8)
    for who, page in ((p, 0), (machine.files[0], 0)):
        machine.swap_out(who, page)
    machine.swap_out(p, 1, keep=True)
    machine.fork(p)
    machine.check()
    return machine


def word(machine, name):
    [found] = [i for i, shown in enumerate(machine.world.memory.shown) if shown.name == name]
    return found


BROKEN = (
    ("si.inuse_pages", lambda v: v + 1, "inuse_pages"),
    ("nr_swap_pages", lambda v: v - 1, "nr_swap_pages"),
    ("total_swap_pages", lambda v: v - 1, "total_swap_pages"),
    ("mm1.pte[0]", lambda v: 0, "PTEs"),
    ("mm2.pte[1]", lambda v: 0, "PTEs"),
    ("info.i_mapping[0].i_pages[0]", lambda v: 0, "file slots"),
    ("mm1.mmlist", lambda v: 0, "mmlist"),
    ("info.swapped", lambda v: 0, "swapped"),
    ("info.swaplist", lambda v: 0, "shmem_swaplist"),
    ("si.free_clusters", lambda v: v[1:], "lists"),
    ("si.free_clusters", lambda v: (*v[1:], v[0]), "free list"),
    ("cluster_info[0].data", lambda v: v + 1, "counts"),
    ("si.lowest_bit", lambda v: v + 40, "look there"),
    ("si.highest_bit", lambda v: 1, "look there"),
    ("swap_avail_head", lambda v: (), "swap_avail_head"),
    ("swap_active_head", lambda v: (), "swap_active_head"),
    ("si.users", lambda v: 1, "references left"),
    ("si.lock", lambda v: 1, "still held"),
    ("mm1.page_table_lock", lambda v: 1, "still held"),
)


@pytest.mark.parametrize(("name", "change", "told"), BROKEN, ids=[f"{n} {i}" for i, (n, _, _) in enumerate(BROKEN)])
def test_each_invariant_can_fail(name, change, told):
    machine = swapped_out()
    at = word(machine, name)
    machine.sequential.words[at] = change(machine.sequential.words[at])
    with pytest.raises(Violation, match=told):
        machine.check()


@pytest.mark.parametrize(("member", "value"), [("refcount", 7), ("mapcount", 7), ("locked", 1), ("swapcache", 0)])
def test_a_folio_can_be_wrong(member, value):
    machine = swapped_out()
    [folio] = [f for f in machine.world.folios if machine._cached(f)][:1]
    machine.sequential.words[getattr(folio, member).word] = value
    with pytest.raises(Violation):
        machine.check()


def swap_free_that_forgets(entry):
    """swap_free() that looks up the device and leaves the count as it is."""
    yield from _swap_info_get(entry)


def put_without_the_pin(si, offset, usage):
    """__swap_entry_free_locked() that gives up SWAP_HAS_CACHE with the last reference."""
    map = yield READ_ONCE(si.swap_map)
    byte = yield read(map[offset])
    usage = (byte & ~SWAP_HAS_CACHE if usage == SWAP_HAS_CACHE else byte - 1) & 0xFF
    yield WRITE_ONCE(map[offset], usage)
    return usage


@pytest.mark.parametrize(
    "fix",
    [{"swap_free": swap_free_that_forgets}, {"__swap_entry_free_locked": put_without_the_pin}],
    ids=["swap_free", "__swap_entry_free_locked"],
)
def test_a_wrong_kernel_is_noticed(fix):
    with pytest.raises((AssertionError, Violation)):
        for seed in range(20):
            random_walk(Machine(slots=64, pages=16, fix=fix), seed, 200)


def test_a_lost_value_is_noticed():
    steps = Walk(Machine(slots=32), random.Random(1).choice)
    steps.spawn()
    for _ in range(20):
        steps.write()
    who = next(w for w in steps.expected if any(v is not None for v in steps.expected[w]))
    page = next(i for i, v in enumerate(steps.expected[who]) if v is not None)
    steps.expected[who][page] = "something else"
    with pytest.raises(AssertionError, match="reads"):
        steps.finish()
