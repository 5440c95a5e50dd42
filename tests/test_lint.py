"""Each rule of the lint: one function that breaks it, and one that is near but fine."""

import linecache
import re
import sys

import pytest

from swapmodel.kernel import base
from swapmodel.lint import lint, stores, undefined
from swapmodel.program import KernelError

WRONG = {
    "operation not yielded": ("READ_ONCE(p)\n    yield read(p)", "operation: write `yield READ_ONCE"),
    "operation with yield from": ("yield from READ_ONCE(p)", "operation: write `yield READ_ONCE"),
    "function not called": ("swap_free(p)\n    yield read(p)", "kernel function: write `yield from swap_free"),
    "function with yield": ("yield swap_free(p)", "kernel function: write `yield from swap_free"),
    "two yields": ("x = (yield read(p)) + (yield read(p))", "two yields in one statement"),
    "yield after a value": ("x = 1 + (yield read(p))", "not the first thing"),
    "yield in an argument": ("x = len((yield read(p)))", "not the first thing"),
    "yield in a subscript": ("x = p[(yield read(p))]", "not the first thing"),
    "yield in a for": ("for i in range((yield read(p))):\n        pass", "not the first thing"),
    "no operation": ("yield p", "not an operation"),
    "for over a tuple": ("for x in (1, 2):\n        yield read(p)", "`for` runs only over range"),
    "try": ("try:\n        yield read(p)\n    finally:\n        pass", "no try and no with"),
    "with": ("with p:\n        yield read(p)", "no try and no with"),
    "nested function": ("def g():\n        pass\n    yield read(p)", "g is defined inside"),
    "too few arguments": ("yield spin_lock()", "spin_lock() takes (lock), not 0 arguments"),
    "too many arguments": ("yield READ_ONCE(p, 1)", "READ_ONCE() takes (p), not 2 arguments"),
    "import": ("import time\n    yield read(p)", "imports nothing"),
    "raise": ("raise SystemExit\n    yield read(p)", "yield BUG(...)"),
    "asks the user": ("x = input()\n    yield read(p)", "does not call input()"),
    "leaves Python": ("exit()\n    yield read(p)", "does not call exit()"),
    "global": ("global x\n    x = yield read(p)", "behind the machine's back"),
}

FINE = {
    "value": "x = yield READ_ONCE(p)\n    return x",
    "call": "x = yield from _swap_info_get(p)\n    return x",
    "test": "if (yield READ_ONCE(p)) == 3:\n        return\n    while not (yield READ_ONCE(p)):\n        pass",
    "range": "for i in range(3):\n        yield READ_ONCE(p[i])",
    "bare yield behind return": "return\n    yield",
    "any number of arguments": "yield BUG('nothing is left')",
    "starred": "q = (p,)\n    yield READ_ONCE(*q)",
    "helper": "x = swp_offset(p)\n    yield READ_ONCE(p[x])",
}


def function(body, signature="p"):
    text = f"def f({signature}):\n    {body}\n"
    file = f"<lint {hash(text)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    space = dict(base())
    exec(compile(text, file, "exec"), space)
    return space["f"]


@pytest.mark.parametrize("rule", WRONG)
def test_wrong(rule):
    body, says = WRONG[rule]
    with pytest.raises(KernelError, match=rf"<cell>:\d+: f\(\): .*{re.escape(says)}"):
        lint(function(body), base())


@pytest.mark.parametrize("rule", FINE)
def test_fine(rule):
    lint(function(FINE[rule]), base())


def test_the_line_is_the_right_one():
    with pytest.raises(KernelError, match="<cell>:4: "):
        lint(function("x = yield read(p)\n    x = 2\n    READ_ONCE(p)"), base())


def test_a_closure_over_something_that_can_change():
    seen = []

    def closes(p):
        yield READ_ONCE(p)  # noqa: F821
        seen.append(1)

    with pytest.raises(KernelError, match="closes over seen"):
        lint(closes, base())


def test_a_closure_over_a_number_is_fine():
    limit = 3

    def closes(p):
        yield READ_ONCE(p[limit])  # noqa: F821

    lint(closes, base())


def test_a_default_that_can_change():
    with pytest.raises(KernelError, match="default argument can change"):
        lint(function("yield read(p)", "p, q=[]"), base())


def test_without_source():
    space = dict(base())
    exec("def f(p):\n    yield READ_ONCE(p)\n", space)
    with pytest.raises(KernelError, match="its source can't be found"):
        lint(space["f"], base())


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("yield WRITE_ONCE(p.max, 0)", {"max"}),
        ("yield write(swapper_spaces[0], 0)", {"swapper_spaces"}),
        ("yield atomic_add(1, p.count)", {"count"}),
        ("yield write(p, 0)", None),
        ("yield read(p.max)", set()),
    ],
)
def test_stores(body, found):
    assert stores(function(body)) == found


def test_undefined_names_have_their_line():
    text = function(
        "x = yield READ_ONCE(p)\n    y = [nowhere for _ in range(2)]\n    return swp_offset(x) + elsewhere + len(y)"
    )
    assert list(undefined(text, base())) == [(4, "elsewhere"), (3, "nowhere")] or sys.version_info >= (3, 12)
    assert {name for _, name in undefined(text, base())} == {"elsewhere", "nowhere"}
