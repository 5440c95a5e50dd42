"""Named fixes: functions that replace the kernel's, each with its origin. And fixes that a reader wrote in a file.

fix.py         what a Fix is, and how it is shown
candidates.py  those of the thread, in the order of its messages (cluster_lock.py, si_lock.py: the longer ones)
wrong.py       what begins too late, and what takes away a wait of swapoff's
load.py        a reader's file
mistakes.py    what a reader did wrong where a check found it, and the remedy
"""

from __future__ import annotations

from ..names import Named
from .candidates import CANDIDATES
from .fix import KINDS, Fix
from .load import load_fix
from .wrong import REMOVED, WEAKER

FIXES = Named("fix", {f.name: f for f in (*CANDIDATES, *WEAKER, *REMOVED)})

__all__ = ["FIXES", "KINDS", "Fix", "load_fix"]
