"""Export: columns that fit a commit message and read back as a story, Markdown, pictures, saved verdicts and their refusal."""

import copy
import itertools
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import jsonschema
import pytest

from swapmodel import Budget, check
from swapmodel.__main__ import main
from swapmodel.export import Refused, commit_message, load, markdown, svg
from swapmodel.export.calls import rows
from swapmodel.export.columns import cell, column_starts, evened, labels_of
from swapmodel.export.frames import told_frames
from swapmodel.export.report import inline
from swapmodel.export.saved import SCHEMA, shortened
from swapmodel.export.telling import drops_reference
from swapmodel.fixes import load_fix
from swapmodel.life import THREADS
from swapmodel.story import fits, read_story
from swapmodel.story.grammar import events, is_remark
from swapmodel.trace import Change
from swapmodel.verdict import all_recorded

CELLS = [tuple(name.split()) for name, cell in all_recorded().items() if cell["verdict"] == "violated"]
SMALL = [c for c in CELLS if not c[0].startswith("thread") and (c[2:] == ("preempt=full", "slot-cache=off") or c[1] == "v6.8")]
FAILS = "\n\n    si->swap_map == NULL\n    *** NULL dereference\n"
SVG = "{http://www.w3.org/2000/svg}"


def checked(cell):
    """The verdict of a recorded cell, and the parameters it was asked with."""
    scenario, kernel, preempt, slot_cache = cell
    parameters = {"preempt": preempt.split("=")[1]}
    if slot_cache.endswith("on"):
        parameters["slot_cache"] = True
    return check(scenario, kernel, shortest="any", **parameters), parameters


@pytest.fixture(scope="module")
def race():
    return check("shmem-truncate", "v6.8")


@pytest.fixture(scope="module")
def miss():
    return check("one-process", "v6.8")


@pytest.fixture(scope="module")
def thread():
    return check("thread", "as-argued")


@pytest.fixture(scope="module")
def inverted(tmp_path_factory):
    """A fix that takes two locks the other way round than swapoff, in a file with a name that tries what it can."""
    file = tmp_path_factory.mktemp("fix") / "<script>alert(1)<|script>&.py"
    file.write_text(
        "def free_swap_and_cache(entry):\n"
        "    si = yield from swp_swap_info(entry)\n"
        "    yield spin_lock(si.lock)\n"
        "    yield spin_lock(swap_lock)\n"
        "    yield spin_unlock(swap_lock)\n"
        "    yield spin_unlock(si.lock)\n"
        "    return 1\n"
    )
    functions = load_fix(str(file))
    return functions, check("one-process", "v6.8", fix=functions, fix_name=file.name)


@pytest.fixture(scope="module")
def document(race):
    return json.loads(json.dumps(race.document()))


# ---- columns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", SMALL, ids=" ".join)
def test_violated_cells_read_back_as_feasible_stories(cell):
    verdict, parameters = checked(cell)
    text = commit_message(verdict)
    assert max(map(len, text.split("\n"))) <= 72
    fit = fits(read_story(text, "columns"), cell[1], cell[0], **parameters)
    assert fit.feasible, fit.why


def test_three_columns_read_back_too(thread):
    text = commit_message(thread)
    assert text.startswith("CPU0 (process 1)    CPU1 (process 2)    CPU2 (swapoff)\n")
    assert fits(read_story(text, "columns"), "as-argued", "thread").feasible


def test_the_columns_tell_the_seed_story_and_little_else(thread):
    """What each of the three does for the others: the byte, the count, the pointer."""
    lines = [line.strip() for line in commit_message(thread).split("\n")]
    told = [
        "spin_lock(mm1->page_table_lock)",
        "swap_map[2] 0x41 -> 0x40",
        "swap_map[2] == 0x40",
        "si->inuse_pages 2 -> 0",
        "si->inuse_pages == 0",
        "si->swap_map swap_map -> NULL",
        "si->swap_map == NULL",
        "*** NULL dereference: READ_ONCE(NULL[2])",
    ]
    assert [line for line in lines if line in told] == told
    assert len(lines) < 40


LIVES = [(s, k) for s in ("fault", "fault-ramdisk", "two-faults", "reuse") for k in ("v5.2", "v6.7", "v6.8")]


