"""Which scenario a story is about, and which of its threads each label means."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from ..kernel import Kernel, Replacements, named_by
from ..life import THREADS
from ..names import nearest
from ..program import System
from ..scenarios import SCENARIOS, Parameters, Scenario
from .bound import Unknown, bind
from .events import Call, Change, Compare, Said, Store, Story, Touch
from .problems import Ambiguous, NotUnderstood, Problem

MAPPINGS = 24  # ways to give the labels to the threads that are tried


class Cast(NamedTuple):
    """A scenario for a story. `mappings` are the ways to give its threads to the labels: mapping[label] is a thread."""

    scenario: Scenario
    parameters: Parameters
    threads: tuple[str, ...]
    mappings: tuple[tuple[int, ...], ...]
    reached: frozenset[str] = frozenset()  # every name that its threads use


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
        forced = by_name(label, threads)
        own = [said for said in story.said if said.label == i]
        able = [t for t in (forced if forced else range(len(threads))) if not _beyond(own, reached[t])]
        if not able:
            problems += _nobody(label, own, [reached[t] for t in forced] or reached, scenario.name)
        allowed.append(able)
    if problems:
        return problems
    mappings = tuple(itertools.islice((m for m in itertools.product(*allowed) if len(set(m)) == len(m)), MAPPINGS))
    if not mappings:
        return [Problem(story.said[0].line, f"two labels mean the same thread of {scenario.name}")]
    return Cast(scenario, filled, threads, mappings, frozenset().union(*reached) - set(THREADS))


def by_name(label: str, threads: Sequence[str]) -> list[int]:
    """The threads that a label names: `CPU0 (process 1)`, `Process 1`, `swapoff`; none if it is a number only."""
    inside = re.search(r"\((.+)\)", label)
    name = " ".join((inside[1] if inside else label).lower().split())
    name = re.sub(r"^(process|proc|p|task) ?#?(?=\d)", "process ", name)
    name = {"truncation": "truncate", "reclaim": "kswapd"}.get(name, name)
    exact = [t for t, thread in enumerate(threads) if thread == name]
    return exact or [t for t, thread in enumerate(threads) if thread == "process" and name.startswith("process")]


def unknown(said: Said, system: System) -> Problem | None:
    """A name in an event that the system does not have, with the nearest that it has."""
    try:
        bind(said.event, system)
    except Unknown as error:
        shown = {w.name.removesuffix(" (object)") for w in system.memory.shown if not w.hidden or w.name.endswith(" (object)")}
        guess = nearest(_word(said).replace("->", "."), shown)
        return Problem(said.line, str(error), f"did you mean {guess}?" if guess else "")
    return None


def _word(said: Said) -> str:
    event = said.event
    if isinstance(event, Change):
        return event.words[0][0][:80]
    return event.word[:80] if isinstance(event, Store | Compare | Touch) else said.text[:80]


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
