"""Solutions of set 06. The names that are used here are the kernel's: link() binds them."""

# ruff: noqa: F821
# mypy: disable-error-code="name-defined,no-untyped-def"

from __future__ import annotations

from typing import Any


def ex06a(question: Any) -> Any:
    """get_swap_device() in place of _swap_info_get(), and the pin kept to the end. While the entry is there swapoff can't
    have killed the device, so it is never refused; from then on swapoff waits. Every return gives it back."""

    def free_swap_and_cache(entry):
        if non_swap_entry(entry):
            return True
        si = yield from get_swap_device(entry)
        if not si:
            return False
        count = yield from __swap_entry_free(si, entry)
        if count == SWAP_HAS_CACHE:
            yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)
        yield from put_swap_device(si)
        return True

    return free_swap_and_cache


def ex06b(question: Any) -> Any:
    """The section begins before the reference is dropped and ends after the last look. In shmem_free_swap() that is
    around the call, as nobody else calls without a page table lock. It must not sleep inside, and does not."""

    def rcu_in_shmem(mapping, index, radswap):
        old = yield from xa_cmpxchg_irq(mapping, index, radswap, NULL)
        if old != radswap:
            return False
        yield rcu_read_lock()
        yield from free_swap_and_cache(radix_to_swp_entry(radswap))
        yield rcu_read_unlock()
        return True

    def interrupts_off(mapping, index, radswap):
        old = yield from xa_cmpxchg_irq(mapping, index, radswap, NULL)
        if old != radswap:
            return False
        yield local_irq_disable()
        yield from free_swap_and_cache(radix_to_swp_entry(radswap))
        yield local_irq_enable()
        return True

    def rcu_over_all(entry):
        if non_swap_entry(entry):
            return True
        yield rcu_read_lock()
        si = yield from _swap_info_get(entry)
        if not si:
            yield rcu_read_unlock()
            return False
        count = yield from __swap_entry_free(si, entry)
        if count == SWAP_HAS_CACHE:
            yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)
        yield rcu_read_unlock()
        return True

    if question.function == "free_swap_and_cache":
        return {"free_swap_and_cache": rcu_over_all}
    return {"shmem_free_swap": interrupts_off if "irq" in question.tool else rcu_in_shmem}


def ex06c(question: Any) -> Any:
    """Late: the pin comes after the drop and its refusal is not looked at, so that a reference is put that was never got.
    The mutex: it may sleep, and callers hold a page table lock. Let go early: the window is after the put. si->lock
    around everything: who frees the slot takes it too. The mend is the pin, from before the drop to after the last
    look."""
    return ex06a(question)


def ex06d(question: Any) -> Any:
    """inuse_pages falls only under si->lock, and swapoff takes that lock before it stores NULL; so, with the lock held
    from the drop on, the device is there until the folio is locked. From then on the folio lock keeps its SWAP_HAS_CACHE.
    The lock must be dropped before folio_free_swap(), which takes it itself. It holds, but every free of every process
    meets in one lock."""

    def free_swap_and_cache(entry):
        if non_swap_entry(entry):
            return True
        si = yield from _swap_info_get(entry)
        if not si:
            return False
        offset = swp_offset(entry)
        yield spin_lock(si.lock)
        ci = yield from lock_cluster(si, offset)
        count = yield from __swap_entry_free_locked(si, offset, 1)
        yield from unlock_cluster(ci)
        if not count:
            yield from swap_entry_free(si, entry)
        folio = NULL
        if count == SWAP_HAS_CACHE:
            mapping = yield from swap_address_space(entry)
            folio = yield from filemap_get_folio(mapping, offset)
        locked = False
        if folio:
            locked = yield folio_trylock(folio)
        yield spin_unlock(si.lock)
        if locked:
            yield from folio_free_swap(folio)
            yield folio_unlock(folio)
        if folio:
            yield from folio_put(folio)
        return True

    return free_swap_and_cache


def ex06e(question: Any) -> Any:
    """What may sleep is outside what may not: the mutexes that swapoff holds over a phase, then mmap_lock, the folio
    lock, and inside them the spinlocks from the large to the small: the page table, the device, the cluster."""
    order = [
        *("swap_slots_cache_enable_mutex", "swapon_mutex", "mm.mmap_lock", "folio.locked", "mm.page_table_lock"),
        *("swap_lock", "si.lock", "cluster_info.lock", "swap_avail_lock"),
    ]
    return sorted(question.locks, key=order.index)
