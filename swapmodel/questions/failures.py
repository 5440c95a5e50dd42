"""Not the first thing that can go wrong, but each: what is touched too late, and by whom."""

from __future__ import annotations

from ..explore import Budget, Found, Space, no_collection
from ..machine import Violation
from ..program import Step, System
from ..versions import parts

Failure = tuple[str, str]  # kind of violation; where: "si.swap_map in swap_page_trans_huge_swapped()"


def failures(system: System, budget: Budget) -> tuple[int, list[Failure]]:
    """All (kind, where) that some interleaving of single steps ends in, the nearest first; and the number of states. A thread
    that fails is not followed further: on the machine it may go on and do more harm. ValueError if the budget is spent."""
    space, found = Space(system, reduce=False), dict[Failure, None]()
    order, seen = [space.initial], {space.initial}
    with no_collection():
        for i, state in enumerate(order):  # which grows meanwhile
            if i % 1024 == 0:
                spent = budget.spent(len(order), 0)
                if spent:
                    raise ValueError(f"not every failure was found: {spent}")
            for t in space.threads:
                try:
                    after = state + space.difference(state, t)
                except Found as failed:
                    found.setdefault((failed.violation.kind, where(failed.violation, space.steps(state)[t])))
                    continue
                if after not in seen:
                    seen.add(after)
                    order.append(after)
    return len(order), list(found)


def where(violation: Violation, step: Step) -> str:
    """The word that was touched and the kernel function that did so; without the number of an element or a lifetime."""
    frames = [frame.function for frame in step.stack if frame.function not in parts() and not frame.file.startswith("machine/")]
    function = frames[-1] if frames else "the scenario"
    touched = violation.message if violation.address is None else violation.address
    return f"{touched} in {function}()"
