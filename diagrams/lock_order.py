"""Lock order: which class of lock was waited for while which other was held, in every explored story."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from swapmodel.explore import explore
from swapmodel.kernel import Kernel
from swapmodel.lockorder import Edge, inversions, lock_class, lock_edges, lock_of, nested_edges, walk
from swapmodel.program import System
from swapmodel.scenarios import SCENARIOS, Parameters
from swapmodel.views import visible_frames

from .dot import Graph, Picture
from .explored import STORIES, explored

SLEEPS = {"mutex_lock", "down_read", "down_write", "folio_lock"}  # whoever waits may sleep
SHOWN = {"folio.locked": "folio lock", "info.lock": "shmem_inode_info.lock", "discard_work_running": "discard_work"}
Classes = tuple[str, str]


def systems(kernel: Kernel) -> Iterator[System]:
    """The stories, and scenarios with slot caches in use."""
    for name in STORIES:
        yield explored(name, kernel).system
    for name in ("one-process", "shmem-truncate", "munmap"):
        system = SCENARIOS[name].system(kernel, Parameters(slot_cache=True))
        explore(system, finish=False)
        yield system


def reduced(edges: Iterable[Classes]) -> list[Classes]:
    """Without those that follow from two others."""
    known = set(edges)
    after = {outer: {b for a, b in known if a == outer} for outer, _ in known}
    return sorted((a, b) for a, b in known if not any(b in after.get(c, set()) for c in after[a] - {b}))


def sleeps(systems: Iterable[System]) -> set[str]:
    """The classes of locks whose waiters sleep."""
    steps = (step for system in systems for program in system.programs for step, _ in walk(program))
    return {lock_class(lock) for s in steps if (lock := lock_of(s)) is not None and s.operation and s.operation.name in SLEEPS}


def where(edge: Edge) -> str:
    """The function that waits for the inner lock, or the one that called lock_cluster() for it."""
    functions = [f.function for f in visible_frames(edge.inner.stack) if not f.function.startswith("lock_cluster")]
    return functions[-1] if functions else ""


def leaf(name: str, drawn: list[Classes]) -> bool:
    """Taken inside one other, and nothing inside it."""
    return all(outer != name for outer, _ in drawn) and sum(inner == name for _, inner in drawn) == 1


def picture(kernel: Kernel) -> Picture:
    looked = list(systems(kernel))
    edges: dict[Classes, Edge] = {}
    nested: set[str] = set()
    for system in looked:
        edges = {**lock_edges(system), **edges}
        nested |= {outer for outer, _ in nested_edges(system)}
    drawn, mutexes = reduced(edges), sleeps(looked)
    circles = "no circle among them" if not inversions(edges) else "A CIRCLE: two threads can deadlock"
    graph = Graph(
        "lock-order",
        "Lock order of the swap code",
        f"""Classes of locks on {kernel.name}, the outer ones above. An arrow: some thread waited for the lower lock while
        holding the upper one. Under a lock's name: the functions in which that was first seen. {len(edges)} such pairs
        were observed, {circles}; the {len(edges) - len(drawn)} that follow from two others are not drawn. Rounded:
        waiters sleep. Square: spinlocks. A dashed loop: two of one class, in an order that the kernel vouches for.""",
        nodesep="0.12",
        ranksep="0.35",
    )
    for name in sorted({c for edge in edges for c in edge}):
        soft = name in mutexes
        functions = sorted({where(edges[edge]) for edge in drawn if edge[1] == name})
        told = "in " + ",\n".join(functions) if functions else ""
        style = "filled,rounded" if soft else "filled"
        graph.node(name, SHOWN.get(name, name), told, "blue" if soft else "orange", style=style)
    for outer, inner in drawn:
        leaves = [b for a, b in drawn if a == outer and leaf(b, drawn)]
        below = leaves.index(inner) if inner in leaves else 0  # side by side they would be too wide
        graph.edge(outer, inner, kind="blue" if outer in mutexes else "orange", minlen=str(1 + below))
    for name in sorted(nested):
        graph.edge(name, name, kind="blue" if name in mutexes else "orange", style="dashed")
    return graph.picture()
