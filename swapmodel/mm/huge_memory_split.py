"""mm/huge_memory.c, v6.8: one folio becomes many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    BUG,
    NULL,
    READ_ONCE,
    WRITE_ONCE,
    alloc_page,
    atomic_add,
    folio_trylock,
    folio_unlock,
    init_store,
    read,
    spin_lock_irq,
    spin_unlock_irq,
    write,
)
from .swapops import swp_offset, xa_slot

if TYPE_CHECKING:
    from .config import FOLIOS
    from .huge_memory import unlock_page_tables
    from .swap_state import free_page_and_swap_cache, swap_address_space
    from .swapfile.clusters import split_swap_cluster


def __split_huge_page(folio, mms, ptes):
    """mm/huge_memory.c, v6.8. The reference count is frozen and the page tables are locked, which ends here. In the swap
    cache every slot gets its folio, and the cluster is no longer one piece, before any of the locks of the new folios is
    dropped: so nobody sees one without the other. Pages that nobody needs are freed."""
    swapcache = yield read(folio.swapcache)
    entry = yield read(folio.swap)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    mapping = NULL
    if swapcache:
        mapping = yield from swap_address_space(entry)
        yield spin_lock_irq(mapping.xa_lock)
    pages = ()
    for i in range(nr_pages - 1, 0, -1):
        tail = yield from __split_huge_page_tail(folio, i, count_ptes(ptes, i))
        pages = (tail, *pages)
        if swapcache:
            yield write(xa_slot(mapping, swp_offset(entry) + i), tail)
    pages = (folio, *pages)
    yield from split_head(folio, swapcache, count_ptes(ptes, 0))
    if swapcache:
        yield spin_unlock_irq(mapping.xa_lock)
    yield from remap_page(pages, ptes)
    yield from unlock_page_tables(mms)
    if swapcache:
        yield from split_swap_cluster(entry)
    for i in range(1, nr_pages):
        yield folio_unlock(pages[i])
        yield from free_page_and_swap_cache(pages[i])


def count_ptes(ptes, page):
    """How many of `ptes` map this page."""
    return sum(pte.page == page for _, _, pte in ptes)


def __split_huge_page_tail(folio, i, mapped):
    """mm/huge_memory.c, v6.8. Makes page `i` a folio, locked as the large one is, with the same flags. Its references: the
    one who splits, the swap cache, its PTEs. Returns it."""
    tail = yield alloc_page(FOLIOS)
    if not tail:
        yield BUG("no place for a folio: config.FOLIOS (Machine(folios=...)) is too small")
    yield folio_trylock(tail)
    swapcache = yield read(folio.swapcache)
    entry = yield read(folio.swap)
    index = yield READ_ONCE(folio.index)
    dirty = yield read(folio.dirty)
    uptodate = yield read(folio.uptodate)
    lazyfree = yield READ_ONCE(folio.lazyfree)
    exclusive = yield READ_ONCE(folio.anon_exclusive)
    content = yield READ_ONCE(folio.content)
    yield init_store(tail.swapcache, swapcache)
    yield init_store(tail.swap, entry + i if swapcache else 0)
    yield init_store(tail.index, index + i)
    yield init_store(tail.dirty, dirty)
    yield init_store(tail.uptodate, uptodate)
    yield init_store(tail.lazyfree, lazyfree)
    yield init_store(tail.anon_exclusive, exclusive >> i & 1)
    yield init_store(tail.content, content[i : i + 1])
    yield init_store(tail.mapcount, mapped)
    yield atomic_add(swapcache + mapped, tail.refcount)
    return tail


def split_head(folio, swapcache, mapped):
    """The part of __split_huge_page() for the first page: what is left of the folio, and the end of the freeze."""
    content = yield READ_ONCE(folio.content)
    exclusive = yield READ_ONCE(folio.anon_exclusive)
    yield WRITE_ONCE(folio.content, content[:1])
    yield WRITE_ONCE(folio.anon_exclusive, exclusive & 1)
    yield WRITE_ONCE(folio.mapcount, mapped)
    yield WRITE_ONCE(folio.nr_pages, 1)
    yield WRITE_ONCE(folio.refcount, 1 + swapcache + mapped)


def remap_page(pages, ptes):
    """mm/huge_memory.c, v6.8. Every PTE maps the folio of its page now. The page table locks are held."""
    for n in range(len(ptes)):
        mm, i, pte = ptes[n]
        yield write(mm.pte[i], pte._replace(folio=pages[pte.page], page=0))
