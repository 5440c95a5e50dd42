"""Page faults, fork, copy on write and madvise: whole operations, and two at a time with one switch at every step."""

import pytest

from swapmodel.machine import BLOCKED, NULL
from swapmodel.mm import swapops
from swapmodel.session import Device, Machine

SSD, RAM_DISK = Device(slots=32), Device(slots=32, synchronous=True)


def computer(device=SSD, **sizes):
    return Machine(device, **{"cpus": 3, "cluster": 4, "slot_cache": 2, "pages": 4, **sizes})


def pte(machine, process, page=0):
    return machine.value(process.mm.pte[page])


def cached(machine, entry):
    spaces = machine.value(machine.space.swapper_spaces[swapops.swp_type(entry)])
    return machine.value(swapops.xa_slot(spaces[0], swapops.swp_offset(entry)))


def byte(machine, entry):
    si = machine.value(machine.space.swap_info[swapops.swp_type(entry)])
    return machine.value(machine.value(si.swap_map)[swapops.swp_offset(entry)])


def exclusive(machine, process, page=0):
    found = pte(machine, process, page)
    return bool(machine.value(found.folio.anon_exclusive) & 1 << found.page)


class Running:
    """A kernel function that has been begun on one CPU and can be left in its middle."""

    def __init__(self, machine, cpu, generator):
        self.cpu, self.generator, self.value, self.done = machine.sequential.cpus[cpu], generator, None, False
        self._next(None)

    def _next(self, value):
        try:
            self.operation = self.generator.send(value)
        except StopIteration as stop:
            self.done, self.value = True, stop.value

    def run(self, steps):
        for _ in range(steps):
            if self.done:
                return
            value = self.operation.effect(self.cpu, *self.operation.arguments)
            if value is BLOCKED:
                return
            self._next(value)

    def run_to(self, name):
        """Up to the first operation of this name, which is not taken."""
        self.run_until(lambda: self.operation.name == name)

    def run_until(self, condition):
        for _ in range(10_000):
            if condition():
                return
            self.run(1)
        raise AssertionError(f"it never comes so far, and stands at {self.operation}")


def finish_io(machine):
    for folio in machine.world.folios:
        if machine.value(folio.writeback):
            machine.sequential.run(machine.space.end_swap_bio_write(folio), 2)


def switch_everywhere(machine, start, check, stride=1):
    """Runs the two functions of `start(space)`: the first up to each of its steps, then the other, then the first again; and
    the other way round. `check(a, b)` gets what they returned."""
    before = list(machine.sequential.words)
    for order in ((0, 1), (1, 0)):
        for steps in range(0, 100_000, stride):
            machine.sequential.words[:] = before
            pair = start(machine.space)
            first, second = (Running(machine, i, pair[i]) for i in order)
            first.run(steps)
            last = first.done
            for _ in range(100):
                second.run(2_000)
                first.run(2_000)
                if first.done and second.done:
                    break
                finish_io(machine)
            else:
                raise AssertionError(f"after {steps} steps nobody comes to an end")
            finish_io(machine)
            check(*(first.value, second.value)[:: -1 if order[0] else 1])
            machine.check()
            if last:
                break


# ---- values are read back after every path ---------------------------------------------------------------------------


@pytest.mark.parametrize("device", [SSD, RAM_DISK])
@pytest.mark.parametrize("keep", [True, False])
def test_a_page_survives_the_way_to_swap_and_back(device, keep):
    machine = computer(device)
    process = machine.spawn()
    assert machine.read(process, 0) is None, "nobody has written it"
    for value in ("first", "second"):
        machine.write(process, 0, value)
        machine.swap_out(process, 0, keep=keep)
        assert isinstance(pte(machine, process), swapops.SwapPte)
        machine.check()
        assert machine.read(process, 0) == value
        machine.check()
    assert machine.read(process, 1) is None


def test_a_write_fault_on_a_swapped_page_keeps_the_other_pages():
    machine = computer()
    process = machine.spawn()
    for page in range(3):
        machine.write(process, page, page)
        machine.swap_out(process, page)
    machine.write(process, 1, "new")
    assert [machine.read(process, page) for page in range(4)] == [0, "new", 2, None]
    machine.check()


