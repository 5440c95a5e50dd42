"""Lock order, as lockdep sees it: which class of lock was ever waited for while which other was held.

A class is a member of a struct (si.lock, cluster_info.lock, mm.page_table_lock), all instances of it alike. Two classes that
are taken in both orders can deadlock, whether or not the threads here ever do; so no unlucky interleaving has to be found.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .machine import Address
from .program import Frame, Program, Step, System, at

WAITS = frozenset(
    {
        "spin_lock",
        "spin_lock_irq",
        "spin_lock_not_rcu",
        "spin_lock_irq_not_rcu",
        "mutex_lock",
        "down_read",
        "down_write",
        "folio_lock",
    }
)
TRIES = frozenset({"spin_trylock", "spin_trylock_not_rcu", "folio_trylock"})
RELEASES = frozenset(
    {
        "spin_unlock",
        "spin_unlock_irq",
        "spin_unlock_not_rcu",
        "spin_unlock_irq_not_rcu",
        "mutex_unlock",
        "up_read",
        "up_write",
        "folio_unlock",
    }
)

# Two of one class, one inside the other, with spin_lock_nested() or mmap_write_lock_nested() in the kernel: there the caller
# vouches for the order, and lockdep believes it. Class -> the functions that take the inner one.
NESTED: Mapping[str, frozenset[str]] = {
    "cluster_info.lock": frozenset({"cluster_list_add_tail"}),
    "mm.page_table_lock": frozenset({"copy_page_range"}),
    "mm.mmap_lock": frozenset({"dup_mmap"}),
}


class Taken(NamedTuple):
    """A lock being taken: by which thread, which lock, by which operation, and where."""

    thread: str
    lock: Address
    operation: str
    stack: tuple[Frame, ...]

    def __str__(self) -> str:
        return f"{self.lock} with {self.operation}() at {at(self.stack)}"


class Edge(NamedTuple):
    """The first time that a thread which held a lock of one class, `outer`, waited for a lock of another, `inner`."""

    outer: Taken
    inner: Taken

    @property
    def classes(self) -> tuple[str, str]:
        return lock_class(self.outer.lock), lock_class(self.inner.lock)

    def __str__(self) -> str:
        return f"{self.outer.thread} holds {self.outer}, and waits for {self.inner}"


class Inversion(NamedTuple):
    """Edges that lead from a class back to itself: of each, another thread could be the holder."""

    edges: tuple[Edge, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(edge.classes[0] for edge in self.edges)

    def __str__(self) -> str:
        first = self.classes[0]
        if len(self.edges) == 1:
            return f"{first} is taken while another {first} is held, and nothing says in which order:\n  {self.edges[0]}"
        title = f"{first} and {self.classes[1]} are taken in both orders"
        if len(self.edges) > 2:
            title = f"the order {' -> '.join((*self.classes, first))} comes back to where it began"
        return "\n  ".join([f"{title}:", *map(str, self.edges)])


class Holding(NamedTuple):
    """A lock that is held, and the step that took it."""

    lock: Address
    step: Step


Held = tuple[Holding, ...]  # in the order in which they were taken


def lock_class(lock: Address) -> str:
    """`cluster_info.lock` for swap0.cluster_info[3].lock; a global lock is a class of its own."""
    name = re.sub(r"\[[^]]*\]", "", lock.name).rpartition(" ")[2]
    owner, dot, member = name.rpartition(".")
    return f"{owner.rpartition('.')[2].rstrip('0123456789')}{dot}{member}"


def lock_of(step: Step) -> Address | None:
    """The lock that the operation of a step takes or releases."""
    operation = step.operation
    if operation is None or operation.name not in WAITS | TRIES | RELEASES | {"downgrade_write"}:
        return None
    lock: Any = operation.arguments[0]
    return lock if isinstance(lock, Address) else lock.locked  # the folio lock


def walk(program: Program) -> Iterator[tuple[Step, Held]]:
    """Every step of a program's graph, as far as it was explored, with the locks held there; once for each set of them."""
    first: tuple[Step, Held] = (program.first, ())
    seen: set[Any] = {(program.first.index, ())}
    pending = deque([first])
    while pending:
        step, held = pending.popleft()
        yield step, held
        for value, after in step.next.items():
            still = _after(step, value, held)
            key = (after.index, tuple(h.lock.word for h in still))
            if key not in seen:
                seen.add(key)
                pending.append((after, still))


