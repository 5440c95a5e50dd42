"""Set 06: fixes. Write one, with what the question allows; the explorer looks for an interleaving that it leaves open."""

from __future__ import annotations

from random import Random
from typing import Any

from swapmodel import Verdict
from swapmodel.kernel import names_in
from swapmodel.lockorder import lock_edges

from . import answers
from .exercise import Exercise, Question
from .judging import Case, refuted, to_show
from .result import NoAnswer, Result, right, wrong

SOURCE = """\
def free_swap_and_cache(entry):
    if non_swap_entry(entry):
        return True
    si = yield from _swap_info_get(entry)
    if not si:
        return False
    count = yield from __swap_entry_free(si, entry)
    if count == SWAP_HAS_CACHE:
        swapped = yield from swap_page_trans_huge_swapped(si, entry)
        if not swapped:
            yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)
    return True
"""
SHMEM = """\
def shmem_free_swap(mapping, index, radswap):
    old = yield from xa_cmpxchg_irq(mapping, index, radswap, NULL)
    if old != radswap:
        return False
    yield from free_swap_and_cache(radix_to_swp_entry(radswap))
    return True
"""
PIN_NAMES = {"get_swap_device", "put_swap_device", "percpu_ref_tryget_live", "percpu_ref_put", "users"}
RCU_NAMES = {"rcu_read_lock", "rcu_read_unlock", "local_irq_disable", "local_irq_enable"}


def demand_without(fix: dict[str, Any], names: set[str], why: str) -> None:
    """NoAnswer if a fix uses one of these names."""
    used = sorted(set().union(*(names_in(f.__code__) for f in fix.values())) & names)
    if used:
        raise NoAnswer(f"It uses {used[0]}.", why)


def race_hint(verdict: Verdict) -> str:
    """Where the columns show what is missing."""
    violation = verdict.outcome.violation
    kind = violation.kind if violation else ""
    if kind in ("NULL dereference", "use after free"):
        return "In the columns, find where swap_map[1] changes to 0x40: what keeps the device from there to the last line?"
    if kind == "reference count underflow":
        return "A pin was put that was never got: what does get_swap_device() return when swapoff was faster?"
    if kind in ("accounting", "lost page", "swap_map underflow", "leak"):
        return (
            "The race is not the matter: at the end the books do not balance. Does your function still do all of the old work?"
        )
    return "Read the last line of the columns, then go up in the same column to where your function did something about it."


# ---- ex06a: pin the device ---------------------------------------------------------------------------------------------

KERNELS = ("v6.8", "v6.7", "mthp-v3")


def vary_a(seed: int, random: Random) -> dict[str, Any]:
    kernel = KERNELS[seed % len(KERNELS)]
    cases = (
        Case("shmem-truncate", kernel),
        Case("shmem-truncate", kernel, "none"),
        Case("one-process", kernel, slot_cache=True),
    )
    listed = "\n".join(f"  {case}" for case in cases)
    given = SOURCE.replace("swapped(si, entry)", "swapped(si, entry, 1)") if kernel == "mthp-v3" else SOURCE
    text = (
        f"Write free_swap_and_cache() with the device pinned: get_swap_device(entry) gives the device or NULL,\n"
        f"put_swap_device(si) gives the pin back. It must hold in:\n\n{listed}\n\nThis is what {kernel} has:\n\n{given}"
    )
    return {"text": text, "kernel": kernel, "cases": cases, "source": given}


def judge_a(question: Question, answer: Any) -> Result:
    fix = answers.fix_of(answer, "free_swap_and_cache")
    bad = refuted(fix, question.cases, race_hint, question.kernel)
    if bad is not None:
        return bad
    if not names_in(fix["free_swap_and_cache"].__code__) & {"get_swap_device"}:
        return wrong("It holds, but without get_swap_device().", "This exercise is about the pin; the others come next.")
    return right("Every interleaving of all three was searched. That is 82b1c07a0af6, without its WARN.")


# ---- ex06b: RCU alone --------------------------------------------------------------------------------------------------

TOOLS = (
    ("shmem_free_swap", "rcu_read_lock() and rcu_read_unlock()", SHMEM),
    ("free_swap_and_cache", "rcu_read_lock() and rcu_read_unlock()", SOURCE),
    ("shmem_free_swap", "local_irq_disable() and local_irq_enable()", SHMEM),
)
LOCK_NAMES = {"spin_lock", "spin_lock_irq", "lock_cluster", "lock_cluster_or_swap_info", "mutex_lock"}


