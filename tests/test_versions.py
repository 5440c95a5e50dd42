"""v6.10 and mthp-v3: large folios of every order in swap, and freeing them in batches.

What an operation must leave behind is asked of the whole computer, with `Machine.check()`; what two threads can do to each
other, of the explorer. Each expectation has a mutant that breaks it.
"""

import inspect
import random

import pytest

from swapmodel import KERNELS, SCENARIOS, Parameters, oracle
from swapmodel.explore import Budget, explore
from swapmodel.kernel import base, declared_globals, named_by, names_in, tell_owners
from swapmodel.machine import Memory, Violation
from swapmodel.mm import swapops
from swapmodel.program import Program, System
from swapmodel.scenarios import Setup, Thread, _oracles, lay_device, lay_process
from swapmodel.session import Device, Machine
from tests.mutants import Mutant, Patch

NEW = ("v6.10", "mthp-v3")
AS_ARGUED = dict(KERNELS["as-argued"].replaces)


def mutant(kernel, function, old, new):
    return Mutant(f"{kernel} {function}", "", (Patch(function, old, new),), (), base=kernel).kernel()


def pinned_nowhere():
    """v6.10 whose free_swap_and_cache_nr() finds the device as v6.8 does."""
    function = "free_swap_and_cache_nr"
    edits = (
        Patch(function, "get_swap_device(entry)", "_swap_info_get(entry)"),
        Patch(function, "    yield from put_swap_device(si)\n", ""),
    )
    return Mutant("no pin", "", edits, (), base="v6.10").kernel()


# ---- the kernels themselves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", NEW)
def test_every_function_is_reached(kernel):
    """A replacement of a name that the base does not have any more, or that nobody calls, would do nothing at all."""
    replaces = KERNELS[kernel].replaces
    used = set().union(*(names_in(f.__code__) for f in {**base(), **replaces}.values() if inspect.isgeneratorfunction(f)))
    assert [name for name in replaces if name not in used] == []


GONE = {
    "cluster_is_huge",
    "cluster_clear_huge",
    "swap_alloc_cluster",
    "any_slot_swapped",
    "count_free_entries",
    "CLUSTER_FLAG_HUGE",
}
ENTRIES = ("reclaim_folio", "do_exit", "madvise_free", "madvise_pageout", "user_write", "swapoff", "swapon", "split_huge_page")


@pytest.mark.parametrize("kernel", [*NEW, "v6.9"])
def test_nothing_huge_is_left(kernel):
    """Nobody comes to the functions that the series removed; the same look finds them in v6.9."""
    space = Machine(kernel=kernel).space
    found = set().union(*(named_by(space, f) for f in ENTRIES)) & GONE
    assert found == (GONE if kernel == "v6.9" else set())


# ---- the explorer ----------------------------------------------------------------------------------------------------


def verdict(scenario, kernel, fix=None, **parameters):
    system = SCENARIOS[scenario].system(kernel, Parameters(**parameters), fix)
    outcome, _ = explore(system, Budget(max_states=300_000), shortest="any")
    return outcome.violation.kind if outcome.violation else outcome.verdict


@pytest.mark.parametrize("kernel", NEW)
@pytest.mark.parametrize("scenario", ["one-process", "madvise", "munmap", "munmap-write-locked"])
def test_page_tables_are_safe(scenario, kernel):
    """mthp-v3: their lock is an RCU reader's. v6.10: the pin besides. Two pages are one batch there."""
    assert verdict(scenario, KERNELS[kernel]) == "holds"


@pytest.mark.parametrize("kernel", NEW)
def test_thread_with_one_process(kernel):
    """With two processes it is among the recorded verdicts."""
    assert verdict("thread", KERNELS[kernel], processes=1, pages=2) == "holds"


