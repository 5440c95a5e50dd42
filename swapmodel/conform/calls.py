"""debian*.csv: nested calls. The model runs each outermost call as a whole, with probes on the same functions; every row is
compared where the model begins and ends that call itself.

The entries and returns of all tasks have one order. Each task is run only up to its next one, so that calls on two CPUs
overlap here as they did there. What stays open is when, between two of its events, a task has stored a value: a row that saw
the value before or after such a store of another CPU is counted as explained by overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..machine import Violation
from ..program import KernelError
from .device import Swap
from .outermost import Surroundings, Verdict
from .probes import Mark
from .records import Call, State, Trace, nest
from .report import Disagreement, Report

COLUMNS = ("byte", "inuse", "ccount", "cflags")
BYTES = {"__swap_entry_free", "__swap_entry_free_locked"}  # return unsigned char: the low 8 bits of %rax
BOOLS = {"folio_free_swap", "swap_page_trans_huge_swapped"}
VOIDS = {
    "swap_free",
    "swap_shmem_alloc",
    "put_swap_folio",
    "swap_range_alloc",
    "swap_range_free",
    "swap_entry_free",
    "swap_free_cluster",
    "swapcache_free_entries",
    "free_swap_slot",
    "swapcache_clear",
}


class Difference(NamedTuple):
    """A value that is not the model's. Of a word of memory: the events of its task between which it was read."""

    column: str
    theirs: Any
    ours: Any
    word: int = -1
    first: int = 0
    last: int = 0


def returned(fn: str, rax: int) -> int:
    """What a function returned, in the part of %rax that its type has."""
    if fn in BYTES:
        return rax & 0xFF
    if fn in BOOLS:
        return rax & 1
    low = rax & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


class CallReplay:
    """Replays one trace of calls."""

    def __init__(self, trace: Trace, swap: Swap, report: Report):
        self.trace, self.swap, self.report = trace, swap, report
        self.events = nest(trace)
        self.verdicts = {call.line: Verdict() for call in trace.calls}
        self.around = Surroundings(swap, report, self.verdicts)
        self.lost: dict[int, int] = {}  # task: the line where the model went another way
        self.last: dict[int, int] = {}  # task: the number of its last event

    def run(self, tick: Callable[[int], None]) -> None:
        for done, (number, entry, call, outer) in enumerate(self.events):
            try:
                self._event(entry, call, outer)
            except (Violation, KernelError) as error:
                self._lose(entry, call, str(error))
            task = self.swap.tasks.get(call.pid)
            if task is not None and task.stores:
                self.swap.close(task, self.last.get(call.pid, 0), outer.exit if task.marks else number)
            self.last[call.pid] = number
            if not entry and call is outer and self.lost.pop(call.pid, None) is not None:
                self._rebase(outer)
            if not done % 256:
                tick(done // 2)
        self._tell()

    def _event(self, entry: bool, call: Call, outer: Call) -> None:
        if call.fn == "try_to_unuse":  # the loop of swapoff itself: what it calls is replayed, call by call
            self._compare_state(entry, call, self.swap.look_device())
            return
        if call.pid in self.lost:
            if entry:
                self._differ(call, "call", f"{call.fn}() begins", f"not compared: this follows line {self.lost[call.pid]}")
            if call is outer:
                self.around.leave(outer, None)
            return
        if entry and call is outer:
            self.swap.start(call.pid, call.cpu, self.around.begin(call))
        if entry:
            self.around.prepare(call)
        task = self.swap.tasks[call.pid]
        reached = self.swap.advance(task)
        if reached is None or (reached[0].entry, reached[0].fn) != (entry, call.fn):
            self._lose(entry, call, _told(reached))
            return
        self._compare(entry, call, *reached)
        if not entry and call is outer:
            self.around.leave(outer, self.swap.finish(task))

    # ---- comparing -----------------------------------------------------------------------------------------------------

    def _differ(self, call: Call, column: str, theirs: Any, ours: Any, *when: int) -> None:
        self.verdicts[call.line].differences.append(Difference(column, theirs, ours, *when))

    def _compare(self, entry: bool, call: Call, mark: Mark, ours: State) -> None:
        compared = [("n", call.n, mark.n), ("arg", call.arg, mark.arg)] if entry else []
        if entry == (call.fn != "get_swap_pages"):  # that one has an offset when it returns
            compared.append(("offset", call.offset, mark.offset))
        if not entry and call.fn not in VOIDS:
            value = len(mark.ret) if call.fn == "get_swap_pages" else int(mark.ret)
            compared.append(("ret", returned(call.fn, call.ret), value))
        for column, theirs, mine in compared:
            if theirs != mine:
                self._differ(call, column, theirs, mine)
        self._compare_state(entry, call, ours, mark.offset)

    def _compare_state(self, entry: bool, call: Call, ours: State, offset: int = 0) -> None:
        theirs, when = (call.before, "before") if entry else (call.after, "after")
        if theirs == ours:
            return
        first, last = (call.prev, call.enter) if entry else (call.exit, call.next)
        for i, column in enumerate(COLUMNS):
            if theirs[i] != ours[i]:
                name = when if column == "byte" else f"{column}_{when}"
                self._differ(call, name, theirs[i], ours[i], self.swap.word_of(i, offset), first, last)

    # ---- when the model goes another way -------------------------------------------------------------------------------

    def _lose(self, entry: bool, call: Call, ours: str) -> None:
        self._differ(call, "call", f"{call.fn}() {'begins' if entry else 'returns'}", ours)
        self.lost[call.pid] = call.line
        task = self.swap.tasks.get(call.pid)
        if task is not None:
            self.swap.abandon(task)

    def _rebase(self, outer: Call) -> None:
        """The call is over in which the model went another way: it goes on from what the probes saw last."""
        for call in sorted(_all(outer), key=lambda c: c.exit):
            for i, value in enumerate(call.after):
                if call.offset and value >= 0:
                    self.swap.words[self.swap.word_of(i, call.offset)] = value
            self.around.take_over(call)

    # ---- the result ----------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        for call in sorted(self.trace.calls, key=lambda c: c.line):
            verdict = self.verdicts[call.line]
            unexplained = [d for d in verdict.differences if not self._overlaps(call, d)]
            if unexplained:
                kind = "disagreeing"
            elif verdict.differences:
                kind = "overlap"
            else:
                kind = "taken" if verdict.taken else "given" if verdict.given else "agreeing"
            self.report.add(call.fn, kind)
            for d in unexplained:
                place = f"{self.trace.path}:{call.line}"
                self.report.disagreements.append(Disagreement(place, call.fn, d.column, str(d.theirs), str(d.ours)))

    def _overlaps(self, call: Call, difference: Difference) -> bool:
        """Did a call on another CPU store to this word around the moment when it was read, to or from the value that was?"""
        return difference.word >= 0 and any(
            store.task != call.pid
            and store.first < difference.last
            and store.last > difference.first
            and difference.theirs in (store.old, store.new)
            for store in self.swap.history.get(difference.word, ())
        )


def _told(reached: tuple[Mark, State] | None) -> str:
    if reached is None:
        return "the end of the call"
    return f"{reached[0].fn}() {'begins' if reached[0].entry else 'returns'}"


def _all(call: Call) -> list[Call]:
    return [call, *(c for inner in call.calls for c in _all(inner))]
