"""mm/page_io.c, v6.8: writing a folio to its slots, reading it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import BUG, READ_ONCE, WRITE_ONCE, folio_unlock, memcpy, read, write
from .swapops import SWP_SYNCHRONOUS_IO, swp_offset

if TYPE_CHECKING:
    from .filemap import folio_end_writeback
    from .swapfile.lookup import swp_swap_info
    from .swapfile.reclaim import folio_free_swap


def swap_writepage(folio):
    """mm/page_io.c, v6.8. Writes a folio that is in the swap cache. Caller holds the folio lock, which is given up here, and
    a reference. A folio whose entry nobody refers to any more is not written but taken out of the cache. Returns 0."""
    freed = yield from folio_free_swap(folio)
    if freed:
        yield folio_unlock(folio)
        return 0
    yield from __swap_writepage(folio)
    return 0


def __swap_writepage(folio):
    """mm/page_io.c, v6.8. Caller holds the folio lock: SWAP_HAS_CACHE, which it protects, pins the device until the folio is
    under writeback, and then writeback does, which keeps the folio in the cache."""
    swapcache = yield read(folio.swapcache)
    if not swapcache:
        yield BUG("__swap_writepage: VM_BUG_ON_FOLIO(!folio_test_swapcache(folio))")
    entry = yield read(folio.swap)
    si = yield from swp_swap_info(entry)
    flags = yield READ_ONCE(si.flags)
    if flags & SWP_SYNCHRONOUS_IO:
        yield from swap_writepage_bdev_sync(folio, entry, si)
    else:
        yield from swap_writepage_bdev_async(folio, entry, si)


def swap_writepage_bdev_sync(folio, entry, si):
    """mm/page_io.c, v6.8. A RAM disk: the caller itself ends the writeback."""
    yield from submit_swap_write(folio, entry, si)
    yield from __end_swap_bio_write(folio)


def swap_writepage_bdev_async(folio, entry, si):
    """mm/page_io.c, v6.8. The device's interrupt calls end_swap_bio_write() later on."""
    yield from submit_swap_write(folio, entry, si)


def submit_swap_write(folio, entry, si):
    """What both kinds of swap_writepage_bdev_*() do: the end of the folio lock, and the write. The content is what the folio
    has when the device takes it: who maps it again and stores meanwhile makes it dirty again."""
    file = yield READ_ONCE(si.swap_file)
    bdev = yield READ_ONCE(si.bdev)
    yield from swap_folio_sector(si)
    yield from folio_start_writeback(folio)
    yield folio_unlock(folio)
    yield READ_ONCE(bdev.value)
    content = yield READ_ONCE(folio.content)
    yield memcpy(file.disk, swp_offset(entry), content)


def __end_swap_bio_write(folio):
    """mm/page_io.c, v6.8. The device has the data; write errors are not modelled."""
    yield from folio_end_writeback(folio)


def end_swap_bio_write(folio):
    """mm/page_io.c, v6.8. The interrupt at the end of a write: one for each folio that was submitted."""
    yield from __end_swap_bio_write(folio)


def folio_start_writeback(folio):
    """mm/page-writeback.c, v6.8: __folio_start_writeback(). Caller holds the folio lock."""
    yield write(folio.writeback, 1)


def swap_read_folio(folio):
    """mm/page_io.c, v6.8. Fills a locked folio from its slots, marks it up to date and unlocks it. The device is pinned by
    SWAP_HAS_CACHE, which the folio lock protects; for a fault that reads past the swap cache, by the fault itself."""
    uptodate = yield read(folio.uptodate)
    if uptodate:
        yield BUG("swap_read_folio: VM_BUG_ON_FOLIO(folio_test_uptodate(folio))")
    entry = yield read(folio.swap)
    si = yield from swp_swap_info(entry)
    bdev = yield READ_ONCE(si.bdev)
    yield from swap_folio_sector(si)
    yield READ_ONCE(bdev.value)
    file = yield READ_ONCE(si.swap_file)
    nr_pages = yield READ_ONCE(folio.nr_pages)
    content = ()
    for i in range(nr_pages):
        value = yield READ_ONCE(file.disk[swp_offset(entry) + i])
        content = (*content, value)
    yield WRITE_ONCE(folio.content, content)
    yield write(folio.uptodate, 1)
    yield folio_unlock(folio)


def swap_folio_sector(si):
    """mm/swapfile.c, v6.8. Where on the disk the folio's slots lie: an extent is found and read, with no lock."""
    extent = yield READ_ONCE(si.swap_extent_root)
    yield READ_ONCE(extent.value)
