"""Set 07: review. The line from which a commit message goes wrong, a story that can happen, and four patches to judge."""

from __future__ import annotations

import functools
import textwrap
from random import Random
from typing import Any, NamedTuple

from swapmodel import FIXES, Budget, fits, read_story
from swapmodel.story import Ambiguous, NotUnderstood
from swapmodel.story.events import Fault
from swapmodel.story.fit import Fit

from . import answers
from .exercise import Exercise, Question
from .judging import Case, explored, to_show
from .result import NoAnswer, Result, right, wrong

STATES = 200_000  # of the search for one story

ANON = """\
CPU0 (process)                      CPU1 (swapoff)
----                                ----
do_exit()
  free_swap_and_cache()
    __swap_entry_free()
    swap_map[1] 0x41 -> 0x40
                                    swapoff()
                                      try_to_unuse()
                                      swap_map[1] 0x40 -> 0x00
                                      si->inuse_pages == 0
                                      si->swap_map = NULL
    swap_page_trans_huge_swapped()
    *** NULL dereference
"""
SHMEM = ANON.replace("(process) ", "(truncate)").replace("do_exit()", "shmem_free_swap()").replace("0x41", "0xff")
VALUE = SHMEM.replace("0xff -> 0x40", "0xff -> 0x00")
EARLY = """\
CPU0 (truncate)                     CPU1 (swapoff)
----                                ----
shmem_free_swap()
                                    swapoff()
                                      si->swap_map = NULL
  free_swap_and_cache()
    __swap_entry_free()
    swap_map[1] 0xff -> 0x40
    swap_page_trans_huge_swapped()
"""


class Message(NamedTuple):
    """A story that can't happen on `kernel`, and what to think about."""

    text: str
    kernel: str
    look: str


MESSAGES = (
    Message(
        ANON, "v6.8", "CPU0 is in zap_pte_range() all the time: what does it hold, and what does CPU1 do before it stores NULL?"
    ),
    Message(VALUE, "v6.8", "What does the byte become when the last reference goes and the folio is still in the swap cache?"),
    Message(EARLY, "v6.8", "On CPU1 try_to_unuse() comes first: what must be true of the slot that CPU0 is about to free?"),
    Message(SHMEM, "v6.9", "In v6.9 free_swap_and_cache() takes something at its beginning: where does swapoff wait for that?"),
)


@functools.cache
def fitted(text: str, kernel: str) -> Fit:
    return fits(read_story(text, "the message"), kernel, budget=Budget(max_states=STATES))


def numbered(text: str) -> str:
    return "\n".join(f"{number:3} {line}" for number, line in enumerate(text.splitlines(), 1))


# ---- ex07a: from which line on -----------------------------------------------------------------------------------------


def vary_a(seed: int, random: Random) -> dict[str, Any]:
    message = MESSAGES[seed % len(MESSAGES)]
    text = (
        f"A commit message says that {message.kernel} can do this:\n\n{numbered(message.text)}\n\n"
        "It can't. Which is the first line that can't happen after those before it?"
    )
    return {"text": text, "message": message.text, "kernel": message.kernel, "number": seed % len(MESSAGES)}


def judge_a(question: Question, answer: Any) -> Result:
    line, fit = answers.number(answer, "The line"), fitted(question.message, question.kernel)
    assert fit.next is not None
    lines, look = question.message.splitlines(), MESSAGES[question.number].look
    if not 1 <= line <= len(lines):
        return wrong(f"There is no line {line}.", f"The lines are numbered from 1 to {len(lines)}.")
    if line <= 2:
        return wrong("That line only names the threads.", look)
    if line < fit.next.line:
        return wrong(f"Line {line} can still happen: some execution gets beyond it.", look)
    if line > fit.next.line:
        return wrong(f"Line {line} comes too late: no execution gets that far.", f"Go up from there. {look}")
    return right(f"Up to there an execution fits. {fit.why[:1].upper()}{fit.why[1:]}.", fit)


# ---- ex07b: write one that can happen ----------------------------------------------------------------------------------

ANON_EARLY = """\
CPU0 (process)                      CPU1 (swapoff)
----                                ----
do_exit()
                                    swapoff()
                                      si->swap_map = NULL
  free_swap_and_cache()
    __swap_entry_free()
    swap_map[1] 0x41 -> 0x40
    swap_page_trans_huge_swapped()
"""
ANON_VALUE = ANON.replace("do_exit()", "munmap()").replace("0x41 -> 0x40", "0x41 -> 0x00")
WANTED = (
    (Case("shmem-truncate"), ANON, "CVE-2024-26960 as it can happen on v6.8:\none process, one small page, no page table"),
    (
        Case("one-process", "as-argued"),
        ANON_EARLY,
        "what the thread had in mind,\non the kernel that it had in mind, with one process",
    ),
    (Case("munmap", "v5.2"), ANON_VALUE, "the race of munmap() and swapoff on v5.2"),
)
EVENTS = 6  # that a story must have at least


def vary_b(seed: int, random: Random) -> dict[str, Any]:
    case, message, what = WANTED[seed % len(WANTED)]
    text = (
        f"This commit message is wrong:\n\n{message}\n"
        f"Write a right one in the same form: {what}. An execution of {case.kernel} must fit it; it has both threads,\n"
        f"at least {EVENTS} events, the step that drops the reference (swap_map[1] BEFORE -> AFTER), the store of NULL,\n"
        "and ends with *** and what goes wrong."
    )
    return {"text": text, "case": case, "message": message}


