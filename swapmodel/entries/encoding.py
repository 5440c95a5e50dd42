"""Swap entries as the page tables of x86-64 and arm64 hold them, and as shmem's XArray does, v6.8.

Sources: arch/x86/include/asm/pgtable.h, pgtable_64.h, pgtable_64_types.h, pgtable_types.h and mm/init.c;
arch/arm64/include/asm/pgtable.h and pgtable-prot.h; include/linux/swapops.h and xarray.h; mm/swapfile.c; all v6.8."""

from __future__ import annotations

from typing import NamedTuple, SupportsIndex

from ..mm.swapops import SWP_OFFSET_MASK, swp_entry, swp_offset, swp_type
from .entry import KernelConfig, check_entry, entry_fields, entry_meaning, offset_meaning, type_meaning
from .picture import Field, Picture, in_range

FLAGS = ("exclusive", "soft_dirty", "uffd_wp")
PAGE_SHIFT = 12  # x86-64 has 4 KiB pages
HEADER_MAX_PAGES = (1 << 32) - 1  # swap_info_struct.max is an unsigned int; so is last_page of the swap header


class Layout(NamedTuple):
    """How an architecture lays out a PTE that is not present: the fields from bit 63 to 0. A flag's meaning is
    what a 1 says; of the other bits, why the kernel stores 0."""

    arch: str
    fields: tuple[Field, ...]
    present: tuple[str, ...]  # the bits either of which makes pte_present() true
    ignored: tuple[str, ...]  # the bits that pte_none() does not look at
    inverted: bool  # the offset is stored as its bitwise complement

    def field(self, name: str) -> Field:
        return next(f for f in self.fields if f.name == name)

    def has(self, name: str) -> bool:
        return any(f.name == name for f in self.fields)

    def mask(self, *names: str) -> int:
        return sum((1 << f.width) - 1 << f.low for f in self.fields if f.name in names)


# The hardware's name of a bit is in parentheses: in a PTE that is not present the kernel uses it for something else.
X86_64 = Layout(
    "x86-64",
    (
        Field("type", 63, 59),
        Field("offset", 58, 9),
        Field("PROT_NONE", 8, 8, "pte_present() looks at it (G)"),
        Field("PSE", 7, 7, "pmd_present() looks at it (L, PAT)"),
        Field("D", 6, 6, "an erratum lets hardware set it (dirty)"),
        Field("A", 5, 5, "an erratum lets hardware set it (accessed)"),
        Field("PCD", 4, 4, "not used"),
        Field("exclusive", 3, 3, "the page was PageAnonExclusive (PWT)"),
        Field("uffd_wp", 2, 2, "write-protected by userfaultfd (U/S)"),
        Field("soft_dirty", 1, 1, "soft-dirty, CONFIG_MEM_SOFT_DIRTY (R/W)"),
        Field("present", 0, 0, "not present (P)"),
    ),
    present=("present", "PROT_NONE"),
    ignored=("A", "D"),
    inverted=True,
)
ARM64 = Layout(
    "arm64",
    (
        Field("unused", 63, 59, "not used"),
        Field("PROT_NONE", 58, 58, "pte_present() looks at it"),
        Field("offset", 57, 8),
        Field("type", 7, 3),
        Field("exclusive", 2, 2, "the page was PageAnonExclusive (AttrIndx[0])"),
        Field("zero", 1, 1, "part of the descriptor's type"),
        Field("valid", 0, 0, "not present (PTE_VALID)"),
    ),
    present=("valid", "PROT_NONE"),
    ignored=(),
    inverted=False,
)
ARCHES = {layout.arch: layout for layout in (X86_64, ARM64)}


def layout_of(arch: str) -> Layout:
    if arch not in ARCHES:
        raise ValueError(f"the PTEs of {' and '.join(ARCHES)} are known, not those of {arch}")
    return ARCHES[arch]


# ---- PTEs --------------------------------------------------------------------------------------------------------------


class DecodedPte(NamedTuple):
    """What a swap PTE says: pte_to_swp_entry() and the three flags that it clears first."""

    entry: int
    exclusive: bool
    soft_dirty: bool
    uffd_wp: bool


def classify_pte(word: SupportsIndex, arch: str = "x86-64") -> str:
    """ "none", "present" or "swap", by pte_none() and pte_present(): a swap PTE is neither (is_swap_pte(), v6.8).

    On x86-64 pte_none() overlooks the accessed and dirty bits; PROT_NONE mappings are present on both."""
    layout, value = layout_of(arch), in_range("a PTE", word, 64)
    if value & layout.mask(*layout.present):
        return "present"
    return "swap" if value & ~layout.mask(*layout.ignored) else "none"


