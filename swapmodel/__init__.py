"""swapmodel: the Linux swap subsystem as step graphs, and every interleaving of them.

from swapmodel import check
check("thread", "as-argued")          # the race of the mailing-list thread, step by step
check("shmem-truncate", "v6.8")       # the real one, CVE-2024-26960
check("shmem-truncate", fix=free_swap_and_cache)   # with a function of your own

from swapmodel import against, ask, compare, commit_message, fits, read_story, svg, why
why(check("shmem-truncate"))          # the pin that was dropped before its last use
fits(read_story(mail))                # can any execution do what a mail says?
compare(["thread"], ["si-lock"])      # scenarios x fixes x kernels x preemption, and what each fix costs
ask("Q18")                            # one of forty questions of the thread, decided
family("Z13")                         # a race of the past: the kernel that has it beside the one with the fix

from swapmodel import Machine, pte, swap_entry
machine = Machine(slots=64)           # whole operations, one after the other: swap_out, fork, touch, exit, swapoff
print(pte(swap_entry(0, 5)))          # bits of an entry, a PTE, a swap_map byte

from swapmodel import Controls, Replay
Replay(check("shmem-truncate"))       # step through it, be the scheduler, switch kernels and fixes
Controls()                            # in a live notebook: the same by clicking

from swapmodel import diagram
diagram("lock-order")                 # a picture that was read off the model; diagrams/README.md lists them
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
    from .explain import Standoff, Why, against, why
    from .explore import Budget
    from .export import commit_message, load, markdown, svg
    from .fixes import FIXES, Fix, load_fix
    from .kernel import Kernel
    from .pictures import Diagram, diagram
    from .program import KernelError
    from .questions import QUESTIONS, ask
    from .replay import Replay
    from .replay.controls import Controls as Controls
    from .review.comparison import Comparison
    from .review.cost import Price, price
    from .review.desk import compare
    from .scenarios import SCENARIOS, Parameters, Scenario
    from .session import Device, Machine, Violation
    from .story import fits, read_story
    from .verdict import Verdict, check
    from .versions import KERNELS
    from .views import table
    from .zoo import FAMILY, family

HOME = {
    "FAMILY": "zoo",
    "FIXES": "fixes",
    "KERNELS": "versions",
    "QUESTIONS": "questions",
    "SCENARIOS": "scenarios",
    "Budget": "explore",
    "Comparison": "review.comparison",
    "Controls": "replay.controls",
    "Device": "session",
    "Diagram": "pictures",
    "Fix": "fixes",
    "Kernel": "kernel",
    "KernelConfig": "entries",
    "KernelError": "program",
    "Machine": "session",
    "Parameters": "scenarios",
    "Price": "review.cost",
    "Replay": "replay",
    "Scenario": "scenarios",
    "Standoff": "explain",
    "Verdict": "verdict",
    "Violation": "session",
    "Why": "explain",
    "against": "explain",
    "ask": "questions",
    "byte_meaning": "entries",
    "check": "verdict",
    "commit_message": "export",
    "compare": "review.desk",
    "diagram": "pictures",
    "entry_meaning": "entries",
    "family": "zoo",
    "fits": "story",
    "load": "export",
    "load_fix": "fixes",
    "markdown": "export",
    "max_swapfiles": "entries",
    "price": "review.cost",
    "pseudo_types": "entries",
    "pte": "entries",
    "pte_word": "entries",
    "read_story": "story",
    "svg": "export",
    "swap_cache_place": "entries",
    "swap_entry": "entries",
    "swap_map_byte": "entries",
    "table": "views",
    "why": "explain",
    "xa_value": "entries",
}

# Without Controls, which needs ipywidgets: `from swapmodel import *` works without the extra `notebook`.
__all__ = [
    "FAMILY",
    "FIXES",
    "KERNELS",
    "QUESTIONS",
    "SCENARIOS",
    "Budget",
    "Comparison",
    "Device",
    "Diagram",
    "Fix",
    "Kernel",
    "KernelConfig",
    "KernelError",
    "Machine",
    "Parameters",
    "Price",
    "Replay",
    "Scenario",
    "Standoff",
    "Verdict",
    "Violation",
    "Why",
    "against",
    "ask",
    "byte_meaning",
    "check",
    "commit_message",
    "compare",
    "diagram",
    "entry_meaning",
    "family",
    "fits",
    "load",
    "load_fix",
    "markdown",
    "max_swapfiles",
    "price",
    "pseudo_types",
    "pte",
    "pte_word",
    "read_story",
    "svg",
    "swap_cache_place",
    "swap_entry",
    "swap_map_byte",
    "table",
    "why",
    "xa_value",
]


def __getattr__(name: str) -> Any:
    """Imported when asked for: who only searches does not wait for what only reports need."""
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{HOME[name]}", __name__), name)
