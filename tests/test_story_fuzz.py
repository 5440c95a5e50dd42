"""Malformed and hostile stories: an answer or one clear message, at once; no traceback, no hang, no code run."""

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swapmodel.__main__ import main
from swapmodel.story import Ambiguous, NotUnderstood, fits, read_story

GOOD = (Path(__file__).parent / "stories" / "Z1-shmem.txt").read_text()
LIMIT = 10  # seconds of CPU for one story
QUICK = settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))

# ruff: noqa: RUF001
HOSTILE = {
    "empty": "",
    "blank": "\n" * 1000,
    "header only": "CPU0    CPU1\n----    ----\n",
    "one column": "CPU0\ndo_exit()\n",
    "huge": "CPU0   CPU1\n" + "do_exit()\n" * 200_000,
    "many events": "CPU0   CPU1\n" + "do_exit()\n" * 3_000,
    "long line": "Process 1: " + "a" * 100_000,
    "long call": "Process 1: do_exit(" + "(" * 50_000,
    "deep brackets": "Process 1: READ_ONCE(" + "[" * 900 + "]" * 900 + ")",
    "deep arrows": "Process 1: " + "do_exit()->" * 180,
    "deep members": "Process 1: " + "a->" * 600 + "b == 1",
    "deep indentation": "Process 1:\n" + "".join(" " * i + "do_exit()\n" for i in range(600)),
    "10,000 columns": "  ".join(f"CPU{i}" for i in range(1000)) * 10 + "\ndo_exit()\n",
    "nine columns": "  ".join(f"CPU{i}" for i in range(9)) + "\ndo_exit()\n",
    "same column twice": "CPU0   CPU0\ndo_exit()\n",
    "control characters": "CPU0   CPU1\ndo_exit()\x1b[2J\x07\n",
    "nul": "CPU0   CPU1\n\x00\n",
    "right to left": "CPU0   CPU1\n\u202edo_exit()\n",
    "wide": "ＣＰＵ０   ＣＰＵ１\nｄｏ_ｅｘｉｔ()\n",
    "digits of other scripts": "CPU٠   CPU١\nswap_map[١] == ٠\n",
    "surrogates": "Process 1: \U0001f600 == \U0001f600",
    "format strings": "Process 1: %s%n {0.__class__} {si.lock!r} == 0\n",
    "format in a value": "Process 1: si.max == {0.__class__.__mro__}\nswapoff: swapoff()",
    "code": "Process 1: __import__('os').system('touch hacked')\n",
    "code in a value": "Process 1: si.max = __import__('os').system('touch_hacked')\n",
    "lambda": "Process 1: READ_ONCE(lambda: 1) = exec('1')\n",
    "dunder": "Process 1: si.__class__.__init__ == 0\nswapoff: swapoff()",
    "regular expression": "Process 1: si.(a+)+$ == 0\nswapoff: swapoff()",
    "regular expression in an index": "Process 1: swap_map[(a+)+$] == 0x40\nswapoff: swapoff()",
    "spaces for regular expressions": "Process 1: " + "a " * 990 + "!",
    "stars": "Process 1: " + "*" * 1900,
    "quotes": ">" * 5000 + " do_exit()",
    "arrows": "Process 1: " + "-> " * 600,
    "commas": "Process 1: " + ", " * 900,
    "equals": "Process 1: " + "= " * 900,
    "slashes": "Process 1: do_exit() " + "/* " * 600,
    "comments": "Process 1: do_exit() " + "/* */ " * 300,
    "numbers": "Process 1: swap_map[" + "9" * 39 + "] == " + "9" * 1500,
    "huge number": "Process 1: si.max == 0x" + "f" * 1800 + "\nswapoff: swapoff()",
    "huge decimal": "Process 1: si.max == " + "9" * 1900 + "\nswapoff: swapoff()",
    "negative": "Process 1: swap_map[-1] == -0x1\nswapoff: swapoff()",
    "unbalanced": "Process 1: swap_map[1 == )(\n",
    "wrapped forever": "CPU0        CPU1\nREAD_ONCE(\n" + "  a_very_long_word_in_it\n" * 300,
    "wrapped values": "CPU0        CPU1\nsi.flags\n" + "  USED|WRITEOKAYISLONG\n" * 300,
    "waits": "Process 1: waits " * 200,
    "fault": "Process 1: *** " + "x" * 1900,
    "two tables": "CPU0   CPU1\ndo_exit()\nCPU2   CPU3\ndo_exit()\n",
    "unknown thread": "CPU0 (nobody)   CPU1 (swapoff)\ndo_exit()\n       swapoff()\n",
    "two labels for one": "CPU0 (swapoff)   swapoff\nswapoff()\n                 swapoff()\n",
    "swapped labels": "CPU0 (swapoff)   CPU1 (truncate)\nshmem_undo_range()\n                 swapoff()\n",
    "impossible": "CPU0 (truncate)   CPU1 (swapoff)\nfork_thread()\n                  swapoff()\n",
    "windows": GOOD.replace("\n", "\r\n"),
    "tabs": GOOD.replace("        ", "\t"),
    "no header": "\n".join(GOOD.split("\n")[3:]),
}