def test_a_large_folio_goes_and_comes_back_page_by_page():
    machine = computer(pages=8)
    process = machine.spawn()
    machine.huge(process, 4)
    for page in range(4, 8):
        machine.write(process, page, page)
    assert len({pte(machine, process, page).folio for page in range(4, 8)}) == 1
    assert [pte(machine, process, page).page for page in range(4, 8)] == [0, 1, 2, 3]
    machine.check()
    machine.swap_out(process, 4, keep=True)
    assert machine.read(process, 6) == 6, "from the swap cache: a page of the folio that is still there"
    assert pte(machine, process, 6).page == 2
    machine.check()
    machine.swap_out(process, 4)
    assert [machine.read(process, page) for page in range(4, 8)] == [4, 5, 6, 7]
    machine.check()


def test_a_large_folio_is_only_made_where_all_pages_are_free():
    machine = computer()
    process = machine.spawn()
    machine.write(process, 2, "there")
    machine.huge(process, 0)
    assert [pte(machine, process, page) for page in (0, 1, 3)] == [NULL] * 3
    assert machine.read(process, 2) == "there"
    machine.check()


def test_an_access_without_a_vma_is_a_segfault():
    machine = computer()
    process = machine.spawn()
    machine.munmap(process)
    assert str(machine.read(process, 0)) == "SIGSEGV"
    assert str(machine.write(process, 0, 1).value) == "SIGSEGV"


def test_no_memory_is_no_endless_loop():
    machine = computer(folios=1)
    process = machine.spawn()
    machine.write(process, 0, "all there is")
    assert str(machine.write(process, 1, 1).value) == "SIGKILL"
    assert machine.read(process, 0) == "all there is"
    machine.check()


def test_a_page_that_could_not_be_read_is_a_bus_error():
    machine = computer()
    process = machine.spawn()
    machine.write(process, 0, "v")
    machine.swap_out(process, 0, keep=True)
    entry = pte(machine, process).entry
    machine.sequential.words[cached(machine, entry).uptodate.word] = 0
    assert str(machine.read(process, 0)) == "SIGBUS"
    assert pte(machine, process).entry == entry


# ---- the swap cache, or not ------------------------------------------------------------------------------------------


def test_a_ram_disk_is_read_past_the_cache():
    machine = computer(RAM_DISK)
    process = machine.spawn()
    machine.write(process, 0, "v")
    machine.swap_out(process, 0)
    entry = pte(machine, process).entry
    running = Running(machine, 0, machine.space.user_read(process.mm, 0))
    running.run_to("user_load")
    assert isinstance(cached(machine, entry), swapops.Shadow), "the folio was never there"
    assert byte(machine, entry) in (0, swapops.SWAP_HAS_CACHE)
    assert machine.value(pte(machine, process).folio.swapcache) == 0


def test_an_entry_of_two_is_read_into_the_cache_even_from_a_ram_disk():
    machine = computer(RAM_DISK)
    parent = machine.spawn()
    machine.write(parent, 0, "v")
    machine.swap_out(parent, 0)
    child = machine.fork(parent)
    entry = pte(machine, child).entry
    assert machine.read(parent, 0) == "v"
    assert cached(machine, entry) is pte(machine, parent).folio
    assert byte(machine, entry) == 1 | swapops.SWAP_HAS_CACHE
    assert machine.read(child, 0) == "v"
    assert pte(machine, child).folio is pte(machine, parent).folio
    machine.check()


def test_who_finds_the_slot_taken_sleeps_and_tries_again():
    machine = computer(RAM_DISK)
    process = machine.spawn()
    machine.write(process, 0, "v")
    machine.swap_out(process, 0)
    entry = pte(machine, process).entry
    first = Running(machine, 0, machine.space.user_read(process.mm, 0))
    first.run_to("alloc_page")
    assert byte(machine, entry) == 1 | swapops.SWAP_HAS_CACHE
    second = Running(machine, 1, machine.space.user_read(process.mm, 0))
    second.run_to("schedule_timeout_uninterruptible")
    first.run(10_000)
    second.run(10_000)
    assert (first.value, second.value) == ("v", "v")
    machine.check()


def test_a_fault_that_comes_too_late_gives_its_folio_back():
    """pte_same() fails: another thread has mapped the page, and written to it, before this one has the page table lock."""
    machine = computer()
    process = machine.spawn()
    machine.write(process, 0, "old")
    machine.swap_out(process, 0, keep=True)
    late = Running(machine, 0, machine.space.user_read(process.mm, 0))
    late.run_to("folio_lock")
    machine.write(process, 0, "new", cpu=1)
    mapped = pte(machine, process)
    late.run(10_000)
    assert late.value == "new"
    assert pte(machine, process) == mapped
    machine.check()


