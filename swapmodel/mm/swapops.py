"""include/linux/swapops.h and include/linux/swap.h, v6.8: swap entries, PTEs and the constants of the swap_map byte.

Pure functions on values: no step, no memory.
"""

from typing import Any, NamedTuple

from ..machine import NULL, Pointer
from ..machine.memory import fault_address

MAX_SWAPFILES_SHIFT = 5
SWP_TYPE_SHIFT = 63 - MAX_SWAPFILES_SHIFT  # BITS_PER_XA_VALUE - MAX_SWAPFILES_SHIFT on a 64-bit kernel
SWP_OFFSET_MASK = (1 << SWP_TYPE_SHIFT) - 1
MAX_SWAPFILES = 23  # 32 minus the pseudo types of a kernel with migration, device memory, hwpoison and PTE markers

SWAP_HAS_CACHE = 0x40  # a folio in the swap cache, or somebody who is about to put one there or to free the slot
COUNT_CONTINUED = 0x80
SWAP_MAP_MAX = 0x3E
SWAP_MAP_BAD = 0x3F
SWAP_MAP_SHMEM = 0xBF

SWAP_CONT_MAX = 0x7F  # of a digit in a continuation page

SWP_USED = 1 << 0
SWP_WRITEOK = 1 << 1
SWP_DISCARDABLE = 1 << 2
SWP_DISCARDING = 1 << 3
SWP_SOLIDSTATE = 1 << 4
SWP_CONTINUED = 1 << 5
SWP_BLKDEV = 1 << 6
SWP_ACTIVATED = 1 << 7
SWP_AREA_DISCARD = 1 << 9
SWP_PAGE_DISCARD = 1 << 10
SWP_SYNCHRONOUS_IO = 1 << 12
SWP_SCANNING = 1 << 14  # not a flag but a count: the flags word >= SWP_SCANNING while somebody scans

TTRS_ANYWAY = 0x1
TTRS_UNMAPPED = 0x2
TTRS_FULL = 0x4

CLUSTER_FLAG_FREE = 1
CLUSTER_FLAG_NEXT_NULL = 2
CLUSTER_FLAG_HUGE = 4


class SwapPte(NamedTuple):
    """A page table entry that is not present and holds a swap entry. `exclusive`: no other process shares the page."""

    entry: int
    exclusive: bool = False

    def __str__(self) -> str:
        exclusive = ", exclusive" if self.exclusive else ""
        return f"swap({swp_type(self.entry)}, {swp_offset(self.entry)}{exclusive})"


class PagePte(NamedTuple):
    """A page table entry that maps sub-page `page` of a folio."""

    folio: Any
    page: int = 0
    writable: bool = False
    dirty: bool = False

    def __str__(self) -> str:
        flags = ", writable" * self.writable + ", dirty" * self.dirty
        return f"maps {self.folio}" + (f" page {self.page}" if self.page else "") + flags


class Shadow(NamedTuple):
    """An XArray value entry that reclaim leaves behind in the swap cache: when the page was evicted (mm/workingset.c)."""

    eviction: int = 0

    def __str__(self) -> str:
        return "shadow"


class RadixEntry(NamedTuple):
    """An XArray value entry: where shmem keeps the swap entry of a page that was swapped out."""

    entry: int

    def __str__(self) -> str:
        return f"swap({swp_type(self.entry)}, {swp_offset(self.entry)})"


def swp_entry(type, offset):
    """swp_entry(): the type in the top bits, the offset below; 0 means no entry."""
    return type << SWP_TYPE_SHIFT | offset & SWP_OFFSET_MASK


def swp_type(entry):
    return entry >> SWP_TYPE_SHIFT


def swp_offset(entry):
    return entry & SWP_OFFSET_MASK


def non_swap_entry(entry):
    return swp_type(entry) >= MAX_SWAPFILES


def swp_entry_to_pte(entry):
    return SwapPte(entry)


def pte_swp_mkexclusive(pte):
    return pte._replace(exclusive=True)


def pte_swp_exclusive(pte):
    return pte.exclusive


def pte_swp_clear_exclusive(pte):
    return pte._replace(exclusive=False)


def pte_same_as_swp(pte, swp_pte):
    """mm/swapfile.c: are they the same but for the flags?"""
    return is_swap_pte(pte) and pte.entry == swp_pte.entry


def pte_none(pte):
    return not pte


def pte_present(pte):
    return isinstance(pte, PagePte)


def is_swap_pte(pte):
    return isinstance(pte, SwapPte)


def pte_to_swp_entry(pte):
    return pte.entry


def mk_pte(folio, page=0):
    return PagePte(folio, page)


def pte_mkwrite(pte):
    return pte._replace(writable=True)


def pte_wrprotect(pte):
    return pte._replace(writable=False)


def pte_write(pte):
    return pte.writable


def pte_mkdirty(pte):
    return pte._replace(dirty=True)


def pte_mkclean(pte):
    return pte._replace(dirty=False)


def pte_dirty(pte):
    return pte.dirty


