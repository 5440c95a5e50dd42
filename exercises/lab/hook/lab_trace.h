/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debug records and the delay window of the lab. Our own code; edit_hook.py includes it into mm/swapfile.c, before the
 * first function that needs it, and makes the kernel's functions call it.
 *
 * A record is one row of /proc/swaptrace. It is written under the lock that guards the byte, and lab_lock guards the
 * order of the rows and inuse_pages. So each row shows the state that the rows before it have made.
 */
#include <linux/delay.h>
#include <linux/moduleparam.h>

#define LAB_RECORDS 300000

enum { LAB_SPIN = 1, LAB_SLEEP, LAB_IRQOFF, LAB_FORCED };	/* how the window is held open */
enum { LAB_SKIP_WAIT = 1, LAB_SKIP_SYNCHRONIZE };		/* what swapoff leaves out */

struct lab_row {
	u64 ns;
	const char *fn;
	unsigned long offset;
	int cpu, pid, n, before, usage, after, ret, inuse, ccount, cflags;
	char comm[TASK_COMM_LEN];
};

static int lab_tracing, lab_unfixed, lab_delay, lab_delay_pos, lab_delay_ms, lab_skip_rcu, lab_in_window, lab_stage;
static struct lab_row *lab_rows;
static unsigned int lab_nr_rows;
static DEFINE_SPINLOCK(lab_lock);
static DEFINE_PER_CPU(int, lab_was);	/* the byte at the moment its lock was taken; valid while that is held */

static int lab_set_trace(const char *value, const struct kernel_param *param)
{
	if (!lab_rows)
		lab_rows = vzalloc(sizeof(*lab_rows) * LAB_RECORDS);
	return lab_rows ? param_set_int(value, param) : -ENOMEM;
}

static const struct kernel_param_ops lab_trace_ops = { .set = lab_set_trace, .get = param_get_int };

/* /sys/module/swapfile/parameters/ */
module_param_cb(trace, &lab_trace_ops, &lab_tracing, 0644);
module_param_named(unfixed, lab_unfixed, int, 0644);		/* 1: free_swap_and_cache() does not pin the device */
module_param_named(delay, lab_delay, int, 0644);		/* LAB_SPIN... */
module_param_named(delay_pos, lab_delay_pos, int, 0644);	/* 1: after the free, 2: after si->swap_map was loaded */
module_param_named(delay_ms, lab_delay_ms, int, 0644);
module_param_named(skip_rcu, lab_skip_rcu, int, 0644);		/* LAB_SKIP_WAIT... */
module_param_named(in_window, lab_in_window, int, 0444);	/* 0: not yet, 1: a victim is inside, 2: it left */
module_param_named(stage, lab_stage, int, 0444);		/* how far swapoff came, 1 to 5 */

static int lab_byte(struct swap_info_struct *si, unsigned long offset)
{
	unsigned char *map = READ_ONCE(si->swap_map);

	return map ? READ_ONCE(map[offset]) : 0;
}

/* lab_lock is held. */
static void lab_record_locked(const char *fn, struct swap_info_struct *si, unsigned long offset, int n, int before,
			      int usage, int after, int ret)
{
	struct lab_row *row;

	if (!lab_tracing || lab_nr_rows++ >= LAB_RECORDS)
		return;
	row = &lab_rows[lab_nr_rows - 1];
	*row = (struct lab_row){
		.ns = ktime_get_ns(), .fn = fn, .offset = offset, .cpu = raw_smp_processor_id(), .pid = current->pid, .n = n,
		.before = before, .usage = usage, .after = after, .ret = ret, .inuse = si->inuse_pages, .ccount = -1,
	};
	if (offset && si->cluster_info) {
		row->ccount = si->cluster_info[offset / SWAPFILE_CLUSTER].data;
		row->cflags = si->cluster_info[offset / SWAPFILE_CLUSTER].flags;
	}
	memcpy(row->comm, current->comm, TASK_COMM_LEN);
}

static void lab_record(const char *fn, struct swap_info_struct *si, unsigned long offset, int n, int before, int usage,
		       int after, int ret)
{
	spin_lock(&lab_lock);
	lab_record_locked(fn, si, offset, n, before, usage, after, ret);
	spin_unlock(&lab_lock);
}

static void lab_event(const char *fn, struct swap_info_struct *si, int ret)
{
	lab_record(fn, si, 0, si->pages, 0, 0, 0, ret);
}

/* Called where the kernel's function is about to take the same lock. */
static void lab_call(const char *fn, swp_entry_t entry, int n, int usage)
{
	struct swap_info_struct *si = non_swap_entry(entry) ? NULL : swap_type_to_swap_info(swp_type(entry));
	unsigned long offset = swp_offset(entry);
	struct swap_cluster_info *ci;

	if (!si || !READ_ONCE(lab_tracing))
		return;
	ci = lock_cluster_or_swap_info(si, offset);
	lab_record(fn, si, offset, n, lab_byte(si, offset), usage, 0, 0);
	unlock_cluster_or_swap_info(si, ci);
}

static int lab_show(struct seq_file *m, void *v)
{
	int i, n = READ_ONCE(lab_nr_rows);

	seq_puts(m, "seq,ts_ns,cpu,pid,comm,fn,offset,n,before,usage,after,ret,inuse,ccount,cflags\n");
	for (i = 0; i < min(n, LAB_RECORDS); i++) {
		struct lab_row *row = &lab_rows[i];

		seq_printf(m, "%d,%llu,%d,%d,%s,%s,%lu,%d,%d,%d,%d,%d,%d,%d,%d\n", i, row->ns, row->cpu, row->pid, row->comm,
			   row->fn, row->offset, row->n, row->before, row->usage, row->after, row->ret, row->inuse,
			   row->ccount, row->cflags);
	}
	if (n > LAB_RECORDS)
		seq_printf(m, "# lost %d\n", n - LAB_RECORDS);
	return 0;
}

