"""The heart of the suite: merged equals un-merged, reduced equals full, on random programs and on the real scenarios."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from swapmodel import KERNELS, SCENARIOS, Parameters
from swapmodel.explore import Found, Space, explore
from swapmodel.explore.shortest import ending
from tests.random_programs import programs
from tests.reference import TooBig, merged, run, unmerged

SMALL, LARGER = {2: 6, 3: 4}, {2: 12, 3: 8}  # threads: steps each
QUICK = settings(max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


def everything(space):
    """All (words, pending operations) and all violations that a Space reaches."""
    places, said, seen, todo = set(), set(), {space.initial}, [space.initial]
    while todo:
        state = todo.pop()
        end = ending(space, state) if space.is_final(state) else None
        if end is not None:
            said.add((end.violation.kind, str(end.violation)))
        places.add((space.memories[state >> space.shift], tuple(step.operation for step in space.steps(state))))
        for t in space.threads:
            try:
                change = space.difference(state, t)
            except Found as found:
                said.add((found.violation.kind, str(found.violation)))
                continue
            if change and state + change not in seen:
                seen.add(state + change)
                todo.append(state + change)
    return places, said


def turns(schedule):
    return sum(a != b for a, b in itertools.pairwise(schedule)), len(schedule)


def assert_agrees(source, reference, exact):
    """Full and reduced search give the reference's verdict, its shortest lengths, and a schedule that really fails."""
    for reduce, shortest in itertools.product((False, True), ("steps", "switches")):
        built = source.build()
        outcome, _ = explore(built.system, reduce=reduce, shortest=shortest)
        assert outcome.verdict == reference.verdict
        if outcome.verdict == "holds" or reference.steps is None:
            continue
        if not exact and outcome.violation.kind in ("deadlock", "livelock"):
            continue
        said = run(built.system, built.starts, outcome.schedule)
        assert said == (outcome.violation.kind, str(outcome.violation))
        if shortest == "steps":
            assert len(outcome.schedule) == reference.steps
        else:
            assert turns(outcome.schedule) == reference.switches


@QUICK
@given(programs(SMALL))
def test_merged_equals_unmerged(source):
    """Steps with equal keys behave alike: nothing is reached, violated or missed that whole histories would not."""
    built = source.build()
    try:
        slow = unmerged(built.system, built.starts, 8_000)
    except TooBig:
        return
    fast = merged(built.system, 30_000)
    assert (slow.places, slow.violations, slow.deadlocks) == (fast.places, fast.violations, fast.deadlocks)
    assert (slow.steps, slow.switches) == (fast.steps, fast.switches)
    assert everything(Space(built.system, reduce=False)) == (slow.places, slow.violations)
    assert_agrees(source, slow, exact=True)


@QUICK
@given(programs(LARGER, loops=True))
def test_reduced_equals_full_on_larger_programs_with_loops(source):
    try:
        reference = merged(source.build().system, 20_000)
    except TooBig:
        return
    assert_agrees(source, reference, exact=False)


OLDER = ("v6.8", "v6.9", "v5.2", "as-argued")  # the kernels that differ in what the older scenarios are about
CELLS = [
    (scenario, kernel, Parameters(preempt=preempt, slot_cache=slot_cache))
    for scenario in SCENARIOS
    if not scenario.startswith("thread") and not SCENARIOS[scenario].fixed
    for kernel in KERNELS
    for preempt, slot_cache in itertools.product(("full", "none"), (False, True))
    if kernel in OLDER or (preempt, slot_cache) == ("full", False)
]
CELLS += [("shmem-truncate", kernel, Parameters(device="hdd")) for kernel in OLDER]
CELLS += [("thread", kernel, Parameters(processes=1)) for kernel in OLDER]
CELLS += [
    (scenario, kernel, Parameters(preempt=preempt))
    for scenario in SCENARIOS
    if SCENARIOS[scenario].fixed
    for kernel, preempt in (("v6.8", "full"), ("v6.8", "none"), ("v6.7", "full"), ("v5.2", "full"), ("v6.10", "full"))
]


@pytest.mark.parametrize(("scenario", "kernel", "parameters"), CELLS, ids=str)
def test_reduced_equals_full_on_the_scenarios(scenario, kernel, parameters):
    def search(reduce, shortest):
        outcome, _ = explore(SCENARIOS[scenario].system(KERNELS[kernel], parameters), reduce=reduce, shortest=shortest)
        return outcome

    full, reduced = search(False, "steps"), search(True, "steps")
    assert full.verdict == reduced.verdict
    assert len(full.schedule) == len(reduced.schedule)
    assert reduced.states < full.states or scenario == "reuse"  # percpu_ref_resurrect() turns the reductions off
    if full.violation is not None:
        assert full.violation.kind == reduced.violation.kind
        assert turns(search(False, "switches").schedule) == turns(search(True, "switches").schedule)


ASK = """
import json, sys
from swapmodel import KERNELS, SCENARIOS
from swapmodel.explore import explore
out = []
for scenario, kernel in (("shmem-truncate", "v6.8"), ("one-process", "v6.8"), ("munmap", "as-argued")):
    o, _ = explore(SCENARIOS[scenario].system(KERNELS[kernel]))
    out.append((o.verdict, o.states, o.transitions, o.depth, o.schedule))
json.dump(out, sys.stdout)
"""


def ask(python, **environment):
    root = str(Path(__file__).parent.parent)
    settings_ = {**os.environ, "PYTHONPATH": root, **environment}
    return json.loads(subprocess.run([python, "-c", ASK], env=settings_, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def answer():
    return ask(sys.executable, PYTHONHASHSEED="0")


@pytest.mark.parametrize("seed", ["1", "4242"])
def test_the_same_for_every_hash_seed(answer, seed):
    assert ask(sys.executable, PYTHONHASHSEED=seed) == answer


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_same_on_every_python(answer, version):
    homes = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    python = next(map(str, homes), None) or shutil.which(f"python{version}")
    if python is None:
        pytest.skip(f"CPython {version} is not on this machine")
    assert ask(python) == answer
