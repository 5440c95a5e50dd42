"""v6.7: v6.8 without 13ddaf26be32, which keeps two faults from reading one slot past the swap cache (CVE-2024-26759)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..mm.memory_fault import VM_FAULT_ERROR
from ..mm.swapops import pte_to_swp_entry

if TYPE_CHECKING:
    from ..mm.memory_swapin import do_swap_page_map, do_swap_page_read, may_skip_swapcache
    from ..mm.swap_state import swap_cache_get_folio
    from ..mm.swapfile.lookup import get_swap_device, put_swap_device


def do_swap_page(mm, i, flags, orig_pte):
    """mm/memory.c, v6.7: do_swap_page() before 13ddaf26be32. A page of a RAM disk is read past the swap cache with nothing that
    keeps others from doing the same, or from freeing the slot and using it again."""
    entry = pte_to_swp_entry(orig_pte)
    direct, fault = False, 0
    si = yield from get_swap_device(entry)
    if not si:
        return 0
    folio = yield from swap_cache_get_folio(entry)
    if not folio:
        direct = yield from may_skip_swapcache(si, entry)
        folio, fault = yield from do_swap_page_read(mm, i, orig_pte, direct)
    if folio:
        mapped = yield from do_swap_page_map(mm, i, flags, orig_pte, folio, direct)
        fault |= mapped
    yield from put_swap_device(si)
    return fault & VM_FAULT_ERROR or fault
