"""What a reader does with a document, without a page: choices, the way back, links, files, predictions. In an embedded V8."""

import json

import pytest

from swapmodel import Replay, check
from swapmodel.entries import byte_meaning
from swapmodel.replay.schedule import opened

from .javascript import JavaScript

SIZES = "1.1.full.false.ssd"
HERE = """
function open(text) { globalThis.session = new Session(parsed(text)); }
function told(call) { return JSON.stringify(call(globalThis.session) ?? null); }
"""


@pytest.fixture(scope="module")
def replay():
    return Replay(check("shmem-truncate", "v6.8"))


@pytest.fixture(scope="module")
def v8():
    return JavaScript(HERE)


@pytest.fixture
def session(v8, replay):
    v8.eval(f"open({json.dumps(json.dumps(replay.document()))})")
    return lambda call: json.loads(v8.eval(f"told((s) => {call})"))


def test_the_recorded_schedule_leads_to_the_violation(session):
    assert session("s.plan.length") == session("s.facts.violation") == 186
    session("s.toViolation()")
    assert session("s.machine.violation.kind") == "NULL dereference"
    assert session("s.recorded") is True


def test_forward_and_back_are_exact(session):
    session("s.go(100)")
    words = session("s.machine.words")
    session("(s.go(150), s.go(3), s.go(100))")
    assert session("s.machine.words") == words and session("s.at") == 100


def test_context_switches_forward_and_back_visit_the_same_places(session):
    there, back = [], []
    while session("s.at < s.plan.length"):
        session("s.nextSwitch()")
        there.append(session("s.at"))
    while session("s.at > 0"):
        session("s.previousSwitch()")
        back.append(session("s.at"))
    assert there[:-1] == back[-2::-1] and back[-1] == 0 and len(there) == 3


def test_another_thread_can_run_and_the_recorded_schedule_comes_back(session):
    session("s.go(5)")
    assert session("s.choose(1)") is True
    assert session("s.plan.length") == 6 and session("s.recorded") is False
    assert session("s.run(1)") > 50
    session("s.restore()")
    assert session("s.recorded") is True and session("s.at") == 5


def test_choosing_who_runs_next_anyway_keeps_the_schedule(session):
    session("s.choose(s.plan[0])")
    assert session("s.recorded") is True and session("s.at") == 1


def test_a_blocked_thread_is_offered_with_what_it_waits_for(session):
    """Truncation stops inside each of the locks that it takes; then swapoff runs into one."""
    blocked = []
    for steps in range(60):
        session(f"(s.use(0), s.go(0), s.run(0) && s.go({steps}), s.run(1))")
        blocked += [c["waits"] for c in session("s.choices()") if c["ability"] == "blocked"]
    assert blocked and all(w.startswith("waits ") for w in blocked)
    assert session("s.choose(1) || s.machine.ability(1)") is not None


def test_the_same_schedule_on_the_fix_is_stopped(session):
    session("s.go(186)")
    number = session("s.doc.variants.findIndex((v) => v.fix === 'get-swap-device')")
    session(f"s.switchTo({number})")
    assert session("s.machine.violation") is None
    assert "wait_for_completion" in session("s.note")
    assert session("s.plan.length") > 100


def test_a_link_leads_back(session):
    session("(s.go(40), s.choose(1), s.run(1), s.go(60))")
    link, plan = session("s.link()"), session("s.plan")
    assert link.startswith("swp=shmem-truncate:v6.8::")
    session("s.use(1)")
    assert session(f"s.follow({json.dumps('#' + link)})") == ""
    assert session("s.plan") == plan and session("s.at") == 60 and session("s.variant.kernel") == "v6.8"


def test_the_link_of_the_recorded_schedule_is_short(session):
    session("s.go(181)")
    assert session("s.link()") == f"swp=shmem-truncate:v6.8:::181:{SIZES}"


