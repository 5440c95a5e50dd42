"""Which scenario a story is about, and which of its threads each label means."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..kernel import Kernel, Replacements, named_by
from ..life import THREADS
from ..program import System
from ..scenarios import SCENARIOS, Parameters, Scenario
from .bound import bind
from .events import Call, Said, Story, Wait
from .layout import same_label
from .naming import Unknown
from .problems import Ambiguous, NotUnderstood, Problem, quoted
from .words import LABEL

MAPPINGS = 24  # ways to give the labels to the threads that are tried
PROCESSES = {"process", "proc", "p", "task"}  # labels that name a thread by their number


class Cast(NamedTuple):
    """A scenario for a story. `mappings` are the ways to give its threads to the labels: mapping[label] is a thread."""

    scenario: Scenario
    parameters: Parameters
    threads: tuple[str, ...]
    mappings: tuple[tuple[int, ...], ...]
    reached: frozenset[str] = frozenset()  # every name that its threads use
    cut: bool = False  # there are more mappings


def cast(story: Story, kernel: Kernel, fix: Replacements | None, given: Parameters, scenario: Scenario | None) -> Cast:
    """The one scenario whose threads can do what the labels do. NotUnderstood if there is none, Ambiguous if several."""
    found: list[Cast] = []
    problems: list[tuple[int, str, list[Problem]]] = []
    for one in [scenario] if scenario else SCENARIOS.values():
        try:
            tried = _try(story, one, kernel, fix, given)
        except ValueError:
            if scenario:
                raise
            continue
        if isinstance(tried, Cast):
            found.append(tried)
        else:
            problems.append((len(tried), one.name, tried))
    if not found:
        _, name, least = min(problems, key=lambda p: p[0])
        told = f" (scenario {name}, the nearest)" if scenario is None else ""
        raise NotUnderstood(story.file, [p._replace(what=p.what + told) for p in least])
    fewest = min(len(c.threads) for c in found)
    best = [c for c in found if len(c.threads) == fewest]
    best = [c for c in best if not any(other.reached < c.reached for other in best)]  # the plainer of two
    if len(best) > 1:
        names = ", ".join(c.scenario.name for c in best)
        raise Ambiguous(
            f"{story.file}: the story fits several scenarios, {names}: choose with --scenario, or name what tells them apart, "
            "as do_exit(), madvise_dontneed() or shmem_undo_range()"
        )
    return best[0]


def _try(story: Story, scenario: Scenario, kernel: Kernel, fix: Replacements | None, given: Parameters) -> Cast | list[Problem]:
    filled = scenario.fill(given)
    setup, system = scenario.lay(filled), scenario.system(kernel, filled, fix)
    threads = system.memory.threads
    if len(story.labels) > len(threads):
        line = story.said[0].line
        return [Problem(line, f"the story has {len(story.labels)} threads, {scenario.name} has {len(threads)}")] * 9
    reached = [named_by(system.kernel, "syscall") | named_by(system.kernel, t.function) | {t.function} for t in setup.threads]
    problems = [p for said in story.said if (p := unknown(said, system))]
    allowed = []
    for i, label in enumerate(story.labels):
        able, wrong = _able(label, [said for said in story.said if said.label == i], threads, reached, scenario.name)
        allowed.append(able)
        problems += wrong
    if problems:
        return problems
    mappings = tuple(itertools.islice(_one_each(allowed), MAPPINGS + 1))
    if not mappings:
        return [Problem(story.said[0].line, f"two labels mean the same thread of {scenario.name}")]
    names = frozenset().union(*reached) - set(THREADS)
    return Cast(scenario, filled, threads, mappings[:MAPPINGS], names, len(mappings) > MAPPINGS)


def _able(
    label: str, own: list[Said], threads: Sequence[str], reached: list[set[str]], scenario: str
) -> tuple[list[int], list[Problem]]:
    """The threads that a label may be; and, if there is none, why."""
    forced = by_name(label, threads)
    if forced == [] or any(_names_another(said, label, threads) for said in own):
        return [], _strangers(label, own, forced == [], threads, scenario)
    found = [t for t in (range(len(threads)) if forced is None else forced) if not _beyond(own, reached[t])]
    for said in own:
        waiting = _waiting(said, threads)
        found = [t for t in found if waiting is None or t in waiting]
    return found, [] if found else _nobody(label, own, reached if forced is None else [reached[t] for t in forced], scenario)


def _one_each(allowed: Sequence[Sequence[int]], taken: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Every way to choose one of each, no two the same."""
    if len(taken) == len(allowed):
        yield taken
        return
    for t in allowed[len(taken)]:
        if t not in taken:
            yield from _one_each(allowed, (*taken, t))