def test_a_folio_that_left_the_cache_is_not_mapped():
    """The folio lock alone does not tell: the folio found in the cache is another page's by the time it is locked."""
    machine = computer()
    process = machine.spawn()
    machine.write(process, 0, "v")
    machine.swap_out(process, 0, keep=True)
    late = Running(machine, 0, machine.space.user_read(process.mm, 0))
    late.run_to("folio_lock")
    machine.madvise(process, "dontneed", cpu=1)
    late.run(10_000)
    assert late.value is None
    machine.check()


def found_early(machine, process):
    """A fault on page 0 that has found a folio in the swap cache, and now waits for its lock. Meanwhile the process drops the
    page and has a new one, which goes to the very slot that the first had: the PTE is the same again."""
    machine.write(process, 0, "old")
    machine.swap_out(process, 0, keep=True)
    before = pte(machine, process)
    late = Running(machine, 0, machine.space.user_read(process.mm, 0))
    late.run_to("folio_lock")
    assert machine.read(process, 0, cpu=1) == "old"
    folio = pte(machine, process).folio
    assert not machine.value(folio.swapcache), "swap is scarce"
    machine.madvise(process, "dontneed", cpu=1)
    machine.write(process, 0, "new", cpu=1)
    machine.swap_out(process, 0, cpu=1)
    assert pte(machine, process) == before
    return late, folio


def test_the_same_pte_is_not_enough_if_the_folio_is_not_in_the_cache_any_more():
    machine = computer(Device(slots=3, bad=(1,)))
    process = machine.spawn()
    late, _ = found_early(machine, process)
    late.run(10_000)
    assert late.value == machine.read(process, 0) == "new"
    machine.check()


def test_the_same_pte_is_not_enough_if_the_folio_has_another_slot_by_now():
    machine = computer(Device(slots=3, solidstate=False))
    other, process = machine.spawn(), machine.spawn()
    machine.write(other, 0, "fills a slot")
    machine.swap_out(other, 0)
    late, folio = found_early(machine, process)
    machine.exit(other, cpu=1)
    machine.call("reclaim_folio", folio, cpu=1)  # it was still on reclaim's list
    assert machine.value(folio.swapcache) == 1 and machine.value(folio.swap) != pte(machine, process).entry
    late.run(10_000)
    assert late.value == machine.read(process, 0) == "new"


# ---- who has a page alone --------------------------------------------------------------------------------------------

# (device, the entry was shared, the other process is still there, write) -> (exclusive, writable), and what else it takes
TABLE = [
    (SSD, False, False, False, True, False),  # the PTE says so; a read maps read-only all the same
    (SSD, False, False, True, True, True),
    (SSD, True, True, False, False, False),
    (SSD, True, True, True, True, True),  # a copy
    (SSD, True, False, False, False, False),  # the swap cache holds a reference, and a read does not look further
    (SSD, True, False, True, True, True),  # a write frees the swap cache first, and then has the only reference
    (RAM_DISK, True, False, False, True, False),  # fresh, and never in the cache
    (RAM_DISK, True, False, True, True, True),
    (RAM_DISK, True, True, False, False, False),
]


@pytest.mark.parametrize(("device", "shared", "other", "write", "alone", "writable"), TABLE)
def test_who_has_a_page_alone(device, shared, other, write, alone, writable):
    machine = computer(device)
    process = machine.spawn()
    machine.write(process, 0, "v")
    machine.swap_out(process, 0)
    assert pte(machine, process).exclusive
    if shared:
        child = machine.fork(process)
        assert not pte(machine, process).exclusive and not pte(machine, child).exclusive
        if not other:
            machine.exit(child)
    if write:
        machine.write(process, 0, "w")
    else:
        assert machine.read(process, 0) == "v"
    assert (exclusive(machine, process), pte(machine, process).writable) == (alone, writable)
    if other:
        assert machine.read(child, 0) == "v"
    machine.check()


def test_a_page_in_the_cache_is_written_to_without_a_copy_if_nobody_else_needs_it():
    machine = computer()
    process = machine.spawn()
    machine.write(process, 0, "v")
    machine.swap_out(process, 0, keep=True)
    machine.read(process, 0)
    folio = pte(machine, process).folio
    assert machine.value(folio.swapcache) == 1 and not pte(machine, process).writable
    machine.write(process, 0, "w")
    assert pte(machine, process).folio is folio, "the PTE was exclusive"
    assert machine.value(folio.content) == ("w",)
    machine.swap_out(process, 0)
    assert machine.read(process, 0) == "w", "it was written again, not taken from the old slot"
    machine.check()


