/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of what free_swap_and_cache() calls. `unfixed` may change only while no task is in that function. */

static struct swap_info_struct *lab_get_device(swp_entry_t entry)
{
	return READ_ONCE(lab_unfixed) ? _swap_info_get(entry) : get_swap_device(entry);
}

static void lab_put_device(struct swap_info_struct *si)
{
	if (!READ_ONCE(lab_unfixed))
		put_swap_device(si);
}

static unsigned char lab_entry_free(struct swap_info_struct *si, swp_entry_t entry)
{
	unsigned char count = __swap_entry_free(si, entry);

	if (count == SWAP_HAS_CACHE)
		lab_window(1, si, swp_offset(entry));
	return count;
}
