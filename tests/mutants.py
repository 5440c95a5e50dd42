"""Mutants: the modelled kernel with one pin, lock, wait or order broken, and what the model must say about each.

A model that lets everything pass proves nothing. Each entry names what it breaks, on which scenarios it is tried, and the
verdict: the kind of violation at the end of the shortest counterexample, or why nothing goes wrong (`holds`: another pin
protects, or nobody can tell the difference, or it is a gap of the model). Where a declared lock rule catches a mutant at
its first step, an `unguarded` trial takes all such rules away and asks for the consequence instead.

    python -m tests.mutants [NAME...]    tries them and prints the table
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from swapmodel import edits
from swapmodel.explore import Budget, Outcome, explore
from swapmodel.fixes import FIXES
from swapmodel.kernel import Kernel
from swapmodel.machine import (
    NULL,
    WARN,
    Address,
    Cpu,
    atomic_add,
    operation,
    read,
    spin_lock_irq_not_rcu,
    spin_lock_not_rcu,
    spin_unlock_irq_not_rcu,
    spin_unlock_not_rcu,
    write,
)
from swapmodel.mm.memory import pte_offset_map_lock, pte_unmap_unlock
from swapmodel.mm.swapfile.reclaim import free_swap_and_cache
from swapmodel.mm.swapops import pte_none, pte_present, pte_to_swp_entry
from swapmodel.questions.scenes import ALL_SCENARIOS, OWN_FUNCTIONS, without_guards
from swapmodel.scenarios import Parameters
from swapmodel.versions import KERNELS

BUDGET = 1_000_000  # states; the largest search here has a third of it

# ---- what a mutant is ------------------------------------------------------------------------------------------------


Edit = tuple[str, edits.Edit]  # of the kernel function of this name


def Patch(function: str, old: str, new: str) -> Edit:
    """The text `old`, which occurs once, becomes `new`."""
    return function, edits.Replace(old, new)


def Line(function: str, old: str, lines: tuple[str, ...]) -> Edit:
    """The one line `old`: `lines` come in its place, as far to the right."""
    return function, edits.Lines(old, lines)


def drop(function: str, *lines: str) -> tuple[Edit, ...]:
    return tuple((function, edits.drop(line)) for line in lines)


def before(function: str, line: str, *new: str) -> Edit:
    return function, edits.before(line, *new)


def after(function: str, line: str, *new: str) -> Edit:
    return function, edits.after(line, *new)


class Trial(NamedTuple):
    """A scenario to try a mutant on. `kind`: of the violation, or "" where it holds, and then `reason` says why."""

    scenario: str
    kind: str
    reason: str
    parameters: Parameters
    unguarded: bool = False

    @property
    def expected(self) -> str:
        return self.kind or "holds"

    def __str__(self) -> str:
        own = Parameters()._asdict()
        changed = [f"{name}={value}" for name, value in self.parameters._asdict().items() if value != own[name]]
        return " ".join([self.scenario, *changed, *["unguarded"] * self.unguarded])


def caught(scenario: str, kind: str, *, unguarded: bool = False, **parameters: Any) -> Trial:
    """The model says so, with this kind of violation."""
    return Trial(scenario, kind, "", Parameters(**parameters), unguarded)


def holds(scenario: str, reason: str, *, unguarded: bool = False, **parameters: Any) -> Trial:
    """Nothing goes wrong, for this reason."""
    return Trial(scenario, "", reason, Parameters(**parameters), unguarded)


class Mutant(NamedTuple):
    """A kernel with something broken: edits of the source of `base`, and whole functions or operations in place of its own."""

    name: str
    why: str
    edits: tuple[Edit, ...]
    trials: tuple[Trial, ...]
    base: str = "v6.8"
    replaces: Mapping[str, Callable[..., Any]] = {}

    def kernel(self) -> Kernel:
        """The base kernel, edited. What is compiled here the lint can read, as if it stood in a file."""
        changed = {**KERNELS[self.base].replaces, **OWN_FUNCTIONS, **self.replaces}
        for name in dict.fromkeys(function for function, _ in self.edits):
            changes = [edit for function, edit in self.edits if function == name]
            changed[name] = edits.edited(name, *changes, of=changed, title=self.name)
        return Kernel(self.name, self.why, changed)

    def outcome(self, trial: Trial, **options: Any) -> Outcome:
        """What the model says."""
        scenario = ALL_SCENARIOS[trial.scenario]
        if trial.unguarded:
            scenario = without_guards(scenario)
        system = scenario.system(self.kernel(), trial.parameters)
        options.setdefault("hunt", trial.kind not in ("", "livelock"))  # the search that is likely to be the faster
        return explore(system, Budget(max_states=BUDGET), **options)[0]


def said(outcome: Outcome) -> str:
    """In the words of a Trial: "holds", or the kind of violation."""
    return outcome.violation.kind if outcome.violation else outcome.verdict


# ---- functions and operations that differ from the kernel's ----------------------------------------------------------


@operation()
def percpu_ref_kill_at_once(cpu: Cpu, ref: Address):
    """percpu_ref_kill() without the call_rcu() that switches it to atomic mode: no grace period of its own."""
    cpu.raw_store(ref.word + 1, 1)
    cpu.release_if_idle(ref.word, next(done for first, done in cpu.memory.refs if first == ref.word))


@operation()
def percpu_ref_get(cpu: Cpu, ref: Address):
    """percpu_ref_get() in place of percpu_ref_tryget_live(): it doesn't ask whether the reference was killed."""
    cpu.raw_store(ref.word, cpu.load(ref) + 1)
    return True