@pytest.mark.parametrize(("scenario", "kernel"), LIVES)
def test_only_the_kernels_functions_are_told(scenario, kernel):
    """The threads of life.py are user space, or one system call after the other."""
    verdict = check(scenario, kernel, shortest="any")
    for text in (commit_message(verdict), markdown(verdict), svg(verdict)):
        assert not [name for name in THREADS if re.search(rf"\b{name}\b", text)]
        assert not re.search(r"\w+_thread\b", text)
    if verdict.recorder is not None:
        assert any(f.file == "life.py" for s in verdict.recorder.steps for f in s.stack)
        assert all(f.file != "life.py" for s in verdict.recorder.steps for f in told_frames(s.stack))
        fit = fits(read_story(commit_message(verdict), "columns"), kernel, scenario)
        assert fit.feasible, fit.why


def test_the_drop_that_explains_the_count_is_told(thread):
    """Process 2 drops its own reference before it finds no other, and frees the entries of both."""
    lines = [line.strip() for line in commit_message(thread).split("\n")]
    told = ["swap_map[2] 0x41 -> 0x40", "swap_map[3] 0x41 -> 0x40", "swap_map[2] == 0x40"]
    told += ["swap_map[2] 0x40 -> 0x00", "swap_map[3] 0x40 -> 0x00", "si->inuse_pages 2 -> 0"]
    assert [line for line in lines if line in told] == told


def test_every_drop_by_a_thread_that_goes_on_is_told(race, miss, thread):
    for verdict in (race, miss, thread):
        steps, story = verdict.recorder.steps, rows(verdict.recorder)
        last = {row.thread: row.step for row in story}
        drops = [i for i, s in enumerate(steps) if any(drops_reference(c) for c in s.changes) and i <= last.get(s.thread, -1)]
        assert drops and set(drops) <= {row.step for row in story}


@pytest.mark.parametrize(
    ("before", "after", "is_drop"),
    [("0x41", "0x40", True), ("0x02", "0x01", True), ("0xff", "0x40", True), ("0x40", "0x00", False), ("0x40", "0x41", False)],
)
def test_what_a_drop_is(before, after, is_drop):
    assert drops_reference(Change("si0.swap_map[3]", before, after)) is is_drop
    assert not drops_reference(Change("si.inuse_pages", before, after))


@pytest.mark.parametrize("which", ["race", "miss", "thread"])
def test_the_events_of_a_function_stand_below_one_another(which, request):
    """Also where a word would begin in another column, so that all of them are moved."""
    recorder = request.getfixturevalue(which).recorder
    lines, names = rows(recorder), list(recorder.system.memory.threads)
    order = list(dict.fromkeys(row.thread for row in lines))
    names, starts = [names[t] for t in order], column_starts(len(order), 72)
    indents = {}
    for row in evened(lines, names, order, starts, 72):
        first = cell(row, names[order.index(row.thread)], starts, order.index(row.thread), 72)[0]
        indents.setdefault((row.thread, row.inside), set()).add(len(first) - len(first.lstrip()))
    assert all(len(found) == 1 for found in indents.values())


def test_the_last_lines_of_the_seed_story_stand_below_one_another(thread):
    read, fails = commit_message(thread).split("\n")[-2:]
    assert read.strip() == "si->swap_map == NULL"
    assert len(read) - len(read.lstrip()) == len(fails) - len(fails.lstrip())


def test_a_grace_period_is_a_call_of_synchronize_rcu(thread):
    lines = commit_message(thread).split("\n")
    at = next(i for i, line in enumerate(lines) if line.strip() == "synchronize_rcu()")
    call, begins, over, after = lines[at : at + 4]
    assert (begins.strip(), over.strip()) == ("a grace period begins", "the grace period is over")
    indent = [len(line) - len(line.lstrip()) for line in (call, begins, over, after)]
    assert indent == [indent[0], indent[0] + 1, indent[0] + 1, indent[0]]
    assert "synchronize_rcu()" in svg(thread)


def test_a_grace_period_reads_back_and_matters(thread, miss):
    """The call and both halves are events; where the period waits for the process, its failure after it can't happen."""
    story = read_story(commit_message(thread), "columns")
    swapoff = [said.text for said in story.said if story.labels[said.label].endswith("(swapoff)")]
    assert swapoff[-4:-1] == ["synchronize_rcu()", "a grace period begins", "the grace period is over"]
    assert fits(story, "as-argued", "thread").feasible
    assert "synchronize_rcu()\n" in commit_message(miss)
    assert fits(read_story(commit_message(miss), "columns"), "v6.8", "one-process").feasible
    over = re.sub(r"<swapoff.*", "the grace period is over", commit_message(miss), flags=re.DOTALL)
    assert fits(read_story(over, "columns"), "v6.8", "one-process").feasible
    assert not fits(read_story(over + FAILS, "columns"), "v6.8", "one-process").feasible


