"""Set 03: large folios and clusters."""

from __future__ import annotations

import re
from collections import Counter
from random import Random
from typing import Any

from swapmodel import Machine
from swapmodel.mm.swapops import swp_entry

from . import answers
from .exercise import Exercise, Question
from .result import Result, right, wrong
from .runs import Line, play, recorded, told

CLUSTER = 8  # pages of a PMD-size folio, where the kernel has 512
HUGE, OUT, KEEP = ("huge", "p", 0), ("swap_out", "p", 0), ("swap_out", "p", 0, "keep")
FORK, EXIT_P, EXIT_Q = ("fork", "p"), ("exit", "p"), ("exit", "q")

# ---- ex03a: count the bytes --------------------------------------------------------------------------------------------

LIVES: tuple[tuple[Line, ...], ...] = (
    (HUGE, KEEP, ("touch", "p", 0), FORK, EXIT_P),
    (HUGE, KEEP, FORK, EXIT_P, EXIT_Q),
    (HUGE, OUT, FORK),
    (HUGE, KEEP, ("touch", "p", 0), ("touch", "p", 3), FORK),
    (HUGE, KEEP, FORK, ("touch", "q", 1), EXIT_P),
)


def vary_a(seed: int, random: Random) -> dict[str, Any]:
    lines = LIVES[seed % len(LIVES)]
    text = (
        f"machine = Machine(slots=64, cluster={CLUSTER}); p = machine.spawn()\n"
        f"A PMD-size folio has {CLUSTER} pages here, and swap_map[8..15] is its cluster.\n\n{told(lines)}\n\n"
        "Which bytes has the cluster then, how many slots of each, and what is si.inuse_pages?"
    )
    return {"text": text, "lines": lines}


def counted_a(lines: Any) -> tuple[dict[int, int], int]:
    machine = Machine(slots=64, cluster=CLUSTER)
    play(machine, lines)
    si = machine.value(machine.space.swap_info[0])
    map = machine.value(si.swap_map)
    return dict(Counter(machine.value(map[i]) for i in range(CLUSTER, 2 * CLUSTER))), machine.value(si.inuse_pages)


def judge_a(question: Question, answer: Any) -> Result:
    bytes_, inuse = answers.row(answer, 2)
    if not isinstance(bytes_, dict):
        return wrong(f"The first part is a dict, not {answers.kind(bytes_)}.", "For each byte how many slots have it.")
    given = {answers.number(b, "A byte"): answers.number(n, "A number of slots") for b, n in bytes_.items()}
    wanted, used = counted_a(question.lines)
    if sum(given.values()) != CLUSTER:
        return wrong(
            f"Those are {sum(given.values())} slots.", "A swapped PMD-size folio fills its cluster, whatever is mapped."
        )
    if given != wanted:
        return wrong("Those are not the bytes of the cluster.", cluster_hint(given, wanted))
    if answers.number(inuse, "inuse_pages") != used:
        return wrong(
            f"inuse_pages is not {inuse}.",
            "Every byte that is neither 0x00 nor 0x3f counts: a huge folio gives its slots back all at once or not at all.",
        )
    return right("One slot with a reference keeps the whole cluster.")


def cluster_hint(given: dict[int, int], wanted: dict[int, int]) -> str:
    if 0 in wanted:
        return "When the last slot lost its reference the folio left the swap cache: what becomes of all the others?"
    if 0 in given:
        return "No slot of a huge folio in the swap cache is free on its own: what is left of a byte without references?"
    if {b & 0x40 for b in given} != {b & 0x40 for b in wanted}:
        return "Is the folio in the swap cache after the last line? Its pin is in every byte of the cluster, or in none."
    if sum((b & 0x3F) * n for b, n in given.items()) != sum((b & 0x3F) * n for b, n in wanted.items()):
        return "Count the swap PTEs that there are after the last line: the counts of the bytes add up to that."
    return "A fault drops the reference of one page, not of the folio."


# ---- ex03b: which bytes are read ---------------------------------------------------------------------------------------

LOOKS: tuple[tuple[tuple[Line, ...], int], ...] = (
    ((HUGE, KEEP, ("touch", "p", 0), ("touch", "p", 1)), 5),
    ((HUGE, KEEP), 3),
    ((("write", "p", 0, "a"), ("write", "p", 1, "b"), KEEP, ("swap_out", "p", 1, "keep")), 1),
    ((HUGE, KEEP, ("touch", "p", 0), ("touch", "p", 1), ("touch", "p", 2)), 7),
)


def vary_b(seed: int, random: Random) -> dict[str, Any]:
    lines, page = LOOKS[seed % len(LOOKS)]
    text = (
        f"machine = Machine(slots=64, cluster={CLUSTER}); p = machine.spawn()\n\n{told(lines)}\n\n"
        f"The slots are swap_map[8], swap_map[9], ... Somebody calls swap_page_trans_huge_swapped(si, entry) of v6.8 with the\n"
        f"entry of page {page}, which is slot {CLUSTER + page}. Which elements of swap_map does it read, in order?"
    )
    return {"text": text, "lines": lines, "page": page}


