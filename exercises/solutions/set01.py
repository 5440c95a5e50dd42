"""Solutions of set 01."""

from __future__ import annotations

from typing import Any

from swapmodel import byte_meaning


def ex01a(question: Any) -> Any:
    """Three fields, cut out with shifts and masks. The offset is stored inverted, so that the processor, which may look
    up the address in an absent PTE speculatively (L1TF), finds one far beyond the memory that there is."""
    word = question.word
    return word >> 59, ~(word >> 9) & ((1 << 50) - 1), bool(word & 8)


def ex01b(question: Any) -> Any:
    """arm64 inverts nothing and has the type below the offset; bits 0 and 1 stay clear, which is what makes it absent."""

    def encode(type: int, offset: int) -> int:
        return type << 3 | offset << 8

    return encode


def ex01c(question: Any) -> Any:
    """Take SWAP_HAS_CACHE, 0x40, away first. What is left: 0 (free, or pinned if the bit was set), 1 to 62 references, 63
    for a bad slot, 0xbf for a shmem slot, and otherwise, with bit 7, a count that goes on in a continuation page, even if
    the six bits here are 0."""
    return {byte: (byte_meaning(byte).kind, bool(byte & 0x40)) for byte in question.bytes}


def ex01d(question: Any) -> Any:
    """The byte is the same, so the facts around it must tell. In a CPU's cache of slots to allocate: (a) of the book.
    With a folio in the swap cache: (b). In the cache of slots to free: (c). And where none of them is true while a fault
    reads the page past the swap cache: (d), because MADV_DONTNEED dropped the count under its hands."""

    def case(state: str) -> str:
        facts = {line[5:24].strip(): line[24:] for line in state.splitlines()[1:]}
        if facts["swap cache"] == "a folio":
            return "cached"
        if facts["slots to allocate"] == "has it":
            return "allocated"
        return "returned" if facts["slots to free"] == "has it" else "direct"

    return {letter: case(state) for letter, state in question.states.items()}
