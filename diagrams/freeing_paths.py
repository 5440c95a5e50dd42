"""The call graph of the paths that free an entry, read off the linked functions, and what each holds when it does."""

from __future__ import annotations

import re

from swapmodel.kernel import Kernel, kernel_functions
from swapmodel.lockorder import lock_class, walk
from swapmodel.versions import parts
from swapmodel.views import visible_frames

from .dot import Graph, Picture
from .explored import STORIES, explored

ROOTS = {  # function -> (what user space does, class)
    "do_exit": ("exit", "blue"),
    "madvise_dontneed": ("MADV_DONTNEED", "blue"),
    "madvise_free": ("MADV_FREE", "blue"),
    "munmap": ("munmap", "blue"),
    "shmem_undo_range": ("truncate, hole punch", "purple"),
    "swapoff": ("swapoff", "orange"),
}
WAY = "free_swap_and_cache"  # all but swapoff come through here
ENDS = ("swap_entry_free", "swap_free_cluster")  # where a byte becomes 0


def call_graph(kernel: Kernel) -> dict[str, list[str]]:
    """Kernel function -> those it names. What we cut out of a function counts as the function's own."""
    functions, ours = {**kernel_functions(), **kernel.replaces}, parts()

    def calls(name: str, within: tuple[str, ...] = ()) -> list[str]:
        found: list[str] = []
        for called in functions[name].__code__.co_names:
            if called in ours and called in functions and called not in within:
                found += calls(called, (*within, called))
            elif called in functions and called not in ours:
                found.append(called)
        return list(dict.fromkeys(found))

    return {name: calls(name) for name in functions if name not in ours}


def below(graph: dict[str, list[str]], name: str, end: frozenset[str] = frozenset()) -> set[str]:
    """The functions that can be called from `name`, itself included; what those of `end` call is left out."""
    found: set[str] = set()
    pending = [name]
    while pending:
        function = pending.pop()
        if function not in found:
            found.add(function)
            pending += graph.get(function, []) if function not in end else []
    return found


def between(graph: dict[str, list[str]], first: str, lasts: tuple[str, ...], end: frozenset[str] = frozenset()) -> set[str]:
    """The functions on some way from `first` to one of `lasts`."""
    return {f for f in below(graph, first, end) if below(graph, f) & set(lasts)}


def held_at(kernel: Kernel) -> dict[str, set[str]]:
    """Caller of free_swap_and_cache() -> the locks that every observed call of it was made under."""
    found: dict[str, set[str]] = {}
    for name in STORIES:
        for program in explored(name, kernel).system.programs:
            for step, held in walk(program):
                if all(f.function != WAY for f in step.stack):
                    continue
                names = [f.function for f in visible_frames(step.stack)]
                if WAY in names[1:]:
                    caller = names[names.index(WAY) - 1]
                    outside = {lock_class(h.lock) for h in held if WAY not in {f.function for f in h.step.stack}}
                    found[caller] = found.get(caller, outside) & outside
    return found


def file_of(kernel: Kernel, name: str) -> str:
    """The kernel file of a function, as its docstring begins."""
    functions = {**kernel_functions(), **kernel.replaces}
    told = re.match(r"[\w/.-]+\.[ch]", functions[name].__doc__ or "")
    return told[0] if told else ""


def picture(kernel: Kernel) -> Picture:
    calls = call_graph(kernel)
    ways = {root: between(calls, root, (WAY,)) - {WAY} for root in ROOTS if root != "swapoff"}
    others = frozenset().union(*ways.values())
    shared = between(calls, WAY, ENDS)
    ways["swapoff"] = between(calls, "swapoff", ENDS, others | shared) - others - shared
    shown = others | shared | ways["swapoff"]
    locks = held_at(kernel)
    free = ", ".join(sorted(f"{caller}()" for caller, held in locks.items() if not held)) or "no call"
    graph = Graph(
        "freeing-paths",
        "Who frees a swap entry, and under which lock",
        f"""Call graph of {kernel.name}, read off the model's functions: four ways from user space to {WAY}(), that of
        swapoff, and what all share below. At the arrows into {WAY}(): the locks that every observed call was made
        under. Under none: {free}.""",
        nodesep="0.12",
        ranksep="0.4",
    )
    for name in sorted(shown):
        kind = kind_of(name, ways)
        graph.node(name, name, "\n".join(t for t in (ROOTS.get(name, ("",))[0], file_of(kernel, name)) if t), kind)
    for name in sorted(shown):
        for called in [c for c in calls[name] if c in shown]:
            rows = "2" if name in ways["swapoff"] and called in others else "1"  # its own functions stand above the others
            graph.edge(name, called, holding(locks.get(name)) if called == WAY else "", kind_of(name, ways), minlen=rows)
    return graph.picture()


def holding(locks: set[str] | None) -> str:
    if locks is None:
        return "not observed"
    return "holds\n" + ",\n".join(sorted(locks, reverse=True)) if locks else "holds\nNOTHING"


def kind_of(name: str, ways: dict[str, set[str]]) -> str:
    """The class of the way it is on; plain below where all meet."""
    return next((ROOTS[root][1] for root, way in ways.items() if name in way), "plain")
