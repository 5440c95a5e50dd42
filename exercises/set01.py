"""Set 01: swap entries, PTEs and the swap_map byte."""

from __future__ import annotations

import functools
from random import Random
from typing import Any

from swapmodel import Device, Machine
from swapmodel.entries import byte_meaning, decode_pte, encode_pte, make_entry
from swapmodel.mm.swapops import swp_offset, swp_type
from swapmodel.program import Program, System
from swapmodel.trace import Recorder

from . import answers
from .exercise import Exercise, Question
from .result import Result, right, wrong
from .slots import of_machine, told
from .turns import run

# ---- ex01a: decode a PTE of x86-64 -------------------------------------------------------------------------------------


def vary_a(seed: int, random: Random) -> dict[str, Any]:
    type, offset, exclusive = random.randrange(1, 20), random.randrange(1, 1 << 20), random.random() < 0.5
    word = encode_pte(make_entry(type, offset), "x86-64", exclusive=exclusive)
    text = (
        f"A crash dump of an x86-64 machine has this swap PTE: {word:#018x}\n\n"
        "Which swap type, which offset, and is the exclusive bit set? (type: bits 59-63; offset: bits 9-58, stored\n"
        "as its bitwise complement; exclusive: bit 3)"
    )
    return {"text": text, "word": word}


def judge_a(question: Question, answer: Any) -> Result:
    given = answers.row(answer, 3)
    type, offset = answers.number(given[0], "The type"), answers.number(given[1], "The offset")
    exclusive, word = answers.truth(given[2], "The exclusive bit"), question.word
    wanted = decode_pte(word, "x86-64")
    if type != swp_type(wanted.entry):
        arm = " Bits 3-7 hold it on arm64." if type == word >> 3 & 31 else ""
        return wrong(f"The type is not {type}.", f"Shift the word right until bit 59 is bit 0: five bits are left.{arm}")
    if offset != swp_offset(wanted.entry):
        return wrong(f"The offset is not {offset:#x}.", offset_hint(word, offset))
    if exclusive != wanted.exclusive:
        return wrong(
            f"The exclusive bit is not {exclusive}.", "Bit 3 is the fourth from the right: the last hex digit, 8 and up."
        )
    return right(f"swap({type}, {offset}{', exclusive' if exclusive else ''}).")


def offset_hint(word: int, offset: int) -> str:
    field = (1 << 50) - 1
    if offset == word >> 9 & field:
        return "Those are the field's bits as they stand: the offset is stored inverted, against L1TF."
    if offset == ~word >> 9:
        return "Inverted, but the type's bits came along: the field ends at bit 58."
    if offset == word >> 8 & field or offset == ~word >> 8 & field:
        return "The field begins at bit 9: bit 8 is PROT_NONE and belongs to pte_present()."
    return "Cut out bits 9 to 58, 50 of them, and invert exactly those."


# ---- ex01b: write the encoder of arm64 ---------------------------------------------------------------------------------


def vary_b(seed: int, random: Random) -> dict[str, Any]:
    pairs = [(random.randrange(23), random.randrange(1, 1 << 30)) for _ in range(6)]
    text = (
        "Write encode(type, offset): the 64-bit word of a swap PTE of arm64, v6.8, all flags clear.\n"
        "(bits 0 and 1: 0; bit 2: exclusive; bits 3-7: type; bits 8-57: offset)"
    )
    return {"text": text, "pairs": pairs}


def judge_b(question: Question, answer: Any) -> Result:
    encode = answers.function(answer, "encode")
    for type, offset in question.pairs:
        word = answers.call(encode, type, offset)
        if isinstance(word, bool) or not isinstance(word, int):
            return wrong(f"encode({type}, {offset:#x}) returns {answers.kind(word)}.", "A PTE is a whole number: return it.")
        wanted = encode_pte(make_entry(type, offset), "arm64")
        if word != wanted:
            return wrong(f"encode({type}, {offset:#x}) is not {word:#x}.", encode_hint(word, wanted, type, offset))
    return right(f"Equal for {len(question.pairs)} entries; set bit 2 as well and the page was PageAnonExclusive.")


