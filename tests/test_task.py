"""A system call that stands still in a session, and the tables that show how things stand meanwhile."""

import pytest

from swapmodel import Device, Machine
from swapmodel.machine import Violation
from swapmodel.program import KernelError


@pytest.fixture
def machine():
    return Machine(slots=32, cpus=2, cluster=8)


@pytest.fixture
def file(machine):
    """A file whose one page is on the device and in the swap cache."""
    [file] = machine.files
    machine.write(file, 0, "old")
    machine.swap_out(file, 0, keep=True)
    return file


def cells(table, column):
    at = table.heads.index(column)
    return {row[0]: row[at] for row in table.rows}


def test_a_task_stands_before_its_first_step(machine, file):
    before = list(machine.sequential.words)
    task = machine.begin("shmem_undo_range", file.info)
    assert machine.sequential.words == before
    assert "stands in shmem_undo_range(), before READ_ONCE(info.i_mapping[0].i_pages[0])" in str(task)


def test_pieces_and_the_whole_change_the_same(machine, file):
    whole, other = Machine(slots=32, cpus=2, cluster=8), machine
    whole.write(whole.files[0], 0, "old")
    whole.swap_out(whole.files[0], 0, keep=True)
    effect = whole.truncate(whole.files[0])
    task = other.begin("shmem_undo_range", file.info)
    pieces = [task.until(p) for p in ("__swap_entry_free", "swap_page_trans_huge_swapped", "put_swap_folio")]
    pieces.append(task.finish())
    assert [str(w) for w in other.sequential.words] == [str(w) for w in whole.sequential.words]
    assert sum(p.steps for p in pieces) == effect.steps + 1  # the look at the end of a system call
    assert task.next is None and "has returned" in str(task)
    machine.check()


def test_the_race_by_hand(machine, file):
    """CVE-2024-26960, one piece after the other."""
    truncate = machine.begin("shmem_undo_range", file.info)
    truncate.until("swap_page_trans_huge_swapped")
    [slot] = [s for s, byte in cells(machine.slots(), "byte").items() if byte == "0x40"]
    assert cells(machine.slots(), "held by")[slot] == "nobody"
    assert cells(machine.slots(), "swap cache")[slot].startswith("folio")
    assert machine.swapoff(cpu=1).value == 0
    before = list(machine.sequential.words)
    with pytest.raises(Violation, match="touched") as failed:
        truncate.finish()
    assert failed.value.kind == "NULL dereference"
    assert machine.sequential.words == before and not machine.tasks


def test_with_the_fix_swapoff_waits():
    machine = Machine(slots=32, cpus=2, cluster=8, kernel="v6.9")
    [file] = machine.files
    machine.write(file, 0, "old")
    machine.swap_out(file, 0, keep=True)
    truncate = machine.begin("shmem_undo_range", file.info)
    truncate.until("swap_page_trans_huge_swapped")
    assert cells(machine.pins(), "now")["references (users)"] == "1"
    off = machine.begin("swapoff", 0, cpu=1)
    effect = off.finish()
    assert off.waits == "waits in wait_for_completion() for the 1 reference(s) to si.users that are still held"
    assert off.waits in str(effect) and off.next is not None
    assert cells(machine.pins(), "now")["references (users)"] == "1, killed"
    truncate.finish()
    assert not off.waits
    off.finish()
    assert off.value == 0
    machine.check()


def test_a_page_table_lock_holds_the_grace_period_back(machine):
    p = machine.spawn()
    machine.write(p, 0, 1)
    machine.swap_out(p, 0, keep=True)
    exit = machine.begin("do_exit", p.mm)
    exit.until("swap_page_trans_huge_swapped")
    off = machine.begin("swapoff", 0, cpu=1)
    off.finish()
    assert off.waits == "waits in synchronize_rcu() for CPU 0, which holds the spinlock mm1.page_table_lock"
    assert cells(machine.pins(), "now")["RCU readers"] == "CPU 0, which holds the spinlock mm1.page_table_lock"
    exit.finish()
    off.finish()
    assert off.value == 0