def vary_b(seed: int, random: Random) -> dict[str, Any]:
    name, tool, source = TOOLS[seed % len(TOOLS)]
    cases = (Case("shmem-truncate"), Case("shmem-truncate", slot_cache=True), Case("one-process"))
    text = (
        f"Close the race of shmem-truncate with {tool} alone, in {name}(): no pin, no lock of your own.\n"
        f"These are operations: `yield {tool.split('(')[0]}()`.\n\n{source}"
    )
    return {"text": text, "function": name, "tool": tool, "cases": cases, "source": source}


def judge_b(question: Question, answer: Any) -> Result:
    fix = answers.fix_of(answer, question.function)
    why = f"Only {question.tool} may be used here: a grace period waits for what they mark."
    demand_without(fix, PIN_NAMES | LOCK_NAMES, why)
    bad = refuted(fix, question.cases, rcu_hint)
    if bad is not None:
        return bad
    return right("The section begins while the entry is counted, so swapoff's grace period begins later and waits for it.")


def rcu_hint(verdict: Verdict) -> str:
    assert verdict.recorder is not None
    names = [s.operation.name for s in verdict.recorder.steps if s.thread == 0]
    begun = next((i for i, name in enumerate(names) if name in ("rcu_read_lock", "local_irq_disable")), None)
    if begun is None:
        return "No section was begun on this path at all."
    ended = any(name in ("rcu_read_unlock", "local_irq_enable") for name in names[begun:])
    if ended:
        return "The section was over before the last look: everything from the drop to the end belongs inside."
    return "The section began too late: what must still be counted when it begins, so that swapoff's grace period comes after?"


# ---- ex06c: mend somebody's fix ----------------------------------------------------------------------------------------

GET = "    si = yield from get_swap_device(entry)\n    if not si:\n        return False\n"
PUT = "    yield from put_swap_device(si)\n"
ASK = "    si = yield from _swap_info_get(entry)\n    if not si:\n        return False\n"
TAIL = "    if count == SWAP_HAS_CACHE:\n"
END = "    return True\n"


COUNT = "    count = yield from __swap_entry_free(si, entry)\n"
BODY = SOURCE.removesuffix(END)
PIN_LATE = TAIL + "        yield from get_swap_device(entry)\n"
PUT_LATE = TAIL + "    " + PUT

BROKEN = (
    ("pins the device after the drop", BODY.replace(TAIL, PIN_LATE) + PUT_LATE + END),
    (
        "takes swapon_mutex, which swapoff holds when it takes the pointers away",
        BODY.replace(ASK, ASK + "    yield mutex_lock(swapon_mutex)\n") + "    yield mutex_unlock(swapon_mutex)\n" + END,
    ),
    ("pins the device while the reference is dropped", SOURCE.replace(ASK, GET).replace(COUNT, COUNT + PUT)),
    (
        "takes si->lock around everything",
        BODY.replace(ASK, ASK + "    yield spin_lock(si.lock)\n") + "    yield spin_unlock(si.lock)\n" + END,
    ),
)
EVERYWHERE = (
    Case("shmem-truncate"),
    Case("madvise"),
    Case("one-process", "as-argued"),
    Case("munmap", "as-argued"),
    Case("shmem-truncate", preempt="none"),
    Case("madvise", "as-argued", "none"),
)


def vary_c(seed: int, random: Random) -> dict[str, Any]:
    what, source = BROKEN[seed % len(BROKEN)]
    listed = "\n".join(f"  {case}" for case in EVERYWHERE)
    text = (
        f"A patch {what}:\n\n{source}\nFind an interleaving that it leaves open (swapmodel.check(..., fix=...)), then\n"
        "mend it. Yours must hold everywhere, even where no grace period waits for a page table lock (as-argued):\n\n" + listed
    )
    return {"text": text, "source": source}


def judge_c(question: Question, answer: Any) -> Result:
    fix = answers.fix_of(answer, "free_swap_and_cache")
    bad = refuted(fix, EVERYWHERE, everywhere_hint)
    if bad is not None:
        return bad
    return right(f"It survives every interleaving of {len(EVERYWHERE)} cases, preemption on and off.")


def everywhere_hint(verdict: Verdict) -> str:
    if verdict.kernel.name == "as-argued":
        return "Here the page table lock keeps nobody waiting: your function must protect itself for every caller."
    return race_hint(verdict)


# ---- ex06d: with si->lock ----------------------------------------------------------------------------------------------

PARTS = """\
lock_cluster(si, offset), unlock_cluster(ci)             the cluster's lock; it nests inside si->lock
__swap_entry_free_locked(si, offset, 1)                  drops the reference; the caller holds the cluster's lock
swap_entry_free(si, entry)                               frees a slot without references; the caller holds si->lock alone
swap_address_space(entry), filemap_get_folio(mapping, offset)   the folio in the swap cache, or NULL; takes a reference
folio_trylock(folio), folio_unlock(folio)                operations; the folio lock protects SWAP_HAS_CACHE
folio_free_swap(folio)                                   takes the folio out of the cache; takes si->lock itself
folio_put(folio)                                         gives the reference back
"""


