"""Who runs what on which memory. Each scenario begins with its verdicts on the kernels that matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from . import oracle
from .invariants import at_rest
from .kernel import Kernel, Replacements, declared_globals, link, tell_owners
from .machine import NULL, Memory, Pointer
from .mm import structs, swapops
from .program import Program, System
from .world import World

PROCESSES, PAGES = 8, 512  # the most that can be asked for
SLOTS_CACHE_SIZE = 1  # of the model: a second free overflows the cache, so both branches are reached


CHOICES = {"preempt": ("full", "none"), "slot_cache": (True, False), "device": ("ssd", "hdd")}


class Parameters(NamedTuple):
    """What a reader can vary. `processes` and `pages` of 0 mean the scenario's own."""

    processes: int = 0
    pages: int = 0
    preempt: str = "full"  # full | none
    slot_cache: bool = False
    device: str = "ssd"  # ssd: with clusters | hdd: without


class Thread(NamedTuple):
    """One thread: its name, and the kernel function it calls with which arguments."""

    name: str
    function: str
    arguments: tuple[Any, ...]


class Setup(NamedTuple):
    """A scenario laid out in memory. `at_end` is asked once every thread has returned; so are the invariants of the accounting,
    of the processes, files and folios of `world`."""

    memory: Memory
    constants: dict[str, Any]
    threads: list[Thread]
    oracles: tuple[oracle.Oracle, ...]
    at_end: tuple[oracle.Oracle, ...] = ()
    world: World | None = None


class Scenario(NamedTuple):
    """`story` says in a sentence what may go wrong; `lay` lays it out."""

    name: str
    title: str
    story: str
    lay: Callable[[Parameters], Setup]
    processes: int = 1
    pages: int = 1
    huge: bool = False  # one large folio, of which process i has mapped sub-page i
    fixed: bool = False  # begins where a session left off: its sizes are part of the story

    def fill(self, given: Parameters) -> Parameters:
        """The parameters with this scenario's own values for those left open. ValueError, one sentence, if they contradict."""
        _demand_types(given)
        filled = given._replace(processes=given.processes or self.processes, pages=given.pages or self.pages)
        if self.fixed and filled != Parameters(self.processes, self.pages, filled.preempt):
            raise ValueError(f"{self.name} has its own device, processes and pages: only preempt can be chosen")
        if not 1 <= filled.processes <= PROCESSES:
            raise ValueError(f"processes is from 1 to {PROCESSES}, not {filled.processes}")
        if not 1 <= filled.pages <= PAGES:
            raise ValueError(f"pages is from 1 to {PAGES}, not {filled.pages}")
        if self.processes == 1 and filled.processes > 1:
            raise ValueError(f"{self.name} has one process besides swapoff: processes {filled.processes} contradicts it")
        if self.huge and filled.device == "hdd" and filled.pages > 1:
            raise ValueError("a PMD-size folio is swapped out in one piece only on an SSD: device hdd needs pages 1")
        return filled

    def system(self, kernel: Kernel, parameters: Parameters = Parameters(), fix: Replacements | None = None) -> System:
        """The scenario on a kernel, ready to explore. May raise KernelError (a fix that can't run) or ValueError."""
        return assemble(self.lay(self.fill(parameters)), kernel, fix)


def assemble(setup: Setup, kernel: Kernel, fix: Replacements | None = None, more: tuple[str, ...] = ()) -> System:
    """What was laid out, on a kernel. `more`: functions that run beside its threads. May raise KernelError."""
    space = link(setup.memory, kernel, fix, setup.constants)
    functions = [*(t.function for t in setup.threads), *more]
    tell_owners(setup.memory, space, functions, {**kernel.replaces, **(fix or {})})
    programs = [Program(t.name, _starter(space, t)) for t in setup.threads]
    rest = (at_rest(setup.world, space),) if setup.world else ()
    return System(setup.memory, programs, setup.oracles, space, (*setup.at_end, *rest))


