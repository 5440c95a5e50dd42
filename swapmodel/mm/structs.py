"""The structs of the swap subsystem, v6.8, their members grouped by the lock that every write must hold."""

from ..machine import (
    NULL,
    Field,
    Struct,
    completion_t,
    mutex_t,
    percpu_ref_t,
    rw_semaphore,
    spinlock_t,
    word,
)
from .swapops import show_cluster, show_flags, show_pte, show_slot


class swap_info_struct(Struct):
    """include/linux/swap.h, v6.8. Never freed: swapon reuses it once SWP_USED is clear."""

    lock = spinlock_t()
    # lock must be held to write these:
    max = word(guarded_by="lock", lockless=True, writers=("swapoff_unpublish",))
    inuse_pages = word(guarded_by="lock", lockless=True)
    lowest_bit = word(guarded_by="lock")
    highest_bit = word(guarded_by="lock", lockless=True)
    swap_map = word(NULL, guarded_by="lock", lockless=True, writers=("swapoff_unpublish",))
    cluster_info = word(NULL, guarded_by="lock", lockless=True, writers=("swapoff_unpublish",))
    free_clusters = word((), guarded_by="lock")
    swap_file = word(NULL, guarded_by="lock")
    avail_list = word(1, guarded_by="lock")  # on swap_avail_heads; swap_avail_lock guards the list itself
    # lock to change WRITEOK and SCANNING, swap_lock alone for the last store of swapoff:
    flags = word(show=show_flags, writers=("swapoff_unlist", "swapoff_release"))
    # swap_lock must be held to write these:
    list = word(1)
    # nobody else is left when these are written:
    swap_extent_root = word(NULL)
    percpu_cluster = word(NULL)
    cluster_next_cpu = word(NULL)
    bdev_handle = word(1)
    # lifetime:
    users = percpu_ref_t(release="comp")
    comp = completion_t()
    # never written after swapon:
    bdev = word(NULL, constant=True)
    type = word(constant=True)
    pages = word(constant=True)


class swap_cluster_info(Struct):
    """include/linux/swap.h, v6.8. `data` is the count of slots in use, or the next cluster while on a list."""

    lock = spinlock_t()
    # lock must be held to write these:
    data = word(guarded_by="lock")
    flags = word(guarded_by="lock", show=show_cluster)


class percpu_data(Struct):
    """What alloc_percpu(), or another allocation whose contents do not matter here, returned."""

    value = word()


class folio(Struct):
    """include/linux/mm_types.h, v6.8. struct page is type-stable: its reference count may be looked at after the free."""

    locked = Field(0, stable=True, held=lambda value, t: value == t + 1, show=lambda holder: "locked" if holder else "unlocked")
    # the folio lock must be held to write these:
    swapcache = word(1, guarded_by="locked", lockless=True)
    swap = word(guarded_by="locked")
    writeback = word(guarded_by="locked", lockless=True)
    dirty = word(guarded_by="locked")
    # atomic:
    refcount = Field(0, stable=True)
    mapcount = word()
    # fixed while the folio is not split:
    nr_pages = word(1, constant=True)


class mm_struct(Struct):
    """include/linux/mm_types.h, v6.8, with the one page table and the one VMA that matter here."""

    mm_users = word(1)
    mmap_lock = rw_semaphore()
    page_table_lock = spinlock_t()
    # mmap_lock must be held for writing to change this:
    vma = word(1, writers=("munmap", "munmap_write_locked"))  # 1: the VMA with our entries is in the tree, 0: detached
    # mmlist_lock must be held to change this:
    mmlist = word(1)


class shmem_inode_info(Struct):
    """include/linux/shmem_fs.h, v6.8."""

    lock = spinlock_t()
    # lock must be held to write this:
    swapped = word(guarded_by="lock", lockless=True)
    # shmem_swaplist_mutex must be held to change this:
    swaplist = word(1)
    # atomic:
    stop_eviction = word()


class swap_slots_cache(Struct):
    """include/linux/swap_slots.h, v6.8: one per CPU. The slots are a tuple of entries."""

    alloc_lock = mutex_t()
    slots = word(())
    free_lock = spinlock_t()
    # free_lock must be held to write this:
    slots_ret = word((), guarded_by="free_lock", show=lambda entries: f"{len(entries)} slots")


def address_space(first, count):
    """A struct address_space (include/linux/fs.h, v6.8) whose XArray has slots for `count` indices from `first`."""
    slots = {
        f"i_pages[{i}]": word(NULL, guarded_by="xa_lock", lockless=True, show=show_slot) for i in range(first, first + count)
    }
    return type("address_space", (Struct,), {"xa_lock": spinlock_t(), **slots})


PTE = {"show": show_pte}