def test_truncation():
    """No page table lock there, so v3 alone is broken: what it frees after the reference is the swap cache, and not the look at
    swap_map that v6.8 takes first. Where tasks are not preempted there is no hole."""
    assert verdict("shmem-truncate", KERNELS["mthp-v3"]) in ("NULL dereference", "use after free")
    assert verdict("shmem-truncate", KERNELS["mthp-v3"], preempt="none") == "holds"
    assert verdict("shmem-truncate", KERNELS["v6.10"]) == "holds"
    assert verdict("shmem-truncate", pinned_nowhere()) in ("NULL dereference", "use after free")


def batch(kernel, fix=None):
    """One process has mapped both pages of a large folio, and quits while swapoff runs."""

    def lay(parameters):
        memory = Memory(["process", "swapoff"], parameters.preempt)
        memory.globals(declared_globals())
        device = lay_device(memory, parameters, [1, 1], huge=True)
        mm = lay_process(memory, "mm1", [swapops.swp_entry(0, device.first + i) for i in range(2)])
        threads = [Thread("process", "do_exit", (mm,)), Thread("swapoff", "swapoff", (0,))]
        left = [(mm.pte[i], mm.page_table_lock) for i in range(2)]
        return Setup(memory, {**device.constants, "MMLIST": (mm,)}, threads, _oracles(device, left))

    system = SCENARIOS["thread"]._replace(lay=lay).system(kernel, Parameters(processes=1, pages=2), fix)
    outcome, _ = explore(system, Budget(max_states=300_000), shortest="any")
    return outcome.violation.kind if outcome.violation else outcome.verdict


def test_what_the_seed_message_was_afraid_of():
    """The pin needs no RCU; without it everything hangs on the page table lock being a reader."""
    assert batch(KERNELS["v6.10"]) == "holds"
    assert batch(KERNELS["v6.10"], AS_ARGUED) == "holds"
    assert batch(pinned_nowhere()) == "holds"
    assert batch(pinned_nowhere(), AS_ARGUED) in ("NULL dereference", "use after free")
    assert batch(KERNELS["mthp-v3"], AS_ARGUED) in ("NULL dereference", "use after free")


def while_it_quits(kernel, other, large_folio=False, fix=None):
    """A computer that swapon made: a process whose two pages are one folio in the swap cache quits, while another CPU
    reclaims the page, or folio, of a second process, or swaps the device off. The device has four slots in two clusters."""
    machine = Machine(Device(slots=4), cluster=2, cpus=2, pages=2, processes=2, files=0, kernel=kernel, fix=fix)
    p, q = machine.spawn(), machine.spawn()
    large(machine, p, 0, 2)
    machine.swap_out(p, 0, keep=True)
    if large_folio:
        large(machine, q, 0, 2)
    machine.write(q, 0, "other")
    folio = machine.value(q.mm.pte[0]).folio
    calls = {"exit": ("do_exit", p.mm), "reclaim": ("reclaim_folio", folio), "swapoff": ("swapoff", 0)}
    space, memory = machine.space, machine.world.memory
    memory.words[:] = machine.sequential.words
    tell_owners(memory, space, [calls["exit"][0], calls[other][0]], {**kernel.replaces, **(fix or {})})
    programs = [
        Program(name, lambda f=f, argument=argument: space.syscall(getattr(space, f), argument))
        for name, (f, argument) in calls.items()
        if name in ("exit", other)
    ]
    si = machine.value(space.swap_info[0])
    map = machine.value(si.swap_map)
    oracles = (oracle.swap_map_underflow(map), oracle.inuse_pages(si, map))
    outcome, _ = explore(System(memory, programs, oracles, space), Budget(max_states=300_000), shortest="any")
    return outcome.violation.kind if outcome.violation else outcome.verdict


@pytest.mark.parametrize("kernel", NEW)
def test_slots_may_be_taken_again_at_once(kernel):
    """Between the last reference and the look for the folio, and between one slot of the run and the next."""
    assert while_it_quits(KERNELS[kernel], "reclaim") == "holds"
    assert while_it_quits(KERNELS[kernel], "reclaim", large_folio=True) == "holds"
    assert while_it_quits(KERNELS[kernel], "swapoff") == "holds"


