"""Pages go out and come back: swap cache, page I/O, reclaim, unmapping, splitting. Step by step, then against each other."""

import pytest

from swapmodel.edits import Replace, edited
from swapmodel.explore import Budget, explore
from swapmodel.invariants import broken
from swapmodel.kernel import tell_owners
from swapmodel.machine import NULL, Violation
from swapmodel.mm.errno import EAGAIN, EBUSY
from swapmodel.mm.swapops import PagePte, Shadow, SwapPte, swp_offset, xa_is_value, xa_slot
from swapmodel.program import Program, System
from swapmodel.session import Device, Machine


def slot(machine, offset):
    """What the swap cache of device 0 has for a slot."""
    spaces = machine.value(machine.space.swapper_spaces[0])
    return machine.value(xa_slot(spaces[offset >> machine.sizes.address_space_shift], offset))


def byte(machine, offset):
    return machine.value(machine.value(machine.value(machine.space.swap_info[0]).swap_map)[offset])


def state(machine, folio):
    """(references, mapped, in the swap cache, dirty, under writeback)."""
    members = ("refcount", "mapcount", "swapcache", "dirty", "writeback")
    return tuple(machine.value(getattr(folio, member)) for member in members)


def alive(machine, folio):
    return machine.sequential.words[folio._object.life] > 0


def one_page(value="A", **sizes):
    """A machine with a disk that answers when asked to, a process with one page, and the page's folio."""
    machine = Machine(Device(slots=16, synchronous=sizes.pop("synchronous", False)), pages=4, cluster=4, **sizes)
    machine.io = False
    process = machine.spawn()
    machine.write(process, 0, value)
    return machine, process, machine.value(process.mm.pte[0]).folio


def large(**sizes):
    """As one_page(), with a folio of four pages."""
    machine = Machine(Device(slots=sizes.pop("slots", 16)), cluster=4, **{"pages": 4, **sizes})
    process = machine.spawn()
    machine.huge(process, 0)
    for page in range(4):
        machine.write(process, page, f"page {page}")
    return machine, process, machine.value(process.mm.pte[0]).folio


def pages_of(machine, process, count=4):
    return [machine.read(process, page) for page in range(count)]


# ---- one page, step by step ------------------------------------------------------------------------------------------


def test_the_life_of_a_page():
    machine, process, folio = one_page()
    assert state(machine, folio) == (1, 1, 0, 0, 0)
    assert machine.call("reclaim_folio", folio) is False  # written, not freed: the disk is at work
    entry = machine.value(process.mm.pte[0]).entry
    offset = swp_offset(entry)
    assert machine.value(process.mm.pte[0]) == SwapPte(entry, exclusive=True)
    assert state(machine, folio) == (1, 0, 1, 0, 1)
    assert (byte(machine, offset), slot(machine, offset)) == (0x41, folio)
    assert machine.value(machine.world.devices[0].disk[offset]) == "A"
    assert machine.value(process.mm.mmlist) == 1
    assert machine.call("reclaim_folio", folio) is False  # still being written
    machine.call("end_swap_bio_write", folio)
    assert state(machine, folio) == (1, 0, 1, 0, 0)
    assert machine.call("reclaim_folio", folio) is True
    assert not alive(machine, folio)
    assert (byte(machine, offset), slot(machine, offset)) == (0x01, Shadow())
    assert machine.read(process, 0) == "A"
    back = machine.value(process.mm.pte[0]).folio
    assert state(machine, back) == (2, 1, 1, 0, 0)
    assert (byte(machine, offset), slot(machine, offset)) == (0x40, back)
    machine.check()


def test_a_synchronous_device_does_it_in_one_go():
    machine, process, folio = one_page(synchronous=True)
    assert machine.call("reclaim_folio", folio) is True
    assert not alive(machine, folio)
    machine.check()
    assert machine.read(process, 0) == "A"  # past the swap cache: the only reference
    machine.check()
    assert machine.value(machine.space.nr_swap_pages) == 15


