"""The interpreter in JavaScript is the machine: the same states for every step of every scenario's trace, and of 2,000 random
schedules; and the graphs that it follows are complete."""

import inspect
import json
import random

import pytest

import swapmodel.machine
from swapmodel import check
from swapmodel.replay.cover import Effort, Walker, cover
from swapmodel.replay.document import document, variant_of
from swapmodel.replay.lowering import SHAPES
from swapmodel.replay.values import encode
from swapmodel.scenarios import SCENARIOS, Parameters
from swapmodel.trace import Recorder
from swapmodel.versions import KERNELS

from .javascript import JavaScript

VARIANTS = ("as-argued", "v6.8", "v6.9")
RANDOM = 2_000  # schedules in all
OPERATIONS = {f.__name__: f for f in vars(swapmodel.machine).values() if inspect.isfunction(f) and hasattr(f, "is_operation")}


@pytest.fixture(scope="module")
def javascript():
    return JavaScript()


def effect(name):
    return inspect.getclosurevars(OPERATIONS[name]).nonlocals["effect"]


def names(javascript, expression):
    return set(json.loads(javascript.eval(f"JSON.stringify({expression})")))


def test_every_operation_has_its_twin(javascript):
    ours = set(OPERATIONS)
    assert names(javascript, "Object.keys(EFFECTS)") == ours == set(SHAPES)
    assert names(javascript, "[...MAY_SLEEP]") == {n for n in ours if hasattr(effect(n), "may_sleep")}


def shown_kinds():
    for scenario in SCENARIOS.values():
        memory = scenario.system(KERNELS["v6.8"]).memory
        yield from (word.show.__name__ for word in memory.shown)


def test_every_way_to_show_a_word_has_its_twin(javascript):
    assert set(shown_kinds()) <= names(javascript, "Object.keys(SHOW)")


def test_every_oracle_has_its_twin_or_is_asked_at_the_end(javascript):
    twins = names(javascript, "Object.keys(ORACLES)")
    for scenario in SCENARIOS.values():
        for oracle in scenario.system(KERNELS["v6.8"]).oracles:
            assert getattr(oracle, "at_end", False) or oracle.twin[0] in twins


def compared(recorder, schedule):
    """What Python says of a schedule, as `run` of javascript.py says it."""
    told = []
    for t in schedule:
        operation, over = recorder.at[t].operation, recorder.violation is not None
        if recorder.take(t):
            value = encode(recorder.steps[-1].value)
            value = json.dumps(value, separators=(",", ":")) if isinstance(value, list) else value
            told.append([str(operation), value, [list(c) for c in recorder.steps[-1].changes]])
        else:
            ability = "returned" if operation is None else "over" if over else "blocked"
            told.append([None, "" if over else recorder.waits(t), ability])
    return told


def assert_same(javascript, variant, system, schedule):
    recorder = Recorder(system)
    expected, got = compared(recorder, schedule), javascript.run(variant, schedule)
    for number, (ours, theirs) in enumerate(zip(expected, got["told"], strict=True)):
        assert ours == theirs, f"step {number} of {schedule[: number + 1]}"
    assert got["words"] == [encode(w) for w in recorder.words]
    found = recorder.violation
    assert got["violation"] == (None if found is None else [found.kind, str(found)])
    assert got["back"] is True
    return found


def random_schedule(chance, system, trace=()):
    """Some hundred steps, in runs of one thread, often after a part of `trace`; threads that are blocked or have returned are
    tried too."""
    walker, stay = Walker(system), chance.choice((0.5, 0.9, 0.98))
    schedule = list(trace[: chance.randrange(len(trace) + 1)]) if trace and chance.random() < 0.7 else []
    for t in schedule:
        walker.take(t)
    t = chance.randrange(len(walker.at))
    while len(schedule) < 600 and any(step.operation is not None for step in walker.at):
        if chance.random() > stay or not walker.take(t):
            t = chance.randrange(len(walker.at))
        schedule.append(t)
    return schedule


CELLS = [
    (n, preempt) for n in SCENARIOS for preempt in ("full", "none") if preempt == "full" or n == "thread" or "thread" not in n
]


