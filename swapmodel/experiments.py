"""What was run on a real kernel (6.1.192 under QEMU), row by row, beside what the model says of the same change.

The laboratory delayed the victim inside its window before swapoff was called, or left it alone, and took waits out of swapoff.
A row names the scenario, the functions that were changed in the same way, and what was seen.

One experiment stands here twice. The laboratory turned interrupts off in the window to imitate a CPU that is not run at all:
the model is asked about such a CPU, and about what the laboratory really did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from .explore import explore
from .kernel import Kernel, Replacements
from .machine import (
    READ_ONCE,
    Struct,
    complete,
    completion_t,
    local_irq_disable,
    local_irq_enable,
    percpu_ref_kill,
    schedule_timeout_uninterruptible,
    wait_for_completion,
)
from .mm.swapops import SWAP_HAS_CACHE, TTRS_FULL, TTRS_UNMAPPED, non_swap_entry, swap_count, swp_offset
from .scenarios import SCENARIOS, Parameters, Scenario, Setup
from .versions.v6_9 import free_swap_and_cache as pinned

if TYPE_CHECKING:

    def window(si: Any, entry: Any) -> Any: ...

    from .mm.config import SWAPFILE_CLUSTER
    from .mm.swapfile.clusters import cluster_is_huge, lock_cluster_or_swap_info, unlock_cluster_or_swap_info
    from .mm.swapfile.entries import __swap_entry_free
    from .mm.swapfile.lookup import _swap_info_get
    from .mm.swapfile.reclaim import __try_to_reclaim_swap, any_slot_swapped, swap_page_trans_huge_swapped
    from .mm.swapfile.swapoff import swapoff

SURVIVED, NULL_DEREF, USE_AFTER_FREE, ATOMIC = "holds", "NULL dereference", "use after free", "sleeping while atomic"
SEEN = {
    SURVIVED: "survived",
    NULL_DEREF: "oops, NULL dereference",
    USE_AFTER_FREE: "KASAN, vmalloc-out-of-bounds",
    ATOMIC: "scheduling while atomic, then oops",
}


class stage(Struct):
    """How far an experiment is: swapoff is called once the victim has entered the window."""

    entered = completion_t()


STAGE: Any = None  # a pointer to it, in Setup.constants


def swapoff_once_entered(type):  # type: ignore[no-untyped-def]
    """The order of the measurements: first the victim enters the window, then swapoff is called."""
    yield wait_for_completion(STAGE.entered)
    yield from swapoff(type)


def staged(scenario: Scenario) -> Scenario:
    """The scenario with a swapoff that is called when somebody has completed STAGE.entered."""

    def lay(parameters: Parameters) -> Setup:
        setup = scenario.lay(parameters)
        at = setup.memory.new(stage, "stage")
        *others, last = setup.threads
        threads = [*others, last._replace(function="swapoff_once_entered")]
        return setup._replace(threads=threads, constants={**setup.constants, "STAGE": at})

    return scenario._replace(name=f"{scenario.name}-staged", lay=lay)


# ---- the kernels of the laboratory: v6.8's functions with its changes --------------------------------------------------


def enter_window(si, entry):  # type: ignore[no-untyped-def]
    """The tail of free_swap_and_cache(), begun by telling that the window is entered ('pos 1')."""
    yield complete(STAGE.entered)
    yield from tail(si, entry)


def enter_window_irqs_off(si, entry):  # type: ignore[no-untyped-def]
    """As enter_window(), interrupts off until the function returns: a CPU that is not run at all meanwhile."""
    yield local_irq_disable()
    yield complete(STAGE.entered)
    yield from tail(si, entry)
    yield local_irq_enable()


def enter_window_irqs_off_there_alone(si, entry):  # type: ignore[no-untyped-def]
    """As enter_window(), interrupts off only while the laboratory's busy wait runs."""
    yield local_irq_disable()
    yield complete(STAGE.entered)
    yield local_irq_enable()
    yield from tail(si, entry)