def judge_b(question: Question, answer: Any) -> Result:
    if not isinstance(answer, str):
        return wrong(f"A story is a text, not {answers.kind(answer)}.", 'Write it between triple quotes: """...""".')
    kernel, scenario = question.case.kernel, question.case.scenario
    try:
        fit = fits(read_story(textwrap.dedent(answer), "your story"), kernel, budget=Budget(max_states=STATES))
    except (NotUnderstood, Ambiguous) as error:
        raise NoAnswer(
            f"It can't be read: {' '.join(str(error).split())}.", "Keep to the form of the message that is given."
        ) from None
    if fit.feasible is None:
        raise NoAnswer(f"The search did not end: {fit.why}.", "Say more about what happens in between.")
    if not fit.feasible:
        assert fit.next is not None
        return wrong(f"Line {fit.next.line} can't happen after those before it.", story_hint(fit), fit)
    if fit.scenario.name != scenario:
        return wrong(f"It can happen, as {fit.scenario.name}; {scenario} was asked.", "Who frees the entry here?", fit)
    missing = missing_of(fit)
    if missing:
        return wrong("An execution fits, but the story does not say enough.", missing, fit)
    return right(f"An execution of {kernel} does all of this, and fails at its end.", fit)


def story_hint(fit: Fit) -> str:
    if "synchronize_rcu" in fit.why or "wait_for_completion" in fit.why:
        return "swapoff waits for somebody there: who frees an entry while it holds nothing that swapoff waits for?"
    if "->" in fit.why:
        return "The byte has another value there: what was it before, and is the folio in the swap cache?"
    return "Is everything that must come before that line told before it, on its own CPU?"


def missing_of(fit: Fit) -> str:
    """What a story that can happen leaves out; empty if nothing."""
    said = [s.event for s in fit.story.said]
    assert fit.recorder is not None
    if not isinstance(said[-1], Fault):
        return "It does not end with the failure: *** NULL dereference."
    if len(fit.story.labels) < 2:
        return "One thread alone is no race: swapoff belongs into it."
    texts = " ".join(s.text for s in fit.story.said)
    if "swap_map[1]" not in texts or "->" not in texts:
        return "Say what becomes of the byte when the reference is dropped: swap_map[1] BEFORE -> AFTER."
    if "NULL" not in texts.replace("NULL dereference", ""):
        return "Say what swapoff takes away: si->swap_map = NULL."
    return "" if len(said) >= EVENTS else "Too few events: name the functions on the way."


# ---- ex07c: judge four patches -----------------------------------------------------------------------------------------

PATCHES = (
    *("rcu-after-drop", "pin-in-shmem", "no-pre-check", "cluster-lock-to-folio-lock"),
    *("recheck-after-drop", "pin-after-drop", "rcu-in-shmem", "cluster-lock", "pin-after-drop-assumed", "si-lock"),
)


def vary_c(seed: int, random: Random) -> dict[str, Any]:
    names = list(PATCHES[:4]) if seed == 0 else random.sample(PATCHES, 4)
    patches = dict(zip("ABCD", names, strict=True))
    shown = "\n\n".join(f"Patch {letter}\n{without_head(FIXES[name].diff())}" for letter, name in patches.items())
    text = f"Four patches for the race of shmem-truncate on v6.8. Which of them close it?\n\n{shown}"
    return {"text": text, "patches": {letter: FIXES[name] for letter, name in patches.items()}}


def without_head(diff: str) -> str:
    """The lines of a diff, without the names of files."""
    return "\n".join(line for line in diff.splitlines() if not line.startswith(("---", "+++", "@@")))


def judge_c(question: Question, answer: Any) -> Result:
    given = answers.table(answer, question.patches)
    for letter, word in given.items():
        answers.choice(word, ("holds", "violated"), f"Patch {letter}")
    for letter, fix in question.patches.items():
        if explored(Case("shmem-truncate"), fix.name).verdict != given[letter]:
            shown = to_show(Case("shmem-truncate"), fix.name)
            return wrong(f"Patch {letter}: the explorer disagrees.", patch_hint(fix.name, given[letter]), shown)
    return right("All four. A reviewer who can say so before the explorer does needs no race detector.")


def patch_hint(name: str, given: str) -> str:
    if given == "violated":
        return "Something is held from the first line that matters to the last, or a lock goes over into another: follow it."
    if "rcu" in name:
        return (
            "A section only holds back grace periods that begin after it: compare where it begins with where the count falls."
        )
    if "check" in name:
        return "A look that nothing protects is old as soon as it is made; and who else dereferences the device further down?"
    return "From which line on is something held, and can swapoff be through before that line?"


EXERCISES = (
    Exercise("ex07a", "From which line on?", "the number of a line", vary_a, judge_a),
    Exercise("ex07b", "Correct the commit message", "a text in CPU columns", vary_b, judge_b),
    Exercise("ex07c", "Judge four patches", 'a dict: {"A": "holds", "B": "violated", ...}', vary_c, judge_c),
)