def encode_hint(word: int, wanted: int, type: int, offset: int) -> str:
    if word == encode_pte(make_entry(type, offset), "x86-64"):
        return "That is the layout of x86-64."
    if word == make_entry(type, offset):
        return "That is the swp_entry_t itself, the same on every architecture; a PTE has to look absent to the hardware."
    if word & 3:
        return "Bits 0 and 1 must be clear: else the hardware takes it for a valid descriptor."
    if word ^ wanted == 4:
        return "Bit 2 is the exclusive flag, which was to be clear."
    if word & 0xFF == wanted & 0xFF:
        return "The type is where it should be; the offset is not. It is not inverted here, and it begins right above the type."
    return "Two shifts and an `|`: one for the type, one for the offset. Compare with swapmodel.pte(entry, 'arm64')."


# ---- ex01c: read swap_map bytes ----------------------------------------------------------------------------------------

KINDS = ("free", "pinned", "counted", "continued", "shmem", "bad")
BYTES = (0x00, 0x40, 0x01, 0x41, 0x02, 0x43, 0x3E, 0x3F, 0xBF, 0xFF, 0x80, 0xC0, 0x81, 0xC5)


def vary_c(seed: int, random: Random) -> dict[str, Any]:
    bytes_ = [0x41, 0x40, 0xFF, 0x3F, 0xC0, 0x02] if seed == 0 else random.sample(BYTES, 6)
    text = (
        f"A dump of swap_map: {' '.join(f'{b:#04x}' for b in bytes_)}\n\n"
        f"Of each byte: its kind, one of {', '.join(KINDS)};\nand True if SWAP_HAS_CACHE is set."
    )
    return {"text": text, "bytes": bytes_}


def judge_c(question: Question, answer: Any) -> Result:
    given = answers.table(answer, question.bytes)
    for byte in question.bytes:
        kind, cached = answers.row(given[byte], 2, f"The answer for {byte:#04x}")
        answers.choice(kind, KINDS, f"The kind of {byte:#04x}")
        answers.truth(cached, f"SWAP_HAS_CACHE of {byte:#04x}")
        meaning = byte_meaning(byte)
        if kind != meaning.kind:
            return wrong(f"{byte:#04x} is not {kind}.", kind_hint(kind, byte))
        if cached != bool(byte & 0x40):
            return wrong(f"Of {byte:#04x} SWAP_HAS_CACHE is not {cached}.", "SWAP_HAS_CACHE is bit 6: byte & 0x40.")
    return right("All six. Bits 0-5 count, bit 6 is the cache's pin, bit 7 says that the count goes on elsewhere.")


def kind_hint(kind: str, byte: int) -> str:
    if byte & ~0x40 == 0xBF:
        return "Take bit 6 away first; what is left is a value of its own, above every count. Who never needs a count over one?"
    if byte == 0x3F:
        return "62 is the largest count; this is one more. Slot 0 of every device has it."
    if byte == 0x40:
        return "No count is left, and yet somebody holds it: is it counted in inuse_pages?"
    if byte & 0x80:
        return "Bit 7 means that this digit is not all of the count, even if it is 0."
    return "Take bit 6 away, then look at what is left: nothing, or a number up to 62?"


# ---- ex01d: the four 0x40s ---------------------------------------------------------------------------------------------

MANY = 344  # slots, enough for the caches of slots to be active
FOUR = ("allocated", "cached", "returned", "direct")


def vary_d(seed: int, random: Random) -> dict[str, Any]:
    four = list(FOUR)
    random.shuffle(four)
    found = dict(zip("ABCD", four, strict=True))
    before = random.randrange(3)
    states = {letter: MAKE[case](before) for letter, case in found.items()}
    lines = [f"{letter}: {state}" for letter, state in states.items()]
    text = (
        "Four slots of four machines, each with the byte 0x40. Which of the four cases is each?\n\n"
        "  allocated  taken from the device, nobody has used it yet\n"
        "  cached     its folio is in the swap cache, and nobody refers to the slot\n"
        "  returned   the last reference is gone, it waits to be freed\n"
        "  direct     a swap-in past the swap cache has it, and its count was dropped meanwhile\n\n" + "\n".join(lines)
    )
    return {"text": text, "states": states, "_cases": found}


