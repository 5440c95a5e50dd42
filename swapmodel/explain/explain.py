"""why(): a verdict's reason, as data and as text."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

from ..explore import Budget, explore
from ..fixes import functions_of_fix
from ..kernel import Replacements
from ..names import quoted
from ..program import System
from ..verdict import Verdict, demand_verdict
from .misses import Miss, nearest_misses
from .orders import Order, Orders, needed_orders
from .others import remarks
from .pin import STATES, Pin, pin_of
from .steps import Replay, Taken
from .vacuous import never_executed

AGAIN = 1_000_000  # states of a search that is only made to see which lines run


class Why:
    """Why a verdict is what it is.

    Of a `violated` one: `orders`, the orderings between threads that it needs; `pin`, what kept the object alive and where
    that was dropped, None where there is no such object; `remarks`. Of a `holds` one: `misses`. `unused`: what was never
    executed, in sentences. `document()` is plain data."""

    def __init__(self, verdict: Verdict):
        self.verdict = verdict
        self.orders: Orders | None = None
        self.pin: Pin | None = None
        self.remarks: list[str] = []
        self.misses: list[Miss] = []
        self.unused: list[str] = []

    def steps_that_matter(self) -> list[int]:
        """The numbers, from 1, of the ends of the orderings and of the moments of the pin, and of the violation."""
        recorder = self.verdict.recorder
        if self.orders is None or recorder is None:
            return []
        ends = [s.number for o in self.orders.orders for s in (o.first, o.then)]
        moments = [s.number for s in self.pin[1:8] if isinstance(s, Taken)] if self.pin else []
        return sorted({*ends, *moments, len(recorder.steps)})

    def document(self) -> dict[str, Any]:
        from .text import step_document

        recorder, pin = self.verdict.recorder, self.pin
        steps = recorder.steps if recorder else []
        names = recorder.system.memory.threads if recorder else ()
        violation = self.verdict.outcome.violation

        def told(step: Taken | None) -> dict[str, Any] | None:
            return step and step_document(step, steps, names)

        return {
            "scenario": self.verdict.scenario.name,
            "kernel": self.verdict.kernel.name,
            "fix": self.verdict.fix or None,
            "verdict": self.verdict.verdict,
            "violation": {"kind": violation.kind, "message": str(violation)} if violation else None,
            "steps": len(steps) if violation else None,
            "steps_that_matter": self.steps_that_matter(),
            "orders": [{"first": told(o.first), "then": told(o.then), "gate": o.gate.number} for o in self._orders()],
            "enough": self.orders.enough if self.orders else None,
            "needed": self.orders.needed if self.orders else None,
            "pin": pin
            and {
                "what": pin.target.name,
                **{name: told(getattr(pin, name)) for name in MOMENTS},
                "would_keep": list(pin.would_keep),
                "complete": pin.complete,
            },
            "remarks": self.remarks,
            "misses": [m.document() for m in self.misses],
            "unused": self.unused,
        }

    def _orders(self) -> tuple[Order, ...]:
        return self.orders.orders if self.orders else ()

    def __str__(self) -> str:
        from .text import text

        return text(self)

    def __repr__(self) -> str:
        return f"<why {self.verdict!r}>"

    def _repr_html_(self) -> str:
        first, *rest = str(self).split("\n")
        return f"<div><strong>{html.escape(first)}</strong><pre>{html.escape(chr(10).join(rest))}</pre></div>"


MOMENTS = ("birth", "since", "dropped", "until", "kill", "looked", "use", "wall", "beyond")


def why(
    verdict: Verdict,
    *,
    fix: Replacements | Callable[..., Any] | str | None = None,
    seconds: float = 30.0,
    tick: Callable[[str], None] | None = None,
) -> Why:
    """Explains a verdict. `fix` is the one that it was checked with, needed only where it holds and has no name in FIXES.
    `seconds` of CPU bound the search for orderings, and for near misses; what they end is said to be undecided. `tick(rule)`
    is called before each near miss is looked for. ValueError for an unfinished verdict: there is nothing to explain yet."""
    demand_verdict("why", verdict)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError(f"seconds is a number of seconds, not {quoted(seconds)}")
    if verdict.verdict == "unfinished":
        raise ValueError(f"{verdict!r}: not finished ({verdict.outcome.reason}), so there is nothing to explain")
    found = Why(verdict)
    if verdict.verdict == "violated":
        _violated(found, seconds)
        return found
    functions = _functions(verdict, fix)
    system = _explored(verdict, functions)
    found.misses = nearest_misses(verdict.scenario, verdict.kernel, verdict.parameters, functions, system, seconds, tick)
    found.unused = never_executed(verdict.reached, functions, system)
    return found


def _functions(verdict: Verdict, fix: Any) -> Replacements | None:
    if fix is None and verdict.fix:
        kept = getattr(verdict, "functions", None)
        if kept is not None:
            return dict(kept)
        try:
            return functions_of_fix(verdict.fix)[0]
        except ValueError:
            raise ValueError(f"{verdict!r}: pass the functions of {verdict.fix} as `fix` too") from None
    return functions_of_fix(fix)[0]


def _explored(verdict: Verdict, functions: Replacements | None) -> System:
    """The system whose steps are known: the one of the nearest miss, or one that is searched again."""
    if verdict.recorder is not None:
        return verdict.recorder.system
    system = verdict.scenario.system(verdict.kernel, verdict.parameters, functions)
    explore(system, Budget(AGAIN), finish=False)
    return system


def _violated(found: Why, seconds: float) -> None:
    recorder, violation = found.verdict.recorder, found.verdict.outcome.violation
    if recorder is None or violation is None or not recorder.steps:  # the order of locks needs no interleaving
        return
    schedule = [s.thread for s in recorder.steps]
    replay = Replay(recorder.system, schedule)
    if violation.kind not in ("deadlock", "livelock"):  # the steps that nobody can take are no part of the schedule
        found.orders = needed_orders(replay, violation.kind, seconds)
        clock = Budget(max_seconds=seconds)
        found.pin = pin_of(replay, violation, lambda: Budget(0 if clock.spent(0, 0) else STATES))
    if found.pin is None:
        found.remarks = remarks(recorder, replay, violation)
