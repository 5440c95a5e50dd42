"""The step graph of free_swap_and_cache() before and after the fix, and at which of its steps the device can be gone."""

from __future__ import annotations

from typing import Any, NamedTuple

from swapmodel.explore import Found, Space
from swapmodel.kernel import Kernel
from swapmodel.machine import NULL
from swapmodel.program import Step
from swapmodel.scenarios import SCENARIOS
from swapmodel.trace import kernel_frames
from swapmodel.versions import KERNELS, parts
from swapmodel.views import PLAIN_NAMES

from .dot import Graph, Picture

FUNCTION = "free_swap_and_cache"
WHOLE = "folio_free_swap"  # shown as one box: it has as many steps as all the rest
SCENARIO = "shmem-truncate"
MARK = "x "  # before a step at which the device can be gone
Place = tuple[tuple[str, int], ...]  # function and line of every call below FUNCTION; of WHOLE only its name
RETURN: Place = (("return", 0),)


class Steps(NamedTuple):
    """The steps of FUNCTION on one kernel, those at one place of the code as one. `after` has the values that lead on."""

    text: dict[Place, str]
    after: dict[Place, dict[Place, set[str]]]
    gone: set[Place]
    whole: int  # steps in WHOLE


def steps_of(kernel: Kernel) -> Steps:
    """Read off the graph that the search of SCENARIO grew, with every interleaving with swapoff()."""
    space, gone = search(SCENARIOS[SCENARIO].system(kernel))
    program = space.system.programs[0]
    inside = {s.index: place for s in program.steps[1:] if s and (place := place_of(s))}
    steps = Steps({}, {}, set(), sum(place[-1][0] == WHOLE for place in inside.values()))
    for index, place in inside.items():
        step = program.steps[index]
        assert step is not None
        text = f"{WHOLE}()" if place[-1][0] == WHOLE else told(step)
        if place not in steps.text or "NULL" in steps.text[place]:
            steps.text[place] = text
        if index in gone:
            steps.gone.add(place)
        for value, after in step.next.items():
            to = inside.get(after.index, RETURN)
            if to != place:
                steps.after.setdefault(place, {}).setdefault(to, set()).add(show(value))
    return steps


def search(system: Any) -> tuple[Space, set[int]]:
    """All states, those behind a violation left out; and the steps at which the first thread stands in one of them while
    si->swap_map is NULL or freed."""
    space = Space(system, reduce=False)
    map = system.words[system.kernel.swap_info[0].word].swap_map.word
    life, born = system.words[map]._object.life, system.words[system.words[map]._object.life]
    order, seen, gone = [space.initial], {space.initial}, set[int]()
    for state in order:
        words = space.memories[state >> space.shift]
        if words[map] is NULL or words[life] != born:
            gone.add(state & space.masks[0])
        for thread in space.threads:
            try:
                change = space.difference(state, thread)
            except Found:
                continue
            if change and state + change not in seen:
                seen.add(state + change)
                order.append(state + change)
    return space, gone


def place_of(step: Step) -> Place | None:
    """Where a step is below FUNCTION; None for any other."""
    frames = [(f.function, f.line) for f in kernel_frames(step.stack)]
    names = [name for name, _ in frames]
    if FUNCTION not in names:
        return None
    below = frames[names.index(FUNCTION) :]
    if WHOLE in names:
        return (*below[: [n for n, _ in below].index(WHOLE)], (WHOLE, 0))
    return tuple(below)


def told(step: Step) -> str:
    operation = step.operation
    assert operation is not None
    about = operation.address if operation.address is not None else ""
    return f"{PLAIN_NAMES.get(operation.name, operation.name)}({about})"


def show(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:#x}"
    return "" if value is None else str(value)


def boxes(steps: Steps) -> dict[Place, list[Place]]:
    """Places that follow one another without a choice and in the same called function, as one box; by its first place."""
    before: dict[Place, set[Place]] = {}
    for place, following in steps.after.items():
        for to in following:
            before.setdefault(to, set()).add(place)
    found: dict[Place, list[Place]] = {}
    for place in steps.text:
        only = before.get(place, set())
        joins = len(only) == 1 and len(steps.after[next(iter(only))]) == 1 and called(next(iter(only))) == called(place)
        if not joins:
            found[place] = chain = [place]
            while len(after := list(steps.after.get(chain[-1], {}))) == 1 and len(before[after[0]]) == 1:
                if after[0] == RETURN or called(after[0]) != called(place):
                    break
                chain.append(after[0])
    return found


def called(place: Place) -> str:
    """The function that FUNCTION called; WHOLE stands for itself."""
    names = [name for name, _ in place[1:] if name not in parts()]
    return WHOLE if WHOLE in names else names[0] if names else FUNCTION


def picture(kernel: Kernel) -> Picture:
    fixed = KERNELS["v6.9"]
    before, after = steps_of(kernel), steps_of(fixed)
    graph = Graph(
        "step-graph",
        "free_swap_and_cache() step by step, before and after the fix",
        f"""The steps that {FUNCTION}() takes on {kernel.name} (left) and, with 82b1c07a0af6, on {fixed.name} (right) when a
        shmem file is truncated, as far as some interleaving with swapoff gets there; one line is one atomic step, and
        arrows from a choice have the value that was read. Marked with x, in a double frame: steps at which, in some
        interleaving, swapoff has already taken swap_map away: {len(before.gone)} of {len(before.text)} places on
        {kernel.name}, {len(after.gone)} of {len(after.text)} on {fixed.name}.""",
        nodesep="0.2",
        ranksep="0.3",
    )
    draw(graph, kernel.name, before)
    draw(graph, fixed.name, after)
    return graph.picture()


def draw(graph: Graph, version: str, steps: Steps) -> None:
    """One column. Nodes are named after the version and the number of the box."""
    all_boxes = boxes(steps)
    names = {head: f"{version} {i + 1}" for i, head in enumerate(all_boxes)} | {RETURN: f"{version} return"}
    graph.node(f"{version} begin", f"{FUNCTION}()", version, "plain", style="filled")
    graph.edge(f"{version} begin", names[next(iter(all_boxes))])
    for head, places in all_boxes.items():
        gone = any(place in steps.gone for place in places)
        lines = [(MARK if place in steps.gone else "") + steps.text[place] for place in places]
        if called(head) == WHOLE:
            lines = [f"{MARK}some of {steps.whole} steps" if gone else f"{steps.whole} steps"]
        kind = "red" if gone else "green" if "_swap_device" in called(head) else "blue"
        graph.node(names[head], called(head), "\n".join(lines), kind, peripheries="2" if gone else "1", style="filled")
        following = steps.after.get(places[-1], {})
        for to, values in following.items():
            text = " or ".join(sorted(v for v in values if v)) if len(following) > 1 else ""
            graph.edge(names[head], names[to], text, kind)
    graph.node(names[RETURN], "return", kind="plain")
