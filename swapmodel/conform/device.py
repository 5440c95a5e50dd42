"""The model with the sizes of the recorded machine, and tasks that run its functions step by step.

A task is run up to a stop: a mark of a probed function, or any operation that the caller names. Where it waits for a lock,
the task that holds it goes on first; so calls that overlapped on the real machine overlap here too.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple, cast

from ..kernel import Kernel, Replacements, link
from ..machine import BLOCKED, NULL, Cpu, Memory, Violation
from ..mm.swapops import CLUSTER_FLAG_FREE, swp_entry
from ..program import KernelError, at, stack_of, where
from ..world import Device, Sizes, World, lay
from .probes import Mark, probed
from .records import CLUSTER, SLOTS, State

STEPS = 1_000_000  # of one task between two stops
GONE = State(-1, -1, -1, -1)
FOLIOS = 8  # tasks that are inside of a call with a folio at the same time


class Store(NamedTuple):
    """A store of a task to a word that the probes read, and between which of its events it happened."""

    task: int
    first: int
    last: int
    old: Any
    new: Any


class TaskCpu(Cpu):
    """The words as one list; stores to the words that the probes read are kept with the task that made them."""

    __slots__ = ("owner", "read_by_probes")

    def __init__(self, memory: Memory, words: list[Any], me: int, read_by_probes: bytearray | None):
        super().__init__(memory, words, me)
        self.read_by_probes = read_by_probes
        self.owner: Task | None = None

    def raw_load(self, word: int) -> Any:
        return self.words[word]

    def raw_store(self, word: int, value: Any) -> None:
        if self.read_by_probes is not None and self.read_by_probes[word] and self.owner is not None:
            self.owner.stores.append((word, self.words[word], value))
        self.words[word] = value


class Task:
    """A kernel function that runs on one CPU, up to a stop each time."""

    def __init__(self, pid: int, cpu: TaskCpu, generator: Generator[Any, Any, Any]):
        self.pid, self.cpu, self.generator = pid, cpu, generator
        self.marks: deque[tuple[Mark, State]] = deque()  # reached already, because another task needed a lock
        self.stores: list[tuple[int, Any, Any]] = []  # (word, old, new) since its last event
        self.held: Any = None  # the operation that it has stopped at
        self.value: Any = None
        self.result: Any = None
        self.done = False


@functools.lru_cache(maxsize=4)
def laid(cpus: int) -> World:
    """The layout, which nobody changes; what its words hold is each Swap's own."""
    sizes = Sizes(cpus=cpus, processes=0, files=0, folios=FOLIOS, cluster=CLUSTER, continuation_pages=8)
    return lay((Device(slots=SLOTS),), sizes)


