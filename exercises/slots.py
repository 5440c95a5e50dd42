"""Who refers to a slot of a Machine: what the byte alone does not say."""

from __future__ import annotations

from typing import NamedTuple

from swapmodel import Machine
from swapmodel.mm import swapops
from swapmodel.mm.swapops import NULL, SwapPte


class Slot(NamedTuple):
    """A slot, and everybody who holds it. `processes` have a PTE with its entry."""

    offset: int
    byte: int
    processes: tuple[str, ...]
    cached: bool  # a folio is in the swap cache
    to_allocate: bool  # in a CPU's cache of slots to allocate
    to_free: bool  # in a CPU's cache of slots to free


def of_machine(machine: Machine, offset: int) -> Slot:
    """Slot `offset` of device 0."""
    entry, space = swapops.swp_entry(0, offset), machine.space
    spaces = machine.value(space.swapper_spaces[0])
    found = machine.value(swapops.xa_slot(spaces[offset >> machine.sizes.address_space_shift], offset))
    caches = [c for c in space.swp_slots if c]
    return Slot(
        offset,
        machine.value(machine.value(machine.value(space.swap_info[0]).swap_map)[offset]),
        tuple(p.name for p in machine.processes if any(_holds(machine, p.mm.pte[i], entry) for i in range(p.pages))),
        found is not NULL and bool(found) and not swapops.xa_is_value(found),
        any(entry in machine.value(c.slots) for c in caches),
        any(entry in machine.value(c.slots_ret) for c in caches),
    )


def _holds(machine: Machine, pte: object, entry: int) -> bool:
    found = machine.value(pte)  # type: ignore[arg-type]
    return isinstance(found, SwapPte) and found.entry == entry


def told(slot: Slot, after: str) -> str:
    """The facts of a slot, as a question shows them."""
    rows = (
        ("after", after),
        ("PTEs", ", ".join(slot.processes) or "none"),
        ("swap cache", "a folio" if slot.cached else "none"),
        ("slots to allocate", "has it" if slot.to_allocate else "not there"),
        ("slots to free", "has it" if slot.to_free else "not there"),
    )
    return "\n".join([f"slot {slot.offset}, {slot.byte:#04x}", *(f"     {name:18} {value}" for name, value in rows)])
