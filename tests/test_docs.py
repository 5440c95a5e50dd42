"""README, notebooks and what is committed can't drift from the code."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest
from nbformat.v4 import new_output
from nbval.plugin import get_sanitize_patterns

from swapmodel import Replay, check, fits, read_story
from swapmodel.kernel import kernel_functions
from swapmodel.replay.assets import page_script, style
from swapmodel.verdict import all_recorded, cell_name
from tests.renotebook import VIEW, stored

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
STORY = re.search(r"^```\n(Process 1 quits.*?)^```", README, re.M | re.S)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_the_readme_has_two_commands_for_all_the_setup():
    first, second = re.findall(r"^```sh\n(.*?)\n```", README, re.M | re.S)[:2]
    assert first.startswith("python3 -m venv .venv && .venv/bin/pip install") and first.endswith("swapmodel")
    assert second.endswith("python -m pytest")
    assert "-c constraints.txt" in first and "-c constraints.txt" in second


def test_the_readme_table_is_what_is_recorded():
    rows = re.findall(r"^\| `([\w-]+)`(.*?) \| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$", README, re.M)
    assert len(rows) == 4
    for scenario, rest, *verdicts in rows:
        preempt = "none" if "not preempted" in rest else "full"
        for kernel, verdict in zip(("as-argued", "v6.8", "v6.9", "v5.2"), verdicts, strict=True):
            assert all_recorded()[cell_name(scenario, kernel, preempt, False)]["verdict"] == verdict


def test_the_readme_explains_why_a_check_counts_more_states():
    """The first notebook shows another number than the table: that of the shortest counterexample."""
    [said] = re.findall(r"which takes more: ([\d,]+) in the first row", README)
    outputs = [str(cell.get("outputs")) for cell in json.loads(NOTEBOOKS[0].read_text())["cells"]]
    assert any("thread on as-argued: VIOLATED" in text and f"{said} states" in text for text in outputs)


def test_the_options_that_the_readme_names_are_there(capsys):
    from swapmodel.__main__ import main

    lines = re.findall(r"^swapmodel (\w+) (.*#.*)", README, re.M)
    assert {"check", "replay", "why", "compare"} <= {command for command, _ in lines}
    for command, rest in lines:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        known = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
        assert set(re.findall(r"--[\w-]+", rest)) <= known, command


def test_the_readme_session_runs_and_shows_what_it_says():
    import swapmodel

    [block] = [b for b in re.findall(r"^```python\n(.*?)\n```", README, re.M | re.S) if "machine = Machine(" in b]
    names = {n: getattr(swapmodel, n) for n in swapmodel.__all__}
    for line in block.split("\n"):
        if "machine.swap_out(p, 0)" not in line:
            exec(line, names)
            continue
        code, told = line.split("#")
        changes = [(c.name, c.before, c.after) for c in eval(code, names).changes]
        for name, before, after in re.findall(r"(\S+) (0x\w+|\d+|maps \w+) -> (0x\w+|\d+|swap\(0, \d+)", told):
            assert any(n == name and b.startswith(before) and a.startswith(after) for n, b, a in changes), name
        assert told.count("->") == 3


def test_the_readme_counts_what_was_compared():
    traces = (ROOT / "tests" / "traces" / "README.md").read_text()
    rows = [
        list(map(int, m))
        for m in re.findall(r"^\| (?!all)[\w-]+ \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", traces, re.M)
    ]
    total = [sum(column) for column in zip(*rows, strict=True)]
    assert len(rows) == 24 and f"| all | {' | '.join(map(str, total))} |" in traces
    assert f"{total[0]:,} events" in README
    assert total[0] == sum(total[1:])


def test_the_layout_is_the_one_the_user_fixed():
    for name in ("notebooks", "swapmodel", "diagrams", "exercises", "tests", "pyproject.toml", "README.md", "LICENSE"):
        assert (ROOT / name).exists()


def test_constraints_pin_exact_versions_and_name_no_host():
    lines = [line for line in (ROOT / "constraints.txt").read_text().split("\n") if line and not line.startswith("#")]
    assert len(lines) > 30
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)


def test_every_modelled_function_is_in_the_kernel_readme():
    text = (ROOT / "swapmodel" / "mm" / "README.md").read_text()
    ours = {n for n, f in kernel_functions().items() if ".mm." in f.__module__}
    assert [n for n in sorted(ours) if not re.search(rf"(?<!\w){n}(?!\w)", text)] == []


def committed():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split("\n")
    return [ROOT / n for n in names if n and (ROOT / n).is_file()]


def test_no_path_of_a_machine_and_no_registry_host():
    places = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/\w|" + "py" r"pi\.org|python" r"hosted")
    for file in committed():
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        assert not places.search(text), f"{file.name}: {places.search(text)}"


def says_nothing(source):
    """A cell that only defines, or that prints nothing in a loop."""
    last = ast.parse(source).body[-1]
    return isinstance(last, ast.FunctionDef | ast.Assign | ast.Import | ast.ImportFrom | ast.For) and "print(" not in source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebooks_store_outputs_that_can_be_compared(path):
    book = json.loads(path.read_text())
    assert "widgets" not in book["metadata"]
    cells = [c for c in book["cells"] if c["cell_type"] == "code"]
    for cell in cells:
        source = "".join(cell["source"])
        lines = 6 if source.startswith(("def ", "story = ")) else 5  # a kernel function, a mail's story
        assert len(source.split("\n")) <= lines, source
        assert cell["outputs"] or says_nothing(source), f"strict nbval compares nothing where nothing is stored: {source}"
    for cell in cells:
        text = json.dumps(cell["outputs"])
        assert not re.search(r"0x[0-9a-f]{8,}|https?://(?!www\.w3\.org/)|Traceback|/tmp/", text)  # an SVG names its namespace
        assert not any(VIEW in o.get("data", {}) for o in cell["outputs"]), "without a kernel the player could not be seen"
        assert all(o["output_type"] != "error" for o in cell["outputs"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_notebooks_make_pages_of_a_bearable_size(path):
    cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    shown = ["".join(o["data"]["text/html"]) for c in cells for o in c["outputs"] if "text/html" in o.get("data", {})]
    assert sum('class="swapmodel-replay"' in text for text in shown) <= 4
    assert sum(map(len, shown)) < 1_500_000  # and what nbconvert adds: 2 MB are the most a page may have


def test_what_a_notebook_stores_has_no_views_and_each_stream_once():
    def stream(text):
        return new_output("stream", name="stdout", text=text)

    both = new_output("display_data", data={VIEW: {"model_id": "1"}, "text/html": "a player"})
    bar = new_output("display_data", data={VIEW: {"model_id": "2"}})
    kept = stored([stream("a"), bar, stream("b"), both, stream("c")])
    assert [o.get("text") or dict(o.data) for o in kept] == ["ab", {"text/html": "a player"}, "c"]


def test_what_nbval_leaves_out_of_a_player():
    verdict = check("signal", nearest=False)
    other = check("signal", preempt="none", nearest=False)
    player = Replay(verdict, (), ()).html()
    assert nbval_compares(player) != nbval_compares(Replay(other, (), ()).html())
    for text in (page_script(), style(), verdict.source):
        assert text in player and text not in nbval_compares(player)
    assert '"schedule":[' in nbval_compares(player)


def nbval_compares(text):
    patterns = get_sanitize_patterns((ROOT / "tests" / "nbval_sanitize.cfg").read_text())
    assert len(patterns) == 3
    for pattern, replace in patterns:
        text = re.sub(pattern, replace, text)
    return text


def test_the_story_of_the_readme():
    assert STORY is not None
    story = read_story(STORY[1], "README.md")
    assert fits(story, "as-argued").feasible is True
    refuted = fits(story, "v6.8")
    blamed = "swapoff waits in synchronize_rcu() for process 1, which holds the spinlock mm1.page_table_lock"
    assert (refuted.feasible, refuted.why) == (False, blamed)