# ---- fork and copy on write ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["present", "cached", "swapped", "large"])
@pytest.mark.parametrize("writer", [0, 1])
def test_fork_isolates(where, writer):
    machine = computer()
    parent = machine.spawn()
    if where == "large":
        machine.huge(parent, 0)
    machine.write(parent, 0, "before")
    machine.write(parent, 1, "neighbour")
    if where in ("cached", "swapped"):
        machine.swap_out(parent, 0, keep=where == "cached")
    child = machine.fork(parent)
    machine.check()
    assert machine.value(child.mm.mmlist) == machine.value(parent.mm.mmlist) == int(where in ("cached", "swapped"))
    both = (parent, child)
    machine.write(both[writer], 0, "after")
    machine.check()
    assert [machine.read(p, 0) for p in both] == (["after", "before"] if writer == 0 else ["before", "after"])
    assert [machine.read(p, 1) for p in both] == ["neighbour"] * 2
    machine.check()


def test_the_last_process_that_maps_a_page_writes_to_it_in_place():
    machine = computer()
    parent = machine.spawn()
    machine.write(parent, 0, "v")
    child = machine.fork(parent)
    folio = pte(machine, parent).folio
    assert not pte(machine, parent).writable and not exclusive(machine, parent)
    machine.exit(parent)
    machine.write(child, 0, "w")
    assert pte(machine, child).folio is folio and exclusive(machine, child)
    machine.check()


def test_a_copy_of_the_last_mapping_gives_up_the_swap_of_the_old_page():
    machine = computer()
    parent = machine.spawn()
    machine.write(parent, 0, "v")
    machine.swap_out(parent, 0, keep=True)
    machine.exit(machine.fork(parent))  # so that no PTE says exclusive
    entry = pte(machine, parent).entry
    machine.read(parent, 0)
    folio = machine.call("swap_cache_get_folio", entry)  # somebody looks at it
    machine.write(parent, 0, "w")
    assert pte(machine, parent).folio is not folio
    assert machine.value(folio.swapcache) == 0 and byte(machine, entry) in (0, swapops.SWAP_HAS_CACHE)
    machine.call("folio_put", folio)
    machine.check()


def test_fork_of_a_process_without_a_vma_copies_nothing():
    machine = computer()
    parent = machine.spawn()
    machine.munmap(parent)
    child = machine.fork(parent)
    assert str(machine.read(child, 0)) == "SIGSEGV"


def crowd(**sizes):
    """A page that 62 processes refer to in the swap: the most that a swap_map byte can count."""
    machine = computer(processes=70, pages=2, **sizes)
    parent = machine.spawn()
    machine.write(parent, 0, "first")
    machine.write(parent, 1, "full")
    machine.swap_out(parent, 0)
    machine.swap_out(parent, 1)
    for _ in range(61):
        machine.fork(parent)
    assert byte(machine, pte(machine, parent, 1).entry) == swapops.SWAP_MAP_MAX
    return machine, parent


@pytest.mark.parametrize("reserve", [0, 1])
def test_a_full_count_is_continued_in_fork(reserve):
    """With an empty reserve GFP_ATOMIC fails under the page table locks; fork drops them and asks again."""
    machine, parent = crowd()
    machine.call("exhaust_atomic_reserve", reserve)
    child = machine.fork(parent)
    assert byte(machine, pte(machine, parent, 1).entry) & swapops.COUNT_CONTINUED
    machine.check()
    assert [machine.read(child, page) for page in range(2)] == ["first", "full"]
    machine.exit(parent)
    machine.check()


def test_a_fork_without_memory_for_the_count_leaves_nothing_behind():
    machine, parent = crowd(continuation_pages=0)
    machine.write(parent, 0, "present")  # copied before the count of the other page turns out to be full
    mm = machine.space.MMLIST[62]
    assert machine.call("dup_mm", parent.mm, mm) < 0
    machine.check()
    assert machine.value(mm.mm_users) == machine.value(mm.mmlist) == 0
    assert [machine.value(mm.pte[i]) for i in range(2)] == [NULL, NULL]
    assert [machine.read(parent, page) for page in range(2)] == ["present", "full"]
    machine.check()


