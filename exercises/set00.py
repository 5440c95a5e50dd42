"""Set 00: verdicts. Which scenario goes wrong on which kernel, what a counterexample says, and what holds swapoff back."""

from __future__ import annotations

from random import Random
from typing import Any

from swapmodel import Verdict
from swapmodel.machine import NULL
from swapmodel.views import columns, function_of

from . import answers
from .exercise import Exercise, Question
from .judging import Case, explored, to_show
from .result import Result, right, wrong

# ---- ex00a: predict the verdicts ---------------------------------------------------------------------------------------

CASES = [
    Case(scenario, kernel, preempt)
    for scenario in ("one-process", "madvise", "munmap", "shmem-truncate")
    for kernel in ("as-argued", "v6.8", "v6.9", "v5.2")
    for preempt in ("full", "none")
]
OWN = [
    Case("one-process", "as-argued"),
    Case("one-process", "v6.8"),
    Case("shmem-truncate", "v6.8"),
    Case("shmem-truncate", "v6.8", "none"),
]


def vary_a(seed: int, random: Random) -> dict[str, Any]:
    cases = OWN if seed == 0 else random.sample(CASES, 4)
    lines = [f"  {letter}  {case}" for letter, case in zip("ABCD", cases, strict=True)]
    text = "\n".join(["Does any interleaving go wrong? Predict; do not run them yet.", "", *lines])
    return {"text": text, "cases": dict(zip("ABCD", cases, strict=True))}


def judge_a(question: Question, answer: Any) -> Result:
    given = answers.table(answer, question.cases)
    for letter in question.cases:
        answers.choice(given[letter], ("holds", "violated"), f"Case {letter}")
    for letter, case in question.cases.items():
        if explored(case).verdict != given[letter]:
            return wrong(f"Case {letter}, {case}: the explorer disagrees.", hint_a(case), to_show(case))
    return right("The explorer searched all four to the end, or to a counterexample, and agrees.")


def hint_a(case: Case) -> str:
    if case.kernel == "as-argued":
        return "as-argued is v6.8 in which nobody waits for a page table lock: who still has to be met before inuse_pages is 0?"
    if case.kernel == "v5.2":
        return "v5.2 has neither pins nor grace periods: what does swapoff wait for at all, and does it meet this thread there?"
    if case.preempt == "none":
        return (
            "A kernel that is not preempted is an RCU reader from one schedule point to the next: is there one in the window?"
        )
    if case.scenario == "shmem-truncate":
        return "List what shmem_free_swap() holds when it calls free_swap_and_cache(), on this kernel."
    return "Which lock does this caller hold while it frees the entry, and what does swapoff do between inuse_pages and NULL?"


# ---- ex00b: read a counterexample --------------------------------------------------------------------------------------

VIOLATED = (
    Case("shmem-truncate"),
    Case("one-process", "as-argued"),
    Case("fault", "v5.2"),
    Case("munmap", "v5.2"),
    Case("munmap", "as-argued"),
)


def vary_b(seed: int, random: Random) -> dict[str, Any]:
    case = VIOLATED[seed % len(VIOLATED)]
    verdict = explored(case)
    assert verdict.recorder is not None
    ask = "Which word did the last thread find to be NULL, which thread stored NULL there, and in which function is it used?"
    return {"text": f"{ask}\n\n{case}:\n\n{columns(verdict.recorder)}", "case": case, "verdict": verdict}


def facts_b(verdict: Verdict) -> tuple[str, str, str]:
    """The word that was read as NULL, who stored that, and the function that fails."""
    assert verdict.recorder is not None
    steps, names = verdict.recorder.steps, verdict.recorder.system.memory.threads
    fault = steps[-1]
    source = next(s for s in reversed(steps) if s.thread == fault.thread and s.value is NULL)
    word = str(source.operation.address)
    store = next(s for s in reversed(steps) if any(c.name == word and c.after == "NULL" for c in s.changes))
    return word, names[store.thread], function_of(fault).removesuffix("()")


def judge_b(question: Question, answer: Any) -> Result:
    parts = [answers.name(part, "Each part").removesuffix("()") for part in answers.row(answer, 3)]
    word, who, where = parts[0].replace("->", "."), *parts[1:]
    wanted = facts_b(question.verdict)
    if word != wanted[0]:
        return wrong(
            f"{word} is not the word that was NULL.",
            "swap_map[1] is a byte of the map; the word asked for leads to the map. Look for `-> NULL` in the columns.",
        )
    if who != wanted[1]:
        return wrong(f"It was not {who} who stored NULL.", "Each column is a thread: in which one stands the `-> NULL`?")
    if where != wanted[2]:
        return wrong(
            f"The step that fails is not in {where}().",
            "Go up from `***` in the same column to the last function name above it: that is the innermost call.",
        )
    return right("Read as a kernel developer reads a report: what, by whom, where.", question.verdict)


# ---- ex00c: what holds swapoff back ------------------------------------------------------------------------------------

HELD = (
    Case("one-process"),
    Case("shmem-truncate", "v6.9"),
    Case("shmem-truncate", "v6.8", "none"),
    Case("munmap", "v6.8"),
)
WAITS = ("synchronize_rcu", "wait_for_completion", "spin_lock")
REASONS = ("a spinlock", "a pin", "no schedule point", "rcu_read_lock")


def vary_c(seed: int, random: Random) -> dict[str, Any]:
    case = HELD[seed % len(HELD)]
    text = (
        f"{case} holds.\nA thread stands in its window, the byte is 0, inuse_pages is 0. Where does swapoff wait,\n"
        f"and what of that thread does it wait for?\n\n  where: {', '.join(WAITS)}\n  for:   {', '.join(REASONS)}"
    )
    return {"text": text, "case": case}


def facts_c(case: Case) -> tuple[str, str]:
    """Where swapoff stands in the nearest miss, and for what, in the words that are offered."""
    said = to_show(case).stopped_at
    where = next(w for w in WAITS if w in said or w == "spin_lock")
    for told, reason in (("spinlock", REASONS[0]), ("reference", REASONS[1]), ("schedule point", REASONS[2])):
        if told in said:
            return where, reason
    return where, REASONS[3]


def judge_c(question: Question, answer: Any) -> Result:
    given = answers.row(answer, 2)
    where, reason = answers.choice(given[0], WAITS, "Where"), answers.choice(given[1], REASONS, "For what")
    wanted, verdict = facts_c(question.case), to_show(question.case)
    if where != wanted[0] and where == "spin_lock":
        return wrong(
            "swapoff takes no lock of that thread's here.",
            "try_to_unuse() returns as soon as inuse_pages reads 0: after that swapoff looks at no page table and no file.",
            verdict,
        )
    if where != wanted[0]:
        return wrong(
            f"swapoff is not held in {where}().",
            "One of the two waits is for whoever is inside a read-side section, the other for counted pins. Which is it?",
            verdict,
        )
    if reason != wanted[1]:
        return wrong(
            f"It is not {reason} that swapoff waits for.",
            "Go through what this thread took on its way: a lock of the page table, of the file, a pin, or nothing at all?",
            verdict,
        )
    return right("That is the nearest miss, stopped where you say.", verdict)


EXERCISES = (
    Exercise("ex00a", "Predict four verdicts", 'a dict: {"A": "holds", "B": "violated", ...}', vary_a, judge_a),
    Exercise("ex00b", "Read a counterexample", "three names: (word, thread, function)", vary_b, judge_b),
    Exercise("ex00c", "What holds swapoff back", "two words: (where, for what)", vary_c, judge_c),
)
