"""The ways in which our own search is measured: the word that a command of the benchmarks takes, and what explore() is told."""

from __future__ import annotations

import resource

from swapmodel.explore import explore
from swapmodel.explore.budget import resident_bytes
from swapmodel.names import BadUse

MODES = {  # word -> arguments of explore()
    "": {},
    "plain": {"reduce": False},
    "persistent": {"persistent": True},
    "sleep": {"sleep": True},
    "plain-sleep": {"reduce": False, "sleep": True},
    "compact": {"compact": True},
    "plain-compact": {"reduce": False, "compact": True},
    "compiled": {"engine": "compiled"},
    "plain-compiled": {"reduce": False, "engine": "compiled"},
}
FEW = {
    "sub-pages": "",
    "compiled-sub-pages": "compiled",
}  # of our own scenario, in which few may stand for many: how it is searched
NAMES = {
    "": "swapmodel",
    "plain": "swapmodel unreduced",
    "plain-compiled": "swapmodel compiled, unreduced",
    "compiled-sub-pages": "swapmodel compiled, sub-pages",
}  # or the word itself


def name_of(how):
    return NAMES.get(how, f"swapmodel {how}")


def missing(how, system):
    """Why explore() can't be asked so here, in one line, or None. `system()` lays a small one to try it on."""
    import inspect  # here, as every command of a table would pay for it

    unknown = MODES[how].keys() - inspect.signature(explore).parameters.keys()
    if unknown:
        return f"{name_of(how)} is left out: explore() has no argument {', '.join(sorted(unknown))}"
    try:
        explore(system(), **MODES[how])
    except (ImportError, ValueError, BadUse) as error:  # an extra that is not installed says so
        return f"{name_of(how)} is left out: {error}"
    return None


def search(system, how, **options):
    """One search of what `system()` lays, in the words that checkers.read_ours() reads: verdict, states, transitions, steps,
    and the bytes that the process grew by for each state."""
    before = resident_bytes()
    outcome, _ = explore(system(), **MODES[how], **options)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    print("VERDICT", outcome.verdict, outcome.states, outcome.transitions, len(outcome.schedule), grown // outcome.states)
