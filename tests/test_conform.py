"""Recorded events of real kernels against the model: all explained, and every mistake on either side is told."""

import gzip
import inspect
import json
import linecache
import random
from pathlib import Path

import pytest

from swapmodel.__main__ import main
from swapmodel.conform import conform
from swapmodel.conform.records import CALL_COLUMNS, CHANGE_COLUMNS
from swapmodel.conform.report import Disagreement, Report
from swapmodel.kernel import kernel_functions
from swapmodel.names import BadUse, UnknownName
from swapmodel.program import KernelError
from swapmodel.versions import KERNELS

HERE = Path(__file__).parent / "traces"
TRACES = sorted(HERE.glob("*.csv.gz"))
V6_1 = KERNELS["v6.1"]


def lines_of(name):
    path = HERE / f"{name}.csv.gz"
    return gzip.decompress(path.read_bytes()).decode().rstrip("\n").split("\n")


def write(tmp_path, lines, name="t.csv"):
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path / name


def renumber(lines):
    """As if what is missing had never been recorded: the numbers without gaps."""
    width = 2 if lines[0].startswith("seq_enter") else 1
    rows = [line.split(",") for line in lines]
    numbers = sorted(int(n) for row in rows[1:] if row[0][0] != "#" for n in row[:width])
    place = {number: str(i) for i, number in enumerate(numbers)}
    for row in rows[1:]:
        if row[0][0] != "#":
            row[:width] = [place[int(n)] for n in row[:width]]
    return [",".join(row) for row in rows]


class Rows:
    """A trace whose rows can be changed by column."""

    def __init__(self, name):
        self.lines = lines_of(name)
        self.columns = self.lines[0].split(",")

    def find(self, fn, skip=0, **wanted):
        """The line number of a row of `fn` with these values."""
        for number, line in enumerate(self.lines, 1):
            row = dict(zip(self.columns, line.split(","), strict=False))
            if row.get("fn") == fn and all(row[k] == str(v) for k, v in wanted.items()):
                if not skip:
                    return number
                skip -= 1
        raise AssertionError(f"no row of {fn}")

    def get(self, number, column):
        return self.lines[number - 1].split(",")[self.columns.index(column)]

    def set(self, number, column, value):
        fields = self.lines[number - 1].split(",")
        fields[self.columns.index(column)] = str(value)
        self.lines[number - 1] = ",".join(fields)


# ---- all agree -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", TRACES, ids=lambda p: p.name.removesuffix(".csv.gz"))
def test_every_event_is_explained_and_none_is_skipped(path):
    report = conform(path)
    assert report.agrees and not report.disagreements, str(report)
    rows = [line for line in gzip.decompress(path.read_bytes()).decode().split("\n")[1:] if line and line[0] != "#"]
    assert report.events == len(rows)
    for counts in report.rows.values():
        parts = (counts.agreeing, counts.overlap, counts.given, counts.taken, counts.disagreeing)
        assert counts.events == sum(parts)
    assert report.total().overlap == (path.name == "debian-cont.csv.gz")
    assert bool(report.total().taken) == path.name.startswith("race-")
    assert report.total().given <= report.events / 100


def test_there_is_every_format_and_every_workload():
    names = {p.name.removesuffix(".csv.gz") for p in TRACES}
    assert {n.partition("-")[0] for n in names} == {"debian", "debian1cpu", "own", "race"}
    workloads = {n.partition("-")[2] for n in names if not n.startswith("race")}
    assert workloads == {"order0", "fork", "cont", "madv", "thp", "shmem", "swapoff", "random"}


@pytest.mark.parametrize("name", ["own-cont", "own-swapoff", "debian1cpu-madv", "debian-fork", "race-D1-fixed"])
def test_v6_1_agrees_too(name):
    assert conform(HERE / f"{name}.csv.gz", V6_1).agrees


def test_a_plain_file_is_read_as_the_compressed_one(tmp_path):
    plain = conform(write(tmp_path, lines_of("race-C-unfixed")))
    compressed = conform(HERE / "race-C-unfixed.csv.gz")
    assert plain.rows == compressed.rows
    with_returns = tmp_path / "r.csv"
    with_returns.write_bytes("\r\n".join(lines_of("race-C-unfixed")).encode() + b"\r\n\0\0\0")
    assert conform(with_returns).rows == compressed.rows


