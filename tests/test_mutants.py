"""Every mutant gets exactly its recorded verdict; and the model agrees with what was measured on a real kernel."""

import functools

import pytest

from swapmodel.lint import lint
from tests.mutants import KERNELS, MUTANTS, Edit, Mutant, Patch, caught, drop, holds, said

TRIALS = [(mutant.name, trial) for mutant in MUTANTS.values() for trial in mutant.trials]


@functools.cache
def verdict(name, trial):
    """In the words of a Trial. Many experiments are trials of a mutant: each is explored once."""
    return said(MUTANTS[name].outcome(trial))


@pytest.mark.parametrize(("name", "trial"), TRIALS, ids=[f"{name}: {trial}" for name, trial in TRIALS])
def test_mutant(name, trial):
    assert verdict(name, trial) == trial.expected


# What was run on 6.1.192 in QEMU (real-kernel/README.md, section 2), as (what, mutant, trial): the trial says what was seen.
# B3 is MADV_FREE, which does to swapped pages what MADV_DONTNEED does; D2 and D3 free shmem's slots as D1 does.
MEASURED = (
    ("A: a process exits", "v6.8", holds("one-process", "seen")),
    ("B1, B3: MADV_DONTNEED, MADV_FREE", "v6.8", holds("madvise", "seen")),
    ("B2: munmap below the stack", "v6.8", holds("munmap-write-locked", "seen")),
    ("B4: munmap, mmap_lock downgraded", "v6.8", holds("munmap", "seen")),
    ("C: two processes, 2 MiB folio", "v6.8", holds("thread", "seen")),
    ("C1: as C, MADV_DONTNEED", "v6.8", holds("thread-madvise", "seen")),
    ("C2: as C, munmap", "v6.8", holds("thread-munmap", "seen")),
    ("D1, D2, D3: tmpfs, window of pos 1", "window-1", caught("shmem-truncate-staged", "NULL dereference")),
    ("D1: window of pos 2", "window-2", caught("shmem-truncate-staged", "use after free")),
    ("D1: interrupts off", "window-1-irqs-off", holds("shmem-truncate-staged", "seen")),
    ("D1: PREEMPT_NONE", "window-1", holds("shmem-truncate-staged", "seen", preempt="none")),
    ("N: tmpfs without any hook", "v6.8", caught("shmem-truncate", "NULL dereference")),
    ("A without any wait", "no-waits", caught("one-process", "NULL dereference")),
    ("A without any wait, pos 2", "window-2-no-waits", caught("one-process-staged", "use after free")),
    ("B1 without any wait", "no-waits", holds("madvise", "seen")),
    ("B2 without any wait", "no-waits", holds("munmap-write-locked", "seen")),
    ("B4 without any wait", "no-waits", caught("munmap", "NULL dereference")),
    ("C without any wait", "no-waits", caught("thread", "NULL dereference")),
    ("C1 without any wait", "no-waits", caught("thread-madvise", "NULL dereference")),
    ("C2 without any wait", "no-waits", caught("thread-munmap", "NULL dereference")),
    ("A without synchronize_rcu()", "no-synchronize-rcu", holds("one-process", "seen")),
    ("C without synchronize_rcu()", "no-synchronize-rcu", holds("thread", "seen")),
    ("A with a forced sleep", "sleep-in-the-window", caught("one-process", "sleeping while atomic")),
    ("C with a forced sleep", "sleep-in-the-window", caught("thread", "sleeping while atomic")),
    ("A fixed", "fixed", holds("one-process", "seen")),
    ("B1 fixed", "fixed", holds("madvise", "seen")),
    ("B2 fixed", "fixed", holds("munmap-write-locked", "seen")),
    ("C fixed", "fixed", holds("thread", "seen")),
    ("C1 fixed", "fixed", holds("thread-madvise", "seen")),
    ("C2 fixed", "fixed", holds("thread-munmap", "seen")),
    ("D1, D2, D3 fixed", "fixed", holds("shmem-truncate", "seen")),
)


@pytest.mark.parametrize(("what", "name", "trial"), MEASURED, ids=[what for what, _, _ in MEASURED])
def test_experiments(what, name, trial):
    recorded = next(t for t in MUTANTS[name].trials if str(t) == str(trial))
    assert verdict(name, recorded) == trial.expected


# ---- the table itself ------------------------------------------------------------------------------------------------


def test_the_table_tells_why():
    names = [m.name for m in MUTANTS.values()]
    assert len(names) == len(set(names))
    assert all(m.why.endswith(".") or m.why.endswith("?") for m in MUTANTS.values())
    assert all(trial.kind or trial.reason for _, trial in TRIALS)


@pytest.mark.parametrize("edit", [Patch("folio_put", "nothing of this", ""), *drop("folio_put", "nor this")])
def test_an_edit_that_finds_nothing_is_refused(edit: Edit):
    with pytest.raises(ValueError, match="occurs 0 times"):
        Mutant("wrong", "", (edit,), ()).kernel()


def test_a_mutant_can_be_read():
    """By the lint, and by whoever looks at a counterexample."""
    mutant = MUTANTS["no-retry"]
    function = mutant.kernel().replaces["try_to_unuse"]
    lint(function, dict(KERNELS["v6.8"].replaces))
    assert function.__code__.co_filename == "mutants/no-retry/try_to_unuse.py"
