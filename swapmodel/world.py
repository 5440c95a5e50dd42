"""Lays out the memory of a small computer: CPUs, block devices, processes, tmpfs files, and places for what will be allocated.

Nothing runs here. session.py runs swapon() and everything after it; scenarios.py lays out the middle of a story instead.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .kernel import declared_globals
from .machine import Memory, Pointer
from .mm import structs, swapops


class Device(NamedTuple):
    """A block device or file that swapon can be called on.

    slots: pages, with the header in slot 0. prio: 0 to 32767, or -1 for an automatic one. bad: offsets of bad pages.
    solidstate: with clusters. synchronous: a RAM disk, whose I/O is done when the call returns. discard: swapon -d."""

    slots: int = 64
    prio: int = -1
    solidstate: bool = True
    synchronous: bool = False
    bad: tuple[int, ...] = ()
    discard: bool = False


class Sizes(NamedTuple):
    """How large the computer is. `cluster` is SWAPFILE_CLUSTER, the pages of a PMD-size folio; `pages` those of a process or
    a file; `slot_cache` and `page_size` are the kernel's 64 and 4096 unless made smaller."""

    cpus: int = 1
    processes: int = 4
    files: int = 1
    pages: int = 8
    folios: int = 0  # 0: as many as can be in use at once
    cluster: int = 16
    slot_cache: int = 64
    page_size: int = 0  # bytes of swap_map that share continuation pages; 0: 4096, or all of a smaller device
    continuation_pages: int = 8
    page_cluster: int = 0
    address_space_shift: int = 14


LIMITS = {  # of each size: the least and the most
    "cpus": (1, 16),
    "processes": (1, 1024),
    "files": (0, 64),
    "pages": (1, 4096),
    "folios": (0, 100_000),
    "cluster": (2, 512),
    "slot_cache": (1, 64),
    "page_size": (0, 4096),
    "continuation_pages": (0, 64),
    "page_cluster": (0, 8),
    "address_space_shift": (1, 14),
}


def check_sizes(devices: tuple[Device, ...], sizes: Sizes) -> None:
    """ValueError, one sentence, for what no computer has."""
    for name, (least, most) in LIMITS.items():
        size = getattr(sizes, name)
        if not isinstance(size, int) or not least <= size <= most:
            raise ValueError(f"{name} is from {least} to {most}, not {size!r}")
    if sizes.cluster & (sizes.cluster - 1) or sizes.cluster > 1 << sizes.address_space_shift:
        raise ValueError(f"cluster is a power of two within an address space, not {sizes.cluster}")
    if len(devices) > 2:
        raise ValueError(f"there is room for 2 swap devices, not {len(devices)}")
    for device in devices:
        if not isinstance(device, Device):
            raise ValueError(f"a device is a Device(slots=...), not {device!r}")
        if not isinstance(device.slots, int) or not 3 <= device.slots <= 1 << 20:
            raise ValueError(f"a device has from 3 to {1 << 20} slots, not {device.slots!r}")
        if not all(isinstance(offset, int) for offset in device.bad):
            raise ValueError(f"bad pages are offsets, not {device.bad!r}")
        if len(set(device.bad)) != len(device.bad):
            raise ValueError(f"a bad page is named twice: {device.bad}")


class World(NamedTuple):
    """The memory, the constants that the kernel is linked with, and pointers to what lies in it."""

    memory: Memory
    constants: dict[str, Any]
    devices: tuple[swapops.SwapFile, ...]
    mms: tuple[Pointer, ...]
    infos: tuple[Pointer, ...]  # shmem_inode_info
    folios: tuple[Pointer, ...]


def lay(devices: tuple[Device, ...], sizes: Sizes, preempt: str = "full", place: str = "reused") -> World:
    """Lays out the whole computer. `place` is "counted" where stale pointers to a device that came back must be told apart."""
    memory = Memory([f"CPU {i}" for i in range(sizes.cpus)], preempt)
    memory.globals(declared_globals())
    page_size = sizes.page_size or min(4096, max(d.slots for d in devices))
    infos = tuple(lay_swap_info(memory, i, len(devices), devices, page_size) for i in range(len(devices) + 1))  # one to spare
    files = tuple(lay_swap_file(memory, i, d, devices, sizes, infos[i], place) for i, d in enumerate(devices))
    mms = tuple(lay_mm(memory, i, sizes.pages) for i in range(sizes.processes))
    shmem = tuple(lay_shmem_inode(memory, i, sizes.files, sizes.pages) for i in range(sizes.files))
    count = sizes.folios or (sizes.processes + sizes.files) * sizes.pages + sum(d.slots for d in devices) + 2
    folios = tuple(memory.new(structs.folio, f"folio{i + 1}", heap=True, place="reused") for i in range(count))
    for folio in folios:
        memory.set(folio.refcount, 0)
    constants = {
        "SWAPFILE_CLUSTER": sizes.cluster,
        "SWAP_SLOTS_CACHE_SIZE": sizes.slot_cache,
        "SWAP_BATCH": min(64, sizes.slot_cache),
        "SWAP_ADDRESS_SPACE_SHIFT": sizes.address_space_shift,
        "PAGE_SIZE": page_size,
        "page_cluster": sizes.page_cluster,
        "NR_CPUS": sizes.cpus,
        "MMLIST": mms,
        "SHMEM_SWAPLIST": shmem,
        "SWAP_INFOS": infos,
        "FOLIOS": folios,
        "PAGES": tuple(
            memory.array(f"continuation{i + 1}", [0] * page_size, place="reused") for i in range(sizes.continuation_pages)
        ),
        "swp_slots": tuple(memory.new(structs.swap_slots_cache, f"swp_slots[{i}]") for i in range(sizes.cpus)),
    }
    return World(memory, constants, files, mms, shmem, folios)