def swp_to_radix_entry(entry):
    return RadixEntry(entry)


def radix_to_swp_entry(value):
    return value.entry


def xa_is_value(value):
    return isinstance(value, RadixEntry | Shadow)


def swap_count(byte):
    """mm/swapfile.c: the byte without SWAP_HAS_CACHE; COUNT_CONTINUED stays."""
    return byte & ~SWAP_HAS_CACHE


def xa_slot(mapping, index):
    """The XArray slot of `mapping` for `index`; an index that the scenario did not lay out faults when it is touched."""
    name = f"i_pages[{index}]"
    if isinstance(mapping, Pointer) and name not in mapping._fields:
        return fault_address(f"{mapping}.{name}", "out-of-bounds access")
    return getattr(mapping, name)


def xa_size(mapping):
    """How many indices of `mapping` the scenario uses."""
    return len(xa_slots(mapping))


def xa_slots(mapping):
    """The addresses of all of them."""
    return [address for name, address in mapping._fields.items() if name.startswith("i_pages[")]


class SwapFile(NamedTuple):
    """What swapon finds at a path, and where its memory is: the facts of the swap header and of the block device, and the
    places for what swapon allocates. Values, never changed."""

    name: str
    pages: int  # slots, the header included: what the header calls last_page + 1
    bad: tuple[int, ...] = ()  # offsets of bad pages, without the header
    solidstate: bool = True
    synchronous: bool = False  # a RAM disk: SWP_SYNCHRONOUS_IO
    discard: bool = False
    disk: object = None  # array: what was written to each slot
    swap_map: object = None  # places, each an array or a struct:
    cluster_info: object = None
    percpu_cluster: object = None
    cluster_next_cpu: object = None
    swapper_spaces: object = None
    swap_cgroup: object = None
    extent: object = None
    bdev: object = None

    def __repr__(self):
        return self.name


def plist_add(nodes, prio, item):
    """lib/plist.c: a list of (key, item) sorted by key; behind those of the same key. swap uses -prio as the key."""
    before = tuple(n for n in nodes if n[0] <= -prio)
    return (*before, (-prio, item), *nodes[len(before) :])


def plist_del(nodes, item):
    return tuple(n for n in nodes if n[1] is not item)


def plist_requeue(nodes, item):
    """lib/plist.c: behind the others of its key."""
    key = next(n[0] for n in nodes if n[1] is item)
    return plist_add(plist_del(nodes, item), -key, item)


def plist_first(nodes):
    return nodes[0][1] if nodes else NULL


def plist_next(nodes, item):
    """The item behind `item`; NULL at the end, or when it is no longer there."""
    items = [n[1] for n in nodes]
    behind = items[items.index(item) + 1 :] if item in items else []
    return behind[0] if behind else NULL


def plist_node_empty(nodes, item):
    return all(n[1] is not item for n in nodes)


def show_plist(nodes):
    return ", ".join(f"{item} (prio {-key})" for key, item in nodes) or "empty"


def show_entry(entry):
    return f"swap({swp_type(entry)}, {swp_offset(entry)})" if entry else "0"


def show_byte(byte):
    return f"{byte:#04x}"


def show_pte(pte):
    return "none" if not pte else str(pte)


def show_slot(value):
    return "-" if value is NULL else str(value)


def show_flags(flags):
    """The flags of a swap_info_struct in kernel words."""
    names = {
        SWP_USED: "USED",
        SWP_WRITEOK: "WRITEOK",
        SWP_DISCARDABLE: "DISCARDABLE",
        SWP_DISCARDING: "DISCARDING",
        SWP_SOLIDSTATE: "SOLIDSTATE",
        SWP_CONTINUED: "CONTINUED",
        SWP_BLKDEV: "BLKDEV",
        SWP_ACTIVATED: "ACTIVATED",
        SWP_AREA_DISCARD: "AREA_DISCARD",
        SWP_PAGE_DISCARD: "PAGE_DISCARD",
        SWP_SYNCHRONOUS_IO: "SYNCHRONOUS_IO",
    }
    words = [name for bit, name in names.items() if flags & bit]
    scanning = flags // SWP_SCANNING
    return "|".join(words + [f"SCANNING*{scanning}"] * bool(scanning)) or "0"


def show_cluster(flags):
    names = {CLUSTER_FLAG_FREE: "FREE", CLUSTER_FLAG_NEXT_NULL: "NEXT_NULL", CLUSTER_FLAG_HUGE: "HUGE"}
    return "|".join(name for bit, name in names.items() if flags & bit) or "0"


def show_page_lock(holder):
    return "locked" if holder else "unlocked"


def show_count(entries):
    """Of the entries in a slot cache: how many."""
    return f"{len(entries)} slots"


def show_claims(pairs):
    """Who has claimed which block device: pairs of (file, holder)."""
    return ", ".join(f"{file} by {si}" for file, si in pairs) or "none"


def show_swapfiles(pairs):
    """Whose inode has S_SWAPFILE: pairs of (file, who set it)."""
    return ", ".join(str(file) for file, _ in pairs) or "none"
