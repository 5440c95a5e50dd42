"""swapmodel: the Linux swap subsystem as step graphs, and every interleaving of them.

from swapmodel import check
check("thread", "as-argued")          # the race of the mailing-list thread, step by step
check("shmem-truncate", "v6.8")       # the real one, CVE-2024-26960
check("shmem-truncate", fix=free_swap_and_cache)   # with a function of your own
"""

from .check import Verdict, check
from .explore import Budget
from .fixes import FIXES
from .kernel import Kernel
from .program import KernelError
from .scenarios import SCENARIOS, Parameters, Scenario
from .versions import KERNELS
from .views import table

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
