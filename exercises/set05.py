"""Set 05: the race. Find it, weigh what was said about it, and place the pin that closes it."""

from __future__ import annotations

import functools
from random import Random
from typing import Any, NamedTuple

from swapmodel import Verdict, against
from swapmodel.edits import compiled
from swapmodel.trace import Recorder

from . import answers
from .exercise import Exercise, Question
from .judging import Case, explored, interleaving, put_to, to_show
from .result import Result, right, wrong
from .set04 import system_of
from .turns import FORM, replay

# ---- ex05a: find the race ----------------------------------------------------------------------------------------------

RACES = (
    Case("shmem-truncate"),
    Case("one-process", "as-argued"),
    Case("munmap", "v5.2"),
    Case("shmem-truncate", "v5.2", "none"),
)


def vary_a(seed: int, random: Random) -> dict[str, Any]:
    case = RACES[seed % len(RACES)]
    first = system_of(case).memory.threads[0]
    text = (
        f"{case}; its threads: {first}, swapoff.\n"
        "Give a schedule of at most three turns that goes wrong.\n\n"
        "A turn is (thread, where it stops): before its first step inside a function, before an operation of that name, or\n"
        '"end", which is when it has returned, has to wait, or goes round and round.'
    )
    return {"text": text, "case": case, "threads": (first, "swapoff")}


def judge_a(question: Question, answer: Any) -> Result:
    recorder = replay(system_of(question.case), answer)
    shown = interleaving(question.case, recorder)
    if recorder.violation is None:
        return wrong("Nothing goes wrong in this schedule.", race_hint(question, recorder), shown)
    if len(answer) > 3:
        return wrong(
            f"It goes wrong, but in {len(answer)} turns.", "Two context switches are enough: put neighbours together.", shown
        )
    return right(f"{len(recorder.steps)} steps, {len(answer)} turns: {recorder.violation.kind}.", shown)


def race_hint(question: Question, recorder: Recorder) -> str:
    """What is missing: the drop, then all of swapoff, then the last look."""
    first, ran = recorder.at[0], [s.thread for s in recorder.steps]
    began = ran.index(1) if 1 in ran else len(ran)
    changes = [(c.name, c.after) for s in recorder.steps for c in s.changes]
    dropped = any(c.name == "swap_map[1]" for s in recorder.steps[:began] for c in s.changes)
    if first.operation is None and 0 not in ran[began:]:
        return f"{question.threads[0]} has run to its end before swapoff: stop it in its window."
    if 1 in ran and not dropped:
        return "swapoff meets a reference that still counts, and goes round or brings the page back: let it be dropped first."
    if ("si.swap_map", "NULL") not in changes:
        return "Nothing was taken away before the last look: swapoff's turn is too short."
    if first.operation is not None:
        return f"The pointers are gone and {question.threads[0]} still has a look to take: give it its turn."
    return f"After the drop, before the look: that is where the first thread must be stopped. {FORM}"


# ---- ex05b: six claims -------------------------------------------------------------------------------------------------


class Claim(NamedTuple):
    """What was said or might be; it is true if the explorer's verdict on `case` with `fix` is `if_true`. `look` is a hint."""

    said: str
    case: Case
    if_true: str
    look: str
    fix: str = ""

    def verdict(self) -> Verdict:
        return to_show(self.case, self.fix)

    def true(self) -> bool:
        return explored(self.case, self.fix).verdict == self.if_true


