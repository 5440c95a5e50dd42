"""The diagrams: graphviz source read off the model, and the SVG drawn from it. `python -m diagrams` rebuilds all.

`swapmodel.diagram("lock-order")` shows a committed one, in a notebook as anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from swapmodel.kernel import Kernel

from . import cluster_lists, evolution, freeing_paths, lock_order, step_graph, swap_map, swapoff_order, thread
from .dot import Picture

FOLDER = Path(__file__).parent
PICTURES: dict[str, Callable[[Kernel], Picture]] = {  # name of the files -> what draws it for a kernel
    "swap-map-byte": swap_map.picture,
    "lock-order": lock_order.picture,
    "freeing-paths": freeing_paths.picture,
    "cluster-lists": cluster_lists.picture,
    "swapoff-order": swapoff_order.picture,
    "step-graph": step_graph.picture,
    "thread": lambda kernel: thread.picture(),
    "evolution": lambda kernel: evolution.picture(),
}