@pytest.mark.parametrize(
    "link",
    [
        "swp=shmem-truncate",
        "swp=shmem-truncate:v6.8:::181",
        "swp=shmem-truncate:v6.8::0y3:4:{SIZES}",
        "swp=shmem-truncate:%E0%A4%A::::{SIZES}",
        "swp=shmem-truncate:v9:::1:{SIZES}",
        "swp=shmem-truncate:v6.8::7x3:1:{SIZES}",
    ],
)
def test_a_spoiled_link_is_refused_in_one_sentence(session, link):
    refused = session(f"s.follow({json.dumps(link.replace('{SIZES}', SIZES))})")
    assert refused.endswith(".") and "\n" not in refused


@pytest.mark.parametrize(
    "other", ["", "#section-3", "swp=one-process:v6.8:::4", "swp=shmem-truncate:v6.8:::4:2.16.full.false.ssd"]
)
def test_a_link_to_something_else_is_left_alone(session, other):
    session("s.go(7)")
    assert session(f"s.follow({json.dumps(other)})") == "" and session("s.at") == 7


def test_what_was_copied_is_read_here_and_in_python(session, replay):
    session("(s.go(5), s.choose(1))")
    data = session("s.data()")
    assert session(f"s.open({json.dumps(json.dumps(data))}, 'mine.json')") == ""
    verdict = opened(data)
    assert verdict.verdict == "unfinished" and "nothing was searched" in verdict.outcome.reason
    assert [s.thread for s in verdict.recorder.steps] == session("s.plan")


def test_a_bad_schedule_is_a_violation_in_python_too(session):
    verdict = opened(session("s.data()"))
    assert (verdict.verdict, verdict.outcome.violation.kind) == ("violated", "NULL dereference")


def test_a_verdict_of_check_can_be_loaded(session, replay):
    saved = json.dumps(replay.verdict.document())
    session("s.use(0)")
    assert session(f"s.open({json.dumps(saved)}, 'v.json')") == ""
    assert session("s.recorded") is True


def spoiled(**changes):
    base = {
        "swapmodel": "schedule",
        "scenario": "shmem-truncate",
        "kernel": "v6.8",
        "fix": None,
        "schedule": [["truncate", 3]],
        "step": 1,
    }
    base["machine"] = {"processes": 1, "pages": 1, "preempt": "full", "slot_cache": False, "device": "ssd"}
    return json.dumps({**base, **changes})


