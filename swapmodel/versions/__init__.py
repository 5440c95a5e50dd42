"""The kernels: v6.8 is the base (mm/), each other one a file of functions that replace the base's."""

from __future__ import annotations

import inspect
from types import ModuleType

from ..kernel import Kernel, Replacements
from . import as_argued, v5_2, v6_9


def functions_of(module: ModuleType) -> Replacements:
    """The kernel functions that a file defines."""
    return {n: f for n, f in vars(module).items() if inspect.isgeneratorfunction(f) and f.__module__ == module.__name__}


KERNELS = {
    k.name: k
    for k in (
        Kernel("v6.8", "as released, 10 March 2024", source="torvalds/linux e8f897f4afef"),
        Kernel("v6.9", "with the fix of CVE-2024-26960", functions_of(v6_9), source="82b1c07a0af6, 64cf264c8fef"),
        Kernel(
            "v5.2",
            "before get_swap_device() and before swapoff waited for RCU",
            functions_of(v5_2),
            source="eb085574a752 (v5.3) and 63d8620ecf93 (v5.14) came later",
        ),
        Kernel(
            "as-argued",
            "v6.8 as the thread reasoned: a page table lock that no grace period waits for",
            {**functions_of(as_argued), **as_argued.SPINLOCK_IS_NO_READER},
            source="the seed thread, 4 March 2024; no such kernel exists",
        ),
    )
}
