"""Q34 to Q40: the merged fix and its messages, swapoff that gives up, and the batch of v6.10."""

from __future__ import annotations

from ..scenarios import SCENARIOS, Parameters
from .case import Case
from .question import MEMORY, REACHED, STUCK, Part, Question

WRONG = (*MEMORY, "accounting", "lost page", "lock misuse", "swap_map underflow", "kernel BUG", "kernel WARNING", *STUCK)
FREEING = ("one-process", "madvise", "munmap", "shmem-truncate", "reuse")
TWO_PAGES = Parameters(pages=2)
ALONE = ("one-process", "madvise", "munmap", "shared", "fork", "fault", "fault-ramdisk", "reclaim")

FIX = (
    Question(
        "Q34",
        "Does get_swap_device() in the fixed function ever fail for a caller that has a reference?",
        "derived",
        (
            Part(
                "Is it reached?",
                "no",
                tuple(Case(s, "v6.9", ("ask-pin-fails",)) for s in FREEING),
                "The caller's own reference keeps inuse_pages up, so swapoff has not come to percpu_ref_kill().",
                kinds=REACHED,
            ),
        ),
    ),
    Question(
        "Q35",
        "The WARN of the merged fix.",
        "derived",
        (
            Part(
                "Without a bug of the count?",
                "no",
                tuple(Case(s, "v6.9") for s in FREEING),
                "The caller owns a reference, so the byte is not 0.",
                kinds=("kernel WARNING",),
            ),
            Part(
                "With one: if shmem dropped its reference twice?",
                "yes",
                (Case("shmem-truncate", "v6.9", ("double-free",), every=True),),
                "The second time the slot may be free. (It need not: while the folio is cached the count goes below 0, "
                "silently.)",
                kinds=("kernel WARNING",),
            ),
        ),
    ),
    Question(
        "Q36",
        "The check is put into get_swap_device(), as v1 of the patch had it.",
        "Huang Ying, 6 March 2024",
        (
            Part(
                "Is a false alarm reachable?",
                "yes",
                (Case("fault", fix="check-in-get-swap-device"), Case("shmem-truncate", fix="check-in-get-swap-device")),
                "Faults and readahead call it with entries that they do not own: the slot may be free by then, and nothing is "
                "wrong.",
                kinds=("kernel WARNING",),
            ),
        ),
    ),
    Question(
        "Q37",
        "swapoff is interrupted by a signal and puts the device back into use.",
        "nobody; kernel-facts asks",
        (
            Part(
                "Does every invariant hold at the end (nr_swap_pages, lists, SWP_WRITEOK, counts), wherever the signal comes?",
                "",
                (Case("signal"), Case("signal-munmap"), Case("signal-kswapd"), Case("signal-truncate", "v6.9")),
                "reinsert_swap_info() puts everything back in one critical section, and nothing was killed or freed before.",
                kinds=WRONG,
                holds=True,
            ),
            Part(
                "Would a device that is not put back be noticed?",
                "",
                (Case("signal", patches=("no-reinsert",)),),
                "SWP_WRITEOK stays cleared although the device is still there.",
                kinds=("accounting",),
            ),
        ),
    ),
    Question(
        "Q38",
        "Liveness of try_to_unuse(): does it terminate?",
        "nobody; kernel-facts asks",
        (
            Part(
                "If exiting processes can go on?",
                "",
                tuple(Case(s) for s in ("one-process", "munmap", "shared", "signal-munmap")),
                "From every state that can be reached everybody can still return.",
                kinds=STUCK,
                holds=True,
            ),
            Part(
                "Does swapoff always come to an end if only everybody gets a turn (a fair scheduler, fair locks)?",
                "",
                (
                    *(Case(s, fair=True) for s in ("one-process", "madvise", "munmap", "idle")),
                    Case("shmem-truncate", "v6.9", fair=True),
                ),
                "Its retry waits for nobody in particular, but no loop of it can go on for ever while the others do. Without "
                "fairness it can: it spins, and must be made to give way.",
                kinds=STUCK,
                holds=True,
            ),
            Part(
                "If an exiting process is never run again?",
                "",
                (Case("stuck-exit"), Case("stuck-exit", fair=True)),
                "Its mm can't be taken, and its entry stays: swapoff goes round for ever. Only a signal ends it.",
                kinds=STUCK,
                holds=True,
            ),
            Part(
                "If nobody swaps out any more and everybody keeps their pages?",
                "",
                (Case("idle"), Case("idle-file")),
                "Each page is mapped, or put into its file, again.",
                kinds=STUCK,
                holds=True,
            ),
            Part(
                "With a swap-out in flight?",
                "",
                (Case("reclaim"),),
                "It was the last: SWP_WRITEOK is cleared, so nobody can begin another one on this device.",
                kinds=STUCK,
                holds=True,
            ),
        ),
    ),
    Question(
        "Q39",
        "An entry of the device that is left in a page table or a file when swapoff succeeds.",
        "must be no",
        (
            Part(
                "Anonymous memory, v6.8?",
                "no",
                tuple(Case(s) for s in ALONE),
                "An entry in a PTE is a reference, which keeps the byte and inuse_pages up.",
                kinds=("lost page",),
            ),
            Part(
                "tmpfs, v6.9 (on v6.8 the race comes first)?",
                "no",
                (Case("shmem-truncate", "v6.9"), Case("idle-file")),
                "The same for an entry in a file.",
                kinds=("lost page",),
            ),
            Part(
                "If the loops of try_to_unuse() ran only once?",
                "yes",
                (Case("one-process", patches=("no-retry",)),),
                "The exiting process was skipped. So the question can be answered with yes.",
                kinds=("lost page",),
            ),
        ),
    ),
    Question(
        "Q40",
        "The batch of v6.10, free_swap_and_cache_nr().",
        "derived",
        (
            Part(
                "Does anything go wrong?",
                "no",
                (*(Case(s, "v6.10") for s in SCENARIOS), Case("one-process", "v6.10", parameters=TWO_PAGES)),
                "The device is pinned from before the first reference is dropped.",
                kinds=WRONG,
            ),
            Part(
                "Does get_swap_device() ever fail there?",
                "no",
                (
                    Case("shmem-truncate", "v6.10", ("ask-batch-pin-fails",)),
                    Case("one-process", "v6.10", ("ask-batch-pin-fails",)),
                ),
                "As in Q34.",
                kinds=REACHED,
            ),
            Part(
                "Without the pin: is the device touched too late from tmpfs?",
                "yes",
                (Case("shmem-truncate", "v6.10", ("batch-without-pin",)),),
                "Its second loop reads si->swap_map again, with all counts at 0.",
            ),
            Part(
                "And from page tables?",
                "no",
                (Case("one-process", "v6.10", ("batch-without-pin",)),),
                "The page table lock, as in Q2.",
            ),
            Part(
                "Can a slot be taken again between the two loops, so that the second one meets the folio of somebody else?",
                "yes",
                (Case("slot-taken-again", "v6.10", ("ask-slot-taken-again",)),),
                "A slot without a folio in the cache is free as soon as its count is 0.",
                kinds=REACHED,
            ),
            Part(
                "Is that harmless?",
                "yes",
                (Case("slot-taken-again", "v6.10"),),
                "folio_free_swap() asks the locked folio itself whether its slots are referred to; the other process reads "
                "its own data back.",
                kinds=WRONG,
                holds=True,
            ),
        ),
    ),
)