def test_a_page_that_was_changed_meanwhile_is_written_again():
    machine, process, folio = one_page()
    machine.call("reclaim_folio", folio)
    machine.write(process, 0, "B")  # from the swap cache, while the disk writes A
    assert machine.value(process.mm.pte[0]) == PagePte(folio, 0, writable=True, dirty=True)
    machine.call("end_swap_bio_write", folio)
    assert machine.call("reclaim_folio", folio) is False
    machine.call("end_swap_bio_write", folio)
    assert machine.call("reclaim_folio", folio) is True
    offset = swp_offset(machine.value(process.mm.pte[0]).entry)
    assert machine.value(machine.world.devices[0].disk[offset]) == "B"
    assert machine.read(process, 0) == "B"


def test_dirty_again_before_it_is_removed():
    machine, _, folio = one_page()
    machine.call("reclaim_folio", folio)
    machine.call("end_swap_bio_write", folio)
    words = machine.sequential.words
    words[folio.locked.word], words[folio.refcount.word], words[folio.dirty.word] = 1, 2, 1
    mapping = machine.value(machine.space.swapper_spaces[0])[0]
    assert machine.call("__remove_mapping", mapping, folio) is False
    assert (words[folio.refcount.word], words[folio.swapcache.word]) == (2, 1)
    words[folio.dirty.word] = 0
    assert machine.call("__remove_mapping", mapping, folio) is True
    assert words[folio.refcount.word] == 0


def test_a_folio_that_somebody_holds_is_kept():
    machine, process, folio = one_page()
    machine.call("reclaim_folio", folio)
    machine.call("end_swap_bio_write", folio)
    entry = machine.value(process.mm.pte[0]).entry
    assert machine.call("swap_cache_get_folio", entry) is folio
    assert machine.call("reclaim_folio", folio) is False
    assert state(machine, folio) == (2, 0, 1, 0, 0)
    machine.call("folio_put", folio)
    assert machine.call("reclaim_folio", folio) is True


def test_a_dirty_folio_that_somebody_holds_is_not_even_written():
    machine, process, folio = one_page()
    machine.sequential.words[folio.refcount.word] += 1
    assert machine.call("reclaim_folio", folio) is False
    assert state(machine, folio) == (2, 0, 1, 1, 0)
    offset = swp_offset(machine.value(process.mm.pte[0]).entry)
    assert machine.value(machine.world.devices[0].disk[offset]) is None


def test_a_locked_folio_is_kept():
    machine, _, folio = one_page()
    machine.sequential.words[folio.locked.word] = 1
    assert machine.call("reclaim_folio", folio) is False
    assert state(machine, folio) == (1, 1, 0, 0, 0)


def test_a_freed_folio_is_left_alone():
    machine, process, folio = one_page()
    machine.exit(process)
    assert not alive(machine, folio)
    assert machine.call("reclaim_folio", folio) is False


def test_without_swap_a_page_stays_mapped():
    machine = Machine(Device(slots=3, synchronous=True), pages=4, cluster=4)
    process = machine.spawn()
    for page in range(4):
        machine.write(process, page, page)
        machine.swap_out(process, page)
    present = [isinstance(machine.value(process.mm.pte[i]), PagePte) for i in range(4)]
    assert present == [False, False, True, True]
    assert state(machine, machine.value(process.mm.pte[3]).folio) == (1, 1, 0, 0, 0)
    assert pages_of(machine, process) == [0, 1, 2, 3]
    machine.check()


def test_two_processes_share_a_slot():
    machine, parent, folio = one_page()
    child = machine.fork(parent)
    assert state(machine, folio) == (2, 2, 0, 0, 0)
    machine.call("reclaim_folio", folio)
    entry = machine.value(parent.mm.pte[0]).entry
    assert [machine.value(p.mm.pte[0]) for p in (parent, child)] == [SwapPte(entry)] * 2  # nobody has it alone
    assert byte(machine, swp_offset(entry)) == 0x42
    machine.call("end_swap_bio_write", folio)
    assert machine.call("reclaim_folio", folio) is True
    machine.write(child, 0, "C")
    assert (machine.read(parent, 0), machine.read(child, 0)) == ("A", "C")
    machine.check()


def test_a_count_that_can_not_grow_gives_the_page_back():
    def swap_duplicate(entry):
        """Full, as where no continuation page can be had."""
        yield raw_cpu_ptr(swp_slots)  # noqa: F821
        return -12

    machine, process, folio = one_page(fix={"swap_duplicate": swap_duplicate})
    pte = machine.value(process.mm.pte[0])
    assert machine.call("reclaim_folio", folio) is False
    assert machine.value(process.mm.pte[0]) == pte
    assert state(machine, folio) == (2, 1, 1, 1, 0)
    assert machine.value(process.mm.mmlist) == 0
    assert machine.read(process, 0) == "A"


