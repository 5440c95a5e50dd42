"""Every mutant gets exactly its recorded verdict; and the model agrees with what was measured on a real kernel."""

import functools

import pytest

from swapmodel.lint import lint
from tests.mutants import MUTANTS, Mutant, Patch, drop, names, said

TRIALS = [(mutant.name, trial) for mutant in MUTANTS.values() for trial in mutant.trials]


@functools.cache
def verdict(name, trial):
    """In the words of a Trial. Experiments are trials of a mutant too: each is explored once."""
    return said(MUTANTS[name].outcome(trial))


@pytest.mark.parametrize(("name", "trial"), TRIALS, ids=[f"{name}: {trial}" for name, trial in TRIALS])
def test_mutant(name, trial):
    assert verdict(name, trial) == trial.expected


SURVIVED, NULL_DEREF, VMALLOC, ATOMIC = "holds", "NULL dereference", "use after free", "sleeping while atomic"

# What was run on 6.1.192 in QEMU, and what was seen (real-kernel/README.md, section 2): what, mutant, scenario, seen. KASAN
# calls the second kind of crash vmalloc-out-of-bounds. B3 is MADV_FREE, which does to swapped pages what MADV_DONTNEED does;
# D2 and D3 free the slots of a file as D1 does; PREEMPT_DYNAMIC has the RCU of CONFIG_PREEMPT, whatever its setting.
MEASURED = (
    ("A: a process exits", "v6.8", "one-process", SURVIVED),
    ("B1, B3: MADV_DONTNEED, MADV_FREE", "v6.8", "madvise", SURVIVED),
    ("B2: munmap below the stack", "v6.8", "munmap-write-locked", SURVIVED),
    ("B4: munmap, mmap_lock downgraded", "v6.8", "munmap", SURVIVED),
    ("C: two processes, 2 MiB folio", "v6.8", "thread", SURVIVED),
    ("C1: as C, MADV_DONTNEED", "v6.8", "thread-madvise", SURVIVED),
    ("C2: as C, munmap", "v6.8", "thread-munmap", SURVIVED),
    ("D1, D2, D3: tmpfs, window of pos 1", "window-1", "shmem-truncate-staged", NULL_DEREF),
    ("D1: window of pos 2", "window-2", "shmem-truncate-staged", VMALLOC),
    ("D1: interrupts off", "window-1-irqs-off", "shmem-truncate-staged", SURVIVED),
    ("D1: PREEMPT_NONE", "window-1", "shmem-truncate-staged preempt=none", SURVIVED),
    ("N: tmpfs without any hook", "v6.8", "shmem-truncate", NULL_DEREF),
    ("A without any wait", "no-waits", "one-process", NULL_DEREF),
    ("A without any wait, pos 2", "window-2-no-waits", "one-process-staged", VMALLOC),
    ("B1 without any wait", "no-waits", "madvise", SURVIVED),
    ("B2 without any wait", "no-waits", "munmap-write-locked", SURVIVED),
    ("B4 without any wait", "no-waits", "munmap", NULL_DEREF),
    ("C without any wait", "no-waits", "thread", NULL_DEREF),
    ("C1 without any wait", "no-waits", "thread-madvise", NULL_DEREF),
    ("C2 without any wait", "no-waits", "thread-munmap", NULL_DEREF),
    ("A without synchronize_rcu()", "no-synchronize-rcu", "one-process", SURVIVED),
    ("C without synchronize_rcu()", "no-synchronize-rcu", "thread", SURVIVED),
    ("A with a forced sleep", "sleep-in-the-window", "one-process", ATOMIC),
    ("C with a forced sleep", "sleep-in-the-window", "thread", ATOMIC),
    ("A fixed", "fixed", "one-process", SURVIVED),
    ("B1 fixed", "fixed", "madvise", SURVIVED),
    ("B2 fixed", "fixed", "munmap-write-locked", SURVIVED),
    ("C fixed", "fixed", "thread", SURVIVED),
    ("C1 fixed", "fixed", "thread-madvise", SURVIVED),
    ("C2 fixed", "fixed", "thread-munmap", SURVIVED),
    ("D1, D2, D3 fixed", "fixed", "shmem-truncate", SURVIVED),
)


@pytest.mark.parametrize(("what", "name", "scenario", "seen"), MEASURED, ids=[m[0] for m in MEASURED])
def test_experiments(what, name, scenario, seen):
    [trial] = [t for t in MUTANTS[name].trials if str(t) == scenario]
    assert verdict(name, trial) == seen


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
    assert function.__code__.co_filename == "mutants/no-retry/try_to_unuse.py"
