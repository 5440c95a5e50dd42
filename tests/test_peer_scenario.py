"""Our search on the scenario of the comparison: the verdicts, lengths and states that the other checkers have."""

import pytest

from swapmodel.explore import explore
from tests.peer_scenario import peer_system

# (variant, P, N): verdict, steps of the shortest counterexample, states of plain Python, ours plain, ours with reductions.
# Plain Python also stores the state in which the memory was used after it was freed; our last step does not end in one.
EXPECTED = {
    ("unfixed", 1, 1): ("violated", 32, 427, 426, 215),
    ("fixed", 1, 1): ("holds", 0, 454, 454, 233),
    ("unfixed", 2, 2): ("violated", 42, 11_299, 11_298, 2_845),
    ("fixed", 2, 2): ("holds", 0, 16_583, 16_583, 5_101),
    ("unfixed", 3, 4): ("violated", 55, 269_945, 269_944, 34_106),
    ("fixed", 3, 4): ("holds", 0, 611_137, 611_137, 102_816),
}
CASES = [(*case, reduce) for case in EXPECTED for reduce in (False, True) if reduce or case[1] < 3]


@pytest.mark.parametrize(("variant", "processes", "pages", "reduce"), CASES)
def test_answers_as_the_peers_do(variant, processes, pages, reduce):
    verdict, length, theirs, plain, reduced = EXPECTED[variant, processes, pages]
    outcome, _ = explore(peer_system(variant, processes, pages), finish=False, reduce=reduce)
    assert outcome.verdict == verdict
    assert len(outcome.schedule) == length
    assert outcome.states <= theirs
    assert outcome.states == (reduced if reduce else plain)


@pytest.mark.parametrize("reduce", [False, True])
def test_the_violation_is_the_use_after_free(reduce):
    outcome, _ = explore(peer_system("unfixed", 2, 2), finish=False, reduce=reduce)
    assert outcome.violation.kind == "use after free"
    assert outcome.violation.address.object == "device"