def zap_pte_unlocked(mm, pte):
    """zap_pte() with the page table lock dropped over free_swap_and_cache()."""
    found = yield read(pte)
    if pte_present(found):
        yield write(pte, NULL)
        yield atomic_add(-1, found.folio.mapcount)
        return found.folio
    if not pte_none(found):
        yield from pte_unmap_unlock(mm)
        freed = yield from free_swap_and_cache(pte_to_swp_entry(found))
        yield from pte_offset_map_lock(mm)
        if not freed:
            yield WARN("print_bad_pte: a page table holds a swap entry that is not in use")
        yield write(pte, NULL)
    return NULL


NOT_READERS = {
    "spin_lock": spin_lock_not_rcu,
    "spin_unlock": spin_unlock_not_rcu,
    "spin_lock_irq": spin_lock_irq_not_rcu,
    "spin_unlock_irq": spin_unlock_irq_not_rcu,
}
NO_OWN_GRACE_PERIOD = {"percpu_ref_kill": percpu_ref_kill_at_once}

# ---- edits that several mutants share --------------------------------------------------------------------------------

KILL = "yield percpu_ref_kill(si.users)"
SYNCHRONIZE = "yield from synchronize_rcu()"
COMPLETION = "yield wait_for_completion(si.comp)"
WAITS = "yield from swapoff_wait_for_users(si)"
UNUSE = "error = yield from try_to_unuse(type)"
UNPUBLISH = "map, clusters = yield from swapoff_unpublish(si)"
FREE = "yield from swapoff_free(si, map, clusters)"
NO_SYNCHRONIZE = drop("swapoff_wait_for_users", SYNCHRONIZE)
NO_COMPLETION = drop("swapoff_wait_for_users", COMPLETION)
NO_WAITS = drop("swapoff", WAITS)
NULL_FIRST = (*drop("swapoff", UNPUBLISH), before("swapoff", WAITS, UNPUBLISH))
NO_SI_LOCK = (
    *drop("swapoff_unpublish", "yield spin_lock(si.lock)", "yield spin_unlock(si.lock)"),
    *drop("swapoff_wait_for_scanners", "yield spin_lock(si.lock)", "yield spin_unlock(si.lock)"),
)
NO_MMAP_LOCK = drop("unuse_mm", "yield down_read(mm.mmap_lock)", "yield up_read(mm.mmap_lock)")
NO_EARLY_EXIT = (
    Patch("unuse_mms", "        if not inuse:\n            break\n", ""),
    Patch("unuse_swap_cache", "        if not inuse:\n            return\n", ""),
)
SLOTS_FIRST = (
    *drop("delete_from_swap_cache", "yield from put_swap_folio(folio, entry)"),
    before("delete_from_swap_cache", "yield spin_lock_irq(mapping.xa_lock)", "yield from put_swap_folio(folio, entry)"),
)
UNLOCKED_ZAP = Patch("zap_pte_range", "zap_pte(mm.pte[i])", "zap_pte_unlocked(mm, mm.pte[i])")
CLEAR_FIRST = before("zap_pte", "freed = yield from free_swap_and_cache(entry)", "yield write(pte, NULL)")
WINDOW = "if count == SWAP_HAS_CACHE:"
ENTERED = "yield complete(STAGE.entered)"
MAP = "map = yield READ_ONCE(si.swap_map)"


def over_tail(begin: str, end: str) -> tuple[Edit, ...]:
    """Over what free_swap_and_cache() does after __swap_entry_free() has returned."""
    tail = "            yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)\n"
    return (before("free_swap_and_cache", WINDOW, begin), Patch("free_swap_and_cache", tail, f"{tail}    {end}\n"))


def over_all(begin: str, end: str) -> tuple[Edit, ...]:
    """Over all of free_swap_and_cache(), where shmem_free_swap() calls it."""
    call = "yield from free_swap_and_cache(radix_to_swp_entry(radswap))"
    return (Line("shmem_free_swap", call, (begin, call, end)),)


LATE = "pinned = yield from get_swap_device(entry)"
PUT = "yield from put_swap_device(si)"

# ---- the mutants -----------------------------------------------------------------------------------------------------

NULLED = "NULL dereference"
FREED = "use after free"
RULE = "lock misuse"
UNDERFLOW = "swap_map underflow"
GRACE = "the section began before the reference was dropped, so swapoff's grace period waits for it"
NOBODY = "nobody is left once the waits are over"
GAP = "a gap of the model: "