@pytest.mark.parametrize("width", [40, 72, 75, 100])
def test_any_width_is_kept(race, thread, width):
    for verdict in (race, thread):
        longest = max(map(len, commit_message(verdict, width).split("\n")))
        assert longest <= width or width == 40  # one word of a third column may be longer
    if width >= 72:
        assert fits(read_story(commit_message(race, width), "columns"), "v6.8", "shmem-truncate").feasible


def test_a_width_that_nothing_fits_into_is_refused(race):
    with pytest.raises(ValueError, match="at least 40 characters wide, not 39"):
        commit_message(race, 39)


@pytest.mark.parametrize("count", range(1, 9))
def test_columns_of_many_threads(count):
    names = [*(f"process {i + 1}" for i in range(count - 1)), "swapoff"]
    starts = column_starts(count, 72)
    labels = labels_of(names, starts[1] if count > 1 else 72)
    assert len(labels) == len(set(labels)) == count
    assert all(a + len(label) + 2 <= b for (a, b), label in zip(itertools.pairwise(starts), labels, strict=False))
    assert starts[-1] + 32 <= 76


def test_git_keeps_the_columns_in_a_commit(race, tmp_path):
    """Neither `git commit` nor `git am` cuts anything off."""

    def git(*words, text=None):
        who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        return subprocess.run(
            ["git", *who, *words], cwd=tmp_path, input=text, capture_output=True, text=True, check=True
        ).stdout

    git("init", "-q")
    (tmp_path / "a").write_text("1\n")
    git("add", "a")
    git("commit", "-q", "--cleanup=strip", "-F", "-", text="subject\n\n" + commit_message(race) + "\n")
    patch = git("format-patch", "--root", "--stdout")
    (tmp_path / "b").mkdir()
    git("init", "-q", "b")
    git("-C", "b", "am", "-q", text=patch)
    assert git("-C", "b", "log", "--format=%B").strip() == "subject\n\n" + commit_message(race)


def test_where_it_holds_the_columns_end_with_the_wait(miss):
    text = commit_message(miss)
    assert "spin_lock(mm1->page_table_lock)" in text
    told = " ".join(text.split())
    assert told.endswith("<swapoff waits in synchronize_rcu() for process, which holds the spinlock mm1->page_table_lock>")


def test_the_nearest_miss_reads_back_too(miss):
    assert fits(read_story(commit_message(miss), "columns"), "v6.8", "one-process").feasible


def test_a_reference_that_stops_swapoff_is_told():
    text = commit_message(check("shmem-truncate", "v6.9"))
    assert "si->users 0 -> 1" in text
    assert "percpu_ref_kill(si->users)" in text


def test_a_deadlock_is_two_locks_and_two_waits(inverted):
    lines = commit_message(inverted[1]).split("\n")
    told = [line.strip() for line in lines if "lock" in line]
    assert told[:2] == ["spin_lock(si->lock)", "spin_lock(swap_lock)"]
    assert any("<process waits for swap_lock, held by swapoff>" in line for line in told)


NOTHING = {
    "no near miss was found": {"scenario": "munmap-write-locked"},
    "no near miss was asked for": {"scenario": "one-process", "nearest": False},
    "the search is unfinished": {"scenario": "thread", "budget": Budget(max_states=2000)},
}


@pytest.mark.parametrize("why", NOTHING)
def test_without_a_trace_a_remark_says_so(why):
    verdict = check(kernel="v6.8", **NOTHING[why])
    text = commit_message(verdict)
    assert text.startswith("[no interleaving to show: ") and text.endswith(f"{why}]")
    assert is_remark(text) and events(text) == [] and len(text) <= 72
    assert max(map(len, commit_message(verdict, 40).split("\n"))) <= 40
    assert f"\n\nN{text[2:-1]}.\n\n" in markdown(verdict)
    assert "```text" not in markdown(verdict)


def test_the_command_writes_the_remark(capsys):
    assert main(["check", "munmap-write-locked", "--commit-message", "-"]) == 0
    assert capsys.readouterr().out == "[no interleaving to show: it holds, and no near miss was found]\n"


def test_without_a_trace_there_are_no_columns():
    verdict = check("munmap-write-locked", "v6.8")
    assert "```text" not in markdown(verdict)
    assert ElementTree.fromstring(svg(verdict)).tag == f"{SVG}svg"


