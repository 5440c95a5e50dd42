"""swapon() and swapoff(): the accounting they begin and end with, and what they leave when they fail."""

import pytest

from swapmodel.kernel import link
from swapmodel.machine import BLOCKED, NULL, Violation
from swapmodel.mm import errno, swapops
from swapmodel.sequential import Sequential
from swapmodel.session import Device, Machine
from swapmodel.versions import KERNELS
from swapmodel.world import Sizes, lay

USED = swapops.SWP_USED | swapops.SWP_WRITEOK | swapops.SWP_BLKDEV


def si_of(machine, type=0):
    return machine.value(machine.space.swap_info[type])


def members(machine, si, *names):
    return tuple(machine.value(getattr(si, name)) for name in names)


def values(machine, array):
    return [machine.value(array[i]) for i in range(len(array))]


def lists(machine):
    """The two lists of devices, as (type, priority) in their order."""
    heads = (machine.value(machine.space.swap_active_head), machine.value(machine.space.swap_avail_head))
    return tuple(tuple((machine.value(si.type), -key) for key, si in head) for head in heads)


def accounting(machine):
    return machine.value(machine.space.nr_swap_pages), machine.value(machine.space.total_swap_pages)


def alive(machine, pointer):
    return machine.sequential.words[pointer._object.life] > 0


def places(file):
    """What swapon() allocates for a device."""
    names = (
        "swap_map",
        "cluster_info",
        "percpu_cluster",
        "cluster_next_cpu",
        "swapper_spaces",
        "swap_cgroup",
        "extent",
        "bdev",
    )
    return {name: getattr(file, name) for name in names}


def changed(machine, before):
    """The names of the words that are not what they were."""
    shown = machine.world.memory.shown
    return {shown[i].name for i, value in enumerate(machine.sequential.words) if value is not before[i] and value != before[i]}


class Running:
    """A kernel function on a CPU, as far as it has come."""

    def __init__(self, machine, cpu, function, *arguments):
        self.cpu, self.generator = machine.sequential.cpus[cpu], getattr(machine.space, function)(*arguments)
        self.cpu.before.clear()
        self.waiting, self.value, self.over = self.generator.send(None), None, False

    def step(self):
        value = self.waiting.effect(self.cpu, *self.waiting.arguments)
        assert value is not BLOCKED
        try:
            self.waiting = self.generator.send(value)
        except StopIteration as stop:
            self.value, self.over = stop.value, True

    def until(self, operation, address=None):
        """Goes on to where `operation` is the next step."""
        while not (self.waiting.name == operation and (address is None or self.waiting.address is address)):
            self.step()
            assert not self.over, f"it never comes to {operation}"

    def finish(self):
        while not self.over:
            self.step()
        return self.value


# ---- what swapon leaves ----------------------------------------------------------------------------------------------


def test_a_new_device_is_accounted_for():
    bad, slots, cluster = (5, 17, 40), 16 * 40 - 6, 16
    m = Machine(Device(slots=slots, bad=bad), cluster=cluster, address_space_shift=8, cpus=2)
    si = si_of(m)
    assert accounting(m) == (slots - 4, slots - 4)
    assert members(m, si, "type", "pages", "max", "inuse_pages") == (0, slots - 4, slots, 0)
    assert members(m, si, "lowest_bit", "highest_bit", "cluster_next", "cluster_nr") == (1, slots - 1, 1, 0)
    assert m.value(si.flags) == USED | swapops.SWP_SOLIDSTATE
    assert lists(m) == (((0, -2),), ((0, -2),))
    map = values(m, m.value(si.swap_map))
    assert [i for i, byte in enumerate(map) if byte] == [0, *bad] and set(map) == {0, swapops.SWAP_MAP_BAD}
    assert [m.value(m.value(si.percpu_cluster)[cpu].index) for cpu in (0, 1)] == [-1, -1]
    assert all(1 <= n < slots for n in values(m, m.value(si.cluster_next_cpu)))
    assert m.value(m.space.swap_slot_cache_enabled) == 1
    assert m.value(m.space.swap_cgroup_ctrl[0]) and m.value(m.space.swapper_spaces[0])