LOCKS = (
    Mutant(
        "ptl-dropped-over-free",
        "The page table lock is dropped while free_swap_and_cache() runs.",
        (UNLOCKED_ZAP,),
        (  # the count is gone, the PTE is not, and nobody holds the lock that hides this
            caught("one-process", "lost page"),
            caught("munmap", "lost page"),
            caught("munmap-write-locked", "lost page"),
            caught("madvise", UNDERFLOW),
        ),
        replaces={"zap_pte_unlocked": zap_pte_unlocked},
    ),
    Mutant(
        "ptl-dropped-pte-cleared",
        "As before, but the PTE is cleared before the lock is dropped: as shmem does it.",
        (UNLOCKED_ZAP, before("zap_pte_unlocked", "yield from pte_unmap_unlock(mm)", "yield write(pte, NULL)")),
        (
            *(caught(s, NULLED) for s in ("one-process", "munmap", "madvise")),
            holds("munmap-write-locked", "swapoff must have mmap_lock before its third loop, and nobody else frees the folio"),
        ),
        replaces={"zap_pte_unlocked": zap_pte_unlocked},
    ),
    Mutant(
        "ptl-not-an-rcu-reader",
        "No grace period waits for a spinlock; pte_offset_map_lock() still begins an RCU section of its own.",
        (),
        tuple(holds(s, "the explicit RCU section is enough") for s in ("one-process", "munmap", "thread-madvise")),
        replaces=NOT_READERS,
    ),
    Mutant(
        "ptl-without-rcu-read-lock",
        "pte_offset_map_lock() begins no RCU section (before v6.6); the spinlock is a reader.",
        (before("pte_offset_map", "yield rcu_read_lock()", "return"), before("pte_unmap", "yield rcu_read_unlock()", "return")),
        (holds("one-process", GRACE), holds("munmap", GRACE)),
    ),
    Mutant(
        "pte-cleared-first",
        "zap_pte_range() clears the PTE before it drops the reference.",
        (CLEAR_FIRST,),
        (holds("madvise", GRACE), holds("one-process", GRACE)),
    ),
    Mutant(
        "pte-cleared-first-as-argued",
        "As before, where no grace period waits for page table locks: MADV_DONTNEED relied on the PTE alone.",
        (CLEAR_FIRST,),
        (caught("madvise", NULLED),),
        base="as-argued",
    ),
    Mutant(
        "sleep-in-the-window",
        "The window sleeps although the page table lock is held (the experiment 'forced sleep').",
        (before("free_swap_and_cache", WINDOW, "yield schedule_timeout_uninterruptible(1)"),),
        (
            caught("one-process", "sleeping while atomic"),
            caught("thread", "sleeping while atomic"),
            caught("shmem-truncate", NULLED),
        ),
    ),
    Mutant(
        "folio-lock-under-ptl",
        "__try_to_reclaim_swap() waits for the folio lock in place of trying it.",
        (
            Line("__try_to_reclaim_swap", "locked = yield folio_trylock(folio)", ("yield folio_lock(folio)",)),
            *(Patch("__try_to_reclaim_swap", "    if locked:\n", "    if True:\n"),),
        ),
        (caught("one-process", "sleeping while atomic"),),
    ),
    Mutant(
        "byte-without-cluster-lock",
        "__swap_entry_free() drops a reference without the cluster's lock.",
        drop(
            "__swap_entry_free",
            "ci = yield from lock_cluster_or_swap_info(si, swp_offset(entry))",
            "yield from unlock_cluster_or_swap_info(si, ci)",
        ),
        (
            caught("one-process", RULE),
            caught("shared", "livelock", unguarded=True),  # a reference that is never dropped
            holds("one-process", "one reference: nobody else stores the byte before it is dropped", unguarded=True),
        ),
    ),
    Mutant(
        "free-without-cluster-lock",
        "swap_entry_free() stores the byte without the cluster's lock.",
        drop("swap_entry_free", "ci = yield from lock_cluster(si, offset)", "yield from unlock_cluster(ci)"),
        (
            caught("one-process", RULE),
            holds(
                "one-process",
                "a slot in limbo: nobody else stores its byte, and 0x40 or 0 are alike to readers",
                unguarded=True,
            ),
        ),
    ),
    Mutant(
        "free-without-si-lock",
        "swapcache_free_entries() frees slots without si->lock.",
        (
            Patch("swap_info_get_cont", "            yield spin_lock(si.lock)\n", "            pass\n"),
            Patch("swapcache_free_entries", "    if si:\n        yield spin_unlock(si.lock)\n", ""),
        ),
        (caught("one-process", "accounting"),),
    ),
    Mutant(
        "swapped-without-lock",
        "swap_page_trans_huge_swapped() looks at the cluster without its lock.",
        (
            Line(
                "swap_page_trans_huge_swapped",
                "ci = yield from lock_cluster_or_swap_info(si, offset)",
                ("array = yield READ_ONCE(si.cluster_info)", "ci = array[offset // SWAPFILE_CLUSTER]"),
            ),
            *drop("swap_page_trans_huge_swapped", "yield from unlock_cluster_or_swap_info(si, ci)"),
        ),
        (
            caught("one-process", RULE),
            holds("thread", "counts only fall: who drops the last one looks after that", unguarded=True, processes=1),
        ),
    ),
    Mutant(
        "reclaim-without-folio-lock",
        "__try_to_reclaim_swap() does not lock the folio.",
        (
            Line("__try_to_reclaim_swap", "locked = yield folio_trylock(folio)", ("locked = True",)),
            *drop("__try_to_reclaim_swap", "yield folio_unlock(folio)"),
            before(  # VM_BUG_ON_FOLIO(!folio_test_swapcache(folio), folio)
                "__delete_from_swap_cache",
                "nr_pages = yield READ_ONCE(folio.nr_pages)",
                "swapcache = yield READ_ONCE(folio.swapcache)",
                "if not swapcache:",
                "    yield BUG('the folio is not in the swap cache')",
            ),
        ),
        (caught("one-process", RULE), caught("one-process", "kernel BUG", unguarded=True)),
    ),
    Mutant(
        "folio-never-unlocked",
        "__try_to_reclaim_swap() leaves the folio locked.",
        drop("__try_to_reclaim_swap", "yield folio_unlock(folio)"),
        (caught("one-process", "lock misuse"),),
    ),
    Mutant(
        "unuse-without-mmap-lock",
        "unuse_mm() does not take mmap_lock.",
        NO_MMAP_LOCK,
        (holds("munmap-write-locked", GRACE), holds("madvise", "the page table lock is enough")),
    ),
    Mutant(
        "unuse-without-mmap-lock-or-waits",
        "As before, and swapoff waits for nobody.",
        (*NO_MMAP_LOCK, *NO_WAITS),
        (caught("munmap-write-locked", NULLED),),
    ),
    Mutant(
        "unuse-pte-without-lock",
        "unuse_pte() does not take the page table lock.",
        drop("unuse_pte", "yield from pte_offset_map_lock(mm)", "yield from pte_unmap_unlock(mm)"),
        (caught("madvise", RULE), caught("madvise", UNDERFLOW, unguarded=True)),
    ),
    Mutant(
        "abba",
        "swap_page_trans_huge_swapped() takes si->lock inside the cluster's lock; everybody else takes them the other way.",
        (
            before("swap_page_trans_huge_swapped", "huge = yield from cluster_is_huge(ci)", "yield spin_lock(si.lock)"),
            before(
                "swap_page_trans_huge_swapped",
                "yield from unlock_cluster_or_swap_info(si, ci)",
                "yield spin_unlock(si.lock)",
            ),
        ),
        (caught("one-process", "deadlock"),),
    ),
    Mutant(
        "cluster-lock-kept",
        "__swap_entry_free() frees the slot before it unlocks the cluster.",
        (
            *drop("__swap_entry_free", "yield from unlock_cluster_or_swap_info(si, ci)"),
            before("__swap_entry_free", "return usage", "yield from unlock_cluster_or_swap_info(si, ci)"),
        ),
        (
            caught("idle-file", RULE),  # it takes the lock that it holds
            holds("one-process", "with a folio in the cache what is left is never 0: the slot is not freed here"),
        ),
    ),
    Mutant(
        "mmap-write-lock-kept",
        "munmap_write_locked() does not unlock mmap_lock.",
        drop("munmap_write_locked", "yield up_write(mm.mmap_lock)"),
        (caught("munmap-write-locked", "lock misuse"),),
    ),
    Mutant(
        "mmap-read-lock-kept",
        "madvise_dontneed() does not unlock mmap_lock.",
        drop("madvise_dontneed", "yield up_read(mm.mmap_lock)"),
        (caught("madvise", "lock misuse"),),
    ),
    Mutant(
        "si-lock-kept",
        "swapoff_unlist() does not unlock si->lock.",
        drop("swapoff_unlist", "yield spin_unlock(si.lock)"),
        (caught("one-process", "sleeping while atomic"),),
    ),
    Mutant(
        "swap-lock-kept",
        "swapoff keeps swap_lock for ever, at its very end.",
        drop("swapoff_release", "yield spin_unlock(swap_lock)"),
        (caught("one-process", "lock misuse"),),
    ),
)

