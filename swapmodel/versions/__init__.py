"""The kernels: v6.8 is the base (mm/), each other one a file of functions that replace the base's."""

from __future__ import annotations

import functools
import inspect
from types import ModuleType

from .. import mm
from ..kernel import Kernel, Replacements
from . import as_argued, before_v6_6, mthp, mthp_v3, v5_2, v6_1, v6_7, v6_9, v6_10, v6_10_scan


def functions_of(module: ModuleType) -> Replacements:
    """The kernel functions that a file defines."""
    return {n: f for n, f in vars(module).items() if inspect.isgeneratorfunction(f) and f.__module__ == module.__name__}


@functools.cache
def parts() -> frozenset[str]:
    """The names of the generators that are ours, in mm/ and here: call stacks are shown without them."""
    return mm.parts() | {n for k in KERNELS.values() for n, f in k.replaces.items() if mm.is_ours(f)}


KERNELS = {
    k.name: k
    for k in (
        Kernel("v6.8", "as released, 10 March 2024", source="torvalds/linux e8f897f4afef"),
        Kernel(
            "v6.7",
            "before faults past the swap cache excluded each other",
            functions_of(v6_7),
            source="13ddaf26be32 (v6.8) came later",
        ),
        Kernel("v6.9", "with the fix of CVE-2024-26960", functions_of(v6_9), source="82b1c07a0af6, 64cf264c8fef"),
        Kernel(
            "v6.10",
            "with mTHP swap-out without splitting, and references dropped in batches",
            {**functions_of(v6_9), **functions_of(mthp), **functions_of(v6_10), **functions_of(v6_10_scan)},
            source="v6.9, d7d0d389ff90, a62fb92ac12e, 14c62da21b2b, 9faaa0f8168b, 845982eb264b, 5ed890ce5147, 3931b871c493",
        ),
        Kernel(
            "mthp-v3",
            "v6.8 with the series under review when the seed message was written",
            {**functions_of(mthp), **functions_of(mthp_v3)},
            source="20231025144546.577640-1, 25 October 2023",
        ),
        Kernel(
            "v6.1",
            "Debian's 6.1.192, on which the accounting was recorded",
            {**functions_of(before_v6_6), **functions_of(v6_1), "free_swap_and_cache": v6_9.free_swap_and_cache},
            source="linux-source-6.1 6.1.192-2; it has 82b1c07a0af6, not 64cf264c8fef",
        ),
        Kernel(
            "v5.2",
            "before get_swap_device() and before swapoff waited for RCU",
            {**functions_of(before_v6_6), **functions_of(v6_7), **functions_of(v5_2)},
            source="eb085574a752 (v5.3) and 63d8620ecf93 (v5.14) came later",
        ),
        Kernel(
            "as-argued",
            "v6.8 as the thread reasoned: a page table lock that no grace period waits for",
            {**functions_of(before_v6_6), **as_argued.SPINLOCK_IS_NO_READER},
            source="the seed thread, 4 March 2024; no such kernel exists",
        ),
    )
}