def test_the_row_that_was_taken_for_torn_is_explained_by_the_other_cpu():
    rows = Rows("debian-fork")
    number = rows.find("__swap_duplicate", seq_enter=580)
    assert (rows.get(number, "before"), rows.get(number, "after")) == ("67", "67")  # CPU 0 dropped a reference in between
    assert conform(HERE / "debian-fork.csv.gz").total().overlap == 0


def test_a_trace_that_begins_in_the_middle_takes_over_what_was_there(tmp_path):
    lines = lines_of("own-fork")
    report = conform(write(tmp_path, lines[:1] + lines[129:]))
    assert report.agrees
    assert report.total().taken >= 32 and report.total().agreeing > 500


def test_probes_that_another_compiler_leaves_are_compared_too(tmp_path):
    """swap_entry_free() and try_to_unuse() are inlined in the recorded kernel. Here they get rows."""
    rows = Rows("debian1cpu-madv")
    fields = {c: i for i, c in enumerate(rows.columns)}
    out, drain = [], rows.find("swap_range_free")
    for line in rows.lines[1:]:
        row = line.split(",")
        if line[0] != "#":
            row[0], row[1] = str(10 * int(row[0])), str(10 * int(row[1]))
        out.append(",".join(row).replace("swap_entry_free absent(inlined)", "swap_entry_free ok"))
        if row[fields["fn"] if len(row) > 3 else 0] == "swap_range_free":
            outer = list(row)
            outer[0], outer[1] = str(int(row[0]) - 1), str(int(row[1]) + 1)
            outer[fields["fn"]], outer[fields["before"]] = "swap_entry_free", "64"
            free = row[fields["cflags_before"]] == "1"
            outer[fields["ccount_before"]] = "1" if free else str(int(row[fields["ccount_before"]]) + 1)
            outer[fields["cflags_before"]] = "0"
            out.append(",".join(outer))
    around = out[drain].split(",")
    first, last = around[:], [r for r in out if r[0] != "#"][-1].split(",")
    values = {
        "seq_enter": 10 * 10**6,
        "seq_exit": 10 * 10**6 + 1,
        "fn": "try_to_unuse",
        "offset": 0,
        "n": 1,
        "before": -1,
        "arg": -1,
    }
    values |= {"after": -1, "inuse_before": 0, "inuse_after": 0, "ccount_before": 1, "ccount_after": 1}
    values |= {"cflags_before": 0, "cflags_after": 0}
    for column, value in values.items():
        first[fields[column]] = str(value)
    assert last
    report = conform(write(tmp_path, renumber([rows.lines[0], *out, ",".join(first)])))
    assert report.agrees, str(report)
    assert report.rows["swap_entry_free"].agreeing == 64 and report.rows["try_to_unuse"].agreeing == 1


# ---- a wrong trace is told -------------------------------------------------------------------------------------------

CHANGED = {
    "m:alloc": ("before", "after", "inuse", "ccount", "cflags"),
    "m:duplicate": ("before", "after", "ret", "inuse", "ccount", "cflags"),
    "m:entry_free": ("before", "after", "inuse", "ccount", "cflags"),
    "m:entry_free_locked": ("before", "after", "ret", "inuse", "ccount", "cflags"),
    "r:range_alloc": ("inuse", "ccount", "cflags"),
    "r:range_free": ("inuse", "ccount", "cflags"),
    "c:swap_free": ("before", "inuse", "ccount", "cflags"),
    "c:free_swap_and_cache": ("before", "inuse", "ccount", "cflags"),
    "c:put_swap_folio": ("inuse", "ccount", "cflags"),
    "e:add_continuation": ("before", "after", "ret", "inuse", "ccount", "cflags"),
    "e:swapoff_begin": ("n", "inuse"),
    "e:swapoff_unused": ("n", "inuse"),
    "e:swapoff_done": ("n", "inuse"),
}


