"""A reader's own fix, in a cell or a file: each mistake told in one sentence, with line and remedy; no traceback, no hang."""

import linecache
import random
import re
import textwrap

import pytest

from swapmodel import Budget, KernelError, check
from swapmodel.fixes import load_fix
from swapmodel.fixes.mistakes import remedy

GOOD = """\
def free_swap_and_cache(entry):
    si = yield from get_swap_device(entry)
    if not si:
        return False
    count = yield from __swap_entry_free(si, entry)
    if count == SWAP_HAS_CACHE:
        yield from __try_to_reclaim_swap(si, swp_offset(entry), TTRS_UNMAPPED | TTRS_FULL)
    yield from put_swap_device(si)
    return True
"""
RETURN = "    return True\n"


def instead(old, new):
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


MISTAKES = {  # the text of the fix; the line; the words of the remedy
    "no yield from": (instead("yield from put", "put"), 8, "write `yield from put_swap_device(...)`"),
    "no yield": (instead(RETURN, "    rcu_read_lock()\n    return True\n"), 9, "write `yield rcu_read_lock(...)`"),
    "arity": (instead("(entry):\n    si", "(si, entry):\n    si"), 1, "write `def free_swap_and_cache(entry):`"),
    "keyword only": (instead("(entry):\n    si", "(*, entry):\n    si"), 1, "write `def free_swap_and_cache(entry):`"),
    "too few arguments": (
        instead("_free(si, entry)", "_free(si)"),
        5,
        "missing 1 required positional argument: 'entry': write `__swap_entry_free(si, entry)`",
    ),
    "too many arguments": (instead("put_swap_device(si)", "put_swap_device(si, entry)"), 8, "write `put_swap_device(si)`"),
    "operation's arity": (instead(RETURN, "    yield spin_lock()\n"), 9, "spin_lock() takes (lock), not 0 arguments"),
    "loop without a step": (instead(RETURN, "    while True:\n        x = 1\n"), 10, "a loop without end?"),
    "loop with ever new values": (
        instead(RETURN, "    x = 0\n    while True:\n        yield READ_ONCE(si.max)\n        x += 1\n"),
        11,
        "a loop without end?",
    ),
    "loop of steps": (
        instead(RETURN, "    while True:\n        yield READ_ONCE(si.max)\n"),
        10,
        "give the loop a way out",
    ),
    "loop at the beginning": (
        instead("    si = yield", "    while True:\n        yield READ_ONCE(nr_swap_pages)\n    si = yield"),
        3,
        "give the loop a way out",
    ),
    "sleeps under a spinlock": (
        instead(RETURN, "    yield spin_lock(swap_lock)\n    yield mutex_lock(swapon_mutex)\n"),
        10,
        "calls mutex_lock(), which may sleep, inside swap_lock, since FILE:9, in free_swap_and_cache(): leave the section",
    ),
    "sleeps deep in a call": (
        instead(RETURN, "    yield spin_lock(swap_lock)\n    yield from shmem_unuse(0)\n"),
        10,
        "calls shmem_unuse(), which may sleep in mutex_lock(), inside swap_lock",
    ),
    "reads without the lock": (
        instead("    count", "    x = yield read(si.inuse_pages)\n    count"),
        5,
        "reads si.inuse_pages without si.lock: READ_ONCE(si.inuse_pages) for a lockless look, or hold si.lock",
    ),
    "writes without the lock": (
        instead("    count", "    yield WRITE_ONCE(si.inuse_pages, 0)\n    count"),
        5,
        "free_swap_and_cache() writes si.inuse_pages without si.lock: hold si.lock",
    ),
    "calls without the lock": (
        instead("    count", "    yield from swap_range_free(si, 1, 1)\n    count"),
        5,
        "calls swap_range_free(), which ",
    ),
    "sleeps in an RCU section": (
        instead(RETURN, "    yield rcu_read_lock()\n    yield from synchronize_rcu()\n    yield rcu_read_unlock()\n"),
        10,
        "calls synchronize_rcu(), which may sleep, inside an RCU read-side section, since FILE:9",
    ),
    "spinlock left held": (
        instead(RETURN, "    yield spin_lock(swap_lock)\n    return True\n"),
        9,
        "`yield spin_unlock(swap_lock)` before every return",
    ),
    "mutex left held": (
        instead(RETURN, "    yield mutex_lock(swapon_mutex)\n    return True\n"),
        9,
        "`yield mutex_unlock(swapon_mutex)` before every return",
    ),
    "RCU section left open": (
        instead(RETURN, "    yield rcu_read_lock()\n    return True\n"),
        9,
        "`yield rcu_read_unlock()` before every return",
    ),
    "pin never put": (instead("    yield from put_swap_device(si)\n", ""), 2, "put_swap_device() on every path"),
    "lock taken again inside": (
        instead("    count", "    ci = yield from lock_cluster_or_swap_info(si, swp_offset(entry))\n    count"),
        6,
        "has it since FILE:5, in free_swap_and_cache(): release it before the call, or call what expects it to be held",
    ),
    "an unknown name": (instead("swp_offset(", "offset("), 7, "did you mean swp_offset?"),
    "a constant of the notebook": (instead("True", "OURS_TO_SET"), 9, "not defined in the kernel"),
    "an import": (instead(RETURN, "    import time\n    time.sleep(9)\n"), 9, "imports nothing"),
    "raise": (instead(RETURN, "    raise SystemExit\n"), 9, "yield BUG(...)"),
    "exit": (instead(RETURN, "    exit()\n"), 9, "does not call exit()"),
    "asks the user": (instead(RETURN, "    x = input()\n    return x\n"), 9, "does not call input()"),
    "async": ("async def free_swap_and_cache(entry):\n    yield READ_ONCE(nr_swap_pages)\n", 1, "is `async`"),
    "a helper that does nothing": (
        "def look(si):\n    READ_ONCE(si.max)\n" + instead(RETURN, "    look(si)\n    return True\n"),
        2,
        "write `yield READ_ONCE(...)`",
    ),
}


