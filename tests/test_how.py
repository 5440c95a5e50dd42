"""The ways to search, from check() and from the command: the verdict says which was used, and what contradicts is refused."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from swapmodel import Budget, check, load
from swapmodel.coverage import coverage
from swapmodel.explore import explore
from swapmodel.names import UnknownName
from swapmodel.resume import Resumed
from tests.test_command import SCHEMA, refused, run

ROOT = str(Path(__file__).parent.parent)
HOLDS = ("shmem-truncate", "--kernel", "v6.9")


@pytest.mark.parametrize(
    ("options", "says", "states"),
    [
        ((), None, 4_058),
        (("--unreduced",), "single steps, unreduced", 19_961),
        (("--no-releases",), "reductions moves", 5_194),
        (("--persistent",), "reductions moves, releases, persistent", None),
        (("--sleep",), "reductions moves, releases, sleep", 4_058),
        (("--sleep", "--unreduced"), "reductions sleep", 19_961),
        (("--compact",), "states kept in compact form", 4_058),
        (("--engine", "compiled"), "by the compiled engine", 4_058),
        (("--engine", "compiled", "--unreduced"), "single steps, unreduced; by the compiled engine", 19_961),
    ],
)
def test_the_verdict_says_how_it_was_searched(capsys, options, says, states):
    status, out, _ = run(capsys, "check", *HOLDS, *options)
    assert status == 0
    assert (f"\n  search: {says}\n" in out) if says else ("search:" not in out)
    if states:
        assert f"{states:,} states" in out


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"reduce": False},
        {"persistent": True},
        {"sleep": True},
        {"compact": True},
        {"engine": "compiled"},
        {"switches": 2},
        {"random": 900},
    ],
)
def test_every_way_finds_the_race_and_is_saved(how):
    found = check("shmem-truncate", **how)
    document = found.document()
    jsonschema.validate(json.loads(json.dumps(document)), SCHEMA)
    assert found.outcome.violation.kind in ("NULL dereference", "use after free")
    assert document["searched"] == (found.searched or None) and bool(how) == bool(found.searched)
    assert str(load(document)) == str(found)
    assert ("counterexample by the plain one" in found.searched) == ("engine" in how)
    assert found.shortest == ("any" if {"switches", "random"} & set(how) else "steps")


def test_some_executions_never_hold(capsys):
    status, out, _ = run(capsys, "check", *HOLDS, "--switches", "1")
    assert status == 3
    assert "unfinished: no violation with at most 1 context switches" in out
    status, out, _ = run(capsys, "check", *HOLDS, "--random", "5", "--seed", "3")
    assert status == 3
    assert "5 random executions found nothing" in out and "probability" in out and "seed 3" in out


def test_the_same_seed_gives_the_same_executions():
    found = [check("one-process", random=5, seed=seed).outcome for seed in (5, 5, 6)]
    assert found[0].states == found[1].states != found[2].states


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--persistent", "--compact"], "not allowed with argument --persistent"),
        (["--sleep", "--persistent"], "not allowed with argument --sleep"),
        (["--compact", "--checkpoint", "x"], "not allowed with argument --compact"),
        (["--random", "3", "--switches", "3"], "not allowed with argument --random"),
        (["--random", "0"], "'0' is not a whole number from 1 on"),
        (["--switches", "-1"], "'-1' is not a whole number from 0 on"),
        (["--seed", "4"], "seed is that of a random search"),
        (["--checkpoint", "no/such/folder/x"], "no/such/folder/x: can't be written: No such file or directory"),
        (["--checkpoint", "swapmodel"], "swapmodel: is no file"),
        (["--checkpoint", "README.md"], "README.md is no search that was written"),
        (["--checkpoint", ""], "the name of a file"),
        (["--checkpoint", "x", "--json", "./x"], "--json and --checkpoint can't both go to"),
    ],
)
def test_what_contradicts_is_refused(capsys, monkeypatch, arguments, says):
    monkeypatch.chdir(ROOT)
    before = Path("README.md").read_bytes()
    assert says in refused(capsys, "check", "one-process", *arguments)
    assert Path("README.md").read_bytes() == before
    assert not Path("x").exists()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"compact": True, "persistent": True}, "persistent and compact contradict"),
        ({"sleep": True, "compact": True}, "compact and sleep contradict"),
        ({"sleep": True, "checkpoint": "x"}, "sleep and checkpoint contradict"),
        ({"sleep": 1}, "sleep is True or False, not 1"),
        ({"checkpoint": "x", "random": 3}, "checkpoint and random contradict"),
        ({"compact": True, "engine": "compiled"}, "compact and engine 'compiled' contradict"),
        ({"engine": "fast"}, "engine is 'python' or 'compiled', not 'fast'"),
        ({"engine": 3}, "engine is 'python' or 'compiled', not 3"),
        ({"reduce": "no"}, "reduce is True or False, not 'no'"),
        ({"random": 2.5}, "random is a whole number, not 2.5"),
        ({"random": 0}, "from 1 on"),
        ({"switches": True}, "switches is a whole number, not True"),
        ({"switches": -1}, "from 0 on"),
        ({"seed": None}, "seed is a whole number, not None"),
        ({"checkpoint": 3}, "checkpoint is the name of a file"),
    ],
)
def test_check_refuses_it_too(wrong, says):
    with pytest.raises(ValueError, match=says):
        check("one-process", **wrong)
    with pytest.raises(UnknownName, match="did you mean persistent"):
        check("one-process", persistant=True)


def test_the_checkpoint_of_another_search_is_refused_and_stays(capsys, tmp_path):
    file = tmp_path / "search"
    check("shmem-truncate", "v6.9", budget=Budget(max_states=1_000), checkpoint=file)
    before = file.read_bytes()
    for other in (["one-process"], [*HOLDS, "--preempt", "none"], [*HOLDS, "--unreduced"]):
        assert "is a search of another system, or with other reductions" in refused(
            capsys, "check", *other, "--checkpoint", str(file)
        )
        assert file.read_bytes() == before


def test_a_search_that_goes_on_says_so_and_comes_to_the_same(tmp_path):
    file, whole = tmp_path / "search", check("two-faults")
    begun = check("two-faults", budget=Budget(max_states=5_000), checkpoint=file)
    assert begun.verdict == "unfinished" and f"written to {file}" in begun.searched
    gone_on = check("two-faults", checkpoint=str(file))
    assert f"went on from {begun.outcome.states:,} states in {file}" in str(gone_on)
    assert (gone_on.verdict, gone_on.outcome.states, gone_on.outcome.transitions) == (
        "holds",
        whole.outcome.states,
        whole.outcome.transitions,
    )
    assert gone_on.reached == whole.reached
    assert str(gone_on.recorder and gone_on.stopped_at) == str(whole.recorder and whole.stopped_at)


def test_what_was_looked_at_before_counts_as_reached(tmp_path):
    """A move that leads to what was known already has steps of its own: a search that goes on must know them too."""
    from swapmodel import KERNELS, SCENARIOS, Parameters

    def system():
        scene = SCENARIOS["two-faults"]
        return scene.system(KERNELS["v6.8"], scene.fill(Parameters()))

    whole, again = system(), system()
    outcome, _ = explore(whole)
    explore(system(), Budget(max_states=outcome.states - 1), checkpoint=Resumed(tmp_path / "search"))
    explore(again, checkpoint=Resumed(tmp_path / "search"))
    assert [len(p.steps) for p in again.programs] == [len(p.steps) for p in whole.programs]
    assert coverage(again.programs) == coverage(whole.programs)


def test_a_violation_is_found_again(tmp_path):
    file = tmp_path / "search"
    check("shmem-truncate", budget=Budget(max_states=300), checkpoint=file)
    found, whole = check("shmem-truncate", checkpoint=file), check("shmem-truncate")
    assert (found.verdict, len(found.outcome.schedule)) == ("violated", len(whole.outcome.schedule))
    assert "went on from" in found.searched


def test_a_disk_that_is_full_is_told_and_the_last_search_stays(capsys, tmp_path, monkeypatch):
    file = tmp_path / "search"
    check("two-faults", budget=Budget(max_states=3_000), checkpoint=file)
    before = file.read_bytes()

    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert f"{file}: No space left on device" in refused(capsys, "check", "two-faults", "--checkpoint", str(file))
    assert file.read_bytes() == before


# ---- a command that is killed half way ---------------------------------------------------------------------------------

OFTEN = """
import sys, time
from swapmodel.explore.budget import Budget
from swapmodel.explore.checkpoint import Checkpoint
from swapmodel.__main__ import main
if "{often}":
    Checkpoint.due = lambda self: True