def test_nobody_refers_to_it_any_more_so_it_is_not_written():
    machine, process, folio = one_page()
    words = machine.sequential.words
    words[folio.refcount.word] += 1
    machine.call("reclaim_folio", folio)  # to the swap cache, but not further: somebody holds it
    machine.exit(process)
    assert state(machine, folio)[:3] == (1, 0, 0)  # the exit took it out of the cache
    machine.call("folio_put", folio)
    assert machine.value(machine.space.nr_swap_pages) == 15
    machine.check()


def test_the_cache_is_given_up_by_swap_writepage():
    machine, process, folio = one_page()
    machine.call("reclaim_folio", folio)
    machine.call("end_swap_bio_write", folio)
    machine.read(process, 0)  # takes the reference, the folio stays in the cache
    words = machine.sequential.words
    words[folio.locked.word] = 1
    words[folio.dirty.word] = 1
    assert machine.call("swap_writepage", folio) == 0
    assert state(machine, folio) == (1, 1, 0, 1, 0)
    assert words[folio.locked.word] == 0
    machine.check()


def test_the_end_of_a_write_that_was_not_begun():
    machine, _, folio = one_page()
    with pytest.raises(Violation, match="folio_test_writeback"):
        machine.call("end_swap_bio_write", folio)


def test_a_stale_folio_never_leaves_the_cache():
    machine, _, folio = one_page()
    machine.call("reclaim_folio", folio)
    machine.sequential.words[folio.locked.word] = 1
    with pytest.raises(Violation, match="folio_test_writeback"):
        machine.call("delete_from_swap_cache", folio)


def test_lazily_freed_pages_go_without_a_slot():
    machine, process, folio = one_page()
    machine.call("folio_mark_lazyfree", folio)
    machine.sequential.words[process.mm.pte[0].word] = PagePte(folio, 0, writable=True)
    assert machine.call("reclaim_folio", folio) is True
    assert machine.value(process.mm.pte[0]) is NULL
    assert machine.value(machine.space.nr_swap_pages) == 15
    assert machine.read(process, 0) is None


def test_a_lazily_freed_page_that_was_stored_to_is_kept():
    machine, process, folio = one_page()
    machine.call("folio_mark_lazyfree", folio)
    machine.write(process, 0, "B")
    assert machine.call("reclaim_folio", folio) is False
    assert machine.value(folio.lazyfree) == 0
    assert machine.read(process, 0) == "B"
    machine.call("reclaim_folio", folio)
    machine.call("end_swap_bio_write", folio)
    assert machine.call("reclaim_folio", folio) is True
    assert machine.read(process, 0) == "B"


# ---- shadows and readahead -------------------------------------------------------------------------------------------


def test_a_shadow_is_replaced_by_a_folio_and_cleared_with_the_slot():
    machine, process, folio = one_page()
    machine.io = True
    machine.swap_out(process, 0)
    entry = machine.value(process.mm.pte[0]).entry
    assert machine.call("get_shadow_from_swap_cache", entry) == Shadow()
    machine.read(process, 0)
    assert not xa_is_value(slot(machine, swp_offset(entry)))
    machine.swap_out(process, 0)
    offset = swp_offset(machine.value(process.mm.pte[0]).entry)
    assert slot(machine, offset) == Shadow()
    machine.exit(process)
    machine.call("__drain_swap_slots_cache")
    assert slot(machine, offset) is NULL
    assert folio is not None


def test_shadows_are_cleared_over_the_border_of_an_address_space():
    machine = Machine(Device(slots=16), cluster=4, address_space_shift=2)
    words = machine.sequential.words
    spaces = machine.value(machine.space.swapper_spaces[0])
    for offset in range(1, 16):
        words[xa_slot(spaces[offset >> 2], offset).word] = Shadow()
    words[xa_slot(spaces[1], 6).word] = machine.world.folios[0]
    machine.call("clear_shadow_from_swap_cache", 0, 3, 8)
    kept = [offset for offset in range(1, 16) if slot(machine, offset) is not NULL]
    assert kept == [1, 2, 6, *range(9, 16)]


