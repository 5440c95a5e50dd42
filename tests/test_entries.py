"""Swap entries and PTEs: words worked out by hand from the kernel's headers, round trips, and pictures that hide nothing."""

import dataclasses
import html
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapmodel.entries import (
    ARCHES,
    CachePlace,
    DecodedPte,
    Field,
    KernelConfig,
    Picture,
    byte_meaning,
    classify_pte,
    decode_pte,
    decode_xa_value,
    encode_pte,
    encode_xa_value,
    entry_meaning,
    make_entry,
    max_device_pages,
    max_swapfiles,
    pseudo_types,
    pte,
    pte_word,
    reference_count,
    swap_cache_place,
    swap_cache_spaces,
    swap_entry,
    swap_map_byte,
    swapfile_maximum_size,
    xa_value,
)
from swapmodel.mm import swapops

TOP_OFFSET = (1 << 50) - 1  # of a PTE
V61 = KernelConfig(version="v6.1")
NOTHING = KernelConfig(migration=False, device_private=False, memory_failure=False)
types = st.integers(0, 31)
pte_offsets = st.integers(0, TOP_OFFSET) | st.integers(0, 63) | st.sampled_from([1 << n for n in range(50)])
quick = settings(max_examples=60, deadline=None)

# ---- entries -----------------------------------------------------------------------------------------------------------


def test_an_entry_has_its_type_on_top():
    assert make_entry(3, 5) == 0x0C00_0000_0000_0005
    assert make_entry(31, (1 << 58) - 1) == (1 << 63) - 1
    assert make_entry(0, 0) == 0


@quick
@given(types, st.integers(0, (1 << 58) - 1))
def test_an_entry_is_what_the_model_has(type, offset):
    entry = make_entry(type, offset)
    assert entry == swapops.swp_entry(type, offset)
    assert (swapops.swp_type(entry), swapops.swp_offset(entry)) == (type, offset)


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (KernelConfig(), 23),
        (V61, 22),
        (KernelConfig(migration=False), 26),
        (KernelConfig(device_private=False), 27),
        (KernelConfig(memory_failure=False), 24),
        (NOTHING, 31),
        (V61._replace(pte_marker=False), 23),
        (NOTHING._replace(version="v6.1", pte_marker=False), 31),
        (NOTHING._replace(version="v6.1"), 30),
    ],
)
def test_max_swapfiles(config, count):
    assert max_swapfiles(config) == count
    assert list(pseudo_types(config).values()) == list(range(count, 32))


def test_the_model_is_a_kernel_with_everything():
    assert max_swapfiles() == swapops.MAX_SWAPFILES


def test_the_numbers_of_pseudo_types():
    assert pseudo_types() == {
        "SWP_HWPOISON": 23,
        "SWP_MIGRATION_READ": 24,
        "SWP_MIGRATION_READ_EXCLUSIVE": 25,
        "SWP_MIGRATION_WRITE": 26,
        "SWP_DEVICE_WRITE": 27,
        "SWP_DEVICE_READ": 28,
        "SWP_DEVICE_EXCLUSIVE_WRITE": 29,
        "SWP_DEVICE_EXCLUSIVE_READ": 30,
        "SWP_PTE_MARKER": 31,
    }
    assert pseudo_types(V61)["SWP_SWAPIN_ERROR"] == 31
    assert pseudo_types(V61)["SWP_PTE_MARKER"] == 30


@pytest.mark.parametrize(
    ("entry", "config", "text"),
    [
        (0, KernelConfig(), "0: no entry"),
        (make_entry(2, 0), KernelConfig(), "swap device 2, slot 0, the device's header: never given out"),
        (make_entry(2, 9), KernelConfig(), "swap device 2, slot 9"),
        (make_entry(31, 2), KernelConfig(), "SWP_PTE_MARKER, offset 0x2"),
        (make_entry(31, 2), V61, "SWP_SWAPIN_ERROR, offset 0x2"),
        (make_entry(22, 2), KernelConfig(), "swap device 22, slot 2"),
        (make_entry(22, 2), V61, "SWP_HWPOISON, offset 0x2"),
    ],
)
def test_an_entry_in_a_sentence(entry, config, text):
    assert entry_meaning(entry, config) == text


def test_the_swap_cache_has_a_space_for_64_mib():
    last, first = make_entry(1, (1 << 14) - 1), make_entry(1, 1 << 14)
    assert swap_cache_place(last) == CachePlace(type=1, space=0, index=16383)
    assert swap_cache_place(first) == CachePlace(type=1, space=1, index=16384)
    assert str(swap_cache_place(first)) == "swapper_spaces[1][1], index 16384"
    assert (1 << 14) * 4096 == 64 << 20
    assert [swap_cache_spaces(n) for n in (1, 16384, 16385)] == [1, 1, 2]


