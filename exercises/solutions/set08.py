"""Solutions of set 08. The names in do_swap_page() are the kernel's: link() binds them."""

# ruff: noqa: F821
# mypy: disable-error-code="name-defined,no-untyped-def"

from __future__ import annotations

from typing import Any

BUGS = (  # of each kernel, in the order of the seeds
    ("free_swap_and_cache", "shmem-truncate"),
    ("find_next_to_unuse", "one-process"),
    ("__swap_entry_free", "shmem-truncate"),
    ("swapoff_wait_for_users", "shmem-truncate"),
    ("__try_to_reclaim_swap", "madvise"),
    ("unuse_swap_cache", "munmap"),
    ("find_next_to_unuse", "shmem-truncate"),
    ("__try_to_reclaim_swap", "one-process"),
)


def ex08a(question: Any) -> Any:
    """Ask what is wrong at the step that does harm. The object is gone: a pin. It is there, but another's, and the check
    could not tell: reuse. It is there and wrong: half made, or each held another lock. Nothing is wrong, but nothing goes
    on: progress. Only a number is wrong, and one thread suffices: a counter."""
    return {letter: bug[1] for letter, bug in question.bugs.items()}


def ex08b(question: Any) -> Any:
    """(0) The pin is put before the folio is looked for: only truncation has nothing else. (1) The third loop of
    try_to_unuse() passes over 0x40, so that a slot that only the cache has is never freed. (2) The slot is freed with the
    cluster's lock held, which swap_entry_free() takes: seen where the count falls from 1 to 0 without a folio in the
    cache. (3) Nobody waits for pins, so that the fix of v6.9 is worth nothing. (4) The reference that filemap_get_folio()
    took is never given back. (5) The same of the third loop. (6) The last slot of the device is never looked at. (7) The
    folio is left locked."""
    return BUGS[question.number]


def ex08c(question: Any) -> Any:
    """two-faults: 13ddaf26be32, v6.8. reuse and shmem-truncate: 82b1c07a0af6, v6.9. fault-ramdisk: 2799e77529c2, v5.14,
    so that v6.7 is the first of these."""
    return {"two-faults": "v6.8", "fault-ramdisk": "v6.7"}.get(question.scenario, "v6.9")


def ex08d(question: Any) -> Any:
    """SWAP_HAS_CACHE is the ticket. It is taken before the read: so the second fault goes away and comes again later, and
    the slot can't be freed and given to another page, as its byte is not 0. It is given back when the page is mapped, on
    every path that had it; on the path that did not get it, the device's pin is all there is to give back."""

    def do_swap_page(mm, i, flags, orig_pte):
        entry = pte_to_swp_entry(orig_pte)
        direct, fault = False, 0
        si = yield from get_swap_device(entry)
        if not si:
            return 0
        folio = yield from swap_cache_get_folio(entry)
        if not folio:
            direct = yield from may_skip_swapcache(si, entry)
            if direct:
                taken = yield from swapcache_prepare(entry)
                if taken:
                    yield schedule_timeout_uninterruptible(1)
                    yield from put_swap_device(si)
                    return 0
            folio, fault = yield from do_swap_page_read(mm, i, orig_pte, direct)
        if folio:
            mapped = yield from do_swap_page_map(mm, i, flags, orig_pte, folio, direct)
            fault |= mapped
        if direct:
            yield from swapcache_clear(si, entry)
        yield from put_swap_device(si)
        return fault & VM_FAULT_ERROR or fault

    return do_swap_page
