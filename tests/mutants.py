"""Mutants: the modelled kernel with one pin, lock, wait or order broken, and what the model must say about each.

A model that lets everything pass proves nothing. Each entry names what it breaks, on which scenarios it is tried, and the
verdict: the kind of violation at the end of the shortest counterexample, or why nothing goes wrong (`holds`: another pin
protects, or nobody can tell the difference). Where a declared lock rule catches a mutant at its first step, an `unguarded`
trial takes all such rules away and asks for the consequence instead.

    python -m tests.mutants [NAME...]    tries them and prints the table
"""

from __future__ import annotations

import inspect
import linecache
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from swapmodel.explore import Budget, Outcome, explore
from swapmodel.fixes import FIXES
from swapmodel.kernel import Kernel, declared_globals, kernel_functions
from swapmodel.kernel import base as names
from swapmodel.machine import (
    NULL,
    READ_ONCE,
    WRITE_ONCE,
    Address,
    Cpu,
    Memory,
    Struct,
    Violation,
    atomic_add,
    completion_t,
    operation,
    percpu_ref_tryget_live,
    read,
    spin_lock,
    spin_lock_irq_not_rcu,
    spin_lock_not_rcu,
    spin_unlock,
    spin_unlock_irq_not_rcu,
    spin_unlock_not_rcu,
    wait_for_completion,
    word,
    write,
)
from swapmodel.mm.swapfile.swapoff import swapoff
from swapmodel.mm.swapops import SWAP_MAP_SHMEM, SWP_SCANNING, SWP_WRITEOK, xa_slot

from swapmodel.scenarios import SCENARIOS, Parameters, Scenario, Setup, Thread, _oracles, lay_anonymous, lay_device, lay_shmem
from swapmodel.versions import KERNELS

BUDGET = 400_000  # states; the largest search here has a quarter of it


# ---- scenarios of our own --------------------------------------------------------------------------------------------


def scan_swap_map(si):
    """scan_swap_map_slots(), v6.8, as far as swapoff has to wait for it: bytes are read with si->lock dropped, and only
    SWP_SCANNING says so."""
    yield spin_lock(si.lock)
    flags = yield read(si.flags)
    if flags & SWP_WRITEOK:
        yield write(si.flags, flags + SWP_SCANNING)
        yield spin_unlock(si.lock)
        map = yield READ_ONCE(si.swap_map)
        yield READ_ONCE(map[1])
        yield spin_lock(si.lock)
        flags = yield read(si.flags)
        yield write(si.flags, flags - SWP_SCANNING)
    yield spin_unlock(si.lock)


def stay_idle(owner):
    """A process, or a file, that keeps its memory."""
    return
    yield


class stage(Struct):
    """How far an experiment is: swapoff is started once the victim stands in the window."""

    entered = completion_t()


def swapoff_once_entered(type):
    """The order of the measurements: the victim enters the window first, then swapoff is called."""
    yield wait_for_completion(STAGE.entered)
    yield from swapoff(type)


STAGE: Any = None  # in Setup.constants


def lay_scan(parameters: Parameters) -> Setup:
    """A thread that looks for a free slot; one folio in the swap cache that nobody refers to."""
    memory = Memory(["scan", "swapoff"], parameters.preempt)
    memory.globals(declared_globals())
    device = lay_device(memory, parameters, [0], huge=False)
    threads = [Thread("scan", "scan_swap_map", (device.si,)), Thread("swapoff", "swapoff", (0,))]
    return Setup(memory, device.constants, threads, _oracles(device, []))


def idle_file(parameters: Parameters) -> Setup:
    """A tmpfs file with a swapped page that nobody truncates."""
    setup = lay_shmem(parameters)
    truncate, *others = setup.threads
    return setup._replace(threads=[truncate._replace(function="stay_idle"), *others])


def uncached_file(parameters: Parameters) -> Setup:
    """shmem-truncate with the page on the device alone: the swap cache has no folio for it (Q13)."""
    setup = lay_shmem(parameters)
    memory = setup.memory
    si = memory.words[memory.symbols["swap_info"][0].word]
    slot = xa_slot(memory.words[memory.symbols["swapper_spaces"][0].word][0], 1)
    memory.set(memory.words[slot.word].swapcache, 0)
    memory.set(memory.words[si.swap_map.word][1], SWAP_MAP_SHMEM)
    memory.set(slot, NULL)
    return setup


def staged(name: str) -> Scenario:
    """A scenario whose swapoff is called when the victim has entered the window: free_swap_and_cache() must say so."""
    scenario = SCENARIOS[name]

    def lay(parameters: Parameters) -> Setup:
        setup = scenario.lay(parameters)
        at = setup.memory.new(stage, "stage")
        *others, last = setup.threads
        threads = [*others, last._replace(function="swapoff_once_entered")]
        return setup._replace(threads=threads, constants={**setup.constants, "STAGE": at})

    return scenario._replace(name=f"{name}-staged", lay=lay)


OWN = (
    Scenario("scan", "a scan for a free slot, swapoff", "Reads swap_map with no lock held.", lay_scan),
    Scenario("idle", "a process that keeps its page, swapoff", "", lambda p: lay_anonymous(p, "stay_idle", huge=False)),
    Scenario("idle-file", "a tmpfs file that keeps its page, swapoff", "", idle_file),
    Scenario("uncached-file", "truncation of a tmpfs file whose page is not in the swap cache, swapoff", "", uncached_file),
    Scenario("shared", "two processes quit, one small page", "", lambda p: lay_anonymous(p, "do_exit", huge=False), 2),
    staged("one-process"),
    staged("shmem-truncate"),
)
ALL_SCENARIOS = {**SCENARIOS, **{s.name: s for s in OWN}}
OWN_FUNCTIONS = {f.__name__: f for f in (scan_swap_map, stay_idle, swapoff_once_entered)}


