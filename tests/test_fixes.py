"""What each named fix is worth, found by the model; and how fixes are listed and shown."""

import re

import pytest

from swapmodel import FIXES, check
from swapmodel.__main__ import main
from swapmodel.fixes import KINDS, Fix
from swapmodel.kernel import base
from swapmodel.lint import lint

# ---- the verdicts ----------------------------------------------------------------------------------------------------
#
# Columns: shmem-truncate on v6.8 preempt full, none, on as-argued full, none; then one-process likewise. H holds, V violated.
# Under preempt=none nobody is descheduled inside the window, so a grace period waits for whoever is in it, with any lock or
# none: only what removes swapoff's waits, or fails by itself, is violated there.

UNFIXED = "VHVH HHVH"  # truncation holds no lock: violated. A page table lock is an RCU reader on v6.8, not on as-argued.
FIXED = "HHHH HHHH"
SHMEM_ONLY = "HHHH HHVH"  # nothing for zap, which on as-argued has no protection of its own
ALWAYS = "VVVV VVVV"

EXPECTED = {
    # It still dereferences swapper_spaces and si after the window: candidate F does not help.
    "no-pre-check": (UNFIXED, "use after free"),
    # Another race: how late inuse_pages drops does not matter to who dropped the reference long before.
    "inuse-last": (UNFIXED, "NULL dereference"),
    # Miaohe Lin is right about zap on v6.8, Ryan Roberts's reason is not enough on as-argued, and shmem has no such lock.
    "rely-on-ptl": (UNFIXED, "NULL dereference"),
    # Taken again by __swap_entry_free(), the first thing inside.
    "cluster-lock-nested": (ALWAYS, "lock misuse"),
    # The look is protected, what comes after it is not: as no-pre-check, and the same first victim.
    "cluster-lock": (UNFIXED, "use after free"),
    # Surprise, examined: this protects on as-argued too, so not because a spinlock is an RCU reader. Whoever frees the slot
    # needs the same cluster's lock, then the folio lock; what is unlocked is alive because the slot still has its 0x40.
    "cluster-lock-to-folio-lock": (FIXED, ""),
    # Taken again where folio_free_swap() frees the slot.
    "si-lock-nested": (ALWAYS, "lock misuse"),
    # As cluster-lock-to-folio-lock, with the lock under which inuse_pages drops; the kernel had this shape until v4.10.
    "si-lock": (FIXED, ""),
    # The pin is taken while the entry is still counted.
    "patch-v1": (FIXED, ""),
    # Huang Ying's objection: swapoff's own shmem_swapin_folio() pins a device for an entry that truncation is just freeing.
    # On one-process nobody pins without holding what keeps the slot in use: swapoff finds the folio by the cache.
    "check-in-get-swap-device": ("VVVV HHHH", "kernel WARNING"),
    "get-swap-device": (FIXED, ""),
    "rcu-in-shmem": (SHMEM_ONLY, "NULL dereference"),
    "pin-in-shmem": (SHMEM_ONLY, "NULL dereference"),
    "patch-v3": (FIXED, ""),
    # Also on as-argued: the section does not need the page table lock to be a reader.
    "rcu-read-lock": (FIXED, ""),
    # Safe because it may fail: until the pin fails nothing was touched, and then nothing is.
    "pin-after-drop": (FIXED, ""),
    # Even under preempt=none: the pin fails from percpu_ref_kill() on, which is before swapoff waits for anybody.
    "pin-after-drop-assumed": (ALWAYS, "reference count underflow"),
    # Too late: the grace period may have begun, or be over, when the section begins.
    "rcu-after-drop": (UNFIXED, "NULL dereference"),
    # The device may go away right after the second look.
    "recheck-after-drop": (UNFIXED, "NULL dereference"),
    # percpu_ref_kill() brings a grace period of its own before the completion: nothing changes (measured on 6.1.192).
    "no-synchronize-rcu": (UNFIXED, "NULL dereference"),
    # The one removal that makes even the page table lock and preempt=none useless (measured).
    "no-waits": (ALWAYS, "NULL dereference"),
    # The same as no-synchronize-rcu: the grace period of percpu_ref_kill() is still between inuse_pages == 0 and NULL.
    "synchronize-rcu-before-unuse": (UNFIXED, "NULL dereference"),
    # With that one moved too, nothing waits for who drops his reference during try_to_unuse().
    "waits-before-unuse": (ALWAYS, "NULL dereference"),
    # The grace period protects the memory, not the pointer: NULL, never a use after free.
    "null-before-synchronize": (ALWAYS, "NULL dereference"),
}
CELLS = [
    (scenario, kernel, preempt)
    for scenario in ("shmem-truncate", "one-process")
    for kernel in ("v6.8", "as-argued")
    for preempt in ("full", "none")
]


