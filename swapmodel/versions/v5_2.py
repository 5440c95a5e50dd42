"""v5.2: v6.8 without get_swap_device() and without anything that swapoff waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..mm.swapfile.lookup import swp_swap_info


def swapoff_wait_for_users(si):
    """mm/swapfile.c, v5.2: swapoff() had no percpu_ref (v5.14, 63d8620ecf93) and no synchronize_rcu() (v5.3, eb085574a752)."""
    return
    yield


def get_swap_device(entry):
    """mm/swapfile.c, v5.2: there was no get_swap_device(); the callers that have it today used the device as it was."""
    si = yield from swp_swap_info(entry)
    return si


def put_swap_device(si):
    """mm/swapfile.c, v5.2: nothing was pinned."""
    return
    yield
