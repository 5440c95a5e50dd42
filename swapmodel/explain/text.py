"""An explanation as text, prose in 72 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..trace import TraceStep
from ..views import WIDTH, failure, function_of, plural, sentence, wrapped
from .pin import Pin
from .steps import Taken, did

if TYPE_CHECKING:
    from .explain import Why
    from .misses import Miss

LOCKS_SHOWN = 3


def text(why: Why) -> str:
    verdict = why.verdict
    fix = f" with {verdict.fix}" if verdict.fix else ""
    lines = [f"{verdict.scenario.name} on {verdict.kernel.name}{fix}: why {told_verdict(why)}"]
    if verdict.verdict == "violated":
        lines += _violated(why)
    else:
        lines += _misses(why.misses)
    for unused in why.unused:
        lines += ["", wrap(unused)]
    return "\n".join(lines)


def told_verdict(why: Why) -> str:
    violation = why.verdict.outcome.violation
    return f"it goes wrong ({violation.kind})" if violation else "it holds"


def wrap(told: str, indent: str = "") -> str:
    return fill(sentence(told), indent)


def fill(told: str, indent: str = "") -> str:
    """In 72 columns; what has no blank in it and is longer is cut."""
    after = indent + "  " if indent else ""
    return textwrap.fill(told, 2 * WIDTH, initial_indent=indent, subsequent_indent=after, break_on_hyphens=False)


# ---- violated ----------------------------------------------------------------------------------------------------------


def _violated(why: Why) -> Iterator[str]:
    recorder = why.verdict.recorder
    if recorder is None:
        return
    steps, names = recorder.steps, recorder.system.memory.threads
    yield ""
    if not steps:
        yield wrapped(sentence(str(why.verdict.outcome.violation)))
        return
    yield wrap(failure(recorder) or str(why.verdict.outcome.violation))
    if why.pin:
        yield ""
        yield from _pin(why.pin, steps, names)
    elif why.verdict.outcome.violation:
        yield from ("", wrap("No object was freed and no pointer became NULL too early, so there is no pin to show"))
    for remark in why.remarks:
        yield from ("", wrap(remark))
    if why.orders is not None:
        yield ""
        yield from _orders(why, steps, names)


def _orders(why: Why, steps: Sequence[TraceStep], names: Sequence[str]) -> Iterator[str]:
    orders = why.orders
    assert orders is not None
    if not orders.orders and orders.enough:
        fault = names[steps[-1].thread]
        yield wrap(f"No other thread is needed: {fault} goes wrong in whatever order the threads run")
        return
    matter = why.steps_that_matter()
    yield wrap(
        f"{len(matter)} of the {len(steps)} steps matter: {', '.join(map(str, matter))}. What has to come in this order, each "
        "thread's own steps in theirs"
    )
    for order in orders.orders:
        yield fill(f"{_step(order.first, steps, names)},", "  ")
        yield fill(f"before {_step(order.then, steps, names)}", "    ")
    if orders.enough and orders.needed:
        yield wrap("Whatever keeps this order ends so; without any one of these lines it need not")
    elif orders.enough:
        yield wrap("Whatever keeps this order ends so; time was too short to see whether each line is needed")
    else:
        yield wrap("That this order is enough was not proven: the search was ended by its budget, or found another way")


def _step(step: Taken, steps: Sequence[TraceStep], names: Sequence[str]) -> str:
    told = steps[step.number - 1]
    return f"{names[step.thread]}, {function_of(told)}, step {step.number}: {did(told)}"


def _pin(pin: Pin, steps: Sequence[TraceStep], names: Sequence[str]) -> Iterator[str]:
    def told(step: Taken) -> str:
        return _step(step, steps, names)

    victim, killer = names[pin.use.thread], names[pin.kill.thread]
    what = pin.target.name
    yield wrap(f"Birth: {told(pin.birth)}" if pin.birth else f"Birth: {what} is there from the start")
    if pin.kill.thread == pin.use.thread:
        yield wrap(f"Pin: none to look for, {victim} itself took it away")
    elif pin.dropped is None:
        yield wrap(f"Pin: {victim} held nothing, at any of its steps, that would have kept {killer} off")
    else:
        since = f"from {told(pin.since)}" if pin.since else "from the start"
        yield wrap(f"Pinned: {since}")
        yield wrap(f"Pin dropped: {told(pin.dropped)}")
        if pin.wall and pin.beyond:
            yield wrap(
                f"While {victim} stands before that, {killer} gets as far as step {pin.wall.number}, in "
                f"{function_of(steps[pin.wall.number - 1])}, and never to step {pin.beyond.number}, in "
                f"{function_of(steps[pin.beyond.number - 1])}",
                "  ",
            )
        if pin.until:
            yield wrap(f"{told(pin.until)} ends what kept {killer} off a little longer", "  ")
    yield wrap(f"Kill: {told(pin.kill)}")
    if pin.looked:
        yield wrap(f"Looked: {told(pin.looked)}")
    yield wrap(f"Last use: {told(pin.use)}")
    if pin.would_keep:
        yield wrap(_would_keep(pin, victim))
    if not pin.complete:
        yield wrap("Not every question about the pin was answered within the budget")


def _would_keep(pin: Pin, victim: str) -> str:
    locks = [k for k in pin.would_keep if k.startswith("the lock")]
    others = [k for k in pin.would_keep if k not in locks]
    shown = [k.removeprefix("the lock ") for k in locks[:LOCKS_SHOWN]]
    more = f" and {plural(len(locks) - LOCKS_SHOWN, 'other')}" if len(locks) > LOCKS_SHOWN else ""
    told = others + ([f"one of the locks {', '.join(shown)}{more}" if len(locks) > 1 else locks[0]] if locks else [])
    return f"What would have kept it, had {victim} held it from there to the last use: {'; or '.join(told)}"


def step_document(step: Taken, steps: Sequence[TraceStep], names: Sequence[str]) -> dict[str, Any]:
    """A step as plain data: number from 1, thread, function, and what it did."""
    told = steps[step.number - 1]
    return {
        "number": step.number,
        "thread": names[step.thread],
        "function": function_of(told),
        "text": did(told),
    }


# ---- holds -------------------------------------------------------------------------------------------------------------


def _misses(misses: Sequence[Miss]) -> Iterator[str]:
    stopped = [m for m in misses if m.found == "miss"]
    yield from ("", wrap("The nearest misses: what would go wrong without one rule, and where that rule stops it"))
    for miss in stopped:
        assert miss.violation is not None
        yield from ("", wrap(f"If it were not that {miss.rule}: {miss.violation.kind} after {plural(miss.steps, 'step')}"))
        yield wrap(miss.said, "  ")
    if not stopped:
        yield from ("", wrap("None: no rule that was tried is needed by itself, so what protects is protected twice"))
    for found, said in (
        ("nothing", "Not needed by itself, nothing goes wrong without it"),
        ("no use", "Can't be tried alone, the kernel's own checks of locks fail first"),
        ("unfinished", "Undecided, the budget ended the search"),
    ):
        named = [m.rule for m in misses if m.found == found]
        if named:
            yield from ("", wrap(f"{said}: {'; '.join(named)}"))