def test_control_of_the_small_computer():
    assert while_it_quits(KERNELS["v6.10"], "swapoff", fix=AS_ARGUED) == "holds"
    assert while_it_quits(pinned_nowhere(), "swapoff", fix=AS_ARGUED) in ("NULL dereference", "use after free")


# ---- one operation after the other -----------------------------------------------------------------------------------


def offsets(machine, process):
    """Where the pages are on the device; None for one that is not swapped out."""
    ptes = [machine.value(process.mm.pte[i]) for i in range(process.pages)]
    return [swapops.swp_offset(pte.entry) if isinstance(pte, swapops.SwapPte) else None for pte in ptes]


def large(machine, process, first, size):
    assert machine.call("do_huge_anonymous_page", process.mm, first, size) == 0
    for i in range(first, first + size):
        machine.write(process, i, f"{process} {i}")


def small(machine, process, page, keep=False):
    machine.write(process, page, f"{process} {page}")
    machine.swap_out(process, page, keep=keep)
    return offsets(machine, process)[page]


def inuse(machine):
    return machine.value(machine.value(machine.space.swap_info[0]).inuse_pages)


@pytest.mark.parametrize("kernel", NEW)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_every_order_goes_out_in_one_piece(kernel, order):
    machine = Machine(slots=64, cluster=16, pages=32, kernel=kernel)
    p, size = machine.spawn(), 1 << order
    for first in (0, size):
        large(machine, p, first, size)
        machine.swap_out(p, first)
        machine.check()
    found = offsets(machine, p)
    second = 16 + size if size < 16 else 32  # the same cluster while it has room
    assert found[: 2 * size] == [*range(16, 16 + size), *range(second, second + size)]
    assert inuse(machine) == 2 * size
    assert [machine.read(p, i) for i in range(2 * size)] == [f"{p} {i}" for i in range(2 * size)]
    machine.check()
    machine.exit(p)
    machine.check()
    assert inuse(machine) == 0
    assert machine.swapoff().value == 0


@pytest.mark.parametrize("kernel", NEW)
def test_orders_do_not_share_clusters(kernel):
    machine = Machine(slots=64, cluster=16, pages=32, kernel=kernel)
    p = machine.spawn()
    large(machine, p, 0, 2)
    large(machine, p, 4, 4)
    machine.swap_out(p, 0)
    machine.swap_out(p, 4)
    assert small(machine, p, 8) == 48
    assert (offsets(machine, p)[0], offsets(machine, p)[4]) == (16, 32)
    large(machine, p, 2, 2)
    machine.swap_out(p, 2)
    machine.check()
    assert offsets(machine, p)[2:4] == [18, 19]


@pytest.mark.parametrize("kernel", NEW)
def test_a_large_folio_that_finds_no_cluster_is_split(kernel):
    """It takes nothing but a cluster of its order, or a free one; small pages take what is left of any."""
    machine = Machine(Device(slots=32), cluster=16, pages=16, kernel=kernel)
    p = machine.spawn()
    large(machine, p, 0, 4)
    machine.swap_out(p, 0)
    large(machine, p, 4, 2)
    assert machine.swap_out(p, 4).value
    machine.check()
    found = offsets(machine, p)
    assert found[:4] == [16, 17, 18, 19] and found[4] not in (None, 20, 21) and found[5] is None
    assert machine.value(machine.value(p.mm.pte[5]).folio.nr_pages) == 1
    assert machine.read(p, 4) == f"{p} 4"


@pytest.mark.parametrize("kernel", NEW)
def test_no_order_without_clusters(kernel):
    machine = Machine(Device(slots=32, solidstate=False), cluster=16, pages=16, kernel=kernel)
    p = machine.spawn()
    large(machine, p, 0, 4)
    machine.swap_out(p, 0)
    machine.check()
    assert offsets(machine, p)[:4] != [None] * 4 and offsets(machine, p)[1:4] == [None] * 3


