"""The explorer's edges: budgets, what it falls back to, and that a quick look for a counterexample finds the same one."""

import pytest

from swapmodel import KERNELS, SCENARIOS, Budget, Parameters, check
from swapmodel.explore import Space, explore, fewest_steps, fewest_switches
from swapmodel.explore.search import Search


def system(scenario="shmem-truncate", kernel="v6.8", **parameters):
    return SCENARIOS[scenario].system(KERNELS[kernel], Parameters(**parameters))


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        (Budget(max_states=500), "500 states"),
        (Budget(max_seconds=1e-9), "1e-09 seconds"),
        (Budget(max_bytes=1), "0 MiB of memory"),
    ],
)
def test_a_budget_ends_in_unfinished(budget, why):
    outcome, _ = explore(system(kernel="v6.9"), budget)
    assert outcome.verdict == "unfinished"
    assert why in outcome.reason
    assert outcome.violation is None


def test_a_budget_that_suffices_changes_nothing():
    free, _ = explore(system(kernel="v6.9"))
    bound, _ = explore(system(kernel="v6.9"), Budget(max_states=free.states + 1, max_seconds=600, max_bytes=1 << 40))
    assert (free.verdict, free.states, free.transitions) == (bound.verdict, bound.states, bound.transitions)


def test_an_interrupt_while_proving_that_all_can_finish_is_not_holds(monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "demand_finish", interrupted)
    outcome, _ = explore(system(kernel="v6.9"))
    assert (outcome.verdict, outcome.reason) == ("unfinished", "interrupted")


def test_hunting_finds_what_the_full_search_finds():
    searched, _ = explore(system())
    hunted, _ = explore(system(), hunt=True)
    assert hunted.schedule == searched.schedule
    held, _ = explore(system(kernel="v6.9"), hunt=True)
    assert held.verdict == "holds"


def test_any_is_no_shorter_than_the_shortest():
    exact, _ = explore(system())
    quick, _ = explore(system(), shortest="any")
    assert len(quick.schedule) >= len(exact.schedule)


def free_swap_and_cache(entry):
    """A fix that only tries the device's lock: where it fails, others notice that somebody holds it."""
    si = yield READ_ONCE(swap_info[swp_type(entry)])  # noqa: F821
    got = yield spin_trylock(si.lock)  # noqa: F821
    if got:
        yield spin_unlock(si.lock)  # noqa: F821
    return True


def test_a_trylock_switches_the_reductions_off():
    """Taking a lock may be put off only where nobody can see that it is held."""
    fix = {"free_swap_and_cache": free_swap_and_cache}
    tried, _ = explore(SCENARIOS["shmem-truncate"].system(KERNELS["v6.8"], Parameters(), fix))
    assert tried.reduced is False
    plain, _ = explore(system())
    assert plain.reduced is True
    assert check("shmem-truncate", fix=free_swap_and_cache, nearest=False).document()["reductions"] == []


def test_the_whole_space_without_a_violation_yields_no_schedule():
    space = Space(system(kernel="v6.9"), early=False)
    assert fewest_steps(space) is None
    assert fewest_switches(space) is None


def test_skipped_waits_are_all_that_keeps_v6_8_from_the_race():
    space = Space(system("one-process"), skip=frozenset({"cond_synchronize_rcu", "wait_for_completion"}))
    assert fewest_steps(space) is not None
    assert fewest_steps(Space(system("one-process"))) is None
