"""The lists of clusters: where one can be while nobody holds a lock, and what takes it from one to the other."""

from __future__ import annotations

from typing import Any, NamedTuple

from swapmodel.explore import Space
from swapmodel.kernel import Kernel
from swapmodel.machine import Address, Pointer
from swapmodel.mm.swapops import CLUSTER_FLAG_HUGE, SWAP_MAP_BAD

from .dot import Graph, Picture
from .explored import STORIES, Change, changes, explored

CLUSTER = 1  # of a small device: the first without the header
TOLD = [name for name, story in STORIES.items() if story.device.slots > 2 * (CLUSTER + 1)]  # it is all there

FREE, DISCARD, DISCARDING = "on free_clusters", "on discard_clusters", "being discarded"
HUGE, USED, EMPTY = "holds one huge folio", "slots in use", "empty"
SMALL = {
    FREE: "CLUSTER_FLAG_FREE",
    DISCARD: "its bytes are 0x3f",
    DISCARDING: "on no list, si->lock dropped",
    HUGE: "CLUSTER_FLAG_HUGE, all slots taken",
    USED: "on no list; data counts the slots",
    EMPTY: "on no list, no slot in use",
}
KINDS = {FREE: "green", DISCARD: "purple", DISCARDING: "purple", HUGE: "orange", USED: "blue", EMPTY: "plain"}


class Cluster(NamedTuple):
    """The words that say where a cluster is, and those of the locks that must be free for it to be so."""

    free: Address
    discard: Address
    data: Address
    flags: Address
    bytes: tuple[Address, ...]
    locks: tuple[Address, ...]

    def where(self, words: tuple[Any, ...]) -> str:
        if CLUSTER in words[self.free.word]:
            return FREE
        if CLUSTER in words[self.discard.word]:
            return DISCARD
        if all(words[b.word] == SWAP_MAP_BAD for b in self.bytes):
            return DISCARDING
        if words[self.flags.word] & CLUSTER_FLAG_HUGE:
            return HUGE
        return USED if words[self.data.word] else EMPTY

    def at_rest(self, words: tuple[Any, ...]) -> bool:
        return not any(words[lock.word] for lock in self.locks)


def cluster_of(space: Space) -> Cluster:
    """Cluster 1 of the one device of a story."""
    words = space.system.words
    si: Pointer = words[space.system.kernel.swap_info[0].word]
    array: Pointer = words[si.cluster_info.word]
    map: Pointer = words[si.swap_map.word]
    size = space.system.kernel.SWAPFILE_CLUSTER
    bytes_ = tuple(map[i] for i in range(CLUSTER * size, (CLUSTER + 1) * size))
    one = array[CLUSTER]
    return Cluster(si.free_clusters, si.discard_clusters, one.data, one.flags, bytes_, (si.lock, one.lock))


def moves(space: Space) -> set[tuple[str, str, str]]:
    """(where it was, function, where it is then): from one state without locks to the next, through those with them. The
    function is the one that took the last lock before the cluster moved."""
    cluster, after = cluster_of(space), dict[Any, list[Change]]()
    for change in changes(space):
        after.setdefault(change.before, []).append(change)
    found: set[tuple[str, str, str]] = set()
    seen: set[Any] = set()
    pending = [(w, cluster.where(w), "", "") for w in after if cluster.at_rest(w)]
    while pending:
        words, began, taker, mover = pending.pop()
        for change in after.get(words, ()):
            took = any(change.after[a.word] and not change.before[a.word] for a in cluster.locks)
            now = locker(change) if took else taker
            moved = mover or (now if cluster.where(change.after) != cluster.where(words) else "")
            item = (change.after, began, now, moved)
            if cluster.at_rest(change.after):
                found.add((began, moved, cluster.where(change.after)))
            elif item not in seen:
                seen.add(item)
                pending.append(item)
    return {(a, f, b) for a, f, b in found if a != b}


def locker(change: Change) -> str:
    """The function that takes a lock of a cluster or a device: the one that calls the helper."""
    return next(f for f in reversed(change.functions) if not f.startswith(("lock_cluster", "_")))


def picture(kernel: Kernel) -> Picture:
    edges: dict[tuple[str, str], set[str]] = {}
    for name in TOLD:
        for before, function, after in moves(explored(name, kernel)):
            edges.setdefault((before, after), set()).add(function)
    graph = Graph(
        "cluster-lists",
        "Where a cluster of a swap device can be",
        f"""Places of a cluster on {kernel.name} while neither its lock nor si->lock is held, and the functions that move
        it, as observed in every interleaving of {len(TOLD)} small stories on devices with and without discard.""",
        nodesep="0.3",
        ranksep="0.55",
    )
    for place in [p for p in KINDS if any(p in edge for edge in edges)]:
        graph.node(place, place, SMALL[place], KINDS[place])
    for (before, after), functions in sorted(edges.items(), key=lambda e: [list(KINDS).index(p) for p in e[0]]):
        graph.edge(before, after, "\n".join(sorted(functions)), KINDS[after])
    return graph.picture()