static int __init lab_init(void)
{
	proc_create_single("swaptrace", 0444, NULL, lab_show);
	return 0;
}
late_initcall(lab_init);

/* ---- in place of the kernel's calls: the same, and a record ---- */

static struct swap_cluster_info *lab_lock_cluster(struct swap_info_struct *si, unsigned long offset)
{
	struct swap_cluster_info *ci = lock_cluster(si, offset);

	this_cpu_write(lab_was, lab_byte(si, offset));
	return ci;
}

static void lab_alloc_slot(struct swap_info_struct *si, struct swap_cluster_info *info, unsigned long offset)
{
	int now = lab_byte(si, offset);

	inc_cluster_info_page(si, info, offset);
	lab_record("m:alloc", si, offset, 1, this_cpu_read(lab_was), now, now, 0);
}

static void lab_free_slot(struct swap_info_struct *si, struct swap_cluster_info *info, unsigned long offset)
{
	int was = this_cpu_read(lab_was);

	dec_cluster_info_page(si, info, offset);
	lab_record("m:entry_free", si, offset, 1, was, was, lab_byte(si, offset), 0);
}

static void lab_free_cluster(struct swap_info_struct *si, unsigned long idx)
{
	unsigned long offset = idx * SWAPFILE_CLUSTER;

	free_cluster(si, idx);
	lab_record("m:free_cluster", si, offset, SWAPFILE_CLUSTER, this_cpu_read(lab_was), 0, lab_byte(si, offset), 0);
}

static void lab_unlock_alloc_cluster(struct swap_cluster_info *ci, struct swap_info_struct *si, unsigned long offset)
{
	lab_record("m:alloc_cluster", si, offset, SWAPFILE_CLUSTER, this_cpu_read(lab_was), lab_byte(si, offset),
		   lab_byte(si, offset), 0);
	unlock_cluster(ci);
}

static struct swap_cluster_info *lab_lock_duplicate(struct swap_info_struct *si, unsigned long offset)
{
	struct swap_cluster_info *ci = lock_cluster_or_swap_info(si, offset);

	this_cpu_write(lab_was, lab_byte(si, offset));
	return ci;
}

static void lab_unlock_duplicate(struct swap_info_struct *si, struct swap_cluster_info *ci, unsigned long offset, int usage,
				 int err)
{
	lab_record("m:duplicate", si, offset, 1, this_cpu_read(lab_was), usage, lab_byte(si, offset), err);
	unlock_cluster_or_swap_info(si, ci);
}

static void lab_attach_continuation(struct list_head *page, struct list_head *head, struct swap_info_struct *si,
				    unsigned long offset)
{
	list_add_tail(page, head);
	lab_record("e:add_continuation", si, offset, 1, lab_byte(si, offset), 0, lab_byte(si, offset), 0);
}

static void lab_clear_huge(struct swap_cluster_info *ci, struct swap_info_struct *si, unsigned long offset, const char *fn)
{
	cluster_clear_huge(ci);
	lab_record(fn, si, offset, SWAPFILE_CLUSTER, 0, 0, 0, 0);
}

static bool lab_free_in_pass2(struct folio *folio, struct swap_info_struct *si, unsigned long offset)
{
	bool freed = folio_free_swap(folio);

	if (freed)
		lab_record("e:unuse_pass2_freed", si, offset, 1, 0, 0, 0, 0);
	return freed;
}

/* ---- the window: a task called "victim" is held where swapoff() may overtake it ---- */

static void lab_wait_in_window(void)
{
	ktime_t end = ktime_add_ms(ktime_get(), lab_delay_ms);
	int how = lab_delay == LAB_SLEEP && !preemptible() ? LAB_SPIN : lab_delay;
	unsigned long flags = 0;

	if (how == LAB_IRQOFF)
		local_irq_save(flags);
	while (READ_ONCE(lab_stage) < 5 && ktime_before(ktime_get(), end)) {
		if (how == LAB_SLEEP || how == LAB_FORCED)
			msleep(10);
		else
			cpu_relax();
	}
	if (how == LAB_IRQOFF)
		local_irq_restore(flags);
}

static void lab_window(int pos, struct swap_info_struct *si, unsigned long offset)
{
	static const char * const how[] = { "none", "spin", "sleep", "irqoff", "forced" };
	ktime_t start;

	if (!lab_delay || lab_delay >= ARRAY_SIZE(how) || pos != lab_delay_pos || strcmp(current->comm, "victim") ||
	    cmpxchg(&lab_in_window, 0, 1))
		return;
	pr_info("swaprace: W-enter comm=%s pid=%d cpu=%d pos=%d off=%lu count=0x%x preempt_count=0x%x preemptible=%d how=%s inuse=%u\n",
		current->comm, current->pid, raw_smp_processor_id(), pos, offset, lab_byte(si, offset), preempt_count(),
		preemptible(), how[lab_delay], READ_ONCE(si->inuse_pages));
	start = ktime_get();
	lab_wait_in_window();
	WRITE_ONCE(lab_in_window, 2);
	pr_info("swaprace: W-leave comm=%s pid=%d after %lld ms, swapoff stage=%d\n", current->comm, current->pid,
		ktime_ms_delta(ktime_get(), start), READ_ONCE(lab_stage));
}

static struct swap_cluster_info *lab_lock_in_window(struct swap_info_struct *si, unsigned long offset)
{
	lab_window(2, si, offset);
	return lock_cluster_or_swap_info(si, offset);
}
