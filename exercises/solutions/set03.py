"""Solutions of set 03."""

from __future__ import annotations

from typing import Any

CLUSTERS = (
    ({0x40: 1, 0x41: 7}, 8),
    ({0x00: 8}, 0),
    ({0x02: 8}, 8),
    ({0x40: 2, 0x42: 6}, 8),
    ({0x40: 1, 0x41: 7}, 8),
)
READS = ([8, 9, 10], [8], [9], [8, 9, 10, 11])
STRIDES = ([8, 16, 17, 18], [8, 16, 18], [16, 17, 18], [8, 18])


def ex03a(question: Any) -> Any:
    """Each byte counts the PTEs of its own page; the cache's pin is in all bytes of the cluster, as long as the folio is
    in the cache. A fault on one page makes its byte 0x40, and that slot is not freed before the whole folio can go: then
    all bytes become 0 at once. That is why 512 slots may read 0x40 before anybody frees the first."""
    from exercises.set03 import LIVES

    return CLUSTERS[LIVES.index(question.lines)]


def ex03b(question: Any) -> Any:
    """With CLUSTER_FLAG_HUGE it begins at the first slot of the cluster and stops at the first byte with a count;
    otherwise it looks at the one slot that it was asked about."""
    from exercises.set03 import LOOKS

    return READS[LOOKS.index((question.lines, question.page))]


def ex03c(question: Any) -> Any:
    """Where a byte reads 0x40, __try_to_reclaim_swap() says how many pages the folio has, and the loop goes on behind it:
    at 8 for the huge folio, then 16. A folio that was not in the cache has lost its slot with its reference already:
    0x00, and no look."""
    from exercises.set03 import BATCHES

    return STRIDES[BATCHES.index(question.lines)]
