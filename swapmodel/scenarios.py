"""Who runs what on which memory. Each scenario begins with its verdicts on the kernels that matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from . import oracle
from .kernel import Kernel, Replacements, declared_globals, link, tell_owners
from .machine import NULL, Memory, Pointer
from .mm import structs, swapops
from .program import Program, System

PROCESSES, PAGES = 8, 512  # what --processes and --pages accept
SLOTS_CACHE_SIZE = 1  # of the model: a second free overflows the cache, so both branches are reached


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
    """A scenario laid out in memory."""

    memory: Memory
    constants: dict[str, Any]
    threads: list[Thread]
    oracles: tuple[oracle.Oracle, ...]


class Scenario(NamedTuple):
    """`story` says in a sentence what may go wrong; `lay` lays it out."""

    name: str
    title: str
    story: str
    lay: Callable[[Parameters], Setup]
    processes: int = 1
    pages: int = 1

    def fill(self, given: Parameters) -> Parameters:
        """The parameters with this scenario's own values for those left open. ValueError, one sentence, if they contradict."""
        filled = given._replace(processes=given.processes or self.processes, pages=given.pages or self.pages)
        if not 1 <= filled.processes <= PROCESSES:
            raise ValueError(f"--processes is from 1 to {PROCESSES}, not {filled.processes}")
        if not 1 <= filled.pages <= PAGES:
            raise ValueError(f"--pages is from 1 to {PAGES}, not {filled.pages}")
        if self.processes == 1 and filled.processes > 1:
            raise ValueError(f"{self.name} has one process besides swapoff: --processes {filled.processes} contradicts it")
        if self.name.startswith("thread") and filled.device == "hdd" and filled.pages > 1:
            raise ValueError("a PMD-size folio is swapped out in one piece only on an SSD: --device hdd needs --pages 1")
        return filled

    def system(self, kernel: Kernel, parameters: Parameters = Parameters(), fix: Replacements | None = None) -> System:
        """The scenario on a kernel, ready to explore. May raise KernelError (a fix that can't run) or ValueError."""
        setup = self.lay(self.fill(parameters))
        space = link(setup.memory, kernel, fix, setup.constants)
        tell_owners(setup.memory, space, [t.function for t in setup.threads], {**kernel.replaces, **(fix or {})})
        programs = [Program(t.name, _starter(space, t)) for t in setup.threads]
        return System(setup.memory, programs, setup.oracles, space)


def _starter(space: Any, thread: Thread) -> Callable[[], Any]:
    function = getattr(space, thread.function)
    return lambda: space.syscall(function, *thread.arguments)


class Device(NamedTuple):
    """A swap device in memory, and the folio in its part of the swap cache."""

    si: Pointer
    map: Pointer
    folio: Pointer
    first: int  # offset of the folio
    constants: dict[str, Any]


def lay_device(memory: Memory, parameters: Parameters, references: list[int], *, huge: bool) -> Device:
    """Swap device 0 with one folio in the swap cache, whose slot i has the count `references[i]`.

    A huge folio fills cluster 1 (cluster 0 has the header); a small one has offset 1."""
    pages = len(references)
    cluster = pages if huge else 256
    first = pages if huge else 1
    slots = first + pages
    si = memory.new(structs.swap_info_struct, "si", type=0, pages=slots - 1, max=slots)
    memory.set(si.flags, swapops.SWP_USED | swapops.SWP_WRITEOK | swapops.SWP_BLKDEV | swapops.SWP_SOLIDSTATE)
    memory.set(si.inuse_pages, pages)
    memory.set(si.lowest_bit, 1 if first > 1 else slots)
    memory.set(si.highest_bit, first - 1 if first > 1 else 0)
    clusters: Any = NULL
    if parameters.device == "ssd":
        used = {"data": pages, "flags": swapops.CLUSTER_FLAG_HUGE if huge else 0}
        clusters = memory.structs(
            structs.swap_cluster_info, "cluster_info", [{"data": 1}, used] if huge else [{**used, "data": pages + 1}]
        )
    memory.set(si.cluster_info, clusters)
    bytes_ = [swapops.SWAP_MAP_BAD] + [0] * (first - 1) + [swapops.SWAP_HAS_CACHE | n for n in references]
    map = memory.array(
        "swap_map",
        bytes_,
        guard=lambda i: clusters[i // cluster].lock if clusters else si.lock,
        show=swapops.show_byte,
    )
    memory.set(si.swap_map, map)
    space = memory.structs(structs.address_space(first, pages), "swapper_space", [{}])
    folio = memory.new(
        structs.folio,
        "folio",
        heap=True,
        refcount=pages,
        nr_pages=pages,
        swap=swapops.swp_entry(0, first),
        dirty=1,
    )
    for i in range(pages):
        memory.set(swapops.xa_slot(space[0], first + i), folio)
    for member in ("percpu_cluster", "cluster_next_cpu", "swap_extent_root", "bdev_handle", "swap_file"):
        memory.set(getattr(si, member), memory.new(structs.percpu_data, member, heap=True))
    memory.set(memory.symbols["swap_info"][0], si)
    memory.set(memory.symbols["swapper_spaces"][0], space)
    memory.set(memory.symbols["swap_cgroup_ctrl"][0], memory.new(structs.percpu_data, "swap_cgroup_map", heap=True))
    memory.set(memory.symbols["nr_swap_pages"], slots - 1 - pages)
    constants = {"SWAPFILE_CLUSTER": cluster, **lay_slot_cache(memory, parameters)}
    return Device(si, map, folio, first, constants)


def lay_slot_cache(memory: Memory, parameters: Parameters) -> dict[str, Any]:
    """Per-CPU slot caches, empty; switched on or off."""
    if not parameters.slot_cache:
        return {"swp_slots": (NULL,) * len(memory.threads), "NR_CPUS": 0}
    for name in ("swap_slot_cache_enabled", "swap_slot_cache_active", "swap_slot_cache_initialized"):
        memory.set(memory.symbols[name], 1)
    caches = tuple(memory.new(structs.swap_slots_cache, f"swp_slots[{i}]") for i in range(len(memory.threads)))
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
    )


def _oracles(device: Device, references: Any) -> tuple[oracle.Oracle, ...]:
    return (
        oracle.swap_map_underflow(device.map),
        oracle.inuse_pages(device.si, device.map),
        oracle.no_entry_left(device.si, references),
    )


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
        ),
        Scenario(
            "thread-madvise",
            "as thread, but process 1 calls MADV_DONTNEED",
            "The mm of process 1 stays alive; swapoff would meet its page table lock, if inuse_pages did not read 0 at once.",
            lambda p: lay_anonymous(p, "madvise_dontneed", huge=True, others="do_exit"),
            processes=2,
            pages=2,
        ),
        Scenario(
            "thread-munmap",
            "as thread, but process 1 calls munmap",
            "The VMA of process 1 is detached, and inuse_pages reads 0 at once.",
            lambda p: lay_anonymous(p, "munmap", huge=True, others="do_exit"),
            processes=2,
            pages=2,
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
    )
}
