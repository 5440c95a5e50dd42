"""Many lines that say the same of one element after the other become one; fewer, and all others, stay."""

from swapmodel.runs import LONGEST, folded


def texts(lines, alike=lambda line: 0):
    return [text for _, text in folded(((line, line) for line in lines), alike)]


def stores(first, last):
    return [f"spaces[0].i_pages[{i}] folio -> -" for i in range(first, last + 1)]


def test_a_long_run_is_one_line():
    assert texts(["lock", *stores(512, 1023), "unlock"]) == ["lock", "spaces[0].i_pages[512..1023] folio -> -", "unlock"]


def test_a_short_one_stays():
    assert texts(stores(1, LONGEST)) == stores(1, LONGEST)
    assert len(texts(stores(1, LONGEST + 1))) == 1


def test_what_differs_is_told():
    jump = [*stores(1, 9), *stores(11, 19)]
    assert texts(jump) == ["spaces[0].i_pages[1..9] folio -> -", "spaces[0].i_pages[11..19] folio -> -"]
    assert len(texts([f"map[{i}] 0x4{i} -> 0x40" for i in range(9)])) == 9
    assert len(texts(["map[3] 0x40 -> 0x00"] * 20)) == 20
    assert len(texts(["inuse_pages 9 -> 8"] * 20)) == 20


def test_who_does_it_matters():
    threads = iter([0] * 6 + [1] * 6)
    assert len(texts(stores(1, 12), lambda line: next(threads))) == 12


def test_the_line_kept_is_that_of_the_first():
    assert [line for line, _ in folded((i, f"map[{i}]") for i in range(5, 25))] == [5]