def in_cell(text, count=1):
    """The functions of a cell, as IPython leaves them: compiled under a name of its own, the text in linecache."""
    file = f"<ipython-input-{count}-{abs(hash(text)):x}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    space = {}
    exec(compile(text, file, "exec"), space)
    return {n: f for n, f in space.items() if not n.startswith("__")}


def told(fix):
    """What the reader reads: the error of a fix that can't run, or the remedy of one that goes wrong."""
    try:
        found = check("shmem-truncate", fix=fix, nearest=False)
    except KernelError as error:
        return str(error)
    assert found.verdict == "violated"
    return remedy(found)


@pytest.fixture(autouse=True)
def few_states_of_a_place(monkeypatch):
    """A loop without end is told by the same words sooner: in full it takes twelve seconds."""
    monkeypatch.setattr("swapmodel.program.STATES_OF_A_PLACE", 300)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_cell_line_and_remedy(mistake):
    text, line, says = MISTAKES[mistake]
    message = told(in_cell(text))
    assert message.startswith(f"<cell>:{line}") and "\n" not in message
    assert says.replace("FILE", "<cell>") in message


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_file_line_and_remedy(mistake, tmp_path):
    text, line, says = MISTAKES[mistake]
    file = tmp_path / "own.py"
    file.write_text(text)
    message = told(load_fix(str(file)))
    assert message.startswith(f"own.py:{line}") and "\n" not in message
    assert says.replace("FILE", "own.py") in message


def test_a_good_fix_in_a_cell_with_a_helper():
    text = "def same(x):\n    return x\n" + GOOD.replace("swp_offset(entry)", "swp_offset(same(entry))")
    found = check("shmem-truncate", fix=in_cell(text), nearest=False)
    assert found.verdict == "holds" and remedy(found) == ""


def test_the_races_that_are_no_mistake_have_no_remedy():
    assert remedy(check("shmem-truncate", nearest=False)) == ""


