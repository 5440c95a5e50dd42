"""Set 08: the bug family. Patterns, the kernel that closed a hole, a planted bug, and an old bug to be mended."""

from __future__ import annotations

import functools
import inspect
import textwrap
from random import Random
from typing import Any, NamedTuple

import swapmodel
from swapmodel import KERNELS, Budget, Kernel, Verdict
from swapmodel.edits import Edit, Replace, after, drop, edited
from swapmodel.versions import v6_7

from . import answers
from .exercise import Exercise, Question
from .judging import STATES, Case, explored, first_violated
from .result import Result, right, wrong

# ---- ex08a: patterns ---------------------------------------------------------------------------------------------------

PATTERNS = {
    "pin": "a lifetime pin is dropped before the last use",
    "reuse": "a slot or struct is used again meanwhile, and looks the same",
    "half": "others see a state that is only half made",
    "lock": "the lock covers the wrong thing",
    "progress": "somebody waits for one who can't go on",
    "counter": "a counter drifts on an error path",
}
BUGS = (
    ("eb085574a752", "pin", "Readahead has an entry from an unlocked PTE and indexes swap_map, which swapoff has taken away."),
    ("2799e77529c2", "pin", "A fault past the swap cache reads from a device whose file swapoff has set to NULL."),
    ("1c2a936edd71", "pin", "A fault pins device B; its readahead meets an entry of device A, which nobody has pinned."),
    (
        "13ddaf26be32",
        "reuse",
        "Two faults read one slot; the slower finds the same PTE, though slot and data are others by then.",
    ),
    (
        "68bdc8d64742",
        "reuse",
        "swapoff finds a folio again after a lock was dropped: it is cached, but for another device by now.",
    ),
    ("04fc7816089c", "reuse", "A writer of old data holds an offset that was freed and given to another page meanwhile."),
    ("058313515d5a", "half", "One page of a large entry is put in the place of the whole, and its siblings are lost."),
    (
        "2628bd6fc052",
        "lock",
        "Two clusters share a page of the map; each walks the list behind it under its own cluster's lock.",
    ),
    (
        "029c4628b2eb",
        "progress",
        "A task of high priority retries on the CPU of the one that has SWAP_HAS_CACHE and never runs.",
    ),
    ("af53d3e9e040", "pin", "swapoff has a reference to an inode, but unmount does not care and evicts it."),
    ("fix to 0ff67f990bd4", "counter", "Allocation fails late, and what was never subtracted is added to nr_swap_pages."),
)


def vary_a(seed: int, random: Random) -> dict[str, Any]:
    order = [0, 3, 6, 7, 8, 10] if seed == 0 else random.sample(range(len(BUGS)), 6)
    bugs = dict(zip("ABCDEF", (BUGS[i] for i in order), strict=True))
    listed = "\n".join(f"  {letter}  {bug[2]} ({bug[0]})" for letter, bug in bugs.items())
    patterns = "\n".join(f"  {name:9} {text}" for name, text in PATTERNS.items())
    return {"text": f"Which pattern is each of these?\n\n{patterns}\n\n{listed}", "bugs": bugs}


def judge_a(question: Question, answer: Any) -> Result:
    given = answers.table(answer, question.bugs)
    for letter, word in given.items():
        answers.choice(word, PATTERNS, f"Bug {letter}")
    for letter, (_, pattern, _) in question.bugs.items():
        if given[letter] != pattern:
            return wrong(f"Bug {letter} is not best told as {given[letter]}.", PATTERN_HINTS[given[letter]])
    return right("All six. The pattern tells which question to ask first of the next patch.")


PATTERN_HINTS = {
    "pin": "Then the object would be gone when it is touched. Is it gone here, or there and another's, or there and wrong?",
    "reuse": "Then a check would succeed although what it looks at is new. What is compared here, if anything is?",
    "half": "Then one would look between two stores of another. Is that what does the harm?",
    "lock": "Then both would hold a lock, each its own, and touch the same thing. Do they?",
    "progress": "Then nothing would be damaged: somebody would only wait for ever. Is nothing damaged here?",
    "counter": "Then only a number would be wrong, with nobody else running. Does it take a second thread?",
}

# ---- ex08b: a planted bug ----------------------------------------------------------------------------------------------

SUSPECTS = (
    *("free_swap_and_cache", "__swap_entry_free", "__try_to_reclaim_swap"),
    *("swapoff_wait_for_users", "find_next_to_unuse", "unuse_swap_cache"),
)
FREE = "    if not usage:\n        yield from free_swap_slot(entry)\n"
UNLOCK = "    yield from unlock_cluster_or_swap_info(si, ci)\n"


