"""Two sub-pages that nobody maps stand for any number: what can be reached is the same, so is what is found."""

import json
import re

import jsonschema
import pytest

from swapmodel import FIXES, KERNELS, SCENARIOS, Budget, Kernel, Parameters, check, load
from swapmodel.carry import carry_over
from swapmodel.explore import explore
from swapmodel.explore.budget import Outcome
from swapmodel.explore.search import Search
from swapmodel.explore.space import BITS, Space
from swapmodel.fixes import load_fix
from swapmodel.large import known
from swapmodel.machine import BUG, READ_ONCE
from swapmodel.mm.config import SWAP_INFOS, SWAPFILE_CLUSTER
from swapmodel.mm.swapfile.reclaim import swap_page_trans_huge_swapped
from swapmodel.review.cell import Cell
from swapmodel.review.cell import run as cell_result
from swapmodel.review.comparison import Comparison
from swapmodel.subpages import ANOTHER, ASKED, alike, fewer, stranger
from swapmodel.trace import record
from tests.test_command import SCHEMA, refused, run
from tests.test_own_fix import GOOD

LARGE = [name for name, scenario in SCENARIOS.items() if scenario.huge]
SIZES = re.compile(
    r"si\.(inuse_pages|max|pages|highest_bit|lowest_bit)|nr_swap_pages|total_swap_pages|folio\.(nr_pages|swap)"
    r"|cluster_info\[\d\]\.data|swp_slots\[\d\]\.slots(_ret)?"
)
QUESTION = {
    ("unuse_swap_cache", "WRITE_ONCE"),
    ("unuse_swap_cache", "xchg"),
    ("syscall_full", "WRITE_ONCE"),
    ("syscall_none", "WRITE_ONCE"),
}


def both(name, kernel="v6.8", given=Parameters(1, 8), fix=None):
    """The system in which few stand for many, and the large one."""
    scenario = SCENARIOS[name]
    filled = scenario.fill(given)
    few = fewer(scenario, filled)
    return alike(scenario, KERNELS[kernel], few, fix), scenario.system(KERNELS[kernel], filled, fix), few


def answer(system, **how):
    outcome, _ = explore(system, **how)
    return outcome.verdict, outcome.violation and outcome.violation.kind


# ---- what can be reached -----------------------------------------------------------------------------------------------


class Projection:
    """A state of either system, without what the number of sub-pages decides: where every thread stands, and the words; of the
    sub-pages that nobody maps only which values there are."""

    def __init__(self, system, pages, mapped, reduce):
        self.space, self.system, self.pages = Space(system, reduce), system, pages
        search = Search(self.space, Budget(max_states=2_000_000), Outcome())
        search.run()
        assert search.outcome.verdict == "holds"
        self.states, self.threads = search.order, range(mapped + 1)
        self.words = [(self._kind(shown.name, pages + mapped), shown.name) for shown in system.memory.shown]
        self.known, self.same = {}, {}

    def _kind(self, name, first):
        """Word of its own, size, or of which array of many a slot that nobody maps; None: left out."""
        element = re.fullmatch(r"(swap_map|swapper_space\[0\]\.i_pages)\[(\d+)\]", name)
        if element and first <= int(element[2]) < 2 * self.pages:
            return element[1]
        free = element and 0 < int(element[2]) < self.pages
        if free or name.startswith(("sub-pages", "new folio")):
            return None
        return "size" if SIZES.fullmatch(name) else "refcount" if name == "folio.refcount" else "own"

    def memory(self, number):
        if number not in self.known:
            own, many = [], {}
            for (kind, _), value in zip(self.words, self.space.memories[number], strict=True):
                if kind in ("swap_map", "swapper_space[0].i_pages"):
                    many.setdefault(kind, set()).add(repr(value))
                elif kind == "size":
                    own.append(bool(value))
                elif kind == "refcount":  # one for each page, while it is in the swap cache
                    own.append(value - self.pages if value >= self.pages else value)
                elif kind:
                    own.append(bool(value) if hasattr(value, "entry") else repr(value))
            self.known[number] = tuple(own), tuple((kind, tuple(sorted(values))) for kind, values in sorted(many.items()))
        return self.known[number]

    def reached(self):
        stands = [[self._stands(step) for step in program.steps] for program in self.system.programs]
        for state in self.states:
            places = tuple(stands[t][state >> BITS * t & 0xFFFF] for t in self.threads)
            yield self.memory(state >> self.space.shift), places

    def _stands(self, step):
        if step is None or step.operation is None:
            return None
        frames = tuple((f.function, f.line) for f in step.stack if f.file != "subpages.py")
        return self.same.setdefault((frames, step.operation.name), (frames, step.operation.name))


