"""A schedule as people say it: who runs, and up to where.

[("truncate", "swap_page_trans_huge_swapped"), ("swapoff", "end"), ("truncate", "end")]

A turn ends before the first step that its thread takes inside the function of that name, or before the operation of that
name; "end": when it returns, has to wait, or goes round and round."""

from __future__ import annotations

from typing import Any

from swapmodel.names import nearest
from swapmodel.program import Step, System
from swapmodel.trace import Recorder

from .answers import kind
from .result import NoAnswer

STEPS = 20_000  # of one turn
MOST = 20  # turns
FORM = 'Turns are pairs: [("truncate", "__swap_entry_free"), ("swapoff", "end")].'


def replay(system: System, turns: Any) -> Recorder:
    """Takes a system through the turns. NoAnswer for one that can't be taken, with what is in its way."""
    if isinstance(turns, str) or not isinstance(turns, list | tuple) or not 1 <= len(turns) <= MOST:
        raise NoAnswer(f"A schedule is a list of 1 to {MOST} turns, not {kind(turns)}.", FORM)
    recorder = Recorder(system)
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, list | tuple) or len(turn) != 2 or not all(isinstance(part, str) for part in turn):
            raise NoAnswer(f"Turn {number} is a pair (thread, where it stops), not {kind(turn)}.", FORM)
        run(recorder, number, *turn)
        if recorder.violation is not None:
            break
    return recorder


def run(recorder: Recorder, number: int, who: str, where: str) -> None:
    names = list(recorder.system.memory.threads)
    if who not in names:
        raise NoAnswer(f"Turn {number}: no thread is named {who!r}.", f"The threads are: {', '.join(names)}.")
    _demand_name(recorder, number, where)
    t, seen, taken = names.index(who), set[Any](), 0
    while taken == 0 or where == "end" or not stands(recorder.at[t], where):
        place = (recorder.at[t].index, recorder.words)
        round_again = place in seen or taken > STEPS
        seen.add(place)
        if round_again or not recorder.take(t):
            if where == "end" and (taken or round_again):
                return
            raise NoAnswer(f"Turn {number}: {who} {_why(recorder, t, round_again, where)}.", "Let another thread run first.")
        taken += 1
        if recorder.violation is not None:
            return


def stands(step: Step, where: str) -> bool:
    """Is this step inside the function of that name, or the operation of that name?"""
    if step.operation is not None and step.operation.name == where:
        return True
    return any(frame.function == where for frame in step.stack)


def _demand_name(recorder: Recorder, number: int, where: str) -> None:
    known = vars(recorder.system.kernel)
    if where != "end" and where not in known:
        guess = nearest(where, known)
        hint = f"Did you mean {guess!r}?" if guess else 'A turn ends at a kernel function\'s name, or at "end".'
        raise NoAnswer(f"Turn {number}: there is no function {where!r} in this kernel.", hint)


def _why(recorder: Recorder, t: int, round_again: bool, where: str) -> str:
    aim = "can't take a step" if where == "end" else f"does not come to {where}()"
    if round_again:
        return f"{aim}: it goes round and round"
    wait = recorder.waits(t)
    return f"{aim}: it {wait}" if wait else f"{aim}: it has returned"