def spoil(rows, wanted):
    """Changes a value for each (function, column), each in a row of its own while there are any. Returns what must be told."""
    told = set()
    for fn, columns in wanted.items():
        number = 0
        for column in columns:
            number = next((n for n, line in enumerate(rows.lines, 1) if n > number and f",{fn}," in line), number)
            rows.set(number, column, int(rows.get(number, column)) ^ 1)
            told.add((number, column))
    return told


def test_each_value_of_a_change_is_compared(tmp_path):
    rows = Rows("own-cont")
    told = spoil(rows, CHANGED)
    report = conform(write(tmp_path, rows.lines))
    assert {(int(d.place.partition(":")[2]), d.column) for d in report.disagreements} == told
    assert report.total().disagreeing == len({number for number, _ in told}) and not report.agrees


STATE = ("before", "after", "inuse_before", "inuse_after", "ccount_before", "ccount_after", "cflags_before", "cflags_after")
CALLED = {
    "__swap_duplicate": (*STATE, "ret", "arg", "n"),
    "swap_duplicate": (*STATE, "ret", "n"),
    "swapcache_prepare": (*STATE, "ret"),
    "swap_free": STATE,
    "free_swap_and_cache": (*STATE, "ret"),
    "put_swap_folio": STATE,
    "__swap_entry_free": (*STATE, "ret"),
    "__swap_entry_free_locked": (*STATE, "ret"),
    "swap_range_free": STATE,
    "swap_range_alloc": STATE,
    "folio_free_swap": STATE[1:],
    "__try_to_reclaim_swap": (*STATE, "ret"),
    "swap_page_trans_huge_swapped": (*STATE, "ret"),
    "free_swap_slot": STATE,
}


def test_each_value_of_a_call_is_compared(tmp_path):
    rows = Rows("debian1cpu-order0")
    told = spoil(rows, CALLED)
    report = conform(write(tmp_path, rows.lines))
    found = {(int(d.place.partition(":")[2]), d.column) for d in report.disagreements}
    assert found == told


def test_both_values_and_the_line_are_told(tmp_path):
    rows = Rows("own-fork")
    number = rows.find("m:duplicate", skip=5)
    before, after = rows.get(number, "before"), rows.get(number, "after")
    rows.set(number, "after", 99)
    report = conform(write(tmp_path, rows.lines, "wrong.csv"))
    assert report.disagreements == [Disagreement(f"wrong.csv:{number}", "m:duplicate", "after", "99", after)]
    assert f"wrong.csv:{number}: m:duplicate: after is 99, in the model {after}" in str(report)
    assert before != after


def test_a_value_that_no_overlap_explains_is_told(tmp_path):
    rows = Rows("debian-cont")
    for skip in range(500, 804, 20):
        number = rows.find("__swap_entry_free", skip)
        rows.set(number, "after", int(rows.get(number, "after")) - 9)
    report = conform(write(tmp_path, rows.lines))
    assert len(report.disagreements) == 16 and {d.column for d in report.disagreements} == {"after"}


@pytest.mark.parametrize(
    ("name", "fn"),
    [
        ("own-order0", "m:entry_free_locked"),
        ("own-order0", "r:range_free"),
        ("own-cont", "e:add_continuation"),
        ("own-swapoff", "e:put_folio_clear_huge"),
        ("own-swapoff", "e:swapon"),
    ],
)
def test_a_row_that_is_missing_is_told(tmp_path, name, fn):
    rows = Rows(name)
    number = rows.find(fn)
    del rows.lines[number - 1]
    with pytest.raises(BadUse, match=r"t\.csv:\d+: .*missing"):
        conform(write(tmp_path, rows.lines))
    report = conform(write(tmp_path, renumber(rows.lines)))
    assert not report.agrees
    assert int(report.disagreements[0].place.partition(":")[2]) >= number


@pytest.mark.parametrize("fn", ["m:alloc", "r:range_alloc", "c:free_swap_and_cache"])
def test_a_gap_in_the_numbers_is_refused(tmp_path, fn):
    """Of these rows the model alone would not miss each one."""
    rows = Rows("own-order0")
    number = rows.find(fn, skip=1)
    del rows.lines[number - 1]
    with pytest.raises(BadUse, match=rf"t\.csv:{number}: .*missing"):
        conform(write(tmp_path, rows.lines))