READERS = (
    Mutant(
        "rcu-section-too-late",
        "The RCU section begins only after __swap_entry_free() has returned (Q7).",
        over_tail("yield rcu_read_lock()", "yield rcu_read_unlock()"),
        (caught("shmem-truncate", NULLED), holds("one-process", "the page table lock's section began in time")),
    ),
    Mutant(
        "rcu-section-too-late-as-argued",
        "As before, where no grace period waits for page table locks.",
        over_tail("yield rcu_read_lock()", "yield rcu_read_unlock()"),
        (caught("one-process", NULLED),),
        base="as-argued",
    ),
    Mutant(
        "rcu-section-in-shmem",
        "An RCU section around the whole of free_swap_and_cache() in shmem_free_swap(), and no reference (Q6).",
        over_all("yield rcu_read_lock()", "yield rcu_read_unlock()"),
        (holds("shmem-truncate", GRACE),),
    ),
    Mutant(
        "rcu-section-never-ends",
        "shmem_free_swap() begins an RCU section and does not end it.",
        over_all("yield rcu_read_lock()", "pass"),
        (caught("shmem-truncate", "sleeping while atomic"),),
    ),
    Mutant(
        "irqs-off-over-all",
        "A CPU has its interrupts off from before the reference is dropped until free_swap_and_cache() returns.",
        over_all("yield local_irq_disable()", "yield local_irq_enable()"),
        (holds("shmem-truncate", GRACE),),
    ),
    Mutant(
        "irqs-off-over-tail",
        "A CPU has its interrupts off from the return of __swap_entry_free() on.",
        over_tail("yield local_irq_disable()", "yield local_irq_enable()"),
        (caught("shmem-truncate", NULLED),),
    ),
)

