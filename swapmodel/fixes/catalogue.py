"""All of them, by name."""

from ..names import Named
from .candidates import CANDIDATES
from .wrong import REMOVED, WEAKER

FIXES = Named("fix", {f.name: f for f in (*CANDIDATES, *WEAKER, *REMOVED)})