def by_name(label: str, threads: Sequence[str]) -> list[int] | None:
    """The threads that a label names: `CPU0 (process 1)`, `Process 1`, `swapoff`. None if it is a number only, which may be any
    thread: `CPU0`, and `Process 2` where no thread is called a process."""
    found = LABEL.fullmatch(label)
    if found is None or (found["what"] and not found["name"] and found["what"].lower() not in PROCESSES):
        return None
    name = " ".join((found["name"] or label).lower().split())
    name = re.sub(r"^(process|proc|p|task) ?#?(?=\d)", "process ", name)
    name = {"truncation": "truncate", "reclaim": "kswapd"}.get(name, name)
    alike = [t for t, thread in enumerate(threads) if name == thread or thread.startswith(f"{name} ")]
    if alike or not name.startswith("process"):
        return alike
    if "process" in threads:
        return [threads.index("process")]
    return None if not found["name"] and not any(t.startswith("process") for t in threads) else []


def _waiting(said: Said, threads: Sequence[str]) -> list[int] | None:
    """The threads that a line `NAME waits` names; None if it names none."""
    who = said.event.who if isinstance(said.event, Wait) else ""
    return by_name(who, threads) if who else None


def _names_another(said: Said, label: str, threads: Sequence[str]) -> bool:
    """Does a line `NAME waits` name another thread than its own?"""
    who = said.event.who if isinstance(said.event, Wait) else ""
    if not who or who.lower() == label.lower():
        return False
    named, own = by_name(who, threads), by_name(label, threads)
    if named is None:  # CPU1 waits, below another CPU
        return same_label(who) != same_label(label).partition("(")[0]
    return not named or (own is not None and not set(named) & set(own))


def _strangers(label: str, own: list[Said], nobody: bool, threads: Sequence[str], scenario: str) -> list[Problem]:
    """A label, or the name in front of `waits`, that is none of the threads."""
    there = f"the threads of {scenario} are {', '.join(threads)}"
    if nobody:
        return [Problem(own[0].line, f"{scenario} has no thread {label}", there)]
    other = [said for said in own if _names_another(said, label, threads)]
    return [Problem(s.line, f"{quoted(s.text)} stands under {label}, but names another thread", there) for s in other]


def unknown(said: Said, system: System) -> Problem | None:
    """A name in an event that the system does not have, with the nearest that it has."""
    try:
        bind(said.event, system)
    except Unknown as error:
        return Problem(said.line, str(error), error.hint)
    return None


def _beyond(own: list[Said], reached: set[str]) -> list[Said]:
    """The calls of a label that a thread can't make: no code of it names the function."""
    return [s for s in own if isinstance(s.event, Call) and not set(s.event.functions) <= reached]


def _nobody(label: str, own: list[Said], reached: list[set[str]], scenario: str) -> list[Problem]:
    """Why no thread can be this label: the calls beyond the thread that can make most of them."""
    beyond = min((_beyond(own, names) for names in reached), key=len)
    return [
        Problem(s.line, f"no thread of {scenario} that could be {label} calls {'->'.join(s.event.functions)}()")
        for s in beyond
        if isinstance(s.event, Call)
    ] or [Problem(own[0].line, f"no thread of {scenario} can be {label}")]
