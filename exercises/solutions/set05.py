"""Solutions of set 05."""

from __future__ import annotations

from typing import Any


def ex05a(question: Any) -> Any:
    """Three turns: up to the window (the reference is dropped, the look not yet taken), all of swapoff, and the look.
    Nobody else is needed: swapoff's own third loop frees the folio, as Huang Ying pointed out on 6 March 2024."""
    who = question.threads[0]
    return [(who, "swap_page_trans_huge_swapped"), ("swapoff", "end"), (who, "end")]


def ex05b(question: Any) -> Any:
    """No second process, no large folio. The page table lock does protect, but as an RCU reader and not by what it locks.
    For shmem the entry may have left the file before shmem_unuse() looks. A stopped virtual CPU holds the grace period
    back. swapoff has a second grace period, inside percpu_ref_kill(). __try_to_reclaim_swap() dereferences the address
    space, which goes too. A section must begin while the reference is there; a pin may come later, if a refusal is
    respected; a look again is worth nothing without one."""
    true = ("On v6.8 an anonymous", "get_swap_device() around", "An RCU section in shmem", "The device may be pinned")
    return {letter: claim.said.startswith(true) for letter, claim in question.claims.items()}


def ex05c(question: Any) -> Any:
    """A section (RCU, or interrupts off) holds back only the grace periods that begin after it: it must begin while the
    entry is still counted, because swapoff's begins after inuse_pages read 0. So before the drop, b. A pin can be
    refused: where that ends the function, it may even be taken after the drop, c, but not after the first look, d."""
    return "c" if question.kind == 1 else "b"


def ex05d(question: Any) -> Any:
    """A pin: swapoff stands in wait_for_completion(). A section: in synchronize_rcu(). A lock that is kept up to the
    folio lock: swapoff wants that lock. Pinned late, with the refusal respected: truncation turns back. An RCU section
    begun after the drop stops nothing of this schedule."""
    return {
        "get-swap-device": ("swapoff", "wait_for_completion"),
        "rcu-in-shmem": ("swapoff", "synchronize_rcu"),
        "pin-after-drop": ("truncate", "another way"),
        "rcu-after-drop": ("nobody", "nothing"),
    }.get(question.fix, ("swapoff", "a lock"))