def test_a_call_whose_first_change_is_missing_is_told(tmp_path):
    rows = Rows("own-fork")
    begun = rows.find("c:swap_free", skip=3)
    assert rows.get(begun, "pid") == rows.get(begun + 1, "pid")
    del rows.lines[begun]
    report = conform(write(tmp_path, renumber(rows.lines)))
    assert any(d.column == "call" and f"c:swap_free of line {begun}" in d.ours for d in report.disagreements)


@pytest.mark.parametrize(
    "fn", ["swap_range_alloc", "swap_page_trans_huge_swapped", "__swap_entry_free", "swapcache_free_entries"]
)
def test_a_call_that_is_missing_is_told(tmp_path, fn):
    rows = Rows("debian1cpu-order0")
    number = rows.find(fn, skip=1)
    del rows.lines[number - 1]
    with pytest.raises(BadUse, match="a row is missing"):
        conform(write(tmp_path, rows.lines))
    report = conform(write(tmp_path, renumber(rows.lines)))
    assert not report.agrees


def test_after_a_call_that_went_another_way_the_comparison_goes_on(tmp_path):
    rows = Rows("debian1cpu-order0")
    del rows.lines[rows.find("swap_page_trans_huge_swapped", skip=1) - 1]
    report = conform(write(tmp_path, renumber(rows.lines)))
    assert report.total().agreeing > 0.99 * report.events
    assert any("not compared: this follows line" in d.ours for d in report.disagreements)


# ---- a wrong model is told -------------------------------------------------------------------------------------------


def mutant(name, old, new):
    """The kernel function `name` with a piece of its text replaced, as a fix."""
    function = kernel_functions()[name]
    text = inspect.getsource(function)
    assert text.count(old) >= 1, f"{name}() no longer has {old!r}"
    text = "from __future__ import annotations\n" + text.replace(old, new, 1)
    file = f"<mutant of {name}: {new}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    space = dict(vars(__import__(function.__module__, fromlist=["x"])))
    exec(compile(text, file, "exec"), space)
    return {name: space[name]}


MUTANTS = [
    ("own-fork", "__swap_entry_free_locked", "usage or SWAP_HAS_CACHE", "usage"),
    ("own-fork", "__swap_entry_free_locked", "count -= 1", "count -= 2"),
    ("own-shmem", "__swap_entry_free_locked", "elif count == SWAP_MAP_SHMEM", "elif count == 0"),
    ("own-order0", "swap_range_free", "pages - nr_entries", "pages - 2 * nr_entries"),
    ("own-order0", "dec_cluster_info_page", "count - 1", "count - 2"),
    ("own-order0", "__free_cluster", "CLUSTER_FLAG_FREE", "0"),
    ("own-cont", "duplicated_byte", "COUNT_CONTINUED | has_cache", "has_cache"),
    ("own-swapoff", "cluster_clear_huge", "flags & ~CLUSTER_FLAG_HUGE", "flags"),
    ("debian-fork", "duplicated_byte", "count + usage | has_cache", "count + usage"),
    ("debian1cpu-madv", "swap_page_trans_huge_swapped", "swap_count(byte) != 0", "byte != 0"),
    (
        "debian1cpu-madv",
        "free_swap_slot",
        "yield from put_into_slots_ret(cache, entry)",
        "yield from swapcache_free_entries((entry,))",
    ),
    ("debian1cpu-order0", "put_into_slots_ret", ">= SWAP_SLOTS_CACHE_SIZE", "> SWAP_SLOTS_CACHE_SIZE"),
    ("debian1cpu-order0", "__swap_duplicate", "err, byte = pinned_byte(byte)", "err = 0"),
    ("debian-shmem", "swap_shmem_alloc", "SWAP_MAP_SHMEM", "1"),
    ("race-C-unfixed", "swap_free_cluster", "yield write(ci.data, 0)", "pass"),
]