CLAIMS = (
    Claim(
        "A second process is needed, which frees the folio.",
        Case("one-process", "as-argued"),
        "holds",
        "Who else removes folios from the swap cache? Check a scenario with one process.",
    ),
    Claim(
        "For shmem a large folio is needed, because a small one leaves no window.",
        Case("shmem-truncate"),
        "holds",
        "shmem-truncate has one small page.",
    ),
    Claim(
        "On v6.8 an anonymous entry is freed safely, although swapoff need never take the page table lock.",
        Case("one-process"),
        "holds",
        "What is a spinlock to synchronize_rcu()? Check one-process.",
    ),
    Claim(
        "shmem is safe: swapoff calls shmem_unuse() first, so that no entry of the device is left in a file.",
        Case("shmem-truncate"),
        "holds",
        "When does truncation take its entry out of the file, and what does it still do after that?",
    ),
    Claim(
        "On a kernel without preemption a hypervisor that stops the virtual CPU in the window brings the race about.",
        Case("shmem-truncate", preempt="none"),
        "violated",
        "Does a grace period end while a CPU stands still in kernel code? Check preempt='none'.",
    ),
    Claim(
        "get_swap_device() around the whole of free_swap_and_cache() closes it for shmem too.",
        Case("shmem-truncate"),
        "holds",
        "Check the fix get-swap-device.",
        fix="get-swap-device",
    ),
    Claim(
        "Without its synchronize_rcu() swapoff of v6.8 would crash a process that quits.",
        Case("one-process"),
        "violated",
        "Is there another grace period in swapoff? Check the fix no-synchronize-rcu.",
        fix="no-synchronize-rcu",
    ),
    Claim(
        "If the look at the cluster is left out and __try_to_reclaim_swap() called at once, the window is closed.",
        Case("shmem-truncate"),
        "holds",
        "What does __try_to_reclaim_swap() itself dereference? Check the fix no-pre-check.",
        fix="no-pre-check",
    ),
    Claim(
        "An RCU section in shmem_free_swap(), begun before the reference is dropped, is enough.",
        Case("shmem-truncate"),
        "holds",
        "When does swapoff's grace period begin, before or after that section? Check rcu-in-shmem.",
        fix="rcu-in-shmem",
    ),
    Claim(
        "An RCU section that covers every dereference is enough, even if it begins after the reference is dropped.",
        Case("shmem-truncate"),
        "holds",
        "What may have ended before such a section begins? Check rcu-after-drop.",
        fix="rcu-after-drop",
    ),
    Claim(
        "The device may be pinned after the reference is dropped, if a pin that fails ends the function.",
        Case("shmem-truncate"),
        "holds",
        "If the pin is refused, what is touched afterwards? If not, can swapoff be past its wait? Check pin-after-drop.",
        fix="pin-after-drop",
    ),
    Claim(
        "Asking _swap_info_get() again after the drop is as good as a pin.",
        Case("shmem-truncate"),
        "holds",
        "How long is the answer of an unprotected look good for? Check recheck-after-drop.",
        fix="recheck-after-drop",
    ),
)


def vary_b(seed: int, random: Random) -> dict[str, Any]:
    claims = [CLAIMS[i] for i in (0, 2, 3, 4, 6, 7)] if seed == 0 else random.sample(CLAIMS, 6)
    listed = "\n".join(f"  {letter}  {claim.said}" for letter, claim in zip("ABCDEF", claims, strict=True))
    text = f"Each was said in the thread, or could have been. True, or refuted? The explorer decides.\n\n{listed}"
    return {"text": text, "claims": dict(zip("ABCDEF", claims, strict=True))}


def judge_b(question: Question, answer: Any) -> Result:
    given = answers.table(answer, question.claims)
    for letter, value in given.items():
        answers.truth(value, f"Claim {letter}")
    for letter, claim in question.claims.items():
        if given[letter] != claim.true():
            return wrong(f"Claim {letter}: the explorer sees it otherwise.", claim.look, claim.verdict())
    return right("All six, each by a search of the whole space or a counterexample.")


# ---- ex05c: where must the pin be taken --------------------------------------------------------------------------------

BODY = (
    ("", "    if non_swap_entry(entry):"),
    ("", "        return True"),
    ("a", "    si = yield from _swap_info_get(entry)"),
    ("", "    if not si:"),
    ("", "        return False"),
    ("b", "    count = yield from __swap_entry_free(si, entry)"),
    ("c", "    if count == SWAP_HAS_CACHE:"),
    ("", "        swapped = yield from swap_page_trans_huge_swapped(si, entry)"),
    ("", "        if not swapped:"),
    ("d", "            yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)"),
    ("", "    return True"),
)
GET = "pinned = yield from get_swap_device(entry)"
KINDS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("an RCU read-side section", ("yield rcu_read_lock()",), "yield rcu_read_unlock()"),
    (
        "a pin of the device, and where it is refused the function returns at once",
        (GET, "if not pinned:", "    return True"),
        "yield from put_swap_device(pinned)",
    ),
    ("a section with interrupts off", ("yield local_irq_disable()",), "yield local_irq_enable()"),
)
PIN = 1  # of these: the one that can be refused


def vary_c(seed: int, random: Random) -> dict[str, Any]:
    kind = seed % len(KINDS)
    listed = "\n".join(f"{mark or ' '} {line}" for mark, line in BODY)
    text = (
        f"free_swap_and_cache() of v6.8 is to be protected by {KINDS[kind][0]}.\nIt begins right before one of the marked "
        "lines, and ends before the function returns (at d: right after that line).\n\n"
        f"  def free_swap_and_cache(entry):\n{listed}\n\n"
        "Which is the last place that still closes the race of shmem-truncate?"
    )
    return {"text": text, "kind": kind}