def test_every_fix_has_its_expected_verdicts():
    assert list(EXPECTED) and set(EXPECTED) == set(FIXES)
    assert len(FIXES) >= 14


@pytest.mark.parametrize("name", EXPECTED)
def test_verdicts(name):
    expected, kind = EXPECTED[name]
    for letter, (scenario, kernel, preempt) in zip(expected.replace(" ", ""), CELLS, strict=True):
        found = check(scenario, kernel, fix=name, preempt=preempt, shortest="any", nearest=False)
        assert found.verdict == {"H": "holds", "V": "violated"}[letter], (scenario, kernel, preempt)
        assert found.outcome.violation is None or found.outcome.violation.kind == kind


@pytest.mark.parametrize(
    ("name", "kernel", "preempt", "verdict"),
    [
        # Ryan Roberts's and David Hildenbrand's two processes: as they reasoned it is a race, on v6.8 it is none.
        ("rely-on-ptl", "as-argued", "full", "violated"),
        ("rely-on-ptl", "v6.8", "full", "holds"),
        # Of a PMD-size folio too: the lock covers all its slots, and the folio lock comes before the cluster's is dropped.
        ("cluster-lock-to-folio-lock", "as-argued", "full", "holds"),
        # The early exit at inuse_pages == 0 lets swapoff pass, and then nothing waits.
        ("no-waits", "v6.8", "none", "violated"),
    ],
)
def test_verdicts_with_two_processes(name, kernel, preempt, verdict):
    assert check("thread", kernel, fix=name, preempt=preempt, shortest="any", nearest=False).verdict == verdict


def test_null_before_synchronize_hurts_even_who_has_the_device_pinned():
    """A pin keeps swapoff from freeing, not from the NULL that comes before it waits for the pin."""
    both = {**FIXES["null-before-synchronize"].replaces, **FIXES["get-swap-device"].replaces}
    assert check("shmem-truncate", fix=both, nearest=False).outcome.violation.kind == "NULL dereference"


def test_the_false_alarm_is_in_swapoff_itself():
    found = check("shmem-truncate", fix="check-in-get-swap-device", nearest=False)
    fault = found.recorder.steps[-1]
    assert {"shmem_swapin_folio", "get_swap_device"} <= {f.function for f in fault.stack}


@pytest.mark.parametrize("device", ["ssd", "hdd"])
@pytest.mark.parametrize("name", ["cluster-lock-to-folio-lock", "si-lock"])
def test_the_locks_on_both_kinds_of_device(name, device):
    for cache in (False, True):
        assert check("shmem-truncate", fix=name, device=device, slot_cache=cache, nearest=False).verdict == "holds"


# ---- what a fix is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fix", FIXES.values(), ids=lambda f: f.name)
def test_a_fix_is_told_whole(fix):
    assert fix.kind in KINDS
    assert not re.search(r"\b(violat|holds\b|is wrong|UAF)", fix.note), "the note tells the verdict"
    for function in fix.replaces.values():
        lint(function, base())
    for text in (fix.title, fix.origin.split()[0], *(f"{n}()" for n in fix.replaces)):
        assert text in str(fix)
    assert ("\n+" in str(fix) or "\n-" in str(fix)) == bool(fix.replaces)


def test_html_is_escaped():
    shown = Fix("<b>", "<i>", "2024", {}, "candidate", "a < b")._repr_html_()
    assert "<b>" not in shown and "<i>" not in shown and "&lt;b&gt;" in shown


def test_list_groups_fixes_by_kind(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    places = [out.index(f"Fixes, {kind}") for kind in KINDS]
    assert places == sorted(places)
    assert all(re.search(rf"^  {name} ", out, re.M) for name in FIXES)


def test_list_shows_one_fix(capsys):
    assert main(["list", "fix", "rcu-in-shmem"]) == 0
    out = capsys.readouterr().out
    assert "Huang Ying" in out and "+    yield rcu_read_lock()" in out and "--- a/mm/shmem.py" in out


@pytest.mark.parametrize("arguments", [["list", "fix"], ["list", "fix", "rcu-in-shmen"], ["list", "fixes"]])
def test_list_of_what_there_is_not(capsys, arguments):
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
