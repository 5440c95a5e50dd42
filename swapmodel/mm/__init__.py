"""The kernel: one generator per kernel function, of the same name, in the file of the same name. Base: v6.8."""

from types import ModuleType


def files() -> list[ModuleType]:
    """The modules whose names make up the kernel's namespace."""
    from . import config, filemap, memory, mmap, shmem, structs, swap_cgroup, swap_slots, swap_state, swapops
    from .swapfile import clusters, entries, reclaim, swapoff, unuse

    return [
        config,
        swapops,
        structs,
        filemap,
        memory,
        mmap,
        shmem,
        swap_cgroup,
        swap_slots,
        swap_state,
        clusters,
        entries,
        reclaim,
        unuse,
        swapoff,
    ]
