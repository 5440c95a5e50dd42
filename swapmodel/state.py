"""How a Machine stands, as small tables: slots, clusters, folios, and what keeps a device alive."""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .effect import short
from .machine import NULL, Pointer
from .mm.swapops import (
    SWAP_MAP_BAD,
    SWP_SCANNING,
    SWP_USED,
    RadixEntry,
    SwapPte,
    show_byte,
    show_cluster,
    show_entry,
    swp_entry,
    xa_slot,
    xa_slots,
)
from .trace import holders, reader_reason

if TYPE_CHECKING:
    from .session import Machine

Row = tuple[str, ...]


class Table(NamedTuple):
    """A table that shows itself as text and as HTML. `note` is a line below it."""

    title: str
    heads: Row
    rows: tuple[Row, ...]
    note: str = ""

    def __str__(self) -> str:
        lines = [self.heads, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        return "\n".join([self.title, *("  " + line for line in text), *[self.note] * bool(self.note)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        style = "text-align:left;padding:1px 6px"
        heads = "".join(f'<th scope="col" style="{style}">{html.escape(h)}</th>' for h in self.heads)
        rows = "".join(
            "<tr>" + "".join(f'<td style="{style}">{html.escape(cell)}</td>' for cell in row) + "</tr>" for row in self.rows
        )
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        caption = f'<caption style="text-align:left"><strong>{html.escape(self.title)}</strong></caption>'
        return f'<div style="overflow-x:auto"><table>{caption}<tr>{heads}</tr>{rows}</table>{note}</div>'


def devices(machine: Machine) -> Iterator[tuple[int, Pointer, Pointer]]:
    """(type, swap_info_struct, swap_map) of each device whose map is there."""
    for type in range(len(machine.space.swap_info)):
        si = machine.value(machine.space.swap_info[type])
        if si and machine.value(si.swap_map):
            yield type, si, machine.value(si.swap_map)


# ---- slots -------------------------------------------------------------------------------------------------------------


def slots(machine: Machine) -> Table:
    """Every slot that is not free. `held by`: the PTEs and file pages with its entry, and the slot caches."""
    lines: list[tuple[str, int, Row]] = []
    free, held = 0, _held(machine)
    for type, _, map in devices(machine):
        for offset in range(len(map)):
            byte = machine.value(map[offset])
            free += not byte
            if byte:
                entry = swp_entry(type, offset)
                cells = (show_byte(byte), _cached(machine, type, offset, byte), ", ".join(held.get(entry, ["nobody"])))
                lines.append((_prefix(machine, type), offset, (*_bad(cells, byte), _on_disk(machine, type, offset))))
    rows = tuple((_numbers(run), *run[0][2]) for run in _runs(lines))
    heads = ("slot", "byte", "swap cache", "held by", "on disk")
    counted = machine.value(machine.space.nr_swap_pages)
    return Table("slots in use", heads, rows, f"{free} slots are free; nr_swap_pages {counted}")


def _bad(cells: Row, byte: int) -> Row:
    return (cells[0], "-", "nobody: header, or bad") if byte == SWAP_MAP_BAD else cells


def _cached(machine: Machine, type: int, offset: int, byte: int) -> str:
    spaces = machine.value(machine.space.swapper_spaces[type])
    if not spaces:
        return "no swap cache"
    found = machine.value(xa_slot(spaces[offset >> machine.sizes.address_space_shift], offset))
    return "-" if found is NULL else str(found)


def _on_disk(machine: Machine, type: int, offset: int) -> str:
    file = machine._file_of(type)
    value = machine.value(file.disk[offset]) if file else None
    return "-" if value is None else short(repr(value))


def _prefix(machine: Machine, type: int) -> str:
    return f"{machine._file_of(type)} " if len(machine.devices) > 1 else ""


def _held(machine: Machine) -> dict[int, list[str]]:
    """By entry: the names of all that refers to it."""
    found: dict[int, list[str]] = {}
    words = [mm.pte[i] for mm in machine.world.mms for i in range(len(mm.pte))]
    words += [slot for info in machine.world.infos for slot in xa_slots(info.i_mapping)]
    for word in words:
        value = machine.value(word)
        if isinstance(value, SwapPte | RadixEntry):
            found.setdefault(value.entry, []).append(str(word))
    for cpu, cache in enumerate(machine.space.swp_slots):
        for name in ("slots", "slots_ret"):
            for entry in machine.value(getattr(cache, name)):
                found.setdefault(entry, []).append(f"{name} of CPU {cpu}")
    return found


def _runs(lines: Sequence[tuple[str, int, Row]]) -> Iterator[list[tuple[str, int, Row]]]:
    """Neighbours that look alike, together."""
    numbered = enumerate(lines)
    for _, run in itertools.groupby(numbered, key=lambda n: (n[1][0], n[1][1] - n[0], n[1][2])):
        yield [line for _, line in run]


def _numbers(run: Sequence[tuple[str, int, Row]]) -> str:
    (prefix, first, _), last = run[0], run[-1][1]
    return f"{prefix}{first}" if first == last else f"{prefix}{first}-{last}"


# ---- clusters ----------------------------------------------------------------------------------------------------------


def clusters(machine: Machine) -> Table:
    """Each cluster. `in use` is its count of slots, not counted while it is on a list: `data` is the next one then."""
    rows = [row for type, si, map in devices(machine) for row in _clusters(machine, type, si, len(map))]
    return Table("clusters", ("cluster", "slots", "in use", "flags", "list", "allocates here"), tuple(rows))


def _clusters(machine: Machine, type: int, si: Pointer, slots: int) -> Iterator[Row]:
    array, size, cursors = machine.value(si.cluster_info), machine.sizes.cluster, _cursors(machine, si)
    for index in range(-(-slots // size)) if array else ():
        data, flags = machine.value(array[index].data), machine.value(array[index].flags)
        listed = [
            f"{name} clusters, place {members.index(index) + 1}"
            for name, at in (("free", si.free_clusters), ("discard", si.discard_clusters))
            if index in (members := machine.value(at))
        ]
        yield (
            f"{_prefix(machine, type)}{index}",
            f"{index * size}-{min(slots, (index + 1) * size) - 1}",
            "-" if listed else str(data),
            show_cluster(flags) if flags else "-",
            *(listed or ["-"]),
            ", ".join(cursors.get(index, ["-"])),
        )


def _cursors(machine: Machine, si: Pointer) -> dict[int, list[str]]:
    """By cluster: the CPUs that allocate in it, and the slot that each looks at next; by order, where that is told apart."""
    percpu, size = machine.value(si.percpu_cluster), machine.sizes.cluster
    found: dict[int, list[str]] = {}
    for cpu in range(machine.sizes.cpus) if percpu else ():
        index, next = machine.value(percpu[cpu].index), machine.value(percpu[cpu].next)
        if isinstance(next, tuple):  # one for each order; 0 is none
            orders = [(slot // size, f"CPU {cpu}, order {order}, next {slot}") for order, slot in enumerate(next) if slot]
        else:
            orders = [(index, f"CPU {cpu}, next {next}")] if index >= 0 else []
        for at, text in orders:
            found.setdefault(at, []).append(text)
    return found


# ---- folios ------------------------------------------------------------------------------------------------------------


def folios(machine: Machine) -> Table:
    """Each folio that is not free: who counts it, and the flags that matter to swap."""
    words, rows = machine.sequential.words, []
    for folio in machine.world.folios:
        if words[folio._object.life] > 0:
            v = {name: machine.value(getattr(folio, name)) for name in ("refcount", "mapcount", "nr_pages", "swap", "content")}
            flags = [n for n in ("locked", "swapcache", "dirty", "writeback", "uptodate") if machine.value(getattr(folio, n))]
            counts = (str(v["nr_pages"]), str(v["refcount"]), str(v["mapcount"]))
            held = ", ".join(map(repr, v["content"])) if isinstance(v["content"], tuple) else repr(v["content"])
            rows.append((str(folio), *counts, " ".join(flags), show_entry(v["swap"]) if v["swap"] else "-", short(held)))
    return Table("folios", ("folio", "pages", "refcount", "mapcount", "flags", "swap", "content"), tuple(rows))


# ---- what keeps a device alive -----------------------------------------------------------------------------------------


def pins(machine: Machine, type: int = 0) -> Table:
    """The six ways, and where swapoff waits for each. ValueError for a type that was never used."""
    si = machine.value(machine.space.swap_info[type]) if type in range(len(machine.space.swap_info)) else NULL
    if not isinstance(si, Pointer):
        raise ValueError(f"no device has had the type {type!r}")
    rows = (
        ("slots in use (inuse_pages)", str(machine.value(si.inuse_pages)), "try_to_unuse(), until it reads 0"),
        ("references (users)", _users(machine, si), "wait_for_completion()"),
        ("RCU readers", _readers(machine), "synchronize_rcu()"),
        ("scanners (SWP_SCANNING)", str(machine.value(si.flags) // SWP_SCANNING), "before it stores NULL"),
        ("readers of /proc/swaps (swapon_mutex)", _mutex(machine), "mutex_lock(&swapon_mutex)"),
        ("SWP_USED", "set" if machine.value(si.flags) & SWP_USED else "clear", "nowhere: swapon leaves this struct alone"),
    )
    return Table(f"what keeps {si} alive", ("pin", "now", "swapoff waits in"), rows)


def _users(machine: Machine, si: Pointer) -> str:
    words, first = machine.sequential.words, si.users.word
    return f"{words[first]}" + (", killed" if words[first + 1] else "")


def _readers(machine: Machine) -> str:
    memory, words = machine.world.memory, tuple(machine.sequential.words)
    return "; ".join(reader_reason(memory, words, c.me) for c in machine.sequential.cpus if c.is_reader()) or "none"


def _mutex(machine: Machine) -> str:
    return holders(machine.world.memory, machine.value(machine.space.swapon_mutex))
