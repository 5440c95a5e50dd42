"""Q23 to Q29: the can of worms. Who else uses the device, and what pins it for them."""

from __future__ import annotations

from .case import Case
from .question import Part, Question

ARGUED = "as-argued"
ALONE = ("no-waits",)

CALLERS = (
    Question(
        "Q23",
        "folio_free_swap(): can swapoff free the device's data while it runs?",
        "the worry of the seed message; Huang Ying and David Hildenbrand, 5 March 2024: no",
        (
            Part(
                "With the folio locked, on v6.8?",
                "no",
                (Case("free-folio"), Case("free-folio-huge")),
                "The folio is in the swap cache, so its slot has SWAP_HAS_CACHE, which counts in inuse_pages; nobody else can "
                "take "
                "that away without the folio lock.",
            ),
            Part(
                "With the folio locked, and nothing else: no grace period for spinlocks, and a swapoff that waits for nobody?",
                "no",
                (Case("free-folio", ARGUED, ALONE), Case("free-folio-huge", ARGUED, ALONE)),
                "The folio lock is the pin, not RCU and not the reference of the device. After the last slot only si->lock "
                "and the "
                "folio are touched.",
            ),
            Part(
                "Without the folio lock?",
                "yes",
                (Case("free-folio-unlocked", unguarded=True, every=True),),
                "swapoff's third loop frees the slot at the same time.",
            ),
        ),
    ),
    Question(
        "Q24",
        "What put_swap_folio() touches after the last slot.",
        "derived",
        (
            Part(
                "Small folio: anything that swapoff frees?",
                "no",
                (Case("free-folio", ARGUED, ALONE),),
                "It returns behind free_swap_slot(). What that does after inuse_pages fell it does under si->lock.",
            ),
            Part(
                "Huge cluster, freed as a whole: anything but si->lock?",
                "no",
                (Case("free-folio-huge", ARGUED, ALONE),),
                "si->lock is dropped last, and lives in the swap_info_struct.",
            ),
        ),
    ),
    Question(
        "Q25",
        "swp_swapcount(), which /proc/PID/smaps calls.",
        "the worry of the seed message; Huang Ying, 5 March 2024: the page table lock and the entry protect it",
        (
            Part(
                "Under the page table lock with the entry in the PTE, is the device touched too late?",
                "no",
                (Case("smaps"), Case("smaps-shared")),
                "The entry is a reference that nobody can drop without this lock. (Counts above 62, whose digits are in "
                "continuation "
                "pages, are not in these scenarios; swapoff frees those pages after the same waits.)",
            ),
            Part(
                "The same with nothing else: no grace period for spinlocks, and a swapoff that waits for nobody?",
                "no",
                (Case("smaps", ARGUED, ALONE),),
                "The reference in the PTE is the pin, as long as the lock is held.",
            ),
            Part(
                "Without the page table lock?",
                "yes",
                (Case("smaps-without-ptl"),),
                "The entry that was read may be gone before it is looked up.",
            ),
        ),
    ),
    Question(
        "Q26",
        "__swap_duplicate() in fork, under both page table locks.",
        "derived",
        (
            Part(
                "Is the device touched too late?",
                "no",
                (Case("fork"), Case("fork", ARGUED), Case("fork", ARGUED, ALONE)),
                "The parent's PTE is the reference, and its lock is held. Neither RCU nor swapoff's waits are needed.",
            ),
        ),
    ),
    Question(
        "Q27",
        "swapcache_prepare() from a fault that has not pinned the device (before eb085574a752, v5.3).",
        "eb085574a752",
        (
            Part(
                "Is NULL dereferenced there?",
                "yes",
                (Case("fault", "v5.2", every=True),),
                "The fault has read the entry from a PTE with no lock held.",
                kinds=("NULL dereference",),
                where="__swap_duplicate()",
            ),
            Part(
                "On v6.8, if do_swap_page() alone did not pin the device: is it touched too late?",
                "",
                (Case("fault", patches=("fault-without-pin",)),),
                "It is the look into the swap cache that fails; readahead pins the device for itself.",
            ),
            Part("On v6.8 as it is?", "no", (Case("fault"),), "The fault has the device pinned from before its first look."),
        ),
    ),
    Question(
        "Q28",
        "A fault that reads past the swap cache from a RAM disk, and has not pinned the device (before 2799e77529c2, v5.14).",
        "2799e77529c2",
        (
            Part(
                "Is swap_file dereferenced as NULL?",
                "yes",
                (Case("fault-ramdisk", "v5.2", every=True),),
                "Nothing of the page is in the swap cache that could pin the slot while it is read.",
                kinds=("NULL dereference",),
                where="disk[2] in swap_read_folio()",
            ),
            Part(
                "On v6.8 without the pin: is the device touched too late?",
                "",
                (Case("fault-ramdisk", patches=("fault-without-pin",)),),
                "Before the read: __swap_count() and swapcache_prepare() come first.",
            ),
            Part(
                "On v6.8 without the pin: is swap_file dereferenced as NULL?",
                "",
                (Case("fault-ramdisk", patches=("fault-without-pin",), every=True),),
                "Since 13ddaf26be32 swapcache_prepare() comes before the read, and what it sets pins the slot while it lasts.",
                where="swap_read_folio()",
            ),
            Part("On v6.8 as it is?", "no", (Case("fault-ramdisk"),), "The fault has the device pinned."),
        ),
    ),
    Question(
        "Q29",
        "The same with the device pinned, but without swapcache_prepare() (before 13ddaf26be32, v6.8).",
        "13ddaf26be32, CVE-2024-26759",
        (
            Part(
                "Are data lost where the slot is used again meanwhile?",
                "yes",
                (Case("two-faults", "v6.7"),),
                "Slot and PTE are the same again, the data are not: the slower fault maps what it read before.",
                kinds=("kernel BUG",),
            ),
            Part("With it?", "no", (Case("two-faults"),), "Only one fault at a time can have the slot.", kinds=("kernel BUG",)),
        ),
    ),
)
