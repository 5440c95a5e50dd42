"""free_swap_and_cache() with si->lock, in the form that the kernel had before 7c00bafee87c (v4.11): see candidates.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..edits import Replace, edited
from .cluster_lock import FIND_THE_FOLIO, FREE, FREE_THE_FOLIO

if TYPE_CHECKING:
    from ..kernel import Replacements

UNTIL_THE_FOLIO_IS_LOCKED = f"""\
    offset = swp_offset(entry)
    yield spin_lock(si.lock)
    ci = yield from lock_cluster(si, offset)
    count = yield from __swap_entry_free_locked(si, offset, 1)
    yield from unlock_cluster(ci)
    if not count:
        yield from swap_entry_free(si, entry)
{FIND_THE_FOLIO}\
    yield spin_unlock(si.lock)
{FREE_THE_FOLIO}"""


def until_the_folio_is_locked() -> Replacements:
    """The lock is held over the decrement and until the folio is locked; a slot without folio is freed under it, at once."""
    edit = Replace(FREE, UNTIL_THE_FOLIO_IS_LOCKED)
    return {"free_swap_and_cache": edited("free_swap_and_cache", edit, title="si-lock")}
