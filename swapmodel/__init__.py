"""swapmodel: the Linux swap subsystem as step graphs, and every interleaving of them.

from swapmodel import check
check("thread", "as-argued")          # the race of the mailing-list thread, step by step
check("shmem-truncate", "v6.8")       # the real one, CVE-2024-26960
check("shmem-truncate", fix=free_swap_and_cache)   # with a function of your own

from swapmodel import Machine, pte, swap_entry
machine = Machine(slots=64)           # whole operations, one after the other: swap_out, fork, touch, exit, swapoff
print(pte(swap_entry(0, 5)))          # bits of an entry, a PTE, a swap_map byte
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .entries import (
        KernelConfig,
        byte_meaning,
        entry_meaning,
        max_swapfiles,
        pseudo_types,
        pte,
        pte_word,
        swap_cache_place,
        swap_entry,
        swap_map_byte,
        xa_value,
    )
    from .explore import Budget
    from .fixes import FIXES
    from .kernel import Kernel
    from .program import KernelError
    from .scenarios import SCENARIOS, Parameters, Scenario
    from .session import Device, Machine
    from .verdict import Verdict, check
    from .versions import KERNELS
    from .views import table

HOME = {
    "FIXES": "fixes",
    "KERNELS": "versions",
    "SCENARIOS": "scenarios",
    "Budget": "explore",
    "Device": "session",
    "Kernel": "kernel",
    "KernelConfig": "entries",
    "KernelError": "program",
    "Machine": "session",
    "Parameters": "scenarios",
    "Scenario": "scenarios",
    "Verdict": "verdict",
    "byte_meaning": "entries",
    "check": "verdict",
    "entry_meaning": "entries",
    "max_swapfiles": "entries",
    "pseudo_types": "entries",
    "pte": "entries",
    "pte_word": "entries",
    "swap_cache_place": "entries",
    "swap_entry": "entries",
    "swap_map_byte": "entries",
    "table": "views",
    "xa_value": "entries",
}

__all__ = [
    "FIXES",
    "KERNELS",
    "SCENARIOS",
    "Budget",
    "Device",
    "Kernel",
    "KernelConfig",
    "KernelError",
    "Machine",
    "Parameters",
    "Scenario",
    "Verdict",
    "byte_meaning",
    "check",
    "entry_meaning",
    "max_swapfiles",
    "pseudo_types",
    "pte",
    "pte_word",
    "swap_cache_place",
    "swap_entry",
    "swap_map_byte",
    "table",
    "xa_value",
]


def __getattr__(name: str) -> Any:
    """Imported when asked for: who only searches does not wait for what only reports need."""
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{HOME[name]}", __name__), name)
