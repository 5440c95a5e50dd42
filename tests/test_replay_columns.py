"""The columns, the sentence of the failure and the steps in words: the same in JavaScript as in Python, for any schedule."""

import json
import random
import re

import pytest

from swapmodel import check
from swapmodel.export import telling
from swapmodel.export.calls import LANDMARKS
from swapmodel.export.columns import story_columns
from swapmodel.replay.assets import STATIC
from swapmodel.replay.cover import Covered, Walker
from swapmodel.replay.document import document, variant_of
from swapmodel.scenarios import SCENARIOS, Parameters
from swapmodel.trace import Recorder
from swapmodel.versions import KERNELS
from swapmodel.views import DROPS, TAKES, WAITS, failure

from .javascript import JavaScript
from .test_replay_machine import OPERATIONS, random_schedule

VARIANTS = ("as-argued", "v6.8", "v6.9")
WIDTHS = (40, 60, 72, 100)
RANDOM = 300  # schedules in all
TOLD = """
function told(variant, schedule, widths) {
  const machine = new Machine(doc, variant);
  for (const t of schedule) machine.take(t);
  return JSON.stringify([widths.map((width) => storyColumns(machine, width)), failureSentence(machine)]);
}
"""


@pytest.fixture(scope="module")
def javascript():
    return JavaScript(TOLD)


def told(javascript, variant, schedule):
    return json.loads(javascript.eval(f"told({variant}, {json.dumps(list(schedule))}, {json.dumps(WIDTHS)})"))


def assert_same(javascript, variant, system, schedule):
    """Gives back the columns."""
    recorder = Recorder(system)
    for t in schedule:
        recorder.take(t)
    columns, failed = told(javascript, variant, schedule)
    assert failed == failure(recorder)
    for width, ours in zip(WIDTHS, columns, strict=True):
        assert ours == story_columns(recorder, width), f"{width} characters, {schedule}"
    return columns


def loaded(javascript, name, given, kernels=VARIANTS, systems=None):
    """The variants of the document that `javascript` has from now on."""
    systems = systems or [None] * len(kernels)
    variants = [variant_of(SCENARIOS[name], given, KERNELS[k], system=s) for k, s in zip(kernels, systems, strict=True)]
    javascript.load(json.loads(json.dumps(document(SCENARIOS[name], given, variants))))
    return variants


def recorded(name, kernel, preempt="full"):
    verdict = check(name, kernel, preempt=preempt)
    return [s.thread for s in verdict.recorder.steps] if verdict.recorder else []


CELLS = [
    *((name, "full", VARIANTS) for name in SCENARIOS if not name.startswith("thread")),
    *((name, "none", VARIANTS) for name in ("one-process", "shmem-truncate", "signal")),
    *(("thread", "full", VARIANTS[:2]), ("thread-madvise", "full", VARIANTS[:1]), ("thread-munmap", "full", VARIANTS[:1])),
]


@pytest.mark.parametrize(("name", "preempt", "kernels"), CELLS)
def test_python_and_javascript_tell_the_same(javascript, monkeypatch, name, preempt, kernels):
    """The graphs of the document are as the schedules have grown them; test_replay_machine.py looks at complete ones."""
    given = SCENARIOS[name].fill(Parameters(preempt=preempt))
    systems = [SCENARIOS[name].system(KERNELS[k], given) for k in kernels]
    traces, chance = [recorded(name, k, preempt) for k in kernels], random.Random(f"{name} {preempt}")
    count = RANDOM // sum(len(each) for _, _, each in CELLS) + 1
    schedules = [drawn(chance, system, trace, count) for system, trace in zip(systems, traces, strict=True)]
    monkeypatch.setattr("swapmodel.replay.document.cover", lambda *_, **__: Covered(False, ()))
    loaded(javascript, name, given, kernels, systems)
    for number, system in enumerate(systems):
        for schedule in schedules[number]:
            assert_same(javascript, number, system, schedule)