@pytest.mark.parametrize(("name", "preempt"), CELLS)
def test_python_and_javascript_agree(javascript, name, preempt):
    scenario = SCENARIOS[name]
    given = scenario.fill(Parameters(preempt=preempt))
    verdict = check(name, "v6.8", preempt=preempt)
    trace = [s.thread for s in verdict.recorder.steps] if verdict.recorder else []
    kernels = VARIANTS[:2] if name.startswith("thread") else VARIANTS
    variants = [variant_of(scenario, given, KERNELS[k]) for k in kernels]
    made = document(scenario, given, variants)
    assert all(v["complete"] for v in made["variants"])
    javascript.load(json.loads(json.dumps(made)))
    chance = random.Random(f"{name} {preempt}")
    for number, variant in enumerate(variants):
        assert_same(javascript, number, variant.system, trace)
        for _ in range(RANDOM // len(CELLS) // len(variants) + 1):
            assert_same(javascript, number, variant.system, random_schedule(chance, variant.system, trace))


@pytest.mark.parametrize(("name", "kernel"), [("shmem-truncate", "v6.8"), ("one-process", "as-argued")])
def test_the_recorded_counterexample_ends_in_the_same_violation(javascript, name, kernel):
    verdict = check(name, kernel)
    given = verdict.parameters
    variant = variant_of(verdict.scenario, given, verdict.kernel)
    javascript.load(document(verdict.scenario, given, [variant]))
    found = assert_same(javascript, 0, variant.system, verdict.outcome.schedule)
    assert found is not None and found.kind == verdict.outcome.violation.kind


def test_random_schedules_find_violations_too():
    """Else the comparison of violations above would compare nothing."""
    chance, found, trace = random.Random(1), 0, check("shmem-truncate", "v6.8").outcome.schedule
    system = SCENARIOS["shmem-truncate"].system(KERNELS["v6.8"])
    for _ in range(60):
        walker = Walker(system)
        for t in random_schedule(chance, system, trace):
            walker.take(t)
        found += walker.failed
    assert found > 3


def test_a_twin_that_is_wrong_is_noticed(javascript):
    spoiled = JavaScript("\nEFFECTS.percpu_ref_kill = EFFECTS.percpu_ref_resurrect;")
    scenario = SCENARIOS["one-process"]
    variant = variant_of(scenario, scenario.fill(Parameters()), KERNELS["v6.8"])
    spoiled.load(document(scenario, scenario.fill(Parameters()), [variant]))
    schedule = [t for t in (0, 1) for _ in range(400)]
    with pytest.raises(AssertionError):
        assert_same(spoiled, 0, variant.system, schedule)


def test_what_a_budget_cuts_off_is_looked_for_along_random_schedules():
    scenario, given = SCENARIOS["thread"], Parameters(processes=2, pages=2)
    full = scenario.system(KERNELS["v6.8"], given)
    cut = scenario.system(KERNELS["v6.8"], given)
    assert cover(full).complete
    assert not cover(cut, effort=Effort(states=20_000)).complete
    edges = [sum(len(s.next) for p in s_.programs for s in p.steps[1:]) for s_ in (full, cut)]
    assert 0.85 * edges[0] < edges[1] <= edges[0]


def test_ends_that_are_wrong_are_in_the_document(javascript):
    """A fix that forgets folio_put() leaves a reference at the end, which no oracle sees before."""
    from swapmodel.edits import drop, edited

    forgets = edited("__try_to_reclaim_swap", drop("yield from folio_put(folio)"))
    scenario, given = SCENARIOS["one-process"], SCENARIOS["one-process"].fill(Parameters())
    variant = variant_of(scenario, given, KERNELS["v6.8"], {"__try_to_reclaim_swap": forgets}, "forgets")
    made = document(scenario, given, [variant])
    assert made["variants"][0]["ends"]
    javascript.load(made)
    kinds = set()
    for order in ((0, 1), (1, 0)):
        schedule = [t for t in order for _ in range(600)]
        kinds.add(str(assert_same(javascript, 0, variant.system, schedule)))
    assert kinds != {"None"}
