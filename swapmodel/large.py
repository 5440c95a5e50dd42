"""check() of a scenario with many sub-pages that nobody maps, through one with few of them (see subpages.py)."""

from __future__ import annotations

from typing import NamedTuple

from . import fixes
from .carry import carry_over
from .explore import Budget, Outcome
from .how import How, also, search
from .kernel import Kernel, Replacements
from .program import System
from .scenarios import Parameters, Scenario
from .subpages import alike, fewer, stranger
from .trace import Recorder, record
from .versions import KERNELS

REDUCTION = "sub-pages"
MOST_COMPACT = 4  # processes: beside them and swapoff, compact states have room for one more thread, that of subpages.py


class Large(NamedTuple):
    """A scenario that is large, and how it is to be searched. `few`: its parameters with few sub-pages."""

    scenario: Scenario
    kernel: Kernel
    fix: Replacements | None
    given: Parameters
    few: Parameters

    def small(self) -> System:
        """The scenario with few sub-pages, each of which is one."""
        return self.scenario.system(self.kernel, self.few, self.fix)

    def search(self, system: System, how: How, budget: Budget, shortest: str) -> tuple[Outcome, str, System] | str:
        """What was found, how, and in which system. A remark where only a search of `system`, the large one, can tell: where a
        function is not ours, a sub-page that nobody maps is treated like no other, or what goes wrong with few pages does not
        in the same way here."""
        if not known(self.kernel, self.fix):
            return self._carried(system, how, budget, shortest, 0)
        many = alike(self.scenario, self.kernel, self.few, self.fix)
        outcome, how_searched = search(many, how, budget, "any", hunt=False)
        if outcome.verdict == "violated":
            return self._carried(system, how, budget, shortest, outcome.seconds)
        if outcome.verdict == "holds" and stranger(many) is not None:
            return ""
        outcome.reductions += (REDUCTION,)
        return outcome, also(how_searched, self._stands()), many

    def nearest(self, system: System, recorder: Recorder | None, said: str) -> tuple[Recorder | None, str]:
        """The nearest miss with few pages, and what is said of it, as one of `system`."""
        carried = carry_over(recorder.steps, system) if recorder is not None else None
        return (carried, said) if carried is not None else (None, f"with {self.few.pages} pages: {said}")

    def _stands(self) -> str:
        mapped = min(self.given.processes, self.given.pages)
        return f"{self.few.pages - mapped} sub-pages stand for the {self.given.pages - mapped} that nobody maps"

    def _carried(
        self, system: System, how: How, budget: Budget, shortest: str, seconds: float
    ) -> tuple[Outcome, str, System] | str:
        """The shortest counterexample with few pages, carried over. `seconds` it took to learn that there is one."""
        small = self.small()
        outcome, how_searched = search(small, how, budget, shortest, hunt=True)
        if outcome.verdict == "holds":  # which says nothing of the large one
            return f"with {self.few.pages} pages it holds"
        if outcome.violation is None:  # interrupted, or out of budget
            return outcome, also(how_searched, f"with {self.few.pages} pages"), small
        carried = carry_over(record(small, outcome.schedule).steps, system)
        if carried is None or carried.violation is None or carried.violation.kind != outcome.violation.kind:
            return ""
        outcome.schedule, outcome.violation = [step.thread for step in carried.steps], carried.violation
        outcome.reductions += (REDUCTION,)
        outcome.seconds += seconds
        return outcome, also(how_searched, f"found with {self.few.pages} pages and carried over, so not the shortest"), small


def large(scenario: Scenario, given: Parameters, kernel: Kernel, fix: Replacements | None, how: How) -> Large | None:
    """The scenario as one that can be searched through fewer sub-pages; None if it is not large, or not to be searched so."""
    crowded = how.compact and given.processes > MOST_COMPACT
    few = fewer(scenario, given) if how.collapses and not crowded else None
    return Large(scenario, kernel, fix, given, few) if few is not None else None


def known(kernel: Kernel, fix: Replacements | None) -> bool:
    """Are these functions ours? Of them the tests have shown that few sub-pages stand for many. A reader's may tell a large
    folio from a small one in many ways: by a size, by how often a loop goes round, by what swapoff does in between."""
    return kernel is KERNELS.get(kernel.name) and (not fix or any(dict(fix) == dict(f.replaces) for f in fixes.FIXES.values()))