SWAPOFF_WAITS = (
    Mutant(
        "no-waits",
        "percpu_ref_kill(), synchronize_rcu() and wait_for_completion() are all left out.",
        NO_WAITS,
        (
            *(caught(s, NULLED) for s in ("one-process", "thread", "thread-madvise", "thread-munmap", "munmap")),
            holds("madvise", "the PTE is still visible, so swapoff waits for the page table lock"),
            holds("munmap-write-locked", "swapoff waits for mmap_lock"),
        ),
    ),
    Mutant(
        "no-synchronize-rcu",
        "synchronize_rcu() alone is left out.",
        NO_SYNCHRONIZE,
        tuple(
            holds(s, "percpu_ref_kill() has a grace period of its own, which wait_for_completion() awaits")
            for s in ("one-process", "thread")
        ),
    ),
    Mutant(
        "no-own-grace-period",
        "percpu_ref_kill() begins no grace period; synchronize_rcu() stays.",
        (),
        (
            holds("one-process", "synchronize_rcu() is the other grace period"),
            holds("munmap", "synchronize_rcu() is the other"),
        ),
        replaces=NO_OWN_GRACE_PERIOD,
    ),
    Mutant(
        "no-grace-period",
        "Neither synchronize_rcu() nor a grace period of percpu_ref_kill(); the references are still awaited.",
        NO_SYNCHRONIZE,
        (
            caught("one-process", NULLED),
            caught("munmap", NULLED),
            holds("madvise", "the PTE is still visible, so swapoff waits for the page table lock"),
        ),
        replaces=NO_OWN_GRACE_PERIOD,
    ),
    Mutant(
        "no-grace-period-v6.9",
        "As before on v6.9, which holds a reference over free_swap_and_cache().",
        NO_SYNCHRONIZE,
        (holds("one-process", "the reference is awaited"), holds("shmem-truncate", "the reference is awaited")),
        base="v6.9",
        replaces=NO_OWN_GRACE_PERIOD,
    ),
    Mutant(
        "no-completion",
        "The references to the device are not awaited.",
        NO_COMPLETION,
        (holds("one-process", "synchronize_rcu() waits for the page table lock"),),
    ),
    Mutant(
        "no-completion-v6.9",
        "As before on v6.9, whose fix of the race is a reference.",
        NO_COMPLETION,
        (caught("shmem-truncate", NULLED), holds("one-process", "synchronize_rcu() waits for the page table lock")),
        base="v6.9",
    ),
    Mutant(
        "no-kill",
        "The reference is awaited, but never killed.",
        drop("swapoff_wait_for_users", KILL),
        (caught("one-process", "deadlock"),),
    ),
    Mutant(
        "synchronize-before-kill",
        "synchronize_rcu() comes before percpu_ref_kill().",
        (*drop("swapoff_wait_for_users", KILL), after("swapoff_wait_for_users", SYNCHRONIZE, KILL)),
        (
            holds("one-process", "both come after inuse_pages read 0"),
            holds("shmem-truncate", "the reference is awaited, after a grace period of percpu_ref_kill()"),
        ),
        base="v6.9",
    ),
    Mutant(
        "waits-before-unuse",
        "All three waits come before try_to_unuse().",
        (*drop("swapoff", WAITS), before("swapoff", UNUSE, WAITS)),
        (
            caught("one-process", NULLED),
            caught("shmem-truncate", NULLED),
            caught("idle-file", "livelock"),  # shmem_swapin_folio() needs a reference to a device that is dead already
        ),
    ),
    Mutant(
        "synchronize-before-unuse",
        "synchronize_rcu() comes before try_to_unuse(); kill and completion stay.",
        (*NO_SYNCHRONIZE, before("swapoff", UNUSE, SYNCHRONIZE)),
        (holds("one-process", "the grace period of percpu_ref_kill()"),),
    ),
    Mutant(
        "synchronize-before-unuse-only",
        "As before, and percpu_ref_kill() has no grace period (Q3).",
        (*NO_SYNCHRONIZE, before("swapoff", UNUSE, SYNCHRONIZE)),
        (caught("one-process", NULLED),),
        replaces=NO_OWN_GRACE_PERIOD,
    ),
    Mutant(
        "spinlock-over-synchronize",
        "swapoff holds si->lock over synchronize_rcu().",
        (Line("swapoff_wait_for_users", SYNCHRONIZE, ("yield spin_lock(si.lock)", SYNCHRONIZE, "yield spin_unlock(si.lock)")),),
        (caught("one-process", "sleeping while atomic"),),
    ),
    Mutant(
        "no-wait-for-scanners",
        "swapoff does not wait while SWP_SCANNING counts somebody.",
        drop("swapoff_unpublish", "yield from swapoff_wait_for_scanners(si)"),
        (caught("scan", NULLED), holds("one-process", "nobody scans")),
    ),
    Mutant(
        "scanners-awaited-too-late",
        "swapoff waits for SWP_SCANNING after it stored NULL (Q32).",
        (
            *drop("swapoff_unpublish", "yield from swapoff_wait_for_scanners(si)"),
            after("swapoff_unpublish", "yield write(si.cluster_info, NULL)", "yield from swapoff_wait_for_scanners(si)"),
        ),
        (caught("scan", NULLED),),
    ),
    Mutant(
        "unlist-without-si-lock",
        "swapoff clears SWP_WRITEOK without si->lock.",
        drop("swapoff_unlist", "yield spin_lock(si.lock)", "yield spin_unlock(si.lock)"),
        (caught("scan", NULLED),),  # the count of a scan gets lost
    ),
)

