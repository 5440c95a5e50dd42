"""mm/filemap.c, v6.8: the lockless lookup of a folio in an XArray, dropping the reference it returns, the end of
writeback."""

from __future__ import annotations

from ..machine import (
    BUG,
    NULL,
    READ_ONCE,
    WRITE_ONCE,
    atomic_add,
    atomic_dec_and_test,
    atomic_inc_not_zero,
    free_unref_folio,
    rcu_read_lock,
    rcu_read_unlock,
    write,
)
from .swapops import xa_is_value, xa_slot


def filemap_get_folio(mapping, index):
    """mm/filemap.c, v6.8: filemap_get_folio() and filemap_get_entry(). The folio with a reference, or NULL. The slot is
    read again after the reference was taken, because the folio may have been freed and reused in between."""
    yield rcu_read_lock()
    folio = NULL
    found = yield READ_ONCE(xa_slot(mapping, index))
    while found and not xa_is_value(found):
        taken = yield atomic_inc_not_zero(found.refcount)
        again = yield READ_ONCE(xa_slot(mapping, index))
        if taken and again is found:
            folio = found
            break
        if taken:
            yield from folio_put(found)
        found = again
    yield rcu_read_unlock()
    return folio


def folio_put(folio):
    """include/linux/mm.h, v6.8. Drops a reference; the last one frees the folio."""
    last = yield atomic_dec_and_test(folio.refcount)
    if last:
        yield free_unref_folio(folio)


def folio_end_writeback(folio):
    """mm/filemap.c, v6.8. The device is done; who waits for it goes on. Writeback holds no reference: that it can't leave the
    swap cache meanwhile keeps the folio. As soon as the flag is clear it can, hence the reference here."""
    writeback = yield READ_ONCE(folio.writeback)
    if not writeback:
        yield BUG("folio_end_writeback: VM_BUG_ON_FOLIO(!folio_test_writeback(folio))")
    yield atomic_add(1, folio.refcount)
    yield WRITE_ONCE(folio.writeback, 0)
    yield from folio_put(folio)


def __filemap_remove_folio(mapping, folio):
    """mm/filemap.c, v6.8. Takes a folio out of its file. Caller holds the folio lock and the xa_lock of the file."""
    index = yield READ_ONCE(folio.index)
    yield write(xa_slot(mapping, index), NULL)