def asks(place):
    """swapoff stands before the question, or its end, which the large system does not have."""
    return place is not None and (place[0][-1][0], place[1]) in QUESTION


@pytest.mark.parametrize(
    ("name", "kernel", "given"),
    [
        ("thread", "v6.8", Parameters(1, 5)),
        ("thread", "v6.8", Parameters(1, 8)),
        ("thread", "v6.9", Parameters(1, 6, "none")),
        ("thread", "v6.10", Parameters(1, 8)),
        ("thread", "mthp-v3", Parameters(1, 8, slot_cache=True)),
        ("thread-munmap", "v6.8", Parameters(1, 6)),
        ("thread-madvise", "v6.1", Parameters(1, 7)),
    ],
)
def test_the_same_can_be_reached_in_single_steps(name, kernel, given):
    few, many, small = both(name, kernel, given)
    one, other = Projection(few, small.pages, 1, False), Projection(many, given.pages, 1, False)
    assert {r for r in one.reached() if not asks(r[1][-1])} == set(other.reached())
    assert len(one.states) < len(other.states)


def test_two_processes_reach_nothing_that_few_do_not_stand_for():
    """In moves, of which swapoff's are cut where it asks: so there are more."""
    few, many, small = both("thread-madvise", given=Parameters(2, 6))
    one, other = Projection(few, small.pages, 2, True), Projection(many, 6, 2, True)
    assert set(other.reached()) <= set(one.reached())


def test_swapoff_may_look_at_each_of_them_again():
    """What was reached does not tell: swapoff tries again from the start as long as pages are in use."""
    few, _, small = both("thread")
    explore(few)
    asked = [step for step in few.programs[1].steps if step and step.operation and step.operation.name == "xchg"]
    asked = [step for step in asked if step.operation.arguments[0].name == "sub-pages.question"]
    assert len(asked) == small.pages - 1 and all(set(step.next) == {ASKED, ANOTHER} for step in asked)
    assert all(step.next[ANOTHER].stack == step.next[ASKED].stack for step in asked)


# ---- what is found -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", LARGE)
def test_the_same_is_found_on_every_kernel(name, kernel):
    few, many, _ = both(name, kernel)
    assert answer(few) == answer(many)
    assert stranger(few) is None


@pytest.mark.parametrize("fix", FIXES)
def test_the_same_is_found_with_every_fix(fix):
    few, many, _ = both("thread", "as-argued", Parameters(1, 5, "none"), FIXES[fix].replaces)
    assert answer(few) == answer(many)
    assert stranger(few) is None


def test_it_costs_the_same_with_any_number_of_pages():
    verdicts = [check("thread", processes=1, pages=pages, nearest=False) for pages in (8, 64, 512)]
    assert {v.outcome.states for v in verdicts} == {verdicts[0].outcome.states}
    assert {v.verdict for v in verdicts} == {"holds"}
    assert [v.searched for v in verdicts] == [f"3 sub-pages stand for the {n} that nobody maps" for n in (7, 63, 511)]
    assert verdicts[0].outcome.reductions == ("moves", "releases", "sub-pages")


# ---- where they do not stand for the others ----------------------------------------------------------------------------


def any_slot_swapped(map, offset):
    """A reader's own loop: what it looks at, nobody has thought about."""
    for i in range(SWAPFILE_CLUSTER):
        byte = yield READ_ONCE(map[offset + i])
        if byte & 0x3F:
            return True
    return False


def folio_free_swap(folio):
    """Goes wrong on folios of more than 7 pages. It has no number that can be seen."""
    nr_pages = yield READ_ONCE(folio.nr_pages)
    if nr_pages & ~7:
        yield BUG("too large")
    return False


def swap_address_space(entry):
    """Goes wrong at once, whoever asks."""
    yield BUG("nobody may ask")