TEARDOWN = (
    Mutant(
        "null-before-waits",
        "The pointers become NULL before the three waits; what they pointed to is freed after them.",
        NULL_FIRST,
        (caught("one-process", NULLED),),
    ),
    Mutant(
        "null-before-waits-v6.9",
        "As before on v6.9: a reference keeps the memory, not the pointers.",
        NULL_FIRST,
        (caught("shmem-truncate", NULLED),),
        base="v6.9",
    ),
    Mutant(
        "free-before-null",
        "swap_map and the rest are freed before the pointers become NULL.",
        (
            *drop("swapoff", FREE),
            before(
                "swapoff",
                UNPUBLISH,
                "map = yield READ_ONCE(si.swap_map)",
                "clusters = yield READ_ONCE(si.cluster_info)",
                FREE,
            ),
        ),
        (holds("one-process", NOBODY), caught("scan", FREED)),  # scanners are awaited right before the NULL stores
    ),
    Mutant(
        "map-freed-last",
        "swap_map is freed after everything else.",
        (
            *drop("swapoff_free", "yield vfree(map)"),
            after("swapoff_free", "yield from exit_swap_address_space(type)", "yield vfree(map)"),
        ),
        (holds("one-process", NOBODY), holds("shmem-truncate", NOBODY)),
        base="v6.9",
    ),
    Mutant(
        "null-address-space-first",
        "exit_swap_address_space() stores NULL before it frees.",
        (
            *drop("exit_swap_address_space", "yield kvfree(spaces)"),
            after("exit_swap_address_space", "yield write(swapper_spaces[type], NULL)", "yield kvfree(spaces)"),
        ),
        (holds("one-process", NOBODY), holds("madvise", NOBODY)),
    ),
    Mutant(
        "null-without-si-lock",
        "swapoff stores NULL without si->lock.",
        NO_SI_LOCK,
        (
            caught("one-process", RULE),
            holds("one-process", "who frees a slot holds si->lock, and the grace period waits for that", unguarded=True),
            holds("scan", "SWP_WRITEOK was cleared under si->lock before: no scan begins any more", unguarded=True),
        ),
    ),
    Mutant(
        "null-without-si-lock-or-waits",
        "As before, and swapoff waits for nobody: inuse_pages drops before the shadows are cleared (Q33).",
        (*NO_SI_LOCK, *NO_WAITS),
        (caught("madvise", FREED, unguarded=True), caught("munmap-write-locked", FREED, unguarded=True)),
    ),
    Mutant(
        "null-without-si-lock-or-waits-inuse-last",
        "As before, with inuse_pages last as in v6.9 (64cf264c8fef).",
        (*NO_SI_LOCK, *NO_WAITS),
        (
            holds("munmap-write-locked", "inuse_pages is the last thing of the device that is touched", unguarded=True),
            holds("madvise", "inuse_pages is the last thing of the device that is touched", unguarded=True),
        ),
        replaces=FIXES["inuse-last"].replaces,
    ),
    Mutant(
        "released-too-early",
        "swapoff clears si->flags before try_to_unuse().",
        (*drop("swapoff", "yield from swapoff_release(si)"), before("swapoff", UNUSE, "yield from swapoff_release(si)")),
        (caught("one-process", "kernel WARNING"),),
    ),
)

REFERENCE = (
    Mutant(
        "reference-too-late",
        "get_swap_device() is called only after the reference to the slot is dropped, and assumed to succeed.",
        over_tail(LATE, f"if pinned:\n        {PUT}"),
        (caught("shmem-truncate", NULLED),),
    ),
    Mutant(
        "reference-late-may-fail",
        "As before, but where it fails the tail is skipped (Q8).",
        (Line("free_swap_and_cache", WINDOW, (LATE, "if not pinned:", "    return True", WINDOW)), *over_tail("pass", PUT)[1:]),
        (holds("shmem-truncate", "a reference got is awaited, and none is got after the kill"),),
    ),
    Mutant(
        "reference-late-never-fails",
        "As before, but the reference is taken without asking whether it was killed.",
        (Line("free_swap_and_cache", WINDOW, (LATE, "if not pinned:", "    return True", WINDOW)), *over_tail("pass", PUT)[1:]),
        (caught("shmem-truncate", NULLED),),
        replaces={"percpu_ref_tryget_live": percpu_ref_get},
    ),
    Mutant(
        "reference-never-fails",
        "v6.9's reference is taken without asking whether it was killed.",
        (),
        (holds("shmem-truncate", "the slot's own reference keeps inuse_pages up, so nothing was killed yet (Q34)"),),
        base="v6.9",
        replaces={"percpu_ref_tryget_live": percpu_ref_get},
    ),
    Mutant(
        "reference-put-too-early",
        "put_swap_device() comes before the tail.",
        (*drop("free_swap_and_cache", PUT), before("free_swap_and_cache", WINDOW, PUT)),
        (caught("shmem-truncate", NULLED), holds("one-process", "the page table lock's section")),
        base="v6.9",
    ),
    Mutant(
        "reference-never-put",
        "put_swap_device() is forgotten.",
        drop("free_swap_and_cache", PUT),
        (caught("shmem-truncate", "deadlock"),),
        base="v6.9",
    ),
)

