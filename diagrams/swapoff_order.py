"""swapoff()'s order of teardown, read off a trace, and where each lifetime pin stops it, found by holding the pin."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

from swapmodel.kernel import Kernel
from swapmodel.machine import RCU
from swapmodel.mm.swapops import SWAP_HAS_CACHE, SWP_CONTINUED, SWP_SCANNING
from swapmodel.program import Step, System
from swapmodel.session import Device, Machine
from swapmodel.trace import Change, Recorder, TraceStep
from swapmodel.versions import parts

from .dot import Graph, Picture, wrapped
from .explored import Calls, Story, swapped, system_of

WAITS = {
    "percpu_ref_kill": "percpu_ref_kill(users)",
    "start_poll_synchronize_rcu": "synchronize_rcu()",
    "cond_synchronize_rcu": "synchronize_rcu()",
    "wait_for_completion": "wait_for_completion(comp)",
}
LONG = 3_000  # steps; swapoff alone takes a tenth of it, so it goes round in a loop


def page_and_swapoff(machine: Machine) -> Calls:
    process = swapped(machine)
    flags = machine.value(machine.space.swap_info[0]).flags.word
    machine.sequential.words[flags] |= SWP_CONTINUED  # as if a count had ever needed a continuation page
    return [("swapoff", (0,)), ("do_exit", (process.mm,))]


STORY = Story(page_and_swapoff, Device(slots=6, discard=True))
Words = dict[int, Any]


class Pin(NamedTuple):
    """Something that keeps the device: `hold` says which words are otherwise while somebody else has it. `awaited` is how
    swapoff() waits for it, where no kernel function or operation of that name says so."""

    name: str
    by: str
    hold: Callable[[System], Words]
    awaited: str = ""


def slot_in_use(system: System) -> Words:
    si = device(system)
    slot = system.words[si.swap_map.word][3]
    return {slot.word: SWAP_HAS_CACHE, si.inuse_pages.word: system.words[si.inuse_pages.word] + 1}


def counted(system: System) -> Words:
    users = device(system).users.word
    return {users: system.words[users] + 1}


def reader(system: System) -> Words:
    context = system.memory.context[1]
    return {context: system.words[context] + RCU}


def mutex_held(system: System) -> Words:
    return {system.memory.symbols["swapon_mutex"].word: 2}  # by the other thread


def scanning(system: System) -> Words:
    flags = device(system).flags.word
    return {flags: system.words[flags] + SWP_SCANNING}


def device(system: System) -> Any:
    return system.words[system.kernel.swap_info[0].word]


PINS = (
    Pin("a byte of swap_map in use", "a PTE, a shmem file, the swap cache, a slot cache; inuse_pages counts them", slot_in_use),
    Pin("an RCU reader", "any spinlock, interrupts or preemption off, rcu_read_lock()", reader),
    Pin("a reference in si->users", "get_swap_device()", counted),
    Pin("swapon_mutex", "a reader of /proc/swaps", mutex_held, "mutex_lock(swapon_mutex)"),
    Pin("SWP_SCANNING in si->flags", "scan_swap_map_slots(), si->lock dropped", scanning, "sleeps while flags >= SWP_SCANNING"),
)
REUSE = "SWP_USED in si->flags"


class Row(NamedTuple):
    """A run of steps in one part of swapoff(), and what it took apart. `title` is a kernel function, a wait, or empty."""

    title: str
    told: tuple[str, ...]
    freed: tuple[str, ...]


def run(system: System, held: Words) -> tuple[list[list[TraceStep]], bool]:
    """swapoff() alone: its steps, cut where it comes to another part, and whether it came to its end."""
    words = system.words
    system.words = tuple(held.get(i, word) for i, word in enumerate(words))
    recorder = Recorder(system)
    system.words = words
    runs: list[list[TraceStep]] = []
    place = ""
    while recorder.at[0].operation is not None and len(recorder.steps) < LONG:
        here = part(recorder.at[0])
        if here != place:
            runs.append([])
            place = here
        if not recorder.take(0):
            break
        runs[-1].append(recorder.steps[-1])
    return runs, recorder.at[0].operation is None


def inside(step: Step | TraceStep) -> list[str]:
    """The functions that swapoff() is in, outermost first."""
    functions = [f.function for f in step.stack]
    return functions[functions.index("swapoff") + 1 :] if "swapoff" in functions else []


def part(step: Step | TraceStep) -> str:
    """What swapoff() is at: a kernel function, an operation that waits, or the innermost of our own parts of it."""
    functions = inside(step)
    ours = list(itertools.takewhile(lambda f: f in parts(), functions))
    if not ours:
        return f"{functions[0]}()" if functions else ""
    assert step.operation is not None
    beside = set(functions) - set(ours) - {"synchronize_rcu"}
    return ours[-1] if beside else WAITS.get(step.operation.name, ours[-1])


def stops_of(system: System) -> dict[int, list[Pin]]:
    """Run of swapoff() -> the pins that stop it there. One that it ends in spite of holds nothing back."""
    stops: dict[int, list[Pin]] = {}
    for pin in PINS:
        runs, ended = run(system, pin.hold(system))
        if not ended:
            stops.setdefault(len(runs) - 1, []).append(pin)
    return stops


def rows_of(system: System) -> tuple[list[Row], dict[int, list[Pin]]]:
    """swapoff() from its begin to its end, and which row each pin stops it at."""
    runs, _ = run(system, {})
    stops = stops_of(system)
    rows, at, pending = list[Row](), dict[int, list[Pin]](), list[TraceStep]()
    for number, steps in enumerate(runs):
        pending += steps
        if not {number, number + 1} & set(stops) and same_part(steps, runs[number + 1 : number + 2]):
            continue
        pins = stops.get(number, [])
        if pins:
            at[len(rows)] = pins
        one = row(pending, pins[0] if pins else None)
        rows += [one] if any(one) else []
        pending = []
    return rows, at


def same_part(steps: list[TraceStep], following: list[list[TraceStep]]) -> bool:
    """Are both in one function that swapoff() called?"""
    called = inside(steps[0])[:1]
    return bool(called) and any(inside(more[0])[:1] == called for more in following)


def row(steps: list[TraceStep], pin: Pin | None) -> Row:
    place = part(steps[0])
    title = (pin.awaited if pin else "") or (place if place.endswith(")") else "")
    changes = [c for step in steps for c in step.changes]
    freed = tuple(c.name for c in changes if c.after == "freed")
    return Row(title, tuple(dict.fromkeys(t for c in changes if (t := told(c)))), freed)


def told(change: Change) -> str:
    """A change of the device that a reader wants to see; an empty string for any other."""
    if change.after == "NULL" and change.name.startswith(("si.", "swapper_spaces")):
        return f"{change.name} = NULL"
    if change.name == "si.flags":
        gone = [f for f in change.before.split("|") if f not in change.after.split("|")]
        return "si.flags = 0" if change.after == "0" else f"si.flags: {'|'.join(gone)} cleared" if gone else ""
    if change.name in ("si.inuse_pages", "si.max"):
        return f"{change.name} {change.before} -> {change.after}"
    if change.name in ("swap_active_head", "swap_avail_head"):
        return f"off {change.name}"
    return ""


def picture(kernel: Kernel) -> Picture:
    system = system_of(STORY, kernel)
    rows, at = rows_of(system)
    freed = next(i for i, one in enumerate(rows) if "swap_map" in one.freed)
    graph = Graph(
        "swapoff-order",
        "In which order swapoff takes a device apart, and what each lifetime pin holds back",
        f"""Left, from top to bottom: what swapoff() does on {kernel.name}, read off a trace of one page brought back from a
        device with clusters and discard. Right: what can keep the device, at the place where swapoff stops while it is
        held, found by holding it. A pin keeps everything below its arrow from happening.
        swap_map is freed in step {freed + 1}.""",
        nodesep="0.55",
        ranksep="0.16",
        splines="line",
    )
    names = [f"step {i + 1}" for i in range(len(rows))]
    for i, name in enumerate(names):
        draw_row(graph, name, i, rows[i], i in at)
    for tail, head in itertools.pairwise(names):
        graph.edge(tail, head, weight="9")
    for i, pins in at.items():
        graph.same_rank(names[i], pins[0].name)
        for pin in pins:
            draw_pin(graph, names[i], i, pin, rows)
    last = next(i for i, one in enumerate(rows) if "si.flags = 0" in one.told)
    told = "until here no swapon() takes this\nswap_info_struct, which is never freed"
    graph.node(REUSE, REUSE, told, "purple", width="4.6", group="pins")
    graph.edge(names[last], REUSE, kind="purple", constraint="false", style="dashed")
    graph.same_rank(names[last], REUSE)
    graph.order(*[pin.name for i in sorted(at) for pin in at[i]], REUSE)
    return graph.picture()


def draw_row(graph: Graph, name: str, i: int, one: Row, waits: bool) -> None:
    frees = f"frees {', '.join(one.freed)}" if one.freed else ""
    small = "\n".join(t for t in (wrapped(", ".join(one.told), 62), wrapped(frees, 62)) if t)
    kind = "red" if one.freed else "orange" if any("NULL" in t for t in one.told) else "blue" if waits else "plain"
    graph.node(name, f"{i + 1}. {one.title or 'swapoff()'}", small, kind, width="5.2", group="swapoff", style="filled")


def draw_pin(graph: Graph, name: str, i: int, pin: Pin, rows: list[Row]) -> None:
    kept = ", ".join(name for one in rows[i + 1 :] for name in one.freed)
    told = f"{pin.by}\n{wrapped(f'holds back {i + 2} to {len(rows)}; keeps {kept}', 58)}"
    graph.node(pin.name, pin.name, told, "green", width="4.6", group="pins")
    graph.edge(name, pin.name, kind="green", constraint="false", dir="back", arrowtail="tee", style="dashed")