class Planted(NamedTuple):
    """One of the suspects is subtly wrong."""

    function: str
    edits: tuple[Edit, ...]


PUT = "yield from put_swap_device(si)"
PLANTED = (
    Planted("free_swap_and_cache", (drop(PUT), after("count = yield from __swap_entry_free(si, entry)", PUT))),
    Planted("find_next_to_unuse", (Replace("if count and swap_count(count)", "if swap_count(count) and swap_count(count)"),)),
    Planted("__swap_entry_free", (Replace(UNLOCK + FREE, FREE + UNLOCK),)),
    Planted("swapoff_wait_for_users", (drop("yield wait_for_completion(si.comp)"),)),
    Planted("__try_to_reclaim_swap", (drop("yield from folio_put(folio)"),)),
    Planted("unuse_swap_cache", (drop("yield from folio_put(folio)"),)),
    Planted("find_next_to_unuse", (Replace("range(prev + 1, maximum)", "range(prev + 1, maximum - 1)"),)),
    Planted("__try_to_reclaim_swap", (drop("yield folio_unlock(folio)"),)),
)
BASE = "v6.9"
ASKED = ("one-process", "madvise", "munmap", "shmem-truncate", "fault", "reclaim", "fork")


@functools.cache
def planted(number: int) -> Kernel:
    """v6.9 with its suspects compiled anew, one of them with the bug."""
    own, bug = KERNELS[BASE].replaces, PLANTED[number]
    functions = {
        name: edited(name, *(bug.edits if name == bug.function else ()), of=own, title=f"planted-{number}") for name in SUSPECTS
    }
    return Kernel(f"planted-{number}", f"{BASE} with a bug", {**own, **functions}, BASE)


def vary_b(seed: int, random: Random) -> dict[str, Any]:
    number = seed % len(PLANTED)
    kernel, suspects = planted(number), ", ".join(SUSPECTS)
    text = (
        f"question.kernel ({kernel.name}) is {BASE}, but somebody has changed one function.\nOne of these:\n\n  {suspects}\n\n"
        f"Which one, and in which scenario does it show? ({', '.join(ASKED)})\n"
        "swapmodel.check(scenario, question.kernel) explores; print(question.source('...')) shows a function."
    )
    return {"text": text, "kernel": kernel, "source": lambda name: source_of(kernel, name), "number": number}


def source_of(kernel: Kernel, name: str) -> str:
    answers.choice(name, SUSPECTS, "A suspect")
    return textwrap.dedent(inspect.getsource(kernel.replaces[name]))


@functools.cache
def on_planted(scenario: str, number: int) -> Verdict:
    return swapmodel.check(scenario, planted(number), nearest=False, shortest="any", budget=Budget(max_states=STATES))


def judge_b(question: Question, answer: Any) -> Result:
    function, scenario = answers.row(answer, 2)
    answers.choice(function, SUSPECTS, "The function")
    answers.choice(scenario, ASKED, "The scenario")
    verdict = on_planted(scenario, question.number)
    if verdict.verdict != "violated":
        return wrong(
            f"{scenario} holds on this kernel.",
            "In which scenario do all the waits of the function matter? Try those with another caller.",
            None,
        )
    if function != PLANTED[question.number].function:
        return wrong(f"{scenario} goes wrong, but not because of {function}().", planted_hint(verdict), verdict)
    return right("Found: by the counterexample, and then by reading.", verdict)


def planted_hint(verdict: Verdict) -> str:
    kind = verdict.outcome.violation.kind if verdict.outcome.violation else ""
    return {
        "livelock": "Somebody goes round for ever: which function should have given it work to do, and did not?",
        "lock misuse": "A lock is taken by one who has it, or never given back: who holds it over a call, or over a return?",
        "reference count": "A folio is left with a reference: who got one on the way, and on which line is it given back?",
    }.get(
        kind,
        "Something was touched too late: who should have kept it, or who should have waited? Compare both with their comments.",
    )


# ---- ex08c: which kernel closed it -------------------------------------------------------------------------------------

ORDER = ("v5.2", "v6.7", "v6.8", "v6.9")
HOLES = {
    "two-faults": "two threads fault on one page of a RAM disk, past the swap cache; one of them rewrites it, it is\n"
    "swapped out again, and the slower one finds the same slot and the same PTE",
    "reuse": "truncation of a tmpfs file stands in its window while swapoff, and then swapon of another device, take over the\n"
    "swap_info_struct",
    "fault-ramdisk": "a page fault reads from a RAM disk, past the swap cache, while swapoff takes the device away",
    "shmem-truncate": "truncation of a tmpfs file with a swapped page, while swapoff takes the device away",
}


