"""The bug family: races that the swap code had, each with a kernel that has it and one with the fix.

FAMILY has the entries, PATTERNS what they are grouped by; family("Z13") explores both kernels of one."""

from .pair import Pair, family
from .race import PATTERNS, Race
from .table import FAMILY

__all__ = ["FAMILY", "PATTERNS", "Pair", "Race", "family"]
