"""A scenario as one JSON document: initial memory, and the graphs of steps of its threads on each kernel and with each fix.

replay/static/ interprets it. `variants` share words, objects and all tables; each has its own graphs and oracles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ..kernel import Kernel, Replacements, source_hash
from ..machine import Memory
from ..program import System
from ..scenarios import Parameters, Scenario
from .cover import Covered, Effort, Ending, cover
from .graphs import graph_of
from .tables import Numbered, Tables, locks_of, objects_of, words_of
from .values import encode, named_types

FORMAT = 1


class Variant(NamedTuple):
    """A kernel and a fix to replay a schedule on. `schedule` is the one recorded there: which thread takes each step."""

    kernel: Kernel
    fix: str
    functions: Replacements | None
    system: System
    schedule: Sequence[int]
    told: str  # the verdict there, in a word, and what ends the schedule; empty if it was not asked


def variant_of(
    scenario: Scenario,
    parameters: Parameters,
    kernel: Kernel,
    functions: Replacements | None = None,
    fix: str = "",
    system: System | None = None,
    schedule: Sequence[int] = (),
    told: str = "",
) -> Variant:
    """May raise KernelError (a fix that the machine can't run) or ValueError (parameters that contradict)."""
    made = system or scenario.system(kernel, parameters, functions)
    return Variant(kernel, fix, functions, made, schedule, told)


def document(
    scenario: Scenario,
    parameters: Parameters,
    variants: Sequence[Variant],
    tick: Any = None,
    covered: dict[int, Covered] | None = None,
    effort: Effort = Effort(),
) -> dict[str, Any]:
    """The document; its first variant is the one shown first. The graphs of each are grown until they are complete, or as far
    as `effort` goes; once for each variant, where `covered` holds by their numbers what an earlier call found."""
    memory = variants[0].system.memory
    tables, graphs = Tables(memory), Numbered()
    schedules = [v.schedule for v in variants if v.schedule]
    covered = {} if covered is None else covered
    for number in set(range(len(variants))) - set(covered):
        covered[number] = cover(variants[number].system, schedules, effort, tick)
    told = [variant_row(v, covered[number], tables, graphs) for number, v in enumerate(variants)]
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "title": scenario.title,
        "story": scenario.story,
        "machine": parameters._asdict(),
        "threads": list(memory.threads),
        "words": words_of(memory),
        "initial": [encode(w) for w in variants[0].system.words],
        "types": named_types(),
        "objects": objects_of(memory),
        "context": memory.context,
        "grace": memory.grace,
        "refs": [list(r) for r in memory.refs],
        "spinlocks": [n for n, w in enumerate(memory.shown) if w.name in memory.spinlocks],
        "locks": locks_of(memory),
        "sync": sorted(memory.sync),
        **tables.rows(),
        "graphs": graphs.rows,
        "variants": told,
    }


def variant_row(variant: Variant, covered: Covered, tables: Tables, graphs: Numbered) -> dict[str, Any]:
    system = variant.system
    threads = [graph_of(p, t, tables, system.kernel) for t, p in enumerate(system.programs)]
    return {
        "kernel": variant.kernel.name,
        "fix": variant.fix or None,
        "source": source_hash(system.kernel),
        "told": variant.told,
        "complete": covered.complete,
        "graphs": [graphs.number(repr(rows), rows) for rows in threads],
        "oracles": [list(twin) for o in system.oracles if (twin := getattr(o, "twin", None))],
        "ends": [ending_row(e, system.words, hidden(system.memory)) for e in covered.ends],
        "schedule": runs(variant.schedule),
    }


def hidden(memory: Memory) -> set[int]:
    """The words by which two ends may differ without being told apart: what threads are inside of, what they wait for."""
    return {*memory.context, *memory.grace}


def ending_row(ending: Ending, initial: Sequence[Any], skipped: set[int]) -> list[Any]:
    """[returned?, kind, message, [word, value, word, value, ...], word]: what is wrong, and where if that is a word, when all
    threads have ended, or returned, and memory differs from the initial one by these words."""
    differing = [n for n, (old, new) in enumerate(zip(initial, ending.words, strict=True)) if old != new and n not in skipped]
    pairs = [part for n in differing for part in (n, encode(ending.words[n]))]
    address = ending.violation.address
    where = [address.word] if address is not None else []
    return [int(ending.returned), ending.violation.kind, str(ending.violation), pairs, *where]


def runs(schedule: Iterable[int]) -> list[int]:
    """A schedule as [thread, steps, thread, steps, ...]."""
    told: list[int] = []
    for t in schedule:
        if told and told[-2] == t:
            told[-1] += 1
        else:
            told += [t, 1]
    return told


def unrolled(turns: Sequence[int]) -> list[int]:
    """The other way round: which thread takes each step."""
    return [t for t, count in zip(turns[::2], turns[1::2], strict=True) for _ in range(count)]
