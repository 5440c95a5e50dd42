"""Swap entries as data and as pictures: pure functions on ints, for notebooks and reviewers.

swap_entry(3, 5)                                # a swp_entry_t
pte(swap_entry(3, 5), "arm64", exclusive=True)  # its PTE
pte_word(0x1FFFFFFFFFFFF408)                    # a word from a crash dump
xa_value(swap_entry(3, 5))                      # what shmem keeps
swap_map_byte(0x41)                             # a slot's count

Each gives a Picture: an int that shows its bits and fields as text and as HTML."""

from .encoding import (
    ARCHES,
    DecodedPte,
    classify_pte,
    decode_pte,
    decode_xa_value,
    encode_pte,
    encode_xa_value,
    max_device_pages,
    pte,
    pte_word,
    swapfile_maximum_size,
    xa_value,
)
from .entry import (
    CachePlace,
    KernelConfig,
    entry_meaning,
    entry_picture,
    make_entry,
    max_swapfiles,
    pseudo_types,
    swap_cache_place,
    swap_cache_spaces,
    swap_entry,
)
from .picture import Field, Picture
from .swap_map import ByteMeaning, byte_meaning, reference_count, swap_map_byte

__all__ = [
    "ARCHES",
    "ByteMeaning",
    "CachePlace",
    "DecodedPte",
    "Field",
    "KernelConfig",
    "Picture",
    "byte_meaning",
    "classify_pte",
    "decode_pte",
    "decode_xa_value",
    "encode_pte",
    "encode_xa_value",
    "entry_meaning",
    "entry_picture",
    "make_entry",
    "max_device_pages",
    "max_swapfiles",
    "pseudo_types",
    "pte",
    "pte_word",
    "reference_count",
    "swap_cache_place",
    "swap_cache_spaces",
    "swap_entry",
    "swap_map_byte",
    "swapfile_maximum_size",
    "xa_value",
]