def test_the_free_list_goes_column_by_column():
    bad, slots, cluster, cols = (5, 17, 40), 16 * 40 - 6, 16, 16
    m = Machine(Device(slots=slots, bad=bad), cluster=cluster, address_space_shift=8)
    si = si_of(m)
    clusters = m.value(si.cluster_info)
    used = {0: 2, 1: 1, 2: 1, 39: 6}
    expected = [i for column in range(cols) for i in range(40) if i % cols == column and i not in used]
    assert expected[:4] == [16, 32, 17, 33]
    assert list(m.value(si.free_clusters)) == expected
    for i in range(40):
        count, flags = members(m, clusters[i], "data", "flags")
        if i in used:
            assert (count, flags) == (used[i], 0)
        else:
            following = expected[expected.index(i) + 1 :]
            assert (count, flags) == (following[0] if following else 0, swapops.CLUSTER_FLAG_FREE)


@pytest.mark.parametrize(
    ("device", "flags"),
    [
        (Device(solidstate=False), 0),
        (Device(), swapops.SWP_SOLIDSTATE),
        (Device(synchronous=True), swapops.SWP_SOLIDSTATE | swapops.SWP_SYNCHRONOUS_IO),
        (Device(discard=True), 0x600 | swapops.SWP_DISCARDABLE | swapops.SWP_SOLIDSTATE),
    ],
)
def test_the_flags_say_what_the_block_device_can(device, flags):
    m = Machine(device)
    assert m.value(si_of(m).flags) == USED | flags
    solidstate = bool(flags & swapops.SWP_SOLIDSTATE)
    assert all(bool(p) == solidstate for p in members(m, si_of(m), "cluster_info", "percpu_cluster", "cluster_next_cpu"))


def test_a_device_that_discards_is_discarded_whole_but_for_its_header():
    m = Machine(Device(slots=8, discard=True), swapon=False)
    disk = m.world.devices[0].disk
    for i in range(8):
        m.sequential.words[disk[i].word] = "old"
    m.swapon()
    assert values(m, disk) == ["old"] + [None] * 7


# ---- priorities ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "order"),
    [
        (-1, -1, ((0, -2), (1, -3))),
        (5, 5, ((0, 5), (1, 5))),
        (0, 7, ((1, 7), (0, 0))),
        (-1, 3, ((1, 3), (0, -2))),
    ],
)
def test_devices_are_listed_by_priority(first, second, order):
    m = Machine(Device(prio=first), Device(prio=second))
    assert lists(m) == (order, order)
    assert sorted((t, m.value(si_of(m, t).prio)) for t in (0, 1)) == sorted(order)


def test_automatic_priorities_close_up():
    m = Machine(Device(), Device())
    assert m.swapoff(0).value == 0
    assert lists(m) == (((1, -2),), ((1, -2),)) and m.value(si_of(m, 1).prio) == -2
    assert m.swapon(0).value == 0
    assert lists(m)[0] == ((1, -2), (0, -3))


def test_a_priority_that_was_asked_for_moves_nobody():
    m = Machine(Device(prio=1), Device())
    assert m.swapoff(0).value == 0
    assert lists(m)[0] == ((1, -2),)
    assert m.swapon(0).value == 0
    assert lists(m)[0] == ((0, 1), (1, -2))


# ---- swapoff ---------------------------------------------------------------------------------------------------------


def filled(*devices, **sizes):
    """A machine whose first process has its pages on the devices, half of them shared with a child; and a tmpfs file."""
    m = Machine(*devices, pages=4, **sizes)
    p = m.spawn()
    for i in range(4):
        m.write(p, i, f"page {i}")
    child = m.fork(p)
    m.write(p, 3, "own")
    m.write(m.files[0], 0, "file")
    for i in range(4):
        m.swap_out(p, i)
    m.swap_out(child, 3)
    m.swap_out(m.files[0], 0)
    return m, p, child


def is_swapped(machine, process, page):
    return swapops.is_swap_pte(machine.value(process.mm.pte[page]))


@pytest.mark.parametrize("device", [Device(), Device(solidstate=False), Device(synchronous=True), Device(discard=True)])
def test_swapoff_brings_everything_back(device):
    m, p, child = filled(device)
    used = m.value(si_of(m).inuse_pages)
    assert used >= 6 and is_swapped(m, p, 0) and is_swapped(m, child, 3)
    shared, own = m.value(p.mm.pte[0]), m.value(p.mm.pte[3])
    assert not shared.exclusive and own.exclusive
    assert m.swapoff().value == 0
    assert accounting(m) == (0, 0) and lists(m) == ((), ())
    assert not any(is_swapped(m, q, i) for q in (p, child) for i in range(4))
    mapped = [m.value(q.mm.pte[i]) for q in (p, child) for i in (0, 3)]
    assert [m.value(pte.folio.anon_exclusive) for pte in mapped[:2]] == [0, 1]
    assert mapped[0].folio is mapped[2].folio and m.value(mapped[0].folio.mapcount) == 2
    assert [m.read(p, i) for i in range(4)] == ["page 0", "page 1", "page 2", "own"]
    assert [m.read(child, i) for i in range(4)] == [f"page {i}" for i in range(4)]
    assert m.read(m.files[0], 0) == "file"
    m.check()
    assert m.swapon().value == 0
    for i in range(4):
        m.swap_out(p, i)
    assert all(is_swapped(m, p, i) for i in range(4)), "reclaim finds where a page is mapped that swapoff has mapped"
    assert m.read(p, 2) == m.read(child, 2) == "page 2"


