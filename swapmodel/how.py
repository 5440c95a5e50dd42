"""How check() searches: the explorer's switches, a checkpoint, or a search that is bounded or random in place of all that."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from .explore import ENGINES, Budget, Outcome, explore
from .names import quoted
from .program import System

AS_ALWAYS = ("moves", "releases")


class How(NamedTuple):
    """`reduce`, `releases`, `persistent`, `sleep`, `compact`, `engine`: as explore() takes them. `subpages`: few sub-pages may
    stand for many that nobody maps. `checkpoint`: the file that the search is written to, and goes on from. `switches`: only
    what needs at most so many context switches. `random`: so many executions, from `seed`."""

    reduce: bool = True
    persistent: bool = False
    compact: bool = False
    checkpoint: str | Path | None = None
    switches: int | None = None
    random: int | None = None
    seed: int = 0
    engine: str = ENGINES[0]
    sleep: bool = False
    releases: bool = True
    subpages: bool = True

    @property
    def collapses(self) -> bool:
        """May few sub-pages stand for many? A file, and executions with so many switches, are of the scenario as it is."""
        return self.subpages and self.reduce and not self.samples and self.checkpoint is None

    @property
    def samples(self) -> bool:
        """It looks at some executions: it can't say `holds`."""
        return self.switches is not None or self.random is not None

    def demand_consistent(self) -> None:
        """ValueError, in one sentence, for what contradicts."""
        for name in ("reduce", "releases", "persistent", "compact", "sleep", "subpages"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is True or False, not {quoted(getattr(self, name))}")
        for name in ("switches", "random", "seed"):
            value = getattr(self, name)
            if type(value) is not int and (value is not None or name == "seed"):
                raise ValueError(f"{name} is a whole number, not {quoted(value)}")
        if self.engine not in ENGINES:
            raise ValueError(f"engine is {' or '.join(map(repr, ENGINES))}, not {quoted(self.engine)}")
        alone = [name for name in ("persistent", "compact", "sleep") if getattr(self, name)]
        alone += [f"engine {self.engine!r}"] * (self.engine != ENGINES[0])
        alone += [name for name in ("checkpoint", "switches", "random") if getattr(self, name) is not None]
        if len(alone) > 1:
            raise ValueError(f"{alone[0]} and {alone[1]} contradict: a search can have one of them")
        if self.seed and self.random is None:
            raise ValueError("seed is that of a random search, and none is asked for")


def search(system: System, how: How, budget: Budget, shortest: str, hunt: bool) -> tuple[Outcome, str]:
    """(what was found, how it was searched in words where that is not as always). ValueError for a checkpoint that is of
    another search, or none."""
    if how.samples:
        return _some(system, how, budget)
    if how.checkpoint is not None:
        return _written(system, how, how.checkpoint, budget, shortest)
    outcome, _ = explore(
        system,
        budget,
        reduce=how.reduce,
        releases=how.releases,
        persistent=how.persistent,
        compact=how.compact,
        shortest=shortest,
        engine=how.engine,
        sleep=how.sleep,
        hunt=hunt and not (how.persistent or how.compact or how.sleep or how.engine != "python"),  # a hunt uses none of them
    )
    return outcome, told(outcome, "states kept in compact form" if how.compact else _engine(how.engine, outcome))


def _engine(engine: str, outcome: Outcome) -> str:
    """Which engine searched, where that is not the plain one; a counterexample is always told by that."""
    if engine == "python":
        return ""
    return f"by the {engine} engine" + (", the counterexample by the plain one" if outcome.violation else "")


def _some(system: System, how: How, budget: Budget) -> tuple[Outcome, str]:
    """A bounded or random search."""
    from .explore.bounded import few_switches, random_search

    if how.switches is not None:
        outcome = few_switches(system, how.switches, budget)
        return outcome, (
            f"every execution with at most {how.switches} context switches, and no other, in single steps; a state counts once "
            "for each thread that came to it"
        )
    assert how.random is not None
    outcome, _ = random_search(system, how.random, seed=how.seed, budget=budget)
    return outcome, f"random executions in single steps, seed {how.seed}; a counterexample is not the shortest"


def _written(system: System, how: How, path: str | Path, budget: Budget, shortest: str) -> tuple[Outcome, str]:
    """A search that is written to a file, and goes on from there."""
    from .resume import opened, written_when_interrupted

    file = opened(path)
    with written_when_interrupted(budget, file) as stoppable:
        outcome, _ = explore(system, stoppable, reduce=how.reduce, releases=how.releases, shortest=shortest, checkpoint=file)
    if file.went_on:
        return outcome, told(
            outcome, f"went on from {file.went_on:,} states in {file.path}, found in {outcome.earlier:.1f} s of CPU"
        )
    return outcome, told(outcome, f"written to {file.path}" if file.path.exists() else "")


def told(outcome: Outcome, more: str) -> str:
    """The reductions, where they are not those of every search, and what else there is to say."""
    used = outcome.reductions
    reductions = f"reductions {', '.join(used)}" if used else "single steps, unreduced"
    return also("" if used == AS_ALWAYS else reductions, more)


def also(*said: str) -> str:
    """What there is to say, one after the other."""
    return "; ".join(filter(None, said))
