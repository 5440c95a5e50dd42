"""Solutions of set 07."""

from __future__ import annotations

from typing import Any

LAST = """\
                                    swapoff()
                                      try_to_unuse()
                                      si->inuse_pages == 0
                                      si->swap_map = NULL
    swap_page_trans_huge_swapped()
    *** NULL dereference
"""
SHMEM = """\
CPU0 (truncate)                     CPU1 (swapoff)
----                                ----
shmem_undo_range()
  shmem_free_swap()
    __swap_entry_free()
    swap_map[1] 0xff -> 0x40
"""
ANON = """\
CPU0 (process)                      CPU1 (swapoff)
----                                ----
{call}()
  zap_pte_range()
    __swap_entry_free()
    swap_map[1] 0x41 -> 0x40
"""


def ex07a(question: Any) -> Any:
    """The anonymous story: all goes well until swapoff should store NULL, as its grace period waits for the page table
    lock of CPU0. The wrong byte: with the folio in the cache 0xff becomes 0x40, since the cache's pin stays. NULL first:
    swapoff stores that only after try_to_unuse() has emptied the device, and so nobody can have an entry left to free. On
    v6.9: swapoff waits for the pin."""
    lines = question.message.splitlines()
    if "0xff -> 0x00" in question.message:
        return next(n for n, line in enumerate(lines, 1) if "0xff -> 0x00" in line)
    if question.message.index("swap_map = NULL") < question.message.index("__swap_entry_free"):
        return next(n for n, line in enumerate(lines, 1) if "free_swap_and_cache()" in line)
    return next(n for n, line in enumerate(lines, 1) if "swap_map = NULL" in line)


def ex07b(question: Any) -> Any:
    """What can happen: nothing is held over the drop (truncation), or nobody waits for what is held (as-argued, v5.2).
    The byte begins at 0xff for shmem and at 0x41 for one PTE, with the folio in the cache both times. Everything between
    may be left out: an execution that does what is told, in this order, is enough."""
    if question.case.scenario == "shmem-truncate":
        return SHMEM + LAST
    call = {"one-process": "do_exit", "munmap": "munmap"}[question.case.scenario]
    return ANON.replace("{call}", call) + LAST


def ex07c(question: Any) -> Any:
    """Closed: by a pin or a section from before the drop (pin-in-shmem, rcu-in-shmem), by a lock that goes over into the
    folio lock (si-lock, cluster-lock-to-folio-lock), and by a pin after the drop whose refusal ends the function. Open: a
    section or a look that comes after the drop, a refusal that is not looked at, a lock that is dropped too early, and
    leaving out the first of two looks."""
    closed = {"pin-in-shmem", "rcu-in-shmem", "si-lock", "cluster-lock-to-folio-lock", "pin-after-drop"}
    return {letter: "holds" if fix.name in closed else "violated" for letter, fix in question.patches.items()}
