"""The lines that the questions change: waits and locks taken away or moved, and BUG()s that ask whether a place is reached.

Nothing here says what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..edits import Edit, Lines, Replace, after, before, drop, edited
from ..experiments import at_window, enter_window_irqs_off
from ..kernel import Kernel
from ..machine import Address, Cpu, operation
from ..versions.as_argued import SPINLOCK_IS_NO_READER
from . import locked


class Patch(NamedTuple):
    """`edits` by kernel function; `replaces`: whole functions or operations."""

    title: str
    edits: Mapping[str, tuple[Edit, ...]] = {}
    replaces: Mapping[str, Callable[..., Any]] = {}


def patched(kernel: Kernel, names: tuple[str, ...]) -> Kernel:
    """The kernel with the patches of these names, one over the other. KeyError for a name that there is not."""
    functions = dict(kernel.replaces)
    for name in names:
        patch = PATCHES[name]
        functions |= patch.replaces
        functions |= {f: edited(f, *edits, of=functions, title=name) for f, edits in patch.edits.items()}
    return Kernel(kernel.name, kernel.title, functions, kernel.source)


@operation()
def percpu_ref_kill_at_once(cpu: Cpu, ref: Address) -> None:
    """percpu_ref_kill() without the call_rcu() that switches it to atomic mode: no grace period of its own."""
    cpu.raw_store(ref.word + 1, 1)
    cpu.release_if_idle(ref.word, next(done for first, done in cpu.memory.refs if first == ref.word))


@operation()
def percpu_ref_get(cpu: Cpu, ref: Address) -> bool:
    """percpu_ref_get() in place of percpu_ref_tryget_live(): it doesn't ask whether the reference was killed."""
    cpu.raw_store(ref.word, cpu.load(ref) + 1)
    return True


SYNCHRONIZE = "yield from synchronize_rcu()"
WAITS = "yield from swapoff_wait_for_users(si)"
UNUSE = "error = yield from try_to_unuse(type)"
UNPUBLISH = "map, clusters = yield from swapoff_unpublish(si)"
WINDOW = "if count == SWAP_HAS_CACHE:"
TAIL = "            yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)\n"
LOOK = "yield from pte_offset_map_lock(mm)"
NO_SYNCHRONIZE = {"swapoff_wait_for_users": (drop(SYNCHRONIZE),)}
NO_OWN = {"percpu_ref_kill": percpu_ref_kill_at_once}
SI_LOCKS = (drop("yield spin_lock(si.lock)"), drop("yield spin_unlock(si.lock)"))
PIN = ("yield from put_swap_device(si)", "si = yield from get_swap_device(entry)")


def over_tail(begin: str, end: str) -> tuple[Edit, ...]:
    """Over what free_swap_and_cache() does after __swap_entry_free() has returned."""
    return (before(WINDOW, begin), Replace(TAIL, f"{TAIL}    {end}\n"))