def encode_pte(
    entry: SupportsIndex, arch: str = "x86-64", *, exclusive: bool = False, soft_dirty: bool = False, uffd_wp: bool = False
) -> int:
    """swp_entry_to_pte() and the flags: the 64-bit word of a swap PTE.

    ValueError: 0 (no entry); an offset over 50 bits; soft_dirty or uffd_wp on arm64, which has neither in v6.8; and the one
    x86-64 entry whose word is the empty PTE, type 0 with the highest offset."""
    layout, value = layout_of(arch), check_entry(entry)
    if not value:
        raise ValueError("entry 0 means no entry: no PTE holds it")
    word = _place(layout, swp_type(value), _checked_offset(layout, swp_offset(value)))
    for name in (n for n, asked in zip(FLAGS, (exclusive, soft_dirty, uffd_wp), strict=True) if asked):
        if not layout.has(name):
            raise ValueError(f"a swap PTE of {arch} has no bit for {name} in v6.8")
        word |= layout.mask(name)
    if classify_pte(word, arch) != "swap":
        raise ValueError(f"on {arch} this entry's word would be the empty PTE: {entry_meaning(value)}")
    return word


def _checked_offset(layout: Layout, offset: int) -> int:
    return in_range(f"a swap offset in a PTE of {layout.arch}", offset, layout.field("offset").width)


def _place(layout: Layout, type: int, offset: int) -> int:
    """The word without flags. XOR with the field's mask is what inverts exactly the offset's bits."""
    word = type << layout.field("type").low | offset << layout.field("offset").low
    return word ^ layout.mask("offset") if layout.inverted else word


def decode_pte(word: SupportsIndex, arch: str = "x86-64") -> DecodedPte:
    """The entry and the flags of a swap PTE; bits without a meaning are overlooked, as in the kernel.

    ValueError for a word that is none or present."""
    layout, value = layout_of(arch), in_range("a PTE", word, 64)
    kind = classify_pte(value, arch)
    if kind != "swap":
        raise ValueError(f"{value:#x} is no swap PTE on {arch}: it is {kind}")
    flags = (bool(value & layout.mask(name)) for name in FLAGS)
    return DecodedPte(swp_entry(*_type_and_offset(layout, value)), *flags)


def _type_and_offset(layout: Layout, word: int) -> tuple[int, int]:
    plain = word ^ layout.mask("offset") if layout.inverted else word
    type, offset = ((plain & layout.mask(name)) >> layout.field(name).low for name in ("type", "offset"))
    return type, offset


def pte(
    entry: SupportsIndex,
    arch: str = "x86-64",
    *,
    exclusive: bool = False,
    soft_dirty: bool = False,
    uffd_wp: bool = False,
    config: KernelConfig = KernelConfig(),
) -> Picture:
    """The swap PTE of an entry, as an int that shows itself. Errors as encode_pte()."""
    return pte_word(encode_pte(entry, arch, exclusive=exclusive, soft_dirty=soft_dirty, uffd_wp=uffd_wp), arch, config)


def pte_word(word: SupportsIndex, arch: str = "x86-64", config: KernelConfig = KernelConfig()) -> Picture:
    """Any 64-bit PTE, say from a crash dump; of a PTE that holds no swap entry only the bits that decide so are named."""
    layout, value = layout_of(arch), in_range("a PTE", word, 64)
    kind = classify_pte(value, arch)
    if kind != "swap":
        return _no_swap_pte(layout, value, kind)
    entry, *flags = decode_pte(value, arch)
    said = _meanings(layout, entry, config)
    set_flags = [name for name, on in zip(FLAGS, flags, strict=True) if on]
    note = f"{entry_meaning(entry, config)}; {', '.join(set_flags) or 'no flags'}"
    fields = tuple(f._replace(meaning=said.get(f.name) or _bit_meaning(f, value)) for f in layout.fields)
    return Picture(f"{arch} PTE (swap)", value, 64, fields, (note,))


def _no_swap_pte(layout: Layout, word: int, kind: str) -> Picture:
    note, text = f"pte_{kind}() is true", "empty" if kind == "none" else "page frame and permissions"
    if kind == "none" and word:
        note += f": it overlooks {' and '.join(layout.ignored)}"
    return Picture(f"{layout.arch} PTE ({kind})", word, 64, _other_fields(layout, word, text), (note,))


