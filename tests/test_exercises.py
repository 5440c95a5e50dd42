"""Exercises: every solution passes, every stub fails, every plausible mistake gets a hint that helps and tells no answer."""

import ast
import functools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from exercises import EXERCISES, Result, ask, check
from exercises.instructor import notebooks, write_all
from exercises.solutions import explain, solve
from swapmodel import Verdict
from tests.exercise_mistakes import MISTAKES, SOURCE, kernel_function

ROOT = Path(__file__).parent.parent
SEEDS = (0, 1, 2)
BOOKS = notebooks()
WRONG = [(id, wrong) for id, wrongs in MISTAKES.items() for wrong in wrongs]


def code_cells(path):
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]


def run_cell(source, space):
    """What a notebook shows of a cell: the value of its last line, if that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), space)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), space) if last else None


# ---- the set as a whole ------------------------------------------------------------------------------------------------


def test_there_are_enough_of_them():
    assert len(EXERCISES) == 32 and "Thirty-two exercises" in (ROOT / "exercises" / "README.md").read_text()
    assert {id[:4] for id in EXERCISES} == {f"ex0{n}" for n in range(9)}
    assert set(MISTAKES) == set(EXERCISES)
    assert all(len(wrongs) >= 3 for wrongs in MISTAKES.values())


@pytest.mark.parametrize("id", EXERCISES)
def test_seeds_make_fresh_variants(id):
    texts = [str(ask(id, seed)) for seed in SEEDS]
    assert texts[0] == str(ask(id, 0))
    assert len(set(texts)) >= (1 if id == "ex01b" else 2)
    assert id != "ex01b" or ask(id, 1).pairs != ask(id, 0).pairs


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("id", EXERCISES)
def test_the_solution_passes(id, seed):
    result = check(id, solve(id, seed), seed)
    assert result and result.hint == "", str(result)
    assert len(explain(id)) > 80


def test_a_solution_of_another_seed_does_not_pass():
    assert not check("ex01a", solve("ex01a", 1), 0)
    assert not check("ex08b", solve("ex08b", 1), 0)


# ---- mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("id", "wrong"), WRONG, ids=lambda v: v if isinstance(v, str) else v.belief.replace(" ", "-"))
def test_a_mistake_gets_its_hint(id, wrong):
    result = judged(id, wrong)
    assert not result
    assert wrong.hint in result.hint, str(result)
    assert "\n" not in result.reason + result.hint
    assert not tells(result.hint, solve(id, wrong.seed))


@functools.cache
def judged(id, wrong):
    return check(id, wrong.answer(ask(id, wrong.seed)), wrong.seed)


def tells(hint, answer):
    """Does a hint contain the answer? A list of all words that may be chosen does not tell it."""
    if hint.startswith(("The words are", "The threads are")):
        return False
    if callable(answer):
        return False  # functions: see below
    if isinstance(answer, dict):
        return repr(answer) in hint
    if isinstance(answer, list | tuple | set | frozenset):
        parts = [str(part) for part in answer if not isinstance(part, dict)]
        return len(parts) > 1 and all(re.search(rf"(?<!\w){re.escape(part)}(?!\w)", hint) for part in parts)
    if isinstance(answer, str) and len(answer) < 3:
        return re.search(rf"\b{answer}\b", hint) is not None and answer != "a"
    return re.search(rf"(?<!\w){re.escape(str(answer))}(?!\w)", hint) is not None


def test_no_hint_is_a_line_of_a_solution():
    hints = {judged(id, w).hint for id, w in WRONG if id in ("ex06b", "ex08d")}
    lines = [
        line.strip() for n in ("06", "08") for line in (ROOT / "exercises" / "solutions" / f"set{n}.py").read_text().split("\n")
    ]
    code = [line for line in lines if "yield" in line and len(line) > 30]
    assert len(code) > 20 and not [(h, c) for h in hints for c in code if c in h]


@pytest.mark.parametrize("id", EXERCISES)
def test_hints_differ_with_the_mistake(id):
    hints = {w.hint for w in MISTAKES[id]}
    assert len(hints) >= 3


JUNK = [None, ..., "x", 3, -1, 2.5, True, [], {}, (1, 2), [1, "x", None], {"A": 1}, object(), lambda: 1, range(9), b"x", {1, 2}]


@pytest.mark.parametrize("id", EXERCISES)
def test_what_is_no_answer_is_told_in_a_sentence(id):
    for junk in JUNK:
        result = check(id, junk)
        assert isinstance(result, Result) and not result, (junk, str(result))
        assert result.reason.endswith(".") and result.hint and "\n" not in result.reason + result.hint
        assert not re.search(r"0x[0-9a-f]{8,}|<function|object at", result.reason + result.hint)


@pytest.mark.parametrize(
    ("id", "answer", "says"),
    [
        ("ex01a", ("5", 6, True), "The type is a whole number, not '5'."),
        (
            "ex01b",
            lambda type, offset: 1 // 0,
            "<lambda>(21, 915626761) raises ZeroDivisionError: integer division or modulo by zero.",
        ),
        ("ex02a", [0x41], "The answer has 4 parts, not 1."),
        ("ex04a", ["vfree(swap_map)"] * 7, "The answer has vfree(swap_map) twice."),
        ("ex05a", "truncate, swapoff", "A schedule is a list of 1 to 20 turns, not 'truncate, swapoff'."),
        ("ex05a", [("truncate", "swap_page")], "Turn 1: there is no function 'swap_page' in this kernel."),
        ("ex05a", [("swapoff", "end"), ("swapoff", "end")], "Turn 2: swapoff can't take a step: it has returned."),
        ("ex05b", {"A": 1}, "The answer says nothing of B."),
        ("ex06a", 5, "A fix is a function or a dict of functions, not 5."),
        ("ex06a", {"swapoff": lambda: 1}, "The fix replaces swapoff, not free_swap_and_cache."),
        (
            "ex06a",
            kernel_function("def free_swap_and_cache(entry):\n    return True\n"),
            "free_swap_and_cache() has no yield yet.",
        ),
        ("ex07b", 7, "A story is a text, not 7."),
        ("ex08c", "v6.88", "The kernel is one of the words offered, not 'v6.88'; did you mean 'v6.8'?"),
    ],
)
def test_wrong_types_are_told(id, answer, says):
    assert check(id, answer).reason == says


def test_a_loop_without_end_in_a_readers_function():
    def encode(type, offset):
        while True:
            type += 1

    assert check("ex01b", encode).reason == "encode() does not come to its end."


FIXES = {  # a fix, and what the reason says of it
    "an exception": ("    x = 1 // 0\n", "ZeroDivisionError"),
    "a loop without a step": ("    while True:\n        x = 1\n", "a loop without end?"),
    "a loop of steps": ("    while True:\n        yield READ_ONCE(nr_swap_pages)\n", "give the loop a way out"),
    "a lock that is left": ("    yield spin_lock(swap_lock)\n", "`yield spin_unlock(swap_lock)` before every return"),
    "a deadlock": ("    yield mutex_lock(swapon_mutex)\n    yield from synchronize_rcu()\n", "mutex_unlock"),
    "an unknown name": ("    yield from get_swap_devise(entry)\n", "did you mean get_swap_device?"),
    "no yield from": ("    get_swap_device(entry)\n", "yield from"),
}


@pytest.mark.parametrize("mistake", FIXES)
def test_a_fix_that_can_not_be_is_told_with_its_line(mistake):
    lines, says = FIXES[mistake]
    result = check("ex06a", kernel_function(SOURCE.replace("    count =", lines + "    count =")))
    assert not result and says in result.reason and "<cell>:7" in result.reason.replace("<cell>:8", "<cell>:7"), str(result)
    assert "\n" not in result.reason and result.hint


def test_exercises_there_are_not():
    with pytest.raises(ValueError, match="did you mean ex05a"):
        check("ex05aa", 1)
    with pytest.raises(ValueError, match="by its number"):
        check(5, 1)
    with pytest.raises(ValueError, match="seed is 0 or a larger"):
        ask("ex05a", "1")


# ---- what is shown -----------------------------------------------------------------------------------------------------


def test_a_counterexample_can_be_replayed():
    result = check("ex00a", MISTAKES["ex00a"][1].answer(ask("ex00a")))
    assert isinstance(result.shown, Verdict) and result.shown.document()["trace"]
    found = check("ex05a", solve("ex05a"))
    assert isinstance(found.shown, Verdict) and found.shown.verdict == "violated" and found.shown.recorder.steps[-1].fault


def test_results_are_shown_as_text_and_html():
    result = check("ex00a", {**solve("ex00a"), "C": "holds"})
    assert (
        str(result).startswith("ex00a: not yet\n  Case C")
        and "\n  Hint: List" in str(result)
        and "CPU0 (truncate)" in str(result)
    )
    html = result._repr_html_()
    assert "<strong>ex00a: not yet</strong>" in html and "<em>Hint:</em>" in html and result.shown._repr_html_() in html
    assert repr(result) == str(result)
    strange = check("ex00b", ("<script>", "swapoff", "x"))
    assert "&lt;script&gt;" in strange._repr_html_() and "<script>" not in strange._repr_html_()


def test_a_question_is_shown_without_its_answer():
    question = ask("ex01d")
    assert str(question).startswith("ex01d: The four 0x40s") and "_cases" not in str(question)
    assert question.text.split("\n")[0] in question._repr_html_()
    with pytest.raises(AttributeError, match="ex01d has no nothing"):
        _ = question.nothing


# ---- the notebooks -----------------------------------------------------------------------------------------------------


def test_the_notebooks_have_every_exercise_once():
    asked = [id for path in BOOKS for c in code_cells(path) for id in re.findall(r'^ask\("(\w+)"', "".join(c["source"]), re.M)]
    assert asked == list(EXERCISES)
    assert [path.stem for path in BOOKS] == [f"ex0{n}" for n in range(9)]


@pytest.mark.parametrize("path", BOOKS, ids=lambda p: p.name)
def test_every_stub_fails(path):
    space, checked = {}, 0
    for cell in code_cells(path):
        source = "".join(cell["source"])
        shown = run_cell(source, space)
        if source.startswith("check("):
            checked += 1
            assert isinstance(shown, Result) and not shown and shown.hint
            assert shown.shown is None
            assert str(shown) == "".join(cell["outputs"][0]["data"]["text/plain"])
    assert checked == len([id for id in EXERCISES if id.startswith(path.stem)])


@pytest.mark.parametrize("path", BOOKS, ids=lambda p: p.name)
def test_notebooks_store_what_can_be_compared(path):
    book = json.loads(path.read_text())
    assert "widgets" not in book["metadata"]
    cells = code_cells(path)
    assert all(len(c["source"]) <= 5 for c in cells)
    for cell in cells:
        source, text = "".join(cell["source"]), json.dumps(cell["outputs"])
        assert bool(cell["outputs"]) == source.startswith(("ask(", "check("))
        assert all(o["output_type"] == "execute_result" for o in cell["outputs"])
        assert not re.search(r"https?://|Traceback|/tmp/| at 0x", text)


def test_an_instructors_copy(tmp_path):
    written = write_all(tmp_path / "release")
    assert len(written) == 9
    space, graded = {"display": lambda shown: None}, []
    for cell in code_cells(written[1]):
        source, told = "".join(cell["source"]), cell["metadata"].get("nbgrader", {})
        assert ("### BEGIN SOLUTION" in source) == bool(told.get("solution")) and not cell["outputs"]
        exec(source, space)  # every graded cell asserts that the result is right
        graded += [told["grade_id"]] if told.get("grade") else []
    assert graded == [id for id in EXERCISES if id.startswith("ex01")]


def test_the_command(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "exercises", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )

    listed = run()
    assert listed.returncode == 0 and listed.stdout.count("\n") == len(EXERCISES)
    assert run("nbgrader").returncode == 2 and "usage" in run("xx", "y").stderr
    (tmp_path / "file").write_text("")
    assert run("nbgrader", str(tmp_path / "file" / "x")).returncode == 2