UNUSE_LOOPS = (
    Mutant(
        "no-early-exit",
        "The loops of try_to_unuse() run to their end although inuse_pages reads 0.",
        NO_EARLY_EXIT,
        (holds("one-process", "it only takes longer"), holds("idle", "it only takes longer")),
    ),
    Mutant(
        "always-walks-as-argued",
        "As before, and the walk is made at least once: would swapoff then meet the page table lock, as the thread hoped?",
        (*NO_EARLY_EXIT, before("try_to_unuse", "while inuse:", "inuse = 1")),
        (caught("thread-madvise", NULLED),),  # it finds no folio for the entry, hence does not lock the page table
        base="as-argued",
    ),
    Mutant(
        "no-retry",
        "try_to_unuse() makes its three loops only once.",
        (Line("try_to_unuse", "while inuse:", ("if inuse:",)),),
        (caught("one-process", "lost page"),),
    ),
    Mutant(
        "no-loop-over-files",
        "try_to_unuse() does not walk the tmpfs files.",
        (Line("try_to_unuse", "error = yield from shmem_unuse(type)", ("error = 0",)),),
        (caught("idle-file", "livelock"),),
    ),
    Mutant(
        "no-loop-over-processes",
        "try_to_unuse() does not walk the processes.",
        (Line("try_to_unuse", "error = yield from unuse_mms(si, type)", ("error = 0",)),),
        (caught("idle", "livelock"), holds("madvise", "the process gives its page up by itself, and may always do so")),
    ),
    Mutant(
        "no-loop-over-swap-cache",
        "try_to_unuse() does not look for slots that only the swap cache refers to.",
        drop("try_to_unuse", "yield from unuse_swap_cache(si, type)"),
        (
            caught("scan", "livelock"),
            caught("shared", "livelock"),
            holds("madvise", "its trylock fails only against swapoff's second loop, which then frees the folio itself"),
        ),
    ),
    Mutant(
        "mmget-unconditional",
        "swapoff takes a reference to an mm that is exiting.",
        (
            Line("mmget_not_zero", "got = yield atomic_inc_not_zero(mm.mm_users)", ("yield atomic_add(1, mm.mm_users)",)),
            Line("mmget_not_zero", "return got", ("return True",)),
        ),
        (holds("one-process", GAP + "it never frees an mm or its page tables, and tearing it down twice is harmless"),),
    ),
    Mutant(
        "unuse-pte-without-recheck",
        "unuse_pte() does not look again at the PTE once it has the page table lock.",
        (
            Line("unuse_pte", "if pte_same_as_swp(current, swp_entry_to_pte(entry)):", ("if True:",)),
            Patch("unuse_pte", "pte_swp_exclusive(current)", "False"),
        ),
        (caught("madvise", UNDERFLOW),),
    ),
    Mutant(
        "shmem-swapin-ignores-slot",
        "shmem_swapin_folio() does not ask whether the file still has the entry.",
        (
            Line("shmem_swapin_confirm", "return still", ("return True",)),
            Line("shmem_add_to_page_cache", "if found == expected:", ("if True:",)),
        ),
        (caught("shmem-truncate", UNDERFLOW),),
        base="v6.9",
    ),
    Mutant(
        "shmem-swapin-ignores-folio",
        "shmem_swapin_folio() does not ask whether the locked folio is still that of the entry.",
        (
            Patch("shmem_swapin_confirm", "    if not swapcache:\n        return False\n", ""),
            Patch("shmem_swapin_confirm", "    if entry != swap:\n        return False\n", ""),
        ),
        (holds("shmem-truncate", "a file that still has the entry has its reference, which keeps the folio in the cache"),),
        base="v6.9",
    ),
    Mutant(
        "shmem-free-ignores-cmpxchg",
        "shmem_free_swap() drops the reference even where somebody else took the entry out of the file.",
        (Patch("shmem_free_swap", "    if old != radswap:\n        return False\n", ""),),
        (caught("shmem-truncate", UNDERFLOW),),
        base="v6.9",
    ),
)

