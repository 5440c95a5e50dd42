"""swp_entry_t: type and offset, the types that are no swap device, and where the swap cache keeps an entry.

Sources: include/linux/swap.h and swapops.h, mm/swap.h and mm/swap_state.c, v6.8; include/linux/swap.h and swapops.h, v6.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, SupportsIndex

from ..mm.swapops import MAX_SWAPFILES_SHIFT, SWP_TYPE_SHIFT, swp_entry, swp_offset, swp_type
from .picture import Field, Picture, in_range

TYPES = 1 << MAX_SWAPFILES_SHIFT
ENTRY_BITS = SWP_TYPE_SHIFT + MAX_SWAPFILES_SHIFT  # 63: an XArray value has one bit less than a word
VERSIONS = ("v6.1", "v6.8")
SWAP_ADDRESS_SPACE_SHIFT = 14
SWAP_ADDRESS_SPACE_PAGES = 1 << SWAP_ADDRESS_SPACE_SHIFT  # 64 MiB of 4 KiB pages

# Pseudo types by the option that brings them, in the order of their numbers: the first one's is MAX_SWAPFILES.
PSEUDO = {
    "memory_failure": {"SWP_HWPOISON": "a page frame whose memory failed; the offset is its number"},
    "migration": {
        "SWP_MIGRATION_READ": "a page that is being moved, mapped read-only; the offset holds its page frame number",
        "SWP_MIGRATION_READ_EXCLUSIVE": "as SWP_MIGRATION_READ, and the anonymous page belongs to this process alone",
        "SWP_MIGRATION_WRITE": "a page that is being moved, mapped writable; the offset holds its page frame number",
    },
    "device_private": {
        "SWP_DEVICE_WRITE": "a page in a device's own memory, writable; the offset is its page frame number",
        "SWP_DEVICE_READ": "a page in a device's own memory, read-only; the offset is its page frame number",
        "SWP_DEVICE_EXCLUSIVE_WRITE": "a page lent to a device, writable; the offset is its page frame number",
        "SWP_DEVICE_EXCLUSIVE_READ": "a page lent to a device, read-only; the offset is its page frame number",
    },
    "pte_marker": {"SWP_PTE_MARKER": "no page, but a note; the offset's bits say which (v6.8: bit 0 uffd-wp, bit 1 poisoned)"},
    "swapin_error": {"SWP_SWAPIN_ERROR": "a page whose swap-in failed (v6.1; in v6.8 a PTE marker says so)"},
}
EXPLAINED = {name: text for group in PSEUDO.values() for name, text in group.items()}


class KernelConfig(NamedTuple):
    """What of a kernel's version and configuration takes swap types away from swap devices; by default, everything of v6.8."""

    migration: bool = True  # CONFIG_MIGRATION: 3 types
    device_private: bool = True  # CONFIG_DEVICE_PRIVATE: 4 types
    memory_failure: bool = True  # CONFIG_MEMORY_FAILURE: 1 type
    pte_marker: bool = True  # v6.1: CONFIG_PTE_MARKER; no longer an option in v6.8, which always has the 1 type
    version: str = "v6.8"

    @property
    def swapin_error(self) -> bool:
        """v6.1 has a type of its own for a failed swap-in, whatever its configuration."""
        return self.version == "v6.1"


def pseudo_types(config: KernelConfig = KernelConfig()) -> dict[str, int]:
    """The types that are no swap device: kernel name -> number, ascending (include/linux/swap.h, v6.8 and v6.1).

    ValueError for another version, and for a v6.8 without PTE markers."""
    if config.version not in VERSIONS:
        raise ValueError(f"the swap types are known of {' and '.join(VERSIONS)}, not of {config.version}")
    if not config.pte_marker and config.version == "v6.8":
        raise ValueError("v6.8 always has PTE markers: CONFIG_PTE_MARKER is an option of v6.1")
    names = [name for option, group in PSEUDO.items() if getattr(config, option) for name in group]
    return {name: TYPES - len(names) + i for i, name in enumerate(names)}


def max_swapfiles(config: KernelConfig = KernelConfig()) -> int:
    """MAX_SWAPFILES: how many swap devices there can be at once. 23 with everything in v6.8, 22 in v6.1."""
    return TYPES - len(pseudo_types(config))