@pytest.mark.parametrize(("page_cluster", "read"), [(0, [5]), (1, [4, 5]), (2, [4, 5, 6, 7]), (3, [1, 2, 3, 4, 5, 6, 7])])
def test_the_readahead_window(page_cluster, read):
    machine = Machine(Device(slots=9), pages=8, cluster=4, page_cluster=page_cluster)
    process = machine.spawn()
    for page in range(8):
        machine.write(process, page, page)
        machine.swap_out(process, page)
    entries = {swp_offset(machine.value(process.mm.pte[i]).entry): i for i in range(8)}
    assert sorted(entries) == list(range(1, 9))
    machine.read(process, entries[5])
    assert [offset for offset in range(1, 9) if not xa_is_value(slot(machine, offset))] == read
    machine.check()
    assert pages_of(machine, process, 8) == list(range(8))


def test_the_window_ends_with_the_device_and_skips_free_slots():
    machine = Machine(Device(slots=7), pages=8, cluster=4, page_cluster=2)
    process = machine.spawn()
    for page in range(6):
        machine.write(process, page, page)
        machine.swap_out(process, page)
    entries = {swp_offset(machine.value(process.mm.pte[i]).entry): i for i in range(6)}
    machine.write(process, entries[5], "new")  # slot 5 is free again
    assert byte(machine, 5) in (0, 0x40)
    machine.call("__drain_swap_slots_cache")
    machine.reclaim()
    machine.read(process, entries[6])
    assert slot(machine, 5) is NULL and not xa_is_value(slot(machine, 6))
    machine.check()


def test_reading_an_entry_that_is_gone():
    machine, process, _ = one_page()
    machine.io = True
    machine.swap_out(process, 0)
    entry = machine.value(process.mm.pte[0]).entry
    machine.exit(process)
    machine.call("__drain_swap_slots_cache")
    before = list(machine.sequential.words)
    assert machine.call("__read_swap_cache_async", entry, False) == (NULL, False)
    assert machine.call("swapin_readahead", entry) is NULL
    assert machine.sequential.words == before
    machine.sequential.words[machine.space.swap_slot_cache_enabled.word] = 0  # as during swapoff: swapcache_prepare() decides
    assert machine.call("__read_swap_cache_async", entry, False) == (NULL, False)
    assert all(not alive(machine, f) for f in machine.world.folios)


def test_a_pin_without_a_folio_makes_others_wait_or_give_up():
    machine, process, _ = one_page()
    machine.io = True
    machine.swap_out(process, 0)
    entry = machine.value(process.mm.pte[0]).entry
    assert machine.call("swapcache_prepare", entry) == 0
    assert machine.call("__read_swap_cache_async", entry, True) == (NULL, False)
    assert all(not alive(machine, f) for f in machine.world.folios)


def test_too_few_places_are_told():
    machine = Machine(Device(slots=16, synchronous=False), pages=1, processes=1, files=0, cluster=4, folios=1)
    process = machine.spawn()
    machine.write(process, 0, "A")
    machine.swap_out(process, 0)
    machine.sequential.words[machine.world.folios[0]._object.life] = 1
    with pytest.raises(Violation, match=r"config\.FOLIOS"):
        machine.call("read_swap_cache_async", machine.value(process.mm.pte[0]).entry)


# ---- large folios ----------------------------------------------------------------------------------------------------


def test_a_large_folio_goes_out_in_one_piece_and_comes_back_page_by_page():
    machine, process, folio = large()
    machine.io = False
    assert state(machine, folio) == (4, 4, 0, 0, 0)
    machine.call("reclaim_folio", folio)
    offsets = [swp_offset(machine.value(process.mm.pte[i]).entry) for i in range(4)]
    assert offsets == list(range(4, 8))
    assert state(machine, folio) == (4, 0, 1, 0, 1)
    assert [slot(machine, o) for o in offsets] == [folio] * 4
    assert machine.call("split_huge_page", folio) == -EBUSY
    machine.call("end_swap_bio_write", folio)
    assert machine.call("reclaim_folio", folio) is True
    assert [slot(machine, o) for o in offsets] == [Shadow()] * 4
    machine.io = True
    assert pages_of(machine, process) == [f"page {i}" for i in range(4)]
    machine.check()


