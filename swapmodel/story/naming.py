"""The names and the values in a story: which words, objects and numbers of a system they mean."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

from ..machine import Memory
from ..names import nearest
from .words import COUNTS, NAME, SYNONYMS, VALUES, constants, number

BASES = {  # names of pointers in kernel code -> the names of our objects
    **dict.fromkeys(("si", "p", "sis", "swap_info"), r"si\d*"),
    **dict.fromkeys(("ci", "cluster_info", "cluster"), r"(?:swap\d+\.)?cluster_info\[\d+\]"),
    **dict.fromkeys(("folio", "page"), r"(?:new )?folio\d*"),
    **dict.fromkeys(("mm", "vma"), r"mm\d+"),
    "info": r"info",
    "mapping": r".*i_mapping\[\d+\]",
}


class Unknown(ValueError):
    """A name in a story that this system does not have. `hint` is the nearest that it has."""

    def __init__(self, what: str, name: str = "", known: Iterable[str] = ()):
        super().__init__(what)
        guess = nearest(name[:80], known) if name else ""
        self.hint = f"did you mean {guess}?" if guess else ""


def plain(text: str) -> str:
    """A name or a value without spaces and & *, its members with dots."""
    return re.sub(r"\s+", "", text).replace("->", ".").lstrip("&*")


def pattern(name: str) -> str:
    """A regular expression for the names of the words that a story means by `name`; the longest name we know is short."""
    name = SYNONYMS.get(name, name)
    if name in COUNTS:
        return r"(?:.*\.)?swap_map\[\d+\]"
    base, dot, rest = plain(name).replace("NULL", "NULL ").partition(".")
    if dot and base in BASES:
        return BASES[base] + r"\." + _member(rest)
    return r"(?:.*[.])?" + _member(plain(name))


def _member(name: str) -> str:
    """A member, with an index that is no number left open."""
    opened = re.split(r"\[([^][]*)\]", name)
    parts = [
        re.escape(part) if i % 2 == 0 else rf"\[{part if part.isdigit() else r'[0-9]+'}\]" for i, part in enumerate(opened)
    ]
    return "".join(parts)


def named(name: str, memory: Memory) -> frozenset[int]:
    """The words that `name` means. Unknown, with the nearest name, if there is none."""
    found = _named(name, memory)
    if not found and plain(name).partition(".")[0] in BASES and "." in plain(name):
        found = _named(plain(name).partition(".")[2], memory)  # p->swap_map[i]: the array that the member points to
    if not found:
        raise Unknown(f"no word here is named {name}", plain(name), shown_names(memory))
    return found


def shown_names(memory: Memory) -> set[str]:
    return {w.name.removesuffix(" (object)") for w in memory.shown if not w.hidden or w.name.endswith(" (object)")}


def object_names(memory: Memory) -> set[str]:
    """The names of what words are in, and of arrays: folio1, si, swap_map, signals_pending."""
    names = {w.name.removesuffix(" (object)") for w in memory.shown if w.name.endswith(" (object)")}
    for w in memory.shown:
        if not w.hidden:
            names |= {w.name.rpartition(".")[0], w.name.rpartition("[")[0]}
    return names - {""}


def called(name: str, memory: Memory) -> re.Pattern[str] | None:
    """The names of the objects that a story means by `name`; None if there is none."""
    short = name.strip().lstrip("&*").replace("->", ".")
    wanted = re.compile(BASES.get(short) or r"(?:.*\.)?" + re.escape(short))
    return wanted if any(wanted.fullmatch(known) for known in object_names(memory)) else None


@functools.lru_cache(maxsize=4)
def _names_in_values(memory: Memory) -> set[str]:
    """What may stand in a value: objects, threads, constants, and the words of our views."""
    names = {
        *VALUES,
        *constants(),
        *(short for n in constants() for short in (n.removeprefix("SWP_"), n.rpartition("FLAG_")[2])),
    }
    shown = [w.show(value) for w, value in zip(memory.shown, memory.words, strict=True)]
    for text in (*(w.name for w in memory.shown), *memory.threads, *shown):
        names.update(NAME.findall(text))
    return names


def demand_value(text: str, memory: Memory) -> None:
    """Unknown if a value names something that there is not."""
    known = _names_in_values(memory)
    for name in NAME.findall(re.sub(r"'[^']*'|\b\d\w*", " ", text)):
        if name not in known:
            raise Unknown(f"no value here is named {name}", name, known)


def _named(name: str, memory: Memory) -> frozenset[int]:
    exact = [w for w, shown in enumerate(memory.shown) if shown.name == name]
    wanted = re.compile(pattern(name))
    return frozenset(
        exact or [w for w, s in enumerate(memory.shown) if not s.hidden and wanted.fullmatch(s.name.replace(" ", ""))]
    )


def lives(name: str, memory: Memory) -> frozenset[int]:
    """The life words of the objects that `name` means."""
    short = plain(name)
    base, dot, rest = short.partition(".")
    wanted = re.compile(r"(?:.*\.)?" + re.escape(rest if dot and base in BASES else short))
    found = frozenset(
        w
        for w, shown in enumerate(memory.shown)
        if shown.name.endswith(" (object)") and wanted.fullmatch(shown.name.removesuffix(" (object)").replace(" ", ""))
    )
    if not found:
        raise Unknown(f"no object here is named {name}, or it is never freed", short, object_names(memory))
    return found


def equals(text: str, memory: Memory, word: int) -> Callable[[Any], bool]:
    """Is a value what `text` says? As the views show this word, or as a number. Unknown if it names what there is not."""
    demand_value(text, memory)
    wanted, as_number, show = plain(text), number(text), memory.shown[word].show
    bare = wanted.removeprefix("SWP_").replace("|SWP_", "|")

    def check(value: Any) -> bool:
        if as_number is not None and isinstance(value, int):
            return int(value) == as_number
        return wanted == plain(str(value)) or (value is not None and plain(show(value)) in (wanted, bare))

    return check