@functools.cache
def allocated(before: int) -> str:
    machine = Machine(slots=MANY)
    process = machine.spawn()
    for page in range(before + 1):
        machine.write(process, page, "data")
        effect = machine.swap_out(process, page)
    slot = swp_offset(machine.value(machine.space.swp_slots[0].slots)[0])
    return told(of_machine(machine, slot), effect.what)


@functools.cache
def returned(before: int) -> str:
    machine = Machine(slots=MANY)
    process = machine.spawn()
    for page in range(before + 1):
        machine.write(process, page, "data")
        machine.swap_out(process, page)
    slot = swp_offset(machine.value(process.mm.pte[before]).entry)
    effect = machine.exit(process)
    return told(of_machine(machine, slot), effect.what)


@functools.cache
def cached(before: int) -> str:
    machine = Machine(slots=64)
    process = machine.spawn()
    for page in range(before + 1):
        machine.write(process, page, "data")
        machine.swap_out(process, page, keep=True)
    slot = swp_offset(machine.value(process.mm.pte[before]).entry)
    effect = machine.touch(process, before)
    return told(of_machine(machine, slot), effect.what)


@functools.cache
def direct(before: int) -> str:
    """A fault stands in the read from a RAM disk while another thread of the process calls MADV_DONTNEED."""
    machine = Machine(Device(slots=8, synchronous=True), cpus=2, processes=1, pages=before + 1, cluster=2)
    process = machine.spawn()
    for page in range(before + 1):
        machine.write(process, page, "data")
        machine.swap_out(process, page)
    slot = swp_offset(machine.value(process.mm.pte[before]).entry)
    memory, space = machine.world.memory, machine.space
    memory.words[:] = machine.sequential.words
    starts = (lambda: space.user_read(process.mm, before), lambda: space.madvise_dontneed(process.mm))
    recorder = Recorder(System(memory, [Program(f"CPU {i}", start) for i, start in enumerate(starts)], (), space))
    run(recorder, 1, "CPU 0", "swap_read_folio")
    run(recorder, 2, "CPU 1", "end")
    machine.sequential.words[:] = recorder.words
    where = "madvise(process 1, dontneed), while a fault on that page stands in swap_read_folio()"
    return told(of_machine(machine, slot), where)


MAKE = {"allocated": allocated, "cached": cached, "returned": returned, "direct": direct}


def judge_d(question: Question, answer: Any) -> Result:
    given = answers.table(answer, question.states)
    for letter in question._cases:
        answers.choice(given[letter], FOUR, f"Case {letter}")
    for letter, case in question._cases.items():
        if given[letter] != case:
            return wrong(f"{letter} is not {given[letter]}.", FOUR_HINTS[given[letter]])
    return right("All four. The byte alone can't tell them apart: every reader of the map must know what else it holds.")


FOUR_HINTS = {
    "allocated": "Where does a CPU keep slots that it has taken and not given out? This slot is not there.",
    "cached": "Then the swap cache would have a folio at that offset.",
    "returned": "Then it would be on its way through slots_ret, or somebody would be about to free it.",
    "direct": "Then a page fault would be under way, on a RAM disk, with a folio that is in no swap cache.",
}

EXERCISES = (
    Exercise("ex01a", "Decode a swap PTE of x86-64", "(type, offset, exclusive), as in (3, 17, True)", vary_a, judge_a),
    Exercise("ex01b", "Write the encoder of arm64", "a function encode(type, offset)", vary_b, judge_b),
    Exercise("ex01c", "Read swap_map bytes", "a dict: {byte: (kind, cached), ...}", vary_c, judge_c),
    Exercise("ex01d", "The four 0x40s", 'a dict of the four words: {"A": "...", "B": "...", ...}', vary_d, judge_d),
)
