"""include/linux/swapops.h and include/linux/swap.h, v6.8: swap entries, PTEs and the constants of the swap_map byte.

Pure functions on values: no step, no memory.
"""

from typing import NamedTuple

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

SWP_USED = 1 << 0
SWP_WRITEOK = 1 << 1
SWP_SOLIDSTATE = 1 << 4
SWP_BLKDEV = 1 << 6
SWP_SCANNING = 1 << 14  # not a flag but a count: the flags word >= SWP_SCANNING while somebody scans

TTRS_ANYWAY = 0x1
TTRS_UNMAPPED = 0x2
TTRS_FULL = 0x4

CLUSTER_FLAG_FREE = 1
CLUSTER_FLAG_NEXT_NULL = 2
CLUSTER_FLAG_HUGE = 4


class SwapPte(NamedTuple):
    """A page table entry that is not present and holds a swap entry."""

    entry: int

    def __str__(self) -> str:
        return f"swap({swp_type(self.entry)}, {swp_offset(self.entry)})"


class PagePte(NamedTuple):
    """A page table entry that maps a page."""

    folio: object

    def __str__(self) -> str:
        return f"maps {self.folio}"


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


def pte_none(pte):
    return not pte


def pte_present(pte):
    return isinstance(pte, PagePte)


def is_swap_pte(pte):
    return isinstance(pte, SwapPte)


def pte_to_swp_entry(pte):
    return pte.entry


def mk_pte(folio):
    return PagePte(folio)


def swp_to_radix_entry(entry):
    return RadixEntry(entry)


def radix_to_swp_entry(value):
    return value.entry


def xa_is_value(value):
    return isinstance(value, RadixEntry)


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
    return sum(name.startswith("i_pages[") for name in mapping._fields)


def show_byte(byte):
    return f"{byte:#04x}"


def show_pte(pte):
    return "none" if not pte else str(pte)


def show_slot(value):
    return "-" if value is NULL else str(value)


def show_flags(flags):
    """The flags of a swap_info_struct in kernel words."""
    names = {SWP_USED: "USED", SWP_WRITEOK: "WRITEOK", SWP_SOLIDSTATE: "SOLIDSTATE", SWP_BLKDEV: "BLKDEV"}
    words = [name for bit, name in names.items() if flags & bit]
    scanning = flags // SWP_SCANNING
    return "|".join(words + [f"SCANNING*{scanning}"] * bool(scanning)) or "0"


def show_cluster(flags):
    names = {CLUSTER_FLAG_FREE: "FREE", CLUSTER_FLAG_NEXT_NULL: "NEXT_NULL", CLUSTER_FLAG_HUGE: "HUGE"}
    return "|".join(name for bit, name in names.items() if flags & bit) or "0"