def vary_d(seed: int, random: Random) -> dict[str, Any]:
    cache = bool(seed % 2)
    device = (Case("shmem-truncate", slot_cache=cache), Case("one-process", "as-argued", slot_cache=cache), Case("madvise"))
    listed = "\n".join(f"  {case}" for case in device)
    text = (
        "Before 4.11 si->lock was held over both halves of free_swap_and_cache(), from the drop until the folio was locked.\n"
        f"Write it so: no pin, no RCU section.\n\n{PARTS}\n{SOURCE}\nIt must hold in:\n\n{listed}"
    )
    return {"text": text, "cases": device, "source": SOURCE}


def judge_d(question: Question, answer: Any) -> Result:
    fix = answers.fix_of(answer, "free_swap_and_cache")
    why = "swapoff itself takes si->lock before it stores NULL: let that keep it away."
    demand_without(fix, PIN_NAMES | RCU_NAMES, why)
    bad = refuted(fix, question.cases, si_hint)
    if bad is not None:
        return bad
    return right("It holds: inuse_pages drops only under si->lock, then the folio lock keeps the slot. But what does it cost?")


def si_hint(verdict: Verdict) -> str:
    assert verdict.recorder is not None
    if not any(s.thread == 0 and str(s.operation) == "spin_lock(si.lock)" for s in verdict.recorder.steps):
        return "si->lock was not taken on this path before the reference was dropped."
    return "si->lock was let go while neither the count nor a locked folio kept the slot: what must be in hand by then?"


# ---- ex06e: lock order -------------------------------------------------------------------------------------------------

CHAINS = (
    ("swap_slots_cache_enable_mutex", "mm.mmap_lock", "folio.locked", "mm.page_table_lock", "si.lock", "cluster_info.lock"),
    ("swapon_mutex", "swap_lock", "si.lock", "cluster_info.lock"),
    ("mm.mmap_lock", "folio.locked", "mm.page_table_lock", "si.lock", "swap_avail_lock"),
)


def vary_e(seed: int, random: Random) -> dict[str, Any]:
    chain = list(CHAINS[seed % len(CHAINS)])
    shuffled = list(chain)
    while shuffled == chain:
        random.shuffle(shuffled)
    listed = "\n".join(f"  {name}" for name in shuffled)
    return {
        "text": f"In which order are these locks taken, outermost first? (swapoff while a process quits)\n\n{listed}",
        "locks": shuffled,
    }


def edges_e() -> dict[Any, Any]:
    recorder = to_show(Case("one-process")).recorder
    assert recorder is not None
    return lock_edges(recorder.system)


def judge_e(question: Question, answer: Any) -> Result:
    given, edges = answers.permutation(answer, question.locks), edges_e()
    for i, outer in enumerate(given):
        for inner in given[i + 1 :]:
            if (inner, outer) in edges:
                return wrong(f"{outer} is not outside {inner}.", lock_hint(outer, inner))
    return right("No edge that the explorer saw goes the other way: lockdep would be content.")


SLEEPING = {"swap_slots_cache_enable_mutex", "mm.mmap_lock", "folio.locked", "swapon_mutex"}


def lock_hint(outer: str, inner: str) -> str:
    if outer not in SLEEPING and inner in SLEEPING:
        return "One of the two is a spinlock, the other may sleep: nobody sleeps under a spinlock."
    if {outer, inner} & {"swap_slots_cache_enable_mutex", "swapon_mutex"}:
        return "One of the two is held by swapoff over a whole phase, the other for a moment inside it."
    if {outer, inner} == {"mm.mmap_lock", "folio.locked"}:
        return "A walk over an address space locks many folios, one after the other, under one lock of the mm."
    return "Which is a lock of the whole device or table, and which of a part of it? See who calls whom in swap_entry_free()."


EXERCISES = (
    Exercise("ex06a", "Pin the device", "a function free_swap_and_cache(entry)", vary_a, judge_a),
    Exercise("ex06b", "Without a pin", "a function of the name asked for", vary_b, judge_b),
    Exercise("ex06c", "Mend somebody's fix", "a function free_swap_and_cache(entry)", vary_c, judge_c),
    Exercise("ex06d", "With si->lock", "a function free_swap_and_cache(entry)", vary_d, judge_d),
    Exercise("ex06e", "Lock order", "a list of all the locks, outermost first", vary_e, judge_e),
)
