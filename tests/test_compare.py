"""compare(): the same table however it is worked on, nothing lost, and prices that were counted by hand."""

import json
import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from swapmodel.__main__ import main
from swapmodel.fixes import FIXES
from swapmodel.program import KernelError
from swapmodel.review import pool
from swapmodel.review.cell import Cell, run
from swapmodel.review.cost import price
from swapmodel.review.desk import compare
from swapmodel.review.page import page
from swapmodel.review.travel import packed, unpacked

SCHEMA = json.loads((Path(pool.__file__).parent / "comparison.schema.json").read_text())
SCENARIOS = ("one-process", "shmem-truncate", "fork")
NAMED = ("get-swap-device", "rcu-in-shmem")
OWN = """
def shmem_free_swap(mapping, index, radswap):
    yield rcu_read_lock()
    old = yield from xa_cmpxchg_irq(mapping, index, radswap, NULL)
    if old == radswap:
        yield from free_swap_and_cache(radix_to_swp_entry(radswap))
    yield rcu_read_unlock()
    return old == radswap
"""


def own(text=OWN, **names):
    """The function of a reader's cell."""
    import linecache

    file = f"<cell {abs(hash(text))}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space = dict(names)
    exec(compile(text, file, "exec"), space)
    return space["shmem_free_swap"]


def closed():
    """One that can't travel: a closure."""
    unused = 0

    def shmem_free_swap(mapping, index, radswap):
        old = yield from xa_cmpxchg_irq(mapping, index, radswap, NULL + unused if unused else NULL)  # noqa: F821
        if old != radswap:
            return False
        yield from free_swap_and_cache(radix_to_swp_entry(radswap))  # noqa: F821
        return True

    return shmem_free_swap


def small(fixes=(*NAMED, own(), closed()), **options):
    return compare(SCENARIOS, fixes, **options)


@pytest.fixture(scope="module")
def table():
    return small(workers=1)


@pytest.fixture(scope="module")
def parallel():
    return small(workers=2)


def results(comparison):
    return {key: r._replace(seconds=0) for key, r in comparison.results.items()}


def verdicts(comparison, preempt):
    return {
        fix: [r.verdict for key, r in comparison.results.items() if (key.preempt, key.fix) == (preempt, fix)]
        for fix in comparison.places("fix")
    }


def test_the_table(table):
    assert verdicts(table, "full") == {
        "": ["holds", "violated", "holds"],
        "get-swap-device": ["holds", "holds", "holds"],
        "rcu-in-shmem": ["holds", "holds", "holds"],
        "shmem_free_swap()": ["holds", "holds", "holds"],
        "shmem_free_swap() (2)": ["holds", "violated", "holds"],
    }
    assert {v for row in verdicts(table, "none").values() for v in row} == {"holds"}
    assert table.status == 0 and table.notes == []


def test_a_violated_cell_is_as_check_finds_it(table):
    from swapmodel import check

    found = check("shmem-truncate", "v6.8", nearest=False)
    cell = table.results["v6.8", "full", "", "shmem-truncate"]
    assert (cell.kind, cell.steps, list(cell.schedule)) == ("NULL dereference", 186, found.outcome.schedule)
    assert (cell.switches, cell.states, cell.source) == (2, found.outcome.states, found.source)
    assert cell.interleaving in str(found)


def test_parallel_is_sequential(table, parallel):
    assert results(parallel) == results(table)
    assert parallel.prices == table.prices
    assert page(parallel) == page(table)
    assert str(parallel) == str(table)


def test_dask_is_loky(parallel):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        found = small(["rcu-in-shmem", own()], client=client)
    assert len(found.results) == 3 * len(SCENARIOS) * 2 and len(found.prices) == 3
    assert results(found).items() <= results(parallel).items()
    assert all(parallel.prices[key] == price for key, price in found.prices.items())