class Swap:
    """One device of the recorded size, swapped on, and the tasks that are inside of its functions."""

    def __init__(self, kernel: Kernel, fix: Replacements | None, cpus: int, probes: Iterable[str] = (), overlaps: bool = False):
        self.world = laid(cpus)
        self.file = cast(Any, self.world.devices[0])
        self.space: Any = link(self.world.memory, kernel, fix, self.world.constants)
        self.words = list(self.world.memory.words)
        self.si = self.world.constants["SWAP_INFOS"][0]
        read_by_probes = bytearray(len(self.words)) if overlaps else None
        self.cpus = [TaskCpu(self.world.memory, self.words, me, read_by_probes) for me in range(cpus)]
        self.tasks: dict[int, Task] = {}  # by pid
        self.map = self.file.swap_map[0].word
        self.inuse = self.si.inuse_pages.word
        infos = [self.file.cluster_info[i] for i in range(len(self.file.cluster_info))]
        self.clusters = [(c.data.word, c.flags.word, c.lock.word) for c in infos]
        if read_by_probes is not None:
            for word in (self.inuse, *range(self.map, self.map + SLOTS), *(w for c in self.clusters for w in c[:2])):
                read_by_probes[word] = 1
        self.history: dict[int, list[Store]] = {}
        try:
            error = self.swapon()
        except Violation as violation:
            raise KernelError(f"swapon() of an empty device: {violation}") from None
        if error:
            raise KernelError(f"swapon() of an empty device returns {error}")
        for name in probes:
            self._probe(name)

    def _probe(self, name: str) -> None:
        function = getattr(self.space, name, None)
        if function is None:
            raise KernelError(f"the model has no {name}(), which the trace has probed")
        function.__globals__[name] = marked = probed(name, function, self.words)
        setattr(self.space, name, marked)

    # ---- looking -----------------------------------------------------------------------------------------------------

    def value(self, address: Any) -> Any:
        return self.words[address.word]

    def look(self, offset: int) -> State:
        """What the probes read for a slot."""
        words = self.words
        if not offset:
            return GONE
        if words[self.si.swap_map.word] is NULL:
            return State(-1, words[self.inuse], -1, -1)
        data, flags, _ = self.clusters[offset // CLUSTER]
        return State(words[self.map + offset], words[self.inuse], words[data], words[flags])

    def look_device(self) -> State:
        """What the probe of a function without an entry reads: that of offset 0, without the byte."""
        data, flags, _ = self.clusters[0]
        return State(-1, *(self.words[word] for word in (self.inuse, data, flags)))

    def word_of(self, column: int, offset: int) -> int:
        """The word behind a column of a State."""
        data, flags, _ = self.clusters[offset // CLUSTER]
        return int((self.map + offset, self.inuse, data, flags)[column])

    # ---- running -----------------------------------------------------------------------------------------------------

    def swapon(self) -> Any:
        return self.finish(self.start(-1, 0, self.space.swapon(self.file, -1)))

    def swapoff(self) -> Any:
        return self.finish(self.start(-1, 0, self.space.swapoff(0)))

    def start(self, pid: int, cpu: int, generator: Generator[Any, Any, Any]) -> Task:
        self.tasks[pid] = Task(pid, self.cpus[cpu], generator)
        return self.tasks[pid]

    def finish(self, task: Task) -> Any:
        """Runs a task to its end and returns its value."""
        self.advance(task, lambda operation: False)
        if not task.done:
            raise Violation("livelock", "the call comes to a probed function instead of its end")
        return task.result

    def abandon(self, task: Task) -> None:
        """Forgets a task that has gone another way than the trace; what it holds is free again."""
        self.tasks.pop(task.pid, None)
        task.done = True
        mine = task.cpu.me + 1
        for word in self.world.memory.sync:
            if self.words[word] == mine:
                self.words[word] = 0
        self.words[self.world.memory.context[task.cpu.me]] = 0

    def advance(self, task: Task, stop: Callable[[Any], bool] | None = None) -> tuple[Mark, State] | None:
        """Runs a task up to its next mark, which it returns; or, None, up to an operation for which `stop` is true, not yet
        taken, or to its end. A Violation says what the model does not allow."""
        if task.marks:
            return task.marks.popleft()
        cpu, operation, value = task.cpu, task.held, task.value
        cpu.owner, task.held, task.value = task, None, None
        try:
            for _ in range(STEPS):
                if operation is None:
                    operation = task.generator.send(value)
                    if type(operation) is Mark:
                        return operation, self.look(operation.offset)
                    if stop is not None and stop(operation):
                        task.held = operation
                        return None
                value = operation.effect(cpu, *operation.arguments)
                while value is BLOCKED:
                    self._unblock(task, operation)
                    cpu.owner = task
                    value = operation.effect(cpu, *operation.arguments)
                operation = None
        except StopIteration as end:
            task.done, task.result = True, end.value
            self.tasks.pop(task.pid, None)
            return None
        except Violation as violation:
            raise Violation(violation.kind, f"{at(stack_of(task.generator))}: {violation}") from None
        except (AttributeError, IndexError, KeyError, NameError, TypeError, ValueError) as error:
            raise KernelError(f"{where(error)}: {type(error).__name__}: {error}") from error
        raise Violation("livelock", f"{at(stack_of(task.generator))}: no end after {STEPS:,} steps")

    def _unblock(self, task: Task, operation: Any) -> None:
        """Lets the task that holds a lock go on until it has dropped it. Marks that it reaches meanwhile are kept for later."""
        lock = operation.address
        held = self.words[lock.word] if hasattr(lock, "word") else 0
        for other in list(self.tasks.values()):
            if other is task or other.cpu.me + 1 != held:
                continue
            while not other.done and self.words[lock.word] == held:
                mark = self._push(other, lock.word, held)
                if mark is not None:
                    other.marks.append(mark)
            if self.words[lock.word] != held:
                return
        raise Violation("deadlock", f"{at(stack_of(task.generator))}: {operation} waits, and nobody will end that")

    def _push(self, other: Task, lock: int, held: int) -> tuple[Mark, State] | None:
        kept, other.marks = other.marks, deque()
        try:
            return self.advance(other, lambda _: bool(self.words[lock] != held))
        finally:
            other.marks = kept

    # ---- the places that the trace names -------------------------------------------------------------------------------

    def entry(self, offset: int) -> int:
        return int(swp_entry(0, offset))

    def cluster(self, offset: int) -> Any:
        return self.file.cluster_info[offset // CLUSTER]

    def close(self, task: Task, first: int, last: int) -> None:
        """The stores of a task since its event number `first` happened before its event number `last`."""
        for word, old, new in task.stores:
            self.history.setdefault(word, []).append(Store(task.pid, first, last, old, new))
        task.stores.clear()

    def take_cluster(self, offset: int, count: int, flags: int) -> None:
        """Takes over from a trace that begins in the middle what a cluster holds: it is no longer on the free list."""
        data, word, _ = self.clusters[offset // CLUSTER]
        free = self.si.free_clusters.word
        self.words[free] = tuple(i for i in self.words[free] if i != offset // CLUSTER)
        for index, following in zip(self.words[free], self.words[free][1:], strict=False):
            self.words[self.clusters[index][0]] = following
        self.words[data], self.words[word] = count, flags
        if flags & CLUSTER_FLAG_FREE:
            self.words[free] = (*self.words[free], offset // CLUSTER)


def locked(swap: Swap, inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Runs `inner` with si->lock held, as its callers do."""
    yield swap.space.spin_lock(swap.si.lock)
    result = yield from inner
    yield swap.space.spin_unlock(swap.si.lock)
    return result


def cluster_locked(swap: Swap, offset: int, inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Runs `inner` with the lock of a slot's byte held, as its callers do."""
    ci = yield from swap.space.lock_cluster_or_swap_info(swap.si, offset)
    result = yield from inner
    yield from swap.space.unlock_cluster_or_swap_info(swap.si, ci)
    return result
