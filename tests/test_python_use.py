"""What a cell of a notebook may get wrong in a call: one sentence, a ValueError, never an error from inside."""

import copy
import pickle
import re

import pytest

from swapmodel import FIXES, Budget, Parameters, against, check, why
from swapmodel.names import Named, UnknownKey, UnknownName
from swapmodel.program import short_file
from swapmodel.scenarios import SCENARIOS

NO_FIX = "a fix is a function, a dict of functions by name, or one of swapmodel.FIXES, not"

WRONG = [  # the call; what it says
    (lambda: why("shmem-truncate"), "why() takes a verdict: why(check('shmem-truncate')), not 'shmem-truncate'"),
    (lambda: why("thread"), "why(check('thread'))"),
    (lambda: why(None), "why() takes a verdict"),
    (lambda: against(5), "against() takes a verdict: against(check('shmem-truncate'), kernel='v6.9'), not 5"),
    (lambda: why(verdict(), seconds="long"), "seconds is a number of seconds, not 'long'"),
    (lambda: why(verdict(), seconds=True), "seconds is a number of seconds, not True"),
    (lambda: against(verdict(), fix=5), f"{NO_FIX} 5"),
    (lambda: against(verdict(), kernel=5), "a kernel is given by its name or as a Kernel, not as 5"),
    (lambda: against(verdict(), kernel="v6.99"), "no kernel is named 'v6.99'; did you mean v6.9?"),
    (lambda: check("shmem-truncate", budget=5), "budget is a Budget, as in check(..., budget=Budget(max_seconds=5)), not 5"),
    (
        lambda: check("shmem-truncate", kernl="v6.9"),
        "check() takes no argument 'kernl'; did you mean kernel? it takes scenario,",
    ),
    (lambda: check("shmem-truncate", page=2), "did you mean pages?"),
    (lambda: check("shmem-truncate", xyzzy=2), "no argument 'xyzzy'; it takes scenario, kernel, fix,"),
    (lambda: check(5), "a scenario is given by its name or as a Scenario, not as 5"),
    (lambda: check("thread", ["v6.8"]), "a kernel is given by its name or as a Kernel, not as ['v6.8']"),
    (lambda: check("thread", fix=list(range(99))), f"{NO_FIX} [0, 1,"),
    (lambda: check("thread", pages="two"), "pages is a whole number, not 'two'"),
    (lambda: check("thread", pages=2.5), "pages is a whole number, not 2.5"),
    (lambda: check("thread", processes=True), "processes is a whole number, not True"),
    (lambda: check("thread", processes=None), "processes is a whole number, not None"),
    (lambda: check("thread", pages=600), "pages is from 1 to 512, not 600"),
    (lambda: check("thread", processes=-1), "processes is from 1 to 8, not -1"),
    (lambda: check("thread", preempt="ful"), "preempt is 'full' or 'none', not 'ful'"),
    (lambda: check("thread", preempt=["full"]), "preempt is 'full' or 'none', not ['full']"),
    (lambda: check("thread", slot_cache="yes"), "slot_cache is True or False, not 'yes'"),
    (lambda: check("thread", slot_cache=1), "slot_cache is True or False, not 1"),
    (lambda: check("thread", device="floppy"), "device is 'ssd' or 'hdd', not 'floppy'"),
    (lambda: check("thread", device="hdd"), "device hdd needs pages 1"),
    (lambda: check("madvise", processes=2), "processes 2 contradicts it"),
    (lambda: check("fault", pages=2), "only preempt can be chosen"),
    (lambda: SCENARIOS["thread"].system(None, Parameters(pages="two")), "pages is a whole number, not 'two'"),
    (lambda: FIXES["si-lok"], "no fix is named 'si-lok'; did you mean si-lock?"),
    (lambda: FIXES[5], "no fix is named 5; there are: "),
]


def verdict():
    return check("shmem-truncate", nearest=False, shortest="any")


@pytest.mark.parametrize(("call", "says"), WRONG, ids=[says for _, says in WRONG])
def test_a_wrong_call_is_told_in_one_sentence(call, says):
    with pytest.raises(ValueError, match=re.escape(says)) as error:
        call()
    assert "\n" not in str(error.value) and "--" not in str(error.value)


def test_what_is_right_is_taken():
    one = check(SCENARIOS["shmem-truncate"], budget=Budget(max_states=9), pages=1, slot_cache=True, device="hdd")
    assert one.parameters == Parameters(1, 1, "full", True, "hdd")


def test_fixes_are_a_dict():
    assert isinstance(FIXES, dict) and isinstance(FIXES, Named)
    assert "si-lock" in FIXES and "si-lok" not in FIXES
    assert all(name == fix.name for name, fix in FIXES.items()) and FIXES.get("si-lok") is None
    assert dict(FIXES) == FIXES and {**FIXES} == FIXES and copy.copy(FIXES) == FIXES
    assert "si-lok" not in FIXES, "a look-up adds nothing"


@pytest.mark.parametrize("kind", [KeyError, UnknownName, UnknownKey])
def test_an_unknown_fix_is_a_key_error_too(kind):
    with pytest.raises(kind) as error:
        FIXES["rcu-in-shmen"]
    assert str(error.value) == "no fix is named 'rcu-in-shmen'; did you mean rcu-in-shmem?"


def test_named_things_can_be_sent_to_another_process():
    few = Named("pet", {"cat": 1})
    again = pickle.loads(pickle.dumps(few))
    assert again == few and again.kind == "pet"


class Shell:
    """IPython's, as far as it is asked."""

    def __init__(self, names):
        self.compile, self.names = self, names

    def format_code_name(self, name):
        return ("Cell", f"In[{self.names[name]}]") if name in self.names else None


def test_a_cell_has_the_number_beside_it(monkeypatch):
    ipython = pytest.importorskip("IPython")
    cell, other = "/tmp/ipykernel_77/1234.py", "/tmp/ipykernel_77/5.py"
    names = {cell: 3}
    monkeypatch.setattr(ipython, "get_ipython", lambda: Shell(names))
    assert (short_file(cell), short_file(other), short_file("/srv/me/own.py")) == ("<cell 3>", "<cell>", "own.py")
    names[cell] = 7  # run again
    assert short_file(cell) == "<cell 7>"
    monkeypatch.setattr(ipython, "get_ipython", lambda: None)
    assert short_file(cell) == "<cell>"
