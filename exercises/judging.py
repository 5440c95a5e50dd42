"""The explorer as judge: verdicts that are asked for again and again, and a reader's kernel functions put to it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import swapmodel
from swapmodel import Budget, Machine, Verdict
from swapmodel.explore import Outcome
from swapmodel.fixes.mistakes import remedy
from swapmodel.machine import Violation
from swapmodel.trace import Recorder
from swapmodel.views import failure

from .result import Interleaving, NoAnswer, Result, wrong
from .slots import of_machine

STATES = 150_000  # of one search for a reader's functions: the kernel's own take a tenth of it


class Case(NamedTuple):
    """What a reader's fix is put to."""

    scenario: str
    kernel: str = "v6.8"
    preempt: str = "full"
    slot_cache: bool = False

    def __str__(self) -> str:
        cache = ", slot cache on" if self.slot_cache else ""
        return f"{self.scenario} on {self.kernel}, preempt {self.preempt}{cache}"


@functools.cache
def explored(case: Case, fix: str = "", nearest: bool = False) -> Verdict:
    """The verdict on a kernel as it is, or with a fix of the catalogue: searched once."""
    return swapmodel.check(
        case.scenario, case.kernel, fix=fix or None, preempt=case.preempt, slot_cache=case.slot_cache, nearest=nearest
    )


def to_show(case: Case, fix: str = "") -> Verdict:
    """The same with something to see: the counterexample, or the nearest miss where it holds."""
    verdict = explored(case, fix)
    return verdict if verdict.verdict == "violated" else explored(case, fix, nearest=True)


def put_to(case: Case, fix: Any, kernel: Any = None) -> Verdict:
    """The verdict on a reader's functions. NoAnswer where the search did not end."""
    budget = Budget(max_states=STATES)
    chosen = kernel or case.kernel
    verdict = swapmodel.check(
        case.scenario, chosen, fix=fix, budget=budget, preempt=case.preempt, slot_cache=case.slot_cache, nearest=False
    )
    if verdict.verdict == "unfinished":
        raise NoAnswer(
            f"{case}: the search did not end, {verdict.outcome.reason}.", "Fewer steps, or no loop, keep the space small."
        )
    return verdict


def first_violated(cases: Iterable[Case], fix: Any, hints: Callable[[Verdict], str]) -> Result | None:
    """The first case that goes wrong with a reader's functions, as a result; None if all hold."""
    for case in cases:
        verdict = put_to(case, fix)
        if verdict.verdict == "violated":
            return wrong(f"{case}: {told(verdict)}", mistake_hint(verdict) or hints(verdict), verdict)
    return None


def refuted(fix: Any, cases: Iterable[Case], hints: Callable[[Verdict], str], kernel: str = "v6.8") -> Result | None:
    """What is wrong with a fix for freeing entries: in an interleaving, or with nobody else about. None if nothing is."""
    bad = first_violated(cases, fix, hints)
    return left_behind(fix, kernel) if bad is None else bad


def left_behind(fix: Any, kernel: str = "v6.8") -> Result | None:
    """Does a fix still do the old work? Alone on the machine, truncation frees the slot of a page in the swap cache."""
    machine = Machine(slots=64, kernel=kernel, fix=fix)
    machine.write(machine.files[0], 0, "data")
    machine.swap_out(machine.files[0], 0, keep=True)
    try:
        machine.truncate(machine.files[0])
    except Violation as violation:
        return wrong(f"Alone on the machine, truncation fails: {violation}.", "No second thread is needed: follow one call.")
    if of_machine(machine, machine.sizes.cluster).byte:
        return wrong(
            "Alone on the machine, the last reference goes, and the folio stays in the swap cache.",
            "The race is not the matter: does your function still do all of the old work?",
        )
    return None


def told(verdict: Verdict) -> str:
    """What went wrong, in a sentence; of a reader's own mistake with its line."""
    if mistake := remedy(verdict):
        return mistake + "."
    found = failure(verdict.recorder) if verdict.recorder else ""
    return (found or str(verdict.outcome.violation)).split("\n")[0] + "."


MISTAKES = {
    "deadlock": "Somebody waits for ever for what your function took: look at every path out of it, early returns too.",
    "livelock": "A loop goes round while others wait for what it holds: does every pass leave a way out?",
    "lock misuse": "Look at each lock and section on your path: is it taken once, and given back before you return?",
    "sleeping while atomic": "Whoever calls you may hold a spinlock or be inside an RCU section: nothing there may sleep.",
    "lock order": "Two locks are taken in both orders: nobody need be unlucky for lockdep to complain.",
}


def mistake_hint(verdict: Verdict) -> str:
    violation = verdict.outcome.violation
    if "returns without its end" in remedy(verdict):  # a section left open is found where somebody sleeps much later
        return MISTAKES["lock misuse"]
    return MISTAKES.get(violation.kind, "") if violation else ""


def interleaving(case: Case, recorder: Recorder) -> Verdict | Interleaving:
    """What a reader's schedule made happen: a Verdict where it violates something, as it is a counterexample then."""
    if recorder.violation is None:
        return Interleaving(recorder)
    scenario, kernel = swapmodel.SCENARIOS[case.scenario], swapmodel.KERNELS[case.kernel]
    parameters = scenario.fill(swapmodel.Parameters(preempt=case.preempt, slot_cache=case.slot_cache))
    verdict = Verdict(scenario, kernel, "", parameters, "any")
    verdict.outcome, verdict.recorder = Outcome(), recorder
    verdict.outcome.verdict, verdict.outcome.violation = "violated", recorder.violation
    verdict.outcome.schedule = [step.thread for step in recorder.steps]
    return verdict
