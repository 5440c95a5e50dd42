"""check(): one scenario on one kernel with one fix, to a verdict; and the interleaving that gets nearest where it holds."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .coverage import coverage
from .explore import Budget, Outcome, Space, fewest_steps, fewest_switches, no_collection
from .fixes import Fix, functions_of_fix
from .how import How, also, search
from .kernel import Kernel, Replacements, demand_kernel_function, source_hash
from .large import Large, large
from .lockorder import Inversion, inversions, lock_edges
from .machine import Violation
from .names import UnknownName, look_up_or_take, nearest, quoted
from .program import System
from .progress import Progress
from .scenarios import SCENARIOS, Parameters, Scenario
from .trace import Recorder, record
from .versions import KERNELS

NEAREST_STATES = 400_000
MAX_STATES, MAX_BYTES = 5_000_000, 6 << 30  # what a check may take, if nothing is said
MOST_STATES = {"python": MAX_STATES, "compiled": 100 * MAX_STATES}  # by engine


SWAPOFF_WAITS = frozenset({"cond_synchronize_rcu", "wait_for_completion"})


class Verdict:
    """What was asked and what came out. `document()` is the JSON, `recorder` the counterexample or the nearest miss."""

    def __init__(self, scenario: Scenario, kernel: Kernel, fix: str, parameters: Parameters, shortest: str):
        self.scenario, self.kernel, self.fix, self.parameters, self.shortest = scenario, kernel, fix, parameters, shortest
        self.outcome = Outcome()
        self.searched = ""  # how, where that is not as always
        self.recorder: Recorder | None = None
        self.stopped_at = ""  # where it holds: what stops the nearest miss
        self.reached: dict[str, Any] = {}
        self.lock_order: list[Inversion] = []
        self.source = ""
        self.functions: Replacements | None = None  # of the fix

    @property
    def verdict(self) -> str:
        """holds | violated | unfinished"""
        return self.outcome.verdict

    def __repr__(self) -> str:
        fix = f" with {self.fix}" if self.fix else ""
        return f"{self.scenario.name} on {self.kernel.name}{fix}: {self.verdict} ({self.outcome.states} states)"

    def __str__(self) -> str:
        from .views import report

        return report(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from .replay import Replay

        return Replay(self, (), ())._repr_mimebundle_(include, exclude)

    def _repr_html_(self) -> str:
        """The player alone, for what shows a verdict inside something else."""
        from .replay import Replay

        return Replay(self, (), ()).html()

    def document(self) -> dict[str, Any]:
        """The verdict as plain data: see verdict.schema.json."""
        outcome, names = self.outcome, tuple(self.recorder.system.memory.threads) if self.recorder else ()
        violation = outcome.violation
        return {
            "scenario": self.scenario.name,
            "kernel": self.kernel.name,
            "fix": self.fix or None,
            "machine": {**self.parameters._asdict(), "memory_model": "sequential consistency"},
            "verdict": outcome.verdict,
            "reason": outcome.reason or self.stopped_at or None,
            "violation": {"kind": violation.kind, "message": str(violation)} if violation else None,
            "states": outcome.states,
            "transitions": outcome.transitions,
            "depth": outcome.depth,
            "seconds": round(outcome.seconds, 3),
            "shortest": self.shortest,
            "reductions": list(outcome.reductions),
            "searched": self.searched or None,
            "trace": [s.document(names) for s in self.recorder.steps] if self.recorder else [],
            "coverage": self.reached,
            "source": self.source,
        }


def check(
    scenario: Scenario | str,
    kernel: Kernel | str = "v6.8",
    *,
    fix: Replacements | Callable[..., Any] | Fix | str | None = None,
    fix_name: str = "",
    shortest: str = "steps",
    budget: Budget | None = None,
    nearest: bool = True,
    **more: Any,
) -> Verdict:
    """Explores every interleaving of `scenario` on `kernel`, with the functions of `fix` in place of the kernel's.

    `fix` is one function of a kernel function's name, or a dict of them by name, or the name of one in FIXES. `shortest` is
    "steps", "switches" or "any". `more` are the parameters of scenarios.Parameters: processes, pages, preempt, slot_cache,
    device; and how to search (see how.py): `reduce`, `releases`, `persistent`, `sleep`, `compact`, `engine` as in explore();
    `checkpoint`, a file that the search is written to now and then, and goes on from; `switches`, only what needs at most so
    many context switches; `random`, so many random executions, from `seed`. These two never say `holds`, and what they find
    need not be the shortest. Few sub-pages of a large folio stand for many that nobody maps, on our kernels and with our fixes,
    unless `subpages=False`; the verdict says so where they do.

    May raise KernelError (a function the machine can't run) or ValueError (an argument that can't be, or arguments that
    contradict)."""
    _demand_known(more)
    parameters = Parameters(**{name: value for name, value in more.items() if name in Parameters._fields})
    how = How(**{name: value for name, value in more.items() if name in How._fields})
    how.demand_consistent()
    if shortest not in ("steps", "switches", "any"):
        raise ValueError(f"shortest is 'steps', 'switches' or 'any', not {shortest!r}")
    if budget is not None and not isinstance(budget, Budget):
        raise ValueError(f"budget is a Budget, as in check(..., budget=Budget(max_seconds=5)), not {quoted(budget)}")
    scene = look_up_or_take("scenario", scenario, SCENARIOS)
    chosen = look_up_or_take("kernel", kernel, KERNELS)
    functions, name = functions_of_fix(fix)
    given = scene.fill(parameters)
    verdict = Verdict(scene, chosen, fix_name or name, given, "any" if how.samples else shortest)
    demand_kernel_function(chosen, functions)
    verdict.functions = functions
    system = scene.system(chosen, given, functions)
    hunt = not functions and recorded(verdict) == "violated"
    many = large(scene, given, chosen, functions, how)
    progress = Progress(f"{scene.name} on {chosen.name}")
    try:
        limits = budget or Budget(MOST_STATES[how.engine], None, MAX_BYTES, progress)
        explored = _search(verdict, system, many, how, limits, hunt)
        look_at_lock_order(verdict, explored)
        verdict.reached = coverage(explored.programs)
        verdict.source = source_hash(system.kernel)
        _show(verdict, system, many if explored is not system else None, limits.tick, nearest)
    finally:
        progress.close()
    return verdict


def _search(verdict: Verdict, system: System, many: Large | None, how: How, budget: Budget, hunt: bool) -> System:
    """Gives the verdict what was found. Returns the system that was explored: the one asked for, or one with few sub-pages."""
    found = many.search(system, how, budget, verdict.shortest) if many is not None else ""
    if isinstance(found, str):
        verdict.outcome, verdict.searched = search(system, how, budget, verdict.shortest, hunt)
        if verdict.verdict == "unfinished":
            verdict.searched = also(verdict.searched, found)
        return system
    verdict.outcome, verdict.searched, explored = found
    if verdict.verdict == "violated":
        verdict.shortest = "any"
    return explored


def _show(verdict: Verdict, system: System, many: Large | None, tick: Callable[[int, int], None] | None, nearest: bool) -> None:
    """Gives the verdict its interleaving."""
    if verdict.verdict == "violated":
        verdict.recorder = record(system, verdict.outcome.schedule)
        verdict.recorder.violation = verdict.outcome.violation
    elif verdict.verdict == "holds" and nearest:
        try:
            verdict.recorder, verdict.stopped_at = nearest_miss(many.small() if many else system, tick)
        except KeyboardInterrupt:
            verdict.stopped_at = "the search for the nearest miss was interrupted"
        if many is not None:
            verdict.recorder, verdict.stopped_at = many.nearest(system, verdict.recorder, verdict.stopped_at)


def _demand_known(more: Mapping[str, Any]) -> None:
    """UnknownName for an argument that check() does not have."""
    known = Parameters._fields + How._fields
    taken = [*inspect.signature(check).parameters][:-1] + list(known)
    for name in more:
        if name not in known:
            guess = nearest(name, taken)
            hint = f"did you mean {guess}? " if guess else ""
            raise UnknownName(f"check() takes no argument {name!r}; {hint}it takes {', '.join(taken)}")


def demand_verdict(function: str, given: Any) -> None:
    """ValueError where something else was handed over in place of the verdict."""
    if not isinstance(given, Verdict):
        name = given if isinstance(given, str) and given in SCENARIOS else "shmem-truncate"
        more = ", kernel='v6.9'" if function == "against" else ""
        raise ValueError(f"{function}() takes a verdict: {function}(check({name!r}){more}), not {quoted(given)}")


def look_at_lock_order(verdict: Verdict, system: System) -> None:
    """Locks that are taken in both orders are a violation of their own, as for lockdep, where nothing else goes wrong: no
    interleaving of these threads need lead into the deadlock."""
    verdict.lock_order = inversions(lock_edges(system))
    if verdict.lock_order and verdict.verdict == "holds":
        verdict.outcome.verdict = "violated"
        verdict.outcome.violation = Violation("lock order", str(verdict.lock_order[0]))


@functools.cache
def all_recorded() -> dict[str, Any]:
    """Verdict, kind of violation and exact number of states of every recorded cell; tests/record.py writes them."""
    text = (Path(__file__).parent / "recorded.json").read_text(encoding="utf-8")
    cells: dict[str, Any] = json.loads(text)
    return cells


def recorded(verdict: Verdict) -> str:
    """The recorded verdict, where the parameters are the scenario's own: it tells which search is likely to be the faster."""
    own = verdict.scenario.fill(Parameters())
    p = verdict.parameters
    if p._replace(preempt=own.preempt, slot_cache=own.slot_cache) != own:
        return ""
    cell = cell_name(verdict.scenario.name, verdict.kernel.name, p.preempt, p.slot_cache)
    return str(all_recorded().get(cell, {}).get("verdict", ""))


