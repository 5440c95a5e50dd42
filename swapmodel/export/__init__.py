"""A verdict, to send on: as columns of a commit message, as Markdown, as a picture; and read back from its JSON.

telling.py  which steps tell the story; holds.py: what is held meanwhile; calls.py, frames.py: inside which calls
columns.py  the columns; report.py; picture.py, with lanes.py: where everything stands in it
saved.py    a saved verdict, read back; reading.py: with care
"""

from .columns import commit_message
from .picture import svg
from .reading import Refused
from .report import markdown
from .saved import load

__all__ = ["Refused", "commit_message", "load", "markdown", "svg"]
