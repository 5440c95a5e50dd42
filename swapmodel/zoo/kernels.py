"""The kernels of the bug family, two for each race: a version with the historical lines put back, and the same with the fix.

Where both have something old besides, that is what the fix is about as it was then; it is the same in both."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..edits import Edit, Lines, Replace, after, before, drop, edited
from ..kernel import Kernel, Replacements
from ..versions import KERNELS, historic, v6_1

Pair = tuple[Kernel, Kernel]
Edits = Mapping[str, tuple[Edit, ...]]
NONE: Any = MappingProxyType({})


def pair(
    commit: str, base: str = "v6.8", *, old: Replacements = NONE, both: Edits = NONE, undo: Edits = NONE, fix: Edits = NONE
) -> Pair:
    """Both are `base` with the functions `old` and the edits `both`. Where `base` has the fix, `undo` takes it out of the buggy
    one; where what is old had it not, `fix` puts it into the other."""
    common = edit({**KERNELS[base].replaces, **old}, both, "of-the-time")
    changed = ", some of it as it was then" if old or both else ""
    source = KERNELS[base].source
    buggy = edit(common, undo, f"before-{commit}")
    fixed = edit(common, fix, f"with-{commit}")
    return (
        Kernel(f"{base}-without-{commit}", f"{base} without {commit}{changed}", buggy, source),
        Kernel(f"{base}-with-{commit}", f"{base} with {commit}{changed}", fixed, source),
    )


def edit(functions: Replacements, edits: Edits, title: str) -> dict[str, Any]:
    made = dict(functions)
    for name, changes in edits.items():
        made[name] = edited(name, *changes, of=made, title=title)
    return made


def of_history(*names: str) -> Replacements:
    return {name: getattr(historic, name) for name in names}


def pinning(*names: str) -> Replacements:
    """Functions that pinned the device themselves, from eb085574a752 (v5.3) until the series of 20230529061355.125791-1 (v6.5):
    they are in v6.1 as they were in v5.13."""
    return {name: getattr(v6_1, name) for name in names}


PIN, PUT = "si = yield from get_swap_device({})", "yield from put_swap_device(si)"
NO_PIN = "si = yield from swp_swap_info({})"


def unpinned(entry: str) -> tuple[Edit, ...]:
    """The device of `entry` is used as it is."""
    return Replace(PIN.format(entry), NO_PIN.format(entry)), drop(PUT)


def z1() -> Pair:
    return KERNELS["v6.8"], KERNELS["v6.9"]


def z2() -> Pair:
    return KERNELS["v5.2"], KERNELS["v6.8"]


def z3() -> Pair:
    """v6.7, because 13ddaf26be32 came later; lookups and __swap_count() pinned the device for themselves then."""
    old = pinning("swap_cache_get_folio", "__swap_count")
    return pair("2799e77529c2", "v6.7", old=old, undo={"do_swap_page": unpinned("entry")})


def z4() -> Pair:
    old = {**pinning("swap_cache_get_folio"), **of_history("swap_cluster_readahead")}
    return pair("2efa33fc7f6e", old=old, undo={"shmem_swapin_folio": unpinned("swap")})


def z5() -> Pair:
    return KERNELS["v6.7"], KERNELS["v6.8"]


def z7() -> Pair:
    sleep = Lines("yield schedule_timeout_uninterruptible(1)", ("yield from cond_resched()",))
    return pair("029c4628b2eb", undo={"__read_swap_cache_async": (sleep,)})


def z10() -> Pair:
    """page_private() of the head says that there is a list before it has a page: then the head is its own neighbour, so that
    the first continuation page is taken to be the page of swap_map itself."""
    lock, unlock = drop("yield spin_lock(si.cont_lock)"), drop("yield spin_unlock(si.cont_lock)")
    full = "full = yield from all_digits_full(pages, offset % PAGE_SIZE, count)"
    head = (
        "if not pages:",
        "    map = yield READ_ONCE(si.swap_map)",
        "    yield WRITE_ONCE(si.continuation[offset // PAGE_SIZE], (map,))",
    )
    return pair(
        "2628bd6fc052",
        both={"link_continuation_page": (before(full, *head),)},
        undo={"link_continuation_page": (lock, unlock), "swap_count_continued": (lock, unlock)},
    )


def z11() -> Pair:
    """The address spaces of the swap cache were static in 2014; here they go before anybody can reuse the struct."""
    spaces = "yield from exit_swap_address_space(type)"
    clear = "    yield spin_lock(swap_lock)\n    yield write(si.flags, 0)\n    yield spin_unlock(swap_lock)\n"
    return pair(
        "f893ab41e4da",
        both={
            "swapoff": (before("map, clusters = yield from swapoff_unpublish(si)", spaces),),
            "swapoff_free": (drop(spaces),),
        },
        undo={
            "swapoff_unpublish": (after("yield write(si.cluster_info, NULL)", "yield write(si.flags, 0)"),),
            "swapoff_release": (Replace(clear, ""),),
        },
    )


def z13() -> Pair:
    """try_to_unuse() as it was is put back whole. The fix compares under the folio lock."""
    delete = "yield from delete_from_swap_cache(folio)"
    compare = ("of = yield read(folio.swap)", "if of != entry:", "    return")
    old = of_history("try_to_unuse", "try_to_unuse_delete", "unuse_processes")
    return pair("68bdc8d64742", old=old, fix={"try_to_unuse_delete": (before(delete, *compare),)})


def z16() -> Pair:
    """v6.9, because truncation beside swapoff has CVE-2024-26960 before."""
    _, fixed = pair("af53d3e9e040", "v6.9")
    name, title = "v6.9-without-af53d3e9e040", "v6.9 without af53d3e9e040"
    return Kernel(name, title, {**fixed.replaces, "shmem_unuse": historic.shmem_unuse}, fixed.source), fixed


def z17() -> Pair:
    """Not even that the device is empty was looked at before giving up."""
    last = "yield from unuse_swap_cache(si, type)"
    give_up = ("tries += 1", "if tries == 3:", "    return -EBUSY")
    return pair("dd862deb151a", undo={"try_to_unuse": (before("while inuse:", "tries = 0"), after(last, *give_up))})


def z23() -> Pair:
    """Readahead by VMA for faults, and __read_swap_cache_async() that leaves pinning to its caller, are of v6.17."""
    read = "folio, allocated = yield from __read_swap_cache_async(entry, False)"
    other = ("if swp_type(entry) != swp_type(targ_entry):", *("    " + line for line in (PIN.format("entry"), "if not si:")))
    pin = ("si = NULL", *other, "        return")
    pinned = PIN.format("entry") + "\n    if not si:\n        return NULL, False\n"
    return pair(
        "1c2a936edd71",
        old=of_history("swap_vma_readahead", "readahead_neighbour"),
        both={
            "do_swap_page_read": (Replace("swapin_readahead(entry)", "swap_vma_readahead(mm, i, entry)"),),
            "__read_swap_cache_async": (
                Replace(pinned, NO_PIN.format("entry") + "\n"),
                Replace(f"            {PUT}\n            return", "            return"),
                Replace(f"    {PUT}\n    return", "    return"),
            ),
        },
        fix={"readahead_neighbour": (Lines(read, (*pin, read, "if si:", f"    {PUT}")),)},
    )


def z35() -> Pair:
    lock, leave = "yield spin_lock(si.lock)", "yield from del_from_avail_list(si)"
    return pair("6fe7d6b99211", undo={"swapoff_unlist": (drop(lock), after(leave, lock))})


def z36() -> Pair:
    count = "yield from swap_shmem_alloc(swap)"
    leave = "yield from shmem_delete_from_page_cache(folio, swp_to_radix_entry(swap))"
    return pair("826267cf1e6c", undo={"shmem_writepage": (drop(count), after(leave, count))})