SWAPOFF = {
    "no-waits": Patch("swapoff waits for nobody", {"swapoff": (drop(WAITS),)}),
    "no-synchronize-rcu": Patch("synchronize_rcu() left out", NO_SYNCHRONIZE),
    "no-grace-period": Patch(
        "no synchronize_rcu(), and percpu_ref_kill() without its own grace period", NO_SYNCHRONIZE, NO_OWN
    ),
    "synchronize-before-unuse": Patch(
        "synchronize_rcu() before try_to_unuse(), and percpu_ref_kill() without its own grace period",
        {**NO_SYNCHRONIZE, "swapoff": (before(UNUSE, SYNCHRONIZE),)},
        NO_OWN,
    ),
    "null-before-waits": Patch("NULL before the three waits", {"swapoff": (drop(UNPUBLISH), before(WAITS, UNPUBLISH))}),
    "no-retry": Patch("the loops of try_to_unuse() once only", {"try_to_unuse": (Lines("while inuse:", ("if inuse:",)),)}),
    "no-third-loop": Patch(
        "try_to_unuse() without its loop over the swap cache",
        {"try_to_unuse": (drop("yield from unuse_swap_cache(si, type)"),)},
    ),
    "mmget-always": Patch(
        "mmget_not_zero() takes any mm",
        {
            "mmget_not_zero": (
                Lines("got = yield atomic_inc_not_zero(mm.mm_users)", ("yield atomic_add(1, mm.mm_users)",)),
                Lines("return got", ("return True",)),
            )
        },
    ),
    "no-wait-for-scanners": Patch(
        "swapoff does not wait while SWP_SCANNING counts somebody",
        {"swapoff_unpublish": (drop("yield from swapoff_wait_for_scanners(si)"),)},
    ),
    "scanners-after-null": Patch(
        "swapoff waits for SWP_SCANNING after it stored NULL",
        {
            "swapoff_unpublish": (
                drop("yield from swapoff_wait_for_scanners(si)"),
                after("yield write(si.cluster_info, NULL)", "yield from swapoff_wait_for_scanners(si)"),
            )
        },
    ),
    "null-without-si-lock": Patch(
        "swapoff stores NULL without si->lock", {"swapoff_unpublish": SI_LOCKS, "swapoff_wait_for_scanners": SI_LOCKS}
    ),
    "no-reinsert": Patch(
        "an interrupted swapoff leaves the device as it is", {"swapoff": (drop("yield from reinsert_swap_info(si)"),)}
    ),
}

FREE = {
    "spinlocks-no-readers": Patch("no grace period waits for a spinlock", {}, SPINLOCK_IS_NO_READER),
    "no-rcu-in-pte-map": Patch(
        "pte_offset_map() without the RCU section that it has since v6.6",
        {
            "pte_offset_map": (before("yield rcu_read_lock()", "return"),),
            "pte_unmap": (before("yield rcu_read_unlock()", "return"),),
        },
    ),
    "irqs-off-tail": Patch(
        "interrupts off around the tail alone",
        {"free_swap_and_cache": over_tail("yield local_irq_disable()", "yield local_irq_enable()")},
    ),
    "vcpu-stopped": Patch(
        "the vCPU is not run while it is in the window, so that no interrupt is taken there",
        {},
        at_window(enter_window_irqs_off),
    ),
    "pin-asks-nobody": Patch("percpu_ref_get() in place of tryget_live()", {}, {"percpu_ref_tryget_live": percpu_ref_get}),
    "no-tail": Patch(
        "free_swap_and_cache() returns where its window would open",
        {"free_swap_and_cache": (Replace(WINDOW, "if not entry:"),)},
    ),
    "si-lock-after-drop": Patch(
        "si->lock taken after the reference is dropped, and swap_map asked for NULL under it", {}, locked.TAKEN_LATE
    ),
    "no-look-for-null": Patch(
        "the same, but nobody asks for NULL", {"free_swap_and_cache": (Lines("if map:", ("if entry:",)),)}
    ),
    "enters-after-cmpxchg": Patch(
        "swapoff is called once the entry has left the file",
        {"shmem_free_swap": (Replace("        return False\n", "        return False\n    yield complete(STAGE.entered)\n"),)},
    ),
}

CALLERS = {
    "fault-without-pin": Patch(
        "do_swap_page() without get_swap_device()",
        {
            "do_swap_page": (
                Lines("si = yield from get_swap_device(entry)", ("si = yield from swp_swap_info(entry)",)),
                Replace("                yield from put_swap_device(si)\n", ""),
                Replace("    yield from put_swap_device(si)\n    return fault", "    return fault"),
            )
        },
    ),
    "slot-cache-not-asked-again": Patch(
        "free_swap_slot() does not look again under free_lock",
        {
            "free_swap_slot": (
                Replace("        use = yield from use_swap_slot_cache()\n        if use:\n", "        if use:\n"),
            )
        },
    ),
    "slot-cache-disabled-after-drain": Patch(
        "swapoff disables the slot caches after it drained them",
        {
            "disable_swap_slots_cache_lock": (
                drop("yield write(swap_slot_cache_enabled, 0)"),
                after("yield from __drain_swap_slots_cache()", "yield write(swap_slot_cache_enabled, 0)"),
            )
        },
    ),
    "batch-without-pin": Patch(
        "free_swap_and_cache_nr() without get_swap_device()",
        {"free_swap_and_cache_nr": (Lines(PIN[1], ("si = yield from _swap_info_get(entry)",)), drop(PIN[0]))},
    ),
    "double-free": Patch(
        "shmem_free_swap() drops its reference twice: a bug of the count",
        {
            "shmem_free_swap": (
                after(
                    "yield from free_swap_and_cache(radix_to_swp_entry(radswap))",
                    "yield from free_swap_and_cache(radix_to_swp_entry(radswap))",
                ),
            )
        },
    ),
}