@pytest.mark.parametrize("change", MUTANTS, ids=lambda m: f"{m[1]}: {m[3]}")
def test_a_wrong_model_function_is_told(change):
    trace, name, old, new = change
    report = conform(HERE / f"{trace}.csv.gz", fix=mutant(name, old, new))
    assert not report.agrees


def test_the_order_of_the_free_clusters_is_compared():
    """One row of all shows it: the last free cluster names the one behind it."""
    head = mutant("cluster_list_add_tail", "(*clusters, idx)", "(idx, *clusters)")
    report = conform(HERE / "debian1cpu-thp.csv.gz", fix=head)
    assert [(d.fn, d.column) for d in report.disagreements] == [("swapcache_free_entries", "ccount_after")]


def test_a_kernel_that_cannot_swapon_is_no_kernel():
    broken = mutant("swapon", "return 0", "return -12")
    with pytest.raises(KernelError, match="swapon"):
        conform(HERE / "race-C-unfixed.csv.gz", fix=broken)


# ---- input that is none ----------------------------------------------------------------------------------------------

CHANGE = "0,1,0,1,init,m:alloc,512,1,0,64,64,0,0,1,0"
CALL = "1,2,5,6,0,1,init,swap_free,0,512,1,64,-1,64,0,1,1,1,1,0,0"
BAD = {
    "empty": ("", "t.csv: the file is empty"),
    "no columns": ("a,b,c\n1,2,3\n", "t.csv:1: these are not the columns of a trace"),
    "no rows": (CHANGE_COLUMNS + "\n# nothing\n", "t.csv: there is no event"),
    "torn": (f"{CHANGE_COLUMNS}\n{CHANGE}\n{CHANGE[:20]}\n", "t.csv:3: the line is torn: it has 6 fields, not 15"),
    "too long": (f"{CHANGE_COLUMNS}\n{CHANGE},1\n", "t.csv:2: the line is torn: it has 16 fields"),
    "not a number": (
        f"{CHANGE_COLUMNS}\n{CHANGE.replace('512', 'five')}\n",
        "t.csv:2: offset is 'five', which is not a number",
    ),
    "beyond": (
        f"{CHANGE_COLUMNS}\n{CHANGE.replace('512', '16384')}\n",
        "t.csv:2: offset 16384, n 1: the device has 16384 slots",
    ),
    "range beyond": (f"{CHANGE_COLUMNS}\n{CHANGE.replace('512,1', '16383,2')}\n", "t.csv:2: offset 16383, n 2: the device"),
    "negative": (f"{CHANGE_COLUMNS}\n{CHANGE.replace('512', '-1')}\n", "t.csv:2: offset -1"),
    "cpu": (f"{CHANGE_COLUMNS}\n{CHANGE.replace('0,1,0,1', '0,1,99,1')}\n", "t.csv:2: cpu 99"),
    "byte": (f"{CHANGE_COLUMNS}\n{CHANGE.replace(',64,64', ',64,256')}\n", "t.csv:2: after is 256, which is not a byte"),
    "function": (
        f"{CHANGE_COLUMNS}\n{CHANGE.replace('m:alloc', 'm:alloq')}\n",
        "t.csv:2: no function 'm:alloq' is known; is it m:alloc?",
    ),
    "order": (f"{CHANGE_COLUMNS}\n{CHANGE}\n{CHANGE}\n", "t.csv:3: seq 0 comes after 0"),
    "type": (f"{CALL_COLUMNS}\n{CALL.replace('free,0', 'free,1')}\n", "t.csv:2: type 1: there is one device"),
    "backwards": (f"{CALL_COLUMNS}\n{CALL.replace('1,2,5', '2,1,5')}\n", "t.csv:2: the call ends (seq_exit 1) before"),
    "doubled": (f"{CALL_COLUMNS}\n{CALL}\n{CALL}\n", "t.csv:3: number 1 is there twice"),
    "crossed": (
        f"{CALL_COLUMNS}\n{CALL.replace('1,2,5', '1,3,5')}\n{CALL.replace('1,2,5', '2,4,5')}\n",
        "t.csv:2: the call crosses",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_sentence_with_file_and_line(tmp_path, what):
    text, message = BAD[what]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(BadUse) as caught:
        conform(tmp_path / "t.csv")
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "g.csv.gz").write_bytes(b"no gzip at all")
    (tmp_path / "h.csv.gz").write_bytes(gzip.compress(("\n".join(lines_of("own-fork"))).encode())[:3000])
    (tmp_path / "b.csv").write_bytes(b"seq\n\xff\xfe\n")
    for name, message in (
        ("missing.csv", "can't be read"),
        ("", "can't be read"),
        ("g.csv.gz", "g.csv.gz: this is not gzip"),
        ("h.csv.gz", "h.csv.gz: this is not gzip, or it is torn"),
        ("b.csv", "b.csv:2: this is not text"),
    ):
        with pytest.raises(BadUse, match=message):
            conform(tmp_path / name)


def test_an_unknown_kernel_is_answered_with_the_nearest():
    with pytest.raises(UnknownName, match=r"did you mean v6\.8"):
        conform(TRACES[0], "v6.88")


@pytest.mark.parametrize("name", ["race-C-unfixed", "race-A-unfixed", "own-madv", "debian1cpu-madv"])
def test_random_damage_ends_in_a_report_or_in_bad_use(tmp_path, name):
    chance = random.Random(name)
    whole = lines_of(name)
    start = chance.randrange(1, max(2, len(whole) - 250))
    for attempt in range(12):
        lines = [whole[0], *whole[start : start + 250]] if attempt % 2 else list(whole[:250])
        for _ in range(chance.randrange(1, 4)):
            number = chance.randrange(1, len(lines))
            fields = lines[number].split(",")
            if len(fields) > 5:
                fields[chance.randrange(len(fields))] = str(chance.choice([-1, 0, 1, 2, 63, 64, 512, 1024, 16383]))
            lines[number] = ",".join(fields)
            if chance.random() < 0.3:
                lines[number], lines[-1] = lines[-1], lines[number]
        try:
            report = conform(write(tmp_path, lines))
        except BadUse as error:
            assert str(error).startswith("t.csv:")
        else:
            assert report.events == sum(line[0] != "#" for line in lines[1:])


# ---- the report ------------------------------------------------------------------------------------------------------


def test_the_report_as_text_html_and_json(tmp_path):
    rows = Rows("race-C-unfixed")
    rows.set(rows.find("r:range_free"), "inuse", 7)
    report = conform(write(tmp_path, rows.lines, "<b>&.csv"))
    text, html, document = str(report), report._repr_html_(), report.document()
    assert "<b>&.csv against v6.8: 11 events, 1 disagree" in text
    assert "inuse is 7, in the model 0" in text
    assert "<b>" not in html and "&lt;b&gt;&amp;.csv" in html and "<th>disagree</th>" in html
    assert json.loads(json.dumps(document)) == document
    assert document["total"]["events"] == 11 and document["agrees"] is False
    assert document["disagreements"] == [
        {"place": "<b>&.csv:9", "fn": "r:range_free", "column": "inuse", "theirs": "7", "ours": "0"}
    ]
    report.disagreements *= 30
    assert "... and 10 more" in str(report) and "... and 10 more" in report._repr_html_()
    assert Report("empty", "v6.8").agrees


def test_the_functions_without_a_probe_are_named():
    report = conform(HERE / "debian1cpu-madv.csv.gz")
    assert any("swap_entry_free, swap_free_cluster, try_to_unuse" in note for note in report.notes)


def test_the_command_says_how_it_went(tmp_path, capsys):
    good = str(HERE / "race-C-unfixed.csv.gz")
    assert main(["conform", good, "--kernel", "v6.8"]) == 0
    assert "11 events, all explained" in capsys.readouterr().out
    rows = Rows("race-C-unfixed")
    rows.set(rows.find("r:range_free"), "inuse", 7)
    bad = str(write(tmp_path, rows.lines))
    assert main(["conform", good, bad, "--kernel", "v6.8", "--json", "-"]) == 1
    assert [d["agrees"] for d in json.loads(capsys.readouterr().out)] == [True, False]
    assert main(["conform", str(tmp_path / "none.csv"), "--kernel", "v6.8"]) == 2
    assert "none.csv: can't be read" in capsys.readouterr().err