def test_swapoff_maps_the_pages_of_a_large_folio_one_by_one():
    m = Machine(pages=8, cluster=4)
    p = m.spawn()
    m.huge(p, 4)
    for i in range(4, 8):
        m.write(p, i, f"page {i}")
    m.swap_out(p, 4, keep=True)
    assert all(is_swapped(m, p, i) for i in range(4, 8))
    assert m.swapoff().value == 0
    ptes = [m.value(p.mm.pte[i]) for i in range(4, 8)]
    assert [(pte.folio, pte.page) for pte in ptes] == [(ptes[0].folio, page) for page in range(4)]
    assert members(m, ptes[0].folio, "mapcount", "anon_exclusive", "refcount") == (4, 0b1111, 4)
    assert [m.read(p, i) for i in range(4, 8)] == [f"page {i}" for i in range(4, 8)]
    m.check()


def test_a_page_that_could_not_be_read_leaves_a_marker():
    m = Machine()
    p = m.spawn()
    m.write(p, 0, "lost")
    m.swap_out(p, 0, keep=True)
    spaces = m.value(m.space.swapper_spaces[0])
    folio = m.value(swapops.xa_slot(spaces[0], swapops.swp_offset(m.value(p.mm.pte[0]).entry)))
    m.sequential.words[folio.uptodate.word] = 0
    assert m.swapoff().value == 0
    assert swapops.non_swap_entry(m.value(p.mm.pte[0]).entry)
    m.exit(p)


def test_nothing_of_the_device_lives_on():
    m, _, _ = filled()
    file, si = m.world.devices[0], si_of(m)
    assert all(alive(m, place) for place in places(file).values())
    assert m.swapoff().value == 0
    assert [name for name, place in places(file).items() if alive(m, place)] == []
    assert members(m, si, "flags", "max", "highest_bit", "inuse_pages") == (0, 0, 0, 0)
    assert not any(members(m, si, "swap_map", "cluster_info", "swap_file", "percpu_cluster", "swap_extent_root", "bdev_handle"))
    assert m.value(m.space.bd_holder) == () and m.value(m.space.i_flags) == ()
    assert m.value(m.space.swap_slot_cache_enabled) == 0


def test_one_device_goes_while_the_other_is_in_use():
    m = Machine(Device(prio=2), Device(prio=1), slots=64, pages=2)
    p = m.spawn()
    m.write(p, 0, "first")
    m.swap_out(p, 0)
    assert m.swapoff(0).value == 0  # the page comes back; it goes to the other device next
    m.swap_out(p, 0)
    assert swapops.swp_type(m.value(p.mm.pte[0]).entry) == 1
    assert m.swapon(0).value == 0
    m.write(p, 1, "second")
    m.swap_out(p, 1)
    assert swapops.swp_type(m.value(p.mm.pte[1]).entry) == 0
    other = m.value(p.mm.pte[0])
    assert m.swapoff(0).value == 0
    assert m.value(p.mm.pte[0]) == other and not is_swapped(m, p, 1)
    assert m.value(p.mm.mmlist) == 1, "drain_mmlist() asks every device"
    assert accounting(m)[1] == 63 and lists(m)[0] == ((1, 1),)
    assert m.swapoff(1).value == 0
    assert m.value(p.mm.mmlist) == 0
    assert [m.read(p, i) for i in range(2)] == ["first", "second"]
    m.check()


