"""Every case of every question is explored again; answers, differences and the committed page follow from the record."""

import json

import pytest

from swapmodel.__main__ import main
from swapmodel.names import UnknownName
from swapmodel.questions import QUESTIONS, Case, Part, Question, Result, ask, recorded_answers, recorded_results
from swapmodel.questions.answers import markdown
from swapmodel.questions.failures import failures
from swapmodel.questions.patches import PATCHES
from swapmodel.questions.scenes import OWN
from swapmodel.questions.table import all_cases
from tests.record_questions import MARKDOWN

DIFFER = {"Q3": 1, "Q13": 1, "Q16": 1, "Q21": 2, "Q22": 1, "Q33": 1}  # how many parts are not answered as expected


# ---- the record ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", all_cases())
def test_case(name):
    assert all_cases()[name].run() == recorded_results()[name]


def test_nothing_else_is_recorded():
    assert list(recorded_results()) == list(all_cases())


def test_every_question_is_there():
    assert list(QUESTIONS) == [f"Q{i}" for i in range(1, 41)]
    assert all(q.title and q.whose and q.parts for q in QUESTIONS.values())


def test_no_answer_is_open():
    for answer in recorded_answers():
        assert set(answer.answers) <= {"yes", "no"}, answer


def test_what_differs_is_explained_and_nothing_else_is():
    for answer in recorded_answers():
        explained = [part for part in answer.question.parts if part.differs]
        assert answer.differs == explained, answer
    assert {a.question.name: len(a.differs) for a in recorded_answers() if a.differs} == DIFFER


def test_the_page_is_not_stale():
    assert markdown(recorded_answers()) == MARKDOWN.read_text()


def test_every_patch_and_scene_is_used():
    """Scenes also serve the mutants, but these are the questions' own."""
    cases = all_cases().values()
    assert {name for case in cases for name in case.patches} == set(PATCHES)
    shared_with_mutants = {"uncached-file", "one-process-staged"}
    assert {s.name for s in OWN} - {case.scenario for case in cases} <= shared_with_mutants


# ---- an answer follows from its cases, and can be wrong ----------------------------------------------------------------


def result(kind="", failures=()):
    return Result("violated" if kind or failures else "holds", kind, 10, failures=failures)


CASE = Case("one-process")
PART = Part("Does it?", "no", (CASE,), "It waits.")


@pytest.mark.parametrize(
    ("part", "found", "answer"),
    [
        (PART, result(), "no"),
        (PART, result("NULL dereference"), "yes"),
        (PART, result("livelock"), "undecided"),
        (PART, Result("unfinished", "", 10), "undecided"),
        (PART._replace(holds=True), result(), "yes"),
        (PART._replace(holds=True), result("use after free"), "no"),
        (PART._replace(where="swap_map"), result(failures=(("use after free", "swap_map[1] in f()"),)), "yes"),
        (PART._replace(where="swap_map"), result(failures=(("use after free", "si.lock in f()"),)), "no"),
        (PART._replace(where="swap_map"), result("use after free"), "undecided"),
        (PART._replace(kinds=("lost page",)), result(failures=(("use after free", "si.lock in f()"),)), "no"),
    ],
)
def test_answer(part, found, answer):
    assert part.answer({str(CASE): found}) == answer


def test_one_case_that_goes_wrong_decides():
    other = Case("madvise")
    part = PART._replace(cases=(CASE, other))
    assert part.answer({str(CASE): result(), str(other): result("use after free")}) == "yes"
    assert part.answer({str(CASE): result(), str(other): result()}) == "no"


def test_every_failure_contains_the_first_one():
    """What explore() finds is among what failures() finds, and both agree where nothing is wrong."""
    for case in (Case("shmem-truncate"), Case("shmem-truncate", "v6.9"), Case("one-process", "v5.2"), Case("scan")):
        one, every = case.run(), case._replace(every=True).run()
        assert one.verdict == every.verdict
        assert one.kind in every.kinds or one.verdict == "holds"


def test_a_search_for_every_failure_does_not_stop_silently():
    from swapmodel import Budget

    with pytest.raises(ValueError, match="not every failure was found: the budget of 1 states is used up"):
        failures(Case("shmem-truncate").system(), Budget(max_states=1))


# ---- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Q18", "q18 "])
def test_ask(name, capsys):
    assert main(["ask", name, "--recorded"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Q18  Does being stopped by the hypervisor suffice?")
    assert "NO (as expected)" in told and "shmem-truncate on v6.8, preempt none: holds, 4,4" in told


def test_ask_explores(capsys):
    assert main(["ask", "Q7"]) == 0
    told = capsys.readouterr().out
    assert told == str(ask("Q7", recorded=True)) + "\n"
    assert "YES (as expected)" in told and "NULL dereference after" in told


def test_the_witness_is_shown(capsys):
    assert main(["ask", "Q7", "--recorded", "--witness"]) == 0
    told = capsys.readouterr().out
    assert "CPU0 (truncate)" in told and "*** NULL dereference" in told
    assert ask("Q2", recorded=True).witness() is None


def test_fairness_is_asked_of_swapoff():
    """A livelock is starvation too; a swapoff that ends is none."""
    assert Case("stuck-exit", fair=True).run().kind == "starvation"
    assert Case("idle", fair=True).run().verdict == "holds"


def test_the_table(capsys):
    assert main(["ask"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("Q")]) == 40
    assert main(["ask", "--markdown"]) == 0
    assert capsys.readouterr().out == MARKDOWN.read_text()


def test_a_difference_is_shown():
    told = str(ask("Q3", recorded=True))
    assert "NO (expected: yes)" in told and "The difference:" in told


def test_an_unknown_question(capsys):
    assert main(["ask", "Q99"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(UnknownName, match="no question is named 'Q99'; did you mean Q9"):
        ask("Q99")


def test_html_is_escaped():
    question = Question("Q0", "<script>", "nobody", (PART,))
    from swapmodel.questions import Answer

    told = Answer(question, {str(CASE): result()})._repr_html_()
    assert "<script>" not in told and "&lt;script&gt;" in told


def test_the_record_is_plain_data():
    for document in json.loads(MARKDOWN.with_name("recorded.json").read_text()).values():
        assert document["verdict"] in ("holds", "violated") and document["states"] > 0