# ---- Markdown ----------------------------------------------------------------------------------------------------------


def test_markdown_has_the_columns_the_cause_and_the_command(race):
    text = markdown(race)
    assert f"```text\n{commit_message(race)}\n```" in text
    assert "which it read as NULL: swapoff stored NULL there in `swapoff()`, step " in text
    assert "swapmodel check shmem-truncate --kernel v6.8\n" in text
    assert race.source in text


def test_the_command_asks_the_same_again():
    verdict = check("shmem-truncate", "v6.8", preempt="none", slot_cache=True, pages=2, nearest=False)
    assert "check shmem-truncate --kernel v6.8 --pages 2 --preempt none --slot-cache on\n" in markdown(verdict)


def test_names_are_escaped_in_markdown(inverted):
    text = markdown(inverted[1])
    assert "with \\<script\\>" in text
    assert "--fix '<script>alert(1)<|script>&.py'" in text  # in a fence, quoted for the shell
    assert inline("a_b() *x* [y](z) `q` <b>") == "`a_b()` \\*x\\* \\[y\\](z) \\`q\\` \\<b\\>"


# ---- the picture -------------------------------------------------------------------------------------------------------


def texts(picture):
    return [element.text for element in picture.iter(f"{SVG}text")]


@pytest.mark.parametrize("which", ["race", "miss", "thread"])
def test_the_picture_is_one_of_its_own(which, request):
    verdict = request.getfixturevalue(which)
    drawn = svg(verdict)
    picture = ElementTree.fromstring(drawn)
    assert svg(verdict) == drawn
    assert int(picture.get("width")) <= 1000
    assert picture.find(f"{SVG}title").text.startswith(verdict.scenario.name)
    assert len(picture.find(f"{SVG}desc").text) > 100
    assert "prefers-color-scheme:dark" in drawn
    assert "currentColor" in drawn
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|<script|<image|url\((?!#)|href", drawn)
    names = picture.get("aria-labelledby").split()
    assert names == [picture.find(f"{SVG}title").get("id"), picture.find(f"{SVG}desc").get("id")]


def test_the_picture_shows_lanes_switches_words_locks_and_the_failure(thread):
    picture = ElementTree.fromstring(svg(thread))
    shown = texts(picture)
    assert {"CPU0 (process 1)", "CPU1 (process 2)", "CPU2 (swapoff)"} <= set(shown)
    assert len([g for g in picture.iter(f"{SVG}g") if g.findtext(f"{SVG}title") == "context switch"]) == 3
    assert "si->swap_map swap_map -> NULL" in shown
    assert "*** NULL dereference: READ_ONCE(NULL[2])" in shown
    told = [t.text for t in picture.iter(f"{SVG}title")]
    assert "process 1 holds mm1.page_table_lock, and still does at the end" in told


def test_the_legend_speaks_of_fields(thread):
    shown = texts(ElementTree.fromstring(svg(thread)))
    assert "changes a field" in shown
    assert "changes a word" not in shown


def test_the_picture_shows_readers_and_the_grace_period(miss):
    told = [t.text for t in ElementTree.fromstring(svg(miss)).iter(f"{SVG}title")]
    assert any(t.startswith("process is an RCU reader") for t in told)
    assert any(t.startswith("swapoff waits for a grace period") for t in told)


def test_no_text_leaves_the_picture(thread, inverted):
    for verdict in (thread, inverted[1]):
        for element in ElementTree.fromstring(svg(verdict)).iter(f"{SVG}text"):
            assert float(element.get("x")) + 7.3 * len(element.text) <= 1000, element.text


def test_names_are_escaped_in_the_picture(inverted):
    drawn = svg(inverted[1])
    assert "<script" not in drawn
    assert "with <script>alert(1)<|script>&.py" in ElementTree.fromstring(drawn).find(f"{SVG}title").text


def test_two_pictures_share_no_identifier(race, miss):
    def ids(drawn):
        return set(re.findall(r' id="([^"]+)"', drawn))

    assert not ids(svg(race)) & ids(svg(miss))


# ---- saved verdicts ----------------------------------------------------------------------------------------------------


def same(first, second):
    return json.dumps(first) == json.dumps(second)


@pytest.mark.parametrize("which", ["race", "miss", "thread"])
def test_what_was_saved_is_what_is_loaded(which, request):
    verdict = request.getfixturevalue(which)
    again = load(json.loads(json.dumps(verdict.document())))
    assert same(again.document(), verdict.document())
    assert str(again) == str(verdict)
    assert commit_message(again) == commit_message(verdict)
    assert svg(again) == svg(verdict)


def test_unfinished_and_traceless_verdicts_load():
    for verdict in (check("thread", "v6.8", budget=Budget(max_states=2000)), check("munmap-write-locked", "v6.8")):
        assert same(load(verdict.document()).document(), verdict.document())


def test_documents_follow_the_schema(race, miss, inverted):
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for verdict in (race, miss, inverted[1]):
        jsonschema.validate(verdict.document(), schema)


def test_a_readers_fix_is_never_taken_from_the_document(inverted):
    functions, verdict = inverted
    saved = json.loads(json.dumps(verdict.document()))
    with pytest.raises(Refused, match="give it again with --fix"):
        load(saved)
    assert same(load(saved, functions).document(), verdict.document())
    with pytest.raises(Refused, match="other source text"):
        load(saved, "get-swap-device")


def test_a_named_fix_needs_not_be_given():
    verdict = check("shmem-truncate", "v6.8", fix="get-swap-device")
    assert same(load(verdict.document()).document(), verdict.document())


def test_a_fix_that_was_not_there_is_refused(document):
    with pytest.raises(Refused, match="found without a fix"):
        load(document, "get-swap-device")


def test_the_schema_leaves_nothing_open():
    """Every object closed, every number and every array of the document with a bound."""

    def walk(node):
        if isinstance(node, dict):
            if "object" in str(node.get("type")) and "properties" in node:
                assert node["additionalProperties"] is False or isinstance(node["additionalProperties"], dict)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(json.loads(SCHEMA.read_text()))


def put(*path_and_value):
    *path, last, value = path_and_value

    def change(document):
        for part in path:
            document = document[part]
        document[last] = value

    return change


def without(*path):
    def change(document):
        for part in path[:-1]:
            document = document[part]
        del document[path[-1]]

    return change


def deep(n):
    nested = []
    for _ in range(n):
        nested = [nested]
    return nested


EVIL = "<script>alert(1)</script>\x1b[31m\n\u202e../../etc/passwd" * 50
HOSTILE = {
    **{f"without {name}": without(name) for name in ("scenario", "kernel", "fix", "machine", "trace", "source", "coverage")},
    **{
        f"{name} is {value!r:.20}": put(name, value) for name in ("scenario", "kernel") for value in (None, 1, [], {}, "", EVIL)
    },
    **{f"fix is {value!r:.20}": put("fix", value) for value in (1, [], "../fix.py", "/dev/stdin", EVIL, "import os")},
    **{f"trace is {value!r:.20}": put("trace", value) for value in (None, "x", {}, [1], [[]], [None], [{}], deep(50))},
    **{f"source is {value!r:.20}": put("source", value) for value in (None, 1, "", "0" * 16, "x" * 16, "0" * 10**6, EVIL)},
    **{f"states are {value!r:.20}": put("states", value) for value in (None, -1, 1.5, "1", True, 10**400, 2**64)},
    **{f"verdict is {value!r:.20}": put("verdict", value) for value in (None, "maybe", "holds", "unfinished", EVIL, [])},
    **{f"violation is {value!r:.20}": put("violation", value) for value in (None, {}, {"kind": "x", "message": "y"}, 7)},
    **{
        f"{k} of {v!r:.9}": put("machine", k, v)
        for k, v in (("pages", 0), ("pages", 10**9), ("processes", 9), ("processes", 2))
    },
    **{f"{k} of {v!r:.9}": put("machine", k, v) for k, v in (("preempt", "rt"), ("device", EVIL), ("slot_cache", 1), ("x", 1))},
    "another memory model": put("machine", "memory_model", "x86-TSO"),
    "an unknown member": put("__proto__", {}),
    "an evil member": put(EVIL, 1),
    "a dunder": put("trace", 3, "__class__", "x"),
    "unknown thread": put("trace", 0, "thread", EVIL),
    "the other thread": put("trace", 0, "thread", "swapoff"),
    "a step less": without("trace", 10),
    "the last step less": without("trace", -1),
    "a step too many": lambda d: d["trace"].append(copy.deepcopy(d["trace"][-1])),
    "steps exchanged": lambda d: d["trace"].__setitem__(slice(13, 15), d["trace"][14:12:-1]),
    "another value": put("trace", 14, "after", "0x41"),
    "another line": put("trace", 14, "stack", 0, "line", 1),
    "line 0": put("trace", 14, "stack", 0, "line", 0),
    "an evil file": put("trace", 14, "stack", 0, "file", EVIL),
    "an evil function": put("trace", 14, "stack", 0, "function", EVIL),
    "another change": put("trace", 14, "changes", 0, "name", "si.swap_map"),
    "no fault": put("trace", -1, "fault", False),
    "a fault too many": put("trace", 3, "fault", True),
    "another operation": put("trace", 20, "op", "kfree"),
    "deep coverage": put("coverage", "functions", deep(500)),
    "another message": put("violation", "message", EVIL),
    "shortest": put("shortest", "longest"),
    "reductions": put("reductions", ["magic"]),
    "no reductions": put("reductions", None),
    "seconds": put("seconds", -0.5),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_in_one_sentence(name, document):
    hostile = copy.deepcopy(document)
    HOSTILE[name](hostile)
    with pytest.raises(Refused) as refused:
        load(hostile)
    is_one_sentence(str(refused.value))


def is_one_sentence(text):
    assert text.isprintable() and text.isascii()
    assert len(text) < 400
    assert "Traceback" not in text
    assert re.match(r"the document: \S", text) or re.match(r"\S+: \S", text) or re.match(r"\S+:\d+: is not JSON", text)


FILES = {
    "nothing": b"",
    "no JSON": b"hello",
    "half": b'{"scenario": "thre',
    "not UTF-8": b"\xff\xfe\x00",
    "zero bytes": b"\x00" * 100,
    "NaN": b'{"seconds": NaN}',
    "infinity": b'{"seconds": -Infinity}',
    "too large a number": b'{"seconds": 1e999}',
    "many digits": b'{"states": ' + b"9" * 10_000 + b"}",
    "deep arrays": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "deep and closed": b"[" * 50_000 + b"]" * 50_000,
    "twins": b'{"fix": null, "fix": "x"}',
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "a string": b'"verdict"',
    "surrogates": b'{"scenario": "\\ud800"}',
    "pickle": b"\x80\x04\x95\x10.",
    "a comment": b"{} // {}",
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_in_one_sentence(name, tmp_path, capsys):
    file = tmp_path / "x.json"
    file.write_bytes(FILES[name])
    with pytest.raises(Refused) as refused:
        load(file)
    is_one_sentence(str(refused.value))
    assert main(["show", str(file)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"swapmodel: {file}") and said.err.count("\n") == 1


@pytest.mark.parametrize("path", ["/nowhere/x.json", "/tmp", "a\x00b", "x" * 5000, "\x1b[31m"])
def test_a_file_that_can_not_be_read(path):
    with pytest.raises(Refused, match="can't be read") as refused:
        load(path)
    assert str(refused.value).isprintable()


def circle():
    nested = []
    nested.append(nested)
    return nested


THINGS = [None, 1, object(), {1: 2}, {"a": {1, 2}}, {"a": float("nan")}, {"a": circle()}, [], b"x", deep(100_000)]


@pytest.mark.parametrize("thing", THINGS, ids=[f"thing{i}" for i in range(len(THINGS))])
def test_what_is_no_document_is_refused(thing):
    with pytest.raises(Refused) as refused:
        load(thing)
    is_one_sentence(str(refused.value))


def test_nothing_unprintable_is_ever_quoted():
    assert shortened("a\x1b\u202e\n" + "x" * 100).isprintable()
    assert len(shortened("\U0001f600" * 100)) <= 60


# ---- the commands ------------------------------------------------------------------------------------------------------


def test_check_writes_and_show_reads(tmp_path, capsys):
    names = {form: tmp_path / f"trace.{form}" for form in ("json", "commit-message", "markdown", "svg")}
    words = [word for form, file in names.items() for word in (f"--{form}", str(file))]
    assert main(["check", "shmem-truncate", *words]) == 1
    report = capsys.readouterr().out.rstrip("\n")
    assert main(["show", str(names["json"])]) == 0
    assert capsys.readouterr().out.rstrip("\n") == report
    for form, file in names.items():
        assert main(["show", str(names["json"]), "--as", form]) == 0
        assert capsys.readouterr().out == file.read_text()


def test_a_dash_writes_only_that(capsys):
    assert main(["check", "shmem-truncate", "--commit-message", "-"]) == 1
    assert capsys.readouterr().out.startswith("CPU0 (truncate)")


def test_a_file_that_can_not_be_written_costs_no_search(capsys):
    assert main(["check", "thread", "--svg", "/nowhere/x.svg"]) == 2
    assert "/nowhere/x.svg: can't be written" in capsys.readouterr().err
