"""Q1 to Q14: the race itself, what closes it, and what it needs."""

from __future__ import annotations

from ..scenarios import SCENARIOS
from .case import Case
from .question import MEMORY, Part, Question

ARGUED = "as-argued"
PINNED = "get-swap-device"

RACE = (
    Question(
        "Q1",
        "An anonymous page is zapped under a page table lock that no grace period waits for.",
        "the seed message of 4 March 2024",
        (
            Part(
                "Does it happen?",
                "yes",
                (Case("thread", ARGUED), Case("one-process", ARGUED), Case("munmap", ARGUED)),
                "inuse_pages reads 0 while the process stands in its window, so swapoff looks at no page table and waits for "
                "nobody.",
            ),
        ),
    ),
    Question(
        "Q2",
        "The same on v6.8: the page table lock is a spinlock, hence an RCU reader, and swapoff has synchronize_rcu().",
        "Miaohe Lin, 6 March 2024",
        (
            Part(
                "Does it happen?",
                "no",
                tuple(Case(s) for s in ("thread", "one-process", "madvise", "munmap", "munmap-write-locked")),
                "The process took the lock before it dropped its reference; the grace period begins after inuse_pages read 0, "
                "which "
                "is later; so it waits for the lock.",
            ),
            Part(
                "If spinlocks were no RCU readers, would it happen on v6.8?",
                "",
                tuple(Case(s, patches=("spinlocks-no-readers",)) for s in ("one-process", "munmap", "thread-madvise")),
                "Since v6.6 (a349d72fd9ef) pte_offset_map_lock() begins an explicit RCU section before it takes the lock. So "
                "v6.8 is "
                "protected twice.",
            ),
            Part(
                "Without that explicit section (before v6.6), with spinlocks that are readers?",
                "no",
                (Case("one-process", patches=("no-rcu-in-pte-map",)), Case("munmap", patches=("no-rcu-in-pte-map",))),
                "Either of the two is enough.",
            ),
            Part(
                "Does anything else rely on spinlocks that are readers: does something fail where they are not, with the fix "
                "for this one?",
                "",
                tuple(Case(s, ARGUED, fix=PINNED) for s in SCENARIOS if s not in ("thread", "thread-munmap")),
                "Of what these scenarios reach, free_swap_and_cache() under the page table lock is the only such place. (Q33 "
                "has one more, "
                "once swapoff is changed.)",
            ),
        ),
    ),
    Question(
        "Q3",
        "synchronize_rcu() is taken out of swapoff, or moved.",
        "derived; (a) was then measured on 6.1.192",
        (
            Part(
                "Does it happen without synchronize_rcu(), with percpu_ref_kill() and the wait for users as they are?",
                "yes",
                (Case("one-process", patches=("no-synchronize-rcu",)), Case("thread", patches=("no-synchronize-rcu",))),
                "percpu_ref_kill() switches the reference to atomic mode through call_rcu(), so its release callback, and "
                "with it "
                "wait_for_completion(), comes only after a grace period of its own.",
                differs="The derivation took percpu_ref_kill() for something that happens at once. The real kernel agrees "
                "with the "
                "model: with synchronize_rcu() alone left out, 6.1.192 survived (experiments A and C).",
            ),
            Part(
                "Does it happen with both grace periods gone?",
                "yes",
                (Case("one-process", patches=("no-grace-period",)), Case("one-process", patches=("no-waits",))),
                "Only the users are awaited then, and a caller under the page table lock is none. Measured: an oops.",
            ),
            Part(
                "Does it happen with synchronize_rcu() before try_to_unuse(), and no grace period in percpu_ref_kill()?",
                "yes",
                (Case("one-process", patches=("synchronize-before-unuse",)),),
                "The grace period ends before the reference is dropped, so it does not wait for the section that matters.",
            ),
            Part(
                "With NULL stored before the waits and the memory freed after them: is NULL dereferenced?",
                "yes",
                (Case("one-process", patches=("null-before-waits",), every=True),),
                "The grace period keeps the memory, not the pointers.",
                kinds=("NULL dereference",),
            ),
            Part(
                "And is freed memory touched?",
                "no",
                (Case("one-process", patches=("null-before-waits",), every=True),),
                "What was read before the NULL store was read inside the section that the frees wait for.",
                kinds=("use after free",),
            ),
        ),
    ),
    Question(
        "Q4",
        "shmem_free_swap() on v6.8, with no page table lock.",
        "Huang Ying, 7 March 2024",
        (
            Part(
                "Does it happen?",
                "yes",
                (Case("shmem-truncate"),),
                "Nothing is held from the moment the reference is dropped. Measured: oops in 8 of 8 runs, and without any "
                "delay "
                "within minutes.",
            ),
        ),
    ),
    Question(
        "Q5",
        "The same with the merged fix, 82b1c07a0af6.",
        "the fix",
        (
            Part(
                "Does it happen?",
                "no",
                (Case("shmem-truncate", fix=PINNED), Case("shmem-truncate", "v6.9"), Case("reuse", "v6.9")),
                "The device is pinned before the reference is dropped, and swapoff waits for the pin.",
            ),
        ),
    ),
    Question(
        "Q6",
        "Only rcu_read_lock() around free_swap_and_cache() in shmem.",
        "implied by Huang Ying's v3, 11 March 2024",
        (
            Part(
                "Does it happen?",
                "no",
                (Case("shmem-truncate", fix="rcu-in-shmem"),),
                "A section that begins before the reference is dropped is one that the grace period waits for.",
            ),
        ),
    ),
    Question(
        "Q7",
        "The RCU section begins only once __swap_entry_free() has returned.",
        "derived",
        (
            Part(
                "Does it happen?",
                "yes",
                (Case("shmem-truncate", fix="rcu-after-drop"), Case("shmem-truncate", patches=("irqs-off-tail",))),
                "swapoff's grace period may have begun, and ended, before the section does.",
            ),
        ),
    ),
    Question(
        "Q8",
        "get_swap_device() is taken only after the reference is dropped.",
        "derived",
        (
            Part(
                "Does it happen if the tail is skipped where get_swap_device() fails?",
                "no",
                (Case("shmem-truncate", fix="pin-after-drop"),),
                "Once the reference is killed nobody gets it, and who got it before is awaited. The tail that is skipped had "
                "nothing "
                "to do: swapoff has freed the folio.",
            ),
            Part(
                "Does it happen if it is assumed to succeed?",
                "yes",
                (Case("shmem-truncate", fix="pin-after-drop-assumed", every=True),),
                "It fails exactly where it is needed.",
            ),
            Part(
                "Does it happen if the reference is taken without asking whether it was killed?",
                "",
                (Case("shmem-truncate", fix="pin-after-drop", patches=("pin-asks-nobody",)),),
                "A reference that is taken after the last one was awaited is awaited by nobody.",
            ),
            Part(
                "After swapoff and swapon in between it is another device that gets pinned. Is that harmless?",
                "yes",
                (Case("reuse", fix="pin-after-drop"),),
                "The tail looks at a slot of the new device, finds no folio or one that folio_free_swap() asks itself about, "
                "and "
                "leaves all accounting as it must be.",
                kinds=(*MEMORY, "accounting", "lost page", "lock misuse", "kernel BUG"),
                holds=True,
            ),
        ),
    ),
    Question(
        "Q9",
        "Is a second process needed?",
        "Huang Ying, 6 March 2024",
        (
            Part(
                "Is one needed? (Here is one process, or one file, and swapoff.)",
                "no",
                (Case("one-process", ARGUED), Case("shmem-truncate")),
                "swapoff itself frees the folio in its third loop.",
                holds=True,
            ),
        ),
    ),
    Question(
        "Q10",
        "Is a large folio needed?",
        "Huang Ying, 6 March 2024",
        (
            Part(
                "Is one needed? (Here the folio has one page.)",
                "no",
                (Case("one-process", ARGUED), Case("shmem-truncate")),
                "A large folio only made a second process useful to the story.",
                holds=True,
            ),
        ),
    ),
    Question(
        "Q11",
        "Are two references to the swap slot needed?",
        "derived",
        (
            Part(
                "Are they? (Here the slot has one reference.)",
                "no",
                (Case("one-process", ARGUED), Case("shmem-truncate")),
                "The one that is dropped is the last; what is left is SWAP_HAS_CACHE, which pins the slot and not for long.",
                holds=True,
            ),
        ),
    ),
    Question(
        "Q12",
        "Must somebody else call __try_to_reclaim_swap()?",
        "Huang Ying, 6 March 2024",
        (
            Part(
                "Must anybody? (Here nobody else does.)",
                "no",
                (Case("one-process", ARGUED),),
                "The only other thread is swapoff, whose third loop frees the folio through folio_free_swap().",
                holds=True,
            ),
            Part(
                "Can it happen without that loop?",
                "no",
                (Case("one-process", ARGUED, ("no-third-loop",)),),
                "With one process nobody else frees the slot, so inuse_pages stays up until the process itself has done so.",
            ),
        ),
    ),
    Question(
        "Q13",
        "There is no folio in the swap cache, so that the count goes from 1 to 0.",
        "derived",
        (
            Part(
                "Does it happen where the swap cache has no folio when the reference is dropped?",
                "no",
                (
                    Case("uncached-file-staged", patches=("enters-after-cmpxchg",)),
                    Case("uncached-file-staged", ARGUED, ("enters-after-cmpxchg",)),
                ),
                "swapoff is called once the entry has left the file. __swap_entry_free() returns 0, and the tail is not "
                "entered.",
            ),
            Part(
                "Is the path into free_swap_slot() safe by itself, with the tail cut off and the page on the device alone?",
                "yes",
                (Case("truncate-uncached", patches=("no-tail",)), Case("truncate-uncached", ARGUED, ("no-tail",))),
                "The byte stays at SWAP_HAS_CACHE until the slot is freed under si->lock, which swapoff takes before it "
                "stores NULL.",
                holds=True,
            ),
            Part(
                "Does it happen where the page is on the device alone when both begin?",
                "no",
                (Case("truncate-uncached"),),
                "swapoff's own first loop reads the page into the swap cache for the file; truncation takes the entry away in "
                "between, "
                "and its reference leaves SWAP_HAS_CACHE behind.",
                differs="The expected answer is right about the moment the reference is dropped, see (a). It is not enough "
                "that the "
                "page was on the device alone before: swapoff puts a folio into the cache itself. So the race does not need a "
                "page "
                "that reclaim has just written out.",
            ),
        ),
    ),
    Question(
        "Q14",
        "Two processes share a cached slot: P1 drops it to 0x41, P2 to 0x40.",
        "derived",
        (
            Part(
                "Is anybody hurt (where no grace period waits for page table locks)?",
                "",
                (Case("shared", ARGUED),),
                "Whoever got SWAP_HAS_CACHE back.",
            ),
            Part(
                "Is anybody hurt who did not get SWAP_HAS_CACHE back?",
                "no",
                (Case("shared", ARGUED, ("no-tail",)),),
                "With the tail cut off, all do what P1 does, and nothing goes wrong in the whole space: after the unlock a "
                "count "
                "above 0 makes free_swap_and_cache() return.",
            ),
        ),
    ),
)
