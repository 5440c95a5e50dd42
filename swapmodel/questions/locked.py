"""free_swap_and_cache() with si->lock taken once the reference is dropped, as Q22 puts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..machine import NULL, READ_ONCE, folio_trylock, folio_unlock, spin_lock, spin_unlock
from ..mm.swapops import SWAP_HAS_CACHE, non_swap_entry, swp_offset

if TYPE_CHECKING:
    from ..mm.filemap import filemap_get_folio, folio_put
    from ..mm.swap_state import swap_address_space
    from ..mm.swapfile.entries import __swap_entry_free
    from ..mm.swapfile.lookup import _swap_info_get
    from ..mm.swapfile.reclaim import folio_free_swap, swap_page_trans_huge_swapped, vm_swap_full


def free_swap_and_cache(entry):  # type: ignore[no-untyped-def]
    """mm/swapfile.c, v6.8, but swap_map is read again under si->lock: NULL means that swapoff has been here, and nothing more
    is done. The lock is held until the folio is locked; from there on SWAP_HAS_CACHE, which the folio lock protects, pins the
    device. On a device without clusters si->lock is the lock of the bytes as well, which would wait for itself."""
    if non_swap_entry(entry):
        return True
    si = yield from _swap_info_get(entry)
    if not si:
        return False
    folio = NULL
    count = yield from __swap_entry_free(si, entry)
    if count == SWAP_HAS_CACHE:
        yield spin_lock(si.lock)
        map = yield READ_ONCE(si.swap_map)
        if map:
            folio = yield from lock_unreferenced_folio(si, entry)
        yield spin_unlock(si.lock)
    if folio:
        yield from free_locked_folio(folio)
    return True


def lock_unreferenced_folio(si, entry):  # type: ignore[no-untyped-def]
    """The folio cached for the entry, locked and with a reference; NULL if there is none, if a slot of it is still referred to,
    or if somebody else has it locked."""
    swapped = yield from swap_page_trans_huge_swapped(si, entry)
    if swapped:
        return NULL
    mapping = yield from swap_address_space(entry)
    folio = yield from filemap_get_folio(mapping, swp_offset(entry))
    if not folio:
        return NULL
    locked = yield folio_trylock(folio)
    if not locked:
        yield from folio_put(folio)
        return NULL
    return folio


def free_locked_folio(folio):  # type: ignore[no-untyped-def]
    """The second half of __try_to_reclaim_swap(), with TTRS_UNMAPPED | TTRS_FULL."""
    mapped = yield READ_ONCE(folio.mapcount)
    full = yield from vm_swap_full()
    if not mapped or full:
        yield from folio_free_swap(folio)
    yield folio_unlock(folio)
    yield from folio_put(folio)


TAKEN_LATE: dict[str, Callable[..., Any]] = {
    "free_swap_and_cache": free_swap_and_cache,
    "lock_unreferenced_folio": lock_unreferenced_folio,
    "free_locked_folio": free_locked_folio,
}