def without_guards(scenario: Scenario) -> Scenario:
    """The scenario without the rules that say which lock a word needs: what comes of breaking them?"""

    def lay(parameters: Parameters) -> Setup:
        setup = scenario.lay(parameters)
        for _, _, address in setup.memory.named:
            address.guard = None
        for item in (item for obj in setup.memory.objects for item in obj.at(1)._items):
            if isinstance(item, Address):
                item.guard = None
        return setup

    return scenario._replace(lay=lay)


# ---- what a mutant is ------------------------------------------------------------------------------------------------


class Patch(NamedTuple):
    """An edit of a kernel function's source: `old`, which occurs once, becomes `new`."""

    function: str
    old: str
    new: str


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
        changed = [f"{n}={v}" for n, v in self.parameters._asdict().items() if v != getattr(Parameters(), n)]
        return " ".join([self.scenario, *changed, *["unguarded"] * self.unguarded])


def caught(scenario: str, kind: str, *, unguarded: bool = False, **parameters: Any) -> Trial:
    """The model says so, with this kind of violation."""
    return Trial(scenario, kind, "", Parameters(**parameters), unguarded)


def holds(scenario: str, reason: str, *, unguarded: bool = False, **parameters: Any) -> Trial:
    """Nothing goes wrong, for this reason."""
    return Trial(scenario, "", reason, Parameters(**parameters), unguarded)


class Mutant(NamedTuple):
    """A kernel with something broken: patches of the source of `base`, and whole functions or operations put in place."""

    name: str
    why: str
    edits: tuple[Patch, ...]
    trials: tuple[Trial, ...]
    base: str = "v6.8"
    replaces: Mapping[str, Callable[..., Any]] = {}

    def kernel(self) -> Kernel:
        """The base kernel with the edits: what was compiled can be read by the lint, as if it stood in a file."""
        base = KERNELS[self.base]
        changed = {**base.replaces, **OWN_FUNCTIONS, **self.replaces}
        for function in dict.fromkeys(p.function for p in self.edits):
            original = changed.get(function) or kernel_functions()[function]
            mine = [p for p in self.edits if p.function == function]
            changed[function] = compiled(self.name, original, mine)
        return Kernel(self.name, self.why, changed)

    def outcome(self, trial: Trial) -> Outcome:
        """What the model says."""
        scenario = ALL_SCENARIOS[trial.scenario]
        if trial.unguarded:
            scenario = without_guards(scenario)
        hunt = bool(trial.kind) and trial.kind != "livelock"  # a search that is expected to end early
        system = scenario.system(self.kernel(), trial.parameters)
        outcome, _ = explore(system, Budget(max_states=BUDGET), hunt=hunt)
        return outcome


def said(outcome: Outcome) -> str:
    """In the words of a Trial: "holds", or the kind of violation."""
    return outcome.violation.kind if outcome.violation else outcome.verdict


def compiled(mutant: str, function: Callable[..., Any], patches: list[Patch]) -> Callable[..., Any]:
    """The function with its source edited. Its text stays in linecache, where inspect looks for it."""
    text = textwrap.dedent(inspect.getsource(function))
    for _, old, new in patches:
        if text.count(old) != 1:
            raise ValueError(f"{mutant}: {old!r} occurs {text.count(old)} times in {function.__name__}()")
        text = text.replace(old, new)
    file = f"mutants/{mutant}/{function.__name__}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space = {**names(), "__name__": "mutants"}
    exec(compile(text, file, "exec"), space)
    return space[function.__name__]


# ---- operations that differ from the machine's -----------------------------------------------------------------------


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


NOT_READERS = {
    "spin_lock": spin_lock_not_rcu,
    "spin_unlock": spin_unlock_not_rcu,
    "spin_lock_irq": spin_lock_irq_not_rcu,
    "spin_unlock_irq": spin_unlock_irq_not_rcu,
}
NO_OWN_GRACE_PERIOD = {"percpu_ref_kill": percpu_ref_kill_at_once}

# ---- edits that several mutants share --------------------------------------------------------------------------------

NO_KILL = Patch("swapoff_wait_for_users", "    yield percpu_ref_kill(si.users)\n", "")
NO_SYNCHRONIZE = Patch("swapoff_wait_for_users", "    yield from synchronize_rcu()\n", "")
NO_COMPLETION = Patch("swapoff_wait_for_users", "    yield wait_for_completion(si.comp)\n", "")
NO_WAITS = (
    Patch(
        "swapoff_wait_for_users",
        "    yield percpu_ref_kill(si.users)\n    yield from synchronize_rcu()\n    yield wait_for_completion(si.comp)\n",
        "    return\n    yield\n",
    ),
)
NO_SI_LOCK = (
    Patch("swapoff_unpublish", "    yield spin_lock(si.lock)\n", ""),
    Patch("swapoff_unpublish", "    yield spin_unlock(si.lock)\n", ""),
    Patch("swapoff_wait_for_scanners", "        yield spin_lock(si.lock)\n", ""),
    Patch("swapoff_wait_for_scanners", "        yield spin_unlock(si.lock)\n", ""),
)
TAIL = """\
    if count == SWAP_HAS_CACHE:
        swapped = yield from swap_page_trans_huge_swapped(si, entry)
        if not swapped:
            yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)
"""
WAITS = "    yield from swapoff_wait_for_users(si)\n"
UNUSE = "    yield from try_to_unuse(type)\n"
UNPUBLISH = "    map, clusters = yield from swapoff_unpublish(si)\n"
FREE = "    yield from swapoff_free(si, map, clusters)\n"
MAIN = "".join(
    (
        "    yield from reenable_swap_slots_cache_unlock()\n",
        WAITS,
        "    yield from destroy_swap_extents(si)\n",
        UNPUBLISH,
        FREE,
    )
)


def around_tail(before: str, after: str) -> Patch:
    return Patch("free_swap_and_cache", TAIL, f"    yield {before}\n{TAIL}    yield {after}\n")