@pytest.mark.parametrize("fix", ["cluster-lock-nested", "si-lock-nested"])
def test_named_fixes_are_told_where_they_take_a_lock_twice(fix):
    assert "release it before the call" in remedy(check("shmem-truncate", fix=fix, nearest=False))


@pytest.mark.parametrize(
    ("fix", "says"),
    [
        (in_cell(GOOD.replace("def free_swap_and_cache", "def free_swap_an_cache")), "did you mean free_swap_and_cache()?"),
        ({"free_swap_and_cache": None}, "a fix is made of functions"),
        ({"free_swap_and_cache": type("C", (), {})}, "a fix is made of functions"),
        (in_cell("free_swap_and_cache = lambda entry: (yield READ_ONCE(nr_swap_pages))\n"), "plain `def` with `yield`"),
        (in_cell("x = dict(f=lambda entry: (\n    yield 1))\nfree_swap_and_cache = x.pop('f')\ndel x\n"), "plain `def`"),
    ],
)
def test_what_is_no_fix_is_refused(fix, says):
    with pytest.raises(KernelError, match=re.escape(says)):
        check("shmem-truncate", fix=fix)


def test_a_decorated_function_is_refused():
    text = (
        "import functools\ndef d(f):\n    @functools.wraps(f)\n    def g(*a):\n        return (yield from f(*a))\n"
        f"    return g\n@d\n{GOOD}del d, functools\n"
    )
    with pytest.raises(KernelError, match="a decorator"):
        check("shmem-truncate", fix=in_cell(text))


def test_an_empty_closure_is_refused():
    text = textwrap.dedent("""\
        def make():
            def free_swap_and_cache(entry):
                yield READ_ONCE(later)
            return free_swap_and_cache
            later = 1
        free_swap_and_cache = make()
        del make
        """)
    with pytest.raises(KernelError, match="closes over later"):
        check("shmem-truncate", fix=in_cell(text))


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda p: p.mkdir(), "not a file"),
        (lambda p: p.symlink_to("/dev/zero"), "not a file"),
        (lambda p: p.write_bytes(b"#" * (1 << 20) + b"\n#"), "longer than 1 MiB"),
        (lambda p: p.write_bytes(b"x = 1\0"), "null bytes"),
        (lambda p: p.write_text("x = " + "(" * 500 + ")" * 500), "own.py:1: not Python"),
        (lambda p: p.write_text("x = " + "-" * 200_000 + "1"), "own.py:1: not Python"),
        (lambda p: p.write_bytes(b"# coding: latin-1\n\xe9"), "can't be read"),
        (lambda p: p.symlink_to(p), "can't be read"),
        (
            lambda p: p.write_text("while True:\n    try:\n        x = 1\n    except BaseException:\n        pass\n"),
            "own.py:2: .*no try",
        ),
    ],
)
def test_files_that_are_no_fix(tmp_path, write, says):
    file = tmp_path / "own.py"
    write(file)
    with pytest.raises(KernelError, match=says):
        load_fix(str(file))


def test_a_file_that_changes_after_it_was_read(tmp_path):
    """What is checked, and told, is what was read."""
    file = tmp_path / "own.py"
    file.write_text(GOOD)
    fix = load_fix(str(file))
    file.write_text("# gone\n")
    assert check("shmem-truncate", fix=fix, nearest=False).verdict == "holds"


WORDS = [
    "si",
    "entry",
    "yield",
    "from",
    "(",
    ")",
    ":",
    "0",
    "None",
    "NULL",
    "not",
    "while",
    "if",
    "True",
    "si.lock",
    "spin_lock",
]
WORDS += [
    "spin_unlock",
    "READ_ONCE",
    "WRITE_ONCE",
    "put_swap_device",
    "count",
    "=",
    "-",
    "si.swap_map",
    "[0]",
    "'x'",
    "()",
    ",",
]
WORDS += ["percpu_ref_put", "si.users", "rcu_read_unlock", "synchronize_rcu", "kvfree", "swapper_spaces", "lambda", "*", "del"]