MET = (before(LOOK, "held = yield READ_ONCE(mm.page_table_lock)", "if held:", "    yield WRITE_ONCE(NOTE.seen, 1)"),)

PROBES = {
    "ask-ptl": Patch(
        "BUG where swapoff finds a page table lock held",
        {
            "unuse_pte": (
                before(
                    LOOK,
                    "held = yield READ_ONCE(mm.page_table_lock)",
                    "if held:",
                    "    yield BUG('swapoff waits for the page table lock')",
                ),
            )
        },
    ),
    "ptl-not-met": Patch(
        "swapoff gives up if it found a page table lock held",
        {"unuse_pte": MET, "swapoff": (after(UNUSE, "seen = yield READ_ONCE(NOTE.seen)", "if seen:", "    error = -EINTR"),)},
    ),
    "ptl-met": Patch(
        "swapoff gives up unless it found a page table lock held",
        {
            "unuse_pte": MET,
            "swapoff": (after(UNUSE, "seen = yield READ_ONCE(NOTE.seen)", "if not seen:", "    error = -EINTR"),),
        },
    ),
    "ask-mm-skipped": Patch(
        "BUG where swapoff skips an mm that is exiting",
        {"unuse_mms": (Lines("if not got:", ("if not got:", "    yield BUG('swapoff skips an mm without users')")),)},
    ),
    "ask-vma-gone": Patch(
        "BUG where swapoff finds no VMA",
        {"unuse_mm": (before("if attached:", "if not attached:", "    yield BUG('swapoff finds no VMA')"),)},
    ),
    "ask-pin-fails": Patch(
        "BUG where get_swap_device() fails in the fixed function",
        {"free_swap_and_cache": (Lines("if not si:", ("if not si:", "    yield BUG('get_swap_device() fails')")),)},
    ),
    "ask-batch-pin-fails": Patch(
        "BUG where get_swap_device() fails in the batch",
        {"free_swap_and_cache_nr": (Lines("if not si:", ("if not si:", "    yield BUG('get_swap_device() fails')")),)},
    ),
    "ask-alloc": Patch(
        "BUG where a slot is taken from a device that is not WRITEOK",
        {
            "scan_take_slot": (
                before(
                    "yield WRITE_ONCE(map[offset], usage)",
                    "flags = yield READ_ONCE(si.flags)",
                    "if not flags & SWP_WRITEOK:",
                    "    yield BUG('a slot is taken from a device that goes away')",
                ),
            )
        },
    ),
    "ask-other-map": Patch(
        "BUG where the tail reads the swap_map of another device",
        {
            "free_swap_and_cache": (
                before("count = yield from __swap_entry_free(si, entry)", "own = yield READ_ONCE(si.swap_map)"),
                before(
                    WINDOW,
                    "now = yield READ_ONCE(si.swap_map)",
                    "if now and now is not own:",
                    "    yield BUG('si->swap_map is that of another device')",
                ),
            )
        },
    ),
    "ask-slot-taken-again": Patch(
        "BUG where the second loop of the batch meets a folio that came after the first loop",
        {
            "__try_to_reclaim_swap": (
                before(
                    "locked = yield folio_trylock(folio)",
                    "content = yield READ_ONCE(folio.content)",
                    "if content == ('kept',):",
                    "    yield BUG('the folio found is that of another process')",
                ),
            )
        },
    ),
}

PATCHES: dict[str, Patch] = {**SWAPOFF, **FREE, **CALLERS, **PROBES}
