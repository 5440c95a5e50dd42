"""mm/memory.c, v6.8: writes to pages that others may share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    NULL,
    READ_ONCE,
    atomic_add,
    folio_trylock,
    folio_unlock,
    init_store,
    read,
    user_load,
    write,
)
from .swapops import (
    mk_pte,
    pte_mkdirty,
    pte_mkwrite,
)

if TYPE_CHECKING:
    from .filemap import folio_put
    from .memory import (
        folio_add_new_anon_rmap,
        folio_remove_rmap_pte,
        pte_offset_map_lock,
        pte_unmap_unlock,
        vma_alloc_folio,
    )
    from .memory_fault import VM_FAULT_OOM
    from .swap_state import free_swap_cache
    from .swapfile.reclaim import folio_free_swap


def do_wp_page(mm, i, orig_pte):
    """mm/memory.c, v6.8. A write to a page that is mapped read-only. Called with the page table lock held, which it drops. What
    this process has alone becomes writable, everything else is copied."""
    folio, page = orig_pte.folio, orig_pte.page
    bits = yield READ_ONCE(folio.anon_exclusive)
    reuse = bits & 1 << page
    if not reuse:
        reuse = yield from wp_can_reuse_anon_folio(folio)
        if reuse:
            yield atomic_add(1 << page, folio.anon_exclusive)
    if reuse:
        yield write(mm.pte[i], pte_mkwrite(pte_mkdirty(orig_pte)))
        yield from pte_unmap_unlock(mm)
        return 0
    yield atomic_add(1, folio.refcount)
    yield from pte_unmap_unlock(mm)
    fault = yield from wp_page_copy(mm, i, orig_pte)
    return fault


def wp_can_reuse_anon_folio(folio):
    """mm/memory.c, v6.8. Is this mapping the only reference, the swap cache's left aside? That is asked without the folio lock
    first, and decided with it, once the swap cache has let go."""
    references = yield READ_ONCE(folio.refcount)
    swapcache = yield READ_ONCE(folio.swapcache)
    if references > 1 + swapcache:
        return False
    locked = yield folio_trylock(folio)
    if not locked:
        return False
    yield from folio_free_swap(folio)
    references = yield READ_ONCE(folio.refcount)
    yield folio_unlock(folio)
    return references == 1


def wp_page_copy(mm, i, orig_pte):
    """mm/memory.c, v6.8. Gives the process a copy of its own, unless the PTE has changed by the time it is ready. The
    caller took a reference to the old folio, which is dropped here; so is that of the mapping, once the PTE no longer names
    it."""
    old = orig_pte.folio
    new = yield from vma_alloc_folio(1)
    if not new:
        yield from folio_put(old)
        return VM_FAULT_OOM
    value = yield user_load(old.content, orig_pte.page)
    yield init_store(new.content, (value,))
    yield init_store(new.uptodate, 1)
    yield from pte_offset_map_lock(mm)
    current = yield read(mm.pte[i])
    if current != orig_pte:
        yield from pte_unmap_unlock(mm)
        yield from folio_put(new)
        yield from folio_put(old)
        return 0
    yield write(mm.pte[i], NULL)
    yield from folio_add_new_anon_rmap(new, i)
    yield write(mm.pte[i], pte_mkwrite(pte_mkdirty(mk_pte(new))))
    yield from folio_remove_rmap_pte(old)
    yield from pte_unmap_unlock(mm)
    yield from folio_put(old)
    yield from free_swap_cache(old)
    yield from folio_put(old)
    return 0