def test_who_does_something_else_with_them_is_a_stranger():
    few, _, _ = both("thread", fix={"any_slot_swapped": any_slot_swapped})
    explore(few)
    assert stranger(few).stack[-1].function == "any_slot_swapped"


def test_what_holds_with_a_function_of_the_readers_own_holds_with_the_large_folio():
    assert all(known(kernel, None) for kernel in KERNELS.values())
    assert all(known(KERNELS["v6.8"], dict(fix.replaces)) for fix in FIXES.values())
    assert not known(KERNELS["v6.8"], {"folio_free_swap": folio_free_swap})
    assert not known(Kernel("v6.8", "", {"folio_free_swap": folio_free_swap}), None)
    large = {"processes": 1, "pages": 8, "nearest": False, "fix": folio_free_swap}
    found = check("thread", **large)
    assert (found.outcome.violation.kind, found.shortest) == ("kernel BUG", "steps")
    assert str(found) == str(check("thread", subpages=False, **large))
    with_few = check("thread", processes=1, pages=64, nearest=False, fix=swap_address_space)
    assert with_few.outcome.violation.kind == "kernel BUG" and "carried over" in with_few.searched


def test_what_holds_with_few_is_told_where_the_large_one_is_out_of_reach(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(GOOD)
    asked = {"fix": load_fix(str(file)), "processes": 1, "pages": 512, "budget": Budget(max_states=7_000)}
    verdict = check("thread", **asked)
    assert verdict.verdict == "unfinished" and verdict.searched == "with 4 pages it holds"
    verdict = check("thread", **{**asked, "pages": 8, "budget": None})
    assert verdict.verdict == "holds" and not verdict.searched


def test_nobody_waits_for_the_rcu_sections_of_swapoff():
    """It passes schedule points in the scan of a large folio that it does not pass in that of a small one."""
    for name in LARGE:
        for kernel in KERNELS.values():
            system = SCENARIOS[name].system(kernel, Parameters(1, 4, "none"))
            assert len(system.programs) - 1 not in system.memory.watched
        for fix in FIXES.values():
            system = SCENARIOS[name].system(KERNELS["v6.8"], Parameters(1, 4, "none"), fix.replaces)
            assert len(system.programs) - 1 not in system.memory.watched


def test_a_folio_of_which_there_is_none_stays_one():
    """v6.10 works out the order of a folio, and 6 pages have none."""
    assert [fewer(SCENARIOS["thread"], Parameters(2, n)) for n in (4, 5)] == [None, None]
    assert [fewer(SCENARIOS["thread"], Parameters(2, n)).pages for n in (6, 7, 8, 512)] == [5, 5, 4, 4]
    few, many, _ = both("thread", "v6.10", Parameters(2, 6))
    assert answer(few) == answer(many) == ("violated", "kernel BUG")


@pytest.mark.parametrize("how", [{"reduce": False}, {"subpages": False}, {"switches": 1}, {"random": 9}])
def test_each_stands_for_itself_where_that_is_asked(how):
    verdict = check("thread", processes=1, pages=5, nearest=False, budget=Budget(max_states=3_000), **how)
    assert "sub-pages" not in f"{verdict.outcome.reductions} {verdict.searched}"


@pytest.mark.parametrize("how", [{}, {"persistent": True}, {"sleep": True}, {"compact": True}, {"releases": False}])
def test_every_search_can_be_of_few(how):
    verdict = check("thread", processes=1, pages=64, **how)
    assert (verdict.verdict, verdict.outcome.reductions[-1]) == ("holds", "sub-pages")
    assert "3 sub-pages stand for the 63 that nobody maps" in verdict.searched
    jsonschema.validate(json.loads(json.dumps(verdict.document())), SCHEMA)


def test_no_more_is_searched_once_the_budget_is_used_up(monkeypatch):
    """Of the large folio, too: what was found so far is told."""
    spent = check("thread", "as-argued", processes=1, pages=64, budget=Budget(max_states=4_000))
    assert spent.verdict in ("violated", "unfinished")
    monkeypatch.setattr("swapmodel.large.search", interrupted_at_last())
    found = check("thread", "as-argued", processes=1, pages=64)
    assert (found.verdict, found.outcome.reason, found.recorder) == ("unfinished", "interrupted", None)
    assert found.searched == "with 4 pages"


def interrupted_at_last():
    """Finds a violation, then is interrupted."""
    answers = ["violated", "unfinished"]

    def search(system, how, budget, shortest, hunt):
        outcome = Outcome()
        outcome.verdict = answers.pop(0)
        outcome.reason = "" if answers else "interrupted"
        return outcome, ""

    return search


def test_compact_states_have_room_for_the_processes_that_they_had():
    verdict = check("thread", processes=5, pages=16, compact=True, nearest=False, budget=Budget(max_states=2_000))
    assert verdict.verdict == "unfinished" and "stand for" not in verdict.searched


# ---- what is shown is an execution of the large one --------------------------------------------------------------------


def test_a_counterexample_is_carried_over():
    found = check("thread", "as-argued", processes=1, pages=64)
    steps, small = found.recorder.steps, check("thread", "as-argued", processes=1, pages=4).recorder.steps
    assert (found.verdict, found.shortest, found.outcome.violation.kind) == ("violated", "any", "NULL dereference")
    assert "found with 4 pages and carried over, so not the shortest" in found.searched
    assert len(steps) > len(small) + 60
    again = record(SCENARIOS["thread"].system(KERNELS["as-argued"], found.parameters), found.outcome.schedule)
    assert again.violation.kind == "NULL dereference" and len(again.steps) == len(steps)
    assert str(load(found.document())) == str(found)


def test_the_nearest_miss_is_carried_over():
    verdict = check("thread", processes=1, pages=64)
    assert verdict.stopped_at.startswith("swapoff waits in synchronize_rcu() for process")
    assert verdict.stopped_at == f"swapoff {verdict.recorder.waits(1)}"
    assert any(change.name == "swap_map[127]" for step in verdict.recorder.steps for change in step.changes)


def folio_swapped(folio):
    """Goes wrong on folios of 3 pages, hence on the few of 6, and not on 6."""
    nr_pages = yield READ_ONCE(folio.nr_pages)
    if nr_pages & 1:
        yield BUG("an odd number of pages")
    entry = yield READ_ONCE(folio.swap)
    swapped = yield from swap_page_trans_huge_swapped(SWAP_INFOS[0], entry)
    return swapped


def test_the_nearest_miss_is_that_of_the_system_that_was_searched():
    how = {"processes": 1, "pages": 6, "fix": {"folio_swapped": folio_swapped}}
    few, every = check("thread", **how), check("thread", subpages=False, **how)
    assert (few.verdict, few.stopped_at) == (every.verdict, every.stopped_at)
    assert few.verdict == "holds" and len(few.recorder.steps) == len(every.recorder.steps)


def test_what_the_large_one_does_not_do_is_not_carried_over():
    few = SCENARIOS["thread"].system(KERNELS["v6.8"], Parameters(1, 4))
    steps = record(few, [0] * 9 + [1] * 9).steps
    assert carry_over(steps, SCENARIOS["munmap"].system(KERNELS["v6.8"])) is None
    assert len(carry_over(steps, SCENARIOS["thread"].system(KERNELS["v6.8"], Parameters(1, 64))).steps) == 18


def test_where_no_near_miss_was_found_it_is_not_said_that_there_is_none(monkeypatch):
    monkeypatch.setattr("swapmodel.verdict.NEAREST_STATES", 500)
    assert check("thread", processes=1).stopped_at == "no near miss was found among the first 500 states"


def test_the_command_says_so(capsys):
    asked = ("check", "thread", "--processes", "1", "--pages", "8")
    status, out, _ = run(capsys, *asked)
    assert status == 0 and "search: 3 sub-pages stand for the 7 that nobody maps" in out
    status, out, _ = run(capsys, *asked, "--every-page")
    assert status == 0 and "search:" not in out
    assert refused(capsys, "check", "thread", "--pages", "513") == "swapmodel: pages is from 1 to 512, not 513\n"


def test_a_comparison_says_so():
    cell = Cell("thread", "v6.8", "full", "no-waits", "no-waits", processes=1, pages=64)
    found = cell_result(cell)
    table = Comparison({cell.key: found}, {}, {"no-waits": ""}, {}, ())
    told = "found with 4 pages and carried over, so not the shortest"
    assert f"violated: thread on v6.8, preempt full, no-waits: {told}" in str(table)
    assert [cell["searched"] for cell in table.document()["cells"]] == [told]
