"""The model agrees with what was measured on a real kernel, row by row."""

import pytest

from swapmodel.experiments import ATOMIC, EXPERIMENTS, NULL_DEREF, SURVIVED, USE_AFTER_FREE, compared


@pytest.mark.parametrize("row", EXPERIMENTS, ids=lambda row: f"{row.what}; {row.changed or 'as shipped'}")
def test_equal_or_explained(row):
    [(_, verdict, told)] = compared((row,))
    assert (verdict == row.seen) == (told == "equal")
    assert told == "equal" or told.startswith("explained: ")


def test_only_one_row_needs_an_explanation():
    assert [row.changed for row in EXPERIMENTS if row.why] == ["interrupts off in the window alone"]


def test_every_outcome_was_seen():
    assert {row.seen for row in EXPERIMENTS} == {SURVIVED, NULL_DEREF, USE_AFTER_FREE, ATOMIC}


def test_a_wrong_model_is_told():
    """Where nobody waits for anybody the model must not say that process exit survives."""
    [row] = [r for r in EXPERIMENTS if r.what == "A" and r.changed == "swapoff waits for nobody"]
    [(_, verdict, told)] = compared((row._replace(seen=SURVIVED),))
    assert verdict == NULL_DEREF and told == "DIFFERENT"