def test_a_lost_cluster_is_a_sentence():
    class Lost:
        status = "closed"

        def submit(self, function, *arguments, pure):
            import concurrent.futures

            return concurrent.futures.Future()

        def cancel(self, futures):
            pass

    found = compare("fork", "get-swap-device", client=Lost())
    assert found.notes == [pool.GONE] and found.status == 3


def test_shared_cells_are_computed_cells(table):
    shared = [row for row in table.rows if row.result.shared]
    assert len(shared) >= 8
    for key, result in shared:
        if key.fix in NAMED:
            computed = run(Cell(key.scenario, key.kernel, key.preempt, key.fix, key.fix))
            for part in ("verdict", "states", "kind", "steps", "switches", "schedule"):
                assert getattr(result, part) == getattr(computed, part), (key, part)


def test_a_function_of_machine_is_never_taken_for_unreached():
    """Coverage says nothing of machine/, where synchronize_rcu() is."""
    unfixed = run(Cell("fork", "v6.8", "full"))
    assert {"synchronize_rcu", "cond_resched", "swapoff"} <= unfixed.reached
    assert "shmem_free_swap" not in unfixed.reached


def test_json_fits_its_schema(table, tmp_path, capsys):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(json.dumps(table.document())), SCHEMA)
    told = tmp_path / "told.json"
    command = ["compare", "fork", "--fix", "rcu-in-shmem", "--workers", "1", "--max-states", "100", "--json", str(told)]
    assert main(command) == 3
    few = json.loads(told.read_text())
    jsonschema.validate(few, SCHEMA)
    assert {c["verdict"] for c in few["cells"]} == {"unfinished"}
    assert {(p["stalls"], p["lock_edges"]) for p in few["prices"]} == {(None, None)}
    out = capsys.readouterr().out
    assert "the budget of 100 states is used up" in out and "not known" in out


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.links, self.tags, self.open = [], [], set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.ids += [v for k, v in attrs if k == "id"]
        self.links += [v for k, v in attrs if k == "href"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html(table):
    read = Links()
    read.feed(page(table))
    assert read.open == [] and read.links
    assert all(link.startswith("#") and read.ids.count(link[1:]) == 1 for link in read.links)
    assert len(set(read.ids)) == len(read.ids) == 2 * len(table.violated) == len(read.links)
    assert "script" not in read.tags
    assert "violated" in page(table) and "color:" not in page(table).replace("color: inherit", "")


def test_html_is_escaped():
    evil = FIXES["rcu-in-shmem"]._replace(name='<script>x</script>"', title="<img src=x>", replaces={"swapoff": bad_swapoff})
    found = compare("fork", evil, workers=1)
    read = Links()
    read.feed(found._repr_html_())
    assert not {"script", "img"} & read.tags
    assert len(found.violated) == 2 and len(read.links) == 4
    assert all(set(i) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for i in read.ids)


def bad_swapoff(type):
    """Not what the kernel does."""
    yield BUG("<b>no</b>")  # noqa: F821


def test_prices_counted_by_hand():
    """v6.8, READ_ONCE and all: _swap_info_get() has 5 steps (swap_info, flags, max, swap_map, the byte), get_swap_device() 3
    (swap_info, tryget, max), put_swap_device() 1; the fix looks at swap_map and the byte itself."""
    bare = price()
    assert bare.anon is not None and bare.shmem is not None
    assert (bare.anon.locks, bare.shmem.locks) == (12, 13)
    # cluster lock 5 (drop, pre-check, swp_swapcount, pin, entry), si, folio, 2 x xa_lock, cgroup, avail; PTL | i_pages and info
    assert bare.anon.holds["swap_avail_lock"] == 2  # read and write of the list's head
    assert (bare.anon.atomics, bare.shmem.atomics) == (5, 5)  # folio ref +1, -1, -1; xchg of the slot; nr_swap_pages
    added = {name: [price(name).added(path, "operations") for path in ("anon", "shmem")] for name in (*NAMED, "inuse-last")}
    assert added == {"get-swap-device": [3 + 1 + 2 - 5] * 2, "rcu-in-shmem": [0, 2], "inuse-last": [0, 0]}
    pinned = price("get-swap-device")
    assert [pinned.added("anon", what) for what in ("atomics", "locks", "worst_hold")] == [0, 0, 1]
    assert pinned.lock_edges == () and pinned.stalls == ""


def test_a_lock_held_throughout():
    """Two operations and a lock more, a new order of locks, and as long a hold as the whole of what it covers."""
    text = OWN.replace("rcu_read_lock()", "spin_lock(swap_lock)").replace("rcu_read_unlock()", "spin_unlock(swap_lock)")
    mine = FIXES["rcu-in-shmem"]._replace(name="mine", replaces={"shmem_free_swap": own(text)})
    found = price(mine)
    assert [found.added("shmem", what) for what in ("operations", "atomics", "locks")] == [2, 0, 1]
    assert found.shmem.worst_lock == "swap_lock" and found.shmem.worst_hold == found.shmem.operations - 8
    assert "swap_lock -> cluster_info.lock" in found.lock_edges


def test_a_stalled_swapoff():
    text = OWN.replace("    yield rcu_read_unlock()\n", "    while True:\n        yield READ_ONCE(mapping.xa_lock)\n")
    mine = FIXES["rcu-in-shmem"]._replace(name="mine", replaces={"shmem_free_swap": own(text)})
    found = price(mine)
    assert found.shmem is None and "does not return" in found.reason
    assert found.stalls.startswith("shmem-truncate: swapoff")


def test_a_fix_that_never_yields_again():
    """Found only where it is run: those cells are refused, with its line, and the others stay."""
    endless = own(
        "def shmem_free_swap(mapping, index, radswap):\n    yield rcu_read_lock()\n    while True:\n        index = 0\n"
    )
    found = compare(("fork", "shmem-truncate"), endless, preempt="full", workers=1)
    assert [r.verdict for r in found.results.values()] == ["holds", "violated", "holds", "refused"]
    assert "shmem_free_swap() runs on without yielding a step" in str(found) and found.status == 2
    assert len(found.notes) == 1 and "has no price on v6.8" in found.notes[0]
    jsonschema.validate(found.document(), SCHEMA)


def test_an_error_of_our_own_costs_one_cell(monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("for a test")

    monkeypatch.setattr("swapmodel.review.cost._kernels_order", broken)
    found = compare("fork", "rcu-in-shmem", workers=1)
    assert "an error inside swapmodel, which should be reported: ZeroDivisionError: for a test" in found.notes
    assert [r.verdict for r in found.results.values()] == ["holds"] * 4


def test_functions_travel_as_text():
    function = own("\n\n" + OWN)
    [text] = packed({"shmem_free_swap": function})
    again = unpacked((text,))["shmem_free_swap"]
    assert again is not function and again.__code__.co_code == function.__code__.co_code
    assert again.__code__.co_firstlineno == function.__code__.co_firstlineno == 4
    assert text.whole == "\n\n" + OWN


@pytest.mark.parametrize(
    "change",
    [
        lambda: closed(),
        lambda: own(OWN.replace("radswap):", "radswap, more=len('x')):")),  # a default that is computed
        lambda: own("def twice(f):\n    return f\n@twice" + OWN),
        lambda: eval("lambda mapping: (yield)"),
    ],
)
def test_what_cannot_travel(change):
    assert packed({"shmem_free_swap": change()}) is None


def test_a_file_that_changed_since():
    function = own(OWN)
    import linecache

    file = function.__code__.co_filename
    linecache.cache[file] = (1, None, OWN.replace("rcu_read_lock", "rcu_read_unlock").splitlines(keepends=True), file)
    assert packed({"shmem_free_swap": function}) is None


# ---- interrupts and deaths ---------------------------------------------------------------------------------------------


def test_a_worker_that_dies_is_a_sentence():
    """kill -9: what is done stays, the rest is unfinished, and nothing hangs."""
    done = []

    def kill(key, result):
        done.append(key)
        for child in children(os.getpid()):
            if b"popen_loky" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(child, signal.SIGKILL)

    began = time.monotonic()
    found = compare(("fork", "one-process"), "get-swap-device", workers=2, ended=kill)
    assert time.monotonic() - began < 60
    assert found.notes == [pool.DIED] and found.status == 3
    assert found.results[done[0]].verdict == "holds"
    assert str(found).count(pool.DIED) == 2  # in the remarks, and as the note


def children(process):
    return [int(p) for p in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_an_interrupt_keeps_what_is_done(monkeypatch):
    def interrupt(key, result):
        signal.raise_signal(signal.SIGINT)

    for workers in (1, 2):
        found = compare(("one-process", "thread"), "get-swap-device", workers=workers, ended=interrupt)
        ended = [r for r in found.results.values() if r.verdict in ("holds", "violated")]  # which one is first is chance
        assert ended and len(ended) < len(found.results)
        assert found.notes and found.notes[0].startswith("interrupted: ") and found.status == 3


def test_an_interrupt_in_the_middle_of_a_search_ends_the_others_too():
    calls = []

    def work(tick):
        calls.append(tick)
        try:  # as explore() does
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            return "what was found"

    told = []
    workers = pool.Pool(lambda key, outcome: told.append((key, outcome)))
    workers.submit("first", work)
    workers.submit("second", work)
    with pytest.raises(KeyboardInterrupt):
        workers.run()
    assert told == [("first", "what was found")] and len(calls) == 1


@pytest.mark.parametrize("when", [0.1, 2])  # seconds: while the workers begin, and while they search
def test_interrupted_in_a_terminal(when):
    """^C reaches the workers as well: no traceback of theirs, and the table."""
    command = [sys.executable, "-m", "swapmodel", "compare", "fork", "thread", "--fix", "pin-in-shmem", "--workers", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while len(children(process.pid)) < 3:  # two workers, and what tidies up behind them
        time.sleep(0.02)
    time.sleep(when)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 3) and "Traceback" not in err
    assert "v6.8, preempt full" in out


# ---- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["thred"], "did you mean thread?"),
        (["fork", "--fix", "get-swap-devise"], "did you mean get-swap-device?"),
        (["fork", "--fix", "nowhere.py"], "can't be read"),
        (["fork", "--kernel", "v6.88"], "did you mean v6.8?"),
        (["fork", "--pages", "2"], "only preempt can be chosen"),
        (["thread", "fork", "--processes", "2"], "only preempt can be chosen"),
        (["thread", "--processes", "100000"], "from 1 to 8"),
        (["thread", "--pages", "1000000000000"], "from 1 to 512"),
        (["one-process", "--processes", "2"], "contradicts it"),
        (["thread", "--max-states", "0"], "whole number from 1 on"),
        (["thread", "--max-seconds", "nan"], "number of seconds above 0"),
        (["thread", "--workers", "-1"], "whole number from 1 on"),
        (["thread", "--json", "-", "--html", "-"], "can't both"),
        (["fork", "--html", "/nowhere/x.html"], "can't be written"),
    ],
)
def test_refused(capsys, arguments, sentence):
    assert main(["compare", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("swapmodel: ") and sentence in err


def test_refused_in_a_cell():
    with pytest.raises(ValueError, match="a client's cluster has its own"):
        compare("fork", workers=2, client=object())
    with pytest.raises(ValueError, match="a fix is a name of FIXES"):
        compare("fork", [3])
    with pytest.raises(ValueError, match="preempt is 'full' or 'none'"):
        compare("fork", preempt="half")
    with pytest.raises(ValueError, match="workers is a number from 1 on"):
        compare("fork", workers=0)
    with pytest.raises(KernelError, match="takes 0 arguments, but"):
        compare("fork", own("def shmem_free_swap():\n    yield rcu_read_lock()\n"))
