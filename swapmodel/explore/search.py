"""Every interleaving of a system's threads, breadth first."""

from __future__ import annotations

import itertools
import time
from array import array
from typing import Any, NamedTuple

from ..machine import Violation
from ..program import System
from .budget import CHUNK, Budget, Outcome, no_collection
from .checkpoint import Checkpoint
from .shortest import ending, fewest_steps, fewest_switches
from .space import Found, NotReducible, Space

ENGINES = "python", "compiled"
PROBE = 100_000  # pairs of (state, last thread) looked at to make a shortest schedule easier to read


class Question(NamedTuple):
    """How to search: the arguments of explore()."""

    finish: bool
    reduce: bool
    releases: bool
    persistent: bool
    shortest: str
    hunt: bool
    checkpoint: Checkpoint | None
    compact: bool
    engine: str
    sleep: bool

    @property
    def reductions(self) -> tuple[str, ...]:
        moves = ("moves", *("releases",) * self.releases) * self.reduce
        return moves + ("persistent",) * self.persistent + ("sleep",) * self.sleep


def explore(
    system: System,
    budget: Budget | None = None,
    *,
    finish: bool = True,
    reduce: bool = True,
    releases: bool = True,
    persistent: bool = False,
    shortest: str = "steps",
    hunt: bool = False,
    checkpoint: Checkpoint | None = None,
    compact: bool = False,
    engine: str = "python",
    sleep: bool = False,
) -> tuple[Outcome, Space]:
    """Breadth-first search through all interleavings until a violation, of the oracles that are asked at the end included.

    The schedule found has the fewest "steps", or the fewest context "switches" and then steps, as `shortest` says; "any" has
    few steps, but is not proven to have the fewest. `hunt` looks for it at once, which is faster where there is one. `finish`
    also demands that from every state every thread can still return (else: deadlock or livelock).

    `reduce` explores moves in place of single steps (see Space), which go on over the `releases` behind them. `persistent`
    follows a thread alone where its move is nobody else's affair (see alone.py): fewer states are stored, and a livelock is not
    told in the fewest steps. `sleep` follows one of the orders of moves that touch nothing of each other (see sleep.py): fewer
    transitions, all other figures the same, and it takes longer.

    With a `checkpoint`, the search is written there now and then and when a budget ends it, and begins where the one ended that
    is there. `compact` comes to the same figures in a third of the memory, and takes longer. `engine` "compiled" comes to the
    same figures much sooner where there is much to explore and nothing wrong; it needs the extra `fast`."""
    if engine not in ENGINES:
        raise ValueError(f"engine is {' or '.join(map(repr, ENGINES))}, not {engine!r}")
    if (checkpoint is not None) + persistent + compact + sleep + (engine != "python") > 1:
        raise ValueError("of checkpoint, persistent, compact, sleep and another engine, a search can have one")
    budget, outcome = budget or Budget(), Outcome()
    if checkpoint is not None and checkpoint.reductions() == ():
        reduce = False
    question = Question(finish, reduce, releases, persistent, shortest, hunt, checkpoint, compact, engine, sleep)
    began = time.process_time()
    with no_collection():
        try:
            space = _explore(outcome, system, budget, question)
        except NotReducible:
            outcome = Outcome()
            if checkpoint is not None:
                checkpoint.forget()
            space = _explore(outcome, system, budget, question._replace(reduce=False))
    outcome.seconds = outcome.earlier + time.process_time() - began
    return outcome, space


def _explore(outcome: Outcome, system: System, budget: Budget, question: Question) -> Space:
    """Fills in `outcome`. An interrupt ends the search with what was found so far, and never with `holds`."""
    reduce, early, exact = question.reduce, question.releases, question.shortest != "any"
    outcome.reductions = question.reductions
    space = Space(system, reduce, early)
    try:
        if question.hunt and _hunt(Space(system, reduce, early and not exact), outcome, question.shortest, budget):
            return space
        search = _search(space, budget, outcome, question)
        space = search.space
        if question.checkpoint is not None:
            search.go_on(question.checkpoint)
        search.run()
        if outcome.violation is not None:
            outcome.reason = "interrupted or out of budget before the shortest counterexample was found"
            del search  # the next search needs its memory
            space = Space(system, reduce, early and not exact)
            _hunt(space, outcome, question.shortest, budget)
        elif question.finish and outcome.verdict == "holds":
            outcome.verdict, outcome.reason = "unfinished", "interrupted"
            search.demand_finish()
    except KeyboardInterrupt:
        outcome.reason = outcome.reason or "interrupted"
        if outcome.verdict == "holds":  # so far: what comes after the search was not done
            outcome.verdict = "unfinished"
    return space