def answer(text):
    """Feasible, infeasible, unfinished or the message; anything else is a failure of the test."""
    from swapmodel.explore import Budget

    began = time.process_time()
    try:
        told = str(fits(read_story(text, "fuzz.txt"), "v6.8", "shmem-truncate", budget=Budget(max_states=3_000)))
    except (NotUnderstood, Ambiguous, ValueError) as error:
        told = str(error)
        assert isinstance(error, NotUnderstood | Ambiguous) or "\n" not in told
    assert time.process_time() - began < LIMIT
    assert all(c == "\n" or c.isprintable() for c in told)
    return told


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_stories(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "story.txt").write_bytes(HOSTILE[name].encode("utf-8", "surrogatepass"))
    began = time.process_time()
    assert main(["story", "story.txt", "--scenario", "shmem-truncate", "--max-states", "3000"]) in (0, 1, 2, 3)
    shown = capsys.readouterr()
    assert time.process_time() - began < LIMIT
    assert "Traceback" not in shown.err + shown.out
    assert all(c == "\n" or c.isprintable() for c in shown.err + shown.out)
    assert [p.name for p in tmp_path.iterdir()] == ["story.txt"]


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x80" * 100, b"CPU0  CPU1\n\xc3\x28\n"])
def test_files_that_are_no_text(data, tmp_path, capsys):
    (tmp_path / "story.txt").write_bytes(data)
    assert main(["story", str(tmp_path / "story.txt")]) == 2
    assert "is no UTF-8 text" in capsys.readouterr().err


def test_a_folder_is_no_story(tmp_path, capsys):
    assert main(["story", str(tmp_path)]) == 2
    assert "Is a directory" in capsys.readouterr().err


PIECES = st.sampled_from(
    [
        "do_exit()",
        "swapoff()",
        "swap_map[1]",
        "0x41 -> 0x40",
        "->",
        "==",
        "= NULL",
        "si->inuse_pages",
        "CPU0",
        "Process 1:",
        "  ",
        "\n",
        "|",
        "(",
        ")",
        "[",
        "]",
        "*** ",
        "waits for ",
        ", ",
        ".",
        "# ",
        "<",
        ">",
        "{}",
        "%s",
        "\t",
        "is freed",
        "READ_ONCE(",
    ]
)
STORY = st.one_of(
    st.text(max_size=300),
    st.lists(PIECES, max_size=40).map("".join),
    st.lists(st.one_of(PIECES, st.text(max_size=4)), max_size=40).map(
        lambda parts: "CPU0 (truncate)   CPU1 (swapoff)\n" + "".join(parts)
    ),
)


@QUICK
@given(STORY)
def test_random_stories(text):
    answer(text)


@QUICK
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 30), st.one_of(st.text(max_size=6), PIECES))
def test_a_good_story_with_a_hole(at, length, filling):
    answer(GOOD[:at] + filling + GOOD[at + length :])
