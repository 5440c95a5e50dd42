"""Stories: interleavings as kernel people write them, decided. `fits(read_story(text), kernel)`; the grammar: grammar.py."""

from .events import Story
from .fit import Fit, fits
from .problems import Ambiguous, NotUnderstood
from .read import read_story

__all__ = ["Ambiguous", "Fit", "NotUnderstood", "Story", "fits", "read_story"]