spent = Budget.spent
def slowly(self, states, depth):
    if states > 4_000:
        open(sys.argv[-1] + ".there", "w").close()
        time.sleep(0.05)
    return spent(self, states, depth)
Budget.spent = slowly
sys.exit(main(sys.argv[1:]))
"""
WHOLE = ("two-faults", 22_708)


def begun(file, often):
    """The command, slowed down so that it can be stopped half way."""
    code = OFTEN.replace("{often}", "yes" if often else "")
    command = [sys.executable, "-c", code, "check", WHOLE[0], "--checkpoint", str(file)]
    child = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": ROOT}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    there = Path(str(file) + ".there")
    while not (there.exists() and (file.exists() or not often)) and child.poll() is None:
        time.sleep(0.01)
    return child


def goes_on(capsys, file):
    found = json.loads(file.read_bytes().partition(b"\n")[0])["states"]
    status, out, _ = run(capsys, "check", WHOLE[0], "--checkpoint", str(file))
    assert status == 0
    assert 1 < found < WHOLE[1] and f"went on from {found:,} states" in out
    assert f"{WHOLE[1]:,} states" in out


def test_a_killed_command_goes_on(capsys, tmp_path):
    file = tmp_path / "search"
    child = begun(file, often=True)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    goes_on(capsys, file)


def test_an_interrupted_command_writes_what_it_found_and_goes_on(capsys, tmp_path):
    """The time after which it is written is not over."""
    file = tmp_path / "search"
    child = begun(file, often=False)
    assert not file.exists()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate()
    assert (child.returncode, "Traceback" in err) == (3, False)
    assert "unfinished: interrupted" in out and f"written to {file}" in out
    goes_on(capsys, file)


def test_a_second_interrupt_ends_it_at_once(tmp_path, monkeypatch):
    from swapmodel.resume import written_when_interrupted

    with pytest.raises(KeyboardInterrupt), written_when_interrupted(Budget(), Resumed(tmp_path / "search")) as budget:
        os.kill(os.getpid(), signal.SIGINT)
        assert budget.spent(0, 0) == "interrupted"
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