# ---- PTEs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arch", "type", "offset", "flags", "word"),
    [
        # type 0, offset 1: bits 58-9 are ~1, that is all ones but the lowest
        ("x86-64", 0, 1, {}, 0x07FF_FFFF_FFFF_FC00),
        # 3 << 59 is 0x18...; ~5 << 9 is ...f400
        ("x86-64", 3, 5, {}, 0x1FFF_FFFF_FFFF_F400),
        ("x86-64", 3, 5, {"exclusive": True}, 0x1FFF_FFFF_FFFF_F408),
        ("x86-64", 3, 5, {"soft_dirty": True}, 0x1FFF_FFFF_FFFF_F402),
        ("x86-64", 3, 5, {"uffd_wp": True}, 0x1FFF_FFFF_FFFF_F404),
        ("x86-64", 31, TOP_OFFSET, {}, 0xF800_0000_0000_0000),
        ("arm64", 0, 1, {}, 0x100),
        ("arm64", 3, 5, {}, 0x518),
        ("arm64", 3, 5, {"exclusive": True}, 0x51C),
        ("arm64", 31, TOP_OFFSET, {}, 0x03FF_FFFF_FFFF_FFF8),
    ],
)
def test_known_words(arch, type, offset, flags, word):
    entry = make_entry(type, offset)
    assert encode_pte(entry, arch, **flags) == word
    assert decode_pte(word, arch) == DecodedPte(entry, *(flags.get(f, False) for f in ("exclusive", "soft_dirty", "uffd_wp")))


@quick
@given(st.sampled_from(sorted(ARCHES)), types, pte_offsets, st.booleans(), st.booleans(), st.booleans())
def test_ptes_round_trip(arch, type, offset, exclusive, soft_dirty, uffd_wp):
    on_x86 = arch == "x86-64"
    soft_dirty, uffd_wp = soft_dirty and on_x86, uffd_wp and on_x86
    entry = make_entry(type, offset)
    if not entry or (on_x86 and type == 0 and offset == TOP_OFFSET):
        return  # the entries without a PTE: their errors are tested below
    word = encode_pte(entry, arch, exclusive=exclusive, soft_dirty=soft_dirty, uffd_wp=uffd_wp)
    assert classify_pte(word, arch) == "swap"
    assert decode_pte(word, arch) == DecodedPte(entry, exclusive, soft_dirty, uffd_wp)


@quick
@given(st.sampled_from(sorted(ARCHES)), st.integers(0, (1 << 64) - 1) | st.sampled_from([0, 0x20, 0x40, 0x60]))
def test_every_word_is_one_of_three_and_has_a_picture(arch, word):
    """The predicates written once more, from arch/*/include/asm/pgtable.h."""
    present = word & (0x101 if arch == "x86-64" else 1 | 1 << 58)
    none = not word & (~0x60 if arch == "x86-64" else ~0)
    kind = classify_pte(word, arch)
    assert kind == ("present" if present else "none" if none else "swap")
    assert int(pte_word(word, arch)) == word
    assert f"({kind})" in pte_word(word, arch).title
    assert ("empty" in str(pte_word(word, arch))) == (kind == "none")
    if kind == "swap":
        decode_pte(word, arch)
    else:
        with pytest.raises(ValueError, match=f"it is {kind}$"):
            decode_pte(word, arch)


def test_the_erratum_bits_are_overlooked():
    assert [classify_pte(word) for word in (0, 0x20, 0x40, 0x60, 0x80, 0x100, 1)] == [
        *["none"] * 4,
        "swap",
        "present",
        "present",
    ]
    assert [classify_pte(word, "arm64") for word in (0, 0x20, 2, 1, 1 << 58)] == ["none", "swap", "swap", "present", "present"]
    assert decode_pte(encode_pte(make_entry(3, 5)) | 0x60) == decode_pte(encode_pte(make_entry(3, 5)))
    assert "pte_none() is true: it overlooks A and D" in str(pte_word(0x20))


def test_a_small_offset_points_where_no_memory_is():
    """L1TF: read as an address, the word of a small offset has the highest physical address bits set."""
    physical = encode_pte(make_entry(0, 5)) & ((1 << 52) - 1) & ~0xFFF
    assert physical >> 40 == 0xFFF
    assert encode_pte(make_entry(0, 5), "arm64") & ((1 << 52) - 1) & ~0xFFF == 0


