"""Q15 to Q22: what swapoff meets on its way, what a stopped CPU does, what is touched, and locks as a fix."""

from __future__ import annotations

from ..scenarios import SCENARIOS, Parameters
from .case import Case
from .question import REACHED, Part, Question

ARGUED = "as-argued"
NONE, HDD = Parameters(preempt="none"), Parameters(device="hdd")
ALL, OTHERS = Case("shmem-truncate", every=True), Case("shmem-truncate", parameters=HDD, every=True)
AGAIN = Case("reuse", patches=("ask-other-map",), every=True)
LOOK, FIND = "swap_page_trans_huge_swapped()", "filemap_get_folio()"
TO_FOLIO = "cluster-lock-to-folio-lock"

WINDOW = (
    Question(
        "Q15",
        "try_to_unuse() and the page table lock of the process that zaps.",
        "Ryan Roberts and David Hildenbrand, 4 March 2024",
        (
            Part(
                "Is there a bad run in which swapoff never finds that lock held?",
                "yes",
                (Case("one-process-noted", ARGUED, ("ptl-not-met",)),),
                "inuse_pages reads 0, and the loops end before any page table was looked at.",
            ),
            Part(
                "Is there a bad run in which it found the lock held?",
                "no",
                (Case("one-process-noted", ARGUED, ("ptl-met",)), Case("munmap-noted", ARGUED, ("ptl-met",))),
                "Once swapoff has waited for the lock, its owner is past the window: the argument that swapoff must wait is "
                "right "
                "in these runs, and in these alone.",
            ),
            Part(
                "Is there any run in which swapoff waits for it?",
                "yes",
                (Case("madvise", patches=("ask-ptl",)), Case("thread-madvise", ARGUED, ("ask-ptl",))),
                "The mm is alive, the PTE still has the entry, and inuse_pages is not 0 yet.",
                kinds=REACHED,
            ),
        ),
    ),
    Question(
        "Q16",
        "Process exit: swapoff can't take the mm, because mmget_not_zero() fails.",
        "derived",
        (
            Part(
                "Two processes, a large folio: can it happen even if swapoff could take a reference to any mm?",
                "yes",
                (Case("thread", ARGUED, ("mmget-always",)),),
                "The other process brings inuse_pages to 0, and swapoff asks for no mm at all.",
            ),
            Part(
                "One process: can it happen even so?",
                "yes",
                (Case("one-process", ARGUED, ("mmget-always",)),),
                "The folio can be freed by swapoff's third loop only, and the second one, before it, would wait for the page "
                "table "
                "lock. So here the skipped mm is what makes the race possible.",
                differs="The expected answer had the two-process story in mind, where (a) confirms it. In the simpler story "
                "the third "
                "loop is reached without the page table lock only because mmget_not_zero() fails (exit) or the VMA is gone "
                "(munmap, Q17); "
                "MADV_DONTNEED, which has neither, is safe even on as-argued.",
            ),
            Part(
                "Is there a run in which the second loop skips the mm?",
                "yes",
                (Case("one-process", patches=("ask-mm-skipped",)),),
                "The process has dropped its last reference to the mm and has not zapped its page yet.",
                kinds=REACHED,
            ),
            Part(
                "Is there one if swapoff can take a reference to any mm?",
                "no",
                (Case("one-process", patches=("mmget-always", "ask-mm-skipped")),),
                "Nothing else skips an mm.",
                kinds=REACHED,
            ),
        ),
    ),
    Question(
        "Q17",
        "munmap: the VMA is detached before the pages are zapped, which has the same effect as exit.",
        "derived",
        (
            Part(
                "Does it happen (where no grace period waits for page table locks)?",
                "yes",
                (Case("munmap", ARGUED), Case("thread-munmap", ARGUED)),
                "swapoff takes mmap_lock for reading beside munmap, and finds no VMA to walk.",
            ),
            Part(
                "Does swapoff find the mm without its VMA?",
                "yes",
                (Case("munmap", patches=("ask-vma-gone",)),),
                "The mmap_lock was downgraded.",
                kinds=REACHED,
            ),
            Part(
                "Does it happen with MADV_DONTNEED, which detaches nothing?",
                "no",
                (Case("madvise", ARGUED), Case("madvise", patches=("ask-vma-gone",))),
                "swapoff waits for the page table lock, even where that is no RCU reader.",
            ),
        ),
    ),
    Question(
        "Q18",
        "Does being stopped by the hypervisor suffice?",
        "David Hildenbrand brought it up, 4 March 2024; derived: it does not",
        (
            Part(
                "Does it happen to a vCPU that is stopped in the window of tmpfs and runs on later?",
                "no",
                (Case("shmem-truncate-staged", patches=("vcpu-stopped",)),),
                "A CPU that takes no interrupt reports no quiescent state, so the grace period waits for it. Measured: "
                "survived, "
                "swapoff stood there for three seconds.",
            ),
            Part(
                "Does it happen to one that is stopped under the page table lock?",
                "no",
                (Case("one-process"), Case("thread")),
                "However long it stands there: the model lets every thread stand still anywhere, for ever so long.",
            ),
            Part(
                "Can even tmpfs fail in a kernel that is not preempted?",
                "no",
                (Case("shmem-truncate", parameters=NONE),),
                "There is no schedule point between the drop and the last use. Measured with classic RCU: survived. (With "
                "PREEMPT_DYNAMIC RCU is the preemptible one whatever the boot option says: oops.)",
            ),
        ),
    ),
    Question(
        "Q19",
        "A kernel that is not preempted (PREEMPT_NONE).",
        "derived",
        (
            Part(
                "Does anything of v6.8 touch the device too late?",
                "no",
                tuple(Case(name, parameters=NONE) for name in SCENARIOS),
                "All kernel code between two schedule points is an RCU section there, so every window that has none is closed.",
            ),
        ),
    ),
    Question(
        "Q20",
        "What is touched too late, and how?",
        "derived from the order of the reads and of swapoff's stores and frees",
        (
            Part(
                "Is swap_map read as NULL and dereferenced?",
                "yes",
                (ALL,),
                "The nearest failure of all, and what the real kernel showed first.",
                kinds=("NULL dereference",),
                where=LOOK,
            ),
            Part(
                "Is the freed swap_map read?",
                "yes",
                (ALL,),
                "It was read before the NULL store. Measured with the delay there: vmalloc-out-of-bounds.",
                kinds=("use after free",),
                where=f"swap_map[1] in {LOOK}",
            ),
            Part(
                "Is a cluster lock written into after it was freed?",
                "yes",
                (ALL,),
                "spin_lock() of a stale cluster_info is a store into memory that may belong to somebody else.",
                kinds=("use after free",),
                where="lock in lock_cluster()",
            ),
            Part(
                "Is the unlock such a store too, with the lock taken in time?",
                "",
                (ALL,),
                "The lock does not keep its own memory: swapoff frees the array without taking cluster locks.",
                kinds=("use after free",),
                where="lock in unlock_cluster()",
            ),
            Part(
                "Is the freed address space of the swap cache searched?",
                "yes",
                (ALL,),
                "All of swap_page_trans_huge_swapped() went well, swapoff went on, and __try_to_reclaim_swap() comes too late.",
                where=FIND,
            ),
            Part(
                "Without clusters (a rotational disk), is a cluster lock written into?",
                "no",
                (OTHERS,),
                "There is si->lock alone, which is never freed.",
                where="cluster_info",
            ),
            Part(
                "And is the freed swap_map read?",
                "yes",
                (OTHERS,),
                "It is read before si->lock is taken.",
                kinds=("use after free",),
                where=f"swap_map[1] in {LOOK}",
            ),
            Part(
                "After swapon of another device in the same place: is that one's swap_map read?",
                "yes",
                (AGAIN,),
                "Nothing fails then; a byte of the wrong device decides.",
                kinds=REACHED,
                where="another device",
            ),
            Part(
                "Does swapon initialise si->lock while the late thread holds it?",
                "",
                (AGAIN,),
                "si->cluster_info was read as NULL, so si->lock was taken in its place; alloc_swap_info() makes it anew, and "
                "the unlock is "
                "of a lock that nobody holds. So si->lock is not always safe to touch.",
                kinds=("lock misuse",),
                where="si0.lock",
            ),
        ),
    ),
    Question(
        "Q21",
        "The cluster lock as a fix.",
        "David Hildenbrand asked, Ryan Roberts declined, 4 March 2024: its array is what is freed; (d) was our guess",
        (
            Part(
                "Around everything, with the calls inside as they are: does it wait for itself?",
                "",
                (Case("shmem-truncate", fix="cluster-lock-nested"),),
                "__swap_entry_free() takes the same lock.",
                kinds=("lock misuse",),
            ),
            Part(
                "From before the drop until the counts were looked at: is it fixed?",
                "no",
                (Case("shmem-truncate", fix="cluster-lock"),),
                "The search of the swap cache comes after it, and fails.",
                holds=True,
            ),
            Part(
                "From before the drop until the folio is locked: is it fixed?",
                "no",
                (Case("shmem-truncate", fix=TO_FOLIO), Case("shmem-truncate", parameters=HDD, fix=TO_FOLIO)),
                "It is taken while the reference still pins the device. Under it nobody can free the slot: who takes "
                "SWAP_HAS_CACHE away "
                "needs this lock. From the folio lock on SWAP_HAS_CACHE is ours to keep.",
                holds=True,
                differs="The objection is about a lock taken after the drop, as v6.8 does (Q20). Held from before the drop, "
                "the lock is "
                "itself what keeps inuse_pages above 0, and so its own array alive. What speaks against it is that it must end "
                "exactly where the folio lock begins; a step earlier it is (b).",
            ),
            Part(
                "Is that because a spinlock is an RCU reader: does it fail where no grace period waits for spinlocks, or "
                "swapoff waits for "
                "nobody?",
                "yes",
                (
                    Case("shmem-truncate", ARGUED, fix=TO_FOLIO),
                    Case("thread", ARGUED, fix=TO_FOLIO),
                    Case("shmem-truncate", patches=("no-waits",), fix=TO_FOLIO),
                ),
                "It holds there just as well: neither RCU nor the reference of the device has a part in it.",
                differs="A spinlock held over the whole window would be an RCU reader, and on v6.8 that is enough by itself "
                "(Q2). But "
                "without any grace period the lock still protects, for the reason given in (c).",
            ),
        ),
    ),
    Question(
        "Q22",
        "si->lock as a fix.",
        "derived; so it was before 7c00bafee87c (v4.11)",
        (
            Part(
                "Around everything, with the calls inside as they are: does it wait for itself?",
                "",
                (Case("shmem-truncate", fix="si-lock-nested"),),
                "Freeing the slot takes si->lock.",
                kinds=("lock misuse",),
            ),
            Part(
                "From before the drop until the folio is locked: is it fixed?",
                "yes",
                (Case("shmem-truncate", fix="si-lock"), Case("shmem-truncate", ARGUED, fix="si-lock")),
                "swapoff stores NULL under si->lock, and frees after that. No deadlock either: si->lock is outer to cluster "
                "locks.",
                holds=True,
            ),
            Part(
                "Taken after the drop, with swap_map read again under it and NULL checked: is it fixed, if no swapon follows?",
                "yes",
                (
                    Case("shmem-truncate", patches=("si-lock-after-drop",)),
                    Case("shmem-truncate", patches=("si-lock-after-drop", "no-waits")),
                ),
                "Not NULL under si->lock means that swapoff has not come so far, and won't before the unlock. struct "
                "swap_info_struct is never freed.",
                holds=True,
            ),
            Part(
                "The same, with a swapon that uses the swap_info_struct again: is it fixed?",
                "yes",
                (Case("reuse", patches=("si-lock-after-drop",)),),
                "swapon initialises si->lock anew, while the straggler of the old device holds it.",
                kinds=("NULL dereference", "use after free", "lock misuse"),
                holds=True,
                differs="That struct swap_info_struct is never freed does not make si->lock safe to take: between swapoff and "
                "the next swapon of the same type it may be initialised at any moment (Q20 (i)). Only a pin that was taken "
                "before the drop, as in (b), keeps swapoff from ending, and with that the swapon away.",
            ),
            Part(
                "And without the check?",
                "no",
                (Case("shmem-truncate", patches=("si-lock-after-drop", "no-look-for-null"), every=True),),
                "swapoff may have been there before.",
                kinds=("NULL dereference", "use after free", "lock misuse"),
                holds=True,
            ),
        ),
    ),
)