def cell_name(scenario: str, kernel: str, preempt: str, slot_cache: bool) -> str:
    return f"{scenario} {kernel} preempt={preempt} slot-cache={'on' if slot_cache else 'off'}"


def nearest_miss(system: System, tick: Callable[[int, int], None] | None = None) -> tuple[Recorder | None, str]:
    """The interleaving that would go wrong if swapoff waited for nobody, replayed on the real system up to the step at which
    it is stopped; and who stops it."""
    few = Budget(max_states=NEAREST_STATES, tick=tick)
    with no_collection():
        schedule = nearest_schedule(Space(system, skip=SWAPOFF_WAITS), few)
    recorder = Recorder(system)
    for t in schedule:
        if not recorder.take(t):
            return recorder, f"{system.memory.threads[t]} {recorder.waits(t)}"
    if few.over and not schedule:
        return None, f"no near miss was found among the first {NEAREST_STATES:,} states"
    if "swapoff" in system.memory.threads and not _frees(system):
        return None, "swapoff never comes to free anything here, so this says nothing about what would happen then"
    if "swapoff" not in system.memory.threads:
        return None, "no thread waits for a grace period here: locks and counts alone keep the threads apart"
    return None, "even if swapoff waited for nobody, nothing would go wrong: locks alone keep the threads apart"


def _frees(system: System) -> bool:
    """Did any thread, in what was explored, come to free the map?"""
    steps = (step for program in system.programs for step in program.steps if step is not None)
    return any(step.operation is not None and step.operation.name == "vfree" for step in steps)


def nearest_schedule(space: Space, few: Budget) -> list[int]:
    """A violating schedule with few steps and few context switches, to show; empty if none was found."""
    found = fewest_steps(space, few)
    if found is None:
        return []
    again = fewest_switches(space, few, [found[0].count(t) for t in space.threads])
    return again[0] if again else found[0]