def _meanings(layout: Layout, entry: int, config: KernelConfig) -> dict[str, str]:
    type, offset = swp_type(entry), swp_offset(entry)
    how = "; stored inverted, against L1TF" if layout.inverted else ""
    return {"type": type_meaning(type, config), "offset": offset_meaning(type, offset, config) + how}


def _bit_meaning(field: Field, word: int) -> str:
    bits = word >> field.low & (1 << field.width) - 1
    if field.name in FLAGS:
        return f"{'yes' if bits else 'no'}: {field.meaning}"
    return f"set, though the kernel stores 0 here: {field.meaning}" if bits else f"0: {field.meaning}"


def _other_fields(layout: Layout, word: int, text: str) -> tuple[Field, ...]:
    """The bits that make a PTE present, and what lies between them."""
    fields, top = [], 63
    for f in [*(f for f in layout.fields if f.name in layout.present), Field("", -1, -1)]:
        if top > f.high:
            fields.append(Field("other bits", top, f.high + 1, text))
        if f.name:
            fields.append(f._replace(meaning="1: present" if word >> f.low & 1 else "0"))
        top = f.low - 1
    return tuple(fields)


# ---- sizes -------------------------------------------------------------------------------------------------------------


def swapfile_maximum_size(arch: str = "x86-64", l1tf_cache_bits: int | None = None) -> int:
    """swapfile_maximum_size, in pages: generic_max_swapfile_size(), mm/swapfile.c, and x86's arch_max_swapfile_size(),
    arch/x86/mm/init.c, v6.8. 2^50 for both: as many offsets as an entry and a PTE can both hold.

    `l1tf_cache_bits`: the physical address bits (x86_cache_bits, usually 36 to 52) of a CPU that has the L1TF bug and whose
    mitigation is not off. Then the address that an inverted offset looks like must lie over MAX_PA/2, where no memory is.
    ValueError on arm64, which has no such limit."""
    layout = layout_of(arch)
    pages = min(SWP_OFFSET_MASK, (1 << layout.field("offset").width) - 1) + 1
    if l1tf_cache_bits is None:
        return pages
    if not layout.inverted:
        raise ValueError(f"L1TF limits swap on x86-64, not on {arch}")
    if not PAGE_SHIFT < l1tf_cache_bits <= 52:
        raise ValueError(f"physical addresses of x86-64 have {PAGE_SHIFT + 1} to 52 bits, not {l1tf_cache_bits}")
    # Offsets begin 3 bits below page frame numbers, hence eight times as many.
    return min(pages, 1 << l1tf_cache_bits - 1 - PAGE_SHIFT << PAGE_SHIFT - layout.field("offset").low)


def max_device_pages(arch: str = "x86-64", l1tf_cache_bits: int | None = None) -> int:
    """The largest swap device that swapon uses in full, in pages with the header's: read_swap_header(), mm/swapfile.c, v6.8.

    Nearly always what 32 bits allow: 2^32 - 1 pages, 16 TiB less one page of 4 KiB. Offsets are below this number."""
    return min(swapfile_maximum_size(arch, l1tf_cache_bits), HEADER_MAX_PAGES)


# ---- XArray values -----------------------------------------------------------------------------------------------------


def encode_xa_value(entry: SupportsIndex) -> int:
    """swp_to_radix_entry(), that is xa_mk_value(): one bit up, and a 1 below that tells it from a pointer."""
    return check_entry(entry) << 1 | 1


def decode_xa_value(word: SupportsIndex) -> int:
    """radix_to_swp_entry(), checked: ValueError for a word that xa_is_value() refuses.

    In a shmem file a value is a swap entry; in the swap cache it is a shadow, and what this returns means nothing."""
    value = in_range("an XArray entry", word, 64)
    if not value & 1:
        raise ValueError(f"{value:#x} is no XArray value: its lowest bit is 0, as in a pointer")
    return value >> 1


def xa_value(entry: SupportsIndex, config: KernelConfig = KernelConfig()) -> Picture:
    """The word in a shmem file's i_pages of a page that was swapped out, as an int that shows itself."""
    value = check_entry(entry)
    fields = (*entry_fields(value, config, shift=1), Field("value", 0, 0, "1: an XArray value, no pointer"))
    return Picture("XArray value", encode_xa_value(value), 64, fields, (entry_meaning(value, config),))