def test_what_goes_round_and_round_stands_still(machine):
    p = machine.spawn()
    machine.write(p, 0, 1)
    machine.swap_out(p, 0, keep=True)
    exit = machine.begin("do_exit", p.mm)
    exit.until("zap_pte_range")
    off = machine.begin("swapoff", 0, cpu=1)
    assert "still going: 50,000 steps" in str(off.finish())
    exit.finish()
    off.finish()
    assert off.value == 0
    machine.check()


def test_the_disk_answers_at_the_end_of_a_task(machine):
    p = machine.spawn()
    machine.write(p, 0, "new")
    task = machine.begin("madvise_pageout", p.mm)
    task.until("swap_writepage")
    effect = task.finish()
    assert not any(machine.value(f.writeback) for f in machine.world.folios)
    assert effect.value == task.value
    machine.check()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda m, t: m.write(m.spawn(), 0, 1), r"CPU 0 is in the middle of shmem_undo_range: finish\(\) it"),
        (lambda m, t: m.begin("do_exit", 0), "CPU 0 is in the middle"),
        (lambda m, t: m.begin("do_exitt", 0, cpu=1), "no kernel function is named 'do_exitt'; did you mean do_exit"),
        (lambda m, t: t.until("percpu_ref_kil"), "did you mean percpu_ref_kill"),
        (lambda m, t: (t.finish(), t.finish()), "has returned already"),
        (lambda m, t: m.pins(7), "no device has had the type 7"),
    ],
)
def test_one_clear_sentence(machine, file, call, told):
    task = machine.begin("shmem_undo_range", file.info)
    with pytest.raises(ValueError, match=told):
        call(machine, task)


def test_too_few_arguments_leave_no_task(machine):
    with pytest.raises((KernelError, TypeError)):
        machine.begin("shmem_undo_range")
    assert not machine.tasks


# ---- tables ------------------------------------------------------------------------------------------------------------


def test_slots_of_a_slot_cache_are_one_line():
    machine = Machine(slots=4096, cluster=512)
    p = machine.spawn()
    machine.write(p, 0, 1)
    machine.swap_out(p, 0)
    assert cells(machine.slots(), "held by")["513-575"] == "slots of CPU 0"
    assert cells(machine.slots(), "byte")["513-575"] == "0x40"
    assert machine.slots().note == "4031 slots are free; nr_swap_pages 4031"
    assert cells(machine.clusters(), "in use")["1"] == "64"
    assert cells(machine.clusters(), "allocates here")["1"] == "CPU 0, next 576"


@pytest.mark.parametrize("kernel", ["v6.8", "v6.10", "mthp-v3", "v6.1", "v5.2"])
def test_every_table_of_every_kernel(kernel):
    machine = Machine(Device(32), Device(16, solidstate=False), pages=4, cluster=4, kernel=kernel)
    p = machine.spawn()
    machine.huge(p)
    machine.write(p, 0, "<b>")
    machine.swap_out(p, 0, keep=True)
    for table in (machine.slots(), machine.clusters(), machine.folios(), machine.pins(), machine.pins(1)):
        assert table.rows and all(len(row) == len(table.heads) for row in table.rows)
        assert "<b>" not in table._repr_html_() and str(table).count("\n") == len(table.rows) + 1 + bool(table.note)
    assert any("free clusters, place 1" in row for row in machine.clusters().rows)


def test_cursors_of_each_order():
    machine = Machine(slots=32, pages=8, cluster=8, kernel="v6.10")
    p = machine.spawn()
    for page in range(3):
        machine.write(p, page, page)
        machine.swap_out(p, page)
    assert "CPU 0, order 0, next" in str(machine.clusters())


def test_a_machine_shows_no_address_of_an_object(machine):
    assert repr(machine) == "<Machine: v6.8, 2 CPUs, swap of 32 slots>"


def test_nothing_is_left_to_show_after_swapoff(machine):
    machine.swapoff()
    assert machine.slots().rows == () and machine.clusters().rows == ()
    assert str(machine.slots()).startswith("slots in use")
    assert cells(machine.pins(), "now")["SWP_USED"] == "clear"
