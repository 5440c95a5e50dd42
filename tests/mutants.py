"""Mutants: the modelled kernel with one pin, lock, wait or order broken, and what the model must say about each.

A model that lets everything pass proves nothing. Each entry names what it breaks, on which scenarios it is tried, and the
verdict: the kind of violation at the end of the shortest counterexample, or why nothing goes wrong (`holds`: another pin
protects, or nobody can tell the difference). Where a declared lock rule catches a mutant at its first step, an `unguarded`
trial takes all such rules away and asks for the consequence instead.

    python -m tests.mutants [NAME...]    tries them and prints the table
"""

from __future__ import annotations

import inspect
import linecache
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from swapmodel.explore import Budget, Outcome, explore
from swapmodel.fixes import FIXES
from swapmodel.kernel import Kernel, declared_globals, kernel_functions
from swapmodel.kernel import base as names
from swapmodel.machine import (
    READ_ONCE,
    WRITE_ONCE,
    Address,
    Cpu,
    Memory,
    Struct,
    Violation,
    atomic_add,
    completion_t,
    operation,
    percpu_ref_tryget_live,
    read,
    spin_lock,
    spin_lock_irq_not_rcu,
    spin_lock_not_rcu,
    spin_unlock,
    spin_unlock_irq_not_rcu,
    spin_unlock_not_rcu,
    wait_for_completion,
    word,
    write,
)
from swapmodel.mm.swapfile.swapoff import swapoff
from swapmodel.mm.swapops import SWP_SCANNING, SWP_WRITEOK
from swapmodel.scenarios import SCENARIOS, Parameters, Scenario, Setup, Thread, _oracles, lay_anonymous, lay_device, lay_shmem
from swapmodel.versions import KERNELS

BUDGET = 400_000  # states; the largest search here has a quarter of it


# ---- scenarios of our own --------------------------------------------------------------------------------------------


def scan_swap_map(si):
    """scan_swap_map_slots(), v6.8, as far as swapoff has to wait for it: bytes are read with si->lock dropped, and only
    SWP_SCANNING says so."""
    yield spin_lock(si.lock)
    flags = yield read(si.flags)
    if flags & SWP_WRITEOK:
        yield write(si.flags, flags + SWP_SCANNING)
        yield spin_unlock(si.lock)
        map = yield READ_ONCE(si.swap_map)
        yield READ_ONCE(map[1])
        yield spin_lock(si.lock)
        flags = yield read(si.flags)
        yield write(si.flags, flags - SWP_SCANNING)
    yield spin_unlock(si.lock)


def stay_idle(owner):
    """A process, or a file, that keeps its memory."""
    yield READ_ONCE(owner.lock if hasattr(owner, "swapped") else owner.mm_users)


class stage(Struct):
    """How far an experiment is: swapoff is started once the victim stands in the window."""

    entered = completion_t()
    lock = word()


def swapoff_once_entered(type):
    """The order of the measurements: the victim enters the window first, then swapoff is called."""
    yield wait_for_completion(STAGE.entered)
    yield from swapoff(type)


STAGE: Any = None  # in Setup.constants


def lay_scan(parameters: Parameters) -> Setup:
    """A thread that looks for a free slot; one folio in the swap cache that nobody refers to."""
    memory = Memory(["scan", "swapoff"], parameters.preempt)
    memory.globals(declared_globals())
    device = lay_device(memory, parameters, [0], huge=False)
    threads = [Thread("scan", "scan_swap_map", (device.si,)), Thread("swapoff", "swapoff", (0,))]
    return Setup(memory, device.constants, threads, _oracles(device, []))


def idle_file(parameters: Parameters) -> Setup:
    """A tmpfs file with a swapped page that nobody truncates."""
    setup = lay_shmem(parameters)
    truncate, *others = setup.threads
    return setup._replace(threads=[truncate._replace(function="stay_idle"), *others])


def staged(name: str) -> Scenario:
    """A scenario whose swapoff is called when the victim has entered the window: free_swap_and_cache() must say so."""
    scenario = SCENARIOS[name]

    def lay(parameters: Parameters) -> Setup:
        setup = scenario.lay(parameters)
        at = setup.memory.new(stage, "stage")
        *others, last = setup.threads
        threads = [*others, last._replace(function="swapoff_once_entered")]
        return setup._replace(threads=threads, constants={**setup.constants, "STAGE": at})

    return scenario._replace(name=f"{name}-staged", lay=lay)


