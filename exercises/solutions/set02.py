"""Solutions of set 02."""

from __future__ import annotations

from typing import Any

BYTES = (  # of each script, in its order
    [0x41, 0x42, 0x41, 0x40],
    [0x01, 0x02, 0x41, 0x40],
    [0x41, 0x40, 0x40, 0x40, 0x00],
    [0x01, 0x40, 0x40],
    [0x41, 0x42, 0x02, 0x01, 0x40],
)
PINS = (
    {"swap cache", "PTE of process 2"},
    {"PTE of process 1", "PTE of process 2"},
    {"slots to free"},
    {"swap cache"},
    {"nobody"},
)


def ex02a(question: Any) -> Any:
    """Count the PTEs that hold the entry, and add 0x40 while the folio is in the swap cache. Three places where one goes
    wrong: a fault leaves the folio in the swap cache, so that the byte is 0x40 and not 0; a page that was not in the
    cache comes there by the fault (readahead); and who exits with a present PTE drops no count, and frees the folio only
    if nobody else maps it."""
    from exercises.set02 import SCRIPTS

    return BYTES[SCRIPTS.index(question.lines)]


def ex02b(question: Any) -> Any:
    """A PTE pins the slot only while it holds the entry; once the page is mapped again it is the swap cache that does.
    Without keep=True the folio leaves the cache when it is written, and the PTEs are all that is left. With 640 slots the
    caches of slots are active: a slot whose last reference went waits there, counted in inuse_pages."""
    from exercises.set02 import STATES

    return PINS[STATES.index((question.slots, question.lines))]


def ex02c(question: Any) -> Any:
    """Out: a slot, the cache, the count, the PTE's mapping goes, the write. In: the device pinned, the ticket
    (SWAP_HAS_CACHE), the cache, the read, and under the page table lock first the count, then the mapping. Away: the
    lock, the count, the look whether it was the last, the cache, the cache's pin, the accounting."""
    order = [
        *("folio_alloc_swap", "get_swap_device", "pte_offset_map_lock", "swapcache_prepare", "add_to_swap_cache"),
        *("swap_duplicate", "folio_remove_rmap_pte", "swap_writepage", "swap_read_folio", "swap_free"),
        *("folio_add_anon_rmap_pte", "__swap_entry_free", "swap_page_trans_huge_swapped", "__delete_from_swap_cache"),
        *("put_swap_folio", "swap_range_free"),
    ]
    return sorted(question.names, key=order.index)
