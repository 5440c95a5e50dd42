"""own-*.csv and race-*.csv: one row per change, in the order in which the locks let them happen. The model's function runs up
to the same change, and everything that the row has is compared with the model there; the state goes on from row to row.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from ..machine import Address, Violation
from ..mm.swapops import CLUSTER_FLAG_FREE
from ..program import KernelError
from .calls import returned
from .device import Swap, Task, cluster_locked, locked
from .records import CLUSTER, SLOTS, Change, State, Trace
from .report import Disagreement, Report

BATCH = 64  # slots that a CPU's cache is filled with
STORES = {"write", "WRITE_ONCE"}


class UpToUnlock:
    """Stops a task before it releases the lock under which it has changed swap_map: at `offset`, where `before` was."""

    def __init__(self, swap: Swap):
        self.swap, self.offset, self.before = swap, -1, -1

    def __call__(self, operation: Any) -> bool:
        if self.offset >= 0:
            lock = self.swap.clusters[self.offset // CLUSTER][2]
            return bool(operation.name in ("spin_unlock", "spin_unlock_not_rcu") and operation.arguments[0].word == lock)
        first = operation.arguments[0] if operation.arguments else None
        word = -1
        if operation.name in STORES and isinstance(first, Address):
            word = first.word
        elif operation.name == "memset":
            word = first[operation.arguments[1]].word  # type: ignore[index]
        if 0 <= word - self.swap.map < SLOTS:
            self.offset, self.before = word - self.swap.map, self.swap.words[word]
        return False


class BehindStore:
    """Stops a task at the first operation after a store to one word."""

    def __init__(self, word: int):
        self.word, self.stored = word, False

    def __call__(self, operation: Any) -> bool:
        if self.stored:
            return True
        first = operation.arguments[0] if operation.arguments else None
        self.stored = operation.name in STORES and isinstance(first, Address) and first.word == self.word
        return False


def begins_in_the_middle(rows: tuple[Change, ...]) -> bool:
    """Were slots in use before the trace began? The first event of a fresh device takes a slot, and inuse_pages counts from 0.
    It takes two rows to say otherwise: one may be wrong."""
    if rows[0].fn not in ("m:alloc", "m:alloc_cluster", "e:swapon"):
        return True
    return all(row.inuse > (row.n if row.fn[0] == "r" else 0) for row in rows[:2])


class ChangeReplay:
    """Replays one trace of changes."""

    def __init__(self, trace: Trace, swap: Swap, report: Report):
        self.trace, self.swap, self.report = trace, swap, report
        self.middle = begins_in_the_middle(trace.changes)
        self.known: set[int] = set()  # slots that the trace has shown
        self.clusters: set[int] = set()
        self.left: dict[int, int] = {}  # task: slots that it will still take, by the trace
        self.begun: dict[int, tuple[Change, str, int]] = {}  # task: the call it has begun, what that changes first, and where
        self.found: list[tuple[str, Any, Any]] = []
        self.taken, self.position = False, 0
        self.handlers: dict[str, Callable[[Change], None]] = {
            "m:alloc": self._alloc,
            "m:alloc_cluster": self._alloc,
            "m:entry_free": self._entry_free,
            "m:free_cluster": self._entry_free,
            "m:entry_free_locked": self._entry_free_locked,
            "m:duplicate": self._duplicate,
            "r:range_alloc": self._range,
            "r:range_free": self._range,
            "e:swapon": self._swapon,
            "e:swapoff_begin": self._device,
            "e:swapoff_unused": self._device,
            "e:swapoff_done": self._swapoff_done,
            "e:split_swap_cluster": self._split,
            "e:add_continuation": self._add_continuation,
            "e:put_folio_clear_huge": self._clear_huge,
            "e:unuse_pass2_freed": self._state_after,
            "c:swap_free": self._call,
            "c:free_swap_and_cache": self._call,
            "c:put_swap_folio": self._call,
        }

    def run(self, tick: Callable[[int], None]) -> None:
        for done, row in enumerate(self.trace.changes):
            self.position = done
            self.found, self.taken = [], False
            try:
                self._take_over(row)
                self._follow(row)
                self.handlers[row.fn](row)
            except (Violation, KernelError) as error:
                self.found.append(("call", row.fn, str(error)))
                self._rebase(row)
            for column, theirs, ours in self.found:
                place = f"{self.trace.path}:{row.line}"
                self.report.disagreements.append(Disagreement(place, row.fn, column, str(theirs), str(ours)))
            self.report.add(row.fn, "disagreeing" if self.found else "taken" if self.taken else "agreeing")
            if not done % 256:
                tick(done)
        self._over()

    def _over(self) -> None:
        """The trace ends here. Who is inside of a call then has not been compared to its end."""
        for task in list(self.swap.tasks.values()):
            self.report.notes.append(f"the trace ends while task {task.pid} is inside of a call")

    # ---- comparing -----------------------------------------------------------------------------------------------------

    def _check(self, column: str, theirs: Any, ours: Any) -> None:
        if theirs != ours:
            self.found.append((column, theirs, ours))

    def _counters(self, row: Change, ours: State) -> None:
        self._check("inuse", row.inuse, ours.inuse)
        self._check("ccount", row.ccount, ours.ccount)
        self._check("cflags", row.cflags, ours.cflags)

    def _call(self, row: Change) -> None:
        """A call begins: nothing has changed yet. The record at the begin of put_swap_folio() has no byte: it is always 0. The
        model's function says what it will change first, and its changes are undone; the rows that follow make them."""
        ours = self.swap.look(row.offset)
        if row.fn != "c:put_swap_folio":
            self._check("before", row.before, ours.byte)
        self._counters(row, ours)
        if row.n > 1:  # a PMD-size folio: the cluster comes first
            self.begun[row.pid] = row, "e:put_folio_clear_huge", row.offset
            return
        if self.swap.tasks:  # who holds a lock can't be made to go on and back again
            return
        words, stop = self.swap.words, UpToUnlock(self.swap)
        before = list(words)
        try:
            self.swap.advance(self.swap.start(row.pid, row.cpu, self._function(row)), stop)
            if stop.offset >= 0:
                self.begun[row.pid] = row, "m:entry_free_locked", stop.offset
            else:
                self.found.append(("call", row.fn, "it changes nothing"))
        finally:
            self.swap.tasks.pop(row.pid, None)
            words[:] = before

    def _function(self, row: Change) -> Generator[Any, Any, Any]:
        space, entry = self.swap.space, self.swap.entry(row.offset)
        if row.fn != "c:put_swap_folio":
            return vars(space)[row.fn[2:]](entry)  # type: ignore[no-any-return]
        folio = self.swap.world.folios[0]
        for address, value in ((folio._object.life, 1), (folio.nr_pages.word, row.n)):
            self.swap.words[address] = value
        return space.put_swap_folio(folio, entry)  # type: ignore[no-any-return]

    def _follow(self, row: Change) -> None:
        """The first change of a task that has begun a call is that of the model's function."""
        if row.fn[0] == "r" or row.pid not in self.begun:
            return
        call, fn, offset = self.begun.pop(row.pid)
        if (row.fn, row.offset) != (fn, offset):
            told = f"{fn} of slot {offset}, for {call.fn} of line {call.line}"
            self.found.append(("call", f"{row.fn} of slot {row.offset}", told))

    def _state_after(self, row: Change) -> None:
        ours = self.swap.look(row.offset)
        self._check("after", row.after, ours.byte)
        self._counters(row, ours)

    # ---- a trace that begins in the middle -----------------------------------------------------------------------------

    def _take_over(self, row: Change) -> None:
        """What a slot, a cluster and inuse_pages held before the trace began, where it shows them for the first time. Only in
        a trace that begins in the middle; of a change it is what must have been there before."""
        if not self.middle or (row.fn[0] == "e" and not row.offset):
            return
        words, slots = self.swap.words, range(row.offset, row.offset + row.n)
        if not self.clusters:
            words[self.swap.inuse] = row.inuse - {"r:range_alloc": row.n, "r:range_free": -row.n}.get(row.fn, 0)
            self.taken = True
        if row.offset // CLUSTER not in self.clusters:
            self.clusters.add(row.offset // CLUSTER)
            step = {"m:alloc": 1, "m:entry_free": -1}.get(row.fn, 0)
            if not row.cflags & CLUSTER_FLAG_FREE or step:
                self.swap.take_cluster(row.offset, row.ccount - step, row.cflags & ~CLUSTER_FLAG_FREE)
            self.taken = True
        if row.fn[0] in "mc":
            for slot in set(slots) - self.known if row.fn[0] == "m" or row.n == 1 else ():
                if words[self.swap.map + slot] != row.before:
                    words[self.swap.map + slot] = row.before
                    self.taken = True
                self.known.add(slot)

    def _rebase(self, row: Change) -> None:
        """The model can't go the way of this row: it goes on from what the row says."""
        task = self.swap.tasks.get(row.pid)
        if task is not None:
            self.swap.abandon(task)
        words = self.swap.words
        words[self.swap.inuse] = row.inuse
        if row.ccount >= 0:
            data, flags, _ = self.swap.clusters[row.offset // CLUSTER]
            words[data], words[flags] = row.ccount, row.cflags
        if row.fn[0] == "m":
            for slot in range(row.offset, row.offset + row.n):
                words[self.swap.map + slot] = row.after

    # ---- slots are taken and freed -------------------------------------------------------------------------------------

    def _alloc(self, row: Change) -> None:
        """m:alloc, m:alloc_cluster: get_swap_pages() runs up to its next slot. Which one it takes is compared too."""
        if row.pid not in self.left:
            self.left[row.pid] = self._batch(row)
            size = CLUSTER if row.fn == "m:alloc_cluster" else 1
            if self.left[row.pid] > 1:  # folio_alloc_swap() looks whether its cache is in use before it fills it
                self.swap.finish(self.swap.start(-1, row.cpu, self.swap.space.check_cache_active()))
            goal = BATCH if self.left[row.pid] > 1 else 1
            self.swap.start(row.pid, row.cpu, self.swap.space.get_swap_pages(goal, size))
        self.left[row.pid] -= 1
        self._change(row, self._task(row))

    def _batch(self, row: Change) -> int:
        """How many slots the task takes in one go, by the trace."""
        count = 0
        for other in self.trace.changes[self.position :]:
            if other.pid == row.pid:
                if other.fn not in (row.fn, "r:range_alloc") or count == BATCH:
                    break
                count += other.fn == row.fn
        return count

    def _entry_free(self, row: Change) -> None:
        """m:entry_free, m:free_cluster: under si->lock, up to the release of the cluster's lock."""
        space, si = self.swap.space, self.swap.si
        if row.fn == "m:entry_free":
            inner = space.swap_entry_free(si, self.swap.entry(row.offset))
        else:
            inner = space.swap_free_cluster(si, row.offset // CLUSTER)
        self._change(row, self.swap.start(row.pid, row.cpu, locked(self.swap, inner)))

    def _change(self, row: Change, task: Task) -> None:
        stop = UpToUnlock(self.swap)
        self.swap.advance(task, stop)
        if task.done:
            self.left.pop(row.pid, None)
            self.found.append(("call", f"{row.fn} of slot {row.offset}", "the call is over without a change"))
            self._rebase(row)
            return
        ours = self.swap.look(stop.offset)
        self._check("offset", row.offset, stop.offset)
        self._check("before", row.before, stop.before)
        self._check("after", row.after, ours.byte)
        self._counters(row, ours)

    def _range(self, row: Change) -> None:
        """r:range_alloc, r:range_free: the same call, up to where inuse_pages has changed; a free then runs to its end."""
        task = self._task(row)
        self.swap.advance(task, BehindStore(self.swap.inuse))
        self._counters(row, self.swap.look(row.offset))
        if row.fn == "r:range_free" or not self.left.get(row.pid):
            self.left.pop(row.pid, None)
            stop = UpToUnlock(self.swap)
            self.swap.advance(task, stop)
            if not task.done:
                self.found.append(("call", "no further slot", f"slot {stop.offset} changes too"))
                self.swap.finish(task)

    def _task(self, row: Change) -> Task:
        """The call that this task is inside of."""
        if row.pid not in self.swap.tasks:
            raise KernelError(f"the model's task {row.pid} is not inside of a call that changes this")
        return self.swap.tasks[row.pid]

    # ---- references ----------------------------------------------------------------------------------------------------

    def _run(self, row: Change, generator: Generator[Any, Any, Any]) -> Any:
        return self.swap.finish(self.swap.start(row.pid, row.cpu, generator))

    def _reference(self, row: Change, ret: int, generator: Generator[Any, Any, Any]) -> None:
        """Runs a function that changes one byte, and compares all that the row says of it."""
        self._check("before", row.before, self.swap.look(row.offset).byte)
        self._check("ret", ret, self._run(row, generator))
        self._state_after(row)

    def _entry_free_locked(self, row: Change) -> None:
        space, si = self.swap.space, self.swap.si
        inner = space.__dict__["__swap_entry_free_locked"](si, row.offset, row.usage)
        self._reference(row, row.ret & 0xFF, cluster_locked(self.swap, row.offset, inner))

    def _duplicate(self, row: Change) -> None:
        entry = self.swap.entry(row.offset)
        self._reference(row, returned(row.fn, row.ret), self.swap.space.__dict__["__swap_duplicate"](entry, row.usage))

    def _add_continuation(self, row: Change) -> None:
        space = self.swap.space
        self._reference(row, row.ret, space.add_swap_count_continuation(self.swap.entry(row.offset), space.GFP_ATOMIC))

    # ---- other events --------------------------------------------------------------------------------------------------

    def _split(self, row: Change) -> None:
        self._check("ret", row.ret, self._run(row, self.swap.space.split_swap_cluster(self.swap.entry(row.offset))))
        self._counters(row, self.swap.look(row.offset))

    def _clear_huge(self, row: Change) -> None:
        """put_swap_folio() of a PMD-size folio: the cluster holds it no longer."""
        inner = self.swap.space.cluster_clear_huge(self.swap.cluster(row.offset))
        self._run(row, cluster_locked(self.swap, row.offset, inner))
        self._counters(row, self.swap.look(row.offset))

    def _device(self, row: Change) -> None:
        self._check("n", row.n, self.swap.value(self.swap.si.pages))
        self._check("inuse", row.inuse, self.swap.words[self.swap.inuse])

    def _swapoff_done(self, row: Change) -> None:
        self._device(row)
        if self.swap.words[self.swap.inuse]:
            raise KernelError("swapoff() would not end: slots are in use")
        self._check("swapoff", 0, self.swap.swapoff())

    def _swapon(self, row: Change) -> None:
        """The row has the number of slots in `ret`."""
        self._check("swapon", 0, self.swap.swapon())
        self._device(row)
        self._check("ret", row.ret, self.swap.value(self.swap.si.max))
