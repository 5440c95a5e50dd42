"""Values of words, arguments and results as JSON that JavaScript can compare, add and show.

Numbers and None are themselves. All else is a string with a letter in front, or an array: "N" is NULL, "*name#birth" a pointer
to one life of an object, "&name" an address, "i..." an integer beyond 2**53, "s..." a string; a tuple is an array of values, a
named tuple one that begins with "@" and its type. Values of a word that Python takes for equal are equal here, others are not.
"""

from __future__ import annotations

from typing import Any

from ..machine import NULL, Address, Pointer
from ..mm.swapops import SwapFile

EXACT = 1 << 53  # up to here a JavaScript number holds every integer


def encode(value: Any) -> Any:
    """`value` as JSON. TypeError for what no word of the machine holds."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -EXACT < value < EXACT else f"i{value}"
    if isinstance(value, str):
        return f"s{value}"
    if value is NULL:
        return "N"
    if isinstance(value, Pointer):
        return f"*{value!r}#{birth_of(value)}"
    if isinstance(value, Address):
        return f"&{value!r}"
    if isinstance(value, SwapFile):
        return f"*{value!r}#0"  # facts that never change: told by its name
    if isinstance(value, tuple):
        name = type(value).__name__ if hasattr(value, "_fields") else ""
        return [f"@{name}", *map(encode, value)] if name else [encode(v) for v in value]
    raise TypeError(f"{value!r} is no value of the machine")


def birth_of(pointer: Pointer) -> int:
    """Which life of its object a pointer, or an item of it, points to."""
    births: dict[int, Pointer] = pointer._object._births
    return next((n for n, p in births.items() if pointer is p or any(pointer is item for item in p._items)), 1)


def named_types() -> dict[str, list[str]]:
    """The named tuples that words hold, with the names of their members, for those who show them."""
    from ..mm.swapops import PagePte, RadixEntry, Shadow, SwapPte

    return {t.__name__: list(t._fields) for t in (PagePte, RadixEntry, Shadow, SwapPte)}