def test_sizes():
    assert swapfile_maximum_size("x86-64") == swapfile_maximum_size("arm64") == 1 << 50
    assert swapfile_maximum_size("x86-64", l1tf_cache_bits=46) == 1 << 36  # 2^46 bytes / 2 / 4096, times 8
    assert swapfile_maximum_size("x86-64", l1tf_cache_bits=36) * 4096 == 256 << 30
    assert max_device_pages() == max_device_pages("arm64") == max_device_pages(l1tf_cache_bits=46) == (1 << 32) - 1
    assert max_device_pages(l1tf_cache_bits=36) == 1 << 26


# ---- XArray values -----------------------------------------------------------------------------------------------------


def test_xarray_values():
    assert encode_xa_value(make_entry(3, 5)) == 0x1800_0000_0000_000B
    assert encode_xa_value((1 << 63) - 1) == (1 << 64) - 1
    assert decode_xa_value(0xB) == 5


@quick
@given(st.integers(0, (1 << 63) - 1))
def test_xarray_values_round_trip(entry):
    assert decode_xa_value(encode_xa_value(entry)) == entry
    assert int(xa_value(entry)) == encode_xa_value(entry)


# ---- the swap_map byte -------------------------------------------------------------------------------------------------


def test_the_kinds_partition_the_bytes():
    kinds = {}
    for byte in range(256):
        meaning = byte_meaning(byte)
        assert meaning.text and meaning.byte == byte and meaning.cached == bool(byte & 0x40)
        kinds.setdefault(meaning.kind, set()).add(byte)
    assert kinds == {
        "free": {0},
        "pinned": {0x40},
        "counted": set(range(0x01, 0x3F)) | set(range(0x41, 0x7F)),
        "continued": set(range(0x80, 0xBF)) | set(range(0xC0, 0xFF)),
        "shmem": {0xBF, 0xFF},
        "bad": {0x3F},
        "impossible": {0x7F},
    }


def test_every_byte_says_something_of_its_own():
    """No two bytes share a text."""
    texts = Counter(byte_meaning(byte).text for byte in range(256))
    assert {text: n for text, n in texts.items() if n > 1} == {}


@pytest.mark.parametrize(
    ("byte", "text"),
    [
        (0x00, "free; not counted"),
        (0x01, "1 reference: a PTE, or a page of a hibernation image"),
        (0x3E, "62 references, by PTEs"),
        (0x43, "3 references, by PTEs; pinned by a folio in the swap cache"),
        (0x80, "63 references or more"),
        (0xBE, "125 references or more"),
        (0xC1, "64 references or more"),
    ],
)
def test_bytes_in_words(byte, text):
    assert byte_meaning(byte).text.startswith(text)


def test_0x40_means_four_things():
    assert len(byte_meaning(0x40).cases) == 4
    assert re.findall(r"^  \((\w)\) ", str(byte_meaning(0x40)), re.M) == list("abcd")
    assert all(not byte_meaning(byte).cases for byte in range(256) if byte != 0x40)


@pytest.mark.parametrize(
    ("byte", "more", "count"),
    [(0, (), 0), (0x40, (), 0), (0x7E, (), 62), (0xBF, (), 1), (0xFF, (), 1), (0x80, (1,), 63), (0xBE, (1,), 125),
     (0xC0, (2,), 126), (0x81, (0x80, 1), 1 + 63 * 128), (0x80, (0xFF, 0x81, 1), 63 * (127 + 128 + 128 * 128))],
)  # fmt: skip
def test_reference_count(byte, more, count):
    assert reference_count(byte, more) == count


