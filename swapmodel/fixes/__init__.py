"""Named fixes: functions that replace the kernel's, each with its origin. And fixes that a reader wrote in a file.

fix.py         what a Fix is, and how it is shown
candidates.py  those of the thread, in the order of its messages (cluster_lock.py, si_lock.py: the longer ones)
wrong.py       what begins too late, and what takes away a wait of swapoff's
catalogue.py   all of them by name
given.py       what a caller may give as a fix; load.py: a reader's file
mistakes.py    what a reader did wrong where a check found it, and the remedy
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .fix import KINDS, Fix
from .given import functions_of_fix
from .load import load_fix

if TYPE_CHECKING:
    from .catalogue import FIXES

__all__ = ["FIXES", "KINDS", "Fix", "functions_of_fix", "load_fix"]


def __getattr__(name: str) -> Any:
    """The catalogue is made when it is asked for: who checks a kernel as it is need not wait until all fixes are compiled."""
    if name != "FIXES":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .catalogue import FIXES

    return FIXES