OWN = (
    Scenario("scan", "a scan for a free slot, swapoff", "Reads swap_map with no lock held.", lay_scan),
    Scenario("idle", "a process that keeps its page, swapoff", "", lambda p: lay_anonymous(p, "stay_idle", huge=False)),
    Scenario("idle-file", "a tmpfs file that keeps its page, swapoff", "", idle_file),
    Scenario("shared", "two processes quit, one small page", "", lambda p: lay_anonymous(p, "do_exit", huge=False), 2),
    staged("one-process"),
    staged("shmem-truncate"),
)
ALL_SCENARIOS = {**SCENARIOS, **{s.name: s for s in OWN}}
OWN_FUNCTIONS = {f.__name__: f for f in (scan_swap_map, stay_idle, swapoff_once_entered)}


def without_guards(scenario: Scenario) -> Scenario:
    """The scenario without the rules that say which lock a word needs: what comes of breaking them?"""

    def lay(parameters: Parameters) -> Setup:
        setup = scenario.lay(parameters)
        for _, _, address in setup.memory.named:
            address.guard = None
        for item in (item for obj in setup.memory.objects for item in obj.at(1)._items):
            if isinstance(item, Address):
                item.guard = None
        return setup

    return scenario._replace(lay=lay)


# ---- what a mutant is ------------------------------------------------------------------------------------------------


class Patch(NamedTuple):
    """An edit of a kernel function's source: `old`, which occurs once, becomes `new`."""

    function: str
    old: str
    new: str


class Trial(NamedTuple):
    """A scenario to try a mutant on. `kind`: of the violation, or "" where it holds, and then `reason` says why."""

    scenario: str
    kind: str
    reason: str
    parameters: Parameters
    unguarded: bool = False

    @property
    def expected(self) -> str:
        return self.kind or "holds"

    def __str__(self) -> str:
        changed = [f"{n}={v}" for n, v in self.parameters._asdict().items() if v != getattr(Parameters(), n)]
        return " ".join([self.scenario, *changed, *["unguarded"] * self.unguarded])


def caught(scenario: str, kind: str, *, unguarded: bool = False, **parameters: Any) -> Trial:
    """The model says so, with this kind of violation."""
    return Trial(scenario, kind, "", Parameters(**parameters), unguarded)


def holds(scenario: str, reason: str, *, unguarded: bool = False, **parameters: Any) -> Trial:
    """Nothing goes wrong, for this reason."""
    return Trial(scenario, "", reason, Parameters(**parameters), unguarded)


class Mutant(NamedTuple):
    """A kernel with something broken: patches of the source of `base`, and whole functions or operations put in place."""

    name: str
    why: str
    edits: tuple[Patch, ...]
    trials: tuple[Trial, ...]
    base: str = "v6.8"
    replaces: Mapping[str, Callable[..., Any]] = {}

    def kernel(self) -> Kernel:
        """The base kernel with the edits: what was compiled can be read by the lint, as if it stood in a file."""
        base = KERNELS[self.base]
        changed = {**base.replaces, **OWN_FUNCTIONS, **self.replaces}
        for function in dict.fromkeys(p.function for p in self.edits):
            original = changed.get(function) or kernel_functions()[function]
            mine = [p for p in self.edits if p.function == function]
            changed[function] = compiled(self.name, original, mine)
        return Kernel(self.name, self.why, changed)

    def outcome(self, trial: Trial) -> Outcome:
        """What the model says."""
        scenario = ALL_SCENARIOS[trial.scenario]
        if trial.unguarded:
            scenario = without_guards(scenario)
        hunt = bool(trial.kind) and trial.kind != "livelock"  # a search that is expected to end early
        system = scenario.system(self.kernel(), trial.parameters)
        outcome, _ = explore(system, Budget(max_states=BUDGET), hunt=hunt)
        return outcome


def said(outcome: Outcome) -> str:
    """In the words of a Trial: "holds", or the kind of violation."""
    return outcome.violation.kind if outcome.violation else outcome.verdict


def compiled(mutant: str, function: Callable[..., Any], patches: list[Patch]) -> Callable[..., Any]:
    """The function with its source edited. Its text stays in linecache, where inspect looks for it."""
    text = textwrap.dedent(inspect.getsource(function))
    for _, old, new in patches:
        if text.count(old) != 1:
            raise ValueError(f"{mutant}: {old!r} occurs {text.count(old)} times in {function.__name__}()")
        text = text.replace(old, new)
    file = f"mutants/{mutant}/{function.__name__}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space = {**names(), "__name__": "mutants"}
    exec(compile(text, file, "exec"), space)
    return space[function.__name__]