# ---- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: make_entry(32, 1), "a swap type is 0 to 31, not 32"),
        (lambda: make_entry(-1, 1), "a swap type is 0 to 31, not -1"),
        (lambda: make_entry(0, 1 << 58), "a swap offset is 0 to 0x3ffffffffffffff, not 0x400000000000000"),
        (lambda: xa_value(1 << 63), "a swp_entry_t is 0 to 0x7fffffffffffffff, not 0x8000000000000000"),
        (lambda: pte(make_entry(1, 1 << 50)), "a swap offset in a PTE of x86-64 is 0 to 0x3ffffffffffff, not 0x4000000000000"),
        (lambda: pte(make_entry(1, 5), "arm64", soft_dirty=True), "a swap PTE of arm64 has no bit for soft_dirty in v6.8"),
        (lambda: pte(make_entry(1, 5), "arm64", uffd_wp=True), "a swap PTE of arm64 has no bit for uffd_wp in v6.8"),
        (lambda: pte(0, "arm64"), "entry 0 means no entry: no PTE holds it"),
        (lambda: pte(0), "entry 0 means no entry: no PTE holds it"),
        (
            lambda: pte(make_entry(0, TOP_OFFSET)),
            "on x86-64 this entry's word would be the empty PTE: swap device 0, slot 1125899906842623",
        ),
        (lambda: pte(1, "sparc"), "the PTEs of x86-64 and arm64 are known, not those of sparc"),
        (lambda: classify_pte(1 << 64), "a PTE is 0 to 0xffffffffffffffff, not 0x10000000000000000"),
        (lambda: decode_xa_value(0x1000), "0x1000 is no XArray value: its lowest bit is 0, as in a pointer"),
        (lambda: byte_meaning(256), "a swap_map byte is 0 to 255, not 256"),
        (lambda: swap_map_byte(-1), "a swap_map byte is 0 to 255, not -1"),
        (lambda: reference_count(0x80), "the count continues: the next digit, in a continuation page, is missing"),
        (lambda: reference_count(1, [1]), "no digit follows one without COUNT_CONTINUED, yet 0x01 was given"),
        (lambda: reference_count(0xBF, [1]), "no digit follows one without COUNT_CONTINUED, yet 0x01 was given"),
        (lambda: reference_count(0x7F), "byte 0x7f counts nothing: SWAP_MAP_BAD with SWAP_HAS_CACHE: no code makes it"),
        (lambda: max_swapfiles(KernelConfig(version="v6.5")), "the swap types are known of v6.1 and v6.8, not of v6.5"),
        (
            lambda: max_swapfiles(KernelConfig(pte_marker=False)),
            "v6.8 always has PTE markers: CONFIG_PTE_MARKER is an option of v6.1",
        ),
        (lambda: swapfile_maximum_size("arm64", 46), "L1TF limits swap on x86-64, not on arm64"),
        (lambda: swapfile_maximum_size(l1tf_cache_bits=12), "physical addresses of x86-64 have 13 to 52 bits, not 12"),
        (
            lambda: swap_cache_place(make_entry(31, 1)),
            "the swap cache holds slots of swap devices; this entry is SWP_PTE_MARKER, offset 0x1",
        ),
        (lambda: swap_cache_place(0), "the swap cache holds slots of swap devices; this entry is 0: no entry"),
    ],
)
def test_errors_are_one_sentence(call, sentence):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == sentence


# ---- pictures ----------------------------------------------------------------------------------------------------------

ENTRY = swap_entry(3, 5)
PICTURES = [
    ENTRY,
    swap_entry(25, 0x1234),
    swap_entry(0, 0),
    pte(ENTRY, exclusive=True, soft_dirty=True, uffd_wp=True),
    pte(ENTRY, "arm64", exclusive=True),
    pte_word(0x8000_0000_1234_5067),
    pte_word(0x60),
    pte_word(1 << 58, "arm64"),
    pte_word(0x1FFF_FFFF_FFFF_F4F8),
    xa_value(ENTRY),
    *map(swap_map_byte, range(256)),
]


