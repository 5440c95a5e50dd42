"""What protects less than the fixes of the thread: begun too late, or with one of swapoff's own waits removed or moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..edits import Replace, after, before, drop, edited
from .candidates import COUNT, at_the_end
from .fix import Fix

if TYPE_CHECKING:
    from ..edits import Edit
    from ..kernel import Replacements

TAIL = """\
    if count == SWAP_HAS_CACHE:
        swapped = yield from swap_page_trans_huge_swapped(si, entry)
        if not swapped:
            yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)
"""
PIN = "    if count == SWAP_HAS_CACHE:\n        pinned = yield from get_swap_device(entry)\n"
PIN_OR_SKIP = PIN + "        if not pinned:\n            return True\n"
PUT = "        yield from put_swap_device(si)\n"
AGAIN = (
    "    if count == SWAP_HAS_CACHE:\n        si = yield from _swap_info_get(entry)\n    if count == SWAP_HAS_CACHE and si:\n"
)
CONDITION, BODY = TAIL.split("\n", 1)

SYNCHRONIZE = "yield from synchronize_rcu()"
WAITS = "yield from swapoff_wait_for_users(si)"
UNUSE = "error = yield from try_to_unuse(type)"
UNPUBLISH = "map, clusters = yield from swapoff_unpublish(si)"
OURS = "our own, after swapoff() of v6.8"


def free_swap_and_cache(title: str, *edits: Edit) -> Replacements:
    return {"free_swap_and_cache": edited("free_swap_and_cache", *edits, title=title)}


def swapoff(title: str, *edits: Edit) -> Replacements:
    return {"swapoff": edited("swapoff", *edits, title=title)}


def wait_for_users(title: str, *edits: Edit) -> Replacements:
    return {"swapoff_wait_for_users": edited("swapoff_wait_for_users", *edits, title=title)}


WEAKER = (
    Fix(
        "pin-after-drop",
        "the device pinned only after the decrement; no pin, no further step",
        "our own, from Huang Ying's rule of 5 March 2024, 06:11, taken from the wrong end",
        free_swap_and_cache("pin-after-drop", Replace(TAIL, PIN_OR_SKIP + BODY + PUT)),
        "weaker",
        "The first half is protected by the entry itself; where swapoff has killed the device meanwhile, there is nothing left "
        "to reclaim, so the second half is left out.",
    ),
    Fix(
        "pin-after-drop-assumed",
        "the device pinned only after the decrement, and the pin taken for granted",
        "our own, from Huang Ying's remark of 5 March 2024 that get_swap_device() can be called anywhere",
        free_swap_and_cache("pin-after-drop-assumed", Replace(TAIL, PIN + BODY + PUT)),
        "wrong",
        "The device was there a moment ago, so get_swap_device() is not expected to fail and its answer is not looked at.",
    ),
    Fix(
        "rcu-after-drop",
        "an RCU read-side section that begins only after the decrement",
        "our own, a slip that the document of 7 April 2024 warns of: the section must begin while the entry is still counted",
        free_swap_and_cache("rcu-after-drop", after(COUNT, "yield rcu_read_lock()"), at_the_end("yield rcu_read_unlock()")),
        "weaker",
        "Whatever is dereferenced is dereferenced inside the section.",
    ),
    Fix(
        "recheck-after-drop",
        "_swap_info_get() asked once more after the decrement",
        "our own, the first idea of many readers of CVE-2024-26960",
        free_swap_and_cache("recheck-after-drop", Replace(CONDITION + "\n", AGAIN)),
        "weaker",
        "If the device is gone its checks fail, and nothing more is touched.",
    ),
)

REMOVED = (
    Fix(
        "no-synchronize-rcu",
        "swapoff without synchronize_rcu(); percpu_ref_kill() and the wait for users stay",
        "our own; synchronize_rcu() came with eb085574a752 (v5.3), the percpu_ref with 63d8620ecf93 (v5.14)",
        wait_for_users("no-synchronize-rcu", drop(SYNCHRONIZE)),
        "removed",
        "The wait for the pins is enough, and percpu_ref_kill() has a grace period of its own before its callback.",
    ),
    Fix(
        "no-waits",
        "swapoff without percpu_ref_kill(), synchronize_rcu() and the wait for users",
        "our own; swapoff before eb085574a752 (v5.3)",
        swapoff("no-waits", drop(WAITS)),
        "removed",
        "When inuse_pages reads 0 nobody has an entry of the device any more, so nobody can be using it.",
    ),
    Fix(
        "synchronize-rcu-before-unuse",
        "synchronize_rcu() moved before try_to_unuse(); percpu_ref_kill() and the wait for users stay",
        OURS + ", 2024",
        {
            **swapoff("synchronize-rcu-before-unuse", before(UNUSE, SYNCHRONIZE)),
            **wait_for_users("synchronize-rcu-before-unuse", drop(SYNCHRONIZE)),
        },
        "removed",
        "Once SWP_WRITEOK is cleared and a grace period is over, no new user of the device can turn up.",
    ),
    Fix(
        "waits-before-unuse",
        "percpu_ref_kill(), synchronize_rcu() and the wait for users moved before try_to_unuse()",
        OURS + ", 2024",
        swapoff("waits-before-unuse", drop(WAITS), before(UNUSE, WAITS)),
        "removed",
        "With the users gone first, whoever is left must have an entry, and try_to_unuse() waits for those.",
    ),
    Fix(
        "null-before-synchronize",
        "the pointers are NULLed first; all waits are between NULL and free",
        OURS + ", 2024; the order in which RCU usually removes and frees",
        swapoff("null-before-synchronize", drop(UNPUBLISH), before(WAITS, UNPUBLISH)),
        "removed",
        "As everywhere with RCU: first nobody new can find it, then the grace period, then it is freed.",
    ),
)