# ---- the mutants -----------------------------------------------------------------------------------------------------

NULLED = "NULL dereference"
FREED = "use after free"
RULE = "lock misuse"
GRACE = "the section began before the reference was dropped, so swapoff's grace period waits for it"

MUTANTS = {
    m.name: m
    for m in (
        # page table lock
        Mutant(
            "ptl-dropped-over-free",
            "The page table lock is dropped while free_swap_and_cache() runs.",
            (
                Patch(
                    "zap_pte_range",
                    "freed = yield from free_swap_and_cache(entry)\n",
                    "yield from pte_unmap_unlock(mm)\n"
                    "            freed = yield from free_swap_and_cache(entry)\n"
                    "            yield from pte_offset_map_lock(mm)\n",
                ),
            ),
            (
                # the count is gone, the PTE is not, and nobody holds the lock that hides this
                caught("one-process", "lost page"),
                caught("munmap", "lost page"),
                caught("munmap-write-locked", "lost page"),
                caught("madvise", "swap_map underflow"),
            ),
        ),
        Mutant(
            "ptl-dropped-pte-cleared",
            "As before, but the PTE is cleared before the lock is dropped.",
            (
                Patch(
                    "zap_pte_range",
                    "freed = yield from free_swap_and_cache(entry)\n",
                    "yield write(mm.pte[i], NULL)\n"
                    "            yield from pte_unmap_unlock(mm)\n"
                    "            freed = yield from free_swap_and_cache(entry)\n"
                    "            yield from pte_offset_map_lock(mm)\n",
                ),
            ),
            (
                caught("one-process", NULLED),
                caught("munmap", NULLED),
                caught("madvise", NULLED),
                holds("munmap-write-locked", "?"),
            ),
        ),
        Mutant(
            "ptl-not-an-rcu-reader",
            "No grace period waits for a spinlock; pte_offset_map_lock() still begins an RCU section of its own.",
            (),
            (
                holds("one-process", "the explicit RCU section (v6.5) is enough"),
                holds("munmap", "the explicit RCU section (v6.5) is enough"),
                holds("thread-madvise", "the explicit RCU section (v6.5) is enough"),
            ),
            replaces=NOT_READERS,
        ),
        Mutant(
            "ptl-without-rcu-read-lock",
            "pte_offset_map_lock() begins no RCU section (before v6.5); the spinlock is a reader.",
            (
                Patch("pte_offset_map_lock", "    yield rcu_read_lock()\n", ""),
                Patch("pte_unmap_unlock", "    yield rcu_read_unlock()\n", ""),
            ),
            (holds("one-process", GRACE), holds("munmap", GRACE)),
        ),
        Mutant(
            "zap-clears-pte-first",
            "zap_pte_range() clears the PTE before it drops the reference.",
            (
                Patch(
                    "zap_pte_range",
                    "            freed = yield",
                    "            yield write(mm.pte[i], NULL)\n            freed = yield",
                ),
            ),
            (holds("madvise", "swapoff no longer finds the PTE, as after munmap, but " + GRACE), holds("one-process", GRACE)),
        ),
        Mutant(
            "zap-clears-pte-first-as-argued",
            "As before, where no grace period waits for page table locks: MADV_DONTNEED relied on the PTE alone.",
            (
                Patch(
                    "zap_pte_range",
                    "            freed = yield",
                    "            yield write(mm.pte[i], NULL)\n            freed = yield",
                ),
            ),
            (caught("madvise", NULLED),),
            base="as-argued",
        ),
        Mutant(
            "sleep-under-ptl",
            "The window sleeps although the page table lock is held (the experiment 'forced sleep').",
            (around_tail("schedule_timeout_uninterruptible(1)", "schedule_timeout_uninterruptible(1)"),),
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
                Patch(
                    "__try_to_reclaim_swap",
                    "    locked = yield folio_trylock(folio)\n",
                    "    yield folio_lock(folio)\n    locked = True\n",
                ),
            ),
            (caught("one-process", "sleeping while atomic"),),
        ),
        # RCU sections
        Mutant(
            "rcu-section-too-late",
            "The RCU section begins only after __swap_entry_free() has returned.",
            (around_tail("rcu_read_lock()", "rcu_read_unlock()"),),
            (caught("shmem-truncate", NULLED), holds("one-process", "the page table lock's section began in time")),
        ),
        Mutant(
            "rcu-section-too-late-as-argued",
            "As before, where no grace period waits for page table locks.",
            (around_tail("rcu_read_lock()", "rcu_read_unlock()"),),
            (caught("one-process", NULLED),),
            base="as-argued",
        ),
        Mutant(
            "rcu-section-in-shmem",
            "An RCU section around the whole of free_swap_and_cache() in shmem_free_swap(), and no reference.",
            (),
            (holds("shmem-truncate", GRACE),),
            replaces=FIXES["rcu-in-shmem"].replaces,
        ),
        Mutant(
            "rcu-section-never-ends",
            "shmem_free_swap() begins an RCU section and does not end it.",
            (
                Patch(
                    "shmem_free_swap",
                    "    yield from free_swap_and_cache(",
                    "    yield rcu_read_lock()\n    yield from free_swap_and_cache(",
                ),
            ),
            (caught("shmem-truncate", "deadlock"),),
        ),
        Mutant(
            "irqs-off-over-all",
            "A CPU has its interrupts off from before the reference is dropped until free_swap_and_cache() returns.",
            (
                Patch(
                    "shmem_free_swap",
                    "    yield from free_swap_and_cache(radix_to_swp_entry(radswap))\n",
                    "    yield local_irq_disable()\n"
                    "    yield from free_swap_and_cache(radix_to_swp_entry(radswap))\n"
                    "    yield local_irq_enable()\n",
                ),
            ),
            (holds("shmem-truncate", GRACE),),
        ),
        Mutant(
            "irqs-off-over-tail",
            "A CPU has its interrupts off from the return of __swap_entry_free() on.",
            (around_tail("local_irq_disable()", "local_irq_enable()"),),
            (caught("shmem-truncate", NULLED),),
        ),
        # what swapoff waits for
        Mutant(
            "no-waits",
            "percpu_ref_kill(), synchronize_rcu() and wait_for_completion() are all left out.",
            NO_WAITS,
            (
                caught("one-process", NULLED),
                caught("thread", NULLED),
                caught("thread-madvise", NULLED),
                caught("thread-munmap", NULLED),
                caught("munmap", NULLED),
                holds("madvise", "the PTE is still visible, so swapoff waits for the page table lock"),
                holds("munmap-write-locked", "swapoff waits for mmap_lock"),
            ),
        ),
        Mutant(
            "no-synchronize-rcu",
            "synchronize_rcu() alone is left out.",
            (NO_SYNCHRONIZE,),
            (
                holds("one-process", "percpu_ref_kill() has a grace period of its own, and wait_for_completion() awaits it"),
                holds("thread", "percpu_ref_kill() has a grace period of its own, and wait_for_completion() awaits it"),
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
            (NO_SYNCHRONIZE,),
            (caught("one-process", NULLED), caught("munmap", NULLED), holds("madvise", "the page table lock")),
            replaces=NO_OWN_GRACE_PERIOD,
        ),
        Mutant(
            "no-grace-period-v6.9",
            "As before on v6.9, which holds a reference over free_swap_and_cache().",
            (NO_SYNCHRONIZE,),
            (holds("one-process", "the reference is awaited"), holds("shmem-truncate", "the reference is awaited")),
            base="v6.9",
            replaces=NO_OWN_GRACE_PERIOD,
        ),
        Mutant(
            "no-completion",
            "The references to the device are not awaited.",
            (NO_COMPLETION,),
            (holds("one-process", "synchronize_rcu() waits for the page table lock"),),
        ),
        Mutant(
            "no-completion-v6.9",
            "As before on v6.9: the fix of the race is a reference.",
            (NO_COMPLETION,),
            (caught("shmem-truncate", NULLED), holds("one-process", "synchronize_rcu() waits for the page table lock")),
            base="v6.9",
        ),
        Mutant(
            "no-kill",
            "The reference is awaited, but never killed.",
            (NO_KILL,),
            (caught("one-process", "deadlock"),),
        ),
        Mutant(
            "sync-before-kill",
            "synchronize_rcu() comes before percpu_ref_kill().",
            (
                NO_KILL,
                Patch(
                    "swapoff_wait_for_users", "synchronize_rcu()\n", "synchronize_rcu()\n    yield percpu_ref_kill(si.users)\n"
                ),
            ),
            (
                holds("one-process", "both come after inuse_pages read 0, and that is all that matters here"),
                holds("shmem-truncate", "none that gets a reference late is left: kill waits for a grace period"),
            ),
            base="v6.9",
        ),
        Mutant(
            "waits-before-unuse",
            "All three waits come before try_to_unuse().",
            (Patch("swapoff", WAITS, ""), Patch("swapoff", UNUSE, WAITS + UNUSE)),
            (caught("one-process", NULLED), caught("shmem-truncate", NULLED), caught("idle-file", "livelock")),
        ),
        Mutant(
            "synchronize-before-unuse",
            "synchronize_rcu() comes before try_to_unuse(); kill and completion stay.",
            (NO_SYNCHRONIZE, Patch("swapoff", UNUSE, "    yield from synchronize_rcu()\n" + UNUSE)),
            (holds("one-process", "the grace period of percpu_ref_kill()"),),
        ),
        Mutant(
            "synchronize-before-unuse-only",
            "As before, and percpu_ref_kill() has no grace period (Q3).",
            (NO_SYNCHRONIZE, Patch("swapoff", UNUSE, "    yield from synchronize_rcu()\n" + UNUSE)),
            (caught("one-process", NULLED),),
            replaces=NO_OWN_GRACE_PERIOD,
        ),
        Mutant(
            "spinlock-over-synchronize",
            "swapoff holds si->lock over synchronize_rcu().",
            (
                Patch(
                    "swapoff_wait_for_users",
                    "    yield from synchronize_rcu()\n",
                    "    yield spin_lock(si.lock)\n    yield from synchronize_rcu()\n    yield spin_unlock(si.lock)\n",
                ),
            ),
            (caught("one-process", "sleeping while atomic"),),
        ),
        Mutant(
            "no-wait-for-scanners",
            "swapoff does not wait while SWP_SCANNING counts somebody.",
            (Patch("swapoff_unpublish", "    yield from swapoff_wait_for_scanners(si)\n", ""),),
            (caught("scan", NULLED), holds("one-process", "nobody scans")),
        ),
        Mutant(
            "scanners-awaited-too-late",
            "swapoff waits for SWP_SCANNING after it stored NULL (Q32).",
            (
                Patch("swapoff_unpublish", "    yield from swapoff_wait_for_scanners(si)\n", ""),
                Patch(
                    "swapoff_unpublish",
                    "    yield write(si.cluster_info, NULL)\n",
                    "    yield write(si.cluster_info, NULL)\n    yield from swapoff_wait_for_scanners(si)\n",
                ),
            ),
            (caught("scan", NULLED),),
        ),
        # NULL stores and frees
        Mutant(
            "null-before-waits",
            "The pointers become NULL before the three waits; what they pointed to is freed after them.",
            (Patch("swapoff", UNPUBLISH, ""), Patch("swapoff", WAITS, UNPUBLISH + WAITS)),
            (caught("one-process", NULLED),),
        ),
        Mutant(
            "null-before-waits-v6.9",
            "As before on v6.9: a reference keeps the memory, not the pointers.",
            (Patch("swapoff", UNPUBLISH, ""), Patch("swapoff", WAITS, UNPUBLISH + WAITS)),
            (caught("shmem-truncate", NULLED),),
            base="v6.9",
        ),
        Mutant(
            "free-before-null",
            "swap_map and the rest are freed before the pointers become NULL.",
            (
                Patch(
                    "swapoff",
                    UNPUBLISH + FREE,
                    "    map = yield READ_ONCE(si.swap_map)\n"
                    "    clusters = yield READ_ONCE(si.cluster_info)\n"
                    f"{FREE}{UNPUBLISH}",
                ),
            ),
            (
                holds("one-process", "nobody is left once the waits are over"),
                caught("scan", FREED),
            ),
        ),
        Mutant(
            "map-freed-last",
            "swap_map is freed after everything else.",
            (
                Patch("swapoff_free", "    yield vfree(map)\n", ""),
                Patch(
                    "swapoff_free", "exit_swap_address_space(type)\n", "exit_swap_address_space(type)\n    yield vfree(map)\n"
                ),
            ),
            (
                holds("one-process", "nobody is left once the waits are over: the order of the frees is free"),
                caught("shmem-truncate", NULLED),
            ),
        ),
        Mutant(
            "null-address-space-first",
            "exit_swap_address_space() stores NULL before it frees.",
            (
                Patch("exit_swap_address_space", "    yield kvfree(spaces)\n", ""),
                Patch("exit_swap_address_space", "[type], NULL)\n", "[type], NULL)\n    yield kvfree(spaces)\n"),
            ),
            (holds("one-process", "nobody is left"), holds("madvise", "nobody is left")),
        ),
        Mutant(
            "null-without-si-lock",
            "swapoff stores NULL without si->lock.",
            NO_SI_LOCK,
            (
                caught("one-process", RULE),
                holds("one-process", "si->lock is a spinlock: who frees a slot under it is awaited anyway", unguarded=True),
                holds("scan", "SWP_WRITEOK was cleared under si->lock before: no scan begins any more", unguarded=True),
            ),
        ),
        Mutant(
            "null-without-si-lock-or-waits",
            "As before, and swapoff waits for nobody: the window is that of v6.8's early inuse_pages (Q33).",
            (*NO_SI_LOCK, *NO_WAITS),
            (
                caught("madvise", FREED, unguarded=True),
                caught("munmap-write-locked", FREED, unguarded=True),
            ),
        ),
        Mutant(
            "null-without-si-lock-or-waits-inuse-last",
            "As before, with inuse_pages last as in v6.9 (64cf264c8fef).",
            (*NO_SI_LOCK, *NO_WAITS),
            (
                holds("munmap-write-locked", "inuse_pages is the last thing that who frees the slot touches", unguarded=True),
                holds("madvise", "?", unguarded=True),
            ),
            replaces=FIXES["inuse-last"].replaces,
        ),
        Mutant(
            "unlist-without-si-lock",
            "swapoff clears SWP_WRITEOK without si->lock.",
            (
                Patch("swapoff_unlist", "    yield spin_lock(si.lock)\n", ""),
                Patch("swapoff_unlist", "    yield spin_unlock(si.lock)\n", ""),
            ),
            (caught("scan", RULE), caught("scan", NULLED, unguarded=True)),
        ),
        Mutant(
            "released-too-early",
            "swapoff clears si->flags before try_to_unuse().",
            (
                Patch("swapoff", "    yield from swapoff_release(si)\n", ""),
                Patch("swapoff", UNUSE, "    yield from swapoff_release(si)\n" + UNUSE),
            ),
            (caught("one-process", "kernel WARNING"),),
        ),
        # the reference to the device
        Mutant(
            "reference-too-late",
            "get_swap_device() is called only after the reference to the slot is dropped, and assumed to succeed.",
            (
                Patch(
                    "free_swap_and_cache",
                    TAIL,
                    f"    pinned = yield from get_swap_device(entry)\n{TAIL}"
                    "    if pinned:\n        yield from put_swap_device(si)\n",
                ),
            ),
            (caught("shmem-truncate", NULLED),),
        ),
        Mutant(
            "reference-late-may-fail",
            "As before, but where it fails the tail is skipped (Q8).",
            (
                Patch(
                    "free_swap_and_cache",
                    TAIL,
                    "    pinned = yield from get_swap_device(entry)\n    if not pinned:\n        return True\n"
                    f"{TAIL}    yield from put_swap_device(si)\n",
                ),
            ),
            (holds("shmem-truncate", "a reference got is awaited, and none is got after the kill"),),
        ),
        Mutant(
            "reference-late-never-fails",
            "As before, but the reference is taken without asking whether it was killed.",
            (
                Patch(
                    "free_swap_and_cache",
                    TAIL,
                    "    pinned = yield from get_swap_device(entry)\n    if not pinned:\n        return True\n"
                    f"{TAIL}    yield from put_swap_device(si)\n",
                ),
            ),
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
            (
                Patch("free_swap_and_cache", "    yield from put_swap_device(si)\n", ""),
                Patch("free_swap_and_cache", TAIL, "    yield from put_swap_device(si)\n" + TAIL),
            ),
            (caught("shmem-truncate", NULLED), holds("one-process", "the page table lock's section")),
            base="v6.9",
        ),
        Mutant(
            "reference-never-put",
            "put_swap_device() is forgotten.",
            (Patch("free_swap_and_cache", "    yield from put_swap_device(si)\n", ""),),
            (caught("shmem-truncate", "deadlock"),),
            base="v6.9",
        ),
        # try_to_unuse()
        Mutant(
            "no-early-exit",
            "The loops of try_to_unuse() run to their end although inuse_pages reads 0.",
            (
                Patch("unuse_mms", "        if not inuse:\n            break\n", ""),
                Patch("unuse_swap_cache", "        if not inuse:\n            return\n", ""),
            ),
            (holds("one-process", "it only takes longer"), holds("idle", "it only takes longer")),
        ),
        Mutant(
            "always-walks-as-argued",
            "As before, and the walk is made at least once: would swapoff then meet the page table lock, as the thread hoped?",
            (
                Patch("try_to_unuse", "    while inuse:\n", "    inuse = 1\n    while inuse:\n"),
                Patch("unuse_mms", "        if not inuse:\n            break\n", ""),
                Patch("unuse_swap_cache", "        if not inuse:\n            return\n", ""),
            ),
            (caught("thread-madvise", NULLED),),
            base="as-argued",
        ),
        Mutant(
            "no-loop-over-processes",
            "try_to_unuse() does not walk the processes.",
            (Patch("try_to_unuse", "        yield from unuse_mms(si, type)\n", ""),),
            (caught("idle", "livelock"), holds("madvise", "the process gives its page up by itself, and may always do so")),
        ),
        Mutant(
            "no-loop-over-swap-cache",
            "try_to_unuse() does not look for slots that only the swap cache refers to.",
            (Patch("try_to_unuse", "        yield from unuse_swap_cache(si, type)\n", ""),),
            (
                caught("scan", "livelock"),
                holds("one-process", "who drops the last reference frees the folio"),
                holds("madvise", "its trylock fails only against swapoff's second loop, which then frees the folio itself"),
            ),
        ),
        Mutant(
            "no-retry",
            "try_to_unuse() makes its three loops only once.",
            (Patch("try_to_unuse", "    while inuse:\n", "    if inuse:\n"),),
            (caught("one-process", "lost page"), caught("shmem-truncate", "?")),
        ),
        Mutant(
            "no-loop-over-files",
            "try_to_unuse() does not walk the tmpfs files.",
            (Patch("try_to_unuse", "        yield from shmem_unuse(type)\n", ""),),
            (caught("idle-file", "livelock"),),
        ),
        Mutant(
            "mmget-unconditional",
            "swapoff takes a reference to an mm that is exiting.",
            (
                Patch(
                    "mmget_not_zero",
                    "    got = yield atomic_inc_not_zero(mm.mm_users)\n    return got\n",
                    "    yield atomic_add(1, mm.mm_users)\n    return True\n",
                ),
            ),
            (
                holds(
                    "one-process",
                    "a gap of the model: it never frees an mm or its page tables, and tearing it down twice is harmless",
                ),
            ),
        ),
        Mutant(
            "unuse-without-mmap-lock",
            "unuse_mm() does not take mmap_lock.",
            (
                Patch("unuse_mm", "    yield down_read(mm.mmap_lock)\n", ""),
                Patch("unuse_mm", "    yield up_read(mm.mmap_lock)\n", ""),
            ),
            (holds("munmap-write-locked", GRACE), holds("madvise", "the page table lock")),
        ),
        Mutant(
            "unuse-without-mmap-lock-or-waits",
            "As before, and swapoff waits for nobody.",
            (
                Patch("unuse_mm", "    yield down_read(mm.mmap_lock)\n", ""),
                Patch("unuse_mm", "    yield up_read(mm.mmap_lock)\n", ""),
                *NO_WAITS,
            ),
            (caught("munmap-write-locked", NULLED),),
        ),
        Mutant(
            "unuse-pte-without-lock",
            "unuse_pte() does not take the page table lock.",
            (
                Patch("unuse_pte", "    yield from pte_offset_map_lock(mm)\n", ""),
                Patch("unuse_pte", "    yield from pte_unmap_unlock(mm)\n", ""),
            ),
            (caught("madvise", RULE), caught("madvise", "swap_map underflow", unguarded=True)),
        ),
        Mutant(
            "unuse-pte-without-recheck",
            "unuse_pte() does not look again at the PTE once it has the page table lock.",
            (Patch("unuse_pte", "    if current == swp_entry_to_pte(entry):\n", "        if True:\n"),),
            (caught("madvise", "swap_map underflow"),),
        ),
        # the swap_map byte and the accounting
        Mutant(
            "limbo-is-zero",
            "__swap_entry_free_locked() stores 0, not SWAP_HAS_CACHE, when nothing is left.",
            (Patch("__swap_entry_free_locked", "usage or SWAP_HAS_CACHE)", "usage)"),),
            (caught("one-process", "accounting"),),
        ),
        Mutant(
            "byte-without-cluster-lock",
            "__swap_entry_free() drops a reference without the cluster's lock.",
            (
                Patch("__swap_entry_free", "    ci = yield from lock_cluster_or_swap_info(si, swp_offset(entry))\n", ""),
                Patch("__swap_entry_free", "    yield from unlock_cluster_or_swap_info(si, ci)\n", ""),
            ),
            (
                caught("one-process", RULE),
                caught("shared", "livelock", unguarded=True),
                holds("one-process", "one reference: nobody else stores the byte before it is dropped", unguarded=True),
            ),
        ),
        Mutant(
            "free-without-cluster-lock",
            "swap_entry_free() stores the byte without the cluster's lock.",
            (
                Patch("swap_entry_free", "    ci = yield from lock_cluster(si, offset)\n", ""),
                Patch("swap_entry_free", "    yield from unlock_cluster(ci)\n", ""),
            ),
            (
                caught("one-process", RULE),
                holds(
                    "one-process",
                    "nobody else stores the byte of a slot in limbo, and 0x40 or 0 are alike to who reads it",
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
            "huge-flag-stays",
            "put_swap_folio() does not clear CLUSTER_FLAG_HUGE.",
            (Patch("put_swap_folio", "        yield from cluster_clear_huge(ci)\n", ""),),
            (holds("thread", "free_cluster() stores the flags anew, and no folio leaves the cache with slots in use"),),
        ),
        Mutant(
            "swapped-without-lock",
            "swap_page_trans_huge_swapped() looks at the cluster without its lock.",
            (
                Patch(
                    "swap_page_trans_huge_swapped",
                    "    ci = yield from lock_cluster_or_swap_info(si, offset)\n",
                    "    array = yield READ_ONCE(si.cluster_info)\n    ci = array[offset // SWAPFILE_CLUSTER]\n",
                ),
                Patch("swap_page_trans_huge_swapped", "    yield from unlock_cluster_or_swap_info(si, ci)\n", ""),
            ),
            (
                caught("one-process", RULE),
                holds("thread", "counts only fall: who drops the last reference looks after that", unguarded=True),
            ),
        ),
        Mutant(
            "reclaim-without-folio-lock",
            "__try_to_reclaim_swap() does not lock the folio.",
            (
                Patch("__try_to_reclaim_swap", "    locked = yield folio_trylock(folio)\n", "    locked = True\n"),
                Patch("__try_to_reclaim_swap", "        yield folio_unlock(folio)\n", ""),
                Patch(  # the kernel's VM_BUG_ON_FOLIO(!folio_test_swapcache(folio), folio)
                    "__delete_from_swap_cache",
                    "    nr_pages = yield READ_ONCE(folio.nr_pages)\n",
                    "    swapcache = yield READ_ONCE(folio.swapcache)\n"
                    "    if not swapcache:\n        yield BUG('the folio is not in the swap cache')\n"
                    "    nr_pages = yield READ_ONCE(folio.nr_pages)\n",
                ),
            ),
            (caught("one-process", RULE), caught("one-process", "kernel BUG", unguarded=True)),
        ),
        Mutant(
            "folio-never-unlocked",
            "__try_to_reclaim_swap() leaves the folio locked.",
            (Patch("__try_to_reclaim_swap", "        yield folio_unlock(folio)\n", ""),),
            (caught("one-process", "deadlock"),),
        ),
        Mutant(
            "free-swap-without-count",
            "folio_free_swap() does not ask whether a slot is still referred to.",
            (Patch("folio_free_swap", "    if swapped:\n        return False\n", ""),),
            (caught("shared", "kernel BUG"), holds("one-process", "a process that exits does not read its page back")),
        ),
        Mutant(
            "slot-freed-before-cache",
            "delete_from_swap_cache() frees the slots before it takes the folio out of the swap cache.",
            (
                Patch("delete_from_swap_cache", "    yield from put_swap_folio(folio, entry)\n", ""),
                Patch(
                    "delete_from_swap_cache",
                    "    yield spin_lock_irq(mapping.xa_lock)\n",
                    "    yield from put_swap_folio(folio, entry)\n    yield spin_lock_irq(mapping.xa_lock)\n",
                ),
            ),
            (holds("one-process", GRACE), holds("madvise", GRACE)),
        ),
        Mutant(
            "slot-freed-before-cache-no-waits",
            "As before, and swapoff waits for nobody: MADV_DONTNEED relied on the page table lock.",
            (
                Patch("delete_from_swap_cache", "    yield from put_swap_folio(folio, entry)\n", ""),
                Patch(
                    "delete_from_swap_cache",
                    "    yield spin_lock_irq(mapping.xa_lock)\n",
                    "    yield from put_swap_folio(folio, entry)\n    yield spin_lock_irq(mapping.xa_lock)\n",
                ),
                *NO_WAITS,
            ),
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
                Patch("swap_entry_free", "    yield from swap_range_free(si, offset, 1)\n", ""),
                Patch(
                    "swap_entry_free",
                    "    yield write(map[offset], 0)\n",
                    "    yield from swap_range_free(si, offset, 1)\n    yield write(map[offset], 0)\n",
                ),
            ),
            (holds("one-process", "both happen under one hold of si->lock, which is an RCU section too"),),
        ),
        # the swap cache
        Mutant(
            "folio-get-unconditional",
            "filemap_get_folio() takes a reference even to a folio that has none.",
            (
                Patch(
                    "filemap_get_folio",
                    "        taken = yield atomic_inc_not_zero(found.refcount)\n",
                    "        yield atomic_add(1, found.refcount)\n        taken = True\n",
                ),
            ),
            (caught("one-process", "double free"),),
        ),
        Mutant(
            "folio-not-looked-up-again",
            "filemap_get_folio() does not read the slot again once it has a reference.",
            (Patch("filemap_get_folio", "if taken and again is found:", "if taken:"),),
            (
                holds("one-process", "folio_free_swap() asks the locked folio itself; and the model has no second folio"),
                holds("madvise", "folio_free_swap() asks the locked folio itself; and the model has no second folio"),
            ),
        ),
        Mutant(
            "folio-put-forgotten",
            "__try_to_reclaim_swap() keeps its reference to the folio.",
            (Patch("__try_to_reclaim_swap", "    yield from folio_put(folio)\n", ""),),
            (holds("one-process", "a gap of the model: nobody looks for memory that leaks"),),
        ),
        # the slot cache
        Mutant(
            "slot-cache-not-asked-again",
            "free_swap_slot() does not look again, under free_lock, whether the slot cache is enabled (Q30).",
            (
                Patch(
                    "free_swap_slot",
                    "        use = yield from use_swap_slot_cache()\n        if use:\n",
                    "        if use:\n",
                ),
            ),
            (caught("one-process", "livelock", slot_cache=True), holds("one-process", "there is no slot cache")),
        ),
        Mutant(
            "slot-cache-disabled-after-drain",
            "swapoff disables the slot caches after it drained them (Q30).",
            (
                Patch("disable_swap_slots_cache_lock", "    yield write(swap_slot_cache_enabled, 0)\n", ""),
                Patch(
                    "disable_swap_slots_cache_lock",
                    "__drain_swap_slots_cache()\n",
                    "__drain_swap_slots_cache()\n    yield write(swap_slot_cache_enabled, 0)\n",
                ),
            ),
            (caught("one-process", "livelock", slot_cache=True),),
        ),
        Mutant(
            "slot-cache-not-drained",
            "swapoff does not drain the slot caches.",
            (Patch("disable_swap_slots_cache_lock", "        yield from __drain_swap_slots_cache()\n", "        pass\n"),),
            (caught("one-process", "livelock", slot_cache=True),),
        ),
        Mutant(
            "slot-cache-without-free-lock",
            "free_swap_slot() does not take free_lock.",
            (
                Patch("free_swap_slot", "        yield spin_lock_irq(cache.free_lock)\n", ""),
                Patch(
                    "free_swap_slot",
                    "            yield spin_unlock_irq(cache.free_lock)\n            return\n        yield spin_unlock_irq(cache.free_lock)\n",
                    "            return\n",
                ),
            ),
            (caught("one-process", RULE, slot_cache=True), caught("one-process", "livelock", slot_cache=True, unguarded=True)),
        ),
        # shmem
        Mutant(
            "shmem-swapin-ignores-slot",
            "shmem_swapin_folio() does not ask whether the file still has the entry.",
            (
                Patch(
                    "shmem_swapin_confirm",
                    "    if found == swp_to_radix_entry(swap):\n        return True\n",
                    "        return True\n",
                ),
            ),
            (caught("shmem-truncate", "swap_map underflow"),),
            base="v6.9",
        ),
        Mutant(
            "shmem-swapin-ignores-folio",
            "shmem_swapin_folio() does not ask whether the locked folio is still that of the entry.",
            (
                Patch("shmem_swapin_confirm", "    if not swapcache:\n        return False\n", ""),
                Patch("shmem_swapin_confirm", "    if entry != swap:\n        return False\n", ""),
            ),
            (
                holds(
                    "shmem-truncate",
                    "a file that still has the entry still has its reference, which keeps the folio in the cache",
                ),
            ),
            base="v6.9",
        ),
        Mutant(
            "shmem-free-ignores-cmpxchg",
            "shmem_free_swap() drops the reference even where somebody else took the entry out of the file.",
            (Patch("shmem_free_swap", "    if old != radswap:\n        return False\n", ""),),
            (caught("shmem-truncate", "swap_map underflow"),),
            base="v6.9",
        ),
        # locks
        Mutant(
            "abba",
            "swap_page_trans_huge_swapped() takes si->lock inside the cluster's lock; everybody else takes them the other way.",
            (
                Patch("swap_page_trans_huge_swapped", "    huge = yield", "    yield spin_lock(si.lock)\n    huge = yield"),
                Patch(
                    "swap_page_trans_huge_swapped",
                    "    yield from unlock",
                    "    yield spin_unlock(si.lock)\n    yield from unlock",
                ),
            ),
            (caught("one-process", "deadlock"),),
        ),
        Mutant(
            "cluster-lock-kept",
            "__swap_entry_free() frees the slot before it unlocks the cluster.",
            (
                Patch("__swap_entry_free", "    yield from unlock_cluster_or_swap_info(si, ci)\n", ""),
                Patch(
                    "__swap_entry_free",
                    "    return usage\n",
                    "    yield from unlock_cluster_or_swap_info(si, ci)\n    return usage\n",
                ),
            ),
            (
                caught("uncached-file", RULE),
                holds("one-process", "with a folio in the cache, what is left is never 0: the slot is not freed here"),
            ),
        ),
        Mutant(
            "mmap-read-lock-kept",
            "madvise_dontneed() does not unlock mmap_lock.",
            (Patch("madvise_dontneed", "    yield up_read(mm.mmap_lock)\n", ""),),
            (
                holds(
                    "madvise",
                    "a gap of the model: a lock held at exit is seen only if somebody waits for it, and readers do not",
                ),
            ),
        ),
        Mutant(
            "mmap-write-lock-kept",
            "munmap_write_locked() does not unlock mmap_lock.",
            (Patch("munmap_write_locked", "    yield up_write(mm.mmap_lock)\n", ""),),
            (caught("munmap-write-locked", "deadlock"),),
        ),
        Mutant(
            "si-lock-kept",
            "swapoff_unlist() does not unlock si->lock.",
            (Patch("swapoff_unlist", "    yield spin_unlock(si.lock)\n", ""),),
            (caught("one-process", "sleeping while atomic"),),
        ),
        Mutant(
            "swap-lock-kept",
            "swapoff keeps swap_lock for ever, at its very end.",
            (Patch("swapoff_release", "    yield spin_unlock(swap_lock)\n", ""),),
            (holds("one-process", "a gap of the model: a lock held at exit is seen only if somebody waits for it"),),
        ),
        # nothing broken
        Mutant(
            "unchanged",
            "Nothing is broken: v6.8.",
            (),
            (
                caught("shmem-truncate", NULLED),
                holds(
                    "shmem-truncate", "in a kernel that is not preempted all of a system call is an RCU section", preempt="none"
                ),
                caught("shmem-truncate", NULLED, device="hdd"),
                holds("one-process", GRACE),
                holds("one-process", GRACE, device="hdd"),
                holds("scan", "swapoff waits while SWP_SCANNING counts somebody"),
                holds("idle", "a page that stays is mapped again"),
                holds("idle-file", "a page that stays is put back into the file"),
                holds("shared", GRACE),
                holds("uncached-file", "with no folio in the cache nothing is touched after the reference (Q13)"),
            ),
        ),
        Mutant(
            "unchanged-as-argued",
            "Nothing is broken but the page table lock.",
            (),
            (
                caught("one-process", NULLED),
                caught("one-process", NULLED, device="hdd"),
                holds("one-process", "a kernel that is not preempted", preempt="none"),
            ),
            base="as-argued",
        ),
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
            print(f"{mark}{mutant.name:32} {str(trial):32} {got:22} {time.time() - began:5.1f} s {more}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