class Text(HTMLParser):
    """The cells of the first table's rows, and every tag."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.rows, self.tables, self.open = [], [], 0, []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)
        self.tables += tag == "table"
        if tag == "tr":
            self.rows.append((self.tables, []))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][1].append(data)


def test_a_picture_in_full():
    assert str(pte(ENTRY, "arm64", exclusive=True)) == "\n".join(
        [
            "arm64 PTE (swap)  0x0000_0000_0000_051c",
            "66665555 55555544 44444444 33333333 33222222 22221111 111111",
            "32109876 54321098 76543210 98765432 10987654 32109876 54321098 76543210",
            "00000000 00000000 00000000 00000000 00000000 00000000 00000101 00011100",
            "[---]|[------------------------------------------------------] [---]|||",
            "|    |                         offset                           type|||",
            "|    |                                                              ||valid",
            "|    |                                                              |zero",
            "|    |                                                              exclusive",
            "|    PROT_NONE",
            "unused",
            "swap device 3, slot 5; exclusive",
            "",
            "bits   field      raw  meaning",
            "63-59  unused     0    0: not used",
            "58     PROT_NONE  0    0: pte_present() looks at it",
            "57-8   offset     5    slot 5",
            "7-3    type       3    swap device 3",
            "2      exclusive  1    yes: the page was PageAnonExclusive (AttrIndx[0])",
            "1      zero       0    0: part of the descriptor's type",
            "0      valid      0    0: not present (PTE_VALID)",
        ]
    )


@pytest.mark.parametrize("picture", PICTURES, ids=repr)
def test_pictures_contain_every_field_and_fit(picture):
    text, page = str(picture), Text(picture._repr_html_())
    above, _, legend = text.partition("\n\n")
    assert max(map(len, text.split("\n"))) <= 100
    for field in picture.fields:
        assert field.name in above
        assert re.search(rf"^{field.bits} +{field.name} +\w+ ", legend, re.M)
    names, bits, digits = (cells for table, cells in page.rows if table == 1)
    assert names == [f.name for f in picture.fields]
    assert bits == [f.bits for f in picture.fields]
    assert int("".join(digits), 2) == int(picture)
    assert len("".join(digits)) == picture.width
    assert [cells[1] for table, cells in page.rows if table == 2] == ["field", *names]


@pytest.mark.parametrize("picture", PICTURES[:10], ids=repr)
def test_the_ruler_and_the_brackets_are_over_the_bits(picture):
    """Column by column: the ruler counts down, and every field's bracket begins at its first bit and ends at its last."""
    _, tens, units, digits, brackets = str(picture).split("\n")[:5]
    columns = [i for i, c in enumerate(digits) if c != " "]
    numbers = [int((tens.ljust(99)[i] + units[i]).strip()) for i in columns]
    assert numbers == list(range(63, -1, -1))
    assert int(digits.replace(" ", ""), 2) == int(picture)
    at = dict(zip(numbers, columns, strict=True))
    for field in picture.fields:
        inside = brackets[at[field.high] : at[field.low] + 1]
        assert re.fullmatch(r"\||\[-*\]", inside), field


@pytest.mark.parametrize("picture", PICTURES[:12], ids=repr)
def test_html_is_stable_and_stands_alone(picture):
    source = picture._repr_html_()
    assert source == dataclasses.replace(picture)._repr_html_() == picture._repr_html_()
    tags = Text(source).tags
    assert {tag for tag, _ in tags} <= {"div", "table", "caption", "strong", "code", "tr", "th", "td", "p"}
    assert {name for _, attributes in tags for name in attributes} <= {"style", "scope"}
    assert not re.search(r"url\(|color:|background", source)  # the text keeps the page's own colours


def test_html_is_escaped():
    evil = '<script>alert("&")</script>'
    source = Picture(evil, 1, 8, (Field(evil, 7, 0, evil),), (evil,))._repr_html_()
    assert "<script" not in source
    assert source.count(html.escape(evil)) == 5  # caption, note, field in both tables, meaning


def test_a_picture_is_an_int_that_does_not_change():
    assert int(ENTRY) == make_entry(3, 5) == ENTRY.__index__()
    assert encode_pte(ENTRY) == encode_pte(make_entry(3, 5))
    assert repr(ENTRY) == "<swp_entry_t 0x0c00_0000_0000_0005>"
    assert swap_entry(3, 5) == ENTRY and hash(swap_entry(3, 5)) == hash(ENTRY) and swap_entry(3, 6) != ENTRY
    with pytest.raises(AttributeError):
        ENTRY.word = 1


@pytest.mark.parametrize(
    "fields",
    [(), (Field("a", 7, 1),), (Field("a", 7, 4), Field("b", 4, 0)), (Field("b", 3, 0), Field("a", 7, 4)), (Field("a", 8, 0),)],
)
def test_a_picture_leaves_no_bit_out(fields):
    with pytest.raises(ValueError, match="each once, from the highest down"):
        Picture("x", 0, 8, fields)


def test_a_set_bit_that_should_be_0_is_told():
    assert "set, though the kernel stores 0 here: pmd_present()" in str(pte_word(int(pte(ENTRY)) | 0x80))
    assert "set, though" not in str(pte(ENTRY, exclusive=True, soft_dirty=True, uffd_wp=True))


def test_the_configuration_reaches_the_pictures():
    entry = make_entry(22, 7)
    for config, text in ((KernelConfig(), "swap device 22"), (V61, "SWP_HWPOISON")):
        for picture in (swap_entry(22, 7, config), pte(entry, config=config), xa_value(entry, config)):
            assert text in str(picture)
    assert "swap cache: swapper_spaces[3][0], index 5" in str(ENTRY)
    assert "swap cache" not in str(swap_entry(3, 0)) + str(swap_entry(23, 4))