def test_a_large_folio_is_split_in_the_cache():
    machine, process, folio = large()
    machine.swap_out(process, 0, keep=True)
    assert machine.call("deferred_split_scan", folio) == -EBUSY  # nobody maps it
    machine.read(process, 3)
    assert machine.call("deferred_split_scan", folio) == 0
    clusters = machine.value(machine.value(machine.space.swap_info[0]).cluster_info)
    assert machine.value(clusters[1].flags) == 0
    parts = [slot(machine, offset) for offset in range(4, 8)]
    assert parts[0] is folio and len({p._name for p in parts}) == 4
    assert [state(machine, p) for p in parts[:3]] == [(1, 0, 1, 0, 0)] * 3
    assert state(machine, parts[3])[:3] == (2, 1, 1)
    assert [machine.value(p.content) for p in parts] == [(f"page {i}",) for i in range(4)]
    assert [swp_offset(machine.value(p.swap)) for p in parts] == [4, 5, 6, 7]
    machine.check()
    assert machine.call("reclaim_folio", parts[2]) is True
    machine.write(process, 1, "changed")
    assert pages_of(machine, process) == ["page 0", "changed", "page 2", "page 3"]
    machine.exit(process)
    machine.check()
    assert all(not alive(machine, f) for f in machine.world.folios)


def test_a_mapped_folio_is_split_under_two_processes():
    machine, parent, folio = large()
    child = machine.fork(parent)
    machine.write(child, 3, "the child's")
    assert state(machine, folio)[:2] == (7, 7)
    assert machine.call("deferred_split_scan", folio) == 0
    machine.check()
    parts = [machine.value(parent.mm.pte[i]).folio for i in range(4)]
    assert [state(machine, p)[:2] for p in parts] == [(2, 2), (2, 2), (2, 2), (1, 1)]
    assert [machine.value(p.index) for p in parts] == [0, 1, 2, 3]
    for page in range(4):
        machine.swap_out(child, page)
        machine.swap_out(parent, page)
        machine.check()
    assert pages_of(machine, parent) == [f"page {i}" for i in range(4)]
    assert pages_of(machine, child) == ["page 0", "page 1", "page 2", "the child's"]


def test_pages_that_nobody_needs_are_freed_by_the_split():
    machine, process, folio = large()
    words = machine.sequential.words
    for page in (1, 2):  # as if unmapped alone
        words[process.mm.pte[page].word] = NULL
    words[folio.refcount.word] = words[folio.mapcount.word] = 2
    assert machine.call("deferred_split_scan", folio) == 0
    assert sum(alive(machine, f) for f in machine.world.folios) == 2
    assert pages_of(machine, process) == ["page 0", None, None, "page 3"]
    machine.check()


def test_pages_nobody_refers_to_leave_the_cache_with_the_split():
    machine, process, folio = large()
    machine.swap_out(process, 0, keep=True)
    machine.call("swap_free", machine.value(process.mm.pte[2]).entry)
    machine.sequential.words[process.mm.pte[2].word] = NULL
    machine.read(process, 0)
    assert machine.call("deferred_split_scan", folio) == 0
    machine.call("__drain_swap_slots_cache")
    assert (byte(machine, 6), slot(machine, 6)) == (0, NULL)
    machine.check()


def test_a_folio_that_somebody_holds_is_not_split():
    machine, _, folio = large()
    words = machine.sequential.words
    words[folio.refcount.word] += 1
    before = list(words)
    assert machine.call("deferred_split_scan", folio) == -EAGAIN
    assert words == before
    words[folio.locked.word] = 1
    assert machine.call("deferred_split_scan", folio) == -EBUSY


def test_a_large_folio_without_room_for_it_is_split_and_goes_out_in_pages():
    machine, process, folio = large(slots=7, pages=8)  # cluster 1 ends beyond the device
    assert machine.call("reclaim_folio", folio) is False or not alive(machine, folio)
    for page in range(4):
        machine.swap_out(process, page)
    assert all(isinstance(machine.value(process.mm.pte[i]), SwapPte) for i in range(4))
    machine.check()
    assert pages_of(machine, process) == [f"page {i}" for i in range(4)]


