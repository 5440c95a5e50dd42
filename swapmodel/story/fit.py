"""fits(): does any execution of a kernel fit a story? A witness, or the point beyond which none can follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..explore import Budget, NotReducible, Space, no_collection
from ..explore.guided import Guided, guided
from ..fixes import Fix, functions_of_fix
from ..kernel import Kernel, Replacements, demand_kernel_function
from ..names import look_up_or_take, quoted
from ..program import System
from ..scenarios import SCENARIOS, Parameters, Scenario
from ..trace import Recorder, record
from ..versions import KERNELS
from .bound import bind
from .cast import MAPPINGS, Cast, cast
from .events import Call, Said, Story
from .script import Line, StoryScript
from .stuck import stuck

CHAINS = 20_000  # states in which an execution is looked for that also passes every function of an `a()->b()->c()` chain
RUN_ON = 200  # steps that a witness is run on, to show what comes of the last call


class Fit:
    """The answer. `feasible` is None when a budget ended the search. `recorder` is the witness, or the execution that comes
    furthest; `next` is the event that can't follow there, and `why` says what stops it."""

    def __init__(self, story: Story, kernel: Kernel, fix: str, chosen: Cast):
        self.story, self.kernel, self.fix = story, kernel, fix
        self.scenario, self.parameters, self.threads = chosen.scenario, chosen.parameters, chosen.threads
        self.mapping = chosen.mappings[0]  # label -> thread
        self.feasible: bool | None = None
        self.recorder: Recorder | None = None
        self.matched = 0  # events of the story that happen in `recorder`
        self.next: Said | None = None
        self.why = ""
        self.notes: list[str] = []
        self.states = 0

    def __str__(self) -> str:
        from .tell import text

        return text(self)

    def __repr__(self) -> str:
        told = {True: "feasible", False: "infeasible", None: "unfinished"}[self.feasible]
        return f"{self.story.file} on {self.scenario.name}, {self.kernel.name}: {told}"

    def _repr_html_(self) -> str:
        from .tell import html

        return html(self)


class Tried(NamedTuple):
    """One search: for one way to give threads to labels, with the ways of chains or without."""

    mapping: tuple[int, ...]
    script: StoryScript
    search: Guided


def fits(
    story: Story,
    kernel: Kernel | str = "v6.8",
    scenario: Scenario | str | None = None,
    fix: Replacements | Callable[..., Any] | Fix | str | None = None,
    *,
    fix_name: str = "",
    budget: Budget | None = None,
    reduce: bool = True,
    **parameters: Any,
) -> Fit:
    """Does any execution of `kernel` with `fix` fit the story? The events must happen in the order in which they are written,
    each on its thread; between them anything may. May raise NotUnderstood or Ambiguous (the story), ValueError (parameters)."""
    if not isinstance(story, Story):
        raise ValueError(f"fits() takes a story: fits(read_story(text)), not {quoted(story)}")
    chosen_kernel = look_up_or_take("kernel", kernel, KERNELS)
    chosen = None if scenario is None else look_up_or_take("scenario", scenario, SCENARIOS)
    functions, name = functions_of_fix(fix)
    demand_kernel_function(chosen_kernel, functions)
    given = Parameters(**parameters)
    roles = cast(story, chosen_kernel, functions, given, chosen)
    fit = Fit(story, chosen_kernel, fix_name or name, roles)
    system = roles.scenario.system(chosen_kernel, roles.parameters, functions)
    with no_collection():
        _decide(fit, roles, system, budget or Budget(), reduce)
    return fit


def _decide(fit: Fit, roles: Cast, system: System, budget: Budget, reduce: bool) -> None:
    """First without the ways of chains. If that fits, with them; the looser answer stays where no such execution turns up.
    What is infeasible is searched once more, un-reduced, where an execution may have failed too early."""
    loose = any(isinstance(s.event, Call) and len(s.event.functions) > 2 for s in fit.story.said)
    tried = list(_searches(fit.story, roles, system, budget, not loose, reduce))
    if not _settled(fit, tried, not loose) and any(t.search.violations and t.search.space.reduce for t in tried):
        tried = list(_searches(fit.story, roles, system, budget, not loose, False))
        _settled(fit, tried, not loose)
    if fit.feasible and loose and fit.notes:
        strict = list(_searches(fit.story, roles, system, Budget(min(CHAINS, budget.max_states or CHAINS)), True, reduce))
        _settled(fit, strict, True)
    elif fit.feasible is None and not fit.why and roles.cut:
        fit.why = f"only {MAPPINGS} of the ways to give the labels to threads were tried: name the threads, `CPU0 (process 1)`"
    elif fit.feasible is None and not fit.why:
        _infeasible(fit, tried)


