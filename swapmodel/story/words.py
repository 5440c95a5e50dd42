"""The words a story may use: kernel functions, operations, values, and what people call them."""

from __future__ import annotations

import functools
import re

from .. import machine
from ..fixes import FIXES
from ..kernel import kernel_functions
from ..life import THREADS
from ..mm import swapops
from ..names import nearest
from ..versions import KERNELS

NAME = re.compile(r"[A-Za-z_]\w*")
INDEX = r"\[[^][]{0,40}\]"
PLACE = re.compile(rf"[&*]?(?:new )?[A-Za-z_]\w*(?:{INDEX}|(?:->|\.)[A-Za-z_]\w*){{0,8}}")
SYNONYMS = {"ptl": "page_table_lock", "PTL": "page_table_lock"}
COUNTS = {"count", "usage", "swap_count"}  # locals of the functions that drop a reference: the byte
SAME = (  # operations that people do not tell apart
    {"READ_ONCE", "read", "data_race"},
    {"WRITE_ONCE", "write", "init_store"},
    {"spin_lock", "spin_lock_not_rcu", "pte_lock"},
    {"spin_unlock", "spin_unlock_not_rcu"},
    {"spin_trylock", "spin_trylock_not_rcu"},
    {"spin_lock_irq", "spin_lock_irq_not_rcu", "xa_lock_irq", "spin_lock_irqsave", "xa_lock_irqsave"},
    {"spin_unlock_irq", "spin_unlock_irq_not_rcu", "xa_unlock_irq", "spin_unlock_irqrestore", "xa_unlock_irqrestore"},
    {"kfree", "kvfree", "vfree", "free"},
    {"cmpxchg", "xa_cmpxchg"},
    {"atomic_add", "atomic_long_add", "atomic_inc", "atomic_long_sub", "atomic_dec"},
    {"wait_for_completion"},
)


@functools.cache
def functions() -> frozenset[str]:
    """Every kernel function of every version and fix, and the threads of our scenarios."""
    names = set(kernel_functions()) | set(THREADS)
    for replaces in [k.replaces for k in KERNELS.values()] + [f.replaces for f in FIXES.values()]:
        names |= {n for n, f in replaces.items() if getattr(f, "is_operation", False) is not True}
    return frozenset(names)


@functools.cache
def operations() -> frozenset[str]:
    """Every operation of the machine, and its synonyms."""
    named = {n for n in machine.__all__ if getattr(getattr(machine, n), "is_operation", False) is True}
    return frozenset(named.union(*SAME))


@functools.cache
def same(operation: str) -> frozenset[str]:
    """The machine's names for what a story calls `operation`."""
    return frozenset(next((s for s in SAME if operation in s), {operation}))


@functools.cache
def constants() -> dict[str, int]:
    """SWAP_HAS_CACHE, SWP_WRITEOK, ...: named numbers."""
    return {n: v for n, v in vars(swapops).items() if n.isupper() and isinstance(v, int)}


def number(text: str) -> int | None:
    """The number that a value is: 0x40, 64, SWAP_HAS_CACHE, SWAP_HAS_CACHE|1, true; None if it is not one."""
    total = 0
    for part in re.split(r"[|+]", text.replace(" ", "")):
        try:
            value = constants().get(part)
            total |= int(part, 0) if value is None else value
        except ValueError:
            return {"true": 1, "false": 0}.get(text.strip().lower())
    return total


def suggestion(name: str) -> str:
    """What the reader may have meant by a name that is neither a function nor an operation."""
    guess = nearest(name[:80], functions() | operations())
    return f"did you mean {guess}()?" if guess else "kernel functions are written name(), values `swap_map[1] 0x41 -> 0x40`"


def kernel_words(text: str) -> list[str]:
    """What in a text may mean something to the kernel: calls, names with an underscore, members, values."""
    found = re.findall(r"\w+\(|\w*_\w+|\w+->\w+|\w+\.\w+|\w+\[|0x[0-9a-fA-F]+|==|!=|->|\bNULL\b|[<>]=", text)
    return found + [w for w in NAME.findall(text) if w in functions()]