def vary_c(seed: int, random: Random) -> dict[str, Any]:
    scenario = list(HOLES)[seed % len(HOLES)]
    text = f"{scenario}: {HOLES[scenario]}.\n\nWhich is the first of {', '.join(ORDER)} on which it holds?"
    return {"text": text, "scenario": scenario}


def judge_c(question: Question, answer: Any) -> Result:
    kernel = answers.choice(answer, ORDER, "The kernel")
    verdict = explored(Case(question.scenario, kernel))
    if verdict.verdict == "violated":
        return wrong(
            f"On {kernel} it still goes wrong.",
            "What does the thread in the counterexample hold? A later kernel made it hold more.",
            verdict,
        )
    before = ORDER[max(0, ORDER.index(kernel) - 1)]
    if before != kernel and explored(Case(question.scenario, before)).verdict == "holds":
        return wrong(
            f"It holds on {kernel}, but an earlier one was safe already.",
            "Look for the commit that closed it, and the release it came with.",
        )
    return right(f"{before} still has the hole.", explored(Case(question.scenario, before)))


# ---- ex08d: mend CVE-2024-26759 ----------------------------------------------------------------------------------------

READ = "        folio, fault = yield from do_swap_page_read(mm, i, orig_pte, direct)\n"
PREPARE = """\
        if direct:
            err = yield from swapcache_prepare(entry)
            if err:
                yield schedule_timeout_uninterruptible(1)
                yield from put_swap_device(si)
                return 0
"""
CLEAR = "    if direct:\n        yield from swapcache_clear(si, entry)\n"
PUT_LINE = "    yield from put_swap_device(si)\n    return fault"


def old_do_swap_page() -> str:
    """do_swap_page() of v6.7, without its docstring."""
    text = inspect.getsource(v6_7.do_swap_page)
    head, _, rest = text.partition('"""')
    return head.rstrip(" ") + rest.partition('"""')[2].lstrip("\n")


def half_mended(number: int) -> tuple[str, str]:
    old = old_do_swap_page()
    return (
        ("as v6.7 has it", old),
        ("with a ticket that is never given back", old.replace(READ, PREPARE + READ)),
        ("with a ticket that is taken after the read", old.replace(READ, READ + PREPARE).replace(PUT_LINE, CLEAR + PUT_LINE)),
    )[number]


def vary_d(seed: int, random: Random) -> dict[str, Any]:
    what, source = half_mended(seed % 3)
    text = (
        f"CVE-2024-26759: two faults read one slot past the swap cache. This is do_swap_page(), {what}:\n\n{source}\n"
        "Mend it, so that two-faults holds on v6.7: only one fault at a time may read the slot, and nobody may get the slot\n"
        "meanwhile.\n\n"
        "swapcache_prepare(entry)        takes SWAP_HAS_CACHE: 0, or an error where somebody has it\n"
        "swapcache_clear(si, entry)      gives it back\n"
        "schedule_timeout_uninterruptible(1)   an operation: sleeps a tick; then return 0 has the fault tried again"
    )
    return {"text": text, "source": source}


def judge_d(question: Question, answer: Any) -> Result:
    fix = answers.fix_of(answer, "do_swap_page")
    bad = first_violated((Case("two-faults", "v6.7"),), fix, mend_hint)
    if bad is not None:
        return bad
    return right("It holds: as 13ddaf26be32 does it. What would happen without the tick's sleep, to a task of high priority?")


def mend_hint(verdict: Verdict) -> str:
    assert verdict.recorder is not None
    violation = verdict.outcome.violation
    functions = [f.function for s in verdict.recorder.steps for f in s.stack]
    if "no SWAP_HAS_CACHE" in str(violation):
        return "A ticket is given back that nobody took on this path."
    if "swapcache_prepare" not in functions:
        return "Both faults read the same slot in the columns: nothing made the second one wait."
    if violation is not None and "stale" in str(violation):
        return (
            "The ticket did not exclude the other: compare when it is taken, when the slot is read, and when it is given back."
        )
    if violation is not None and violation.kind == "reference count":
        return "Something was taken and never given back: what does the function have in hand at each return?"
    return "A ticket was left: go through every path on which swapcache_prepare() was successful."


EXERCISES = (
    Exercise("ex08a", "Patterns", 'a dict of patterns: {"A": "counter", "B": "...", ...}', vary_a, judge_a),
    Exercise("ex08b", "A planted bug", "(function, scenario), two names", vary_b, judge_b),
    Exercise("ex08c", "Which kernel closed it?", "the name of a kernel", vary_c, judge_c),
    Exercise("ex08d", "Mend an old bug", "a function do_swap_page(mm, i, flags, orig_pte)", vary_d, judge_d),
)
