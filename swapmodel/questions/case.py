"""A case: one scenario on one kernel, with lines changed where the question changes them; and what the explorer says."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from ..explore import Budget, explore
from ..explore.fair import Starvation, starves
from ..fixes import FIXES
from ..kernel import Kernel
from ..names import look_up
from ..program import System
from ..scenarios import Parameters
from ..trace import Recorder, record
from ..versions import KERNELS
from ..views import failure, plural
from .failures import failures
from .patches import patched
from .scenes import ALL_SCENARIOS, OWN_FUNCTIONS, without_guards


class Result(NamedTuple):
    """What came out of a case. `steps` and `switches` of the witness; `failures`: (kind, where) of all that can go wrong, if
    the case asked for every one."""

    verdict: str  # holds | violated | unfinished
    kind: str
    states: int
    steps: int = 0
    switches: int = 0
    cause: str = ""
    failures: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, document: dict[str, Any]) -> Result:
        """From the recorded JSON."""
        return cls(**{**document, "failures": tuple((kind, where) for kind, where in document["failures"])})

    @property
    def kinds(self) -> set[str]:
        """The kinds of violation that were found."""
        return {kind for kind, _ in self.failures} | ({self.kind} if self.kind else set())

    def __str__(self) -> str:
        if self.verdict != "violated":
            return f"{self.verdict}, {self.states:,} states"
        if self.failures:
            return f"{plural(len(self.failures), 'failure')} in {self.states:,} states"
        if self.kind == "starvation":
            return f"starvation begins after {self.steps} steps"
        return f"{self.kind} after {self.steps} steps, {self.switches} switches"


class Case(NamedTuple):
    """`patches` are names in PATCHES, laid over `kernel` one after the other; `fix` is a name in FIXES. `unguarded` takes the
    rules away that say which lock a word needs; `every` goes on after the first failure, and finds each kind at each place."""

    scenario: str
    kernel: str = "v6.8"
    patches: tuple[str, ...] = ()
    fix: str = ""
    parameters: Parameters = Parameters()
    unguarded: bool = False
    every: bool = False
    fair: bool = False

    def __str__(self) -> str:
        own = Parameters()._asdict()
        changed = [f"{n.replace('_', ' ')} {v}" for n, v in self.parameters._asdict().items() if v != own[n]]
        fix = [f"with {self.fix}"] * bool(self.fix)
        asked = [*changed, *["no lock rules"] * self.unguarded, *["every failure"] * self.every, *["fair"] * self.fair]
        kernel = " ".join([self.kernel, *fix, *(f"+ {p}" for p in self.patches)])
        return ", ".join([f"{self.scenario} on {kernel}", *asked])

    def system(self) -> System:
        """Ready to explore."""
        kernel = patched(KERNELS[self.kernel], self.patches)
        fix = FIXES[self.fix].replaces if self.fix else {}
        scenario = look_up("scenario", self.scenario, ALL_SCENARIOS)
        if self.unguarded:
            scenario = without_guards(scenario)
        return scenario.system(Kernel(str(self), kernel.title, {**OWN_FUNCTIONS, **kernel.replaces, **fix}), self.parameters)

    def run(self, budget: Budget | None = None) -> Result:
        """Explores every interleaving; a witness has the fewest steps."""
        system = self.system()
        if self.every:
            return self._every(system, budget)
        if self.fair:
            return self._fair(system, budget)
        outcome, _ = explore(system, budget)
        if outcome.reason == "interrupted":
            raise KeyboardInterrupt
        if outcome.violation is None:
            return Result(outcome.verdict, "", outcome.states)
        recorder = record(system, outcome.schedule)
        steps, switches = len(recorder.steps), switches_of(recorder)
        cause = failure(recorder) or str(outcome.violation)
        return Result(outcome.verdict, outcome.violation.kind, outcome.states, steps, switches, cause)

    def _every(self, system: System, budget: Budget | None) -> Result:
        states, found = failures(system, budget or Budget())
        first = next(iter(found), ("", ""))
        return Result("violated" if found else "holds", first[0], states, failures=tuple(found))

    def _fair(self, system: System, budget: Budget | None) -> Result:
        states = explore(system, budget, reduce=False, finish=False)[0].states
        found = starves(system, "swapoff", budget)
        if isinstance(found, Starvation):
            return Result("violated", "starvation", states, len(found.prefix), cause=str(found))
        return Result("holds" if found is None else "unfinished", "", states)

    def witness(self) -> Recorder | None:
        """The interleaving of a case that goes wrong, to be shown."""
        system = self.system()
        outcome, _ = explore(system)
        return record(system, outcome.schedule) if outcome.violation is not None else None


def switches_of(recorder: Recorder) -> int:
    return sum(a.thread != b.thread for a, b in itertools.pairwise(recorder.steps))
