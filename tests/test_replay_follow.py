"""The old schedule on another variant: what ends it, who is in the way, and the steps up to there, as Python tells them."""

import functools
import json
import random

import pytest

from swapmodel import check
from swapmodel.explain.replayed import follow
from swapmodel.explain.standoff import against, say
from swapmodel.fixes import FIXES
from swapmodel.replay.document import document, variant_of
from swapmodel.replay.values import encode
from swapmodel.scenarios import SCENARIOS
from swapmodel.trace import Recorder
from swapmodel.versions import KERNELS

from .javascript import JavaScript
from .test_replay_machine import random_schedule

FOLLOW = """
function followed(from, schedule, to) {
  const old = new Machine(doc, from), machine = new Machine(doc, to);
  for (const t of schedule) old.take(t);
  const ended = followSchedule(old, machine);
  return JSON.stringify({ ...ended, steps: machine.steps.map((step) => step.thread), words: machine.words });
}
"""
STOCK = [("as-argued", ""), ("v6.8", ""), ("v6.9", "")]
SHMEM = [*STOCK, *(("v6.8", fix) for fix in ("get-swap-device", "rcu-read-lock", "no-waits", "recheck-after-drop"))]
ONE = [*STOCK, *(("as-argued", fix) for fix in ("get-swap-device", "no-pre-check", "pin-after-drop"))]
CELLS = {
    "one-process": ONE,
    "shmem-truncate": SHMEM,
    "fault": [("v6.8", ""), ("v6.9", ""), ("v6.8", "rcu-read-lock")],
    "reuse": [("v6.8", ""), ("v6.9", ""), ("v6.8", "get-swap-device")],
    "thread": STOCK[:2],
}


@pytest.fixture(scope="module")
def javascript():
    return JavaScript(FOLLOW)


@functools.cache
def recorded(name, kernel, fix):
    verdict = check(name, kernel, fix=fix or None)
    return verdict, [s.thread for s in verdict.recorder.steps] if verdict.recorder else []


def loaded(javascript, name):
    variants, text = made(name)
    javascript.load(json.loads(text))
    return variants


@functools.cache
def made(name):
    kinds = CELLS[name]
    given = recorded(name, *kinds[0])[0].parameters
    variants = [
        variant_of(SCENARIOS[name], given, KERNELS[kernel], FIXES[fix].replaces if fix else None, fix) for kernel, fix in kinds
    ]
    return variants, json.dumps(document(SCENARIOS[name], given, variants))


def followed(javascript, old, schedule, new):
    return json.loads(javascript.eval(f"followed({old}, {json.dumps(schedule)}, {new})"))


def name_of(old, new):
    """As against() calls it: the fix alone where the kernel is the same."""
    kernel = new.kernel.name if new.kernel is not old.kernel or not new.fix else ""
    return " with ".join(filter(None, [kernel, new.fix]))


def told(ended, said):
    """As `followed` of FOLLOW tells it."""
    steps, words = [s.thread for s in ended.recorder.steps], [encode(w) for w in ended.recorder.words]
    rest = {"how": ended.how, "thread": ended.thread, "step": ended.step, "cause": ended.cause}
    return {**rest, "said": said, "steps": steps, "words": words}


def assert_same(javascript, variants, old, schedule, new):
    recorder = Recorder(variants[old].system)
    for t in schedule:
        recorder.take(t)
    ended = follow(recorder.steps, variants[new].system)
    said = say(ended, name_of(variants[old], variants[new]))
    assert followed(javascript, old, schedule, new) == told(ended, said), (variants[old][:2], variants[new][:2], schedule)
    return ended.how


@pytest.mark.parametrize("name", CELLS)
def test_python_and_javascript_follow_alike(javascript, name):
    kinds, chance, ends = CELLS[name], random.Random(name), set()
    variants = loaded(javascript, name)
    for old, kind in enumerate(kinds):
        trace, others = recorded(name, *kind)[1], [new for new in range(len(kinds)) if new != old]
        ends |= {assert_same(javascript, variants, old, trace, new) for new in others}
        schedule = random_schedule(chance, variants[old].system, trace)
        ends.add(assert_same(javascript, variants, old, schedule, chance.choice(others)))
    if name == "shmem-truncate":  # else the comparison would compare less than it says
        assert ends == {"blocked", "left", "violated", "through"}


def test_it_says_what_against_says(javascript):
    loaded(javascript, "shmem-truncate")
    verdict, trace = recorded("shmem-truncate", "v6.8", "")
    for new, (_, fix) in enumerate(SHMEM):
        if fix:
            assert followed(javascript, 1, trace, new)["said"] == against(verdict, fix=fix).said
    assert followed(javascript, 1, trace, 2)["said"] == against(verdict, kernel="v6.9").said


SPOILED = ("changedBy = () => '';", "takenWhere = () => '';", "meetingOf = () => null;", "decides = () => false;")


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_twin_that_is_wrong_is_noticed(spoiled):
    javascript = JavaScript(f"\n{spoiled}{FOLLOW}")
    with pytest.raises(AssertionError):
        for name in ("shmem-truncate", "one-process"):
            variants = loaded(javascript, name)
            for old, kind in enumerate(STOCK[:2]):
                for new in range(len(CELLS[name])):
                    assert_same(javascript, variants, old, recorded(name, *kind)[1], new)


def test_what_the_document_does_not_hold_is_said(javascript):
    """A page whose graphs were cut off by a budget: it is not said that the thread is blocked."""
    given = check("one-process", "v6.8").parameters
    variants = [variant_of(SCENARIOS["one-process"], given, KERNELS[k]) for k in ("v6.8", "v6.9")]
    page = document(SCENARIOS["one-process"], given, variants)
    cut = page["variants"][1]["graphs"]
    page["graphs"].append([row if n < 10 else [*row[:2], -1] for n, row in enumerate(page["graphs"][cut[0]])])
    cut[0] = len(page["graphs"]) - 1
    javascript.load(json.loads(json.dumps(page)))
    ended = followed(javascript, 0, [0] * 40, 1)
    assert ended["how"] == "unknown" and "does not hold" in ended["said"]
