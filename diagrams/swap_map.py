"""The life of a swap_map byte: every change of one that an explored story makes, and the kernel function that makes it."""

from __future__ import annotations

from swapmodel.entries import byte_meaning
from swapmodel.kernel import Kernel
from swapmodel.mm.swapops import SWAP_HAS_CACHE, SWAP_MAP_BAD, SWAP_MAP_SHMEM

from .dot import Graph, Picture
from .explored import CONTINUED, STORIES, changes, explored

TOLD = [name for name in STORIES if name != CONTINUED]
SHORT = {  # of bytes whose meaning takes more than a line
    SWAP_HAS_CACHE: "no reference, but pinned:\njust allocated, cached,\nor about to be freed",
    SWAP_MAP_BAD: "not given out\nuntil discarded",
}


def byte_changes(kernel: Kernel) -> dict[tuple[int, int], set[str]]:
    """(byte before, byte after) -> the functions that change one so."""
    found: dict[tuple[int, int], set[str]] = {}
    for name in TOLD:
        space = explored(name, kernel)
        words = [w for w, shown in enumerate(space.system.memory.shown) if shown.name.startswith("swap_map[")]
        for change in changes(space):
            for word in words:
                before, after = change.before[word], change.after[word]
                if before != after:
                    found.setdefault((before, after), set()).add(who(change.functions))
    return found


def who(functions: tuple[str, ...]) -> str:
    """The innermost function that is not a helper of others: those begin with two underscores."""
    return next(f for f in reversed(functions) if not f.startswith("__"))


def meaning(byte: int) -> str:
    """A byte's meaning in a line or two, as entries/ has it."""
    if byte in SHORT:
        return SHORT[byte]
    told = str(byte_meaning(byte)).split("\n")[0].partition(": ")[2]
    first, _, rest = told.partition(";")
    pinned = "\npinned by the swap cache" if "pinned" in rest else ""
    return first.partition(",")[0].partition(":")[0] + pinned


def kind(byte: int) -> str:
    if byte in (0, SWAP_MAP_BAD):
        return "plain"
    if byte | SWAP_HAS_CACHE == SWAP_MAP_SHMEM | SWAP_HAS_CACHE:
        return "purple"
    return "orange" if byte & SWAP_HAS_CACHE else "blue"


def last_bad(byte: int) -> tuple[bool, int]:
    """The order in which bytes are laid out: the bad one beside all others."""
    return byte == SWAP_MAP_BAD, byte


def picture(kernel: Kernel) -> Picture:
    edges = byte_changes(kernel)
    bytes_ = sorted({byte for edge in edges for byte in edge}, key=last_bad)
    graph = Graph(
        "swap-map-byte",
        "The life of a swap_map byte",
        f"""States of one byte of swap_map on {kernel.name}, and the kernel functions that change it from one to the other,
        as observed in every interleaving of {len(TOLD)} small stories with at most two references. Bytes with the bit
        SWAP_HAS_CACHE (0x40) have a double border.""",
        nodesep="0.15",
        ranksep="0.6",
    )
    for byte in bytes_:
        peripheries = "2" if byte & SWAP_HAS_CACHE else "1"
        graph.node(f"{byte:#04x}", f"{byte:#04x}", meaning(byte), kind(byte), peripheries=peripheries, style="filled")
    for (before, after), functions in sorted(edges.items(), key=lambda edge: [last_bad(byte) for byte in edge[0]]):
        colour = "green" if after == 0 else kind(after)
        graph.edge(f"{before:#04x}", f"{after:#04x}", "\n".join(sorted(functions)), colour)
    return graph.picture()
