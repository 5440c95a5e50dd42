"""family("Z13"): both kernels of a race are explored, and what came out is shown."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterator

from ..coverage import coverage
from ..explain import against
from ..explore import Budget
from ..explore.priority import hogs
from ..kernel import Kernel, source_hash
from ..machine import Violation
from ..names import look_up
from ..trace import record
from ..verdict import Parameters, Verdict, check
from ..views import columns, failure, heading, plural, sentence, summary
from .race import WIDTH, Race, block
from .table import FAMILY


class Pair:
    """A race and its two verdicts. `buggy.recorder` is the interleaving, as of any verdict: why(), svg(), commit_message() and
    the others take it."""

    def __init__(self, race: Race, buggy: Verdict, fixed: Verdict):
        self.race, self.buggy, self.fixed = race, buggy, fixed

    @functools.cached_property
    def stopped(self) -> str:
        """Where the old interleaving ends on the kernel with the fix, in a sentence."""
        if self.race.one_cpu or self.buggy.verdict != "violated":
            return ""
        return against(self.buggy, kernel=self.fixed.kernel).said

    def __repr__(self) -> str:
        return f"<{self.race.name}: {self.buggy.verdict} without the fix, {self.fixed.verdict} with it>"

    def __str__(self) -> str:
        return "\n".join([self.race.head, *self._lines()])

    def _lines(self) -> Iterator[str]:
        yield from (*self.race.lines(), "", summary(self.fixed))
        if self.stopped:
            yield textwrap.fill(f"The interleaving below, on this kernel: {self.stopped}.", WIDTH)
        yield from ("", summary(self.buggy))
        if self.buggy.recorder is not None and self.buggy.verdict == "violated":
            shared = "Both tasks share a CPU: a column is a task.\n" if self.race.one_cpu else ""
            yield from ("", heading(self.buggy), shared, columns(self.buggy.recorder), "")
            yield textwrap.fill(sentence(failure(self.buggy.recorder)), WIDTH)

    def _repr_html_(self) -> str:
        return block(self.race.head, self._lines())


def family(name: str, budget: Budget | None = None) -> Pair:
    """Explores every interleaving of a race of FAMILY on both its kernels. UnknownName, in one sentence, for a race that there
    is not."""
    race = look_up("race of the bug family", str(name).strip().upper(), FAMILY)
    buggy, fixed = race.kernels()
    return Pair(race, explored(race, buggy, budget), explored(race, fixed, budget))


def explored(race: Race, kernel: Kernel, budget: Budget | None = None) -> Verdict:
    """The verdict of one side; a counterexample has the fewest context switches."""
    if race.one_cpu:
        return on_one_cpu(race, kernel, budget)
    return check(race.scenario, kernel, shortest="switches", budget=budget, nearest=False, preempt=race.preempt)


def on_one_cpu(race: Race, kernel: Kernel, budget: Budget | None = None) -> Verdict:
    """The same for a race of two tasks on one CPU: the second one, of real-time priority, may come at any moment."""
    verdict = Verdict(race.scenario, kernel, "", race.scenario.fill(Parameters()), "any")
    system = race.scenario.system(kernel, verdict.parameters)
    outcome = verdict.outcome
    found, outcome.states, outcome.reason = hogs(system, 0, 1, budget)
    outcome.verdict = "violated" if found else "unfinished" if outcome.reason else "holds"
    if found:
        low, high = system.memory.threads
        told = f"{high} never gives the CPU back: its last {plural(found.cycle, 'step')} repeat, and {low} can't go on"
        outcome.violation, outcome.schedule = Violation("livelock", told), found.schedule
        verdict.recorder = record(system, found.schedule)
        verdict.recorder.violation = outcome.violation
    verdict.reached = coverage(system.programs)
    verdict.source = source_hash(system.kernel)
    return verdict
