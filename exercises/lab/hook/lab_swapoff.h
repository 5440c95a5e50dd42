/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of what swapoff() calls: it says how far it came, and can leave the waiting out. */

static void lab_reached(int stage, const char *what, struct swap_info_struct *si)
{
	WRITE_ONCE(lab_stage, stage);
	pr_info("swaprace: S%d swapoff pid=%d cpu=%d: %s inuse=%u\n", stage, current->pid, raw_smp_processor_id(), what,
		READ_ONCE(si->inuse_pages));
}

static int lab_try_to_unuse(unsigned int type)
{
	struct swap_info_struct *si = swap_type_to_swap_info(type);
	int err;

	lab_reached(1, "calling try_to_unuse", si);
	lab_event("e:swapoff_begin", si, 0);
	err = try_to_unuse(type);
	if (err)
		return err;
	lab_event("e:swapoff_unused", si, 0);
	lab_reached(2, "try_to_unuse returned 0", si);
	return 0;
}

static void lab_ref_kill(struct percpu_ref *users)
{
	if (lab_skip_rcu != LAB_SKIP_WAIT)
		percpu_ref_kill(users);
}

static void lab_synchronize_rcu(struct swap_info_struct *si)
{
	if (!lab_skip_rcu)
		synchronize_rcu();
	lab_reached(3, lab_skip_rcu ? "no synchronize_rcu" : "synchronize_rcu returned", si);
}

static void lab_wait_for_users(struct completion *comp, struct swap_info_struct *si)
{
	if (lab_skip_rcu != LAB_SKIP_WAIT)
		wait_for_completion(comp);
	lab_reached(4, lab_skip_rcu == LAB_SKIP_WAIT ? "no wait for users" : "users ref completed", si);
}

static void lab_vfree_map(const void *map, struct swap_info_struct *si)
{
	vfree(map);
	lab_event("e:swapoff_done", si, 0);
	lab_reached(5, "teardown done (swap_map NULLed and vfree'd)", si);
}