def _search(space: Space, budget: Budget, outcome: Outcome, question: Question) -> Any:
    """The search that is asked for."""
    if question.engine == "compiled":
        from .compiled import Compiled

        return Compiled(space, budget, outcome)
    if question.compact:
        from .compact import Compact

        return Compact(space, budget, outcome)
    if question.sleep:
        from .feet import Feet
        from .sleep import Sleep

        return Sleep(Feet(space.system, space.reduce, space.early), budget, outcome)
    if not question.persistent:
        return Search(space, budget, outcome)
    from .alone import Alone
    from .settled import Settled

    return Settled(Alone(space.system, space.reduce, space.early), budget, outcome)


def _hunt(space: Space, outcome: Outcome, shortest: str, budget: Budget) -> bool:
    """Looks for the shortest counterexample. Moves differ in length and may have needless releases: the path with the fewest
    moves need not be the one with the fewest steps, or switches."""
    found: tuple[list[int], Violation, int] | None
    if shortest == "switches":
        found = fewest_switches(space, budget)
        if found and found[1].kind == "deadlock" and space.reduce:  # the last invisible steps may come earlier, in fewer turns
            found = fewest_switches(Space(space.system, False), budget) or found
    else:
        known = outcome.violation  # breadth first in single steps: nothing is shorter, but for an end in the same layer
        sure = known is not None and outcome.reductions in ((), ("sleep",)) and len(outcome.schedule) == outcome.depth
        found = (outcome.schedule, known, outcome.states) if known and sure else fewest_steps(space, budget)
        again = found and fewest_switches(space, Budget(max_states=PROBE), [found[0].count(t) for t in space.threads])
        if found and again and len(again[0]) == len(found[0]):
            found = (again[0], again[1], found[2])  # as few steps, fewer context switches
    if found is None:
        return False
    outcome.schedule, outcome.violation = found[0], found[1]
    outcome.states = outcome.states or found[2]
    outcome.verdict, outcome.reason = "violated", ""
    return True


