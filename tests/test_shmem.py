"""Pages of tmpfs files: read, written, swapped out and in, punched, truncated, evicted; alone and two at a time."""

import pytest

from swapmodel.machine import NULL
from swapmodel.mm import swapops
from swapmodel.session import Device, Machine
from tests.test_faults import RAM_DISK, SSD, Running, byte, cached, computer, switch_everywhere


def slot(machine, file, page=0):
    return machine.value(swapops.xa_slot(file.info.i_mapping, page))


def written(device=SSD, pages=(0,), **sizes):
    machine = computer(device, **sizes)
    file = machine.files[0]
    for page in pages:
        machine.write(file, page, f"page {page}")
    return machine, file


def test_holes_are_read_as_nothing_and_stay_holes():
    machine, file = written(pages=())
    assert machine.read(file, 0) is None
    assert slot(machine, file) is NULL
    assert machine.call("shmem_get_folio", file.info, 1, 2)[0] == 0, "SGP_CACHE: a page fault gets a page"
    assert machine.value(slot(machine, file, 1).uptodate) == 1


def test_a_page_is_written_and_read():
    machine, file = written(pages=(0, 2))
    assert [machine.read(file, page) for page in range(4)] == ["page 0", None, "page 2", None]
    machine.write(file, 0, "again")
    assert machine.read(file, 0) == "again"
    folio = slot(machine, file, 2)
    assert machine.value(folio.mapping) is file.info.i_mapping and machine.value(folio.index) == 2
    machine.check()


@pytest.mark.parametrize("device", [SSD, RAM_DISK])
@pytest.mark.parametrize("keep", [True, False])
def test_a_page_goes_to_swap_and_comes_back(device, keep):
    machine, file = written(device, pages=(0, 1))
    machine.swap_out(file, 1, keep=keep)
    machine.check()
    entry = slot(machine, file, 1).entry
    assert swapops.swap_count(byte(machine, entry)) == swapops.SWAP_MAP_SHMEM
    assert machine.value(file.info.swapped) == machine.value(file.info.swaplist) == 1
    assert swapops.xa_is_value(cached(machine, entry)) == (not keep or device is RAM_DISK)
    assert machine.read(file, 1) == "page 1"
    machine.check()
    assert machine.value(file.info.swapped) == 0
    assert byte(machine, entry) in (0, swapops.SWAP_HAS_CACHE), "free, or in a slot cache"
    machine.write(file, 1, "new")
    machine.swap_out(file, 1)
    assert machine.read(file, 1) == "new"
    assert machine.read(file, 0) == "page 0"


def test_a_swapped_page_is_written_to():
    machine, file = written()
    machine.swap_out(file, 0)
    machine.write(file, 0, "new")
    machine.check()
    assert machine.read(file, 0) == "new"
    assert machine.value(slot(machine, file).dirty) == 1


def test_without_swap_the_page_stays():
    machine, file = written(device=Device(slots=4), pages=(0, 1, 2, 3), cluster=2)
    for page in range(4):
        machine.swap_out(file, page)
    machine.check()
    kept = [page for page in range(4) if not swapops.xa_is_value(slot(machine, file, page))]
    assert kept, "three slots, four pages"
    assert all(machine.value(slot(machine, file, page).dirty) for page in kept), "or the next reclaim would drop it"
    assert [machine.read(file, page) for page in range(4)] == [f"page {page}" for page in range(4)]
    machine.check()


def test_no_swap_at_all():
    machine, file = written()
    machine.swapoff(0)
    machine.swap_out(file, 0)
    assert machine.read(file, 0) == "page 0"
    machine.check()


def test_shmem_writepage_tells_that_the_folio_is_still_locked():
    machine, file = written()
    machine.swapoff(0)
    folio = slot(machine, file)
    machine.sequential.words[folio.locked.word] = 1
    machine.sequential.words[folio.dirty.word] = 0
    assert machine.call("shmem_writepage", folio) == machine.space.AOP_WRITEPAGE_ACTIVATE
    assert machine.value(folio.locked) == 1 and machine.value(folio.dirty) == 1


@pytest.mark.parametrize("keep", [True, False])
def test_punching_a_hole_takes_just_those_pages(keep):
    machine, file = written(pages=(0, 1, 2, 3))
    for page in (1, 3):
        machine.swap_out(file, page, keep=keep)
    entry = slot(machine, file, 1).entry
    machine.punch(file, 1, 2)
    machine.check()
    assert [machine.read(file, page) for page in range(4)] == ["page 0", None, None, "page 3"]
    assert byte(machine, entry) in (0, swapops.SWAP_HAS_CACHE)
    machine.check()


def test_truncation_takes_everything():
    machine, file = written(pages=(0, 1, 2))
    machine.swap_out(file, 0)
    machine.swap_out(file, 1, keep=True)
    machine.truncate(file)
    machine.check()
    assert [slot(machine, file, page) for page in range(4)] == [NULL] * 4
    assert machine.value(file.info.swapped) == 0
    machine.write(file, 0, "a new life")
    assert machine.read(file, 0) == "a new life"


def test_a_file_that_is_deleted_leaves_the_swaplist():
    machine, file = written(pages=(0, 1))
    machine.swap_out(file, 0)
    machine.call("shmem_evict_inode", file.info)
    machine.check()
    assert machine.value(file.info.swaplist) == 0


