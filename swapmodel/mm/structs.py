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
from .swapops import show_cluster, show_count, show_entry, show_flags, show_page_lock, show_pte, show_slot

FLAGS_WRITERS = (
    "swapoff_unlist",
    "swapoff_release",
    "alloc_swap_info",
    "claim_swapfile",
    "swapon_set_flags",
    "swapon_discard",
    "swapon_failed",
    "_enable_swap_info",
    "scan_swap_map_slots",
    "link_continuation_page",
)


class swap_info_struct(Struct):
    """include/linux/swap.h, v6.8. Never freed: swapon reuses it once SWP_USED is clear.

    `continuation` (embedded) has a word per page of swap_map: its list of continuation pages."""

    lock = spinlock_t()
    # lock must be held to write these, once the device is in use:
    max = word(guarded_by="lock", lockless=True, writers=("swapoff_unpublish", "setup_swap_map_and_extents"))
    inuse_pages = word(guarded_by="lock", lockless=True)
    lowest_bit = word(guarded_by="lock", readers=("scan_swap_map_slots",))
    highest_bit = word(guarded_by="lock", lockless=True)
    swap_map = word(NULL, guarded_by="lock", lockless=True, writers=("swapoff_unpublish", "setup_swap_info"))
    cluster_info = word(NULL, guarded_by="lock", lockless=True, writers=("swapoff_unpublish", "setup_swap_info"))
    free_clusters = word((), guarded_by="lock")
    discard_clusters = word((), guarded_by="lock")
    cluster_next = word(guarded_by="lock")  # of a device without clusters
    cluster_nr = word(guarded_by="lock")
    swap_file = word(NULL, guarded_by="lock", readers=("swapon", "swap_writepage", "swap_read_folio", "discard_swap_cluster"))
    # lock to change WRITEOK and SCANNING, swap_lock alone for the last store of swapoff:
    flags = word(show=show_flags, writers=FLAGS_WRITERS)
    # swap_lock must be held to write this:
    prio = word(writers=("setup_swap_info", "swapoff_shift_priorities"))
    # nobody else is left when these are written:
    swap_extent_root = word(NULL)
    percpu_cluster = word(NULL)
    cluster_next_cpu = word(NULL)
    bdev_handle = word(1)
    # cont_lock must be held to change the lists of continuation pages:
    cont_lock = spinlock_t()
    # lifetime:
    users = percpu_ref_t(release="comp")
    comp = completion_t()
    # written by swapon before anybody can find the device:
    bdev = word(NULL, writers=("claim_swapfile",))
    type = word(writers=("alloc_swap_info",))
    pages = word(writers=("setup_swap_map_and_extents",))


class swap_cluster_info(Struct):
    """include/linux/swap.h, v6.8. `data` is the count of slots in use, or the next cluster while on a list."""

    lock = spinlock_t()
    # lock must be held to write these:
    data = word(guarded_by="lock")
    flags = word(guarded_by="lock", show=show_cluster)


class percpu_cluster(Struct):
    """include/linux/swap.h, v6.8: where a CPU allocates, one per CPU. si->lock must be held; `index` is -1 for none."""

    index = word(-1)
    next = word()


class percpu_data(Struct):
    """What an allocation whose contents do not matter here returned."""

    value = word()


class folio(Struct):
    """include/linux/mm_types.h, v6.8. struct page is type-stable: its reference count may be looked at after the free."""

    locked = Field(0, stable=True, held=lambda value, t: value == t + 1, show=show_page_lock)
    # the folio lock must be held to write these:
    swapcache = word(1, guarded_by="locked", lockless=True)
    swap = word(guarded_by="locked", show=show_entry)
    dirty = word(guarded_by="locked")
    uptodate = word(1, guarded_by="locked", lockless=True)
    # set with the folio lock held, cleared when the device is done:
    writeback = word(writers=("folio_start_writeback", "folio_end_writeback"))
    # atomic:
    refcount = Field(0, stable=True, zero=1)  # 1 in a new page
    mapcount = word()
    anon_exclusive = word()  # bit i: PageAnonExclusive of sub-page i; the page table lock must be held to change it
    lazyfree = word(
        writers=("folio_mark_lazyfree", "unmap_lazyfree", "__split_huge_page_tail")
    )  # MADV_FREE: PG_swapbacked is clear
    # fixed while the folio is neither split nor truncated:
    nr_pages = word(1, zero=1, writers=("vma_alloc_folio", "split_head"))  # 1 in a new page
    mapping = word(
        NULL, writers=("filemap_remove_folio", "shmem_add_to_page_cache", "shmem_delete_from_page_cache")
    )  # the file's pages; NULL: anonymous
    index = word(
        writers=("__split_huge_page_tail", "folio_add_anon_rmap_pte", "folio_add_new_anon_rmap", "shmem_add_to_page_cache")
    )  # in its VMA or file
    # what user space stored, one value a sub-page:
    content = word(())


class mm_struct(Struct):
    """include/linux/mm_types.h, v6.8, with the one page table and the one VMA that matter here."""

    mm_users = word(1)
    mmap_lock = rw_semaphore()
    page_table_lock = spinlock_t()
    # mmap_lock must be held for writing to change this:
    vma = word(1, writers=("munmap", "munmap_write_locked", "dup_mmap", "mm_init"))  # 1: the VMA is in the tree, 0: detached
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
    slots_ret = word((), guarded_by="free_lock", show=show_count)


def address_space(first, count):
    """A struct address_space (include/linux/fs.h, v6.8) whose XArray has slots for `count` indices from `first`."""
    slots = {
        f"i_pages[{i}]": word(NULL, guarded_by="xa_lock", lockless=True, show=show_slot) for i in range(first, first + count)
    }
    return type("address_space", (Struct,), {"xa_lock": spinlock_t(), **slots})


PTE = {"show": show_pte}