LINES = [
    "yield rcu_read_lock()",
    "yield rcu_read_unlock()",
    "yield spin_lock(si.lock)",
    "yield spin_unlock(si.lock)",
    "return True",
]
LINES += [
    "yield mutex_lock(swapon_mutex)",
    "yield mutex_unlock(swapon_mutex)",
    "yield from synchronize_rcu()",
    "si = NULL",
    "pass",
]
LINES += [
    "map = yield READ_ONCE(si.swap_map)",
    "yield kfree(map)",
    "count = yield from __swap_entry_free(si, entry)",
    "si = si.lock",
]
LINES += [
    "yield WRITE_ONCE(si.swap_map, 0)",
    "yield wait_for_completion(si.comp)",
    "yield percpu_ref_kill(si.users)",
    "while si:",
]
LINES += ["yield WRITE_ONCE(nr_swap_pages, entry)", "yield folio_unlock(si)", "entry += 1", "for i in range(9):", "count = si"]
LINES += [
    "yield atomic_add(1, nr_swap_pages)",
    "yield xchg(si.max, NULL)",
    "yield schedule_point()",
    "map = map[9]",
    "entry = ''",
]


def spoiled(choose):
    """GOOD with a few of its words, or lines, taken away, doubled or exchanged."""
    by_words = choose.random() < 0.3
    pool = WORDS if by_words else LINES
    words = re.findall(r"\n *|\w[\w.]*|\S| +", GOOD) if by_words else GOOD.splitlines(keepends=True)
    for _ in range(choose.randint(1, 3)):
        i = choose.randrange(4 if by_words else 1, len(words))
        new = choose.choice(pool) if by_words else f"    {choose.choice(pool)}\n"
        if new.endswith(":\n"):
            new += "        yield READ_ONCE(nr_swap_pages)\n"
        words[i : i + 1] = choose.choice([[], [words[i], words[i]], [new], [words[i], new], [words[i], new]])
    return "".join(words)


@pytest.mark.parametrize("seed", range(50))
def test_spoiled_fixes_end_in_a_verdict_or_one_sentence(seed, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(spoiled(random.Random(seed)))
    try:
        budget = Budget(max_states=15_000, max_seconds=3)
        found = check("shmem-truncate", fix=load_fix(str(file)), nearest=False, shortest="any", budget=budget)
        assert "\n" not in remedy(found)
    except KernelError as error:
        assert "\n" not in str(error) and len(str(error)) < 600


def test_in_a_real_notebook():
    """Through ipykernel: some of these mistakes, and what the reader sees."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    names = [
        "no yield from",
        "arity",
        "too few arguments",
        "loop without a step",
        "loop of steps",
        "sleeps under a spinlock",
        "spinlock left held",
    ]
    ask = (
        "try:\n    found = check('shmem-truncate', fix=free_swap_and_cache, nearest=False)\n    print(remedy(found))\n"
        "except KernelError as error:\n    print(error)\n"
    )
    cells = ["from swapmodel import KernelError, check\nfrom swapmodel.fixes.mistakes import remedy"]
    for name in names:
        cells += [MISTAKES[name][0], ask]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbclient.NotebookClient(book, timeout=60).execute()
    printed = [c.outputs[0]["text"] for c in book.cells[2::2]]
    for cell, (name, text) in enumerate(zip(names, printed, strict=True), 1):
        file = f"<cell {2 * cell}>"  # the number that stands beside it
        assert text.startswith(f"{file}:{MISTAKES[name][1]}"), text
        assert MISTAKES[name][2].replace("FILE", file) in text


def test_the_trace_of_a_cells_fix_has_no_number():
    """A notebook that is run again gives its cells other numbers: what was saved must still replay."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    looks = "print({f.file for s in found.recorder.steps for f in s.stack if f.function == 'free_swap_and_cache'})"
    ask = f"from swapmodel import check\nfound = check('shmem-truncate', fix=free_swap_and_cache)\n{looks}"
    cells = [nbformat.v4.new_code_cell(c) for c in (instead("    yield from put_swap_device(si)\n", ""), ask)]
    book = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(book, timeout=60).execute()
    assert book.cells[1].outputs[0]["text"] == "{'<cell>'}\n"
