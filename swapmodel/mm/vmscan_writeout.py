"""mm/vmscan.c, v6.8: the last part of a folio's way out, to the disk and out of memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import (
    READ_ONCE,
    WRITE_ONCE,
    folio_ref_freeze,
    folio_trylock,
    folio_unlock,
    read,
    spin_lock_irq,
    spin_unlock_irq,
    xchg,
)
from .swapops import Shadow

if TYPE_CHECKING:
    from .filemap import __filemap_remove_folio
    from .page_io import swap_writepage
    from .shmem_io import shmem_writepage
    from .swap_state import __delete_from_swap_cache, swap_address_space
    from .swapfile.reclaim import put_swap_folio
    from .vmscan import shrink_folio_activate

    def cond_resched() -> object: ...


AOP_WRITEPAGE_ACTIVATE = 0x80000  # include/linux/fs.h: nothing was written, the folio is still locked


PAGE_KEEP, PAGE_ACTIVATE, PAGE_SUCCESS, PAGE_CLEAN = range(4)  # mm/vmscan.c: pageout_t


def shrink_folio_write(folio):
    """The part of shrink_folio_list() for a dirty folio. True with the folio locked, where it is clean: after a synchronous
    write, that is. False with the folio unlocked."""
    mapping = yield from folio_mapping(folio)
    result = yield from pageout(folio, mapping)
    if result == PAGE_KEEP:
        yield folio_unlock(folio)
        return False
    if result == PAGE_ACTIVATE:
        yield from shrink_folio_activate(folio)
        return False
    if result == PAGE_CLEAN:
        return True
    writeback = yield READ_ONCE(folio.writeback)
    if writeback:
        return False
    locked = yield folio_trylock(folio)
    if not locked:
        return False
    dirty = yield read(folio.dirty)
    writeback = yield READ_ONCE(folio.writeback)
    if dirty or writeback:
        yield folio_unlock(folio)
        return False
    return True


def shrink_folio_remove(folio):
    """The last part of shrink_folio_list(): true if the locked folio is nobody's but the caller's now, its refcount 0. One
    that MADV_FREE was called for, and that nobody maps any more, has no mapping to be removed from."""
    mapping = yield from folio_mapping(folio)
    if mapping:
        removed = yield from __remove_mapping(mapping, folio)
        return removed
    lazyfree = yield READ_ONCE(folio.lazyfree)
    if not lazyfree:
        return False
    frozen = yield folio_ref_freeze(folio.refcount, 1)
    return frozen


def folio_mapping(folio):
    """mm/util.c, v6.8. The address space that holds the folio: of its slots while it is in the swap cache, else of its file;
    NULL for an anonymous folio without swap. Caller holds the folio lock."""
    swapcache = yield read(folio.swapcache)
    if swapcache:
        entry = yield read(folio.swap)
        mapping = yield from swap_address_space(entry)
        return mapping
    mapping = yield READ_ONCE(folio.mapping)
    return mapping


def pageout(folio, mapping):
    """mm/vmscan.c, v6.8. Begins to write a dirty folio that nobody but its mapping and the caller refers to. It counts as
    clean from before the write, so that a store meanwhile makes it dirty again. PAGE_SUCCESS: it is unlocked, and written or
    under writeback; else it is still locked."""
    references = yield READ_ONCE(folio.refcount)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    if references != 1 + nr_pages or not mapping:
        return PAGE_KEEP
    dirty = yield xchg(folio.dirty, 0)
    if not dirty:
        return PAGE_CLEAN
    swapcache = yield read(folio.swapcache)
    if swapcache:
        result = yield from swap_writepage(folio)
    else:
        result = yield from shmem_writepage(folio)
    return PAGE_ACTIVATE if result == AOP_WRITEPAGE_ACTIVATE else PAGE_SUCCESS


def __remove_mapping(mapping, folio):
    """mm/vmscan.c, v6.8. Takes a clean folio out of the swap cache, where a shadow stays behind, or out of its file. Caller
    holds the folio lock and a reference. Under the xa_lock, so that no lookup can come between, the reference count must be
    exactly the caller's and the mapping's; then it is frozen at 0. Only after that dirty is looked at: who had a reference
    may have stored to the folio before dropping it."""
    swapcache = yield read(folio.swapcache)
    yield spin_lock_irq(mapping.xa_lock)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    frozen = yield folio_ref_freeze(folio.refcount, 1 + nr_pages)
    if not frozen:
        yield spin_unlock_irq(mapping.xa_lock)
        return False
    dirty = yield read(folio.dirty)
    if dirty:
        yield WRITE_ONCE(folio.refcount, 1 + nr_pages)
        yield spin_unlock_irq(mapping.xa_lock)
        return False
    if not swapcache:
        yield from __filemap_remove_folio(mapping, folio)
        yield spin_unlock_irq(mapping.xa_lock)
        return True
    entry = yield read(folio.swap)
    yield from __delete_from_swap_cache(folio, mapping, entry, Shadow())
    yield spin_unlock_irq(mapping.xa_lock)
    yield from put_swap_folio(folio, entry)
    return True
