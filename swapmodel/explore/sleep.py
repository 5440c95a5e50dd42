"""Sleep sets: of the orders in which moves can be made that touch nothing of each other, one is followed (P. Godefroid, 1996).

When a thread's move was made from a state, the thread sleeps behind the moves of others that are made from there after it, for
as long as they and its own move touch nothing of each other: made then, it would lead where another order leads. A thread that
is asleep makes no move. So moves are left out, and no state is.

In a state that several ways lead to, Godefroid lets those sleep who are asleep on all of them; who turns out to be awake on one
way more, after the state was looked at, makes his move then. Breadth first it is enough to know who sleeps on the way by which
the state was found: where the move of a sleeper leads was found before the state is looked at. For let p be found from q by the
move of u, and let t sleep in p. Then t's move from q leads to a state r that was found before p: the move was made just before
u's, or t sleeps in q, and all this is true of q, which comes before p. So r is looked at before p. From there u's move leads to
where t's leads from p: it is made there, or u sleeps in r, and all this is true of r too. So every move that is left out would
have led to what was known: the states are found in the order, and each from the state, as without sleep sets.
"""

from __future__ import annotations

import functools
from array import array

from .budget import CHUNK, Budget, Outcome
from .feet import Feet, apart
from .search import Search
from .shortest import ending
from .space import Found


@functools.cache
def threads_of(bits: int) -> tuple[int, ...]:
    """The threads that these bits stand for."""
    return tuple(t for t in range(bits.bit_length()) if bits >> t & 1)


class Sleep(Search):
    """The same search without the moves that are asleep."""

    space: Feet

    def __init__(self, space: Feet, budget: Budget, outcome: Outcome):
        super().__init__(space, budget, outcome)
        self.asleep = array("L", [0])  # for every state in `order`, bits of the threads that are asleep in it
        self._beside: list[set[int]] = []  # number in Feet.touched -> those that it touches nothing of

    def _breadth_first(self) -> str:
        space, outcome, order, parent, asleep = self.space, self.outcome, self.order, self.parent, self.asleep
        seen = {space.initial}
        rows, feet, masks, shift, beside = space.rows, space.feet, space.masks, space.shift, self._beside
        i, layer_end = 0, 1
        while i < len(order) and outcome.violation is None:
            if i >= layer_end:
                outcome.depth, layer_end = outcome.depth + 1, len(order)
            if not i % CHUNK and (stop := self.budget.spent(len(order), outcome.depth)):
                return stop
            state, made = order[i], 0
            row, known, sleepers = rows[state >> shift], feet[state >> shift], asleep[i]
            try:
                touch = [known[state & mask] for mask in masks]
            except KeyError:
                touch = self._learn(i, state)
            for t, foot in enumerate(touch):
                if foot and not sleepers >> t & 1:
                    made += 1
                    new = state + row[state & masks[t]]
                    if new not in seen:
                        seen.add(new)
                        order.append(new)
                        parent.append(i)
                        asleep.append(sum([1 << u for u in threads_of(sleepers) if touch[u] in beside[foot]]))
                    sleepers |= 1 << t
            if not made and not any(touch):
                self._nobody_moves(i, state)
            outcome.transitions += made
            i += 1
        return ""

    def _learn(self, i: int, state: int) -> list[int]:
        """What the next move of every thread touches, asleep or not: numbers in Feet.touched, 0 from where one violates."""
        touch = [0] * len(self.space.threads)
        for t in self.space.threads:
            if self.outcome.violation is None:
                touch[t] = self._foot(i, state, t)
        self._tell_apart()
        return touch

    def _foot(self, i: int, state: int, t: int) -> int:
        try:
            return self.space.foot(state, t)
        except Found as found:
            self._violated(i, found)
            return 0

    def _tell_apart(self) -> None:
        """Those numbers that are new."""
        touched, known = self.space.touched, self._beside
        for new in range(len(known), len(touched)):
            known.append({old for old in range(1, new + 1) if apart(touched[new], touched[old])})
            for old in known[new]:
                known[old].add(new)

    def _nobody_moves(self, i: int, state: int) -> None:
        nobody = ending(self.space, state) if self.outcome.violation is None else None
        if nobody is not None:
            self._violated(i, nobody)
