"""The session: whole operations, what they show, and what they answer to a mistake."""

import html
import json

import pytest

from swapmodel import Device, KernelError, Machine
from swapmodel.machine import Violation
from swapmodel.mm.swapops import SwapPte


@pytest.fixture
def machine():
    return Machine(slots=64)


def names(effect):
    return {c.name: (c.before, c.after) for c in effect.changes}


def test_the_life_of_a_page(machine):
    p = machine.spawn()
    assert names(machine.write(p, 0, "hello"))["mm1.pte[0]"] == ("none", "maps folio1, writable, dirty")
    out = names(machine.swap_out(p, 0))
    assert out["mm1.pte[0]"][1].startswith("swap(0, ")
    assert out["si.inuse_pages"] == ("0", "1") and out["folio1"] == ("allocated", "free")
    assert machine.read(p, 0) == "hello"
    assert machine.read(p, 1) is None
    assert machine.exit(p).changes
    machine.reclaim()
    assert machine.value(machine.space.nr_swap_pages) == 63
    machine.check()


def test_one_page_takes_the_slots_of_a_cache():
    """As measured: inuse_pages 64, all bytes 0x40 but one, from the first free cluster on."""
    machine = Machine(slots=4096, cluster=512)
    p = machine.spawn()
    machine.write(p, 0, 1)
    effect = machine.swap_out(p, 0)
    assert names(effect)["si.inuse_pages"] == ("0", "64")
    assert names(effect)["swap_map[512]"] == ("0x00", "0x01")
    assert next(c for c in effect.told if c.name == "swap_map[513..575]").after == "0x40"
    machine.check()


def test_the_folio_stays_in_the_swap_cache(machine):
    p = machine.spawn()
    machine.write(p, 0, 1)
    machine.swap_out(p, 0, keep=True)
    [byte] = [b for b in machine.sequential.words if b == 0x41]
    assert byte == 0x41
    machine.reclaim()
    assert 0x41 not in machine.sequential.words and 0x01 in machine.sequential.words
    machine.check()


def test_fork_shares_and_a_write_copies(machine):
    p = machine.spawn()
    machine.write(p, 0, "old")
    machine.swap_out(p, 0)
    child = machine.fork(p)
    assert names(child.born)["swap_map[16]"] == ("0x01", "0x02")
    assert "process 2" in child._repr_html_() and "0x02" in child._repr_html_()  # a cell shows what fork() changed
    assert p._repr_html_() == "<p><b>process 1</b></p>"
    machine.write(child, 0, "new")
    assert (machine.read(p, 0), machine.read(child, 0)) == ("old", "new")
    machine.check()


def test_a_count_above_62_continues_in_another_page():
    machine = Machine(slots=64, processes=70)
    p = machine.spawn()
    machine.write(p, 0, "shared")
    machine.swap_out(p, 0)
    for _ in range(69):
        last = machine.fork(p)
    assert machine.call("swp_swapcount", machine.value(p.mm.pte[0]).entry) == 70
    machine.check()
    assert machine.swapoff().value == 0
    assert machine.read(last, 0) == "shared"
    machine.check()


def test_large_folios_and_their_clusters():
    machine = Machine(slots=64, pages=16, cluster=8)
    p = machine.spawn()
    machine.huge(p, 8)
    for page in range(8, 16):
        machine.write(p, page, page)
    out = names(machine.swap_out(p, 8, keep=True))
    assert ("FREE", "HUGE") in out.values()
    machine.split(p, 8)
    machine.check()
    machine.reclaim()
    assert [machine.read(p, page) for page in range(8, 16)] == list(range(8, 16))
    machine.check()


@pytest.mark.parametrize(("kernel", "slots"), [("v6.8", 1), ("mthp-v3", 4), ("v6.10", 4)])
def test_a_folio_smaller_than_a_cluster_goes_to_swap_whole_since_v6_10(kernel, slots):
    machine = Machine(slots=64, pages=8, cluster=8, kernel=kernel)
    p = machine.spawn()
    machine.huge(p, 4, pages=4)
    assert names(machine.swap_out(p, 4, keep=True))["si.inuse_pages"] == ("0", str(slots))
    machine.check()


def test_two_devices():
    machine = Machine(Device(8, prio=1), Device(8, prio=5), pages=12)
    p = machine.spawn()
    for page in range(10):
        machine.write(p, page, page)
        machine.swap_out(p, page)
    types = [machine.value(p.mm.pte[i]).entry >> 58 for i in range(10)]
    assert types == [1] * 7 + [0] * 3
    assert machine.swapoff(1).value == 0
    machine.check()
    assert [machine.read(p, page) for page in range(10)] == list(range(10))
    assert machine.swapon(1, prio=9).value == 0
    machine.check()