def _searches(story: Story, roles: Cast, system: System, budget: Budget, exact: bool, reduce: bool) -> Iterator[Tried]:
    """A search for each way to give the threads to the labels, until one fits."""
    for mapping in roles.mappings:
        script = StoryScript(system, bound_lines(story, system, mapping, exact))
        search = _search(system, script, budget, reduce)
        yield Tried(mapping, script, search)
        if search.feasible or search.reason:
            return


def _search(system: System, script: StoryScript, budget: Budget, reduce: bool) -> Guided:
    """A place where a thread waits can only be told from the single steps of the others."""
    if reduce and not script.waits:
        try:
            return guided(Space(system, True, visible=script.visible), script, budget)
        except NotReducible:
            pass
    return guided(Space(system, False), script, budget)


def bound_lines(story: Story, system: System, mapping: tuple[int, ...], exact: bool = True) -> list[list[Line]]:
    """The events of each thread, on a system."""
    lines: list[list[Line]] = [[] for _ in system.programs]
    for said in story.said:
        event = said.event._replace(exact=exact) if isinstance(said.event, Call) else said.event
        lines[mapping[said.label]].append(Line(said, bind(event, system)))
    return lines


# ---- what is told ------------------------------------------------------------------------------------------------------


def _settled(fit: Fit, tried: list[Tried], exact: bool) -> bool:
    """Fills in `fit` if the last search found an execution, or was not finished."""
    last = tried[-1]
    fit.states += sum(len(t.search.furthest) for t in tried)
    if last.search.reason and not fit.feasible:
        fit.why = last.search.reason
        return True
    if not last.search.feasible:
        return False
    fit.feasible, fit.matched, fit.mapping, fit.notes = True, len(fit.story.said), last.mapping, []
    fit.recorder = record(last.search.space.system, last.search.schedule)
    if not exact:
        fit.notes += list(_other_ways(fit, last))
    _run_on(fit, last)
    return True


def _other_ways(fit: Fit, tried: Tried) -> Iterator[str]:
    """Which functions of a chain the witness does not pass on the way to its last one."""
    assert fit.recorder is not None
    for said in fit.story.said:
        if isinstance(said.event, Call) and len(said.event.functions) > 2:
            t, names = tried.mapping[said.label], said.event.functions
            stacks = [[f.function for f in s.stack] for s in fit.recorder.steps if s.thread == t]
            there = [s for s in stacks if names[0] in s and names[-1] in s]
            missing = [n for n in names if not any(n in s for s in there)]
            if missing:
                way = "->".join(f"{n}()" for n in missing)
                yield f"line {said.line}: {names[-1]}() is reached here, but not by way of {way}"


def _run_on(fit: Fit, tried: Tried) -> None:
    """Where the story ends with a call, the thread goes on in it, as far as it can: that is what the story is about."""
    last, recorder = fit.story.said[-1], fit.recorder
    assert recorder is not None
    if not isinstance(last.event, Call) or recorder.violation is not None:
        return
    t, name = tried.mapping[last.label], last.event.functions[-1]
    for _ in range(RUN_ON):
        if all(f.function != name for f in recorder.at[t].stack) or not recorder.take(t) or recorder.violation:
            return


def _infeasible(fit: Fit, tried: list[Tried]) -> None:
    ends = [(t, stuck(t.search, t.script)) for t in tried]
    best, end = max(ends, key=lambda one: one[1].matched)
    fit.feasible, fit.mapping, fit.matched = False, best.mapping, end.matched
    fit.next, fit.why = end.line.said, end.why
    fit.recorder = record(best.search.space.system, end.schedule)


def mapped(fit: Fit) -> Mapping[str, str]:
    """Which thread each label is."""
    return {label: fit.threads[t] for label, t in zip(fit.story.labels, fit.mapping, strict=True)}
