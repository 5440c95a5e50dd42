"""Set 02: the swap cache. What the byte becomes, who pins the slot, and in which order things happen."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

from swapmodel import Machine

from . import answers
from .exercise import Exercise, Question
from .result import Result, right, wrong
from .runs import first_time, play, play_one, recorded, told
from .slots import Slot, of_machine

OUT, OUT_KEEP = ("swap_out", "p", 0), ("swap_out", "p", 0, "keep")
FORK, RECLAIM = ("fork", "p"), ("reclaim",)
SCRIPTS = (
    (OUT_KEEP, FORK, ("touch", "q", 0), ("exit", "p")),
    (OUT, FORK, ("touch", "p", 0), ("exit", "q")),
    (OUT_KEEP, ("touch", "p", 0), FORK, ("exit", "p"), ("exit", "q")),
    (OUT, ("touch", "p", 0), ("write", "p", 0, "new")),
    (OUT_KEEP, FORK, RECLAIM, ("madvise", "q", "dontneed"), ("touch", "p", 0)),
)

# ---- ex02a: predict the byte -------------------------------------------------------------------------------------------


def vary_a(seed: int, random: Random) -> dict[str, Any]:
    lines = SCRIPTS[seed % len(SCRIPTS)]
    text = (
        "machine = Machine(slots=64); p = machine.spawn(); machine.write(p, 0, 'data')\n"
        "Which byte has the slot of that page after each of these lines? Predict; run them afterwards.\n\n" + told(lines)
    )
    return {"text": text, "lines": lines}


def start(slots: int = 64) -> tuple[Machine, dict[str, Any]]:
    machine = Machine(slots=slots)
    return machine, play(machine, [("write", "p", 0, "data")])


def slot_after(machine: Machine) -> Slot:
    return of_machine(machine, machine.sizes.cluster)  # the first free slot: cluster 0 has the header


def bytes_a(lines: Any) -> list[int]:
    machine, who = start()
    found = []
    for line in lines:
        play_one(machine, who, line)
        found.append(slot_after(machine).byte)
    return found


def judge_a(question: Question, answer: Any) -> Result:
    lines = question.lines
    given = [answers.number(b, f"Byte {i}") for i, b in enumerate(answers.row(answer, len(lines)), 1)]
    for number, (mine, byte, line) in enumerate(zip(given, bytes_a(lines), lines, strict=True), 1):
        if mine != byte:
            return wrong(f"After line {number} the byte is not {mine:#04x}.", byte_hint(mine, byte, line))
    return right("Every byte. Run the lines and look at who else changed.")


BYTE_HINTS = {
    "swap_out": "One count for each PTE that was given the entry; bit 6 for as long as the folio is in the swap cache.",
    "fork": "copy_nonpresent_pte() calls swap_duplicate() for each swap PTE that it copies, and for no other.",
    "touch": "do_swap_page() drops the reference of the PTE that it replaces. Is the folio still in the swap cache then?",
    "exit": "A swap PTE that is zapped drops a count; a present PTE drops none. And who may free a folio that is still mapped?",
    "write": "Where a page is reused by its only owner, the kernel may take the folio out of the swap cache.",
    "reclaim": "Reclaim frees a folio in the swap cache that nobody maps, and with it the cache's pin; the PTEs keep theirs.",
    "madvise": "MADV_DONTNEED zaps: a swap PTE goes through free_swap_and_cache().",
}


def byte_hint(mine: int, byte: int, line: Any) -> str:
    if mine ^ byte == 0x40 and mine & 0x3F and byte:
        return "The count is right. Is the folio in the swap cache now? That is what bit 6 says."
    if mine == 0 and byte == 0x40:
        return "A slot that the swap cache still has is not free: a free one is not counted in inuse_pages."
    if mine == 0x40 and byte == 0:
        return "Nobody was left to keep the folio in the swap cache; when it goes, so does the slot."
    return BYTE_HINTS[line[0]]


# ---- ex02b: who pins the slot ------------------------------------------------------------------------------------------

PINS = ("PTE of process 1", "PTE of process 2", "swap cache", "slots to free", "nobody")
STATES = (
    (64, (OUT_KEEP, FORK, ("touch", "p", 0))),
    (64, (OUT, FORK)),
    (640, (OUT, ("exit", "p"))),
    (64, (OUT_KEEP, ("touch", "p", 0), FORK)),
    (64, (OUT_KEEP, ("madvise", "p", "dontneed"))),
)


def vary_b(seed: int, random: Random) -> dict[str, Any]:
    slots, lines = STATES[seed % len(STATES)]
    text = (
        f"machine = Machine(slots={slots}); p = machine.spawn(); machine.write(p, 0, 'data')\n\n{told(lines)}\n\n"
        f"Who keeps the slot of that page from being free now? Any of: {', '.join(PINS)}.\n"
        "(p is process 1, q process 2)"
    )
    return {"text": text, "slots": slots, "lines": lines}


def pins_b(question: Question) -> set[str]:
    machine, who = start(question.slots)
    for line in question.lines:
        play_one(machine, who, line)
    slot = slot_after(machine)
    found = {f"PTE of {name}" for name in slot.processes}
    found |= {"swap cache"} if slot.cached else set()
    found |= {"slots to free"} if slot.to_free else set()
    return found or {"nobody"}


def judge_b(question: Question, answer: Any) -> Result:
    if isinstance(answer, str) or not isinstance(answer, set | frozenset | list | tuple) or not answer:
        return wrong(
            f"The answer is a set, not {answers.kind(answer)}.", 'Names in braces, with commas between: {"...", "..."}.'
        )
    given = {answers.choice(part, PINS, "Each part of the answer") for part in answer}
    wanted = pins_b(question)
    for extra in sorted(given - wanted):
        return wrong(f"It is not {extra}.", PIN_HINTS[extra])
    if wanted - given:
        return wrong("Somebody else keeps it too.", "Go through every line again: who got a reference, and was it given back?")
    return right("That is what inuse_pages, and so swapoff, waits for.")


PIN_HINTS = {
    "PTE of process 1": "Does that PTE hold the swap entry now? One that maps the page, or was zapped, does not count.",
    "PTE of process 2": "Does that PTE hold the swap entry now? fork() copies what the parent's PTE holds at that moment.",
    "swap cache": "Is the folio still in the swap cache? Without keep=True reclaim takes it out once it is written.",
    "slots to free": "With so few free slots the caches of slots are not active; and the last reference must be gone.",
    "nobody": "Then the byte would be 0x00 and inuse_pages without this slot.",
}

# ---- ex02c: in which order ---------------------------------------------------------------------------------------------

FLOWS: tuple[tuple[str, tuple[Any, ...], tuple[str, ...]], ...] = (
    (
        "reclaim swaps a page out",
        (),
        ("folio_alloc_swap", "add_to_swap_cache", "swap_duplicate", "folio_remove_rmap_pte", "swap_writepage"),
    ),
    (
        "a page fault brings a page back that is not in the swap cache",
        (OUT,),
        (
            "get_swap_device",
            "swapcache_prepare",
            "add_to_swap_cache",
            "swap_read_folio",
            "swap_free",
            "folio_add_anon_rmap_pte",
        ),
    ),
    (
        "MADV_DONTNEED zaps the last reference to a folio in the swap cache",
        (OUT_KEEP,),
        (
            "pte_offset_map_lock",
            "__swap_entry_free",
            "swap_page_trans_huge_swapped",
            "__delete_from_swap_cache",
            "put_swap_folio",
            "swap_range_free",
        ),
    ),
)


def vary_c(seed: int, random: Random) -> dict[str, Any]:
    title, _, names = FLOWS[seed % len(FLOWS)]
    shuffled = list(names)
    while shuffled == list(names):
        random.shuffle(shuffled)
    listed = "\n".join(f"  {name}" for name in shuffled)
    return {
        "text": f"Put in the order in which they begin, when {title}:\n\n{listed}",
        "names": shuffled,
        "flow": seed % len(FLOWS),
    }


def order_c(flow: int) -> dict[str, int]:
    machine, who = start()
    for line in FLOWS[flow][1]:
        play_one(machine, who, line)
    space, mm = machine.space, who["p"].mm
    starts = (
        lambda: space.reclaim_folio(machine.value(mm.pte[0]).folio),
        lambda: space.user_read(mm, 0),
        lambda: space.madvise_dontneed(mm),
    )
    return first_time(recorded(machine, starts[flow]), {name: name for name in FLOWS[flow][2]})


def judge_c(question: Question, answer: Any) -> Result:
    given, at = answers.permutation(answer, question.names), order_c(question.flow)
    for first, then in itertools.pairwise(given):
        if at[first] > at[then]:
            return wrong(f"{first}() does not come before {then}().", order_hint({first, then}))
    return right(f"As the machine runs it, from step {min(at.values()) + 1} to step {max(at.values()) + 1}.")


ORDER_HINTS = (
    ({"folio_alloc_swap"}, "What comes later needs an entry: who hands it out?"),
    ({"swapcache_prepare"}, "SWAP_HAS_CACHE is the ticket for the swap cache: it is taken before anything is put there."),
    (
        {"add_to_swap_cache", "swap_read_folio"},
        "Others must find the folio, locked, before its data are there: else two would read.",
    ),
    ({"swap_free", "folio_add_anon_rmap_pte"}, "In v6.8 do_swap_page() drops the count under the PTL before it maps the page."),
    (
        {"add_to_swap_cache", "swap_duplicate"},
        "Once the entry is in a PTE, a fault looks in the cache: what must be there before it?",
    ),
    ({"swap_duplicate"}, "The count rises before the PTE that it stands for is stored."),
    ({"swap_writepage"}, "What is written is what nobody can change through a PTE any more."),
    ({"pte_offset_map_lock"}, "Everything about a PTE happens under its lock."),
    ({"__swap_entry_free"}, "First the reference goes; only then is it asked whether it was the last."),
    ({"put_swap_folio"}, "The cache's pin goes last: nobody may find the folio when its slot can be given to another."),
    ({"get_swap_device"}, "The device is pinned before anything of it is touched."),
    ({"swap_range_free"}, "inuse_pages drops when the byte is 0."),
)


def order_hint(pair: set[str]) -> str:
    return next((hint for names, hint in ORDER_HINTS if len(names & pair) == len(names)), "Follow one reference through it.")


EXERCISES = (
    Exercise("ex02a", "Predict the byte", "a list of bytes, one for each line: [0x3f, ...]", vary_a, judge_a),
    Exercise("ex02b", "Who pins the slot?", 'a set of names: {"...", "..."}', vary_b, judge_b),
    Exercise("ex02c", "In which order?", 'a list of all the names: ["...", "..."]', vary_c, judge_c),
)