@functools.cache
def placed(kind: int, place: str) -> Verdict:
    """The verdict on free_swap_and_cache() with the protection begun at a marked line."""
    _, begin, end = KINDS[kind]
    lines, begun = ["def free_swap_and_cache(entry):"], False
    for mark, line in BODY:
        margin = line[: len(line) - len(line.lstrip())]
        if mark == place:
            lines += [margin + part for part in begin]
            begun = place != "d"
        if begun and line.lstrip().startswith("return"):
            lines.append(margin + end)
        lines.append(line)
        if mark == place == "d":
            lines.append(margin + end)
    fix = compiled("free_swap_and_cache", "\n".join(lines) + "\n", f"patches/ex05c-{kind}{place}/free_swap_and_cache.py")
    return put_to(Case("shmem-truncate"), fix)


def judge_c(question: Question, answer: Any) -> Result:
    place = answers.choice(answer, "abcd", "The place")
    verdict = placed(question.kind, place)
    if verdict.verdict == "violated":
        return wrong(f"Begun at {place} the race is open.", place_hint(question.kind, place), verdict)
    if any(placed(question.kind, later).verdict == "holds" for later in "abcd" if later > place):
        return wrong(
            f"Begun at {place} it is closed, but there is a later place.",
            "What does a refusal mean, and what is left to do then?"
            if question.kind == PIN
            else "Until which line does the entry itself keep swapoff away?",
        )
    return right("One line later and the explorer finds the race again.", verdict)


def place_hint(kind: int, place: str) -> str:
    if place == "d":
        return "Look at the columns: which function is it that fails? It runs before your line."
    if kind == PIN:
        return "See whether the pin was refused in the columns, and what was touched then."
    return "The grace period began, and ended, before your section did: what must still be counted when the section begins?"


# ---- ex05d: the old schedule against a fix -----------------------------------------------------------------------------

STOPS = ("synchronize_rcu", "wait_for_completion", "a lock", "another way", "nothing")
FIXES = ("get-swap-device", "rcu-in-shmem", "si-lock", "pin-after-drop", "rcu-after-drop", "cluster-lock-to-folio-lock")


def vary_d(seed: int, random: Random) -> dict[str, Any]:
    from swapmodel import FIXES as CATALOGUE

    fix = CATALOGUE[FIXES[seed % len(FIXES)]]
    text = (
        f"The bad schedule of shmem-truncate on v6.8 is replayed with this fix: {fix.title}.\n\n{fix.diff()}\n\n"
        "Which thread can't take its old step, and why? The reason is one of:\n\n"
        "  synchronize_rcu      it waits there\n  wait_for_completion  it waits there\n"
        "  a lock               it waits for one\n"
        "  another way          it goes on, but the old step never comes\n"
        "  nothing              all old steps can be taken, or it goes wrong as before"
    )
    return {"text": text, "fix": fix.name}


@functools.cache
def stopped_d(fix: str) -> tuple[str, str]:
    standoff = against(explored(Case("shmem-truncate")), fix=fix)
    ended = standoff.ended
    names = standoff.recorder.system.memory.threads
    who = names[ended.thread] if ended.how in ("blocked", "left") else "nobody"
    if ended.how == "blocked":
        return who, next((w for w in STOPS[:2] if w in standoff.said), STOPS[2])
    return who, STOPS[3] if ended.how == "left" else STOPS[4]


def judge_d(question: Question, answer: Any) -> Result:
    given = answers.row(answer, 2)
    who = answers.choice(given[0], ("truncate", "swapoff", "nobody"), "The thread")
    why = answers.choice(given[1], STOPS, "The reason")
    wanted, shown = stopped_d(question.fix), against(explored(Case("shmem-truncate")), fix=question.fix)
    if why != wanted[1]:
        return wrong(f"It is not {why}.", STOP_HINTS[why], shown)
    if who != wanted[0]:
        return wrong(
            f"It is not {who}.", "Who protects, and who has to wait for that? The schedule lets truncate go first.", shown
        )
    return right("That one schedule is stopped; whether others are left, check() says.", shown)


STOP_HINTS = {
    "synchronize_rcu": "That would need a read-side section, begun before swapoff came there. Is there one, early enough?",
    "wait_for_completion": "That would need a reference to si->users, taken before swapoff killed it. Is there one?",
    "a lock": "That would need a lock which truncate holds while it stands in its window. Is one left locked there?",
    "another way": "That would need an answer that differs from the old one, on which the code turns back.",
    "nothing": "Go through the diff: from where to where does it protect, and does the old schedule's stop lie inside?",
}

EXERCISES = (
    Exercise("ex05a", "Find the race", 'a list of turns: [("...", "..."), ("swapoff", "end"), ...]', vary_a, judge_a),
    Exercise("ex05b", "Six claims", 'a dict: {"A": True, "B": False, ...}', vary_b, judge_b),
    Exercise("ex05c", "Where must the pin be taken?", "a letter", vary_c, judge_c),
    Exercise(
        "ex05d",
        "The old schedule against a fix",
        '(thread, reason); ("nobody", "nothing") if nothing is stopped',
        vary_d,
        judge_d,
    ),
)