def _demand_types(given: Parameters) -> None:
    """ValueError for a parameter that is of no use in any scenario."""
    for name in ("processes", "pages"):
        value = getattr(given, name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{name} is a whole number, not {value!r}")
    for name, values in CHOICES.items():
        value = getattr(given, name)
        if not isinstance(value, type(values[0])) or value not in values:
            raise ValueError(f"{name} is {' or '.join(map(repr, values))}, not {value!r}")


def _starter(space: Any, thread: Thread) -> Callable[[], Any]:
    function = getattr(space, thread.function)
    return lambda: space.syscall(function, *thread.arguments)


class Device(NamedTuple):
    """A swap device in memory."""

    si: Pointer
    map: Pointer
    first: int  # offset of the first slot in use
    constants: dict[str, Any]
    folios: tuple[Pointer, ...] = ()  # in the swap cache, and the places for others

    def world(self, memory: Memory, mms: tuple[Pointer, ...] = (), infos: tuple[Pointer, ...] = ()) -> World:
        """Who can refer to the device, as the invariants want it."""
        return World(memory, self.constants, (), mms, infos, self.folios)


def lay_device(memory: Memory, parameters: Parameters, references: list[int], *, huge: bool) -> Device:
    """Swap device 0 with its pages in the swap cache; slot i of them has the count `references[i]`.

    A huge folio fills cluster 1 (cluster 0 has the header); small ones begin at offset 1. With the slot cache on, CPU 0 has
    one more slot in its allocation cache, as every device in use has (measured: 64 of them)."""
    pages, spare = len(references), int(parameters.slot_cache)
    cluster, first = (pages, pages) if huge else (256, 1)
    bytes_ = [swapops.SWAP_MAP_BAD] + [0] * (first - 1) + [swapops.SWAP_HAS_CACHE | n for n in references]
    bytes_ += [swapops.SWAP_HAS_CACHE] * spare
    slots, ssd = len(bytes_), parameters.device == "ssd"
    si = memory.new(structs.swap_info_struct, "si", type=0, pages=slots - 1, max=slots)
    kind = swapops.SWP_SOLIDSTATE if ssd else 0
    memory.set(si.flags, swapops.SWP_USED | swapops.SWP_WRITEOK | swapops.SWP_BLKDEV | kind)
    memory.set(si.inuse_pages, pages + spare)
    lowest, highest = (1, first - 1) if first > 1 else (slots, 0)
    memory.set(si.lowest_bit, lowest)
    memory.set(si.highest_bit, highest)
    memory.set(memory.symbols["swap_active_head"], swapops.plist_add((), 0, si))
    if highest:  # a full device is not on the list
        memory.set(memory.symbols["swap_avail_head"], swapops.plist_add((), 0, si))
    clusters = lay_clusters(memory, bytes_, cluster, huge) if ssd else NULL
    memory.set(si.cluster_info, clusters)
    guard: Callable[[int], Any] = (lambda i: clusters[i // cluster].lock) if ssd else (lambda i: si.lock)
    map = memory.array("swap_map", bytes_, guard=guard, show=swapops.show_byte)
    memory.set(si.swap_map, map)
    cached = lay_swap_cache(memory, first, pages, slots, huge)
    memory.set(si.swap_file, swapops.SwapFile("swap", slots, disk=NULL))  # a page that must be read from it is an error
    memory.embed(si, "continuation", NULL)  # and so is a count that needs continuation pages
    for member in ("swap_extent_root", "bdev", *(["percpu_cluster", "cluster_next_cpu"] if ssd else [])):
        memory.set(getattr(si, member), memory.new(structs.percpu_data, member, heap=True))
    memory.set(memory.symbols["swap_info"][0], si)
    charges = memory.new(structs.percpu_data, "swap_cgroup_map", heap=True)
    charges.value.guard, charges.value.lockless = memory.symbols["swap_cgroup_lock"], True
    memory.set(memory.symbols["swap_cgroup_ctrl"][0], charges)
    memory.set(memory.symbols["nr_swap_pages"], bytes_.count(0))
    memory.set(memory.symbols["total_swap_pages"], slots - 1)
    spares = tuple(swapops.swp_entry(0, offset) for offset in range(slots - spare, slots))
    folios = tuple(memory.new(structs.folio, f"new folio{i}", place="reused") for i in range(len(memory.threads)))
    for folio in folios:
        memory.set(folio.refcount, 0)
    constants = {"SWAPFILE_CLUSTER": cluster, "SWAP_INFOS": (si,), "FOLIOS": folios}
    return Device(si, map, first, {**constants, **lay_slot_cache(memory, parameters, spares)}, (*cached, *folios))


def lay_clusters(memory: Memory, bytes_: list[int], cluster: int, huge: bool) -> Pointer:
    """One swap_cluster_info for every cluster begun. Slots beyond the end of the device count as used, as the header does."""
    counts = [cluster - bytes_[i : i + cluster].count(0) for i in range(0, len(bytes_), cluster)]
    flags = [swapops.CLUSTER_FLAG_HUGE if huge and i == 1 else 0 for i in range(len(counts))]
    values = [{"data": count, "flags": flag} for count, flag in zip(counts, flags, strict=True)]
    return memory.structs(structs.swap_cluster_info, "cluster_info", values)


def lay_swap_cache(memory: Memory, first: int, pages: int, slots: int, huge: bool) -> list[Pointer]:
    """The address space of the device's first 64 MiB, and in it one folio of all pages, or one of each."""
    folios = []
    space = memory.structs(structs.address_space(first, slots - first), "swapper_space", [{}])
    memory.set(memory.symbols["swapper_spaces"][0], space)
    size = pages if huge else 1
    for i in range(0, pages, size):
        folio = memory.new(
            structs.folio,
            "folio" if size == pages else f"folio{i}",
            heap=True,
            refcount=size,
            nr_pages=size,
            swap=swapops.swp_entry(0, first + i),
            dirty=1,
        )
        for offset in range(first + i, first + i + size):
            memory.set(swapops.xa_slot(space[0], offset), folio)
        folios.append(folio)
    return folios


def lay_slot_cache(memory: Memory, parameters: Parameters, spares: tuple[int, ...]) -> dict[str, Any]:
    """Per-CPU slot caches with `spares` in the first CPU's; or none, as after their allocation failed at swapon."""
    if not parameters.slot_cache:
        return {"swp_slots": (NULL,) * len(memory.threads), "NR_CPUS": 0}
    for name in ("swap_slot_cache_enabled", "swap_slot_cache_active", "swap_slot_cache_initialized"):
        memory.set(memory.symbols[name], 1)
    caches = tuple(memory.new(structs.swap_slots_cache, f"swp_slots[{i}]") for i in range(len(memory.threads)))
    memory.set(caches[0].slots, spares)
    return {"swp_slots": caches, "NR_CPUS": len(caches), "SWAP_SLOTS_CACHE_SIZE": SLOTS_CACHE_SIZE}


def lay_process(memory: Memory, name: str, entries: list[int]) -> Pointer:
    """A process whose page table holds these swap entries."""
    mm = memory.new(structs.mm_struct, name)
    pte = memory.array(
        f"{name}.pte",
        [swapops.swp_entry_to_pte(e) for e in entries],
        heap=False,
        guard=lambda i: mm.page_table_lock,
        show=swapops.show_pte,
    )
    memory.embed(mm, "pte", pte)
    mm.mmlist.guard = memory.symbols["mmlist_lock"]
    return mm


def lay_anonymous(parameters: Parameters, function: str, *, huge: bool, others: str = "") -> Setup:
    """Processes that call `function` on their mm, all but the first `others` if given, while swapoff runs. Process i has
    mapped sub-page i (modulo pages) of a huge folio, or the small page."""
    count, pages = parameters.processes, parameters.pages
    names = [f"process {i + 1}" for i in range(count)] if count > 1 else ["process"]
    memory = Memory([*names, "swapoff"], parameters.preempt)
    memory.globals(declared_globals())
    mapped = [[i % pages] for i in range(count)] if huge else [list(range(pages))] * count
    references = [sum(i in m for m in mapped) for i in range(pages)]
    device = lay_device(memory, parameters, references, huge=huge and pages > 1)
    mms = [
        lay_process(memory, f"mm{i + 1}", [swapops.swp_entry(0, device.first + page) for page in mapped[i]])
        for i in range(count)
    ]
    calls = [function, *[others or function] * (count - 1)]
    threads = [Thread(name, call, (mm,)) for name, call, mm in zip(names, calls, mms, strict=True)]
    references_left = [(mm.pte[i], mm.page_table_lock) for mm in mms for i in range(len(mm.pte))]
    return Setup(
        memory,
        {**device.constants, "MMLIST": tuple(mms)},
        [*threads, Thread("swapoff", "swapoff", (0,))],
        _oracles(device, references_left),
        tuple(oracle.mm_users(mm, int(call != "do_exit")) for call, mm in zip(calls, mms, strict=True)),
        device.world(memory, tuple(mms)),
    )


def lay_shmem(parameters: Parameters) -> Setup:
    """A tmpfs file with one swapped page, truncated while swapoff runs."""
    pages = parameters.pages
    memory = Memory(["truncate", "swapoff"], parameters.preempt)
    memory.globals(declared_globals())
    device = lay_device(memory, parameters, [swapops.SWAP_MAP_SHMEM] * pages, huge=False)
    mapping = memory.structs(structs.address_space(0, pages), "i_mapping", [{}], heap=False)[0]
    info = memory.new(structs.shmem_inode_info, "info", swapped=pages)
    memory.embed(info, "i_mapping", mapping)
    info.swaplist.guard = memory.symbols["shmem_swaplist_mutex"]
    for i in range(pages):
        memory.set(swapops.xa_slot(mapping, i), swapops.swp_to_radix_entry(swapops.swp_entry(0, device.first + i)))
    slots = [(swapops.xa_slot(mapping, i), mapping.xa_lock) for i in range(pages)]
    return Setup(
        memory,
        {**device.constants, "SHMEM_SWAPLIST": (info,)},
        [Thread("truncate", "shmem_undo_range", (info,)), Thread("swapoff", "swapoff", (0,))],
        _oracles(device, slots),
        world=device.world(memory, infos=(info,)),
    )


def _oracles(device: Device, references: Any) -> tuple[oracle.Oracle, ...]:
    return (
        oracle.swap_map_underflow(device.map),
        oracle.inuse_pages(device.si, device.map),
        oracle.no_entry_left(device.si, references),
    )


def lay_life(name: str) -> Callable[[Parameters], Setup]:
    """A scenario of life.py, which is imported when it is wanted: a search of the others need not wait for it."""

    def lay(parameters: Parameters) -> Setup:
        from .life import LIVES

        told = LIVES[name](parameters.preempt)
        return Setup(told.machine.world.memory, told.constants, [Thread(*t) for t in told.threads], told.oracles)

    return lay


def from_life(name: str, title: str, story: str) -> Scenario:
    return Scenario(name, title, story, lay_life(name), fixed=True)


SCENARIOS = {
    s.name: s
    for s in (
        Scenario(
            "thread",
            "two processes quit, one PMD-size folio, swapoff",
            "Process 1 stands between dropping its reference and looking at the cluster; process 2 frees the folio; "
            "inuse_pages reads 0, so swapoff looks at no page table.",
            lambda p: lay_anonymous(p, "do_exit", huge=True),
            processes=2,
            pages=2,
            huge=True,
        ),
        Scenario(
            "thread-madvise",
            "as thread, but process 1 calls MADV_DONTNEED",
            "The mm of process 1 stays alive; swapoff would meet its page table lock, if inuse_pages did not read 0 at once.",
            lambda p: lay_anonymous(p, "madvise_dontneed", huge=True, others="do_exit"),
            processes=2,
            pages=2,
            huge=True,
        ),
        Scenario(
            "thread-munmap",
            "as thread, but process 1 calls munmap",
            "The VMA of process 1 is detached, and inuse_pages reads 0 at once.",
            lambda p: lay_anonymous(p, "munmap", huge=True, others="do_exit"),
            processes=2,
            pages=2,
            huge=True,
        ),
        Scenario(
            "one-process",
            "one process quits, one small page, swapoff",
            "No second process is needed: swapoff's own third loop frees the folio.",
            lambda p: lay_anonymous(p, "do_exit", huge=False),
        ),
        Scenario(
            "madvise",
            "MADV_DONTNEED on a swapped page, swapoff",
            "The mm stays alive, so swapoff meets the page table lock, unless inuse_pages is already 0.",
            lambda p: lay_anonymous(p, "madvise_dontneed", huge=False),
        ),
        Scenario(
            "munmap",
            "munmap of a swapped page, mmap_lock downgraded, swapoff",
            "The VMA is detached, so swapoff finds neither it nor its page table lock.",
            lambda p: lay_anonymous(p, "munmap", huge=False),
        ),
        Scenario(
            "munmap-write-locked",
            "munmap that keeps mmap_lock for writing, swapoff",
            "As when the next VMA is a stack that may grow: swapoff waits for mmap_lock.",
            lambda p: lay_anonymous(p, "munmap_write_locked", huge=False),
        ),
        Scenario(
            "shmem-truncate",
            "truncation of a tmpfs file with a swapped page, swapoff",
            "shmem_free_swap() holds nothing at all between dropping the reference and looking at the device.",
            lay_shmem,
        ),
        from_life(
            "fault",
            "a page fault on a swapped page, swapoff",
            "The fault reads the entry from a PTE with no lock held, and the device goes away: eb085574a752 (v5.3).",
        ),
        from_life(
            "fault-ramdisk",
            "the same, on a RAM disk, past the swap cache",
            "Nothing of the page is in the swap cache that could pin the slot: 2799e77529c2 (v5.14).",
        ),
        from_life(
            "two-faults",
            "two threads fault on one page of a RAM disk, one rewrites it",
            "Slot and PTE are the same again when the slower fault looks, the data are not: 13ddaf26be32, CVE-2024-26759.",
        ),
        from_life("reclaim", "reclaim swaps a page out, swapoff", "A slot is taken from the device that is going away."),
        from_life(
            "fork",
            "fork of a process with a swapped page, swapoff",
            "The child's copy of the entry appears behind swapoff's back.",
        ),
        from_life("signal", "a signal for swapoff at any moment", "swapoff gives up half way: everything must be as before."),
        from_life(
            "reuse",
            "as shmem-truncate, then swapon of another device",
            "The stale pointers of truncation meet the swap_info_struct of another device.",
        ),
    )
}
