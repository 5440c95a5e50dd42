"""Taking and giving back slots: get_swap_pages(), clusters, slot caches and discard, against what plain Python expects."""

import random
from itertools import pairwise

import pytest

from swapmodel import KERNELS, sequential
from swapmodel.explore import explore
from swapmodel.kernel import link
from swapmodel.machine import NULL, Violation
from swapmodel.mm.errno import EBUSY
from swapmodel.mm.swapops import (
    CLUSTER_FLAG_FREE,
    CLUSTER_FLAG_HUGE,
    SWP_BLKDEV,
    SWP_SCANNING,
    SWP_WRITEOK,
    swp_entry,
    swp_offset,
    swp_type,
    xa_slot,
)
from swapmodel.oracle import inuse_pages
from swapmodel.program import Program, System
from swapmodel.session import Device, Machine

FREE, CACHED, BAD = 0, 0x40, 0x3F


class Swap:
    """A Machine on which only the allocator runs, and short ways to look at it. `taken` are the entries given out."""

    def __init__(self, *devices, constants=None, **sizes):
        sizes = {"cluster": 8, "slot_cache": 4, "processes": 1, "pages": 1, "files": 0, "folios": 3} | sizes
        self.machine = Machine(*devices, **sizes)
        self.world, self.words = self.machine.world, self.machine.sequential.words
        if constants:
            self.machine.space = link(self.world.memory, KERNELS["v6.8"], None, {**self.world.constants, **constants})
        self.space, self.call = self.machine.space, self.machine.call
        self.cluster = self.machine.sizes.cluster
        self.taken = set()

    def si(self, type=0):
        return self.get(self.space.swap_info[type])

    def get(self, address):
        return self.words[address.word]

    def set(self, address, value):
        self.words[address.word] = value

    def bytes(self, type=0):
        map = self.get(self.si(type).swap_map)
        return [self.get(map[i]) for i in range(len(map))]

    def available(self):
        return [self.get(si.type) for _, si in self.get(self.space.swap_avail_head)]

    def cluster_info(self, idx, type=0):
        return self.get(self.si(type).cluster_info)[idx]

    def take(self, n=1, size=1, cpu=0):
        """get_swap_pages(): the offsets, which nobody has had before."""
        entries = self.call("get_swap_pages", n, size, cpu=cpu)
        for entry in entries:
            slots = set(range(entry, entry + size))
            assert not slots & self.taken
            self.taken |= slots
        return [swp_offset(e) for e in entries]

    def give(self, *offsets, type=0):
        entries = tuple(swp_entry(type, o) for o in offsets)
        self.taken -= set(entries)
        self.call("swapcache_free_entries", entries)

    def cursor(self, cpu=0):
        """Where this CPU's next search begins."""
        si = self.si()
        return self.get(self.get(si.cluster_next_cpu)[cpu] if self.machine.devices[0].solidstate else si.cluster_next)

    def folio(self, entry=0, pages=1, number=0):
        """A folio with one reference besides those of the swap cache, where it is if it has an entry."""
        folio = self.world.folios[number]
        self.set(folio.nr_pages, pages)
        self.words[folio._object.life] = 1
        self.set(folio.refcount, 1 + pages * bool(entry))
        self.set(folio.swapcache, int(bool(entry)))
        self.set(folio.swap, entry)
        if entry:
            space = self.get(self.space.swapper_spaces[swp_type(entry)])[0]
            for i in range(pages):
                self.set(xa_slot(space, swp_offset(entry) + i), folio)
        return folio

    def agree(self):
        """The books say what was taken, and nothing else."""
        free = 0
        for type in range(len(self.machine.devices)):
            device, bytes_, si = self.machine.devices[type], self.bytes(type), self.si(type)
            offsets = {swp_offset(e) for e in self.taken if swp_type(e) == type}
            discarding = {o for c in self.get(si.discard_clusters) for o in range(c * self.cluster, (c + 1) * self.cluster)}
            bad = {0, *device.bad} | discarding
            assert [o for o, byte in enumerate(bytes_) if byte == CACHED] == sorted(offsets)
            assert {o for o, byte in enumerate(bytes_) if byte == BAD} == bad
            assert self.get(si.inuse_pages) == len(offsets)
            assert self.get(si.flags) < SWP_SCANNING
            free += len(bytes_) - len(bad - discarding) - len(offsets)
            assert (type in self.available()) == (len(offsets) < device.slots - 1 - len(device.bad))
            if device.solidstate:
                self.agree_on_clusters(type, bytes_)
        assert self.get(self.space.nr_swap_pages) == free

    def agree_on_clusters(self, type, bytes_):
        """Free clusters, those that wait for their discard, and those in use are all there are; these count their bytes."""
        free, discard = self.get(self.si(type).free_clusters), self.get(self.si(type).discard_clusters)
        count = -(-len(bytes_) // self.cluster)
        used = {i: self.cluster - bytes_[i * self.cluster : (i + 1) * self.cluster].count(FREE) for i in range(count)}
        assert sorted((*free, *discard)) == sorted({*free, *discard})
        for before, after in (*pairwise(free), *pairwise(discard)):
            assert self.get(self.cluster_info(before, type).data) == after
        assert set(free) == {i for i, n in used.items() if n == 0}
        for i in set(used) - {*free, *discard}:
            assert self.get(self.cluster_info(i, type).data) == used[i]
            assert not self.get(self.cluster_info(i, type).flags) & CLUSTER_FLAG_FREE


SSD, HDD = Device(slots=64, bad=(5, 17, 63)), Device(slots=64, bad=(5, 17, 62), solidstate=False)


def step(swap, generator, cpu=0):
    """One operation of a kernel function; its name and first argument, and what comes after it."""
    here = swap.machine.sequential.cpus[cpu]
    operation = generator.send(swap.last)
    swap.last = operation.effect(here, *operation.arguments)
    return operation


def run_until(swap, generator, name, address, cpu=0):
    """Runs a kernel function up to and with this operation, and leaves it there."""
    swap.last = None
    for _ in range(10_000):
        operation = step(swap, generator, cpu)
        if operation.name == name and operation.arguments[0] is address:
            return
    raise AssertionError(f"it never comes to {name}({address})")


def finish(swap, generator, cpu=0):
    try:
        while True:
            step(swap, generator, cpu)
    except StopIteration as stop:
        return stop.value


# ---- one slot after the other ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [SSD, HDD], ids=["ssd", "hdd"])
@pytest.mark.parametrize("n", [1, 3, 64])
def test_every_good_slot_once_until_full(device, n):
    swap = Swap(device, slot_cache=64)
    good = sorted(set(range(1, 64)) - set(device.bad))
    found = []
    while offsets := swap.take(n):
        assert len(offsets) <= n
        found += offsets
        swap.agree()
    assert sorted(found) == good
    assert swap.available() == []
    assert (swap.get(swap.si().lowest_bit), swap.get(swap.si().highest_bit)) == (64, 0)


def test_an_ssd_fills_its_free_clusters_in_their_order_and_then_the_rest():
    swap = Swap(Device(slots=32))
    swap.set(swap.si().free_clusters, (2, 1, 3))
    swap.set(swap.cluster_info(2).data, 1), swap.set(swap.cluster_info(1).data, 3)
    expected = [*range(16, 24), *range(8, 16), *range(24, 32)]
    assert [o for _ in expected for o in swap.take()] == expected
    # Slot by slot the search begins behind the place where the last one ended, which is itself behind the last slot.
    assert [o for _ in range(7) for o in swap.take()] == [1, 3, 5, 7, 2, 4, 6]


def test_a_search_slot_by_slot_never_looks_at_the_slot_where_it_begins():
    """So this CPU misses the one free slot, which is where its last search ended. The other CPU takes it."""
    swap = Swap(Device(slots=16), cpus=2)
    while swap.take():
        pass
    swap.set(swap.get(swap.si().cluster_next_cpu)[0], 3)
    swap.give(3)
    assert swap.take(cpu=0) == []
    swap.agree()
    assert swap.take(cpu=1) == [3]
    swap.give(2)
    assert swap.take(cpu=0) == [2]


def test_a_search_may_read_one_byte_behind_the_map():
    """A bug of v6.8, found by this model: the search of CPU 0 begins behind the last slot, so that is how far it looks on
    once it has a slot. Meanwhile CPU 1 gives a slot back that CPU 0 has passed, and takes the other one that is ahead."""
    swap = Swap(Device(slots=16), cpus=2, slot_cache=8)
    while swap.take():
        pass
    cursors = swap.get(swap.si().cluster_next_cpu)
    swap.give(1, 12, 13, 15)
    swap.set(cursors[1], 0), swap.set(cursors[0], 14)
    assert swap.take(cpu=1) + swap.take(cpu=0) == [1, 15]
    assert (swap.get(cursors[0]), swap.get(swap.si().lowest_bit), swap.get(swap.si().highest_bit)) == (16, 2, 14)
    search = swap.space.get_swap_pages(8, 1)
    run_until(swap, search, "READ_ONCE", swap.get(swap.si().swap_map)[5])
    last = swap.last
    swap.give(3)
    swap.set(cursors[1], 12)
    assert swap.take(cpu=1) == [13]
    swap.last = last
    with pytest.raises(Violation, match=r"swap_map\[16\]"):
        finish(swap, search)


def test_an_hdd_fills_from_the_front():
    swap = Swap(Device(slots=32, solidstate=False))
    assert [o for _ in range(31) for o in swap.take()] == list(range(1, 32))


def test_an_hdd_begins_a_new_run_where_as_many_neighbours_as_a_cluster_has_are_free():
    swap = Swap(Device(slots=64, solidstate=False))
    assert swap.take(4) + swap.take(4) == list(range(1, 9))
    while len(swap.taken) < 32:
        swap.take()
    swap.give(3, 4, *range(10, 20))
    assert [swap.get(swap.si().cluster_nr), swap.get(swap.si().cluster_next)] == [0, 33]
    assert swap.take() == [10]  # the run of 8 or more, not the hole at 3
    assert [o for _ in range(7) for o in swap.take()] == list(range(11, 18))
    assert swap.get(swap.si().cluster_nr) == 0
    assert swap.take() == [33]  # 18 and 19 are too few


def test_several_slots_at_once_are_neighbours_and_at_most_a_batch():
    swap = Swap(Device(slots=256), cluster=64, slot_cache=16)
    assert swap.take(5) == [64, 65, 66, 67, 68]
    assert swap.take(1000) == list(range(69, 85))


def test_each_cpu_has_a_cluster_of_its_own():
    swap = Swap(Device(slots=32), cpus=2)
    assert [swap.take(1, cpu=c) for c in (0, 1, 0, 1)] == [[8], [16], [9], [17]]
    swap.take(3, cpu=1)
    swap.take(3, cpu=1)
    assert swap.take(3, cpu=1) == [24, 25, 26]
    swap.agree()


def test_a_cpu_that_finds_no_free_cluster_takes_slots_of_others():
    swap = Swap(Device(slots=24), cpus=2)
    assert swap.take(cpu=0) + swap.take(cpu=1) == [8, 16]
    assert [o for _ in range(7) for o in swap.take(cpu=0)] == list(range(9, 16))
    assert set(swap.take(2, cpu=0)) <= set(range(17, 24))
    assert set(swap.take(2, cpu=1)) <= set(range(17, 24))
    swap.agree()


class Search:
    """scan_swap_map_slots() once more, from the C source and with its labels, on lists: which slots, in which order. One device
    that is not discarding; nothing in the swap cache can be reclaimed."""

    def __init__(self, device, cpus, cluster, limit):
        self.size, self.limit, self.ssd, self.end = cluster, limit, device.solidstate, device.slots
        self.byte = [BAD if o in (0, *device.bad) else FREE for o in range(device.slots)]
        self.pages, self.lowest, self.highest = self.byte.count(FREE), 1, device.slots - 1
        self.next, self.run = [1] * (cpus if self.ssd else 1), 0
        self.mine = [(None, 0)] * cpus
        self.free = [c for c in range(device.slots // cluster) if not any(self.byte[c * cluster : (c + 1) * cluster])]

    def try_cluster(self, cpu):
        while True:
            cluster, first = self.mine[cpu]
            if cluster is None:
                if not self.free:
                    return None
                cluster, first = self.free[0], self.free[0] * self.size
            for o in range(first, (cluster + 1) * self.size):
                if not self.byte[o]:
                    self.mine[cpu] = cluster, o + 1
                    return o
            self.mine[cpu] = None, 0

    def breathe(self):
        self.ration -= 1
        if self.ration < 0:
            self.ration = self.limit
            return True
        return False

    def take(self, cpu, goal):
        wanted = min(goal, self.byte.count(FREE))
        self.short = (self.byte.count(FREE) - wanted) * 2 < self.pages
        return self.scan(cpu, wanted) if wanted and self.highest else []

    def scan(self, cpu, wanted):
        self.ration, many, found, where = self.limit, False, [], cpu if self.ssd else 0
        base = o = self.next[where]
        label = "checks"
        if self.ssd:
            first = self.try_cluster(cpu)
            base, o, label = (base, o, "scan") if first is None else (first, first, "checks")
        elif self.run:
            self.run -= 1
        else:
            if self.byte.count(FREE) >= self.size:
                base, o = self.lowest, self.lowest
                while True:
                    used = [i for i in range(o, min(o + self.size, self.end)) if self.byte[i]]
                    if o + self.size - 1 > self.highest:
                        o = base
                        break
                    for _ in range(used[-1] + 1 - o if used else self.size - 1):
                        self.breathe()
                    if not used:
                        break
                    o = used[-1] + 1
            self.run = self.size - 1
        while True:
            if label == "scan":
                for i in [*range(o + 1, self.highest + 1), "again", *range(self.lowest, base)]:
                    if i != "again":
                        many |= self.breathe()
                        if not self.byte[i] or (self.short and self.byte[i] == CACHED):
                            break
                else:
                    return found
                o = i
            if o // self.size in self.free[1:]:  # a free cluster, but not the first
                self.mine[cpu] = None, 0
                if found:
                    break
                first = self.try_cluster(cpu)
                base, o, label = (base, o, "scan") if first is None else (first, first, "checks")
                continue
            if o > self.highest:
                base = o = self.lowest
            if self.byte[o]:
                label = "scan"
                continue
            self.use(o, 1)
            found.append(o)
            label = "checks"
            if len(found) == wanted or o >= self.highest or self.breathe():
                break
            if self.ssd:
                neighbour = self.try_cluster(cpu)
                if neighbour is not None:
                    base = o = neighbour
                    continue
            elif self.run:
                o += 1
                if not self.byte[o]:
                    self.run -= 1
                    continue
            if many:
                break
            last = base if o < base else self.highest
            while o <= last:
                self.ration -= 1
                if self.ration <= 0 or not self.byte[o]:
                    break
                o += 1
            if o > last or self.ration <= 0:
                break
        self.next[where] = o + 1
        return found

    def use(self, o, count):
        if o // self.size in self.free:
            self.free.remove(o // self.size)
        self.byte[o : o + count] = [CACHED] * count
        self.lowest += count * (o == self.lowest)
        self.highest -= count * (o + count - 1 == self.highest)
        if FREE not in self.byte:
            self.lowest, self.highest = self.end, 0

    def give(self, o, count=1):
        self.byte[o : o + count] = [FREE] * count
        c = o // self.size
        if self.ssd and (c + 1) * self.size <= self.end and not any(self.byte[c * self.size : (c + 1) * self.size]):
            self.free.append(c)
        self.lowest, self.highest = min(self.lowest, o), max(self.highest, o + count - 1)


@pytest.mark.parametrize(
    "device", [SSD, HDD, Device(slots=43), Device(slots=43, solidstate=False)], ids=["bad ssd", "bad hdd", "ssd", "hdd"]
)
@pytest.mark.parametrize("limit", [256, 20, 3])
def test_the_same_slots_in_the_same_order_as_the_source(device, limit):
    swap, rng = Swap(device, cpus=2, slot_cache=8, constants={"LATENCY_LIMIT": limit}), random.Random(limit)
    search = Search(device, 2, 8, limit)
    search.free = list(swap.get(swap.si().free_clusters) or ())
    for round in range(250):
        rising = round // 25 % 2 == 0  # fill it up, let it run empty, and again
        if rng.random() < (0.7 if rising else 0.3):
            n, cpu = rng.choice((1, 1, 2, 3, 8)), rng.randrange(2)
            assert swap.take(n, cpu=cpu) == search.take(cpu, n)
        elif swap.taken:
            given = rng.sample(sorted(swap.taken), rng.randrange(1, 1 + min(6, len(swap.taken))))
            if rng.random() < 0.3:
                given = [e for e in swap.taken if e // 8 == given[0] // 8]
            swap.give(*given)
            for offset in given:
                search.give(offset)
        si = swap.si()
        assert (swap.get(si.lowest_bit), swap.get(si.highest_bit)) == (search.lowest, search.highest)
        assert swap.get(si.free_clusters) == tuple(search.free)
        assert swap.bytes() == search.byte


@pytest.mark.parametrize("device", [SSD, HDD, Device(slots=61, discard=True)], ids=["ssd", "hdd", "discard"])
@pytest.mark.parametrize("limit", [256, 3])
@pytest.mark.parametrize("seed", range(2))
def test_random_taking_and_giving(device, limit, seed):
    """A search finds a free slot whenever there is one, and a cluster whenever one is free."""
    swap, rng, huge = Swap(device, cpus=2, slot_cache=8, constants={"LATENCY_LIMIT": limit}), random.Random(seed), []
    for _ in range(150):
        choice, cpu = rng.random(), rng.randrange(2)
        owned = sorted(swap.taken - {e + i for e in huge for i in range(8)})
        if choice < 0.45:
            n, free = rng.choice((1, 1, 2, 8)), swap.get(swap.space.nr_swap_pages)
            found = swap.take(n, cpu=cpu)
            assert len(found) <= min(n, free)
            assert found or [o for o, byte in enumerate(swap.bytes()) if not byte] in ([], [swap.cursor(cpu)])
        elif choice < 0.55 and device.solidstate:
            free = swap.get(swap.si().free_clusters)
            found = swap.take(1, 8, cpu=cpu)
            assert found == [c * 8 for c in free[:1]]
            huge += found
        elif choice < 0.6 and huge:
            entry = huge.pop(rng.randrange(len(huge)))
            swap.taken -= set(range(entry, entry + 8))
            swap.call("put_swap_folio", swap.folio(pages=8), entry, cpu=cpu)
        elif choice < 0.63:
            swap.call("process_one_work", swap.si(), cpu=cpu)
        elif owned:
            swap.give(*rng.sample(owned, min(len(owned), rng.randrange(1, 7))))
        swap.agree()


def test_where_the_next_search_begins_at_the_end_of_an_address_space():
    """The kernel draws a number there; the model takes the lowest address space with a free slot."""
    swap = Swap(Device(slots=64), cluster=8, address_space_shift=4)
    cursor = swap.get(swap.si().cluster_next_cpu)[0]
    swap.take()
    assert (swap.get(cursor), swap.take(), swap.get(cursor)) == (9, [9], 10)
    swap.set(cursor, 15)
    swap.set(swap.get(swap.si().percpu_cluster)[0].next, 15)
    assert (swap.take(), swap.get(cursor)) == ([15], 1)
    swap.set(cursor, 15)
    swap.set(swap.get(swap.si().percpu_cluster)[0].index, -1)
    swap.set(swap.si().lowest_bit, 63)
    assert (swap.take(), swap.get(cursor)) == ([16], 15)  # no slot is left to go to


def test_hibernation_takes_a_slot_that_counts_as_used():
    swap = Swap(Device(slots=32))
    assert swap.call("get_swap_page_of_type", 0) == swp_entry(0, 8)
    assert swap.bytes()[8] == 1
    assert swap.get(swap.space.nr_swap_pages) == 30
    assert swap.call("get_swap_page_of_type", 1) == 0
    swap.set(swap.si().flags, swap.get(swap.si().flags) & ~SWP_WRITEOK)
    assert swap.call("get_swap_page_of_type", 0) == 0
    assert swap.get(swap.space.nr_swap_pages) == 30
    swap.set(swap.si().flags, swap.get(swap.si().flags) | SWP_WRITEOK)
    while swap.take():
        pass
    assert swap.call("get_swap_page_of_type", 0) == swap.get(swap.space.nr_swap_pages) == 0


# ---- two devices ----------------------------------------------------------------------------------------------------------


def types(swap, n):
    before, found = set(swap.taken), []
    for _ in range(n):
        swap.take()
        found += [swp_type(e) for e in swap.taken - before]
        before = set(swap.taken)
    return found


def test_the_device_with_the_higher_priority_is_filled_first():
    swap = Swap(Device(slots=16, prio=1), Device(slots=16, prio=7))
    assert types(swap, 30) == [1] * 15 + [0] * 15
    swap.agree()
    swap.give(3, type=0)
    swap.give(4, type=1)
    assert swap.available() == [1, 0]
    assert types(swap, 2) == [1, 0]


def test_devices_of_the_same_priority_take_turns():
    swap = Swap(Device(slots=16, prio=3), Device(slots=32, prio=3))
    assert types(swap, 8) == [0, 1] * 4
    assert sorted(types(swap, 38)) == [0] * 11 + [1] * 27
    swap.agree()
    assert swap.take() == []


def test_a_batch_comes_from_one_device_and_the_shortfall_goes_back():
    swap = Swap(Device(slots=16, prio=5), Device(slots=64, prio=1), slot_cache=16)
    assert swap.take(16) == list(range(8, 16))
    swap.agree()
    assert {swap.take(1)[0] for _ in range(7)} == set(range(1, 8))
    assert swap.available() == [1]
    assert swap.take(16) == list(range(8, 24))  # of device 1
    swap.agree()


def test_a_device_that_filled_up_meanwhile_is_passed_over():
    """CPU 0 has chosen device 0 and not yet locked it when CPU 1 takes its last slot."""
    swap = Swap(Device(slots=16, prio=5), Device(slots=16, prio=1), cpus=2)
    types(swap, 14)
    first = swap.space.get_swap_pages(1, 1)
    run_until(swap, first, "spin_unlock", swap.space.swap_avail_lock)
    last = swap.last
    assert [swp_type(swp_entry(0, o)) for o in swap.take(cpu=1)] == [0]
    assert swap.available() == [1]
    swap.last = last
    (entry,) = finish(swap, first)
    assert swp_type(entry) == 1
    swap.taken.add(entry)
    swap.agree()


def test_the_devices_are_asked_anew_when_the_next_one_has_left_the_list():
    """CPU 0 finds nothing on device 0, whose one free slot it overlooks; then CPU 1 takes all there is of both, and gives one
    slot of device 0 back."""
    swap = Swap(Device(slots=16, prio=5), Device(slots=16, prio=1), cpus=2)
    types(swap, 15)
    swap.set(swap.get(swap.si().cluster_next_cpu)[0], 3)
    swap.give(3)
    search = swap.space.get_swap_pages(1, 1)
    run_until(swap, search, "spin_unlock", swap.si().lock)
    run_until(swap, search, "spin_unlock", swap.si().lock)
    swap.set(swap.space.nr_swap_pages, swap.get(swap.space.nr_swap_pages) + 1)  # what CPU 0 has reserved
    while swap.take(cpu=1):
        pass
    swap.give(7)
    assert swap.available() == [0]
    swap.last = None
    assert finish(swap, search) == (7,)


def test_a_search_ends_when_swapoff_takes_the_device():
    """CPU 0 searches with si->lock dropped; the count in the flags says so. Then WRITEOK goes."""
    swap = Swap(Device(slots=16), cpus=2)
    types(swap, 15)
    swap.give(3)
    si = swap.si()
    search = swap.space.get_swap_pages(1, 1)
    run_until(swap, search, "spin_unlock", si.lock)
    assert swap.get(si.flags) // SWP_SCANNING == 1
    swap.set(si.flags, swap.get(si.flags) & ~SWP_WRITEOK)
    swap.set(swap.space.swap_avail_head, ())
    swap.last = None
    assert finish(swap, search) == ()
    assert swap.get(si.flags) // SWP_SCANNING == 0
    assert swap.get(swap.space.nr_swap_pages) == 1


def test_a_useless_device_on_the_list_is_a_warning():
    for damage in ("highest_bit", "flags"):
        swap = Swap(Device(slots=16))
        swap.set(getattr(swap.si(), damage), 0)
        with pytest.raises(Violation, match="full, or not WRITEOK"):
            swap.take()


def test_a_free_cluster_in_the_middle_of_the_list_is_not_taken():
    """CPU 0 searches slot by slot, sees a free byte, and before it has si->lock the whole cluster becomes free, as second."""
    swap = Swap(Device(slots=32), cpus=2)
    while swap.take(cpu=1):
        pass
    swap.give(20)
    si, map = swap.si(), swap.get(swap.si().swap_map)
    search = swap.space.get_swap_pages(1, 1)
    run_until(swap, search, "READ_ONCE", map[20])
    last = swap.last
    swap.give(*range(8, 16))
    swap.give(*(o for o in range(16, 24) if o != 20))
    assert swap.get(si.free_clusters) == (1, 2)
    swap.last = last
    assert finish(swap, search) == (8,)
    swap.taken.add(8)
    swap.agree()


def test_taking_any_but_the_first_free_cluster_is_a_bug():
    swap = Swap(Device(slots=32))
    swap.set(swap.si().lock, 1)
    swap.set(swap.cluster_info(2).lock, 1)
    with pytest.raises(Violation, match="not the first"):
        swap.call("inc_cluster_info_page", swap.si(), 16)
    swap.set(swap.cluster_info(1).lock, 1)
    swap.call("inc_cluster_info_page", swap.si(), 8)
    swap.set(swap.cluster_info(1).data, 8)
    with pytest.raises(Violation, match="counts all its slots"):
        swap.call("inc_cluster_info_page", swap.si(), 9)


# ---- swap is nearly full: slots that only the swap cache keeps ------------------------------------------------------------


@pytest.mark.parametrize("device", [Device(slots=16), Device(slots=16, solidstate=False)], ids=["ssd", "hdd"])
@pytest.mark.parametrize("locked", [False, True])
def test_a_slot_that_only_the_swap_cache_keeps_is_reclaimed_when_swap_is_short(device, locked):
    swap = Swap(device)
    while swap.take():
        pass
    swap.give(14)
    swap.set(swap.si().cluster_next, 4) if not device.solidstate else swap.set(swap.get(swap.si().cluster_next_cpu)[0], 4)
    offset = 4 + device.solidstate
    folio = swap.folio(swap_entry := swp_entry(0, offset))
    swap.set(folio.locked, int(locked))
    swap.taken -= set() if locked else {swap_entry}
    assert swap.take() == [14 if locked else offset]
    assert swap.get(folio.swapcache) == int(locked)
    assert swap.get(folio.refcount) == 1 + locked
    swap.agree()


def test_while_there_is_enough_swap_nothing_is_reclaimed():
    swap = Swap(Device(slots=64, solidstate=False))
    swap.take(4)
    swap.set(swap.si().cluster_next, 2)
    folio = swap.folio(swp_entry(0, 2))
    assert swap.take() == [5]
    assert swap.get(folio.swapcache) == 1


# ---- whole clusters -------------------------------------------------------------------------------------------------------


def huge(swap):
    """A PMD-size folio in the swap cache, and its entry."""
    (offset,) = swap.take(1, 8)
    return swap.folio(swp_entry(0, offset), 8), swp_entry(0, offset)


def test_a_huge_folio_takes_a_whole_free_cluster_and_gives_it_back_at_once():
    """Even with the slot cache on (measured): none of its slots goes through the cache."""
    swap = Swap(Device(slots=64))
    swap.call("reactivate_swap_slots_cache")
    before = swap.get(swap.si().free_clusters)
    folio, entry = huge(swap)
    ci = swap.cluster_info(entry // 8)
    assert (entry, swap.get(ci.flags), swap.get(ci.data)) == (8, CLUSTER_FLAG_HUGE, 8)
    swap.agree()
    swap.taken.clear()
    swap.call("put_swap_folio", folio, entry)
    assert swap.get(swap.si().free_clusters) == (*before[1:], 1)
    assert swap.get(ci.flags) == CLUSTER_FLAG_FREE
    assert swap.get(swap.space.swp_slots[0].slots_ret) == ()
    swap.agree()


def test_no_huge_folio_without_a_free_cluster():
    swap = Swap(Device(slots=24))
    swap.take(), swap.take(1, 8)
    assert swap.take(1, 8) == []
    assert swap.get(swap.space.nr_swap_pages) == 23 - 9
    swap = Swap(Device(slots=64))
    swap.set(swap.si().flags, swap.get(swap.si().flags) & ~SWP_BLKDEV)  # a swap file
    assert swap.take(1, 8) == []
    swap.agree()
    swap = Swap(Device(slots=64, solidstate=False))
    assert swap.take(1, 8) == []
    swap.agree()


def test_for_a_huge_folio_only_one_device_is_asked():
    swap = Swap(Device(slots=8, prio=5), Device(slots=64, prio=1))
    assert swap.take(1, 8) == []
    swap.agree()


def test_more_than_one_cluster_at_once_is_a_warning():
    with pytest.raises(Violation, match="more than one cluster"):
        Swap(Device(slots=64)).call("get_swap_pages", 2, 8)


@pytest.mark.parametrize("used", [0, 3, 7])
@pytest.mark.parametrize("cached", [False, True])
def test_a_huge_folio_with_a_slot_in_use_is_given_back_slot_by_slot(used, cached):
    swap = Swap(Device(slots=64), slot_cache=64)
    if cached:
        swap.call("reactivate_swap_slots_cache")
    folio, entry = huge(swap)
    map = swap.get(swap.si().swap_map)
    swap.set(map[entry + used], CACHED | 1)
    swap.call("put_swap_folio", folio, entry)
    free = CACHED if cached else FREE
    assert swap.bytes()[8:16] == [1 if i == used else free for i in range(8)]
    assert swap.get(swap.cluster_info(1).flags) == 0
    assert swap.get(swap.cluster_info(1).data) == (8 if cached else 1)
    waiting = swap.get(swap.space.swp_slots[0].slots_ret)
    assert waiting == (tuple(entry + i for i in range(8) if i != used) if cached else ())


def test_what_put_swap_folio_does_not_believe():
    swap = Swap(Device(slots=64))
    folio, entry = huge(swap)
    swap.set(swap.get(swap.si().swap_map)[entry + 5], 1)
    with pytest.raises(Violation, match="without SWAP_HAS_CACHE"):
        swap.call("put_swap_folio", folio, entry)
    swap.set(swap.cluster_info(1).flags, 0)
    with pytest.raises(Violation, match="not huge"):
        swap.call("put_swap_folio", folio, entry)


def test_a_split_cluster_is_an_ordinary_one():
    swap = Swap(Device(slots=64))
    _, entry = huge(swap)
    assert swap.call("split_swap_cluster", entry) == 0
    assert swap.get(swap.cluster_info(1).flags) == 0
    for i in range(8):
        swap.taken.remove(entry + i)
        swap.call("put_swap_folio", swap.folio(number=1), entry + i)
        swap.agree()
    assert 1 in swap.get(swap.si().free_clusters)
    assert swap.call("split_swap_cluster", entry) == -EBUSY


def test_splitting_on_a_device_without_clusters_oopses():
    """As the kernel did in 2020, when a small folio of such a device was taken for a split one (c4f9c701f9b4)."""
    swap = Swap(HDD)
    (offset,) = swap.take()
    with pytest.raises(Violation, match="NULL"):
        swap.call("split_swap_cluster", swp_entry(0, offset))


# ---- slot caches ----------------------------------------------------------------------------------------------------------


def test_one_page_swapped_out_takes_64_slots():
    """Measured: inuse_pages 64, all bytes 0x40, from slot 512 on."""
    swap = Swap(Device(slots=2048), cluster=512, slot_cache=64)
    assert swap.call("folio_alloc_swap", swap.folio()) == 512
    assert swap.get(swap.si().inuse_pages) == 64
    assert [o for o, byte in enumerate(swap.bytes()) if byte == CACHED] == list(range(512, 576))
    assert [swap.call("folio_alloc_swap", swap.folio()) for _ in range(64)] == list(range(513, 577))
    assert swap.get(swap.si().inuse_pages) == 128


def test_without_caches_a_page_takes_one_slot():
    for switch in ("swap_slot_cache_enabled", "no memory"):
        constants = {"swp_slots": (NULL,)} if switch == "no memory" else {}
        swap = Swap(Device(slots=2048), slot_cache=64, constants=constants)
        if not constants:
            swap.set(swap.space.swap_slot_cache_enabled, 0)
        entry = swap.call("folio_alloc_swap", swap.folio())
        assert swap.get(swap.si().inuse_pages) == 1
        swap.call("free_swap_slot", entry)
        assert swap.get(swap.si().inuse_pages) == 0
        swap.call("disable_swap_slots_cache_lock")


def test_without_memory_for_the_caches_swapon_leaves_them_off():
    swap = Swap(Device(slots=64), constants={"swp_slots": (NULL,)})
    swap.set(swap.space.swap_slot_cache_initialized, 0)
    swap.set(swap.space.swap_slot_cache_enabled, 0)
    swap.call("enable_swap_slots_cache")
    assert swap.get(swap.space.swap_slot_cache_enabled) == swap.get(swap.space.swap_slot_cache_initialized) == 0


def test_the_caches_are_enabled_while_there_is_a_device():
    swap = Swap(Device(slots=64))
    assert swap.get(swap.space.swap_slot_cache_initialized) == swap.get(swap.space.swap_slot_cache_enabled) == 1
    swap.set(swap.space.swap_active_head, ())
    swap.call("enable_swap_slots_cache")
    assert swap.get(swap.space.swap_slot_cache_enabled) == 0


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize(
    ("active", "free", "expected"),
    [(0, 5 * 64, 0), (0, 5 * 64 + 1, 1), (0, 0, 0), (1, 2 * 64, 1), (1, 2 * 64 - 1, 0), (1, 1000, 1)],
)
def test_when_the_caches_are_in_use(cpus, active, free, expected):
    """On above 5 full caches of free slots for each CPU, off below 2."""
    swap = Swap(Device(slots=16), cpus=cpus, slot_cache=64)
    swap.set(swap.space.swap_slot_cache_active, active)
    swap.set(swap.space.nr_swap_pages, free * cpus - (cpus - 1) * (not expected))
    assert swap.call("check_cache_active") is bool(expected)
    assert swap.get(swap.space.swap_slot_cache_active) == expected


def test_when_swap_gets_short_the_caches_give_their_slots_back():
    swap = Swap(Device(slots=64), cpus=2)
    for cpu in (0, 1):
        swap.call("folio_alloc_swap", swap.folio(), cpu=cpu)
        swap.call("free_swap_slot", swap.call("folio_alloc_swap", swap.folio(), cpu=cpu), cpu=cpu)
    assert swap.get(swap.si().inuse_pages) == 8
    swap.set(swap.space.nr_swap_pages, 15)
    swap.call("folio_alloc_swap", swap.folio(), cpu=1)
    assert [swap.get(a) for c in swap.space.swp_slots for a in (c.slots, c.slots_ret)] == [()] * 4
    assert swap.get(swap.si().inuse_pages) == 3
    assert swap.get(swap.space.swap_slot_cache_active) == 0


def test_the_caches_go_off_between_the_look_and_the_refill():
    swap = Swap(Device(slots=64))
    swap.set(swap.space.swap_slot_cache_active, 0)
    assert swap.call("refill_swap_slots_cache", swap.space.swp_slots[0]) == ()
    assert swap.get(swap.si().inuse_pages) == 0
    swap.set(swap.space.swp_slots[0].slots, (swp_entry(0, 40),))
    swap.set(swap.space.nr_swap_pages, 20)
    assert swap.call("folio_alloc_swap", swap.folio()) == 8  # not the one in the cache


def test_each_cpu_has_a_cache_of_its_own_and_an_empty_swap_gives_0():
    swap = Swap(Device(slots=64), cpus=2)
    first = [swap.call("folio_alloc_swap", swap.folio(), cpu=c) for c in (0, 1, 0, 1)]
    assert first == [8, 16, 9, 17]
    rest = set(first)
    while entry := swap.call("folio_alloc_swap", swap.folio()):
        assert entry not in rest
        rest.add(entry)
    assert len(rest) == 63
    assert swap.call("folio_alloc_swap", swap.folio(pages=8)) == 0


def test_a_large_folio_passes_by_the_cache():
    swap = Swap(Device(slots=64))
    assert swap.call("folio_alloc_swap", swap.folio(pages=8)) == 8
    assert swap.get(swap.si().inuse_pages) == 8
    assert swap.get(swap.space.swp_slots[0].slots) == ()


# ---- discard --------------------------------------------------------------------------------------------------------------


def discarding():
    """A device whose cluster has just lost its last slot; every slot of the disk has been written."""
    swap = Swap(Device(slots=32, discard=True), cpus=2)
    disk = swap.world.devices[0].disk
    for i in range(32):
        swap.set(disk[i], i)
    assert swap.take(1, 8) == [8]
    swap.taken.clear()
    swap.call("put_swap_folio", swap.folio(pages=8), 8)
    return swap, swap.si(), disk


def test_a_freed_cluster_waits_for_its_discard():
    swap, si, disk = discarding()
    assert (swap.get(si.discard_clusters), swap.get(si.free_clusters)) == ((1,), (2, 3))
    assert swap.bytes()[8:16] == [BAD] * 8
    assert swap.get(swap.space.discard_work_pending[0]) == 1
    swap.agree()
    assert [swap.get(disk[i]) for i in range(32)] == list(range(32))
    swap.call("process_one_work", si)
    assert swap.get(swap.space.discard_work_pending[0]) == 0
    assert (swap.get(si.discard_clusters), swap.get(si.free_clusters)) == ((), (2, 3, 1))
    assert [swap.get(disk[i]) for i in range(32)] == [None if 8 <= i < 16 else i for i in range(32)]
    swap.agree()


def test_the_last_slot_of_a_cluster_sends_it_to_its_discard():
    swap = Swap(Device(slots=32, discard=True))
    assert swap.take(2) == [8, 9]
    swap.give(8)
    assert swap.get(swap.si().discard_clusters) == ()
    swap.give(9)
    assert swap.get(swap.si().discard_clusters) == (1,)
    swap.agree()


def test_swapoff_flushes_what_is_pending_and_lets_nothing_new_come():
    swap, si, _ = discarding()
    swap.call("flush_discard_work", si)
    assert swap.get(si.discard_clusters) == ()
    swap.take(1, 8)
    swap.set(si.flags, swap.get(si.flags) & ~SWP_WRITEOK)
    swap.call("put_swap_folio", swap.folio(pages=8), 16)
    assert swap.get(si.discard_clusters) == ()
    assert swap.get(si.free_clusters) == (3, 1, 2)


def test_who_finds_no_free_cluster_does_the_discards_at_once():
    swap, si, disk = discarding()
    assert swap.take(1, 8) + swap.take(1, 8) == [16, 24]
    assert swap.take() == [8]
    assert swap.get(disk[15]) is None
    assert swap.get(si.discard_clusters) == ()
    swap.agree()
    swap.call("process_one_work", si)  # the work item finds nothing to do
    swap.agree()


def test_a_cluster_in_the_middle_of_its_discard_is_nobodys(monkeypatch):
    """CPU 0 has dropped si->lock for the discard; CPU 1 must not get a slot of that cluster. With no other free slot it goes
    round and round over bytes that it can't reclaim, as the kernel does, until the discard is over."""
    monkeypatch.setattr(sequential, "STEPS", 20_000)
    swap, si, _ = discarding()
    swap.take(1, 8), swap.take(1, 8)
    work = swap.space.process_one_work(si)
    run_until(swap, work, "spin_unlock", si.lock)
    assert swap.get(si.discard_clusters) == ()
    while len(swap.taken) < 23:
        assert swap.take(cpu=1)
    assert swap.taken == {*range(1, 8), *range(16, 32)}
    with pytest.raises(Violation, match="no end"):
        swap.take(cpu=1)
    swap.last = None
    finish(swap, work)
    assert swap.take(cpu=1) == [8]
    swap.agree()


# ---- every order of steps -------------------------------------------------------------------------------------------------


def explored(swap, *calls):
    """All interleavings of these calls, one a CPU, from here on. At each end, the books agree."""
    memory, space, si = swap.world.memory, swap.space, swap.si()
    memory.words[:] = swap.words
    map = swap.get(si.swap_map)

    def starter(name, *arguments):
        return lambda: space.syscall(getattr(space, name), *arguments)

    def books(words):
        idle = not any(words[w] for w in memory.context) and not words[si.lock.word]
        free = sum(words[map[i].word] == FREE for i in range(1, len(map)))
        if idle and words[si.flags.word] < SWP_SCANNING and words[space.nr_swap_pages.word] > free:
            return Violation("accounting", "nr_swap_pages promises more slots than are free")
        return None

    programs = [Program(memory.threads[i], starter(*call)) for i, call in enumerate(calls)]
    outcome, _ = explore(System(memory, programs, (inuse_pages(si, map), books), space), shortest="any")
    return outcome


def test_two_cpus_take_different_slots_in_every_order():
    for device in (Device(slots=12), Device(slots=12, solidstate=False)):
        swap = Swap(device, cpus=2, cluster=4, slot_cache=2)
        outcome = explored(swap, ("get_swap_pages", 2, 1), ("get_swap_pages", 2, 1))
        assert (outcome.verdict, outcome.violation) == ("holds", None)


def test_taking_the_last_slot_while_one_is_given_back_in_every_order():
    for device in (Device(slots=8), Device(slots=8, solidstate=False), Device(slots=8, discard=True)):
        swap = Swap(device, cpus=3, cluster=4, slot_cache=2)
        while len(swap.taken) < 6:
            swap.take()
        give = ("swapcache_free_entries", tuple(sorted(swap.taken))[-2:])
        outcome = explored(swap, ("get_swap_pages", 1, 1), ("get_swap_pages", 2, 1), give)
        assert (outcome.verdict, outcome.violation) == ("holds", None)
