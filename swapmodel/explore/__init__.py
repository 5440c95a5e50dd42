"""The explorer: every interleaving, or an honest `unfinished`. It knows nothing of what it explores."""

from .budget import Budget, Outcome, no_collection
from .search import ENGINES, explore
from .shortest import fewest_steps, fewest_switches
from .space import Found, NotReducible, Space

__all__ = [
    "ENGINES",
    "Budget",
    "Found",
    "NotReducible",
    "Outcome",
    "Space",
    "explore",
    "fewest_steps",
    "fewest_switches",
    "no_collection",
]