def stolen(kernel):
    """Order 1 has slots 8 and 9 of a cluster of 8 slots. Then there is no free cluster, and small pages take slot 10."""
    machine = Machine(Device(slots=24), cluster=8, pages=32, kernel=kernel)
    p, q = machine.spawn(), machine.spawn()
    large(machine, p, 0, 2)
    machine.swap_out(p, 0)
    large(machine, p, 4, 4)
    machine.swap_out(p, 4)
    pages = iter(range(16, 32))
    for page in pages:
        if small(machine, q, page) == 10:
            break
    return machine, p, q, pages


@pytest.mark.parametrize(("kernel", "expected"), [("v6.10", [12, 13]), ("mthp-v3", None)])
def test_a_slot_was_stolen(kernel, expected):
    """v6.10 looks on in the cluster, in steps of the order; v3 (its patch 3) gives it up, and has no other here."""
    machine, p, _, _ = stolen(kernel)
    large(machine, p, 2, 2)
    machine.swap_out(p, 2)
    machine.check()
    found = offsets(machine, p)[2:4]
    assert found == expected if expected else found[1] is None


@pytest.mark.parametrize(("kernel", "function"), [("v6.10", "swap_range_empty"), ("mthp-v3", "all_slots_free")])
def test_all_slots_of_the_range_must_be_free(kernel, function):
    """Slot 11 is stolen, slot 10 is free again. Control: who looks at the first byte alone takes both."""
    mutants = mutant(kernel, function, "range(nr_pages)", "range(1)")
    for version, right in ((kernel, True), (mutants, False)):
        machine, p, q, pages = stolen(version)
        r = machine.spawn()
        for page in pages:
            if small(machine, r, page) == 11:
                break
        machine.exit(q)
        machine.check()
        large(machine, p, 2, 2)
        machine.swap_out(p, 2, keep=True)
        if right:
            machine.check()
            assert offsets(machine, p)[2] != 10
        else:
            with pytest.raises(Violation):
                machine.check()


# ---- batches ---------------------------------------------------------------------------------------------------------


def run_at(machine, process, first):
    """swap_pte_batch() at a PTE, under the page table lock."""
    pte = machine.value(process.mm.pte[first])
    machine.call("pte_offset_map_lock", process.mm)
    nr = machine.call("swap_pte_batch", process.mm, first, process.pages - first, pte)
    machine.call("pte_unmap_unlock", process.mm)
    return nr


def two_folios(kernel, **options):
    """Slots 16 to 19 and 20 to 23 in the swap cache, one folio each, mapped by PTEs 0 to 7."""
    machine = Machine(slots=64, cluster=16, pages=16, kernel=kernel, **options)
    p = machine.spawn()
    for first in (0, 4):
        large(machine, p, first, 4)
        machine.swap_out(p, first, keep=True)
    machine.check()
    assert offsets(machine, p)[:9] == [*range(16, 24), None]
    return machine, p


def test_a_batch_is_neighbours_with_the_same_flags():
    machine, p = two_folios("v6.10")
    assert (run_at(machine, p, 0), run_at(machine, p, 5)) == (8, 3)
    q = machine.fork(p)  # neither has the pages alone any more
    machine.check()
    assert (run_at(machine, p, 0), run_at(machine, q, 0)) == (8, 8)
    machine.exit(q)
    machine.write(p, 2, "again")  # present now
    assert (run_at(machine, p, 0), run_at(machine, p, 3)) == (2, 5)


def test_the_exclusive_bit_ends_a_batch():
    """PTEs 0 and 1 were there when the process forked, 2 and 3 came later. Whoever ignores the bit frees the same slots."""
    ignores = mutant("v6.10", "swap_pte_batch", "found != pte._replace(entry=pte.entry + nr)", "found.entry != pte.entry + nr")
    for kernel, expected in ((KERNELS["v6.10"], 2), (ignores, 4)):
        machine = Machine(slots=64, cluster=16, pages=4, kernel=kernel)
        p = machine.spawn()
        large(machine, p, 0, 2)
        machine.swap_out(p, 0)
        q = machine.fork(p)
        large(machine, p, 2, 2)
        machine.swap_out(p, 2)
        assert offsets(machine, p) == [16, 17, 18, 19]
        assert run_at(machine, p, 0) == expected
        machine.exit(p)
        machine.check()
        assert inuse(machine) == 2
        machine.exit(q)
        machine.check()
        assert inuse(machine) == 0