def test_a_partly_mapped_large_folio_is_split_first():
    machine, process, folio = large()
    words = machine.sequential.words
    words[process.mm.pte[3].word] = NULL
    words[folio.refcount.word] = words[folio.mapcount.word] = 3
    machine.swap_out(process, 0)
    assert isinstance(machine.value(process.mm.pte[0]), SwapPte)
    assert [isinstance(machine.value(process.mm.pte[i]), PagePte) for i in (1, 2)] == [True, True]
    machine.check()
    assert pages_of(machine, process) == ["page 0", "page 1", "page 2", None]


# ---- against each other: every interleaving --------------------------------------------------------------------------


def user_checks(mm, i, value):
    """User space reads what it wrote."""
    found = yield from user_read(mm, i)  # noqa: F821
    if found != value:
        yield BUG("user space reads stale data")  # noqa: F821


def user_changes(mm, i, value):
    """User space reads what it has just written."""
    yield from user_write(mm, i, value)  # noqa: F821
    yield from user_checks(mm, i, value)


OURS = {"user_checks": user_checks, "user_changes": user_changes}


def computer(fix, slots=4, cpus=2, synchronous=True, **sizes):
    sizes = {"processes": 2, "files": 0, "pages": 1, "cluster": 4, "folios": 4, "slot_cache": 1, **sizes}
    return Machine(Device(slots=slots, synchronous=synchronous), fix={**OURS, **fix}, preempt="none", cpus=cpus, **sizes)


def verdict(machine, fix, *calls):
    """Explores the calls from where the machine is now. Whenever no thread is in the kernel, all invariants must hold."""
    memory, space = machine.world.memory, machine.space
    memory.words[:] = machine.sequential.words
    functions = [(getattr(space, call[0]), call[1:]) for call in calls]
    programs = [
        Program(f"thread {t}", lambda function=f, arguments=a: space.syscall(function, *arguments))
        for t, (f, a) in enumerate(functions)
    ]
    tell_owners(memory, space, [call[0] for call in calls], {**OURS, **fix})

    def between_calls(words):
        if any(words[context] for context in memory.context) or any(words[f.writeback.word] for f in machine.world.folios):
            return None
        return next(broken(machine.world, space, list(words)), None)

    outcome, _ = explore(System(memory, programs, (between_calls,), space), Budget(max_states=40_000), shortest="any")
    return str(outcome.violation) if outcome.violation else outcome.verdict


def mapped(fix, **sizes):
    machine = computer(fix, **sizes)
    process = machine.spawn()
    machine.write(process, 0, "A")
    return machine, process.mm, machine.value(process.mm.pte[0]).folio


def cached(fix, **sizes):
    """A page in the swap cache, clean, with a swap PTE."""
    machine, mm, folio = mapped(fix, synchronous=False, **sizes)
    machine.call("reclaim_folio", folio)
    return machine, mm, folio


def shared(fix):
    """A page on the disk that two processes have."""
    machine = computer(fix, synchronous=False)
    parent = machine.spawn()
    machine.write(parent, 0, "A")
    child = machine.fork(parent)
    machine.swap_out(parent, 0)
    return machine, parent.mm, child.mm


def two(fix):
    """A folio of two pages, mapped."""
    machine = computer(fix, slots=6, cluster=2, pages=2, folios=6)
    process = machine.spawn()
    machine.huge(process, 0)
    machine.write(process, 0, "A")
    machine.write(process, 1, "B")
    return machine, process.mm, machine.value(process.mm.pte[0]).folio


def two_cached(fix):
    machine = computer(fix, slots=6, cluster=2, pages=2, folios=6, synchronous=False)
    process = machine.spawn()
    machine.huge(process, 0)
    folio = machine.value(process.mm.pte[0]).folio
    machine.write(process, 0, "A")
    machine.write(process, 1, "B")
    machine.call("reclaim_folio", folio)
    machine.read(process, 0)  # a folio that nobody maps is not split
    return machine, process.mm, folio