def sleep_in_window(si, entry):  # type: ignore[no-untyped-def]
    """The laboratory's msleep() in the window, lock held or not."""
    yield schedule_timeout_uninterruptible(1)
    yield from tail(si, entry)


def tail(si, entry):  # type: ignore[no-untyped-def]
    """mm/swapfile.c, v6.8: what free_swap_and_cache() does once only the swap cache is left."""
    swapped = yield from swap_page_trans_huge_swapped(si, entry)
    if not swapped:
        yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)


def free_swap_and_cache(entry):  # type: ignore[no-untyped-def]
    """mm/swapfile.c, v6.8, with what comes from its window on in a function that a row names."""
    if non_swap_entry(entry):
        return True
    si = yield from _swap_info_get(entry)
    if not si:
        return False
    count = yield from __swap_entry_free(si, entry)
    if count == SWAP_HAS_CACHE:
        yield from window(si, entry)
    return True


def enter_at_map(si, entry):  # type: ignore[no-untyped-def]
    """mm/swapfile.c, v6.8: swap_page_trans_huge_swapped(), which tells once si->swap_map was read ('pos 2')."""
    map = yield READ_ONCE(si.swap_map)
    yield complete(STAGE.entered)
    roffset = swp_offset(entry)
    offset = roffset - roffset % SWAPFILE_CLUSTER
    ci = yield from lock_cluster_or_swap_info(si, offset)
    huge = yield from cluster_is_huge(ci)
    if huge:
        swapped = yield from any_slot_swapped(map, offset)
    else:
        byte = yield READ_ONCE(map[roffset])
        swapped = swap_count(byte) != 0
    yield from unlock_cluster_or_swap_info(si, ci)
    return swapped


def wait_for_nobody(si):  # type: ignore[no-untyped-def]
    """swapoff() without percpu_ref_kill(), synchronize_rcu() and wait_for_completion()."""
    return
    yield


def wait_without_synchronize_rcu(si):  # type: ignore[no-untyped-def]
    """swapoff() without synchronize_rcu() alone."""
    yield percpu_ref_kill(si.users)
    yield wait_for_completion(si.comp)


def at_window(then: Callable[..., Any]) -> Replacements:
    """free_swap_and_cache() with `then` for what happens from its window on."""
    return {"free_swap_and_cache": free_swap_and_cache, "window": then, "tail": tail}


class Row(NamedTuple):
    """One experiment. `seen` is the model's word for the real outcome; `why` explains a verdict that differs from it."""

    what: str
    scenario: str
    seen: str
    changed: str = ""  # what the laboratory changed
    replaces: Replacements = {}
    preempt: str = "full"
    staged: bool = False  # swapoff is called once the victim is in the window
    why: str = ""

    def verdict(self) -> str:
        """What the model says: "holds", or the kind of violation. Explores every interleaving."""
        scenario = SCENARIOS[self.scenario]
        replaced = {**self.replaces, "swapoff_once_entered": swapoff_once_entered}
        kernel = Kernel(self.what, "a kernel of the laboratory", replaced)
        system = (staged(scenario) if self.staged else scenario).system(kernel, Parameters(preempt=self.preempt))
        outcome, _ = explore(system, hunt=self.seen != SURVIVED)
        if outcome.verdict == "unfinished":
            raise KeyboardInterrupt  # there is no budget that could have ended it
        return outcome.violation.kind if outcome.violation else outcome.verdict


NOBODY = {"swapoff_wait_for_users": wait_for_nobody}
NO_SYNCHRONIZE = {"swapoff_wait_for_users": wait_without_synchronize_rcu}
FIXED = {"free_swap_and_cache": pinned}
AT_MAP = {"swap_page_trans_huge_swapped": enter_at_map}

