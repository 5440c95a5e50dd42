"""free_swap_and_cache() with the cluster's lock, in the two forms that can be written: see candidates.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..edits import Replace, edited

if TYPE_CHECKING:
    from ..kernel import Replacements

FREE = """\
    count = yield from __swap_entry_free(si, entry)
    if count == SWAP_HAS_CACHE:
        swapped = yield from swap_page_trans_huge_swapped(si, entry)
        if not swapped:
            yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)
"""

OVER_THE_LOOK = """\
    offset = swp_offset(entry)
    ci = yield from lock_cluster_or_swap_info(si, offset)
    count = yield from __swap_entry_free_locked(si, offset, 1)
    swapped = False
    huge = yield from cluster_is_huge(ci)
    if count == SWAP_HAS_CACHE and huge:
        map = yield READ_ONCE(si.swap_map)
        swapped = yield from any_slot_swapped(map, offset - offset % SWAPFILE_CLUSTER)
    yield from unlock_cluster_or_swap_info(si, ci)
    if not count:
        yield from free_swap_slot(entry)
    if count == SWAP_HAS_CACHE and not swapped:
        yield from __try_to_reclaim_swap(si, offset, TTRS_UNMAPPED | TTRS_FULL)
"""

FIND_THE_FOLIO = """\
    folio = NULL
    if count == SWAP_HAS_CACHE:
        mapping = yield from swap_address_space(entry)
        folio = yield from filemap_get_folio(mapping, offset)
    locked = False
    if folio:
        locked = yield folio_trylock(folio)
"""

FREE_THE_FOLIO = """\
    if locked:
        mapped = yield READ_ONCE(folio.mapcount)
        full = yield from vm_swap_full()
        if not mapped or full:
            yield from folio_free_swap(folio)
        yield folio_unlock(folio)
    if folio:
        yield from folio_put(folio)
"""

UNTIL_THE_FOLIO_IS_LOCKED = f"""\
    offset = swp_offset(entry)
    ci = yield from lock_cluster_or_swap_info(si, offset)
    count = yield from __swap_entry_free_locked(si, offset, 1)
{FIND_THE_FOLIO}\
    yield from unlock_cluster_or_swap_info(si, ci)
    if not count:
        yield from free_swap_slot(entry)
{FREE_THE_FOLIO}"""


def over_the_look() -> Replacements:
    """The lock is held over the decrement and the look at the folio's other slots, and dropped before the folio is freed."""
    return {"free_swap_and_cache": edited("free_swap_and_cache", Replace(FREE, OVER_THE_LOOK), title="cluster-lock")}


def until_the_folio_is_locked() -> Replacements:
    """The lock is held until the folio is locked, which from there on keeps the slot's SWAP_HAS_CACHE."""
    edit = Replace(FREE, UNTIL_THE_FOLIO_IS_LOCKED)
    return {"free_swap_and_cache": edited("free_swap_and_cache", edit, title="cluster-lock-to-folio-lock")}
