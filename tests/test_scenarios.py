"""Every recorded cell: verdict, kind of violation and exact state count. And the table that the facts demand."""

import json

import pytest

from swapmodel import KERNELS, SCENARIOS, Parameters, check
from tests.record import FILE, cells, name, verdict

RECORDED = json.loads(FILE.read_text())


@pytest.mark.parametrize("cell", list(cells()), ids=lambda c: name(*c))
def test_recorded(cell):
    assert verdict(*cell) == RECORDED[name(*cell)]


def test_nothing_else_is_recorded():
    assert set(RECORDED) == {name(*c) for c in cells()}


EXPECTED = {
    ("thread", "full"): {"as-argued": "violated", "v6.8": "holds", "v6.9": "holds", "v5.2": "violated"},
    ("one-process", "full"): {"as-argued": "violated", "v6.8": "holds", "v6.9": "holds", "v5.2": "violated"},
    ("shmem-truncate", "full"): {"as-argued": "violated", "v6.8": "violated", "v6.9": "holds", "v5.2": "violated"},
    ("shmem-truncate", "none"): {"v6.8": "holds", "v6.9": "holds"},
}


@pytest.mark.parametrize(("scenario", "preempt"), EXPECTED)
def test_the_table(scenario, preempt):
    """kernel-facts.md, sections 0 and 5; real-kernel/README.md, section 2."""
    for kernel, expected in EXPECTED[scenario, preempt].items():
        for slot_cache in (False, True):
            assert RECORDED[name(scenario, kernel, preempt, slot_cache)]["verdict"] == expected


LATER = {  # scenarios that begin where a session left off: the kernels on which they go wrong
    "fault": {"v5.2"},
    "fault-ramdisk": {"v5.2"},
    "two-faults": {"v6.7", "v5.2"},
    "reclaim": set(),
    "fork": set(),
    "signal": set(),
    "reuse": {"v6.8", "v6.7", "v5.2", "as-argued", "mthp-v3"},
}


@pytest.mark.parametrize("scenario", LATER)
def test_where_the_later_scenarios_go_wrong(scenario):
    found = {k for k in KERNELS if RECORDED[name(scenario, k, "full", False)]["verdict"] == "violated"}
    assert found == LATER[scenario]
    assert SCENARIOS[scenario].fixed


def test_a_later_scenario_takes_no_sizes():
    with pytest.raises(ValueError, match="only preempt can be chosen"):
        check("fault", pages=2)
    with pytest.raises(ValueError, match="only preempt can be chosen"):
        check("two-faults", slot_cache=True)


@pytest.mark.parametrize("kernel", ["v6.8", "as-argued"])
def test_without_clusters(kernel):
    """A rotational device: no cluster lock to write into, but the stale swap_map is read all the same."""
    verdict = check("shmem-truncate", kernel, device="hdd")
    assert verdict.verdict == "violated"
    assert check("shmem-truncate", "v6.9", device="hdd").verdict == "holds"


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_any_number_of_pages(pages):
    assert check("shmem-truncate", "v6.8", pages=pages).verdict == "violated"
    assert check("shmem-truncate", "v6.9", pages=pages, nearest=False).verdict == "holds"


@pytest.mark.parametrize("scenario", ["one-process", "madvise", "munmap"])
def test_two_small_pages(scenario):
    """Two folios of one page each: the page table lock may be dropped between them."""
    assert check(scenario, "v6.8", pages=2, nearest=False).verdict == "holds"
    assert check(scenario, "v6.9", pages=2, nearest=False).verdict == "holds"
    assert check(scenario, "v5.2", pages=2).verdict == ("holds" if scenario == "madvise" else "violated")


def test_thread_with_other_numbers():
    assert check("thread", "as-argued", processes=1, pages=2).verdict == "violated"
    assert check("thread", "v6.8", processes=1, pages=4, nearest=False).verdict == "holds"
    assert check("thread", "v6.8", processes=1, pages=1, nearest=False).verdict == "holds"


def test_initial_memory_obeys_the_oracles():
    for scenario in SCENARIOS.values():
        for slot_cache in (False,) if scenario.fixed else (False, True):
            system = scenario.system(KERNELS["v6.8"], Parameters(slot_cache=slot_cache))
            assert [oracle(system.words) for oracle in system.oracles] == [None] * len(system.oracles)


def test_wrong_parameters():
    with pytest.raises(ValueError, match="processes 3 contradicts it"):
        check("one-process", processes=3)
    with pytest.raises(ValueError, match="from 1 to 512"):
        check("thread", pages=513)
    with pytest.raises(ValueError, match="needs pages 1"):
        check("thread", device="hdd")
    with pytest.raises(ValueError, match="did you mean thread"):
        check("thred")
