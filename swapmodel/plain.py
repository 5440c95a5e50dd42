"""Data races that v6.8 and v6.9 have, examined one by one in the kernel's text: mm/*.c of v6.8, lines as there.

The model's accesses follow the kernel's but for two things. A lockless load is always READ_ONCE() here, though the kernel's is
often plain (PLAIN_IN_KERNEL). And a store under a lock is write(), though some of the kernel's are marked inside a helper:
those are no races there (MARKED). What is left, EXAMINED, the kernel has too: nothing is hidden, each is told with its reason.
"""

from __future__ import annotations

# (function that stores, member) where the model's plain store is a marked one in the kernel
MARKED: dict[tuple[str, str], str] = {
    ("do_swap_page_map", "mm.pte"): "set_pte_at() is one WRITE_ONCE(), and lockless readers use ptep_get_lockless()",
    ("unmap_anon_pte", "mm.pte"): "ptep_get_and_clear() is an xchg or a WRITE_ONCE()",
    ("unuse_pte", "mm.pte"): "set_pte_at() is one WRITE_ONCE()",
    ("zap_pte", "mm.pte"): "ptep_get_and_clear() and pte_clear_not_present_full() store with WRITE_ONCE()",
    ("__filemap_remove_folio", "i_mapping.i_pages"): "xas_store() is rcu_assign_pointer(), and readers rcu_dereference()",
    ("xa_cmpxchg_irq", "i_mapping.i_pages"): "xas_store() is rcu_assign_pointer(), and readers rcu_dereference()",
    ("add_to_swap_cache", "swapper_space.i_pages"): "xas_store() is rcu_assign_pointer(), and readers rcu_dereference()",
    ("clear_shadow_from_swap_cache", "swapper_space.i_pages"): "xas_store() is rcu_assign_pointer()",
    ("__delete_from_swap_cache", "folio.swapcache"): "a page flag: folio_clear_swapcache() is an atomic clear_bit()",
    ("folio_end_writeback", "folio.writeback"): "a page flag: it is cleared and tested by atomic bit operations",
    (
        "drain_mmlist",
        "mm.mmlist",
    ): "list_del_init() stores with WRITE_ONCE(), list_empty() loads with READ_ONCE(); and it never "
    "touches an mm that is not on the list, as the model's walk over all of them does",
}

BY_RCU = "the window of CVE-2024-26960: nothing pins the device here; 82b1c07a0af6 (v6.9) closes it"
FLAG_BITS = "other bits of the word change; the one that is asked for does not while the device is in use"

# (function that stores, member) of a plain store in the kernel that others may race with
EXAMINED: dict[tuple[str, str], str] = {
    (
        "shmem_recalc_inode",
        "info.swapped",
    ): "info->swapped (shmem.c:425) against shmem_unuse()'s test (1386, 1404), plain on both "
    "sides: 0 read too late costs a look at the file, and 0 is final only under shmem_swaplist_mutex",
    (
        "swapoff_unpublish",
        "si.cluster_info",
    ): f"p->cluster_info = NULL (swapfile.c:2518) against lock_cluster() (363): {BY_RCU}",
    ("setup_swap_info", "si.cluster_info"): f"the next swapon (2320) against the same stale reader (363): {BY_RCU}",
    ("swapoff_unpublish", "si.swap_map"): f"p->swap_map = NULL against swap_page_trans_huge_swapped(): {BY_RCU}",
    ("setup_swap_info", "si.swap_map"): f"the next swapon against the same stale reader: {BY_RCU}",
    ("exit_swap_address_space", "swapper_spaces"): f"swap_state.c:722 against swap_address_space(), swap.h:31: {BY_RCU}",
    (
        "init_swap_address_space",
        "swapper_spaces",
    ): f"the next swapon, swap_state.c:708, against the same stale reader: {BY_RCU}",
    (
        "swapoff_unlist",
        "si.flags",
    ): f"p->flags &= ~SWP_WRITEOK (2457) against SWP_USED and SWP_SYNCHRONOUS_IO: {FLAG_BITS}; all but "
    "the second test of __swap_writepage() (page_io.c:386) say data_race()",
    ("scan_swap_map_slots", "si.flags"): f"si->flags += SWP_SCANNING (823, 971, 999) against a lockless test: {FLAG_BITS}; "
    "may_skip_swapcache()'s is data_race() (memory.c:3869), swapoff()'s of SWP_CONTINUED (2490) is plain",
    (
        "swapoff_release",
        "si.flags",
    ): "p->flags = 0 under swap_lock alone (2552) against get_swap_pages() under si->lock (1078), plain "
    "on both sides: SWP_WRITEOK is clear since swapoff began, under both locks, so either value says no",
    (
        "swapoff_unpublish",
        "si.highest_bit",
    ): "p->highest_bit = 0 (2502) against READ_ONCE() in the scan (976): it cuts the scan short; "
    "swapoff then waits until SWP_SCANNING is gone",
    (
        "swap_entry_free",
        "swap_map",
    ): "p->swap_map[offset] = 0 (1317), a byte, which can't tear: find_next_to_unuse() (2027) looks again "
    "under the folio lock, and __swap_count() (plain) is a hint that swapcache_prepare() checks",
    (
        "disable_swap_slots_cache_lock",
        "swap_slot_cache_enabled",
    ): "a bool (swap_slots.c:71), plain on both sides: free_swap_slot() asks "
    "again under free_lock, check_cache_active()'s caller under alloc_lock; the drain takes both after the store",
    (
        "__reenable_swap_slots_cache",
        "swap_slot_cache_enabled",
    ): "a bool (swap_slots.c:82), plain on both sides: too late is harmless",
    ("swapoff_unlist", "total_swap_pages"): "an aligned long (2456) against vm_swap_full(), plain on both sides: a heuristic",
    (
        "mm_init",
        "mm.mmlist",
    ): "the child's list head before anybody knows the child: the model's drain_mmlist() walks over every place "
    "for an mm, the kernel's over the list alone",
}

# (function that loads, member): plain in the kernel, READ_ONCE() in the model, against a store that is marked in both
PLAIN_IN_KERNEL: dict[tuple[str, str], str] = {
    (
        "drain_mmlist",
        "si.inuse_pages",
    ): "swap_info[type]->inuse_pages (swapfile.c:2148) is read without si->lock of the other devices: "
    "an aligned int; too large a value only leaves an mm on the list",
    ("__swap_count", "swap_map"): "si->swap_map[offset] without a lock: a byte, and a hint that swapcache_prepare() checks",
}


def note(member: str, first: str, second: str) -> str:
    """What is known of a race on `member` between two functions; an empty string of one that nobody has looked at."""
    for function in (first, second):
        for title, table in (("", EXAMINED), ("marked in the kernel: ", MARKED), ("", PLAIN_IN_KERNEL)):
            if (function, member) in table:
                return title + table[function, member]
    return ""
