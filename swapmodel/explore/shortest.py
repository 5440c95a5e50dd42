"""The shortest counterexample: in steps, or in context switches and then steps."""

from __future__ import annotations

from ..machine import Violation
from .budget import CHUNK, Budget
from .space import Found, Space, deadlock

FAR = 1 << 60


def fewest_steps(space: Space, budget: Budget | None = None) -> tuple[list[int], Violation, int] | None:
    """The violating schedule with the fewest steps, and how many states were visited: moves cost what they have steps. None
    when the budget ends first, or when there is no violation."""
    budget = budget or Budget()
    rows, longs, masks, shift = space.rows, space.longs, space.masks, space.shift
    best = {space.initial: 0}
    came: dict[int, tuple[int, int]] = {}
    buckets: dict[int, list[int]] = {0: [space.initial]}
    found: tuple[int, int, Found] | None = None  # total steps, state, what happens there
    while buckets:
        cost = min(buckets)
        if (found and found[0] <= cost) or budget.spent(len(best), cost):
            break
        for state in buckets.pop(cost):
            if best[state] != cost:
                continue
            row, long, stuck = rows[state >> shift], longs[state >> shift], True
            for t, mask in enumerate(masks):
                place = state & mask
                change = row.get(place)
                if change is None:
                    try:
                        change = space.difference(state, t)
                    except Found as end:
                        if found is None or (cost + end.taken, t) < (found[0], found[2].thread):
                            found = (cost + end.taken, state, end)
                        stuck = False
                        continue
                if change:
                    stuck, new, total = False, state + change, cost + long.get(place, 1)
                    if best.get(new, FAR) > total:
                        best[new], came[new] = total, (state, t)
                        buckets.setdefault(total, []).append(new)
            nobody = ending(space, state) if stuck else None
            if nobody and (found is None or cost + nobody.taken < found[0]):
                found = (cost + nobody.taken, state, nobody)
    if found is None:
        return None
    _, state, last = found
    return _back(space, came, state) + last.steps, last.violation, len(best)


def ending(space: Space, state: int) -> Found | None:
    """What is wrong in a state from which no thread moves: a deadlock, or what must hold once every thread has returned."""
    if not space.is_final(state):
        return deadlock(space, state)
    words = space.memories[state >> space.shift]
    violation = next((v for oracle in space.system.at_end if (v := oracle(words)) is not None), None)
    return Found(0, violation, steps=[]) if violation is not None else None


def _back(space: Space, came: dict[int, tuple[int, int]], state: int) -> list[int]:
    moves = []
    while state in came:
        state, t = came[state]
        moves.append((t, space.length(state, t)))
    return [t for t, steps in reversed(moves) for _ in range(steps)]


def fewest_switches(
    space: Space, budget: Budget | None = None, limits: list[int] | None = None
) -> tuple[list[int], Violation, int] | None:
    """The violating schedule with the fewest context switches and, among those, the fewest steps; and how many (state, last
    thread) pairs were visited. None when the budget ends first, or when there is no violation. `limits`: how many steps each
    thread may take."""
    budget, threads = budget or Budget(), len(space.threads)
    taken: list[tuple[int, ...]] = [tuple(limits or ())]  # node -> steps that each thread has left
    came: list[tuple[int, int, int]] = [(0, -1, 0)]  # node before, thread, steps
    ends: dict[int, Violation] = {}
    done: set[int] = set()
    now: dict[int, list[tuple[int, int]]] = {0: [(space.initial, 0)]}  # steps -> (state, node) with this many switches
    while now:
        later: dict[int, list[tuple[int, int]]] = {}
        while now:
            cost = min(now)
            for state, node in now.pop(cost):
                if node in ends:
                    return _path(came, node), ends[node], len(done)
                last = came[node][1]
                if state * threads + last in done:
                    continue
                done.add(state * threads + last)
                if not len(done) % CHUNK and budget.spent(len(done), cost):
                    return None
                stuck = True
                for t in space.threads:
                    change, steps = _try(space, state, t, ends, len(came))
                    if change and limits is not None:
                        left = list(taken[node])
                        left[t] -= steps
                        taken.append(tuple(left))
                        if left[t] < 0:
                            taken.pop()
                            ends.pop(len(came), None)
                            change, stuck = 0, False
                    if change:
                        stuck = False
                        level = now if t == last or last < 0 else later
                        level.setdefault(cost + steps, []).append((state + change, len(came)))
                        came.append((node, t, steps))
                nobody = ending(space, state) if stuck else None
                if nobody:
                    return _path(came, node) + nobody.steps, nobody.violation, len(done)
        now = later
    return None


def _try(space: Space, state: int, t: int, ends: dict[int, Violation], node: int) -> tuple[int, int]:
    """Thread t's next move from `state`: (difference, steps). A violation is noted as the end that `node` will be."""
    try:
        return space.difference(state, t), space.length(state, t)
    except Found as found:
        ends[node] = found.violation
        return -1, found.taken


def _path(came: list[tuple[int, int, int]], node: int) -> list[int]:
    moves: list[tuple[int, int]] = []
    while node:
        node, t, steps = came[node]
        moves.append((t, steps))
    return [t for t, steps in reversed(moves) for _ in range(steps)]
