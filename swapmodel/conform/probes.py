"""Marks around functions of the linked kernel: what the kretprobes of the recorded machine were.

The probe module of the lab reads its arguments and the state of the slot at the entry, and the state again at the return.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from .records import CLUSTER


class Mark(NamedTuple):
    """A probed function begins or returns. `ret` is the value of a return."""

    entry: bool
    fn: str
    offset: int
    n: int
    arg: int
    ret: Any = None


def probed(name: str, function: Callable[..., Any], words: list[Any]) -> Callable[..., Any]:
    """The function with a mark at its entry and one at its return."""
    arguments = ARGUMENTS[name]

    def with_marks(*values: Any) -> Generator[Any, Any, Any]:
        seen = arguments(words, *values)
        if seen is None:
            return (yield from function(*values))
        offset, n, arg = seen
        yield Mark(True, name, offset, n, arg)
        result = yield from function(*values)
        if name == "get_swap_pages" and result:
            offset = result[0]
        yield Mark(False, name, offset, n, arg, result)
        return result

    return with_marks


def _folio(words: list[Any], folio: Any) -> tuple[int, int, int] | None:
    """A folio that is not in the swap cache has no entry: the probe lets it pass."""
    if not words[folio.swapcache.word]:
        return None
    return words[folio.swap.word], words[folio.nr_pages.word], -1


# What the probe writes down of the arguments: offset, n, arg. Entries of type 0 are their own offset.
ARGUMENTS: dict[str, Callable[..., tuple[int, int, int] | None]] = {
    "get_swap_pages": lambda words, n_goal, size: (0, n_goal, size),
    "swap_duplicate": lambda words, entry: (entry, 1, -1),
    "__swap_duplicate": lambda words, entry, usage: (entry, 1, usage),
    "swapcache_prepare": lambda words, entry: (entry, 1, -1),
    "swap_shmem_alloc": lambda words, entry: (entry, 1, -1),
    "swap_entry_free": lambda words, si, entry: (entry, 1, -1),
    "swap_free_cluster": lambda words, si, idx: (idx * CLUSTER, CLUSTER, -1),
    "swap_free": lambda words, entry: (entry, 1, -1),
    "free_swap_and_cache": lambda words, entry: (entry, 1, -1),
    "put_swap_folio": lambda words, folio, entry: (entry, words[folio.nr_pages.word], -1),
    "__swap_entry_free": lambda words, si, entry: (entry, 1, -1),
    "__swap_entry_free_locked": lambda words, si, offset, usage: (offset, 1, usage),
    "swap_range_free": lambda words, si, offset, n: (offset, n, -1),
    "swap_range_alloc": lambda words, si, offset, n: (offset, n, -1),
    "swapcache_free_entries": lambda words, entries: (entries[0] if entries else 0, len(entries), -1),
    "add_swap_count_continuation": lambda words, entry, gfp=0: (entry, 1, -1),
    "split_swap_cluster": lambda words, entry: (entry, 1, -1),
    "folio_free_swap": _folio,
    "__try_to_reclaim_swap": lambda words, si, offset, flags: (offset, 1, flags),
    "swap_page_trans_huge_swapped": lambda words, si, entry: (entry, 1, -1),
    "free_swap_slot": lambda words, entry: (entry, 1, -1),
    "swapcache_clear": lambda words, si, entry: (entry, 1, -1),
}
