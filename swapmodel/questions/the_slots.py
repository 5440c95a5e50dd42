"""Q30 to Q33: slots on their way into and out of use while swapoff runs."""

from __future__ import annotations

from ..scenarios import Parameters
from .case import Case
from .question import REACHED, STUCK, Part, Question

CACHE = Parameters(slot_cache=True)
BARE = ("null-without-si-lock", "no-waits")
OTHERS = ("munmap-write-locked", "madvise")

SLOTS = (
    Question(
        "Q30",
        "The slot caches are on: slots that stay in one, so that inuse_pages never becomes 0.",
        "derived",
        (
            Part(
                "On v6.8?",
                "no",
                (Case("one-process", parameters=CACHE), Case("shmem-truncate", "v6.9", parameters=CACHE)),
                "They are disabled before they are drained, and who frees a slot asks again under the lock of its cache.",
                kinds=STUCK,
            ),
            Part(
                "If free_swap_slot() does not ask again under free_lock?",
                "yes",
                (Case("one-process", patches=("slot-cache-not-asked-again",), parameters=CACHE),),
                "The slot is put into a cache that was drained already.",
                kinds=STUCK,
            ),
            Part(
                "If they are disabled after they were drained?",
                "yes",
                (Case("one-process", patches=("slot-cache-disabled-after-drain",), parameters=CACHE),),
                "The same, one step later.",
                kinds=STUCK,
            ),
        ),
    ),
    Question(
        "Q31",
        "Allocations and SWP_WRITEOK, which swapoff clears first.",
        "derived",
        (
            Part(
                "Is a slot ever taken then?",
                "no",
                (Case("reclaim", patches=("ask-alloc",)),),
                "The flag is asked under the si->lock that the slot is taken under.",
                kinds=REACHED,
            ),
            Part(
                "Does swapoff wait for a scan in flight?",
                "yes",
                (Case("scan"),),
                "SWP_SCANNING counts it.",
                holds=True,
            ),
            Part(
                "Does swapoff find the slot that such an allocation took?",
                "yes",
                (Case("reclaim"),),
                "Its byte counts in inuse_pages from the moment it is taken, before any PTE has the entry; the third loop "
                "finds it.",
                kinds=("lost page", "livelock", "NULL dereference", "use after free"),
                holds=True,
            ),
        ),
    ),
    Question(
        "Q32",
        "swapoff waits for SWP_SCANNING before, or after, it stores NULL.",
        "derived",
        (
            Part(
                "Before: is the device touched too late?", "no", (Case("scan"),), "Scanners have the count up while they read."
            ),
            Part(
                "After: is it?",
                "yes",
                (Case("scan", patches=("scanners-after-null",)),),
                "The scanner reads NULL from si->swap_map. (Freed memory it does not touch: the free still waits for it.)",
            ),
            Part(
                "Not at all: is it?",
                "yes",
                (Case("scan", patches=("no-wait-for-scanners",)),),
                "A scan that sleeps is no RCU reader all the time.",
            ),
        ),
    ),
    Question(
        "Q33",
        "inuse_pages falls before swap_range_free() has cleaned up (v6.8), or last (64cf264c8fef, v6.9).",
        "64cf264c8fef",
        (
            Part(
                "v6.8, swapoff takes si->lock: is it safe, even if swapoff waits for nobody?",
                "yes",
                tuple(Case(s, patches=("no-waits",)) for s in OTHERS),
                "All of it is one hold of si->lock, and swapoff takes that before it stores NULL. (Scenarios without the race "
                "itself.)",
                holds=True,
            ),
            Part(
                "v6.8, but swapoff does not take si->lock: is it unsafe?",
                "yes",
                tuple(Case(s, patches=("null-without-si-lock",), unguarded=True) for s in ("one-process", *OTHERS, "scan")),
                "Who frees a slot holds a spinlock, si->lock, over all of it, and took it before inuse_pages fell: so the "
                "grace period "
                "waits for it.",
                differs="The expectation leaves the grace period out. With it swapoff's si->lock is not needed for this: a "
                "second place, "
                "besides the page table lock, that is right because a spinlock is an RCU reader.",
            ),
            Part(
                "And where spinlocks are no RCU readers, all waits as they are?",
                "",
                tuple(Case(s, "as-argued", ("null-without-si-lock",), unguarded=True) for s in OTHERS),
                "So it is the spinlock's RCU section that made (b) safe.",
            ),
            Part(
                "And if it waits for nobody either?",
                "yes",
                tuple(Case(s, patches=BARE, unguarded=True) for s in OTHERS),
                "The shadows are cleared in an address space that is gone.",
            ),
            Part(
                "(d) and (c) with inuse_pages last: is it safe?",
                "yes",
                tuple(
                    case._replace(fix="inuse-last")
                    for s in OTHERS
                    for case in (
                        Case(s, patches=BARE, unguarded=True),
                        Case(s, "as-argued", ("null-without-si-lock",), unguarded=True),
                    )
                ),
                "It is the last thing of the device that is touched.",
                holds=True,
            ),
        ),
    ),
)
