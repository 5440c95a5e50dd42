"""Random search in many pieces, in this process or on a Dask cluster: each piece has its own seed, so none is done twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .explore import Budget
from .explore.bounded import Chance, random_search
from .fixes import Fix, functions_of_fix
from .kernel import Replacements
from .names import look_up
from .program import System
from .review.pool import Died, Pool
from .review.travel import SourceText, packed, unpacked
from .scenarios import SCENARIOS, Parameters
from .versions import KERNELS


class Piece(NamedTuple):
    """What one worker does, as plain data: `runs` random executions from `seed`. The fix is source text."""

    scenario: str
    kernel: str
    parameters: Parameters
    texts: tuple[SourceText, ...]
    seed: int
    runs: int
    depth: int
    steps: int  # how long an execution is taken to be; 0: the scenario's own measure
    max_seconds: float | None = None

    def system(self, functions: Replacements | None = None) -> System:
        fix = functions if functions is not None else unpacked(self.texts) or None
        return SCENARIOS[self.scenario].system(KERNELS[self.kernel], self.parameters, fix)


class Result(NamedTuple):
    """What came out of a piece: executions made, steps taken, and the violation with its schedule, if there was one."""

    seed: int
    runs: int
    steps: int
    kind: str
    message: str
    schedule: tuple[int, ...]


class Swarm(NamedTuple):
    """What all pieces found. `failed` says of a seed why its piece has no result."""

    results: Mapping[int, Result]
    failed: Mapping[int, str]
    chance: Chance

    @property
    def verdict(self) -> str:
        """violated | unfinished"""
        return "violated" if self.violations else "unfinished"

    @property
    def violations(self) -> list[Result]:
        """The pieces that found one, the shortest schedule first."""
        return sorted((r for r in self.results.values() if r.kind), key=lambda r: (len(r.schedule), r.seed))

    def __str__(self) -> str:
        lost = [f"the piece with seed {seed} has no result: {why}" for seed, why in self.failed.items()]
        if not self.violations:
            return "\n".join([f"unfinished: {self.chance}", *lost])
        first = self.violations[0]
        found = f"violated: {first.kind}: {first.message} ({len(first.schedule)} steps, seed {first.seed}; not the shortest)"
        return "\n".join([f"{found}; {len(self.violations)} of {len(self.results)} pieces found a violation", *lost])


def search(piece: Piece, functions: Replacements | None = None, tick: Any = None) -> Result:
    """One piece, in any process."""
    tell = (lambda states, depth: tick()) if tick else None
    budget = Budget(max_seconds=piece.max_seconds, tick=tell)
    outcome, chance = random_search(piece.system(functions), piece.runs, piece.depth, piece.seed, piece.steps, budget)
    found = outcome.violation
    kind, message = (found.kind, str(found)) if found else ("", "")
    made = chance.runs + (found is not None)
    return Result(piece.seed, made, outcome.transitions, kind, message, tuple(outcome.schedule))


def swarm(
    scenario: str,
    kernel: str = "v6.8",
    *,
    fix: Replacements | Callable[..., Any] | Fix | str | None = None,
    pieces: int = 8,
    runs: int = 100,
    depth: int = 3,
    seed: int = 0,
    max_seconds: float | None = None,
    client: Any = None,
    **parameters: Any,
) -> Swarm:
    """`pieces` times `runs` random executions (see explore/bounded.py), with the seeds from `seed` on. `client` is a
    distributed.Client; a piece whose worker dies is done again by another, and each seed counts once. `max_seconds`, of CPU,
    is for each piece. ValueError for what is not known, or for a fix that can't be sent to other processes as text."""
    given = look_up("scenario", scenario, SCENARIOS).fill(Parameters(**parameters))
    look_up("kernel", kernel, KERNELS)
    functions, _ = functions_of_fix(fix)
    texts = packed(functions or {})
    if texts is None and client is not None:
        raise ValueError(
            "this fix can't be sent to a cluster as text: write its functions without closures, in a file or a cell"
        )
    first = Piece(scenario, kernel, given, texts or (), seed, runs, depth, 0, max_seconds)
    chance = random_search(first.system(functions), 1, depth)[1]
    results: dict[int, Result] = {}
    failed: dict[int, str] = {}

    def ended(key: Any, outcome: Any) -> None:
        if isinstance(outcome, Exception):
            failed[key] = str(outcome) if isinstance(outcome, Died) else f"{type(outcome).__name__}: {outcome}"
        else:
            results[key] = outcome

    pool = Pool(ended, client=client)
    try:
        for number in range(seed, seed + pieces):
            piece = first._replace(seed=number, steps=chance.steps)
            pool.submit(number, search, piece, *([functions] if texts is None else []), travels=texts is not None)
        pool.run()
    finally:
        pool.close()
    return Swarm(results, failed, chance._replace(runs=sum(result.runs for result in results.values())))