def test_a_swap_info_is_used_again():
    """With every birth told apart: what swapoff() freed stays dead, although the device is back."""
    world = lay((Device(slots=8), Device(slots=9)), Sizes(), place="counted")
    space = link(world.memory, KERNELS["v6.8"], None, world.constants)
    run = Sequential(world.memory)
    assert run.run(space.swapon(world.devices[0], -1)) == 0
    si = run.value(space.swap_info[0])
    map = run.value(si.swap_map)
    assert run.run(space.get_swap_device(swapops.swp_entry(0, 1))) is si
    run.run(space.put_swap_device(si))
    assert run.run(space.swapoff(0)) == 0
    assert run.run(space.get_swap_device(swapops.swp_entry(0, 1))) is NULL
    for device in (0, 1):  # itself, then another one
        assert run.run(space.swapon(world.devices[device], -1)) == 0
        assert run.value(space.swap_info[0]) is si and run.value(space.swap_info[1]) is NULL
        assert run.run(space.get_swap_device(swapops.swp_entry(0, 1))) is si
        run.run(space.put_swap_device(si))
        assert run.value(si.max) == 8 + device and run.value(si.swap_map) is not map
        with pytest.raises(Violation, match="after it was freed"):
            run.cpus[0].load(map[1])
        assert run.run(space.swapoff(0)) == 0


# ---- swapoff that gives up -------------------------------------------------------------------------------------------


def test_a_signal_ends_swapoff_and_the_device_is_as_it_was():
    m, p, child = filled(Device(prio=4))
    assert m.swapoff(signal=True).value == -errno.EINTR  # and the slot caches are drained
    before, other = list(m.sequential.words), lists(m)
    effect = m.swapoff(signal=True)
    assert effect.value == -errno.EINTR and effect.steps > 20
    assert changed(m, before) == set() and lists(m) == other
    assert is_swapped(m, p, 0) and m.read(child, 3) == "page 3"
    assert m.swapoff().value == 0
    m.check()


def test_a_device_that_comes_back_has_the_lowest_automatic_priority():
    m, _, _ = filled(Device(), Device())
    assert lists(m)[0] == ((0, -2), (1, -3))
    assert m.swapoff(0, signal=True).value == -errno.EINTR  # tmpfs files are brought back without a look at signals
    assert lists(m) == (((1, -2), (0, -3)),) * 2
    m.write(m.files[0], 0, "file again")
    m.swap_out(m.files[0], 0, keep=True)
    before = list(m.sequential.words)
    inuse = m.value(si_of(m).inuse_pages)
    assert m.swapoff(0, signal=True).value == -errno.EINTR
    assert lists(m) == (((1, -2), (0, -3)),) * 2 and m.value(si_of(m).inuse_pages) == inuse
    assert changed(m, before) == set()
    assert m.swapoff(1).value == 0 and m.swapon(1).value == 0
    assert lists(m) == (((0, -2), (1, -3)),) * 2
    assert m.swapoff(0, signal=True).value == -errno.EINTR
    assert m.value(m.space.least_priority) == -3


def test_a_full_device_comes_back_without_being_offered():
    m = Machine(Device(slots=4, solidstate=False), pages=3)
    p = m.spawn()
    for i in range(3):
        m.write(p, i, i)
        m.swap_out(p, i)
    assert all(is_swapped(m, p, i) for i in range(3)) and lists(m) == (((0, -2),), ())
    assert m.swapoff(signal=True).value == -errno.EINTR
    assert lists(m) == (((0, -2),), ()) and m.value(m.space.nr_swap_pages) == 0


def test_a_signal_ends_the_loop_over_the_swap_cache():
    m = Machine()
    p = m.spawn()
    m.write(p, 0, "cached")
    m.swap_out(p, 0, keep=True)
    assert m.read(p, 0) == "cached" and not is_swapped(m, p, 0)
    assert m.swapoff(signal=True).value == -errno.EINTR
    inuse = m.value(si_of(m).inuse_pages)
    assert inuse == 1, "the slot of the folio in the swap cache"
    assert m.swapoff().value == 0


def test_a_signal_that_comes_too_late_changes_nothing():
    m = Machine()
    assert m.swapoff(signal=True).value == 0


def no_memory(entry):
    """swapin_readahead() that finds no memory for a folio."""
    return NULL
    yield


def test_swapoff_without_memory_puts_the_device_back():
    m, p, child = filled(Device(prio=0), fix={"swapin_readahead": no_memory}, files=1)
    assert m.swapoff().value == -errno.ENOMEM
    before = list(m.sequential.words)
    assert m.swapoff().value == -errno.ENOMEM
    assert changed(m, before) == set() and lists(m) == (((0, 0),),) * 2
    assert is_swapped(m, p, 0) and m.value(p.mm.mm_users) == m.value(child.mm.mm_users) == 1
    m.exit(p)
    m.exit(child)
    m.truncate(m.files[0])
    assert m.swapoff().value == 0


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_swapoff_of_what_is_not_in_use():
    m = Machine(swapon=False)
    before = list(m.sequential.words)
    assert m.call("swapoff", 0) == -errno.EINVAL
    assert changed(m, before) == set()
    assert m.swapon().value == 0 and m.call("swapoff", 0) == 0
    before = list(m.sequential.words)
    assert m.call("swapoff", 0) == -errno.EINVAL
    assert changed(m, before) == set()


