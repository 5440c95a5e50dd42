"""The HTML docs: notebooks, catalogues and the API as pages that work from disk, without a server, a network or scripts.

build.py      what pages there are, in which order; sources.py: the checkout that they are made from
execute.py    the notebooks are run; notebooks.py: one of them becomes the body of a page, by nbconvert
catalogue.py  scenarios, kernels, fixes and questions, from the code; api.py: the public names; diagrams.py: the pictures
cost.py       what a search costs, from the committed table of a benchmark, which measured.py reads
page.py       what a page is; layout.py: the frame around each, and the words of the code as HTML
polish.py     headings, ids, tables and wide boxes, so that everybody can read them; live.py: what needs a kernel is left out
shared.py     scripts and styles that many pages have are stored once
links.py      where links of the checkout lead on the site; none may be dead, nothing is loaded from elsewhere
search.py     the index of the search
folder.py     the site is put in place whole, or not at all, and never over somebody's files
"""

from __future__ import annotations

from .build import build
from .sources import Sources

__all__ = ["Sources", "build"]