SLOTS = (
    Mutant(
        "limbo-is-zero",
        "__swap_entry_free_locked() stores 0, not SWAP_HAS_CACHE, when nothing is left.",
        (Patch("__swap_entry_free_locked", "usage or SWAP_HAS_CACHE)", "usage)"),),
        (caught("one-process", "accounting"),),
    ),
    Mutant(
        "huge-flag-stays",
        "put_swap_folio() does not clear CLUSTER_FLAG_HUGE.",
        drop("put_swap_folio", "yield from cluster_clear_huge(ci)"),
        (
            holds(
                "thread", "free_cluster() stores the flags anew; no huge folio leaves the cache with a slot in use", processes=1
            ),
        ),
    ),
    Mutant(
        "free-swap-without-count",
        "folio_free_swap() does not ask whether a slot is still referred to.",
        (Patch("folio_free_swap", "    if swapped:\n        return False\n", ""),),
        (caught("shared", NULLED), holds("one-process", "a process that exits does not read its page back")),
    ),
    Mutant(
        "slot-freed-before-cache",
        "delete_from_swap_cache() frees the slots before it takes the folio out of the swap cache.",
        SLOTS_FIRST,
        (holds("one-process", GRACE), holds("madvise", GRACE), caught("shared", FREED)),
    ),
    Mutant(
        "slot-freed-before-cache-no-waits",
        "As before, and swapoff waits for nobody.",
        (*SLOTS_FIRST, *NO_WAITS),
        (caught("madvise", FREED), caught("munmap-write-locked", FREED)),
    ),
    Mutant(
        "inuse-drops-twice",
        "swap_range_free() takes inuse_pages down twice.",
        (Patch("swap_range_free", "pages - nr_entries", "pages - 2 * nr_entries"),),
        (caught("one-process", "accounting"),),
    ),
    Mutant(
        "inuse-drops-before-byte",
        "swap_entry_free() accounts the slot as free before its byte says so.",
        (
            *drop("swap_entry_free", "yield from swap_range_free(si, offset, 1)"),
            before("swap_entry_free", "yield write(map[offset], 0)", "yield from swap_range_free(si, offset, 1)"),
        ),
        (holds("one-process", "both happen under one hold of si->lock, which swapoff takes before it stores NULL"),),
    ),
    Mutant(
        "folio-get-unconditional",
        "filemap_get_folio() takes a reference even to a folio that has none.",
        (
            Line(
                "filemap_get_folio",
                "taken = yield atomic_inc_not_zero(found.refcount)",
                ("yield atomic_add(1, found.refcount)", "taken = True"),
            ),
        ),
        (caught("one-process", "double free"),),
    ),
    Mutant(
        "folio-not-looked-up-again",
        "filemap_get_folio() does not read the slot again once it has a reference.",
        (Patch("filemap_get_folio", "if taken and again is found:", "if taken:"),),
        tuple(
            holds(s, "folio_free_swap() asks the locked folio itself; " + GAP + "no freed folio is used again")
            for s in ("one-process", "madvise")
        ),
    ),
    Mutant(
        "folio-put-forgotten",
        "__try_to_reclaim_swap() keeps its reference to the folio.",
        drop("__try_to_reclaim_swap", "yield from folio_put(folio)"),
        (caught("one-process", "reference count"),),
    ),
    Mutant(
        "slot-cache-not-asked-again",
        "free_swap_slot() does not look again, under free_lock, whether the slot cache is enabled (Q30).",
        (Patch("free_swap_slot", "        use = yield from use_swap_slot_cache()\n        if use:\n", "        if use:\n"),),
        (caught("one-process", "livelock", slot_cache=True), holds("one-process", "there is no slot cache")),
    ),
    Mutant(
        "slot-cache-disabled-after-drain",
        "swapoff disables the slot caches after it drained them (Q30).",
        (
            *drop("disable_swap_slots_cache_lock", "yield write(swap_slot_cache_enabled, 0)"),
            after(
                "disable_swap_slots_cache_lock",
                "yield from __drain_swap_slots_cache()",
                "yield write(swap_slot_cache_enabled, 0)",
            ),
        ),
        (caught("one-process", "livelock", slot_cache=True),),
    ),
    Mutant(
        "slot-cache-not-drained",
        "swapoff does not drain the slot caches.",
        (Line("disable_swap_slots_cache_lock", "yield from __drain_swap_slots_cache()", ("pass",)),),
        (caught("one-process", "livelock", slot_cache=True),),
    ),
    Mutant(
        "slot-cache-without-free-lock",
        "free_swap_slot() does not take free_lock.",
        (
            *drop("free_swap_slot", "yield spin_lock_irq(cache.free_lock)"),
            Patch(
                "free_swap_slot",
                "            yield spin_unlock_irq(cache.free_lock)\n            return\n",
                "            return\n",
            ),
            *drop("free_swap_slot", "yield spin_unlock_irq(cache.free_lock)"),
        ),
        (
            caught("one-process", RULE, slot_cache=True),
            caught("one-process", "livelock", slot_cache=True, unguarded=True),
        ),
    ),
)

NOTHING_BROKEN = (
    Mutant(
        "v6.8",
        "Nothing is broken.",
        (),
        (
            caught("shmem-truncate", NULLED),
            holds(
                "shmem-truncate", "all of a system call is an RCU section where kernel code is not preempted", preempt="none"
            ),
            *(holds(s, GRACE) for s in ("one-process", "thread", "thread-madvise", "thread-munmap", "munmap", "shared")),
            holds("madvise", "the page table lock, and " + GRACE),
            holds("munmap-write-locked", "mmap_lock, and " + GRACE),
            holds("scan", "swapoff waits while SWP_SCANNING counts somebody"),
            holds("idle", "a page that stays is mapped again"),
            holds("idle-file", "a page that stays is put back into the file"),
        ),
    ),
    Mutant(
        "fixed",
        "The fix of CVE-2024-26960 alone, as in the kernel that was measured.",
        (),
        tuple(
            holds(s, "the device is pinned")
            for s in (
                "one-process",
                "madvise",
                "munmap-write-locked",
                "thread",
                "thread-madvise",
                "thread-munmap",
                "shmem-truncate",
            )
        ),
        replaces=FIXES["get-swap-device"].replaces,
    ),
    Mutant(
        "swapoff-after-cmpxchg",
        "Nothing is broken; swapoff is called once the entry has left the file.",
        (Patch("shmem_free_swap", "        return False\n", f"        return False\n    {ENTERED}\n"),),
        (
            caught("shmem-truncate-staged", NULLED),
            holds("uncached-file-staged", "with no folio in the cache nothing is touched after the reference (Q13)"),
        ),
    ),
)

MUTANTS = {
    m.name: m
    for m in (
        *LOCKS,
        *READERS,
        *SWAPOFF_WAITS,
        *TEARDOWN,
        *REFERENCE,
        *UNUSE_LOOPS,
        *SLOTS,
        *NOTHING_BROKEN,
    )
}


def main(wanted: list[str]) -> None:
    for mutant in MUTANTS.values():
        if wanted and mutant.name not in wanted:
            continue
        for trial in mutant.trials:
            began = time.time()
            try:
                outcome = mutant.outcome(trial)
                got, more = said(outcome), f"{outcome.states} states: {outcome.violation or trial.reason}"
            except Exception as error:
                got, more = f"{type(error).__name__}", str(error)
            mark = "  " if got == trial.expected else "! "
            print(f"{mark}{mutant.name:32} {trial!s:32} {got:22} {time.time() - began:5.1f} s {more}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
