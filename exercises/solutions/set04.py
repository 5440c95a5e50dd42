"""Solutions of set 04."""

from __future__ import annotations

from typing import Any


def ex04a(question: Any) -> Any:
    """Nothing new comes (SWP_WRITEOK, the caches of slots); everything goes home (try_to_unuse); nobody new may pin,
    everybody who reads or pins is waited for; the pointers go; the memory goes; last, flags = 0 lets another swapon have
    the struct."""
    order = [
        *("clear SWP_WRITEOK", "drain the slot caches", "try_to_unuse", "percpu_ref_kill", "synchronize_rcu"),
        *("wait_for_completion", "si->swap_map = NULL", "vfree(swap_map)", "free the swap cache's address spaces", "flags = 0"),
    ]
    return sorted(question.names, key=order.index)


def ex04b(question: Any) -> Any:
    """Before the reference is dropped the byte has a count: try_to_unuse() can't end. That is so in __swap_entry_free(),
    and where MADV_DONTNEED stands in free_swap_and_cache() swapoff does not even go round: it wants the page table lock,
    as the mm is alive. After the drop inuse_pages can reach 0, and only a reader (a spinlock; a kernel without
    preemption) or a pin is left."""
    if question.case.scenario == "madvise":
        return "a lock that try_to_unuse wants"
    if question.point[1] == "__swap_entry_free":
        return "a byte in use"
    return "a pin of the device" if question.case.kernel == "v6.9" else "an RCU reader"


def ex04c(question: Any) -> Any:
    """Stop the first thread in its window, after the reference is dropped, and let swapoff run: its third loop frees the
    folio (swap_map[1] 0x00), inuse_pages reads 0, and it gets as far as whatever the thread holds allows. For the page
    table lock stop the thread earlier, with the reference still there: then swapoff looks at the page table."""
    where = "free_swap_and_cache" if "page table lock" in question.goal else "swap_page_trans_huge_swapped"
    who = "truncate" if question.case.scenario == "shmem-truncate" else "process"
    return [(who, where), ("swapoff", "end")]