EXPERIMENTS = (
    Row(
        "D1, D2, D3: tmpfs truncate, punch, last close",
        "shmem-truncate",
        NULL_DEREF,
        "delay at pos 1",
        at_window(enter_window),
        staged=True,
    ),
    Row("D1", "shmem-truncate", USE_AFTER_FREE, "delay at pos 2", AT_MAP, staged=True),
    Row("D1", "shmem-truncate", SURVIVED, "a CPU that stands still", at_window(enter_window_irqs_off), staged=True),
    Row(
        "D1",
        "shmem-truncate",
        SURVIVED,
        "interrupts off in the window alone",
        at_window(enter_window_irqs_off_there_alone),
        staged=True,
        why="the model lets the tail behind the delay last as long as a grace period; on the machine it is a few instructions",
    ),
    Row("D1", "shmem-truncate", SURVIVED, "PREEMPT_NONE, delay at pos 1", at_window(enter_window), "none", True),
    Row("D1", "shmem-truncate", NULL_DEREF, "PREEMPT_DYNAMIC, voluntary or none", at_window(enter_window), staged=True),
    Row("N: tmpfs, no delay at all", "shmem-truncate", NULL_DEREF),
    Row("A: a process exits, small page", "one-process", SURVIVED, "delay at pos 1", at_window(enter_window), staged=True),
    Row("A", "one-process", SURVIVED),
    Row("B1, B3: MADV_DONTNEED, MADV_FREE", "madvise", SURVIVED),
    Row("B2: munmap that keeps mmap_lock for writing", "munmap-write-locked", SURVIVED),
    Row("B4: munmap, mmap_lock downgraded", "munmap", SURVIVED),
    Row("C: two processes, 2 MiB folio", "thread", SURVIVED),
    Row("C1: the same, MADV_DONTNEED", "thread-madvise", SURVIVED),
    Row("C2: the same, munmap", "thread-munmap", SURVIVED),
    Row("A", "one-process", NULL_DEREF, "swapoff waits for nobody", NOBODY),
    Row("A", "one-process", USE_AFTER_FREE, "the same, delay at pos 2", {**NOBODY, **AT_MAP}, staged=True),
    Row("B1", "madvise", SURVIVED, "swapoff waits for nobody", NOBODY),
    Row("B2", "munmap-write-locked", SURVIVED, "swapoff waits for nobody", NOBODY),
    Row("B4", "munmap", NULL_DEREF, "swapoff waits for nobody", NOBODY),
    Row("C", "thread", NULL_DEREF, "swapoff waits for nobody", NOBODY),
    Row("C1", "thread-madvise", NULL_DEREF, "swapoff waits for nobody", NOBODY),
    Row("C2", "thread-munmap", NULL_DEREF, "swapoff waits for nobody", NOBODY),
    Row("A", "one-process", SURVIVED, "synchronize_rcu() left out", NO_SYNCHRONIZE),
    Row("C", "thread", SURVIVED, "synchronize_rcu() left out", NO_SYNCHRONIZE),
    Row("A", "one-process", ATOMIC, "a sleep forced into the window", at_window(sleep_in_window)),
    Row("C", "thread", ATOMIC, "a sleep forced into the window", at_window(sleep_in_window)),
    Row("D1, D2, D3", "shmem-truncate", SURVIVED, "fixed, 82b1c07a0af6", FIXED),
    Row("A", "one-process", SURVIVED, "fixed, 82b1c07a0af6", FIXED),
    Row("B1", "madvise", SURVIVED, "fixed, 82b1c07a0af6", FIXED),
    Row("B2", "munmap-write-locked", SURVIVED, "fixed, 82b1c07a0af6", FIXED),
    Row("C", "thread", SURVIVED, "fixed, 82b1c07a0af6", FIXED),
    Row("C1", "thread-madvise", SURVIVED, "fixed, 82b1c07a0af6", FIXED),
    Row("C2", "thread-munmap", SURVIVED, "fixed, 82b1c07a0af6", FIXED),
)


def compared(rows: tuple[Row, ...] = EXPERIMENTS) -> Iterator[tuple[Row, str, str]]:
    """(row, what the model says, how they compare) for each row."""
    for row in rows:
        verdict = row.verdict()
        agree = "equal" if verdict == row.seen else f"explained: {row.why}" if row.why else "DIFFERENT"
        yield row, verdict, agree