def test_swapoff_of_what_is_already_going_off():
    m = Machine(cpus=2)
    first = Running(m, 0, "swapoff", 0)
    first.until("percpu_ref_kill")
    before = list(m.sequential.words)
    assert m.call("swapoff", 0, cpu=1) == -errno.EINVAL
    assert changed(m, before) == set()
    assert first.finish() == 0


def test_swapon_while_another_device_goes_off():
    m = Machine(Device(), Device(), swapon=False, cpus=2)
    assert m.swapon(0).value == 0
    going = Running(m, 0, "swapoff", 0)
    going.until("percpu_ref_kill")
    assert m.swapon(1, cpu=1).value == 0
    assert going.finish() == 0
    assert lists(m) == (((1, -2),),) * 2 and accounting(m) == (63, 63)
    assert m.value(m.space.swap_slot_cache_enabled) == 1


def test_swapoff_shifts_priorities_while_another_swapoff_is_on_its_way():
    m = Machine(Device(), Device(), cpus=2)
    going = Running(m, 0, "swapoff", 1)
    going.until("percpu_ref_kill")
    assert m.swapoff(0, cpu=1).value == 0
    assert going.finish() == 0
    assert lists(m) == ((), ()) and m.value(m.space.least_priority) == -1 and accounting(m) == (0, 0)


STEPS = [("percpu_ref_kill", ""), ("vfree", ""), ("mutex_lock", "bdev_lock"), ("mutex_lock", "i_rwsem")]


@pytest.mark.parametrize(("step", "lock"), STEPS)
def test_a_swap_info_is_not_used_again_before_swapoff_is_over(step, lock):
    """f893ab41e4da: swapoff() gives the swap_info_struct away last."""
    m = Machine(Device(), Device(), swapon=False, cpus=2)
    assert m.swapon(0).value == 0
    going = Running(m, 0, "swapoff", 0)
    going.until(step, getattr(m.space, lock) if lock else None)
    assert m.call("swapon", m.world.devices[0], -1, cpu=1) == -errno.EBUSY
    assert m.value(si_of(m, 1).flags) == 0
    assert going.finish() == 0
    assert m.swapon(0).value == 0 and si_of(m) is m.space.SWAP_INFOS[0]


def test_a_file_is_used_only_once():
    m = Machine(Device(), Device(), swapon=False)
    assert m.swapon(0).value == 0
    before = list(m.sequential.words)
    assert m.swapon(0).value == -errno.EBUSY
    assert changed(m, before) == {"swap_info[1]", "si1.type", "si1.users.dead"}
    assert m.swapon(1).value == 0 and lists(m)[0] == ((0, -2), (1, -3))
    assert m.swapon(0).value == -errno.EBUSY
    m.space.swapon.__globals__["SWAP_INFOS"] = m.space.SWAP_INFOS[:2]
    m.sequential.words[m.space.swap_info[2].word] = NULL
    assert m.swapon(0).value == -errno.EPERM  # no type is left


@pytest.mark.parametrize("bad", [(0,), (8,), (100,), tuple(range(1, 8))])
def test_a_header_that_makes_no_sense(bad):
    m = Machine(Device(slots=8, bad=bad), swapon=False)
    before = list(m.sequential.words)
    assert m.swapon().value == -errno.EINVAL
    assert not any(alive(m, place) for place in places(m.world.devices[0]).values())
    si = si_of(m)
    assert members(m, si, "flags", "swap_file", "swap_extent_root", "bdev_handle") == (
        0,
        NULL,
        NULL,
        NULL,
    )
    assert not any(
        name.startswith("swap_active") or name in ("nr_swap_pages", "i_flags", "bd_holder") for name in changed(m, before)
    )
    assert m.swapon().value == -errno.EINVAL, "and no lock is left held"


def test_only_a_header():
    m = Machine(Device(slots=3), swapon=False)
    file = m.world.devices[0]._replace(pages=1)
    assert m.call("swapon", file, -1) == -errno.EINVAL
    assert m.swapon().value == 0 and accounting(m) == (2, 2)