@pytest.mark.parametrize("kernel", NEW)
@pytest.mark.parametrize("how", ["exit", "dontneed", "free", "munmap"])
def test_a_batch_frees_exactly_its_references(kernel, how):
    """Two folios that another process has too, and keeps. Page 1 is copied before, so the run has a hole."""
    machine, p = two_folios(kernel)
    q = machine.fork(p)
    machine.write(p, 1, "mine")
    machine.check()
    before = inuse(machine)
    if how in ("exit", "munmap"):
        getattr(machine, how)(p)
    else:
        machine.madvise(p, how)
    machine.check()
    assert inuse(machine) == before == 8
    assert [machine.read(q, i) for i in range(8)] == [f"{p} {i}" for i in range(8)]
    machine.check()
    machine.exit(q)
    machine.check()
    assert inuse(machine) == 0


JUMPS = {
    "by the size, from wherever it is": ("(offset // size + 1) * size", "offset + size"),
    "to the next cluster": ("(offset // size + 1) * size", "(offset // SWAPFILE_CLUSTER + 1) * SWAPFILE_CLUSTER"),
    "as if nothing could be found": ("abs(pages) or 1", "1"),
}


@pytest.mark.parametrize(("jump", "left"), list(zip([None, *JUMPS], [0, 1, 1, 0], strict=True)))
def test_the_jump_to_the_next_folio(jump, left):
    """Slots 8 to 11 are a folio of four pages, slot 12 a page that took what was left of its cluster, PTEs 0 to 4. Page 0
    is mapped again, so the batch begins inside the folio. A wrong jump leaves the page in the swap cache with nobody to
    refer to it; none at all is only slow."""
    kernel = mutant("v6.10", "reclaim_run_of_entries", *JUMPS[jump]) if jump else KERNELS["v6.10"]
    machine = Machine(Device(slots=16), cluster=8, pages=16, kernel=kernel)
    p = machine.spawn()
    large(machine, p, 0, 4)
    machine.swap_out(p, 0, keep=True)
    for page in (8, 9, 10):
        small(machine, p, page)
    assert small(machine, p, 4, keep=True) == 12
    machine.touch(p, 0)
    assert offsets(machine, p)[:6] == [None, 9, 10, 11, 12, None]
    assert run_at(machine, p, 1) == 4
    machine.exit(p)
    machine.check()
    assert inuse(machine) == left


@pytest.mark.parametrize("kernel", NEW)
def test_folios_that_cannot_be_reclaimed_stay(kernel):
    """They are being written: __try_to_reclaim_swap() finds them, and says so with a negative size in v6.10. Reclaim comes
    later."""
    machine = Machine(slots=64, cluster=16, pages=16, kernel=kernel)
    machine.io = False
    p = machine.spawn()
    for first in (0, 4):
        large(machine, p, first, 4)
        machine.swap_out(p, first)
    machine.exit(p)
    assert inuse(machine) == 8
    machine.finish_io()
    machine.io = True
    machine.reclaim()
    machine.check()
    assert inuse(machine) == 0


def nearly_full(kernel):
    """A device of slots 1 to 7, where 1 and 6 are free, and the other ones have nothing but folios that are still being
    written. The next search finds slot 1, the one after it begins at 3."""
    machine = Machine(Device(slots=8), cluster=8, pages=8, kernel=kernel)
    p, q = machine.spawn(), machine.spawn()
    found = []
    for page, who in enumerate([p, p, q, q, p, p, p]):
        machine.io = who is q
        machine.write(who, page, page)
        machine.swap_out(who, page)
        found.append(offsets(machine, who)[page])
    assert found == [2, 4, 6, 1, 3, 5, 7]
    machine.exit(p)
    machine.exit(q)
    assert inuse(machine) == 5
    return machine, machine.spawn()