def make_entry(type: SupportsIndex, offset: SupportsIndex) -> int:
    """swp_entry(), checked: ValueError for a type over 5 bits or an offset over 58. Type 0 with offset 0 is 0, no entry."""
    value: int = swp_entry(
        in_range("a swap type", type, MAX_SWAPFILES_SHIFT), in_range("a swap offset", offset, SWP_TYPE_SHIFT)
    )
    return value


def check_entry(entry: SupportsIndex) -> int:
    """The int behind an entry; ValueError unless it has 63 bits at most."""
    return in_range("a swp_entry_t", entry, ENTRY_BITS)


def type_meaning(type: int, config: KernelConfig = KernelConfig()) -> str:
    """What a type number stands for in this kernel."""
    name = {number: name for name, number in pseudo_types(config).items()}.get(type)
    return f"swap device {type}" if name is None else f"{name}: {EXPLAINED[name]}"


def offset_meaning(type: int, offset: int, config: KernelConfig = KernelConfig()) -> str:
    """What an offset stands for: a page of the device (slot), the header, or what the pseudo type says."""
    if type >= max_swapfiles(config):
        return f"offset {offset:#x}"
    return f"slot {offset}" if offset else "slot 0, the device's header: never given out"


def entry_meaning(entry: SupportsIndex, config: KernelConfig = KernelConfig()) -> str:
    """An entry in one sentence."""
    value = check_entry(entry)
    type, offset = swp_type(value), swp_offset(value)
    if not value:
        return "0: no entry"
    return f"{type_meaning(type, config).split(':')[0]}, {offset_meaning(type, offset, config)}"


@dataclass(frozen=True, slots=True)
class CachePlace:
    """Where the swap cache keeps an entry's folio: swapper_spaces[type][space].i_pages, at `index`."""

    type: int
    space: int
    index: int

    def __str__(self) -> str:
        return f"swapper_spaces[{self.type}][{self.space}], index {self.index}"


def swap_cache_place(entry: SupportsIndex, config: KernelConfig = KernelConfig()) -> CachePlace:
    """swap_address_space() and the index in it (mm/swap.h, mm/swap_state.c, v6.8): one space for 2^14 slots, which are
    64 MiB of 4 KiB pages; the index is the whole offset, not the offset within the space.

    ValueError for an entry that is no slot of a swap device: those are never in the swap cache."""
    value = check_entry(entry)
    type, offset = swp_type(value), swp_offset(value)
    if type >= max_swapfiles(config) or not offset:
        raise ValueError(f"the swap cache holds slots of swap devices; this entry is {entry_meaning(value, config)}")
    return CachePlace(type, offset >> SWAP_ADDRESS_SPACE_SHIFT, offset)


def swap_cache_spaces(pages: int) -> int:
    """How many address spaces swapon makes for a device of `pages` pages: init_swap_address_space(), v6.8."""
    return -(-pages // SWAP_ADDRESS_SPACE_PAGES)


def entry_fields(value: int, config: KernelConfig, shift: int = 0) -> tuple[Field, Field]:
    """The fields type and offset of an entry that is stored `shift` bits further up."""
    type, offset = swp_type(value), swp_offset(value)
    top = SWP_TYPE_SHIFT + shift
    return (
        Field("type", top + MAX_SWAPFILES_SHIFT - 1, top, type_meaning(type, config)),
        Field("offset", top - 1, shift, offset_meaning(type, offset, config)),
    )


def entry_picture(entry: SupportsIndex, config: KernelConfig = KernelConfig()) -> Picture:
    value = check_entry(entry)
    fields = (Field("unused", 63, 63, "0, so that an XArray value can hold the entry"), *entry_fields(value, config))
    notes = [entry_meaning(value, config)]
    if swp_type(value) < max_swapfiles(config) and swp_offset(value):
        notes.append(f"swap cache: {swap_cache_place(value, config)}")
    return Picture("swp_entry_t", value, 64, fields, tuple(notes))


def swap_entry(type: SupportsIndex, offset: SupportsIndex, config: KernelConfig = KernelConfig()) -> Picture:
    """The swp_entry_t of a type and an offset, as an int that shows itself. Errors as make_entry()."""
    return entry_picture(make_entry(type, offset), config)
