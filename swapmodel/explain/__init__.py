"""Why a verdict is what it is: the orderings and the pin of a violation, the old schedule against a fix, near misses."""

from .explain import Why, why
from .standoff import Standoff, against

__all__ = ["Standoff", "Why", "against", "why"]
