"""Every mutant gets exactly its recorded verdict."""

import functools

import pytest

from swapmodel.kernel import base as names
from swapmodel.lint import lint
from tests.mutants import MUTANTS, Mutant, Patch, drop, said

TRIALS = [(mutant.name, trial) for mutant in MUTANTS.values() for trial in mutant.trials]


@functools.cache
def verdict(name, trial):
    """In the words of a Trial."""
    return said(MUTANTS[name].outcome(trial))


@pytest.mark.parametrize(("name", "trial"), TRIALS, ids=[f"{name}: {trial}" for name, trial in TRIALS])
def test_mutant(name, trial):
    assert verdict(name, trial) == trial.expected


# ---- the table itself ------------------------------------------------------------------------------------------------


def test_the_table_tells_why():
    assert len({(name, str(trial)) for name, trial in TRIALS}) == len(TRIALS)
    assert all(mutant.why.endswith((".", "?")) for mutant in MUTANTS.values())
    assert all(trial.kind or trial.reason for _, trial in TRIALS)


@pytest.mark.parametrize("edit", [Patch("folio_put", "nothing of this", ""), *drop("folio_put", "nor this")])
def test_an_edit_that_finds_nothing_is_refused(edit):
    with pytest.raises(ValueError, match="occurs 0 times"):
        Mutant("wrong", "", (edit,), ()).kernel()


def test_a_mutant_can_be_read():
    """By the lint, and by whoever looks at a counterexample."""
    function = MUTANTS["no-retry"].kernel().replaces["try_to_unuse"]
    lint(function, names())
    assert function.__code__.co_filename == "patches/no-retry/try_to_unuse.py"
