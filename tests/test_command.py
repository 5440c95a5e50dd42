"""The command: exit status, one clear sentence for every bad input, JSON that fits its schema."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from swapmodel.__main__ import main

SCHEMA = json.loads((Path(__file__).parent.parent / "swapmodel" / "verdict.schema.json").read_text())


def run(capsys, *arguments):
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refused(capsys, *arguments):
    """The one sentence of a refusal: exit status 2, nothing on stdout, no traceback."""
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("swapmodel: ")
    assert err.count("\n") == 1
    return err


def test_the_main_job(capsys):
    status, out, _ = run(capsys)
    assert status == 0
    rows = [tuple(line.split()[:3]) for line in out.split("\n") if line.startswith(("thread ", "shmem-truncate "))]
    assert rows == [
        ("thread", "as-argued", "VIOLATED"),
        ("thread", "v6.8", "holds"),
        ("shmem-truncate", "v6.8", "VIOLATED"),
        ("shmem-truncate", "v6.9", "holds"),
    ]
    assert re.search(r"thread, v6.8: Swapoff waits in synchronize_rcu\(\) for process 1, which holds .*page_table_lock", out)
    assert "Next:" in out
    [shown] = re.findall(r"^```\n(scenario .*?\n)```", (Path(__file__).parent.parent / "README.md").read_text(), re.M | re.S)
    assert shown in out


TRACES = Path(__file__).parent / "traces"


def test_conform(capsys, tmp_path):
    status, out, _ = run(capsys, "conform", str(TRACES / "race-C-unfixed.csv.gz"), str(TRACES / "own-fork.csv.gz"))
    assert status == 0
    assert "race-C-unfixed.csv.gz against v6.1: 11 events, all explained" in out
    assert re.search(r"^all +728 +728 +0 +0 +0 +0$", out, re.M)
    told = tmp_path / "told.json"
    status, out, _ = run(capsys, "conform", str(TRACES / "own-madv.csv.gz"), "--kernel", "v6.8", "--json", str(told))
    [document] = json.loads(told.read_text())
    assert status == 0 and document["kernel"] == "v6.8" and document["agrees"] is True


def test_conform_tells_what_differs(capsys, tmp_path):
    import gzip

    rows = gzip.decompress((TRACES / "own-fork.csv.gz").read_bytes()).decode().split("\n")
    at = next(i for i, row in enumerate(rows) if ",m:entry_free_locked," in row)
    cells = rows[at].split(",")
    cells[10] = str(int(cells[10]) ^ 1)
    rows[at] = ",".join(cells)
    (tmp_path / "wrong.csv").write_text("\n".join(rows))
    status, out, _ = run(capsys, "conform", str(tmp_path / "wrong.csv"))
    assert status == 1 and f"wrong.csv:{at + 1}" in out


def test_experiments_are_a_table(capsys, monkeypatch):
    from swapmodel import experiments

    few = [row for row in experiments.EXPERIMENTS if row.scenario == "shmem-truncate" and not row.staged]
    monkeypatch.setattr(experiments, "EXPERIMENTS", few)
    monkeypatch.setattr(experiments, "compared", lambda: ((row, row.seen, "equal") for row in few))
    status, out, _ = run(capsys, "experiments")
    assert status == 0 and out.count("equal") == len(few) and "survived" in out
    monkeypatch.setattr(experiments, "compared", lambda: ((row, experiments.SURVIVED, "DIFFERENT") for row in few))
    assert run(capsys, "experiments")[0] == 1


def test_list(capsys):
    status, out, _ = run(capsys, "list")
    assert status == 0
    assert all(name in out for name in ("thread", "shmem-truncate", "v5.2", "as-argued", "get-swap-device"))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["check", "one-process"], 0),
        (["check", "shmem-truncate"], 1),
        (["check", "shmem-truncate", "--fix", "rcu-in-shmem"], 0),
        (["check", "shmem-truncate", "--preempt", "none", "--slot-cache", "on"], 0),
        (["check", "shmem-truncate", "--shortest", "switches", "--device", "hdd"], 1),
        (["check", "thread", "--max-states", "2000"], 3),
        (["check", "thread", "--processes", "6", "--pages", "64", "--max-seconds", "0.5"], 3),
    ],
)
def test_exit_status(capsys, arguments, status):
    assert run(capsys, *arguments)[0] == status


def test_unfinished_says_why(capsys):
    _, out, _ = run(capsys, "check", "thread", "--max-states", "2000")
    assert "unfinished: the budget of 2000 states is used up" in out
    assert "holds" not in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["chek"], "invalid choice: 'chek'"),
        (["check"], "SCENARIO"),
        (["check", "thred"], "no scenario is named 'thred'; did you mean thread?"),
        (["check", "thread", "--kernel", "v6.77"], "no kernel is named 'v6.77'; did you mean v6."),
        (["check", "thread", "--fix", "rcu-in-shmen"], "did you mean rcu-in-shmem?"),
        (["check", "thread", "--fix", "nowhere.py"], "nowhere.py: can't be read: No such file"),
        (["check", "thread", "--processes", "0"], "'0' is not a whole number from 1 on"),
        (["check", "thread", "--processes", "9"], "processes is from 1 to 8, not 9"),
        (["check", "thread", "--pages", "513"], "pages is from 1 to 512, not 513"),
        (["check", "madvise", "--processes", "2"], "contradicts it"),
        (["check", "thread", "--device", "hdd"], "needs pages 1"),
        (["check", "thread", "--max-seconds", "nan"], "not a number of seconds"),
        (["check", "thread", "--json", "no/such/folder/out.json"], "can't be written"),
        (["check", "thread", "--preempt", "voluntary"], "invalid choice"),
        (["check", "fault", "--pages", "2"], "only preempt can be chosen"),
        (["conform", "nowhere.csv"], "nowhere.csv"),
        (["conform", "README.md"], "README.md"),
        (["conform", "tests"], "tests"),
        (["conform", "nowhere.csv", "--kernel", "v6.2"], "no kernel is named 'v6.2'"),
    ],
)
def test_bad_use(capsys, arguments, says):
    assert says in refused(capsys, *arguments)


BROKEN_FIXES = {
    "does not parse": ("def free_swap_and_cache(:\n", r"fix.py:1: not Python: invalid syntax"),
    "names no kernel function": ("def free_swap_an_cache(e):\n    yield rcu_read_lock()\n", "did you mean free_swap_and_cache"),
    "is empty": ("", "defines no function"),
    "lacks yield from": (
        "def free_swap_and_cache(entry):\n    si = get_swap_device(entry)\n    yield from put_swap_device(si)\n",
        r"fix.py:2: free_swap_and_cache\(\): get_swap_device\(\) is a kernel function: write `yield from",
    ),
    "lacks yield": (
        "def free_swap_and_cache(entry):\n    rcu_read_lock()\n    yield rcu_read_unlock()\n",
        r"fix.py:2: .*write `yield rcu_read_lock",
    ),
    "has no yield at all": ("def free_swap_and_cache(entry):\n    return True\n", "has no yield"),
    "never ends, silently": (
        "def free_swap_and_cache(entry):\n    yield rcu_read_lock()\n    while True:\n        pass\n",
        r"fix.py:4: free_swap_and_cache\(\) runs on without yielding",
    ),
    "never ends, at the top": ("while True:\n    pass\n", r"fix.py:\d: runs on without end while the file is loaded"),
    "raises": (
        "def free_swap_and_cache(entry):\n    yield rcu_read_lock()\n    x = 1 // 0\n",
        r"fix.py:3: free_swap_and_cache\(\): ZeroDivisionError",
    ),
    "raises at the top": ("import no_such_module\n", "fix.py:1: ModuleNotFoundError"),
    "leaves by sys.exit": ("import sys\nsys.exit(0)\n", "fix.py:2: SystemExit"),
    "has the wrong arity": ("def free_swap_and_cache():\n    yield rcu_read_lock()\n", "takes 0 arguments, .* with 1"),
    "names nothing": (
        "def free_swap_and_cache(entry):\n    yield READ_ONCE(swap_inf)\n",
        "fix.py:2: .*'swap_inf' is not defined",
    ),
    "yields no operation": ("def free_swap_and_cache(entry):\n    yield 3\n", "yields something that is not an operation"),
    "keeps a list": (
        "def free_swap_and_cache(entry):\n    x = [1]\n    yield rcu_read_lock()\n    yield rcu_read_unlock()\n    return x\n",
        "use a tuple",
    ),
    "is binary": (b"\xff\xfe\x00", "can't be read"),
}


@pytest.mark.parametrize("mistake", BROKEN_FIXES)
def test_a_broken_fix_is_told_in_one_sentence(capsys, tmp_path, mistake):
    text, says = BROKEN_FIXES[mistake]
    file = tmp_path / "fix.py"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert re.search(says, refused(capsys, "check", "shmem-truncate", "--fix", str(file)))


WRONG_FIXES = {
    "livelock": "def free_swap_and_cache(entry):\n    while True:\n        yield READ_ONCE(nr_swap_pages)\n",
    "sleeping while atomic": (
        "def free_swap_and_cache(entry):\n    yield spin_lock(swap_avail_lock)\n    yield from synchronize_rcu()\n"
        "    yield spin_unlock(swap_avail_lock)\n    return True\n"
    ),
    "deadlock": (
        "def free_swap_and_cache(entry):\n    si = yield from get_swap_device(entry)\n"
        "    yield from __swap_entry_free(si, entry)\n    yield wait_for_completion(si.comp)\n"
        "    yield from put_swap_device(si)\n    return True\n"
    ),
    "lock misuse": "def free_swap_and_cache(entry):\n    yield spin_unlock(swap_avail_lock)\n    return True\n",
}


@pytest.mark.parametrize("kind", WRONG_FIXES)
def test_a_wrong_fix_is_violated(capsys, tmp_path, kind):
    file = tmp_path / "fix.py"
    file.write_text(WRONG_FIXES[kind])
    status, out, _ = run(capsys, "check", "shmem-truncate", "--fix", str(file))
    assert status == 1
    assert f"VIOLATED: {kind}" in out


@pytest.mark.parametrize(("scenario", "kernel"), [("shmem-truncate", "v6.8"), ("one-process", "v6.8"), ("madvise", "v6.9")])
def test_json_fits_the_schema(capsys, scenario, kernel):
    _, out, _ = run(capsys, "check", scenario, "--kernel", kernel, "--json", "-")
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    assert document["coverage"]["lines"] > document["coverage"]["reached"] > 100
    assert [step["fault"] for step in document["trace"]].count(True) == (document["verdict"] == "violated")


def test_json_to_a_file_and_text_to_the_screen(capsys, tmp_path):
    file = tmp_path / "verdict.json"
    status, out, _ = run(capsys, "check", "shmem-truncate", "--json", str(file))
    assert status == 1
    assert "VIOLATED" in out
    trace = json.loads(file.read_text())["trace"]
    assert trace[-1]["fault"]
    assert {"function": "free_swap_and_cache", "file": "mm/swapfile/reclaim.py"}.items() <= trace[-1]["stack"][2].items()
    assert any(
        s["op"] == "WRITE_ONCE" and (s["object"], s["before"], s["after"]) == ("swap_map", "0xff", "0x40") for s in trace
    )


REFUSED = {
    "check": ["check", "one-process", "--json", "OUT", "--processes", "9"],
    "check, another form": ["check", "one-process", "--svg", "OUT", "--fix", "FIX"],
    "check, a folder that is not there": ["check", "one-process", "--markdown", "OUT", "--json", "no/such/folder/x"],
    "why": ["why", "one-process", "--json", "OUT", "--processes", "9"],
    "why, nothing to replay": ["why", "one-process", "--json", "OUT", "--against", "si-lock"],
    "compare": ["compare", "one-process", "--html", "OUT", "--kernel", "v0"],
    "compare, both": ["compare", "no-such-scenario", "--json", "OUT"],
    "conform": ["conform", "nowhere.csv", "--json", "OUT"],
    "replay": ["replay", "one-process", "--html", "OUT", "--processes", "9"],
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_command_that_refuses_leaves_its_file_as_it_was(capsys, tmp_path, case):
    out, fix = tmp_path / "kept", tmp_path / "fix.py"
    out.write_text("an earlier result")
    fix.write_text("def free_swap_and_cache(entry):\n    rcu_read_lock()\n    yield rcu_read_unlock()\n")
    refused(capsys, *(str(out) if a == "OUT" else str(fix) if a == "FIX" else a for a in REFUSED[case]))
    assert out.read_text() == "an earlier result"


def test_a_result_takes_the_place_of_a_longer_one(capsys, tmp_path):
    out = tmp_path / "verdict.json"
    out.write_text("x" * 1_000_000)
    assert run(capsys, "check", "one-process", "--json", str(out))[0] == 0
    assert json.loads(out.read_text())["verdict"] == "holds"
    assert run(capsys, "check", "one-process", "--json", "/dev/null")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", "one-process", "--html", "A", "--html", "B"],
        ["compare", "one-process", "--html", "A", "--json", "C", "--html", "B"],
        ["check", "one-process", "--json", "A", "--json", "B"],
        ["site", "OUT", "--notebooks", "A", "--notebooks", "B"],
    ],
)
def test_an_option_is_given_once(capsys, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert re.search("argument --(html|json|notebooks): given twice", refused(capsys, *arguments))
    assert list(tmp_path.iterdir()) == []


def test_interrupted():
    """Ctrl-C ends in `unfinished`, with what was found so far and exit status 3."""
    code = (
        "import signal, swapmodel.__main__ as m, sys, swapmodel.explore.budget as b\n"
        "spent = b.Budget.spent\n"
        "def interrupted(self, states, depth):\n"
        "    if states > 500: raise KeyboardInterrupt\n"
        "    return spent(self, states, depth)\n"
        "b.Budget.spent = interrupted\n"
        "sys.exit(m.main(['check', 'one-process']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "unfinished: interrupted" in done.stdout
    assert "Traceback" not in done.stderr
