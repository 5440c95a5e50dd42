"""Add the lab's debug records and its delay window to mm/swapfile.c; see hook/ for what is added.

    python3 edit_hook.py OLD-swapfile.c NEW-swapfile.c

The files of hook/ have to be copied beside the new file.
"""

import sys

from edit_minimal import main
from source_edit import Source

# function, what it calls, what it shall call, further arguments
REDIRECTED = [
    # one slot
    ("scan_swap_map_slots", "lock_cluster", "lab_lock_cluster", ""),
    ("scan_swap_map_slots", "inc_cluster_info_page", "lab_alloc_slot", ""),
    ("swap_entry_free", "lock_cluster", "lab_lock_cluster", ""),
    ("swap_entry_free", "dec_cluster_info_page", "lab_free_slot", ""),
    # a cluster
    ("swap_alloc_cluster", "lock_cluster", "lab_lock_cluster", ""),
    ("swap_alloc_cluster", "unlock_cluster", "lab_unlock_alloc_cluster", "si, offset"),
    ("swap_free_cluster", "lock_cluster", "lab_lock_cluster", ""),
    ("swap_free_cluster", "free_cluster", "lab_free_cluster", ""),
    ("put_swap_folio", "cluster_clear_huge", "lab_clear_huge", 'si, offset, "e:put_folio_clear_huge"'),
    ("split_swap_cluster", "cluster_clear_huge", "lab_clear_huge", 'si, offset, "e:split_swap_cluster"'),
    # a count
    ("__swap_duplicate", "lock_cluster_or_swap_info", "lab_lock_duplicate", ""),
    ("__swap_duplicate", "unlock_cluster_or_swap_info", "lab_unlock_duplicate", "offset, usage, err"),
    ("add_swap_count_continuation", "list_add_tail", "lab_attach_continuation", "si, swp_offset(entry)"),
    # the race
    ("free_swap_and_cache", "get_swap_device", "lab_get_device", ""),
    ("free_swap_and_cache", "__swap_entry_free", "lab_entry_free", ""),
    ("swap_page_trans_huge_swapped", "lock_cluster_or_swap_info", "lab_lock_in_window", ""),
    ("try_to_unuse", "folio_free_swap", "lab_free_in_pass2", "si, i"),
    ("swapoff", "try_to_unuse", "lab_try_to_unuse", ""),
    ("swapoff", "percpu_ref_kill", "lab_ref_kill", ""),
    ("swapoff", "synchronize_rcu", "lab_synchronize_rcu", "p"),
    ("swapoff", "wait_for_completion", "lab_wait_for_users", "p"),
    ("swapoff", "vfree", "lab_vfree_map", "p"),
]

WRAPPED = {
    "__swap_entry_free_locked": """\
	int was = lab_byte($1, $2);
	unsigned char ret = $real($1, $2, $3);

	lab_record("m:entry_free_locked", $1, $2, 1, was, $3, lab_byte($1, $2), ret);
	return ret;
""",
    "swap_range_alloc": """\
	spin_lock(&lab_lock);
	$real($1, $2, $3);
	lab_record_locked("r:range_alloc", $1, $2, $3, 0, 0, 0, 0);
	spin_unlock(&lab_lock);
""",
    "swap_range_free": """\
	spin_lock(&lab_lock);
	$real($1, $2, $3);
	lab_record_locked("r:range_free", $1, $2, $3, 0, 0, 0, 0);
	spin_unlock(&lab_lock);
""",
    "swap_free": """\
	lab_call("c:swap_free", $1, 1, 1);
	$real($1);
""",
    "put_swap_folio": """\
	lab_call("c:put_swap_folio", $2, folio_nr_pages($1), SWAP_HAS_CACHE);
	$real($1, $2);
""",
    "free_swap_and_cache": """\
	lab_call("c:free_swap_and_cache", $1, 1, 1);
	return $real($1);
""",
    "enable_swap_info": """\
	$real($1, $2, $3, $4, $5);
	lab_event("e:swapon", $1, $1->max);
""",
}

INCLUDED = {"lab_trace.h": "swap_range_alloc", "lab_pin.h": "free_swap_and_cache", "lab_swapoff.h": "swapoff"}


def hook(text: str) -> str:
    source = Source(text)
    for function, callee, to, extra in REDIRECTED:
        source.redirect(function, callee, to, extra)
    source.redirect("free_swap_and_cache", "put_swap_device", "lab_put_device", times=2)
    for function, body in WRAPPED.items():
        source.wrap(function, body)
    for header, function in INCLUDED.items():
        source.insert_before(function, f'#include "{header}"')
    return source.edited()


if __name__ == "__main__":
    sys.exit(main(hook))
