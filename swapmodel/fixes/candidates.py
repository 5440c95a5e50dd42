"""The fixes of the thread "Swap-out small-sized THP without splitting" and after it, in the order of its messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..edits import Replace, after, before, edited
from ..versions import v6_9
from . import cluster_lock, si_lock
from .fix import Fix

if TYPE_CHECKING:
    from ..kernel import Replacements

ASK = "si = yield from _swap_info_get(entry)"
COUNT = "count = yield from __swap_entry_free(si, entry)"
LOOK = """\
        swapped = yield from swap_page_trans_huge_swapped(si, entry)
        if not swapped:
            yield from __try_to_reclaim_swap("""
NO_LOOK = "        yield from __try_to_reclaim_swap("
CMPXCHG = "old = yield from xa_cmpxchg_irq(mapping, index, radswap, NULL)"
SHMEM_CALL = "yield from free_swap_and_cache(radix_to_swp_entry(radswap))"


def at_the_end(*lines: str) -> Replace:
    """Lines before the last `return True` of free_swap_and_cache()."""
    return Replace("\n    return True\n", "".join(f"\n    {line}" for line in (*lines, "return True\n")))


def over_all(begin: str, end: str, title: str) -> Replacements:
    """free_swap_and_cache() between two lines: from before the reference is dropped to the end."""
    return {"free_swap_and_cache": edited("free_swap_and_cache", before(COUNT, begin), at_the_end(end), title=title)}


def pinned(title: str) -> Replacements:
    """get_swap_device() in place of _swap_info_get(), and put_swap_device(): without the look at the byte."""
    edits = (Replace(ASK, "si = yield from get_swap_device(entry)"), at_the_end("yield from put_swap_device(si)"))
    return {"free_swap_and_cache": edited("free_swap_and_cache", *edits, title=title)}


def looks_at_the_byte(*alarm: str, title: str) -> Replacements:
    """get_swap_device() that gives no device for a slot that is free."""
    free = ("yield percpu_ref_put(si.users)", *alarm, "return NULL")
    lines = (
        "map = yield READ_ONCE(si.swap_map)",
        "byte = yield READ_ONCE(map[swp_offset(entry)])",
        "if not byte:",
        *(f"    {line}" for line in free),
    )
    return {"get_swap_device": edited("get_swap_device", before("return si", *lines), title=title)}


def rcu_in_shmem() -> Replacements:
    """shmem_free_swap() with one RCU read-side section that begins before the reference is dropped."""
    edits = (before(SHMEM_CALL, "yield rcu_read_lock()"), after(SHMEM_CALL, "yield rcu_read_unlock()"))
    return {"shmem_free_swap": edited("shmem_free_swap", *edits, title="rcu-in-shmem")}


def pin_in_shmem() -> Replacements:
    """shmem_free_swap() with the device pinned from before the entry is taken out of the file."""
    edits = (
        before(CMPXCHG, "si = yield from get_swap_device(radix_to_swp_entry(radswap))", "if not si:", "    return False"),
        Replace("radswap:\n        return", "radswap:\n        yield from put_swap_device(si)\n        return"),
        after(SHMEM_CALL, "yield from put_swap_device(si)"),
    )
    return {"shmem_free_swap": edited("shmem_free_swap", *edits, title="pin-in-shmem")}


LOCK_CLUSTER = "ci = yield from lock_cluster_or_swap_info(si, swp_offset(entry))"
UNLOCK_CLUSTER = "yield from unlock_cluster_or_swap_info(si, ci)"
DAVID = "David Hildenbrand asks, 4 March 2024, 17:30; Ryan Roberts answers, 18:38"

CANDIDATES = (
    Fix(
        "no-pre-check",
        "__try_to_reclaim_swap() without the look at the cluster before it",
        'Ryan Roberts, "Swap-out small-sized THP without splitting", v3, 20231025144546.577640-1, 25 October 2023',
        {"free_swap_and_cache": edited("free_swap_and_cache", Replace(LOOK, NO_LOOK), title="no-pre-check")},
        "candidate",
        "The call that touches swap_map and the cluster after the decrement is gone: it can't touch them when they are freed.",
    ),
    Fix(
        "inuse-last",
        "inuse_pages drops last in swap_range_free()",
        "64cf264c8fef, January 2024, v6.9",
        {"swap_range_free": v6_9.swap_range_free},
        "weaker",
        "Written for another race: when swapoff reads 0, whoever freed the slot has nothing left to clean up.",
    ),
    Fix(
        "rely-on-ptl",
        "nothing: the page table lock keeps swapoff away",
        "Ryan Roberts, 4 March 2024, 16:03 and 21:55; Miaohe Lin, 6 March 2024, for another reason",
        {},
        "candidate",
        "Ryan Roberts: swapoff must wait for the page table lock before it can be done. Miaohe Lin: a page table lock is a "
        "spinlock, so swapoff's synchronize_rcu() waits for its holder.",
    ),
    Fix(
        "cluster-lock-nested",
        "the cluster's lock around all of it, the calls inside as they are",
        DAVID,
        over_all(LOCK_CLUSTER, UNLOCK_CLUSTER, "cluster-lock-nested"),
        "wrong",
        "Who frees a slot takes the lock of its cluster, so the slot can't go away while this function has it throughout.",
    ),
    Fix(
        "cluster-lock",
        "the cluster's lock over the decrement and the look, dropped before the folio is freed",
        DAVID,
        cluster_lock.over_the_look(),
        "candidate",
        "The first form that can be written: folio_free_swap() takes the lock again, so it comes after the lock is dropped.",
    ),
    Fix(
        "cluster-lock-to-folio-lock",
        "the cluster's lock from the decrement until the folio is locked",
        "our form of David Hildenbrand's question of 4 March 2024, with the steps that the kernel had under si->lock before "
        "7c00bafee87c (v4.11)",
        cluster_lock.until_the_folio_is_locked(),
        "candidate",
        "While the cluster's lock is held nobody else can free the slot; then the folio lock keeps its SWAP_HAS_CACHE. Ryan "
        "Roberts's objection was that the cluster array has the same lifetime as the rest.",
    ),
    Fix(
        "si-lock-nested",
        "si->lock around all of it, the calls inside as they are",
        DAVID,
        over_all("yield spin_lock(si.lock)", "yield spin_unlock(si.lock)", "si-lock-nested"),
        "wrong",
        "The swap_info_struct is never freed, so its lock can always be taken, and inuse_pages drops only under it.",
    ),
    Fix(
        "si-lock",
        "si->lock from the decrement until the folio is locked",
        "as before 7c00bafee87c (v4.11), the commit that the merged fix names in its Fixes: line",
        si_lock.until_the_folio_is_locked(),
        "candidate",
        "inuse_pages drops only under si->lock, which is in memory that is never freed; then the folio lock keeps the pin.",
    ),
    Fix(
        "patch-v1",
        "pin the device over free_swap_and_cache(); get_swap_device() refuses a free slot",
        "Ryan Roberts, v1, 20240305151349.3781428-1, 5 March 2024",
        {**pinned("patch-v1"), **looks_at_the_byte(title="patch-v1")},
        "candidate",
        "The pin that Huang Ying proposed that morning; every user of get_swap_device() gets the check of the byte that "
        "_swap_info_get() had. The message for a free slot is left out here, as those of _swap_info_get() are.",
    ),
    Fix(
        "check-in-get-swap-device",
        "as v1, and the message for a free slot is a warning",
        "Ryan Roberts, v1, 5 March 2024; Huang Ying objects, 6 March 2024, 02:52",
        {
            **pinned("check-in-get-swap-device"),
            **looks_at_the_byte('yield WARN("get_swap_device: the slot is free")', title="check-in-get-swap-device"),
        },
        "candidate",
        "v1 reports a free slot as a mistake of the caller; Huang Ying says that faults and readahead ask without anything "
        "that keeps the slot in use. A WARN in place of the message, so that the checker sees it.",
    ),
    Fix(
        "get-swap-device",
        "pin the device over free_swap_and_cache()",
        "Huang Ying, 5 March 2024, 06:11; Ryan Roberts, v2, 20240306140356.3974886-1, 6 March 2024; merged as 82b1c07a0af6",
        {"free_swap_and_cache": v6_9.free_swap_and_cache},
        "candidate",
        "swapoff waits for every pin before it takes anything away, and the entry itself keeps the device alive until the pin "
        "is there. A byte that is 0 already is a warning.",
    ),
    Fix(
        "rcu-in-shmem",
        "an RCU read-side section around shmem's call, nothing for anonymous memory",
        "implied by the text of Huang Ying's v3, 11 March 2024; not posted as a patch",
        rcu_in_shmem(),
        "candidate",
        "Where a page table lock is held it is an RCU reader already; truncation, the one caller without, gets a section that "
        "begins before the decrement.",
    ),
    Fix(
        "pin-in-shmem",
        "pin the device around shmem's call, nothing for anonymous memory",
        "implied by the text of Huang Ying's v3, 11 March 2024; not posted as a patch",
        pin_in_shmem(),
        "candidate",
        "As rcu-in-shmem, with a reference in place of the RCU section.",
    ),
    Fix(
        "patch-v3",
        "v2 with another log: the same functions",
        "Huang Ying, v3, 11 March 2024, too late to be merged",
        {"free_swap_and_cache": v6_9.free_swap_and_cache},
        "candidate",
        "The story in the log is that of shmem, and the comment on page table locks is gone; no line of code differs from v2.",
    ),
    Fix(
        "rcu-read-lock",
        "one RCU read-side section over free_swap_and_cache()",
        'from the rule in Huang Ying\'s "mm,swap: add document about RCU read lock and swapoff interaction", 7 April 2024',
        over_all("yield rcu_read_lock()", "yield rcu_read_unlock()", "rcu-read-lock"),
        "candidate",
        "swapoff NULLs and frees after a grace period, which waits for every section that began while the reference was there.",
    ),
)