# ---- madvise ---------------------------------------------------------------------------------------------------------


def mixed():
    """Page 0 swapped, 1 in the swap cache, 2 mapped, 3 never touched."""
    machine = computer()
    process = machine.spawn()
    for page in range(3):
        machine.write(process, page, page)
    machine.swap_out(process, 0)
    machine.swap_out(process, 1, keep=True)
    return machine, process


def values(machine, process):
    return [machine.read(process, page) for page in range(4)]


def test_madv_dontneed_drops_everything():
    machine, process = mixed()
    machine.madvise(process, "dontneed")
    machine.check()
    assert values(machine, process) == [None] * 4


def test_madv_cold_and_willneed_lose_nothing():
    machine, process = mixed()
    entry = pte(machine, process, 0).entry
    machine.madvise(process, "cold")
    assert swapops.xa_is_value(cached(machine, entry)), "a shadow: nothing was read"
    machine.madvise(process, "willneed")
    machine.check()
    assert machine.value(cached(machine, entry).uptodate) == 1
    assert isinstance(pte(machine, process, 0), swapops.SwapPte), "read, but not mapped"
    assert values(machine, process) == [0, 1, 2, None]
    machine.check()


def test_madv_pageout_takes_what_the_process_has_alone():
    machine, process = mixed()
    machine.madvise(process, "pageout")
    machine.check()
    assert isinstance(pte(machine, process, 2), swapops.SwapPte)
    assert values(machine, process) == [0, 1, 2, None]
    child = machine.fork(process)
    machine.madvise(process, "pageout")
    assert isinstance(pte(machine, process, 2), swapops.PagePte), "the child maps it too"
    assert values(machine, child) == [0, 1, 2, None]
    machine.check()


def test_madv_pageout_takes_a_large_folio_as_one():
    machine = computer()
    process = machine.spawn()
    machine.huge(process, 0)
    machine.write(process, 3, "last")
    machine.madvise(process, "pageout")
    machine.check()
    entries = [pte(machine, process, page).entry for page in range(4)]
    assert entries == list(range(entries[0], entries[0] + 4)) and swapops.swp_offset(entries[0]) % 4 == 0
    assert values(machine, process) == [None, None, None, "last"]


def test_madv_pageout_of_a_part_splits_a_large_folio():
    machine = computer()
    process = machine.spawn()
    machine.huge(process, 0)
    for page in range(4):
        machine.write(process, page, page)
    machine.call("madvise_pageout", process.mm, 1, 3)
    machine.check()
    kinds = [type(pte(machine, process, page)) for page in range(4)]
    assert kinds == [swapops.PagePte, swapops.SwapPte, swapops.SwapPte, swapops.PagePte]
    assert values(machine, process) == [0, 1, 2, 3]


def test_madv_free_drops_swap_and_lets_reclaim_drop_the_rest():
    machine, process = mixed()
    machine.madvise(process, "free")
    machine.check()
    assert [pte(machine, process, page) for page in (0, 1)] == [NULL, NULL]
    assert not pte(machine, process, 2).dirty
    assert machine.read(process, 2) == 2, "it may stay"
    machine.swap_out(process, 2)
    machine.check()
    assert values(machine, process) == [None] * 4


def test_a_store_after_madv_free_counts():
    machine, process = mixed()
    machine.madvise(process, "free")
    machine.write(process, 2, "kept")
    machine.swap_out(process, 2)
    machine.swap_out(process, 2)
    assert machine.read(process, 2) == "kept"
    machine.check()


def test_madv_free_gives_up_the_slot_of_a_page_that_is_mapped_again():
    machine, process = mixed()
    entry = pte(machine, process, 1).entry
    machine.read(process, 1)
    machine.madvise(process, "free")
    machine.check()
    assert byte(machine, entry) in (0, swapops.SWAP_HAS_CACHE), "free, or in a slot cache"
    assert machine.value(pte(machine, process, 1).folio.swapcache) == 0


def test_madv_free_leaves_a_shared_page_in_the_swap_cache():
    machine, process = mixed()
    machine.read(process, 1)
    child = machine.fork(process)
    machine.madvise(process, "free")
    machine.check()
    machine.swap_out(child, 1)
    assert machine.read(child, 1) == 1


