"""Replay: an interleaving to step through, in a notebook, in a page without a server, and as text.

document.py  a scenario as JSON: memory, and the graphs of steps of each kernel and fix; cover.py completes them
static/      the interpreter of that JSON, and the player, in JavaScript
"""

from .replay import Replay

__all__ = ["Replay"]