def lay_swap_info(memory: Memory, number: int, of: int, devices: tuple[Device, ...], page_size: int) -> Pointer:
    """A place for the struct swap_info_struct of type `number`; it has never been used."""
    si = memory.new(structs.swap_info_struct, "si" if of == 1 and number == 0 else f"si{number}", bdev_handle=0)
    pages = -(-max(d.slots for d in devices) // page_size)
    lists = memory.array(f"{si}.continuation", [()] * pages, heap=False, guard=lambda i: si.cont_lock, zero=())
    memory.embed(si, "continuation", lists)
    si.prio.guard = memory.symbols["swap_lock"]
    return si


def lay_swap_file(
    memory: Memory, number: int, device: Device, devices: tuple[Device, ...], sizes: Sizes, si: Pointer, place: str
) -> swapops.SwapFile:
    """The disk, and the places for everything that swapon allocates for it."""
    alone, slots = len(devices) == 1, device.slots
    name = "swap" if alone else f"swap{number}"
    prefix = "" if alone else f"{name}."
    counts: list[dict[str, Any]] = [{} for _ in range(0, slots, sizes.cluster)]
    clusters = memory.structs(structs.swap_cluster_info, f"{prefix}cluster_info", counts, place=place)
    shift = 1 << sizes.address_space_shift
    spaces = [structs.address_space(first, min(shift, slots - first)) for first in range(0, slots, shift)]
    charges = memory.new(structs.percpu_data, f"{prefix}swap_cgroup_map", place=place)
    charges.value.guard, charges.value.lockless = memory.symbols["swap_cgroup_lock"], True

    def guard(i: int) -> Any:  # without clusters it is the lock of the swap_info_struct, which another device may have had
        return clusters[i // sizes.cluster].lock if device.solidstate else (si.lock if alone else None)

    return swapops.SwapFile(
        name=name,
        pages=slots,
        bad=device.bad,
        solidstate=device.solidstate,
        synchronous=device.synchronous,
        discard=device.discard,
        disk=memory.array(f"{name}.disk", [None] * slots, heap=False),
        swap_map=memory.array(f"{prefix}swap_map", [0] * slots, guard=guard, show=swapops.show_byte, place=place),
        cluster_info=clusters,
        percpu_cluster=memory.structs(
            structs.percpu_cluster, f"{prefix}percpu_cluster", [{} for _ in range(sizes.cpus)], place=place
        ),
        cluster_next_cpu=memory.array(f"{prefix}cluster_next_cpu", [0] * sizes.cpus, place=place),
        swapper_spaces=memory.structs(spaces, f"{prefix}swapper_space", [{} for _ in spaces], place=place),
        swap_cgroup=charges,
        extent=memory.new(structs.percpu_data, f"{prefix}swap_extent", place=place),
        bdev=memory.new(structs.percpu_data, f"{prefix}bdev", place=place),
    )


def lay_mm(memory: Memory, number: int, pages: int) -> Pointer:
    """A place for a process: its mm and the page table of its one VMA, all unused."""
    mm = memory.new(structs.mm_struct, f"mm{number + 1}", mm_users=0, vma=0, mmlist=0)
    mm.mmlist.guard = memory.symbols["mmlist_lock"]
    table = memory.array(
        f"{mm}.pte", [swapops.NULL] * pages, heap=False, guard=lambda i: mm.page_table_lock, show=swapops.show_pte
    )
    memory.embed(mm, "pte", table)
    return mm


def lay_shmem_inode(memory: Memory, number: int, of: int, pages: int) -> Pointer:
    """A tmpfs file with `pages` pages, all holes."""
    name = "info" if of == 1 else f"info{number + 1}"
    info = memory.new(structs.shmem_inode_info, name, swapped=0, swaplist=0)
    mapping = memory.structs(structs.address_space(0, pages), f"{name}.i_mapping", [{}], heap=False)[0]
    memory.embed(info, "i_mapping", mapping)
    info.swaplist.guard = memory.symbols["shmem_swaplist_mutex"]
    return info