# ---- two at a time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [SSD, RAM_DISK])
def test_two_faults_on_one_page(device):
    machine = computer(device)
    process = machine.spawn()
    machine.write(process, 0, "old")
    machine.swap_out(process, 0)

    def check(read, wrote):
        assert read in ("old", "new") and wrote is None
        assert machine.read(process, 0) == "new"

    switch_everywhere(machine, lambda s: (s.user_read(process.mm, 0), s.user_write(process.mm, 0, "new")), check, stride=3)


def test_two_processes_write_to_a_shared_page():
    machine = computer()
    parent = machine.spawn()
    machine.write(parent, 0, "old")
    child = machine.fork(parent)

    def check(*_):
        assert [machine.read(p, 0) for p in (parent, child)] == ["parent", "child"]

    switch_everywhere(machine, lambda s: (s.user_write(parent.mm, 0, "parent"), s.user_write(child.mm, 0, "child")), check)


def test_two_threads_write_to_a_shared_page():
    machine = computer()
    parent = machine.spawn()
    machine.write(parent, 0, "old")
    child = machine.fork(parent)

    def check(*_):
        assert machine.read(parent, 0) in ("a", "b") and machine.read(child, 0) == "old"

    switch_everywhere(machine, lambda s: (s.user_write(parent.mm, 0, "a"), s.user_write(parent.mm, 0, "b")), check)


@pytest.mark.parametrize("large", [False, True])
def test_a_store_is_not_lost_to_reclaim(large):
    machine = computer()
    process = machine.spawn()
    if large:
        machine.huge(process, 0)
    machine.write(process, 0, "old")
    folio = pte(machine, process).folio

    def check(*_):
        assert machine.read(process, 0) == "new"

    switch_everywhere(machine, lambda s: (s.user_write(process.mm, 0, "new"), s.reclaim_folio(folio)), check, stride=2)


def test_a_fault_while_swapoff_runs():
    machine = computer(RAM_DISK)
    parent = machine.spawn()
    machine.write(parent, 0, "v")
    machine.swap_out(parent, 0)
    child = machine.fork(parent)

    def check(read, off):
        assert (read, off) == ("v", 0)
        assert machine.read(child, 0) == "v"

    switch_everywhere(machine, lambda s: (s.user_read(parent.mm, 0), s.swapoff(0)), check, stride=5)


def test_fork_while_the_page_is_reclaimed():
    machine = computer()
    parent = machine.spawn()
    machine.write(parent, 0, "v")
    folio, mm = pte(machine, parent).folio, machine.space.MMLIST[1]

    def check(error, _):
        assert error == 0
        assert machine.read(parent, 0) == machine.call("user_read", mm, 0) == "v"

    switch_everywhere(machine, lambda s: (s.dup_mm(parent.mm, mm), s.reclaim_folio(folio)), check, stride=3)


def test_madv_free_while_the_page_is_reclaimed():
    machine = computer()
    process = machine.spawn()
    machine.write(process, 0, "v")
    folio = pte(machine, process).folio

    def check(*_):
        assert machine.read(process, 0) in ("v", None)

    switch_everywhere(machine, lambda s: (s.madvise_free(process.mm), s.reclaim_folio(folio)), check, stride=2)


def swapcache_prepare(entry):
    yield might_sleep()  # noqa: F821
    return 0


def swapcache_clear(si, entry):
    yield might_sleep()  # noqa: F821


@pytest.mark.parametrize(
    ("fix", "value"), [({}, "new"), ({f.__name__: f for f in (swapcache_prepare, swapcache_clear)}, "old")]
)
def test_a_slot_that_is_read_past_the_cache_is_not_reused(fix, value):
    """Without the pin (13ddaf26be32) another thread swaps the page in, changes it and swaps it out, into the same slot: the PTE
    is the same again, and the fault that has read the old page maps it."""
    one_slot = Device(slots=3, bad=(1,), synchronous=True)
    machine = Machine(one_slot, fix=fix, cpus=3, cluster=4, pages=1)
    process = machine.spawn()
    machine.write(process, 0, "old")
    machine.swap_out(process, 0)
    entry = pte(machine, process).entry
    late = Running(machine, 0, machine.space.user_read(process.mm, 0))
    late.run_to("folio_lock")
    other = Running(machine, 1, machine.space.user_write(process.mm, 0, "new"))
    other.run(200)
    assert other.done == bool(fix)
    if other.done:
        machine.swap_out(process, 0, cpu=1)
        assert pte(machine, process).entry == entry
    late.run(10_000)
    other.run(10_000)
    assert machine.read(process, 0) == value