RACES = {
    "reclaim, write": (mapped, lambda m, mm, f: (("reclaim_folio", f), ("user_changes", mm, 0, "B"))),
    "reclaim, read": (mapped, lambda m, mm, f: (("reclaim_folio", f), ("user_checks", mm, 0, "A"))),
    "reclaim, exit": (mapped, lambda m, mm, f: (("reclaim_folio", f), ("do_exit", mm))),
    "reclaim, fork": (mapped, lambda m, mm, f: (("reclaim_folio", f), ("dup_mm", mm, m.world.mms[1]))),
    "reclaim twice": (mapped, lambda m, mm, f: (("reclaim_folio", f), ("reclaim_folio", f))),
    "remove, write": (cached, lambda m, mm, f: (("reclaim_folio", f), ("user_changes", mm, 0, "B"))),
    "remove, exit": (cached, lambda m, mm, f: (("reclaim_folio", f), ("do_exit", mm))),
    "remove, swapoff": (cached, lambda m, mm, f: (("reclaim_folio", f), ("swapoff", 0))),
    "swap in twice": (shared, lambda m, mm, child: (("user_changes", mm, 0, "B"), ("user_checks", child, 0, "A"))),
    "split, write": (two, lambda m, mm, f: (("deferred_split_scan", f), ("user_changes", mm, 1, "C"))),
    "split, exit": (two, lambda m, mm, f: (("deferred_split_scan", f), ("do_exit", mm))),
    "split, fork": (two, lambda m, mm, f: (("deferred_split_scan", f), ("dup_mm", mm, m.world.mms[1]))),
    "split, cached, read": (two_cached, lambda m, mm, f: (("deferred_split_scan", f), ("user_checks", mm, 1, "B"))),
    "split, cached, exit": (two_cached, lambda m, mm, f: (("deferred_split_scan", f), ("do_exit", mm))),
}


def race(name, fix):
    lay, calls = RACES[name]
    machine, mm, folio = lay(fix)
    return verdict(machine, fix, *calls(machine, mm, folio))


@pytest.mark.parametrize("name", RACES)
def test_every_order_is_right(name):
    assert race(name, {}) == "holds"


def wrong(name, function, old, new, found):
    return pytest.param(name, function, old, new, found, id=f"{function}: {name}")


FREEZE = "frozen = yield folio_ref_freeze(folio.refcount, 1 + nr_pages)"


@pytest.mark.parametrize(
    ("name", "function", "old", "new", "found"),
    [
        ("remove, write", "__remove_mapping", FREEZE, "frozen = True", "after it was freed"),
        ("remove, exit", "__remove_mapping", "yield from put_swap_folio(folio, entry)", "pass", "the cache has shadow"),
        ("reclaim, exit", "unmap_anon_pte", "yield from insert_into_mmlist(mm)", "pass", "not on the mmlist"),
        ("reclaim, write", "unmap_anon_pte", "err = yield from swap_duplicate(entry + page)", "err = 0", "swap_map"),
        ("reclaim, read", "submit_swap_write", "yield memcpy(file.disk, swp_offset(entry), content)", "pass", "stale data"),
        ("reclaim, write", "submit_swap_write", "yield from folio_start_writeback(folio)", "pass", "folio_test_writeback"),
        ("reclaim, write", "folio_end_writeback", "yield atomic_add(1, folio.refcount)", "pass", "not in the cache"),
        ("swap in twice", "__read_swap_cache_async", "err = yield from swapcache_prepare(entry)", "err = 0", ""),
        (
            "split, cached, read",
            "__split_huge_page",
            "yield write(xa_slot(mapping, swp_offset(entry) + i), tail)",
            "pass",
            "cache",
        ),
        ("split, cached, read", "split_head", "yield WRITE_ONCE(folio.refcount, 1 + swapcache + mapped)", "pass", "below zero"),
    ],
)
def test_some_order_is_wrong_without(name, function, old, new, found):
    said = race(name, {function: edited(function, Replace(old, new))})
    assert said not in ("holds", "unfinished") and found in said


@pytest.mark.parametrize(
    ("name", "function", "old", "new"),
    [
        ("reclaim, write", "unmap_pte", "if pte_dirty(pte):", "if False:"),  # add_to_swap() has made it dirty already
        (
            "reclaim, write",
            "__remove_mapping",
            "    if dirty:",
            "    if False:",
        ),  # nobody dirties it without the folio lock here
    ],
)
def test_what_another_check_covers(name, function, old, new):
    assert race(name, {function: edited(function, Replace(old, new))}) == "holds"