class Search:
    def __init__(self, space: Space, budget: Budget, outcome: Outcome):
        self.space, self.budget, self.outcome = space, budget, outcome
        self.order: Any = [space.initial]  # states as they were found
        self.parent = array("L", [0])  # index in `order` of the state each was found from
        self.begun = 0, 1, 0  # index of the next state to look at, where its layer ends, transitions so far
        self.checkpoint: Checkpoint | None = None
        self.started = time.process_time()

    def run(self) -> None:
        outcome = self.outcome
        try:
            outcome.reason = self._breadth_first()
        except KeyboardInterrupt:
            outcome.reason = "interrupted"
        outcome.states = len(self.order)
        if outcome.violation is None:
            outcome.verdict = "unfinished" if outcome.reason else "holds"

    def _breadth_first(self) -> str:
        """Returns why it stopped early; an empty string when the whole space was explored or a violation found."""
        space, outcome, order, parent = self.space, self.outcome, self.order, self.parent
        rows, masks, shift, difference = space.rows, space.masks, space.shift, space.difference
        seen, append, add_parent = {space.initial}, order.append, parent.append
        add, (i, layer_end, edges) = seen.add, self.begun
        seen.update(order)
        while i < len(order):
            if i >= layer_end:
                outcome.depth, layer_end = outcome.depth + 1, len(order)
            stop = self.budget.spent(len(order), outcome.depth)
            if stop or (self.checkpoint and self.checkpoint.due()):
                outcome.transitions = edges
                self._save(i, layer_end)
            if stop:
                return stop
            for state in order[i : min(i + CHUNK, layer_end)]:
                row, before = rows[state >> shift], edges
                for t, mask in enumerate(masks):
                    change = row.get(state & mask)
                    if change is None:
                        try:
                            change = difference(state, t)
                        except Found as found:
                            outcome.transitions = edges
                            self._violated(i, found)
                            return ""
                    if change:
                        edges += 1
                        new = state + change
                        if new not in seen:
                            add(new)
                            append(new)
                            add_parent(i)
                if edges == before:
                    nobody = ending(space, state)
                    if nobody is not None:
                        self._violated(i, nobody)
                        outcome.transitions = edges
                        return ""
                i += 1
        outcome.transitions = edges
        self._save(i, layer_end)
        return ""

    def go_on(self, checkpoint: Checkpoint) -> None:
        """Begins where a search ended that was written, if there is one; writes this one."""
        self.checkpoint = checkpoint
        found = checkpoint.load(self.space, self.outcome.reductions)
        if found is not None:
            head, self.order, self.parent = found
            self.begun = head["next"], head["layer_end"], head["transitions"]
            self.outcome.depth, self.outcome.earlier = head["depth"], head["seconds"]

    def _save(self, i: int, layer_end: int) -> None:
        if self.checkpoint is not None:
            outcome = self.outcome
            head = {"reductions": outcome.reductions, "next": i, "layer_end": layer_end, "depth": outcome.depth}
            spent = outcome.earlier + time.process_time() - self.started
            head |= {"transitions": outcome.transitions, "seconds": round(spent, 3)}
            self.checkpoint.save(self.space, self.order, self.parent, head)

    def _violated(self, index: int, found: Found) -> None:
        outcome = self.outcome
        outcome.violation = found.violation
        outcome.schedule = self.schedule(index) + found.steps
        outcome.verdict = "violated"

    def schedule(self, index: int) -> list[int]:
        """Which thread takes each step on the way to the state of this index."""
        states = [self.order[index]]
        while index:
            index = self.parent[index]
            states.append(self.order[index])
        states.reverse()
        path: list[int] = []
        for state, after in itertools.pairwise(states):
            t = next(t for t in self.space.threads if state + (self.space.difference(state, t) or -state) == after)
            path += [t] * self.space.length(state, t)
        return path

    def demand_finish(self) -> None:
        """From every state every thread can still return. First each state is followed along one schedule, the first thread
        that can move; what that does not answer is searched backwards."""
        finals, steps_only = self.space.final_places(), (1 << self.space.shift) - 1
        good = {state for state in self.order if state & steps_only in finals}
        unclear: set[int] = set()
        for state in reversed(self.order):
            path = []
            while state not in good and state not in unclear:
                after = self._first(state)
                if after in good:
                    good.add(state)
                    break
                path.append(state)
                unclear.add(state)
                state = after
            if path and state in good:
                good.update(path)
                unclear.difference_update(path)
        self._search_backwards(good, unclear)

    def _first(self, state: int) -> int:
        """Where the first thread that can move leads."""
        space = self.space
        row = space.rows[state >> space.shift]
        for mask in space.masks:
            change = row.get(state & mask)
            if change:
                return state + change
        return self._after(state)[0]  # of a state that was looked at before a checkpoint, nothing is known yet

    def _after(self, state: int) -> list[int]:
        """The states that are explored from this one."""
        return [state + change for t in self.space.threads if (change := self.space.difference(state, t))]

    def _search_backwards(self, good: set[int], unclear: set[int]) -> None:
        """Adds to `good` the unclear states from which a good one can be reached; the others are doomed."""
        before: dict[int, list[int]] = {}
        pending: list[int] = []
        for state in unclear:
            for after in self._after(state):
                if after in good:
                    pending.append(state)
                before.setdefault(after, []).append(state)
        while pending:
            state = pending.pop()
            if state not in good:
                good.add(state)
                pending += before.get(state, ())
        doomed = next((state for state in self.order if state not in good), None) if unclear - good else None
        if doomed is not None:
            self._livelock(doomed)
        else:
            self.outcome.verdict = "holds"
        self.outcome.reason = ""

    def _livelock(self, state: int) -> None:
        names = [p.name for p, step in zip(self.space.system.programs, self.space.steps(state), strict=True) if step.operation]
        self.outcome.schedule = self.schedule(self.order.index(state))
        self.outcome.violation = Violation("livelock", f"from here on {', '.join(names)} can never all return")
        self.outcome.verdict = "violated"
