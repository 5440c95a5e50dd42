"""The kernel: one generator per kernel function, of the same name, in the file of the same name. Base: v6.8."""

from types import ModuleType

# Functions that are ours: parts cut out of a kernel function to keep each to a few lines. Stacks are shown without them.
PARTS = frozenset(
    {
        "any_slot_swapped",
        "count_free_entries",
        "put_into_slots_ret",
        "shmem_swapin_confirm",
        "swap_range_free_bounds",
        "swapoff_free",
        "swapoff_release",
        "swapoff_unlist",
        "swapoff_unpublish",
        "swapoff_wait_for_scanners",
        "swapoff_wait_for_users",
        "unuse_mms",
        "unuse_swap_cache",
        "swap_slot_free_notify",
        "zap_pte",
    }
)


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
