"""The swap_map byte of a slot: every value in words. Sources: include/linux/swap.h and mm/swapfile.c, v6.8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, SupportsIndex

from ..mm.swapops import COUNT_CONTINUED, SWAP_CONT_MAX, SWAP_HAS_CACHE, SWAP_MAP_BAD, SWAP_MAP_MAX, SWAP_MAP_SHMEM, swap_count
from .picture import Field, Picture, in_range

PINNED = (
    "just allocated, or waiting in a CPU's cache of slots to allocate",
    "a folio is in the swap cache, and no PTE or shmem file refers to the slot any more (or none does yet)",
    "the last reference is gone, and the slot is about to be freed or waits in a CPU's cache of slots to free",
    "a swap-in past the swap cache (SWP_SYNCHRONOUS_IO) has it, and the count was dropped meanwhile",
)
CACHED = "pinned by a folio in the swap cache or by a swap-in under way"
TEXTS = {
    "free": "free; not counted in inuse_pages",
    "pinned": "no reference, but pinned: one of four cases",
    "bad": "never given out: the header, a bad page, or for a while a free slot whose cluster is being discarded",
    "shmem": "owned by a shmem file, which is its only reference",
    "impossible": "SWAP_MAP_BAD with SWAP_HAS_CACHE: no code makes it",
}


class ByteMeaning(NamedTuple):
    """What a byte says. `kind` is one of free, pinned, counted, continued, shmem, bad, impossible."""

    byte: int
    kind: str
    digit: int  # bits 0 to 5, where they are a count; of a continued count the lowest digit
    cached: bool  # SWAP_HAS_CACHE
    text: str
    cases: tuple[str, ...] = ()  # where one value has several meanings

    def __str__(self) -> str:
        lines = [f"{self.byte:#04x}: {self.text}"]
        return "\n".join(lines + [f"  ({letter}) {case}" for letter, case in zip("abcd", self.cases, strict=False)])


def byte_meaning(byte: SupportsIndex) -> ByteMeaning:
    """The meaning of a swap_map byte, 0 to 255. ValueError for another number."""
    value = in_range("a swap_map byte", byte, 8)
    kind, cached = _kind(value), bool(value & SWAP_HAS_CACHE)
    digit = value & SWAP_MAP_BAD if kind in ("counted", "continued") else 0
    text = TEXTS.get(kind) or _count_text(kind, digit)
    if cached and kind in ("counted", "continued", "shmem"):
        text += f"; {CACHED}"
    return ByteMeaning(value, kind, digit, cached, text, PINNED if kind == "pinned" else ())


def _kind(byte: int) -> str:
    """swap_count() first, as in the kernel: 0xbf and 0xff are shmem's although COUNT_CONTINUED is set in them."""
    count = swap_count(byte)
    if count == SWAP_MAP_SHMEM:
        return "shmem"
    if count == SWAP_MAP_BAD:
        return "bad" if byte == SWAP_MAP_BAD else "impossible"
    if count & COUNT_CONTINUED:
        return "continued"
    return "counted" if count else "pinned" if byte else "free"


def _count_text(kind: str, digit: int) -> str:
    if kind == "continued":
        return (
            f"{digit + SWAP_MAP_MAX + 1} references or more: {digit}, plus {SWAP_MAP_MAX + 1} for each one "
            "that the next digit, in a continuation page, counts"
        )
    return "1 reference: a PTE, or a page of a hibernation image" if digit == 1 else f"{digit} references, by PTEs"


def reference_count(byte: SupportsIndex, continuation: Sequence[int] = ()) -> int:
    """How many references a slot has: swp_swapcount(), v6.8, and 1 for shmem's (which no PTE holds, so nobody asks there).
    `continuation`: its bytes in the continuation pages, in order.

    The byte is a digit below 63, the others are digits below 128, each with COUNT_CONTINUED when another one follows.
    ValueError when a digit is missing or too many, or when the byte is no count (bad, impossible)."""
    meaning = byte_meaning(byte)
    if meaning.kind in ("bad", "impossible"):
        raise ValueError(f"byte {meaning.byte:#04x} counts nothing: {meaning.text}")
    more, total, weight = meaning.kind == "continued", meaning.digit, SWAP_MAP_MAX + 1
    for digit in continuation:
        if not more:
            raise ValueError(f"no digit follows one without COUNT_CONTINUED, yet {digit:#04x} was given")
        total += (in_range("a continuation digit", digit, 8) & ~COUNT_CONTINUED) * weight
        more, weight = bool(digit & COUNT_CONTINUED), weight * (SWAP_CONT_MAX + 1)
    if more:
        raise ValueError("the count continues: the next digit, in a continuation page, is missing")
    return total + (meaning.kind == "shmem")


def swap_map_byte(byte: SupportsIndex) -> Picture:
    """A swap_map byte as an int that shows itself. ValueError unless it is 0 to 255."""
    meaning = byte_meaning(byte)
    value, kind = meaning.byte, meaning.kind
    continued = "part of SWAP_MAP_SHMEM" if kind == "shmem" else "1: the count goes on in a continuation page"
    low = {"shmem": "part of SWAP_MAP_SHMEM", "bad": "SWAP_MAP_BAD", "impossible": "SWAP_MAP_BAD"}
    fields = (
        Field("COUNT_CONTINUED", 7, 7, continued if value & COUNT_CONTINUED else "0"),
        Field("SWAP_HAS_CACHE", 6, 6, f"1: {'pinned' if kind == 'pinned' else CACHED}" if meaning.cached else "0"),
        Field("count", 5, 0, low.get(kind, f"{meaning.digit}")),
    )
    return Picture("swap_map byte", value, 8, fields, tuple(str(meaning).split("\n")))
