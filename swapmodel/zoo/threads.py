"""What the threads of the bug family do: whole operations, and what must come of them. Each ends by counting itself out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..machine import BUG, atomic_add

if TYPE_CHECKING:
    from ..life import CURTAIN
    from ..mm.filemap import filemap_get_folio
    from ..mm.madvise_pageout import reclaim_pages
    from ..mm.mmap import do_exit
    from ..mm.shmem_io import shmem_read
    from ..mm.swapfile.counts import swap_duplicate
    from ..mm.swapfile.swapoff import swapoff
    from ..mm.swapfile.swapon import swapon
    from ..mm.swapfile.unuse import try_to_unuse
    from .vfs import generic_shutdown_super


def reclaim_file_thread(info, index):  # type: ignore[no-untyped-def]
    """kswapd comes by a page of a tmpfs file once."""
    folio = yield from filemap_get_folio(info.i_mapping, index)
    if folio:
        yield from reclaim_pages((folio,))
    yield atomic_add(1, CURTAIN.done)


def exit_thread(mm):  # type: ignore[no-untyped-def]
    """The process quits."""
    yield from do_exit(mm)
    yield atomic_add(1, CURTAIN.done)


def patient_swapoff_thread(type):  # type: ignore[no-untyped-def]
    """swapoff() that nothing stands in the way of: no signal comes, and there is memory enough."""
    error = yield from swapoff(type)
    if error:
        yield BUG(f"swapoff gives up with {error}, though nothing stands in its way")
    yield atomic_add(1, CURTAIN.done)


def swapoff_all_thread():  # type: ignore[no-untyped-def]
    """swapoff -a of two devices."""
    yield from swapoff(0)
    yield from swapoff(1)
    yield atomic_add(1, CURTAIN.done)


def swapon_thread(file):  # type: ignore[no-untyped-def]
    """swapon() with the next automatic priority."""
    yield from swapon(file, -1)
    yield atomic_add(1, CURTAIN.done)


def read_thread(info, index, expected):  # type: ignore[no-untyped-def]
    """read() of a page of a tmpfs file, which must hold what was written to it."""
    value = yield from shmem_read(info, index)
    if value != expected:
        yield BUG(f"the page reads {value}, but {expected} was written")
    yield atomic_add(1, CURTAIN.done)


def try_to_unuse_thread(type):  # type: ignore[no-untyped-def]
    """swapoff(), as far as it brings the pages back."""
    yield from try_to_unuse(type)
    yield atomic_add(1, CURTAIN.done)


def duplicate_thread(entry):  # type: ignore[no-untyped-def]
    """fork(), as far as it copies one PTE that holds a swap entry. The page table locks that it holds are its own."""
    yield from swap_duplicate(entry)
    yield atomic_add(1, CURTAIN.done)


def umount_thread(sb, info):  # type: ignore[no-untyped-def]
    """umount() of a tmpfs with one file."""
    yield from generic_shutdown_super(sb, info)
    yield atomic_add(1, CURTAIN.done)


THREADS = {
    f.__name__: f
    for f in (
        reclaim_file_thread,
        exit_thread,
        patient_swapoff_thread,
        swapoff_all_thread,
        swapon_thread,
        read_thread,
        try_to_unuse_thread,
        duplicate_thread,
        umount_thread,
    )
}
