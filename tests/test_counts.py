"""The swap_map byte and its continuation pages, against tables and plain integers that know nothing of the code."""

from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from swapmodel import KERNELS
from swapmodel.entries import reference_count
from swapmodel.explore import explore
from swapmodel.kernel import link
from swapmodel.machine import NULL, WRITE_ONCE, Violation, percpu_ref_kill
from swapmodel.mm import swapops
from swapmodel.mm.errno import EEXIST, EINVAL, ENOENT, ENOMEM
from swapmodel.mm.swapfile.continuation import GFP_ATOMIC, GFP_KERNEL
from swapmodel.program import Program, System
from swapmodel.sequential import Sequential
from swapmodel.session import Machine
from swapmodel.world import Device, Sizes, lay

CLUSTER, PAGE = 4, 8  # slots of a cluster, and of a page of swap_map: two clusters share a list of continuation pages
GARBAGE = 0xA5  # in a page that nobody has written yet: the kernel asks for pages that are not zeroed


class Slots:
    """A device in use, all of its bytes as we like, and kernel functions that run on it one after the other."""

    def __init__(self, bytes_=(), *, pages=4, solidstate=True, cpus=1):
        sizes = Sizes(cpus=cpus, processes=0, files=0, cluster=CLUSTER, page_size=PAGE, continuation_pages=pages, folios=1)
        self.world = lay((Device(slots=2 * PAGE, solidstate=solidstate),), sizes)
        self.space = link(self.world.memory, KERNELS["v6.8"], None, self.world.constants)
        self.si, file = self.space.SWAP_INFOS[0], self.world.devices[0]
        self.map, self.clusters = file.swap_map, file.cluster_info if solidstate else NULL
        self.lists = self.si.continuation
        words = self.world.memory.words
        for place in (file.swap_map, file.cluster_info, file.swap_cgroup, file.swapper_spaces, file.bdev):
            words[place._object.life] = 1
        flags = swapops.SWP_USED | swapops.SWP_WRITEOK
        values = {"swap_map": self.map, "cluster_info": self.clusters, "max": 2 * PAGE, "pages": 2 * PAGE - 1, "flags": flags}
        for name, value in values.items():
            words[getattr(self.si, name).word] = value
        arrays = {"swap_info": self.si, "swapper_spaces": file.swapper_spaces, "swap_cgroup_ctrl": file.swap_cgroup}
        for name, value in arrays.items():
            words[getattr(self.space, name)[0].word] = value
        for page in self.space.PAGES:
            page._object.zeroed = (GARBAGE,) * PAGE
        self.run = Sequential(self.world.memory)
        for offset, byte in enumerate([0x3F, *bytes_]):
            self.set(offset, byte)

    def set(self, offset, byte):
        self.run.words[self.map[offset].word] = byte
        used = [sum(self.byte(c + i) != 0 for i in range(CLUSTER)) for c in range(0, 2 * PAGE, CLUSTER)]
        for cluster, count in enumerate(used if self.clusters else ()):
            self.run.words[self.clusters[cluster].data.word] = count
        self.run.words[self.si.inuse_pages.word] = sum(self.byte(i) not in (0, 0x3F) for i in range(2 * PAGE))

    def give(self, offset, *digits):
        """The list of the slot's page of swap_map gets pages, with these digits of the slot."""
        for i, digit in enumerate(digits):
            page = self.space.PAGES[i]
            self.run.words[page._object.life] = 1
            self.run.words[page[offset % PAGE].word] = digit
        self.run.words[self.lists[offset // PAGE].word] = tuple(self.space.PAGES[: len(digits)])

    def __call__(self, function, *arguments):
        result = self.run.run(getattr(self.space, function)(*arguments))
        context = self.world.memory.context[0]
        assert not self.run.words[context], "it ends inside a critical section"
        return result

    def byte(self, offset):
        return self.run.value(self.map[offset])

    def list(self, offset):
        return self.run.value(self.lists[offset // PAGE])

    def digits(self, offset):
        return [self.run.value(page[offset % PAGE]) for page in self.list(offset)]

    def decoded(self, offset):
        """The count, by another decoder than the model's."""
        byte, used = self.byte(offset), []
        for digit in self.digits(offset) if byte & 0x80 else []:
            used.append(digit)
            if not digit & 0x80:
                break
        return reference_count(byte, used)

    def pages_in_use(self):
        return sum(self.run.words[p._object.life] > 0 for p in self.space.PAGES)

    def free_locked(self, offset, usage):
        """__swap_entry_free_locked() with the lock of the byte around it."""
        return self.run.run(self.freeing(offset, usage))

    def freeing(self, offset, usage):
        lock, free = self.space.lock_cluster_or_swap_info, vars(self.space)["__swap_entry_free_locked"]
        return _under_lock(lock, free, self.space.unlock_cluster_or_swap_info, self.si, offset, usage)


def _under_lock(lock, function, unlock, si, offset, usage):
    ci = yield from lock(si, offset)
    result = yield from function(si, offset, usage)
    yield from unlock(si, ci)
    return result


def _one(operation, *arguments):
    result = yield operation(*arguments)
    return result


OPERATIONS = {
    "duplicate": lambda s: s("__swap_duplicate", 1, 1),
    "prepare": lambda s: s("swapcache_prepare", 1),
    "shmem": lambda s: s("__swap_duplicate", 1, 0xBF),
    "put": lambda s: s.free_locked(1, 1),
    "put cache": lambda s: s.free_locked(1, 0x40),
    "count": lambda s: (s("__swap_count", 1), s("swap_swapcount", s.si, 1)),
}

# ---- the table of kernel-facts 1.3 -------------------------------------------------------------------------------------

TABLE = [
    ("duplicate", 0x01, 0x02, 0),
    ("duplicate", 0x41, 0x42, 0),
    ("duplicate", 0x40, 0x41, 0),  # unmapping makes the first reference
    ("duplicate", 0x3D, 0x3E, 0),
    ("duplicate", 0x3E, 0x3E, -ENOMEM),
    ("duplicate", 0x7E, 0x7E, -ENOMEM),
    ("duplicate", 0x80, 0x81, 0),
    ("duplicate", 0x00, 0x00, -ENOENT),
    ("duplicate", 0x3F, 0x3F, -ENOENT),
    ("duplicate", 0xBF, 0xBF, -EINVAL),
    ("duplicate", 0xFF, 0xFF, -EINVAL),
    ("prepare", 0x01, 0x41, 0),
    ("prepare", 0x80, 0xC0, 0),
    ("prepare", 0xBF, 0xFF, 0),
    ("prepare", 0x41, 0x41, -EEXIST),
    ("prepare", 0x40, 0x40, -EEXIST),
    ("prepare", 0xFF, 0xFF, -EEXIST),
    ("prepare", 0x00, 0x00, -ENOENT),
    ("prepare", 0x3F, 0x3F, -ENOENT),
    ("shmem", 0x40, 0xFF, 0),
    ("put", 0x02, 0x01, 0x01),
    ("put", 0x42, 0x41, 0x41),
    ("put", 0x41, 0x40, 0x40),  # the folio keeps the slot
    ("put", 0x01, 0x40, 0),  # in limbo until it is freed
    ("put", 0x81, 0x80, 0x80),
    ("put", 0xBF, 0x40, 0),
    ("put", 0xFF, 0x40, 0x40),
    ("put", 0x3F, 0x3F, 0x3F),
    ("put cache", 0x41, 0x01, 0x01),
    ("put cache", 0x40, 0x40, 0),
    ("put cache", 0xC0, 0x80, 0x80),
    ("put cache", 0xFF, 0xBF, 0xBF),
    ("count", 0x40, 0x40, (0, 0)),
    ("count", 0x41, 0x41, (1, 1)),
    ("count", 0xC5, 0xC5, (0x85, 0x85)),
]


@pytest.mark.parametrize(("operation", "byte", "after", "returned"), TABLE, ids=lambda v: f"{v:#x}" if type(v) is int else None)
def test_transition(operation, byte, after, returned):
    slots = Slots([byte])
    assert (OPERATIONS[operation](slots), slots.byte(1)) == (returned, after)


# ---- every byte and every operation, against an oracle -----------------------------------------------------------------

BUG = "kernel BUG"


def expected(operation, byte, digit):
    """(byte, returned, digit) or BUG, from the meaning of the byte. `digit`: the slot's in its one continuation page, which
    nothing follows; None: no page."""
    more, cached, low = byte // 128, byte // 64 % 2, byte % 64
    bad, shmem = low == 63 and not more, low == 63 and more

    def made(low, more=more, cached=cached):
        return 128 * more + 64 * cached + low

    unchanged = lambda error: (byte, error, digit)  # noqa: E731
    if operation == "count":
        return unchanged((made(low, cached=0),) * 2)
    if operation in ("duplicate", "prepare", "shmem") and (bad or byte == 0):
        return unchanged(-ENOENT)
    if operation == "prepare":
        return unchanged(-EEXIST) if cached else (byte + 64, 0, digit)
    if operation in ("duplicate", "shmem"):
        if shmem:
            return unchanged(-EINVAL)
        if low == 62:
            if digit is None:
                return BUG if more else unchanged(-ENOMEM)
            if more and digit == 127:
                return unchanged(-ENOMEM)
            return made(0, 1), 0, digit + 1 if more else 1
        return byte + (1 if operation == "duplicate" else 0xBF), 0, digit
    if operation == "put cache":
        if not cached:
            return BUG
        left = byte - 64
    elif bad:
        left = byte
    elif shmem:
        left = 64 * cached
    elif low:
        left = byte - 1
    elif more:
        if not digit:
            return BUG
        digit -= 1
        left = made(62, digit > 0)
    else:
        return -1, -1, digit  # below zero: the explorer's oracle reports it, in the kernel it is 255
    return left or 0x40, left, digit


@pytest.mark.parametrize("solidstate", [True, False], ids=["ssd", "hdd"])
@pytest.mark.parametrize("digit", [None, 0, 1, 2, 126, 127])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_byte(operation, digit, solidstate):
    slots = Slots([0], solidstate=solidstate)
    for byte in range(256):
        if operation == "shmem" and byte & 0xBF:
            continue  # only a slot without references becomes a file's
        slots.set(1, byte)
        if digit is not None:
            slots.give(1, digit)
        try:
            returned = OPERATIONS[operation](slots)
            found = (slots.byte(1), returned, slots.digits(1)[0] if digit is not None else None)
        except Violation as violation:
            found = violation.kind
        assert found == expected(operation, byte, digit), f"{operation} on {byte:#04x}"


def test_a_byte_is_looked_at_and_stored_under_the_lock_of_its_cluster():
    slots = Slots([1])
    with pytest.raises(Violation, match="without cluster_info"):
        slots("__swap_entry_free_locked", slots.si, 1, 1)


def test_errors_store_nothing_and_swap_duplicate_hides_them():
    slots = Slots([0, 0xFF])
    assert [slots("swap_duplicate", entry) for entry in (1, 2, 0)] == [0, 0, 0]  # 0: the header, a bad slot
    assert [slots.byte(i) for i in range(3)] == [0x3F, 0, 0xFF]


def test_shmem_alloc():
    slots = Slots([0x40])
    assert slots("swap_shmem_alloc", 1) is None
    assert slots.byte(1) == 0xFF
    assert slots("__swap_count", 1) == 0xBF


@pytest.mark.parametrize(("byte", "after", "inuse"), [(0x41, 0x01, 1), (0x40, 0x00, 0), (0xFF, 0xBF, 1), (0xC0, 0x80, 1)])
def test_swapcache_clear_frees_a_slot_whose_references_are_gone(byte, after, inuse):
    slots = Slots([byte])
    slots("swapcache_clear", slots.si, 1)
    assert (slots.byte(1), slots.run.value(slots.si.inuse_pages)) == (after, inuse)


def test_entries_that_are_stale_or_of_no_device():
    slots = Slots([0, 1])
    assert slots("swp_swapcount", 0) == 0
    assert slots("swp_swapcount", 1) == 0
    assert slots("swp_swapcount", 2) == 1
    assert slots("swp_swapcount", swapops.swp_entry(1, 2)) == 0
    assert slots("swp_swapcount", swapops.swp_entry(0, 2 * PAGE)) == 0
    with pytest.raises(Violation, match="NULL"):
        slots("__swap_duplicate", swapops.swp_entry(1, 2), 1)


# ---- continuation --------------------------------------------------------------------------------------------------------

SAMPLES = {0, 1, 61, 62, 63, 64, 125, 126, 127, 8062, 8063, 8064, 8065, 8126, 8127} | set(range(0, 8200, 389))


@pytest.mark.parametrize("solidstate", [True, False], ids=["ssd", "hdd"])
def test_up_and_down_again_through_two_continuation_pages(solidstate):
    slots, top = Slots([0x40], solidstate=solidstate), 62 * 127 + 300
    for n in range(top):
        assert slots("swap_duplicate", 1) == 0
        if n + 1 in SAMPLES:
            assert slots("swp_swapcount", 1) == slots.decoded(1) == n + 1
            assert len(slots.list(1)) == (n + 1 > 62) + (n + 1 > 62 + 63 * 127)
    assert slots("swp_swapcount", 1) == top
    for n in reversed(range(top)):
        left = slots.free_locked(1, 1)
        assert left == slots.byte(1)
        if n in SAMPLES:
            assert slots("swp_swapcount", 1) == slots.decoded(1) == n
            assert bool(left & 0x80) == (n > 62)
    assert slots.byte(1) == 0x40
    assert slots.pages_in_use() == 2  # they stay until swapoff


@pytest.mark.parametrize(
    ("byte", "digits", "up", "more"),
    [
        (0x3E, [GARBAGE], 0x80, [1]),
        (0xBE, [0x01], 0x80, [0x02]),
        (0xBE, [0x80, 0x01], 0x80, [0x81, 0x01]),
        (0xBE, [0x7E], 0x80, [0x7F]),
        (0xBE, [0x7F, GARBAGE], 0x80, [0x80, 0x01]),
        (0xBE, [0x7F, 0x7F], 0x80, [0x80, 0x01]),  # what the second page says is not in use
        (0xBE, [0xFF, 0x03], 0x80, [0x80, 0x04]),
        (0xBE, [0xFF, 0xFF, 0x01], 0x80, [0x80, 0x80, 0x02]),
        (0xFE, [0xFF, 0x7F, GARBAGE], 0xC0, [0x80, 0x80, 0x01]),
    ],
)
def test_carry_and_borrow(byte, digits, up, more):
    slots = Slots([byte])
    slots.give(1, *digits)
    before = slots.decoded(1)
    assert slots("swp_swapcount", 1) == before
    assert slots("__swap_duplicate", 1, 1) == 0
    assert (slots.byte(1), slots.digits(1)) == (up, more)
    assert slots("swp_swapcount", 1) == slots.decoded(1) == before + 1
    slots.free_locked(1, 1)
    assert slots.byte(1) == byte
    assert slots("swp_swapcount", 1) == slots.decoded(1) == before


def test_a_third_page():
    slots, full = Slots([0xBE]), 62 + 63 * 127 + 63 * 128 * 127
    slots.give(1, 0xFF, 0x7F)
    assert slots("swp_swapcount", 1) == full
    assert slots("__swap_duplicate", 1, 1) == -ENOMEM
    assert (slots.byte(1), slots.digits(1)) == (0xBE, [0xFF, 0x7F])
    assert slots("swap_duplicate", 1) == 0
    assert len(slots.list(1)) == 3
    assert slots("swp_swapcount", 1) == full + 1
    slots.free_locked(1, 1)
    assert slots("swp_swapcount", 1) == full
    assert (slots.byte(1), slots.digits(1)[:2]) == (0xBE, [0xFF, 0x7F])


def test_neighbours_share_pages_but_not_digits():
    slots, counts = Slots([0x40] * PAGE), {1: 0, 2: 0, PAGE - 1: 0, PAGE: 0}
    for step in range(1600):
        offset = list(counts)[step % 7 % 4]
        up = step < 800 or step % 3 == 0
        if up or counts[offset]:
            counts[offset] += 1 if up else -1
            slots("swap_duplicate", offset) if up else slots.free_locked(offset, 1)
        if step % 50 == 0 or step == 1599:
            assert {i: slots("swp_swapcount", i) for i in counts} == {i: slots.decoded(i) for i in counts} == counts
    assert len(slots.list(1)) == len(slots.list(PAGE)) == 1
    assert slots.list(1) != slots.list(PAGE)
    assert all(slots.byte(i) == 0x40 for i in range(3, PAGE - 1))
    assert max(counts.values()) > 126


def test_no_memory_and_another_try():
    slots = Slots([0x7E], pages=0)
    assert slots("swap_duplicate", 1) == -ENOMEM
    assert slots("add_swap_count_continuation", 1, GFP_KERNEL) == -ENOMEM
    assert (slots.byte(1), slots.list(1)) == (0x7E, ())
    slots = Slots([0x7E])
    slots("exhaust_atomic_reserve", 1)
    assert slots("swap_duplicate", 1) == -ENOMEM
    assert slots.pages_in_use() == 0
    assert slots("add_swap_count_continuation", 1, GFP_KERNEL) == 0
    assert slots("swap_duplicate", 1) == 0
    assert (slots.byte(1), slots.digits(1)) == (0xC0, [1])
    assert slots.run.value(slots.si.flags) & swapops.SWP_CONTINUED


def test_the_reserve_comes_back():
    slots = Slots([0x3E])
    slots("exhaust_atomic_reserve", 1)
    slots("exhaust_atomic_reserve", 0)
    assert slots("swap_duplicate", 1) == 0


@pytest.mark.parametrize(("gfp", "kind"), [(GFP_KERNEL, "sleeping while atomic"), (GFP_ATOMIC, "")])
def test_only_gfp_atomic_may_be_used_under_a_lock(gfp, kind):
    def locked(space):
        yield space.spin_lock(space.swap_lock)
        ret = yield from space.add_swap_count_continuation(1, gfp)
        yield space.spin_unlock(space.swap_lock)
        return ret

    slots = Slots([0x3E])
    if not kind:
        assert slots.run.run(locked(slots.space)) == 0
        return
    with pytest.raises(Violation) as raised:
        slots.run.run(locked(slots.space))
    assert raised.value.kind == kind


@pytest.mark.parametrize(
    ("byte", "digits"),
    [
        (0x3D, []),  # the count has dropped
        (0x00, []),
        (0xBF, []),  # shmem's
        (0x3E, [GARBAGE]),  # somebody was faster
        (0x7E, [0x7F, 0x7F]),
        (0xBE, [0x7E]),  # the digit has room again
        (0xBE, [0x7F, GARBAGE]),
        (0xBE, [0xFF, 0x05]),
    ],
)
@pytest.mark.parametrize("gfp", [GFP_ATOMIC, GFP_KERNEL])
def test_a_page_that_is_not_needed_is_freed(byte, digits, gfp):
    slots = Slots([byte])
    slots.give(1, *digits)
    assert slots("add_swap_count_continuation", 1, gfp) == 0
    assert (slots.byte(1), slots.digits(1), slots.pages_in_use()) == (byte, digits, len(digits))


@pytest.mark.parametrize(("byte", "digits"), [(0x3E, []), (0xFE, [0x7F]), (0xBE, [0xFF, 0x7F]), (0xBE, [0xFF, 0xFF, 0x7F])])
def test_a_page_that_is_needed_is_linked_last_and_only_once(byte, digits):
    slots = Slots([byte], pages=5)
    slots.give(1, *digits)
    before = slots.list(1)
    for _ in range(2):
        assert slots("add_swap_count_continuation", 1, GFP_ATOMIC) == 0
        assert (slots.list(1)[:-1], slots.pages_in_use()) == (before, len(digits) + 1)


@pytest.mark.parametrize(("entry", "killed", "pages"), [(1, False, 1), (1, True, 0), (0, False, 0)])
def test_a_page_for_a_device_that_is_gone_is_freed(entry, killed, pages):
    slots = Slots([0x3E])
    if killed:
        slots.run.run(_one(percpu_ref_kill, slots.si.users))
    assert slots("add_swap_count_continuation", entry, GFP_ATOMIC) == 0
    assert (len(slots.list(1)), slots.pages_in_use(), slots.run.value(slots.si.users)) == (pages, pages, 0)


@pytest.mark.parametrize(
    ("byte", "digits", "call"),
    [
        (0xBE, [], ("__swap_duplicate", 1, 1)),
        (0xBE, [0xFF], ("__swap_duplicate", 1, 1)),
        (0xBE, [], ("add_swap_count_continuation", 1, GFP_ATOMIC)),
        (0x85, [], ("swp_swapcount", 1)),
        (0x85, [0x81], ("swp_swapcount", 1)),
    ],
)
def test_a_count_that_goes_on_in_no_page_is_a_bug(byte, digits, call):
    slots = Slots([byte])
    slots.give(1, *digits)
    with pytest.raises(Violation) as raised:
        slots(*call)
    assert raised.value.kind == BUG


def test_swapoff_frees_every_continuation_page():
    slots = Slots([0x40] * (PAGE + 1))
    slots.set(1, 0xBE)
    slots.give(1, 0x7F)
    slots.set(PAGE, 0x3E)
    assert slots("swap_duplicate", 1) == slots("swap_duplicate", PAGE) == 0
    assert slots.pages_in_use() == 3
    slots("free_swap_count_continuations", slots.si)
    assert slots.pages_in_use() == 0
    assert slots.list(1) == slots.list(PAGE) == ()


# ---- two at once -----------------------------------------------------------------------------------------------------------


def _noting(call, done, *arguments):
    result = yield from call(*arguments)
    yield WRITE_ONCE(done, (result,))


def explored(byte, digits, functions, pages=4):
    """Every interleaving of two functions on slot 1: (results, count, pages in the list, pages in use) at the end."""
    slots, ends = Slots([byte], pages=pages, cpus=2), set()
    memory, lists = slots.world.memory, slots.lists
    slots.give(1, *digits)
    slots.space.free_one = lambda entry: slots.freeing(entry, 1)
    done = memory.array("done", [None, None], heap=False)
    memory.words[: len(slots.run.words)] = slots.run.words

    def end(words):
        if words[done[0].word] and words[done[1].word]:
            slots.run.words[:] = words[: len(slots.run.words)]
            results = words[done[0].word] + words[done[1].word]
            ends.add((results, slots.decoded(1), len(words[lists[0].word]), slots.pages_in_use()))

    starts = [partial(_noting, getattr(slots.space, f), done[i], 1) for i, f in enumerate(functions)]
    programs = [Program(f"CPU {i}", start) for i, start in enumerate(starts)]
    outcome, _ = explore(System(memory, programs, (end,), slots.space))
    assert outcome.verdict == "holds", outcome.violation
    return ends


def test_two_that_need_a_page_get_one():
    assert explored(0x3E, [], ("swap_duplicate", "swap_duplicate")) == {((0, 0), 64, 1, 1)}


def test_two_that_need_a_second_page_get_one():
    assert explored(0xBE, [0x7F], ("swap_duplicate", "swap_duplicate")) == {((0, 0), 62 + 63 * 127 + 2, 2, 2)}


def test_one_carries_while_one_borrows():
    top = 62 + 63 * 127
    assert explored(0xBE, [0x7F], ("swap_duplicate", "free_one")) == {
        ((0, 0xBD), top, 1, 1),  # it was no longer full, so no page was needed
        ((0, 0xBD), top, 2, 2),
        ((0, 0xBE), top, 2, 2),
    }


def test_a_count_is_read_before_or_after_never_between():
    top = 62 + 63 * 127
    ends = explored(0xBE, [0x7F, 0x7F], ("swap_duplicate", "swp_swapcount"))
    assert {(results, count) for results, count, _, _ in ends} == {((0, top), top + 1), ((0, top + 1), top + 1)}


def test_the_last_page_for_two():
    """Who finds no memory while the other has the last page in hand gets -ENOMEM, and its reference is not counted."""
    ends = explored(0x3E, [], ("swap_duplicate", "swap_duplicate"), pages=1)
    assert ends == {((0, 0), 64, 1, 1), ((0, -ENOMEM), 63, 1, 1), ((-ENOMEM, 0), 63, 1, 1)}


# ---- put_swap_folio ----------------------------------------------------------------------------------------------------------


def put(bytes_, first, size, *, huge=False, solidstate=True):
    slots = Slots(bytes_, solidstate=solidstate)
    folio = slots.space.FOLIOS[0]
    slots.run.words[folio._object.life] = 1
    slots.run.words[folio.nr_pages.word] = size
    if huge:
        slots.run.words[slots.clusters[first // CLUSTER].flags.word] = swapops.CLUSTER_FLAG_HUGE
    slots("put_swap_folio", folio, first)
    return slots


@pytest.mark.parametrize("solidstate", [True, False], ids=["ssd", "hdd"])
@pytest.mark.parametrize(("byte", "after"), [(0x41, 0x01), (0x40, 0x00), (0xC0, 0x80), (0xFF, 0xBF), (0x7E, 0x3E)])
def test_put_a_small_folio(byte, after, solidstate):
    slots = put([byte, 0x41], 1, 1, solidstate=solidstate)
    assert (slots.byte(1), slots.byte(2)) == (after, 0x41)
    assert slots.run.value(slots.si.inuse_pages) == 1 + bool(after)


def test_put_a_huge_folio_without_references_frees_the_cluster():
    slots = put([0] * 3 + [0x40] * 4, 4, 4, huge=True)
    assert [slots.byte(4 + i) for i in range(4)] == [0] * 4
    cluster = slots.clusters[1]
    assert (slots.run.value(cluster.flags), slots.run.value(cluster.data)) == (swapops.CLUSTER_FLAG_FREE, 0)
    assert slots.run.value(slots.si.free_clusters) == (1,)
    assert slots.run.value(slots.si.inuse_pages) == 0


@pytest.mark.parametrize("last", [0x40, 0x43, 0xC0])
def test_put_a_huge_folio_with_references_slot_by_slot(last):
    slots = put([0] * 3 + [0x40, 0x41, 0x40, last], 4, 4, huge=True)
    assert [slots.byte(4 + i) for i in range(4)] == [0, 1, 0, last - 0x40]
    assert slots.run.value(slots.clusters[1].flags) == 0
    assert slots.run.value(slots.clusters[1].data) == 1 + (last != 0x40)


def test_put_a_folio_that_is_not_cached_is_a_bug():
    with pytest.raises(Violation, match="SWAP_HAS_CACHE"):
        put([0x01], 1, 1)
    with pytest.raises(Violation, match="without SWAP_HAS_CACHE"):
        put([0] * 3 + [0x40, 0x40, 0x01, 0x40], 4, 4, huge=True)


# ---- a whole computer ------------------------------------------------------------------------------------------------


def test_forks_beyond_one_byte_and_swapoff():
    machine = Machine(slots=16, processes=140, pages=1, files=0)
    parent = machine.spawn()
    machine.write(parent, 0, "kept")
    machine.swap_out(parent, 0)
    entry = machine.value(parent.mm.pte[0]).entry
    children = [machine.fork(parent) for _ in range(135)]
    assert machine.call("swp_swapcount", entry) == 136
    machine.check()
    for child in children[:100]:
        machine.exit(child)
    assert machine.call("swp_swapcount", entry) == 36
    machine.check()
    assert machine.swapoff().value == 0
    machine.check()
    assert {machine.read(p, 0) for p in (parent, *children[100:])} == {"kept"}
    assert all(machine.value(a) == () for a in machine.space.SWAP_INFOS[0].continuation._items)
    assert all(machine.sequential.words[p._object.life] <= 0 for p in machine.space.PAGES)


# ---- random ------------------------------------------------------------------------------------------------------------------


class Counting(RuleBasedStateMachine):
    """Three slots, two of them on one page of swap_map, against plain integers. Steps are of many references at once, so that
    runs go through several digits."""

    OFFSETS = (1, PAGE - 1, PAGE + 2)

    @initialize(solidstate=st.booleans(), starts=st.tuples(*[st.sampled_from([0, 60, 8060, 62 + 63 * 128 * 128 - 65])] * 3))
    def lay(self, solidstate, starts):
        self.slots = Slots([0x40] * (2 * PAGE - 1), solidstate=solidstate, pages=4)
        self.counts = [0, 0, 0]
        lists = {0: self.slots.space.PAGES[:2], 1: self.slots.space.PAGES[2:]}
        for i, offset in enumerate(self.OFFSETS):
            pages, count = lists[offset // PAGE], starts[i]
            low, rest = count % 63, count // 63
            digits = [rest % 128, rest // 128] if rest > 127 else [rest]
            words = self.slots.run.words
            for page, digit, more in zip(pages, digits, [len(digits) > 1, False], strict=False):
                words[page._object.life], words[page[offset % PAGE].word] = 1, digit + 128 * more
            for page in pages:
                words[page._object.life] = 1
            words[self.slots.lists[offset // PAGE].word] = tuple(pages)
            self.slots.set(offset, low + 0x40 + 128 * (rest > 0))
            self.counts[i] = count

    @rule(which=st.integers(0, 2), times=st.sampled_from([1, 2, 30, 64, 130]))
    def duplicate(self, which, times):
        limit = 62 + 63 * 127 + 63 * 128 * 127  # two pages, and no third one to be had
        for _ in range(times):
            room = self.counts[which] < limit
            assert self.slots("swap_duplicate", self.OFFSETS[which]) == (0 if room else -ENOMEM)
            self.counts[which] += room

    @rule(which=st.integers(0, 2), times=st.sampled_from([1, 2, 30, 64, 130]))
    def free(self, which, times):
        for _ in range(min(times, self.counts[which])):
            self.slots.free_locked(self.OFFSETS[which], 1)
            self.counts[which] -= 1

    @rule(which=st.integers(0, 2))
    def take_and_give_the_pin(self, which):
        assert self.slots("swapcache_prepare", self.OFFSETS[which]) == -EEXIST
        if self.counts[which]:
            self.slots.free_locked(self.OFFSETS[which], 0x40)
            assert self.slots("swapcache_prepare", self.OFFSETS[which]) == 0

    @invariant()
    def counts_are_right(self):
        for i, offset in enumerate(self.OFFSETS):
            assert self.slots("swp_swapcount", offset) == self.slots.decoded(offset) == self.counts[i]
            assert bool(self.slots("__swap_count", offset)) == bool(self.counts[i])


TestCounting = Counting.TestCase
TestCounting.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def test_a_list_of_continuation_pages_changes_only_under_cont_lock():
    slots = Slots([1])
    with pytest.raises(Violation, match="cont_lock"):
        slots.run.run(_one(WRITE_ONCE, slots.lists[0], ()))