def test_a_signal_ends_swapoff_and_everything_is_as_before(machine):
    p = machine.spawn()
    machine.write(p, 0, 1)
    machine.swap_out(p, 0)
    assert machine.swapoff(signal=True).value == -4
    machine.check()
    assert machine.read(p, 0) == 1
    assert machine.swapoff().value == 0
    assert machine.swapon().value == 0
    machine.check()


def test_files(machine):
    [file] = machine.files
    machine.write(file, 0, "a")
    assert machine.swap_out(file, 0).changes
    assert machine.read(file, 0) == "a"
    machine.swap_out(file, 0)
    machine.truncate(file)
    assert machine.read(file, 0) is None
    machine.check()


def test_the_disk_may_be_slow(machine):
    machine.io = False
    p = machine.spawn()
    machine.write(p, 0, 1)
    machine.swap_out(p, 0)
    assert machine.finish_io().changes
    machine.check()


def test_an_effect_is_text_and_html(machine):
    p = machine.spawn()
    effect = machine.write(p, 0, "<b>&")
    assert str(effect).startswith("write(process 1, 0, '<b>&'): ")
    shown = effect._repr_html_()
    assert "<b>&'" not in shown and html.escape("<b>&") in shown
    assert shown == effect._repr_html_() and "http" not in shown
    assert "nothing changed" in str(machine.reclaim())
    json.dumps([c._asdict() for c in effect.changes])


# ---- mistakes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda m, p: m.write(p, 8, 1), "process 1 has pages 0 to 7, not 8"),
        (lambda m, p: m.read(p, "x"), "pages 0 to 7, not 'x'"),
        (lambda m, p: m.read("nobody", 0), "is not a process or a file"),
        (lambda m, p: m.swapoff(3), "devices 0 to 0, not 3"),
        (lambda m, p: m.madvise(p, "perhaps"), "madvise knows dontneed, free"),
        (lambda m, p: m.touch(p, 0, cpu=2), "CPUs 0 to 0, not 2"),
        (lambda m, p: m.huge(p, 0), "pages 0 to 7, not 15"),
        (lambda m, p: m.huge(p, 0, pages=3), "a power of two of pages, 2 to 16, not 3"),
        (lambda m, p: m.huge(p, 0, pages=32), "2 to 16, not 32"),
        (lambda m, p: m.huge(p, 6, pages=4), "pages 0 to 7, not 9"),
        (lambda m, p: m.split(p, 0), "no folio to split"),
        (lambda m, p: (m.exit(p), m.read(p, 0)), "process 1 has exited"),
        (lambda m, p: [m.spawn() for _ in range(9)], "all 4 processes are there"),
        (lambda m, p: (m.swapoff(), m.swapoff()), "not in use: swapon first"),
    ],
)
def test_one_clear_sentence(machine, call, told):
    p = machine.spawn()
    with pytest.raises(ValueError, match=told):
        call(machine, p)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"slots": 2}, "from 3 to"),
        ({"pages": 0}, "pages is from 1"),
        ({"processes": 10**9}, "processes is from 1"),
        ({"kernel": "v6.88"}, "no kernel is named 'v6.88'; did you mean"),
        ({"preempt": "some"}, "preempt is 'full' or 'none'"),
    ],
)
def test_sizes_that_can_not_be(arguments, told):
    with pytest.raises(ValueError, match=told):
        Machine(**arguments)
    with pytest.raises(ValueError, match="room for 2"):
        Machine(Device(), Device(), Device())


def test_a_violation_leaves_the_machine_as_it_was():
    def forgets(si, offset, usage):
        yield BUG("on purpose")  # noqa: F821

    machine = Machine(slots=64, fix={"__swap_entry_free_locked": forgets})
    p = machine.spawn()
    machine.write(p, 0, 1)
    machine.swap_out(p, 0, keep=True)
    before = list(machine.sequential.words)
    with pytest.raises(Violation, match="on purpose"):
        machine.exit(p)
    assert machine.sequential.words == before
    assert isinstance(machine.value(p.mm.pte[0]), SwapPte)


def test_a_broken_fix_is_refused():
    with pytest.raises(KernelError, match="has no yield"):
        Machine(fix={"swap_free": lambda entry: None})


def test_every_kernel_runs():
    from swapmodel import KERNELS

    for kernel in KERNELS:
        machine = Machine(slots=64, kernel=kernel)
        p = machine.spawn()
        for page in range(4):
            machine.write(p, page, page)
            machine.swap_out(p, page)
        child = machine.fork(p)
        assert [machine.read(child, page) for page in range(4)] == [0, 1, 2, 3]
        machine.check()
        assert machine.swapoff().value == 0
        machine.check()