def test_eviction_waits_for_swapoff():
    """shmem_unuse() is at work on the file, with no mutex held: stop_eviction keeps the inode on the list."""
    machine, file = written()
    machine.swap_out(file, 0)
    swapoff = Running(machine, 0, machine.space.swapoff(0))
    swapoff.run_until(lambda: machine.value(file.info.stop_eviction))
    evict = Running(machine, 1, machine.space.shmem_evict_inode(file.info))
    evict.run(10_000)
    assert not evict.done and evict.operation.name == "wait_var_event"
    assert machine.value(file.info.swaplist) == 1
    swapoff.run(100_000)
    evict.run(10_000)
    swapoff.run(100_000)
    assert evict.done and swapoff.done and swapoff.value == 0
    assert machine.value(file.info.swaplist) == 0
    machine.check()


def test_swapoff_of_one_of_two_devices_takes_only_its_pages():
    machine = Machine(Device(slots=16, prio=5), Device(slots=16, prio=1), cpus=3, cluster=4, slot_cache=1, pages=4)
    file = machine.files[0]
    for page in range(3):
        machine.write(file, page, page)
    machine.swap_out(file, 0)
    machine.swapoff(0)
    assert machine.read(file, 0) == 0
    machine.swap_out(file, 1)
    second = slot(machine, file, 1).entry
    assert swapops.swp_type(second) == 1
    machine.swapon(0)
    machine.swap_out(file, 2)
    assert swapops.swp_type(slot(machine, file, 2).entry) == 0
    machine.swapoff(0)
    machine.check()
    assert slot(machine, file, 1) == swapops.RadixEntry(second), "the other device's page stays where it is"
    assert not swapops.xa_is_value(slot(machine, file, 2))
    assert [machine.read(file, page) for page in range(3)] == [0, 1, 2]


def test_an_entry_whose_device_is_going_is_an_error_not_a_loop():
    machine, file = written()
    machine.swap_out(file, 0)
    si = machine.value(machine.space.swap_info[0])
    machine.sequential.words[si.users.word + 1] = 1  # killed, with the entry still there: no kernel does that
    assert str(machine.read(file, 0)) == "-22"


def test_a_page_that_could_not_be_read_is_an_error():
    machine, file = written()
    machine.swap_out(file, 0, keep=True)
    entry = slot(machine, file).entry
    machine.sequential.words[cached(machine, entry).uptodate.word] = 0
    assert str(machine.read(file, 0)) == "-5"


def test_no_memory_is_an_error():
    machine = computer(folios=1)
    file = machine.files[0]
    machine.write(file, 0, "all there is")
    assert str(machine.write(file, 1, 1).value) == "-12"
    assert machine.read(file, 0) == "all there is"


def test_a_page_that_is_truncated_before_it_is_locked_is_looked_for_again():
    machine, file = written()
    late = Running(machine, 0, machine.space.shmem_write(file.info, 0, "new"))
    late.run_to("folio_lock")
    machine.punch(file, 0, 0, cpu=1)
    late.run(10_000)
    assert machine.read(file, 0) == "new", "not in the folio that nobody finds any more"
    machine.check()


def test_a_page_from_swap_is_dirty_as_its_slot_is_gone():
    machine, file = written()
    machine.swap_out(file, 0)
    machine.read(file, 0)
    assert machine.value(slot(machine, file).dirty) == 1
    machine.swap_out(file, 0)
    assert machine.read(file, 0) == "page 0"


# ---- two at a time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False])
def test_two_reads_of_a_swapped_page(keep):
    machine, file = written()
    machine.swap_out(file, 0, keep=keep)
    machine.check()

    def check(*values):
        assert values == ("page 0", "page 0")
        assert machine.value(file.info.swapped) == 0

    switch_everywhere(machine, lambda s: (s.shmem_read(file.info, 0), s.shmem_read(file.info, 0)), check, stride=2)


def test_a_write_is_not_lost_to_reclaim():
    machine, file = written(RAM_DISK)
    folio = slot(machine, file)

    def check(*_):
        assert machine.read(file, 0) == "new"

    switch_everywhere(machine, lambda s: (s.shmem_write(file.info, 0, "new"), s.reclaim_folio(folio)), check, stride=2)


@pytest.mark.parametrize("out", [True, False])
def test_a_hole_is_punched_while_the_page_moves(out):
    machine, file = written()
    folio = slot(machine, file)
    if out:
        machine.swap_out(file, 0)

    def other(s):
        return s.shmem_read(file.info, 0) if out else s.reclaim_folio(folio)

    def check(_, read):
        assert read in ("page 0", None) or not out
        assert machine.read(file, 0) is None

    switch_everywhere(machine, lambda s: (s.shmem_undo_range(file.info, 0, 1), other(s)), check, stride=2)


def test_a_write_meets_swapoff():
    machine, file = written(pages=(0, 1))
    machine.swap_out(file, 0)
    machine.swap_out(file, 1)

    def check(_, off):
        assert off == 0
        assert [machine.read(file, page) for page in range(2)] == ["new", "page 1"]

    switch_everywhere(machine, lambda s: (s.shmem_write(file.info, 0, "new"), s.swapoff(0)), check, stride=7)