def _after(step: Step, value: Any, held: Held) -> Held:
    """The locks held once the operation of `step` returned `value`."""
    lock = lock_of(step)
    if lock is None or step.operation is None:
        return held
    if step.operation.name in RELEASES:
        return tuple(h for h in held if h.lock.word != lock.word)
    if step.operation.name == "downgrade_write":
        return tuple(Holding(lock, step) if h.lock.word == lock.word else h for h in held)
    if step.operation.name in TRIES and not value:
        return held
    return (*held, Holding(lock, step))


def lock_edges(system: System) -> dict[tuple[str, str], Edge]:
    """(class of the lock held, class of the lock waited for) -> where that was first so; in the order of the threads.

    Reads the steps that an explorer has reached: explore(system) first. A trylock waits for nobody and makes no edge, but what
    it took is held. A path through the steps of one thread need not be an execution of the whole system: as in lockdep,
    what each thread may do alone is put together. Two instances of one class give the edge (class, class)."""
    return _first(system, vouched=False)


def nested_edges(system: System) -> dict[tuple[str, str], Edge]:
    """Of each class that is taken inside itself where the kernel vouches for the order: the first place where it is."""
    return _first(system, vouched=True)


def _first(system: System, vouched: bool) -> dict[tuple[str, str], Edge]:
    edges: dict[tuple[str, str], Edge] = {}
    for program in system.programs:
        for step, held in walk(program):
            lock = lock_of(step)
            if lock is None or step.operation is None or step.operation.name not in WAITS:
                continue
            for outer in held:
                key = lock_class(outer.lock), lock_class(lock)
                if key not in edges and _vouched(key, step) == vouched:
                    edges[key] = Edge(_taken(program, outer.step, outer.lock), _taken(program, step, lock))
    return edges


def _vouched(key: tuple[str, str], step: Step) -> bool:
    functions = {frame.function for frame in step.stack}
    return key[0] == key[1] and bool(functions & NESTED.get(key[0], frozenset()))


def _taken(program: Program, step: Step, lock: Address) -> Taken:
    assert step.operation is not None
    return Taken(program.name, lock, step.operation.name, step.stack)


def inversions(edges: Mapping[tuple[str, str], Edge]) -> list[Inversion]:
    """The shortest ways from each class back to itself, each told once: an empty list if there is an order that all obey."""
    after: dict[str, list[str]] = {}
    for outer, inner in edges:
        after.setdefault(outer, []).append(inner)
    found: dict[tuple[str, ...], Inversion] = {}
    for outer, inner in edges:
        path = _path(after, inner, outer)
        if path:
            begin = path.index(min(path))
            circle = tuple(path[begin:] + path[:begin])
            steps = zip(circle, (*circle[1:], circle[0]), strict=True)
            found.setdefault(circle, Inversion(tuple(edges[step] for step in steps)))
    return list(found.values())


def _path(after: Mapping[str, list[str]], first: str, last: str) -> list[str]:
    """The classes on the shortest way from `first` to `last`; empty if there is none."""
    came: dict[str, str] = {first: ""}
    pending = deque([first])
    while pending:
        place = pending.popleft()
        if place == last:
            path = [place]
            while came[path[-1]]:
                path.append(came[path[-1]])
            return path[::-1]
        for new in after.get(place, ()):
            if new not in came:
                came[new] = place
                pending.append(new)
    return []