HOSTILE = {
    "nothing": ("", "is not JSON"),
    "a list": ("[]", "an object was expected"),
    "null": ("null", "an object was expected"),
    "other": (spoiled(scenario="thread"), "is about"),
    "markup": (spoiled(scenario="<script>alert(1)</script>"), "is about"),
    "sizes": (spoiled(machine={"processes": 2}), "machine."),
    "kernel": (spoiled(kernel=7), "lacks the name of a kernel"),
    "unknown kernel": (spoiled(kernel="v9.9"), "does not hold"),
    "no schedule": (spoiled(schedule=None), "neither a trace nor a schedule"),
    "thread": (spoiled(schedule=[["nobody", 1]]), "schedule[0]"),
    "count": (spoiled(schedule=[["truncate", -1]]), "schedule[0]"),
    "huge": (spoiled(schedule=[["truncate", 999_999]] * 9), "longer than a million"),
    "step": (spoiled(step="1"), "step is"),
    "trace": (spoiled(trace=[3]), "trace[0]"),
    "source": (spoiled(source="0" * 16), "other source text"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_spoiled_file_is_refused_in_one_sentence_and_nothing_is_lost(session, name):
    text, why = HOSTILE[name]
    session("s.go(9)")
    refused = session(f"s.open({json.dumps(text)}, 'x.json')")
    assert refused.startswith("x.json: ") and why in refused and "\n" not in refused
    assert session("s.at") == 9 and session("s.recorded") is True


def test_ten_megabytes_are_refused(v8, session):
    assert "larger than the 10 MB" in session("s.open('x'.repeat(11 << 20), 'big.json')")


def test_every_byte_is_told_as_python_tells_it(session):
    """The short words for bytes agree in kind with entries/swap_map.py."""
    short = session("Array.from({length: 256}, (_, b) => byteMeaning(b))")
    for byte, told in enumerate(short):
        meaning = byte_meaning(byte)
        kinds = {"free": "free", "bad": "bad", "impossible": "bad", "shmem": "shmem", "pinned": "no ref, pinned"}
        if meaning.kind in kinds:
            assert told.removesuffix(" + cache") == kinds[meaning.kind], hex(byte)
        elif meaning.kind == "counted":
            assert told.startswith(f"{meaning.digit} ref"), hex(byte)
        else:
            assert "continued" in told, hex(byte)
        assert ("cache" in told) == (meaning.cached and meaning.kind not in ("pinned", "impossible")), hex(byte)


def test_predict_asks_for_the_byte_before_it_is_shown(session):
    steps = [i for i in range(186) if session(f"(s.go({i}), byteQuestion(s, s.plan[s.at])?.prompt ?? '')")]
    assert len(steps) >= 2
    session(f"s.go({steps[0]})")
    question = "byteQuestion(s, s.plan[s.at])"
    assert "0xff" in session(f"{question}.prompt")
    assert session(f"{question}.check('0x40')") == ""
    for wrong in ("0x00", "0xff", "0xfe", "nonsense", "999"):
        assert session(f"{question}.check({json.dumps(wrong)})")
    assert session("s.at") == steps[0], "asking takes no step"


def test_no_hint_holds_the_answer(session):
    hint = "byteHint(given, before, value)"
    for before, value in ((0xFF, 0x40), (0x41, 0x40), (0x40, 0x00), (0x01, 0x41), (0x02, 0x01), (0x41, 0x01)):
        for given in ("0x00", "0x01", "0x40", "0x41", "0xff", "64", "nonsense"):
            told = session(f"((given, before, value) => {hint})({json.dumps(given)}, {before}, {value})")
            assert (told == "") == (given in (f"0x{value:02x}", str(value)))
            assert f"{value:02x}" not in told.split() and f"0x{value:02x}" not in told and "64" not in told


def test_what_was_answered_is_not_asked_again(session):
    session("(s.use(0), s.go(14))")
    asked = "new Set([questionAbout(s, 0, new Set()).key])"
    assert session("questionAbout(s, 0, new Set()).prompt").startswith("truncate is about to store")
    assert session(f"questionAbout(s, 0, {asked})") is None
    session("(s.go(0), s.go(14))")
    assert session(f"questionAbout(s, 0, {asked})") is None, "nor after the way back"


def test_the_page_keeps_the_answer_to_itself_until_then(session):
    session("(s.use(0), s.go(2), s.run(1))")
    assert "blocked" in [c["ability"] for c in session("s.choices()")]
    assert session("hidesRunners(s, new Set())") is True
    assert session("hidesRunners(s, new Set([runnersQuestion(s).key]))") is False


@pytest.mark.parametrize("runs", [[0], [0, -5], [-1, 3], [7, 1]])
def test_a_schedule_from_python_that_is_none_is_refused(session, runs):
    at = session("(s.use(0), s.go(5), s.at)")
    assert session(f"s.load({{kernel: 'v6.8', fix: null, runs: {runs}, step: 0}})").endswith(".")
    assert session("s.at") == at


def test_predict_asks_who_can_run_where_somebody_waits(session):
    session("(s.use(0), s.go(0), s.run(0), s.go(0))")
    found = 0
    for steps in range(60):
        session(f"(s.use(0), s.go(0), s.run(0) && s.go({steps}), s.run(1))")
        if not session("runnersQuestion(s) !== null"):
            continue
        found += 1
        able = [t for t, c in enumerate(session("s.choices()")) if c["ability"] == "ready"]
        assert session(f"runnersQuestion(s).check({able})") == ""
        assert session("runnersQuestion(s).check([])" if able else "runnersQuestion(s).check([0])") != ""
    assert found
