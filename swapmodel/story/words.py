"""The words a story may use: kernel functions, operations, values, and what people call them."""

from __future__ import annotations

import difflib
import functools
import re

from .. import machine
from ..fixes import FIXES
from ..kernel import kernel_functions
from ..life import THREADS
from ..lockorder import RELEASES, WAITS
from ..mm import swapops
from ..versions import KERNELS

NAME = re.compile(r"[A-Za-z_]\w*")
INDEX = r"\[[^][]{0,40}\]"
PLACE = re.compile(rf"[&*]?(?:new )?[A-Za-z_]\w*(?:{INDEX}|(?:->|\.)[A-Za-z_]\w*){{0,8}}")
SYNONYMS = {"ptl": "page_table_lock", "PTL": "page_table_lock"}
LOCKS = re.compile(r"ptls?|(?:spin|un)?lock(?:s|ed|ing)?|mutex(?:es)?", re.IGNORECASE)
DEEDS = re.compile(
    r"\b(?:wait|free|exit|quit|alloc|tak|drop|hold|held|folio|page|slot|device|entry|return|preempt|run|stop)\w*", re.IGNORECASE
)
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
TURNS = {  # what people say of a lock, whatever its kind -> the operations
    "takes": WAITS - {"folio_lock"},
    "drops": RELEASES - {"folio_unlock"},
}
KINDS = frozenset(  # of violations: the machine's, the oracles' and the search's
    [
        *("NULL dereference", "use after free", "out-of-bounds access", "double free", "reference count underflow"),
        *("kernel BUG", "kernel WARNING", "lock misuse", "sleeping while atomic", "deadlock", "livelock", "lock order"),
        *("accounting", "reference count", "lost page", "swap cache", "swap_map underflow"),
    ]
)
VALUES = frozenset(  # words of values as our views show them, and as people write them
    [
        *("NULL", "null", "None", "none", "empty", "free", "locked", "unlocked", "held", "freed", "allocated", "true", "false"),
        *("True", "False", "maps", "page", "by", "new", "old", "slots", "prio", "writable", "dirty", "swap", "exclusive"),
        "shadow",
    ]
)
LABEL = re.compile(
    r"(?P<base>(?P<what>CPU|Process|Task|Thread|T|P|Proc)[ #]?(?P<number>\d{1,3}))(?: ?\((?P<name>[\w ]{1,30})\))?"
    r"|swapoff|swapon|kswapd|truncate|truncation|fault|rewrite|fork|signal|process|reclaim",
    re.IGNORECASE,
)
NEGATION = re.compile(
    r"\b(?:not|never|neither|nor|cannot|without|hardly|barely|scarcely|rarely|seldom|no|none of|nobody)\b"
    r"|\b(?:instead of|fails to|unable)\b"
    r"|\w+n['\u2019]t\b",
    re.IGNORECASE,
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
    return frozenset(TURNS.get(operation) or next((s for s in SAME if operation in s), {operation}))


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
    guess = difflib.get_close_matches(name[:80], sorted(functions() | operations()), n=1, cutoff=0.75)
    return f"did you mean {guess[0]}()?" if guess else "kernel functions are written name(), values `swap_map[1] 0x41 -> 0x40`"


def kernel_words(text: str) -> list[str]:
    """What in a text may mean something to the kernel: calls, names with an underscore, members, values."""
    found = re.findall(r"\w+\(|\w*_\w+|\w+->\w+|\w+\.\w+|\w+\[|0x[0-9a-fA-F]+|==|!=|->|\bNULL\b|[<>]=", text)
    return found + [w for w in NAME.findall(text) if w in functions() or w in COUNTS or LOCKS.fullmatch(w)]


def negated(text: str) -> bool:
    """Does a text deny something that may mean something to the kernel?"""
    return bool(NEGATION.search(text)) and bool(kernel_words(text) or DEEDS.search(text))