def drawn(chance, system, trace, count):
    """Schedules that have been taken, so that the graphs of `system` hold their steps."""
    schedules = [trace, *(random_schedule(chance, system, trace) for _ in range(count))]
    for schedule in schedules:
        walker = Walker(system)
        for t in schedule:
            walker.take(t)
    return schedules


def test_every_beginning_of_a_trace(javascript):
    """A reader copies the columns at any step: what threads wait for then is told too."""
    variants = loaded(javascript, "shmem-truncate", SCENARIOS["shmem-truncate"].fill(Parameters()))
    trace = recorded("shmem-truncate", "v6.8")
    columns = [assert_same(javascript, 1, variants[1].system, trace[:n]) for n in range(0, len(trace), 3)]
    assert columns[0] == [""] * len(WIDTHS)
    assert len({tuple(c) for c in columns}) > 5


def test_the_columns_of_a_recorded_trace_are_those_of_a_message(javascript):
    from swapmodel import commit_message

    loaded(javascript, "shmem-truncate", SCENARIOS["shmem-truncate"].fill(Parameters()))
    verdict = check("shmem-truncate", "v6.8")
    columns, failed = told(javascript, 1, [s.thread for s in verdict.recorder.steps])
    assert columns[WIDTHS.index(72)] == commit_message(verdict)
    assert failed.startswith("truncate, in ")


WORDS = ("si", "->", "swap_map[1]", "re-check", "a-b", "--", "x--y", "end.", "(one-process)", "0x41", "-", "q" * 30)


def test_prose_is_wrapped_as_textwrap_does(javascript):
    import textwrap

    chance = random.Random(3)
    for _ in range(300):
        text = " " * chance.choice((0, 0, 1)) + " ".join(chance.choices(WORDS, k=chance.randrange(1, 12)))
        width, first = chance.randrange(6, 40), chance.randrange(3)
        ours = json.loads(javascript.eval(f"JSON.stringify(wrapWords({json.dumps(text)}, {width}, {first}, {first + 2}))"))
        indents = {"initial_indent": " " * first, "subsequent_indent": " " * (first + 2)}
        assert ours == textwrap.wrap(text, width, break_long_words=False, **indents), (text, width, first)


def test_both_know_the_same_names(javascript):
    names = {"QUIET": telling.QUIET, "QUIET_GLOBALS": telling.QUIET_GLOBALS, "ALWAYS": telling.ALWAYS}
    for name, ours in {**names, "LANDMARKS": LANDMARKS, "WAITS": WAITS}.items():
        assert set(json.loads(javascript.eval(f"JSON.stringify([...{name}])"))) == ours
    for name, ours in {"TAKES": TAKES, "DROPS": DROPS}.items():
        assert {o for o in OPERATIONS if javascript.eval(f"{name}.test('{o}')")} == ours
    locks = [o for o in TAKES if javascript.eval(f"SPINS.test('{o}')")]
    assert set(locks) == telling.SPINS


def test_a_twin_that_is_wrong_is_noticed():
    """Each of these would tell another story."""
    for spoiled in ("ALWAYS.clear();", "LANDMARKS.clear();", "lockTells = () => false;"):
        javascript = JavaScript(f"\n{spoiled}{TOLD}")
        variants = loaded(javascript, "one-process", SCENARIOS["one-process"].fill(Parameters()))
        with pytest.raises(AssertionError):
            assert_same(javascript, 0, variants[0].system, recorded("one-process", "as-argued"))


def test_no_name_is_declared_twice():
    """All files of static/ are one closure: a function declared twice would replace the other without a word."""
    names = [n for path in sorted(STATIC.glob("*.js")) for n in declared(path.read_text(encoding="utf-8"))]
    assert sorted(names) == sorted(set(names))


def declared(script):
    return re.findall(r"^(?:async )?(?:function|class|const|let) \*?(\w+)", script, re.M)
