"""Small scenarios that only one question needs: who stands still, who looks without touching, who takes a slot again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..experiments import staged, swapoff_once_entered
from ..kernel import declared_globals
from ..life import Life, life, off_or_on, small
from ..machine import (
    NULL,
    READ_ONCE,
    Address,
    Memory,
    Pointer,
    Struct,
    atomic_add,
    folio_lock,
    folio_unlock,
    read,
    spin_lock,
    spin_unlock,
    word,
    write,
)
from ..mm.swapops import (
    SWAP_MAP_SHMEM,
    SWP_SCANNING,
    SWP_WRITEOK,
    is_swap_pte,
    pte_to_swp_entry,
    xa_slot,
)
from ..scenarios import SCENARIOS, Parameters, Scenario, Setup, Thread, _oracles, lay_anonymous, lay_device, lay_shmem
from ..session import Device

if TYPE_CHECKING:
    from ..life import CURTAIN
    from ..mm.filemap import folio_put
    from ..mm.memory import pte_offset_map_lock, pte_unmap_unlock
    from ..mm.mmap import munmap
    from ..mm.swapfile.counts import swp_swapcount
    from ..mm.swapfile.reclaim import folio_free_swap


class note(Struct):
    """What an edited kernel remembers of a run, where no word of the kernel tells it."""

    seen = word()


NOTE: Any = None  # a pointer to it, in Setup.constants
FOLIO: Any = None  # the folio that free_folio() was given


# ---- what threads do ---------------------------------------------------------------------------------------------------


def scan_swap_map(si):  # type: ignore[no-untyped-def]
    """scan_swap_map_slots(), v6.8, as far as swapoff has to wait for it: bytes are read with si->lock dropped, and only
    SWP_SCANNING says so."""
    yield spin_lock(si.lock)
    flags = yield read(si.flags)
    if flags & SWP_WRITEOK:
        yield write(si.flags, flags + SWP_SCANNING)
        yield spin_unlock(si.lock)
        map = yield READ_ONCE(si.swap_map)
        yield READ_ONCE(map[1])
        yield spin_lock(si.lock)
        flags = yield read(si.flags)
        yield write(si.flags, flags - SWP_SCANNING)
    yield spin_unlock(si.lock)


def stay_idle(owner):  # type: ignore[no-untyped-def]
    """A process, or a file, that keeps its memory."""
    return
    yield


def smaps_pte_range(mm):  # type: ignore[no-untyped-def]
    """fs/proc/task_mmu.c, v6.8: smaps_pte_range() as far as swap goes. /proc/PID/smaps asks for the count of each swap entry,
    under the page table lock. (It holds mmap_lock as well, which protects nothing here and is left out.)"""
    for i in range(len(mm.pte)):
        yield from pte_offset_map_lock(mm)
        pte = yield read(mm.pte[i])
        if is_swap_pte(pte):
            yield from swp_swapcount(pte_to_swp_entry(pte))
        yield from pte_unmap_unlock(mm)


def smaps_without_ptl(mm):  # type: ignore[no-untyped-def]
    """smaps_pte_range() with the PTE read, and its entry used, without the page table lock. No such kernel exists."""
    for i in range(len(mm.pte)):
        pte = yield READ_ONCE(mm.pte[i])
        if is_swap_pte(pte):
            yield from swp_swapcount(pte_to_swp_entry(pte))


def free_folio(owner):  # type: ignore[no-untyped-def]
    """Somebody who has a reference to a folio in the swap cache locks it and gives its swap up, as the fault path, reclaim and
    swapoff itself do."""
    yield folio_lock(FOLIO)
    yield from folio_free_swap(FOLIO)
    yield folio_unlock(FOLIO)
    yield from folio_put(FOLIO)


def free_folio_unlocked(owner):  # type: ignore[no-untyped-def]
    """free_folio() without the folio lock, which folio_free_swap() demands. No such kernel exists."""
    yield from folio_free_swap(FOLIO)
    yield from folio_put(FOLIO)


def munmap_thread(mm):  # type: ignore[no-untyped-def]
    """munmap() of the whole VMA."""
    yield from munmap(mm)
    yield atomic_add(1, CURTAIN.done)


OWN_FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        scan_swap_map,
        stay_idle,
        smaps_pte_range,
        smaps_without_ptl,
        free_folio,
        free_folio_unlocked,
        munmap_thread,
        swapoff_once_entered,
    )
}


# ---- how they are laid out ----------------------------------------------------------------------------------------------


def lay_scan(parameters: Parameters) -> Setup:
    """A thread that looks for a free slot; one folio in the swap cache that nobody refers to."""
    return lay_unreferenced(parameters, "scan", "scan_swap_map", huge=False)


def lay_unreferenced(parameters: Parameters, name: str, function: str, *, huge: bool) -> Setup:
    """A thread, given the device, beside swapoff; one folio in the swap cache that nobody refers to."""
    memory = Memory([name, "swapoff"], parameters.preempt)
    memory.globals(declared_globals())
    device = lay_device(memory, parameters, [0] * parameters.pages, huge=huge)
    threads = [Thread(name, function, (device.si,)), Thread("swapoff", "swapoff", (0,))]
    return Setup(memory, device.constants, threads, _oracles(device, []), world=device.world(memory))


def lay_free_folio(parameters: Parameters, function: str, *, huge: bool) -> Setup:
    """free_folio(), which has a reference to the folio, beside swapoff."""
    setup = lay_unreferenced(parameters, "free", function, huge=huge)
    memory = setup.memory
    folio = memory.words[slot_of_cache(memory, parameters.pages if huge else 1).word]
    memory.set(folio.refcount, parameters.pages + 1)
    return setup._replace(constants={**setup.constants, "FOLIO": folio})


def slot_of_cache(memory: Memory, offset: int) -> Address:
    """The slot of the swap cache for an offset of device 0."""
    space: Pointer = memory.words[memory.symbols["swapper_spaces"][0].word]
    slot: Address = xa_slot(space[0], offset)
    return slot


def lay_stuck_exit(parameters: Parameters) -> Setup:
    """A process that has begun to exit (mm_users is 0) and is never run again, with its page still in swap."""
    setup = lay_anonymous(parameters, "stay_idle", huge=False)
    mm = setup.threads[0].arguments[0]
    setup.memory.set(mm.mm_users, 0)
    return setup


def lay_idle_file(parameters: Parameters) -> Setup:
    """A tmpfs file with a swapped page that nobody truncates."""
    setup = lay_shmem(parameters)
    truncate, *others = setup.threads
    return setup._replace(threads=[truncate._replace(function="stay_idle"), *others])


def lay_uncached_file(parameters: Parameters) -> Setup:
    """shmem-truncate with the page on the device alone: the swap cache has no folio for it (Q13)."""
    setup = lay_shmem(parameters)
    memory = setup.memory
    si = memory.words[memory.symbols["swap_info"][0].word]
    slot = slot_of_cache(memory, 1)
    folio = memory.words[slot.word]
    memory.set(folio.swapcache, 0)
    memory.set(memory.words[si.swap_map.word][1], SWAP_MAP_SHMEM)
    memory.set(slot, NULL)
    assert setup.world is not None
    return setup._replace(world=setup.world._replace(folios=tuple(f for f in setup.world.folios if f is not folio)))


def lay_small_life(tell: Callable[[str], Life]) -> Callable[[Parameters], Setup]:
    """A scenario that begins where a session left off."""

    def lay(parameters: Parameters) -> Setup:
        told = tell(parameters.preempt)
        return Setup(told.machine.world.memory, told.constants, [Thread(*t) for t in told.threads], told.oracles)

    return lay


def interrupted(preempt: str, name: str) -> Life:
    """A signal for swapoff while somebody else is at work on the device that may be put back into use."""
    machine = small(Device(slots=3, synchronous=name == "kswapd"), cpus=3, files=1)
    file, process = machine.files[0], machine.spawn()
    threads = {
        "truncate": ("truncate_thread", (file.info,)),
        "munmap": ("munmap_thread", (process.mm,)),
        "kswapd": ("reclaim_thread", (process.mm, 0)),
    }
    owner = file if name == "truncate" else process
    machine.write(owner, 0, "old")
    if name != "kswapd":
        machine.swap_out(owner, 0, keep=True)
    si = machine.value(machine.space.swap_info[0])
    told = [(name, *threads[name]), ("swapoff", "swapoff_thread", (0,)), ("signal", "signal_thread", (1,))]
    return life(machine, told, preempt, (off_or_on(si),))


def truncate_uncached(preempt: str) -> Life:
    """shmem-truncate with the page on the device alone: the last reference goes, and no folio is left to be freed (Q13)."""
    machine = small(cpus=2, files=1)
    file = machine.files[0]
    machine.write(file, 0, "old")
    machine.swap_out(file, 0)
    return life(machine, [("truncate", "truncate_thread", (file.info,)), ("swapoff", "swapoff_thread", (0,))], preempt)


def slot_taken_again(preempt: str) -> Life:
    """A process gives up two pages in one batch, and the page of another process is swapped out into a slot that the first loop
    of free_swap_and_cache_nr() has just freed, and read back (Q40)."""
    machine = small(Device(slots=4), cpus=2, processes=2, pages=2)
    leaver, stayer = machine.spawn(), machine.spawn()
    for page in (0, 1):
        machine.write(leaver, page, "old")
        machine.swap_out(leaver, page, keep=page == 1)
    machine.write(stayer, 0, "kept")
    threads = [("munmap", "munmap_thread", (leaver.mm,)), ("rewrite", "rewrite_thread", (stayer.mm, 0, "kept"))]
    return life(machine, threads, preempt)


# ---- changes of a scenario ------------------------------------------------------------------------------------------------


def noted(scenario: Scenario) -> Scenario:
    """The scenario with a NOTE for an edited kernel to write on. swapoff may give up then, and the invariants of a device that
    stays in use ask for more of it than these scenarios lay out, so they are not asked."""

    def lay(parameters: Parameters) -> Setup:
        setup = scenario.lay(parameters)
        return setup._replace(constants={**setup.constants, "NOTE": setup.memory.new(note, "note")}, world=None)

    return scenario._replace(name=f"{scenario.name}-noted", lay=lay)


def without_guards(scenario: Scenario) -> Scenario:
    """The scenario without the rules that say which lock a word needs: what comes of breaking them?"""

    def lay(parameters: Parameters) -> Setup:
        setup = scenario.lay(parameters)
        members = [address for _, _, address in setup.memory.named]
        elements = [item for obj in setup.memory.objects for item in obj.at(1)._items if isinstance(item, Address)]
        for address in members + elements:
            address.guard = None
        return setup

    return scenario._replace(name=f"{scenario.name}-unguarded", lay=lay)


def anonymous(function: str, *, huge: bool = False, others: str = "") -> Callable[[Parameters], Setup]:
    return lambda parameters: lay_anonymous(parameters, function, huge=huge, others=others)


def interrupted_by_signal(name: str) -> Scenario:
    """The scenario of interrupted()."""
    lay = lay_small_life(lambda preempt: interrupted(preempt, name))
    return Scenario(f"signal-{name}", f"a signal for swapoff while {name} is at work", "", lay, fixed=True)


SCENES: Sequence[Scenario] = (
    Scenario("scan", "a scan for a free slot, swapoff", "Reads swap_map with no lock held.", lay_scan),
    Scenario("idle", "a process that keeps its page, swapoff", "", anonymous("stay_idle")),
    Scenario("idle-file", "a tmpfs file that keeps its page, swapoff", "", lay_idle_file),
    Scenario("stuck-exit", "a process that exits but is never run, swapoff", "", lay_stuck_exit),
    Scenario("shared", "two processes quit, one small page", "", anonymous("do_exit"), 2),
    Scenario("smaps", "/proc/PID/smaps of a swapped page, swapoff", "", anonymous("smaps_pte_range")),
    Scenario("smaps-shared", "the same, and another process quits", "", anonymous("smaps_pte_range", others="do_exit"), 2),
    Scenario("smaps-without-ptl", "the same without the page table lock", "", anonymous("smaps_without_ptl")),
    Scenario(
        "free-folio", "folio_free_swap() of a locked folio, swapoff", "", lambda p: lay_free_folio(p, "free_folio", huge=False)
    ),
    Scenario(
        "free-folio-huge",
        "the same, one PMD-size folio",
        "",
        lambda p: lay_free_folio(p, "free_folio", huge=True),
        pages=2,
    ),
    Scenario(
        "free-folio-unlocked",
        "folio_free_swap() without the folio lock, swapoff",
        "",
        lambda p: lay_free_folio(p, "free_folio_unlocked", huge=False),
    ),
    *(interrupted_by_signal(name) for name in ("truncate", "munmap", "kswapd")),
    Scenario(
        "slot-taken-again", "two pages given up, swap-out of another process", "", lay_small_life(slot_taken_again), fixed=True
    ),
    Scenario(
        "truncate-uncached",
        "truncation of a page that is on the device alone, swapoff",
        "",
        lay_small_life(truncate_uncached),
        fixed=True,
    ),
    Scenario("uncached-file", "truncation of a page that is not in the swap cache, swapoff", "", lay_uncached_file),
)
_UNCACHED = SCENES[-1]
OWN = (
    *SCENES,
    staged(_UNCACHED),
    staged(SCENARIOS["one-process"]),
    staged(SCENARIOS["shmem-truncate"]),
    *(noted(SCENARIOS[name]) for name in ("one-process", "munmap")),
)
ALL_SCENARIOS = {**SCENARIOS, **{s.name: s for s in OWN}}