def reads_b(question: Question) -> list[int]:
    machine = Machine(slots=64, cluster=CLUSTER)
    play(machine, question.lines)
    si, entry = machine.value(machine.space.swap_info[0]), swp_entry(0, CLUSTER + question.page)
    recorder = recorded(machine, lambda: machine.space.swap_page_trans_huge_swapped(si, entry))
    found = (re.fullmatch(r"swap_map\[(\d+)\]", str(s.operation.address)) for s in recorder.steps)
    return [int(m[1]) for m in found if m]


def judge_b(question: Question, answer: Any) -> Result:
    if isinstance(answer, str) or not isinstance(answer, list | tuple):
        return wrong(
            f"The answer is a list of slots, not {answers.kind(answer)}.", "Numbers in brackets, with commas between: [20, 21]."
        )
    given = [answers.number(slot, "A slot") for slot in answer]
    wanted, huge = reads_b(question), HUGE in question.lines
    if given == wanted:
        return right("Between its unlocked look at si->swap_map and these reads lies the window of the race.")
    if given == [CLUSTER + question.page] and huge:
        return wrong(
            "It does not look at that slot alone.",
            "CLUSTER_FLAG_HUGE: all pages of the folio share one fate. Where does it begin?",
        )
    if len(given) > 1 and not huge:
        return wrong("It does not look at so many.", "Is this cluster HUGE? If not, a folio is one page.")
    if len(given) == CLUSTER:
        return wrong(
            "It does not look at all of them.", "The question is whether any slot is still swapped: when is the answer known?"
        )
    return wrong(f"It does not read {given}.", "Round the offset down to the cluster, then go on until a byte has a count.")


# ---- ex03c: the stride of the batch ------------------------------------------------------------------------------------

SMALL = [("write", "p", page, "data") for page in range(CLUSTER, CLUSTER + 3)]


def small_out(*keep: bool) -> list[Line]:
    return [("swap_out", "p", CLUSTER + i, *(["keep"] if kept else [])) for i, kept in enumerate(keep)]


BATCHES: tuple[tuple[Line, ...], ...] = (
    (HUGE, *SMALL, KEEP, *small_out(True, True, True)),
    (HUGE, *SMALL, KEEP, *small_out(True, False, True)),
    (HUGE, *SMALL, OUT, *small_out(True, True, True)),
    (HUGE, *SMALL, KEEP, *small_out(False, False, True)),
)


def vary_c(seed: int, random: Random) -> dict[str, Any]:
    lines = BATCHES[seed % len(BATCHES)]
    text = (
        f"machine = Machine(slots=64, cluster={CLUSTER}, pages=16, kernel='v6.10'); p = machine.spawn()\n\n{told(lines)}\n\n"
        f"Pages 0 to 7 have slots 8 to 15, pages 8 to 10 slots 16 to 18. Now MADV_DONTNEED zaps all of it as one batch.\n"
        "At which slots does the second loop of free_swap_and_cache_nr() call __try_to_reclaim_swap()?\n"
        "(Without keep=True a folio is not in the swap cache any more.)"
    )
    return {"text": text, "lines": lines}


def strides_c(lines: Any) -> list[int]:
    machine = Machine(slots=64, cluster=CLUSTER, pages=16, kernel="v6.10")
    who = play(machine, lines)
    recorder = recorded(machine, lambda: machine.space.madvise_dontneed(who["p"].mm))
    found: list[int] = []
    for step in recorder.steps:
        looked = re.fullmatch(r"swapper_space\[0\]\.i_pages\[(\d+)\]", str(step.operation.address))
        functions = [f.function for f in step.stack]
        if looked and "__try_to_reclaim_swap" in functions and "filemap_get_folio" in functions:
            found += [int(looked[1])] if int(looked[1]) not in found else []
    return found


def judge_c(question: Question, answer: Any) -> Result:
    if isinstance(answer, str) or not isinstance(answer, list | tuple):
        return wrong(
            f"The answer is a list of slots, not {answers.kind(answer)}.", "Numbers in brackets, with commas between: [20, 21]."
        )
    given, wanted = [answers.number(slot, "A slot") for slot in answer], strides_c(question.lines)
    if given == wanted:
        return right("One look for each folio, whatever its size: that is what the batch was written for.")
    extra, missing = sorted(set(given) - set(wanted)), sorted(set(wanted) - set(given))
    if any(CLUSTER < slot < 2 * CLUSTER for slot in extra):
        return wrong(f"Not at slot {extra[0]}.", "It returns how many pages the folio has: the loop goes on behind that folio.")
    if extra:
        return wrong(
            f"Not at slot {extra[0]}.",
            "Only where the byte reads exactly SWAP_HAS_CACHE: what is it without a folio in the cache?",
        )
    if missing:
        return wrong("Not all of them.", "The batch does not end with the first folio: the run of entries goes on.")
    return wrong("Not in this order.", "The loop goes upwards, each slot once.")


EXERCISES = (
    Exercise("ex03a", "The bytes of a cluster", "({byte: how many slots, ...}, inuse_pages)", vary_a, judge_a),
    Exercise("ex03b", "Which bytes are read?", "a list of slots, as in [20, 21]", vary_b, judge_b),
    Exercise("ex03c", "The stride of the batch", "a list of slots, as in [20, 21]", vary_c, judge_c),
)