def test_a_folio_that_stays_is_no_success(monkeypatch):
    """scan_swap_map_slots() meets slots whose folios can't go, and looks on. Control: who takes a negative answer for a yes
    looks at the same slot for ever."""
    monkeypatch.setattr("swapmodel.sequential.STEPS", 20_000)
    machine, p = nearly_full(KERNELS["v6.10"])
    assert (small(machine, p, 0), small(machine, p, 1)) == (1, 6)
    machine, p = nearly_full(mutant("v6.10", "scan_take_slot", "freed > 0", "freed"))
    assert small(machine, p, 0) == 1
    with pytest.raises(Violation, match="no end"):
        small(machine, p, 1)


def test_a_batch_asks_each_folio_once():
    """What the batch was made for: v3 locks the folio for every PTE."""
    steps = {}
    for kernel in NEW:
        machine, p = two_folios(kernel)
        steps[kernel] = machine.exit(p).steps
    assert steps["v6.10"] < steps["mthp-v3"] * 0.75


def test_a_whole_cluster_goes_only_without_references():
    """Control: put_swap_folio() that takes the size for enough frees slots that PTEs refer to."""
    broken = mutant("v6.10", "put_swap_folio", "if free_entries == SWAPFILE_CLUSTER:", "if True:")
    for kernel, right in ((KERNELS["v6.10"], True), (broken, False)):
        machine = Machine(slots=64, cluster=16, pages=16, kernel=kernel)
        p = machine.spawn()
        large(machine, p, 0, 16)
        machine.swap_out(p, 0)
        if right:
            machine.check()
            assert inuse(machine) == 16
        else:
            with pytest.raises(Violation):
                machine.check()


# ---- anything, in any order ------------------------------------------------------------------------------------------


OPERATIONS = (*["large", "out"] * 2, "write", "read", "keep", "fork", "exit", "free", "dontneed", "pageout")


def anything(kernel, seed, steps=40):
    """Random operations, the computer checked behind each, and every value that can be known compared."""
    chance = random.Random(seed)
    device = Device(chance.choice((20, 40, 64)), solidstate=chance.random() < 0.9, discard=chance.random() < 0.3)
    machine = Machine(device, kernel=kernel, cluster=chance.choice((4, 8)), pages=16, processes=3, slot_cache=2)
    processes, told = [machine.spawn()], {}
    for step in range(steps):
        processes = processes or [machine.spawn()]
        p, page = chance.choice(processes), chance.randrange(16)
        what = chance.choice(
            ("large", "large", "write", "read", "out", "out", "keep", "fork", "exit", "free", "dontneed", "pageout")
        )
        if what == "large":
            size = chance.choice((2, 4, machine.sizes.cluster))
            machine.call("do_huge_anonymous_page", p.mm, page - page % size, size)
        elif what == "write":
            machine.write(p, page, step)
            told[p, page] = step
        elif what == "read":
            value = machine.read(p, page)
            assert value == told.get((p, page)) or (value is None and (p, "free") in told)
        elif what in ("out", "keep"):
            machine.swap_out(p, page, keep=what == "keep")
        elif what == "fork" and len(processes) < 3:
            child = machine.fork(p)
            processes.append(child)
            told.update({(child, i): value for (who, i), value in list(told.items()) if who is p})
        elif what == "exit":
            machine.exit(p)
            processes.remove(p)
        elif what in ("free", "dontneed", "pageout"):
            machine.madvise(p, what)
            if what == "dontneed":
                told = {key: value for key, value in told.items() if key[0] is not p}
            if what == "free":
                told[p, "free"] = True
        machine.check()
    for p in processes:
        machine.exit(p)
    machine.check()
    assert machine.swapoff().value == 0
    machine.check()


@pytest.mark.parametrize("kernel", NEW)
@pytest.mark.parametrize("seed", range(8))
def test_anything(kernel, seed):
    anything(kernel, seed)
