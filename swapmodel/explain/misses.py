"""The nearest misses of a verdict `holds`: what would go wrong without one of the rules, and where the rule stops it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ..explore import Budget, NotReducible, Space, fewest_steps, fewest_switches, no_collection
from ..kernel import Kernel, Replacements
from ..machine import Violation
from ..program import KernelError, System
from ..scenarios import Parameters, Scenario
from ..trace import Recorder, record
from .replayed import Ended, follow
from .standoff import say
from .weaken import Rule, drop_guards, locks_of, rules

STATES = 200_000  # of the search without one rule
EASIER = 60_000  # pairs of (state, last thread) looked at for a schedule with few context switches


class Miss(NamedTuple):
    """`found` is "miss": without `rule` `violation` comes at the end of a schedule of `steps` steps, and `said` tells what
    stops it where the rule holds; `recorder` has the steps up to there. "nothing": without the rule every execution is
    still right. "unfinished": a budget ended the search. "no use": without the rule the kernel's own checks of its locks
    fail first, which proves nothing."""

    rule: str
    found: str
    violation: Violation | None = None
    steps: int = 0
    said: str = ""
    recorder: Recorder | None = None

    def document(self) -> dict[str, Any]:
        violation = self.violation
        return {
            "rule": self.rule,
            "found": self.found,
            "violation": {"kind": violation.kind, "message": str(violation)} if violation else None,
            "steps": self.steps,
            "stopped_at": self.said or None,
        }


def nearest_misses(
    scenario: Scenario,
    kernel: Kernel,
    parameters: Parameters,
    fix: Replacements | None,
    system: System,
    seconds: float,
    tick: Callable[[str], None] | None = None,
) -> list[Miss]:
    """One for every rule that can be tried within `seconds` of CPU. `system` is the explored one: its steps tell which locks
    matter. `tick(rule)` is called before each."""
    began, found = time.process_time(), list[Miss]()
    for rule in rules(kernel, system):
        if rule.last_resort and any(m.found == "miss" for m in found):
            continue
        left = seconds - (time.process_time() - began)
        if left <= 0:
            found.append(Miss(rule.told, "unfinished"))
            continue
        if tick:
            tick(rule.told)
        found.append(_without(rule, scenario, kernel, parameters, fix, left))
    return found


def _without(
    rule: Rule, scenario: Scenario, kernel: Kernel, parameters: Parameters, fix: Replacements | None, left: float
) -> Miss:
    weaker = Kernel(kernel.name, kernel.title, {**kernel.replaces, **rule.replaces})
    try:
        system = scenario.system(weaker, parameters, fix)
        if rule.lock:
            drop_guards(system, rule.lock)
        schedule, violation, complete = _search_with_fair_oracles(system, rule.lock, left)
    except KernelError as error:
        return Miss(rule.told, "no use", said=str(error))
    if violation is None:
        return Miss(rule.told, "nothing" if complete else "unfinished")
    if violation.kind in ("lock misuse", "sleeping while atomic"):
        return Miss(rule.told, "no use", violation, len(schedule))
    ended: Ended = follow(record(system, schedule).steps, scenario.system(kernel, parameters, fix))
    return Miss(rule.told, "miss", violation, len(schedule), say(ended, kernel.name), ended.recorder)


def _search_with_fair_oracles(system: System, lock: str, seconds: float) -> tuple[list[int], Violation | None, bool]:
    """_search(), without the oracles that ask only while nobody holds a lock which nobody can hold now."""
    schedule, violation, complete = _search(system, seconds)
    while violation is not None and lock:
        words = record(system, schedule).words
        unfair = [o for o in system.oracles if _looks_at(o, words, {w.word for w in locks_of(system, lock)})]
        if not unfair:
            break
        system.oracles = tuple(o for o in system.oracles if o not in unfair)
        schedule, violation, complete = _search(system, seconds)
    return schedule, violation, complete


def _looks_at(oracle: Callable[[Any], Violation | None], words: tuple[Any, ...], locks: set[int]) -> bool:
    """Does it complain about `words`, after a look at one of these locks?"""
    seen = Seen(words)
    return oracle(seen) is not None and bool(seen.reads & locks)


class Seen(tuple[Any, ...]):
    """Words that note which of them are read one by one."""

    reads: set[int]

    def __new__(cls, words: tuple[Any, ...]) -> Seen:
        made = super().__new__(cls, words)
        made.reads = set()
        return made

    def __getitem__(self, word: Any) -> Any:
        if isinstance(word, int):
            self.reads.add(word)
        return super().__getitem__(word)


class Noting(Budget):
    """Notes whether it ended a search."""

    ended = False

    def spent(self, states: int, depth: int) -> str:
        told = super().spent(states, depth)
        self.ended = self.ended or bool(told)
        return told


def _search(system: System, seconds: float) -> tuple[list[int], Violation | None, bool]:
    """The shortest violating schedule, and whether the search was complete."""
    budget = Noting(STATES, seconds)
    with no_collection():
        try:
            space, found = _fewest(system, budget, True)
        except NotReducible:
            space, found = _fewest(system, budget, False)
        if found is None:
            return [], None, not budget.ended
        again = fewest_switches(space, Budget(EASIER), [found[0].count(t) for t in space.threads])
    schedule, violation, _ = again or found
    return schedule, violation, True


def _fewest(system: System, budget: Budget, reduce: bool) -> tuple[Space, Any]:
    space = Space(system, reduce)
    return space, fewest_steps(space, budget)
