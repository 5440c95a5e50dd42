"""What holds of a whole computer between two operations: the accounting, in the order of kernel-facts.

One function per invariant: (world, space, words) -> the Violations found. Inside an operation most of them may be broken.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .machine import NULL, SLEEPLESS, Pointer, Violation
from .mm.swapops import (
    CLUSTER_FLAG_FREE,
    COUNT_CONTINUED,
    SWAP_HAS_CACHE,
    SWAP_MAP_BAD,
    SWAP_MAP_MAX,
    SWAP_MAP_SHMEM,
    SWP_SCANNING,
    SWP_WRITEOK,
    PagePte,
    RadixEntry,
    SwapPte,
    swp_entry,
    swp_offset,
    swp_type,
    xa_is_value,
    xa_slot,
    xa_slots,
)
from .world import World

Words = Sequence[Any]
Invariant = Callable[[World, Any, Words], Iterator[Violation]]


def broken(world: World, space: Any, words: Words) -> Iterator[Violation]:
    """Every invariant that does not hold."""
    for invariant in INVARIANTS:
        yield from invariant(world, space, words)


def at_rest(world: World, space: Any) -> Callable[[Words], Violation | None]:
    """All of them as one oracle, to be asked once every thread of a scenario has returned: references that nobody holds,
    slots that nobody can free, locks that nobody will release."""
    return lambda words: next(broken(world, space, words), None)


def devices(space: Any, words: Words) -> Iterator[tuple[int, Pointer, Pointer]]:
    """(type, swap_info_struct, swap_map) of each device in use."""
    for type in range(len(space.swap_info)):
        si = words[space.swap_info[type].word]
        if si and words[si.swap_map.word]:
            yield type, si, words[si.swap_map.word]


def bytes_of(map: Pointer, words: Words) -> Sequence[int]:
    first = map[0].word
    return words[first : first + len(map)]


def inuse_pages(world: World, space: Any, words: Words) -> Iterator[Violation]:
    """inuse_pages is the number of bytes that are neither free nor bad."""
    for _, si, map in devices(space, words):
        used = sum(byte not in (0, SWAP_MAP_BAD) for byte in bytes_of(map, words))
        if used != words[si.inuse_pages.word]:
            said = words[si.inuse_pages.word]
            yield Violation("accounting", f"{si.inuse_pages} is {said}, but {used} bytes are in use", si.inuse_pages)


def nr_swap_pages(world: World, space: Any, words: Words) -> Iterator[Violation]:
    """total_swap_pages is what the devices that allocate have; nr_swap_pages that, less what is in use, also on a device that
    swapoff has begun with: it takes all pages off at once, and each that is freed adds one."""
    used = [si for _, si, _ in devices(space, words)]
    total = sum(words[si.pages.word] for si in used if words[si.flags.word] & SWP_WRITEOK)
    free = total - sum(words[si.inuse_pages.word] for si in used)
    for address, expected in ((space.nr_swap_pages, free), (space.total_swap_pages, total)):
        if words[address.word] != expected:
            yield Violation("accounting", f"{address} is {words[address.word]}, but should be {expected}", address)


def references(world: World, space: Any, words: Words) -> Iterator[Violation]:
    """The count of a slot, with its continuation, is the number of PTEs and shmem slots that hold its entry."""
    held: Counter[int] = Counter()
    for mm in world.mms:
        held.update(pte.entry for pte in _elements(mm.pte, words) if isinstance(pte, SwapPte))
    shmem: Counter[int] = Counter()
    for info in world.infos:
        slots = (words[slot.word] for slot in xa_slots(info.i_mapping))
        shmem.update(value.entry for value in slots if isinstance(value, RadixEntry))
    for type, si, map in devices(space, words):
        for offset, byte in enumerate(bytes_of(map, words)):
            entry = swp_entry(type, offset)
            expected = (held.pop(entry, 0), shmem.pop(entry, 0))
            if byte and byte != SWAP_MAP_BAD and expected != counted(si, offset, byte, space, words):
                told = f"{map[offset]} is {byte:#04x}, but {expected[0]} PTEs and {expected[1]} file slots refer to it"
                yield Violation("accounting", told, map[offset])
            elif not byte and any(expected):
                yield Violation("accounting", f"{map[offset]} is free, but something refers to it", map[offset])
    for entry in held | shmem:
        yield Violation("accounting", f"an entry of device {swp_type(entry)} is left, which is not in use: {swp_offset(entry)}")


def counted(si: Pointer, offset: int, byte: int, space: Any, words: Words) -> tuple[int, int]:
    """How many PTEs, and how many file slots, a byte with its continuation says that refer to a slot."""
    count = byte & ~SWAP_HAS_CACHE
    if count == SWAP_MAP_SHMEM:
        return 0, 1
    total, weight, more = count & ~COUNT_CONTINUED, SWAP_MAP_MAX + 1, count & COUNT_CONTINUED
    pages = words[si.continuation[offset // space.PAGE_SIZE].word] if si.continuation else ()
    for page in pages:
        if not more:
            break
        digit = words[page[offset % space.PAGE_SIZE].word]
        total, weight, more = total + weight * (digit & 0x7F), weight * 0x80, digit & COUNT_CONTINUED
    return total, 0


def swap_cache(world: World, space: Any, words: Words) -> Iterator[Violation]:
    """A folio is in the cache at an index exactly if it says so itself; then, and while a slot waits in a slot cache, the byte
    has SWAP_HAS_CACHE."""
    waiting = {e for cache in space.swp_slots if cache for a in (cache.slots, cache.slots_ret) for e in words[a.word]}
    for type, _, map in devices(space, words):
        spaces = words[space.swapper_spaces[type].word]
        for offset, byte in enumerate(bytes_of(map, words)):
            slot = xa_slot(spaces[offset >> space.SWAP_ADDRESS_SPACE_SHIFT], offset)
            found: Any = words[slot.word] if slot.word >= 0 else NULL  # a scenario lays out only the slots it needs
            cached = found is not NULL and not xa_is_value(found)
            has_cache = bool(byte & SWAP_HAS_CACHE) and byte != SWAP_MAP_BAD
            if cached and not _is_cached_as(found, swp_entry(type, offset), words):
                yield Violation("swap cache", f"{slot} has {found}, which is not in the cache for this slot", slot)
            if has_cache != (cached or swp_entry(type, offset) in waiting):
                yield Violation("swap cache", f"{map[offset]} is {byte:#04x}, but the cache has {found}", map[offset])


def _is_cached_as(folio: Pointer, entry: int, words: Words) -> bool:
    first, size = words[folio.swap.word], words[folio.nr_pages.word]
    return words[folio._object.life] > 0 and bool(words[folio.swapcache.word]) and first <= entry < first + size


def folios(world: World, space: Any, words: Words) -> Iterator[Violation]:
    """A folio lives while it has references: one for each PTE, and nr_pages for the swap cache or the page cache."""
    mapped: Counter[str] = Counter()
    for mm in world.mms:
        mapped.update(pte.folio._name for pte in _elements(mm.pte, words) if isinstance(pte, PagePte))
    in_file: Counter[str] = Counter()
    for info in world.infos:
        slots = (words[slot.word] for slot in xa_slots(info.i_mapping))
        in_file.update(folio._name for folio in slots if folio and not xa_is_value(folio))
    for folio in world.folios:
        name, alive = folio._name, words[folio._object.life] > 0
        if not alive and not mapped[name] and not in_file[name]:
            continue
        size = words[folio.nr_pages.word]
        expected = mapped[name] + in_file[name] + size * bool(words[folio.swapcache.word])
        if not alive or words[folio.refcount.word] != expected or not expected:
            said = words[folio.refcount.word]
            yield Violation("reference count", f"{folio} has {said} references, but {expected} are held", folio.refcount)
        if words[folio.mapcount.word] != mapped[name]:
            said = words[folio.mapcount.word]
            yield Violation("reference count", f"{folio} has mapcount {said}, but {mapped[name]} PTEs map it", folio.mapcount)
        if words[folio.locked.word]:
            yield Violation("lock misuse", f"{folio} is still locked", folio.locked)


def clusters(world: World, space: Any, words: Words) -> Iterator[Violation]:
    """A cluster counts its bytes in use, the header and what lies beyond the end; a free one is on one list, once."""
    size = space.SWAPFILE_CLUSTER
    for _, si, map in devices(space, words):
        array, bytes_ = words[si.cluster_info.word], bytes_of(map, words)
        if not array:
            continue
        free, discard = words[si.free_clusters.word], words[si.discard_clusters.word]
        listed = Counter((*free, *discard))
        for i in range(len(array)):
            in_use = size - bytes_[i * size : (i + 1) * size].count(0)
            is_free = bool(words[array[i].flags.word] & CLUSTER_FLAG_FREE)
            if listed[i] != int(is_free or i in discard):
                yield Violation("accounting", f"{array[i]} is on {listed[i]} lists", array[i].flags)
            if is_free != (in_use == 0 and i not in discard):
                yield Violation(
                    "accounting",
                    f"{array[i]} has {in_use} slots in use, and is {'' if is_free else 'not '}free",
                    array[i].flags,
                )
            if not listed[i] and words[array[i].data.word] != in_use:
                said = words[array[i].data.word]
                yield Violation("accounting", f"{array[i]} counts {said} slots, but {in_use} are in use", array[i].data)
        for a, b in itertools.pairwise(free):
            if words[array[a].data.word] != b:
                yield Violation(
                    "accounting", f"{array[a]} is followed by {b} on the free list, but says otherwise", array[a].data
                )


def lists(world: World, space: Any, words: Words) -> Iterator[Violation]:
    """A device is active while WRITEOK is set, available while it has a free slot; an mm with a swap PTE is on the mmlist."""
    active = [item for _, item in words[space.swap_active_head.word]]
    available = [item for _, item in words[space.swap_avail_head.word]]
    enable = getattr(space, "_enable_swap_info", None)
    asks = enable is None or "highest_bit" in enable.__code__.co_names  # v6.1 lists a full device too
    for _, si, map in devices(space, words):
        writeok = bool(words[si.flags.word] & SWP_WRITEOK)
        if active.count(si) != int(writeok):
            yield Violation("accounting", f"{si} is {active.count(si)} times on swap_active_head", space.swap_active_head)
        listed, full = available.count(si), not words[si.highest_bit.word]
        if listed != int(writeok and not full) and not (not asks and full and listed <= 1):
            yield Violation("accounting", f"{si} is {listed} times on swap_avail_head", space.swap_avail_head)
        free = [i for i, byte in enumerate(bytes_of(map, words)) if not byte]
        if free and not words[si.lowest_bit.word] <= free[0] <= free[-1] <= words[si.highest_bit.word]:
            yield Violation(
                "accounting", f"slots {free[0]} to {free[-1]} are free, but {si} does not look there", si.lowest_bit
            )
        if words[si.flags.word] >= SWP_SCANNING:
            yield Violation("accounting", f"{si} is still being scanned", si.flags)
        if words[si.users.word]:
            yield Violation("reference count", f"{si.users} has {words[si.users.word]} references left", si.users)
    for mm in world.mms:
        if not words[mm.mmlist.word] and any(isinstance(pte, SwapPte) for pte in _elements(mm.pte, words)):
            yield Violation("accounting", f"{mm} has a swap PTE, but is not on the mmlist", mm.mmlist)


def processes(world: World, space: Any, words: Words) -> Iterator[Violation]:
    """An mm has one user, its process; or none: then it is empty, and not on the mmlist, where swapoff would find it freed."""
    for mm in world.mms:
        users, listed = words[mm.mm_users.word], words[mm.mmlist.word]
        if users not in (0, 1):
            yield Violation("reference count", f"{mm.mm_users} is {users}, but one process uses it", mm.mm_users)
        if not users and listed:
            yield Violation("accounting", f"{mm} is gone, but still on the mmlist", mm.mmlist)
        if not users and any(isinstance(pte, SwapPte | PagePte) for pte in _elements(mm.pte, words)):
            yield Violation("accounting", f"{mm} is gone, but its page table is not empty", mm.pte[0])


def files(world: World, space: Any, words: Words) -> Iterator[Violation]:
    """info->swapped counts the file's swap entries, and a file that has some is on shmem_swaplist."""
    for info in world.infos:
        slots = [words[slot.word] for slot in xa_slots(info.i_mapping)]
        swapped = sum(isinstance(value, RadixEntry) for value in slots)
        if words[info.swapped.word] != swapped:
            yield Violation("accounting", f"{info.swapped} is {words[info.swapped.word]}, but {swapped} are", info.swapped)
        if swapped and not words[info.swaplist.word]:
            yield Violation("accounting", f"{info} has swap entries, but is not on shmem_swaplist", info.swaplist)


def nothing_held(world: World, space: Any, words: Words) -> Iterator[Violation]:
    """No lock is held and no section is open."""
    for _, field, lock in world.memory.named:
        if field.held is not None and words[lock.word] and lock.object not in {f._name for f in world.folios}:
            yield Violation("lock misuse", f"{lock} is still held", lock)
    if any(words[word] & SLEEPLESS for word in world.memory.context):
        yield Violation("lock misuse", "an atomic or RCU section is still open")


def _elements(array: Pointer, words: Words) -> Sequence[Any]:
    first = array[0].word
    return words[first : first + len(array)]


INVARIANTS: tuple[Invariant, ...] = (
    inuse_pages,
    nr_swap_pages,
    references,
    swap_cache,
    folios,
    clusters,
    lists,
    processes,
    files,
    nothing_held,
)
