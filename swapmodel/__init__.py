"""swapmodel: the Linux swap subsystem as step graphs, and every interleaving of them.

from swapmodel import check
check("thread", "as-argued")          # the race of the mailing-list thread, step by step
check("shmem-truncate", "v6.8")       # the real one, CVE-2024-26960
check("shmem-truncate", fix=free_swap_and_cache)   # with a function of your own
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .explore import Budget
    from .fixes import FIXES
    from .kernel import Kernel
    from .program import KernelError
    from .scenarios import SCENARIOS, Parameters, Scenario
    from .verdict import Verdict, check
    from .versions import KERNELS
    from .views import table

HOME = {
    "FIXES": "fixes",
    "KERNELS": "versions",
    "SCENARIOS": "scenarios",
    "Budget": "explore",
    "Kernel": "kernel",
    "KernelError": "program",
    "Parameters": "scenarios",
    "Scenario": "scenarios",
    "Verdict": "verdict",
    "check": "verdict",
    "table": "views",
}

__all__ = [
    "FIXES",
    "KERNELS",
    "SCENARIOS",
    "Budget",
    "Kernel",
    "KernelError",
    "Parameters",
    "Scenario",
    "Verdict",
    "check",
    "table",
]


def __getattr__(name: str) -> Any:
    """Imported when asked for: who only searches does not wait for what only reports need."""
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{HOME[name]}", __name__), name)
