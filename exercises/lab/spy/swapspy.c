// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Read-only observer of the swap accounting of an unmodified 6.1 kernel: kretprobes on functions of mm/swapfile.c, one
 * row of /proc/swapspy per call, written at its return. The bytes are read outside the kernel's locks: on more than one
 * CPU a row may already show what another CPU did.
 */
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/vmalloc.h>

#define MAX_ROWS 400000
#define CLUSTER 512

/* The state of one offset. */
struct state {
	int byte, inuse, count, flags;
};

struct row {
	u64 entered, left;
	u32 seq_enter, seq_exit, offset, n;
	const char *fn;
	long ret;
	struct state before, after;
	int pid, cpu, type, arg;
	char comm[TASK_COMM_LEN];
};

/* Where a function's arguments say which entry it is about. */
enum where {
	ENTRY,		/* (entry) */
	ENTRY_USAGE,	/* (entry, usage) */
	SECOND_ENTRY,	/* (x, entry) */
	FOLIO_ENTRY,	/* (folio, entry) */
	SI_OFFSET_ARG,	/* (si, offset, usage or flags) */
	SI_OFFSET_N,	/* (si, offset, n) */
	SI_CLUSTER,	/* (si, index of a cluster) */
	TYPE,		/* (type) */
	FOLIO,		/* (folio) */
	OLD_ENTRIES,	/* (entries[], n) */
	NEW_ENTRIES,	/* (n, entries[], size): known at return */
};

struct probe {
	const char *fn;
	enum where where;
	struct kretprobe kretprobe;
	bool placed;
};

struct call {
	u64 entered;
	u32 seq_enter, offset, n;
	int type, arg;
	struct state before;
	swp_entry_t *entries;
	struct swap_info_struct *si;
};

static struct row *rows;
static atomic_t nr_rows = ATOMIC_INIT(0), sequence = ATOMIC_INIT(0);
static struct swap_info_struct **infos;
static int on = 1;
module_param(on, int, 0644);

static struct swap_info_struct *info_of(int type)
{
	return type >= 0 && type < MAX_SWAPFILES ? READ_ONCE(infos[type]) : NULL;
}

static struct state look_at(struct swap_info_struct *si, u32 offset)
{
	struct state state = { -1, -1, -1, -1 };
	struct swap_cluster_info cluster;
	unsigned char *map, byte;

	if (!si)
		return state;
	state.inuse = READ_ONCE(si->inuse_pages);
	map = READ_ONCE(si->swap_map);
	if (offset && map && offset < si->max && !copy_from_kernel_nofault(&byte, map + offset, 1))
		state.byte = byte;
	if (READ_ONCE(si->cluster_info) &&
	    !copy_from_kernel_nofault(&cluster, si->cluster_info + offset / CLUSTER, sizeof(cluster))) {
		state.count = cluster.data;
		state.flags = cluster.flags;
	}
	return state;
}

static bool set_entry(struct call *call, swp_entry_t entry)
{
	if (non_swap_entry(entry))
		return false;
	call->type = swp_type(entry);
	call->offset = swp_offset(entry);
	call->si = info_of(call->type);
	return true;
}

static void set_info(struct call *call, unsigned long si, u32 offset)
{
	call->si = (struct swap_info_struct *)si;
	call->type = call->si->type;
	call->offset = offset;
}

/* False: this call is about no swap entry. */
static bool read_arguments(enum where where, struct pt_regs *regs, struct call *call)
{
	struct folio *folio;

	switch (where) {
	case ENTRY_USAGE:
		call->arg = regs->si & 0xff;
		fallthrough;
	case ENTRY:
		return set_entry(call, (swp_entry_t){ regs->di });
	case FOLIO_ENTRY:
		call->n = folio_nr_pages((struct folio *)regs->di);
		fallthrough;
	case SECOND_ENTRY:
		return set_entry(call, (swp_entry_t){ regs->si });
	case SI_OFFSET_ARG:
		set_info(call, regs->di, regs->si);
		call->arg = regs->dx & 0xff;
		return true;
	case SI_OFFSET_N:
		set_info(call, regs->di, regs->si);
		call->n = regs->dx;
		return true;
	case SI_CLUSTER:
		set_info(call, regs->di, regs->si * CLUSTER);
		call->n = CLUSTER;
		return true;
	case TYPE:
		call->type = regs->di;
		call->si = info_of(call->type);
		return true;
	case FOLIO:
		folio = (struct folio *)regs->di;
		call->n = folio_nr_pages(folio);
		return folio_test_swapcache(folio) && set_entry(call, (swp_entry_t){ page_private(&folio->page) });
	case OLD_ENTRIES:
		call->n = regs->si;
		return (int)regs->si <= 0 || set_entry(call, ((swp_entry_t *)regs->di)[0]);
	case NEW_ENTRIES:
		call->n = regs->di;
		call->entries = (swp_entry_t *)regs->si;
		call->arg = regs->dx;
		return true;
	}
	return false;
}

static int entered(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct probe *probe = container_of(get_kretprobe(instance), struct probe, kretprobe);
	struct call *call = (struct call *)instance->data;

	*call = (struct call){ .n = 1, .type = -1, .arg = -1 };
	if (!on || !read_arguments(probe->where, regs, call))
		return 1;	/* no handler at this call's return */
	call->before = look_at(call->si, call->offset);
	call->entered = ktime_get_ns();
	call->seq_enter = atomic_inc_return(&sequence);
	return 0;
}

static int returned(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct probe *probe = container_of(get_kretprobe(instance), struct probe, kretprobe);
	struct call *call = (struct call *)instance->data;
	int i = on ? atomic_inc_return(&nr_rows) - 1 : MAX_ROWS;
	struct row *row = rows + i;

	if (i >= MAX_ROWS)
		return 0;
	if (call->entries && (int)regs->ax > 0)
		set_entry(call, call->entries[0]);
	*row = (struct row){
		.entered = call->entered, .left = ktime_get_ns(), .seq_enter = call->seq_enter,
		.seq_exit = atomic_inc_return(&sequence), .offset = call->offset, .n = call->n, .fn = probe->fn, .ret = regs->ax,
		.before = call->before, .after = look_at(call->si, call->offset), .pid = current->pid,
		.cpu = raw_smp_processor_id(), .type = call->type, .arg = call->arg,
	};
	memcpy(row->comm, current->comm, TASK_COMM_LEN);
	return 0;
}

#define PROBE(name, arguments) { \
	.fn = #name, .where = arguments, \
	.kretprobe = { .kp.symbol_name = #name, .handler = returned, .entry_handler = entered, \
		       .data_size = sizeof(struct call), .maxactive = 64 }, \
}

static struct probe probes[] = {
	PROBE(get_swap_pages, NEW_ENTRIES),
	PROBE(swap_duplicate, ENTRY),
	PROBE(__swap_duplicate, ENTRY_USAGE),
	PROBE(swapcache_prepare, ENTRY),
	PROBE(swap_shmem_alloc, ENTRY),
	PROBE(swap_free, ENTRY),
	PROBE(free_swap_and_cache, ENTRY),
	PROBE(put_swap_folio, FOLIO_ENTRY),
	PROBE(__swap_entry_free, SECOND_ENTRY),
	PROBE(__swap_entry_free_locked, SI_OFFSET_ARG),
	PROBE(swap_entry_free, SECOND_ENTRY),
	PROBE(swap_range_free, SI_OFFSET_N),
	PROBE(swap_range_alloc, SI_OFFSET_N),
	PROBE(swap_free_cluster, SI_CLUSTER),
	PROBE(swapcache_free_entries, OLD_ENTRIES),
	PROBE(add_swap_count_continuation, ENTRY),
	PROBE(split_swap_cluster, ENTRY),
	PROBE(folio_free_swap, FOLIO),
	PROBE(try_to_unuse, TYPE),
	PROBE(__try_to_reclaim_swap, SI_OFFSET_ARG),
	PROBE(swap_page_trans_huge_swapped, SECOND_ENTRY),
	PROBE(free_swap_slot, ENTRY),
	PROBE(swapcache_clear, SECOND_ENTRY),
};

static int show(struct seq_file *m, void *v)
{
	int i, n = min(atomic_read(&nr_rows), MAX_ROWS);

	seq_puts(m, "seq_enter,seq_exit,t_enter,t_exit,cpu,pid,comm,fn,type,offset,n,before,arg,after,ret,");
	seq_puts(m, "inuse_before,inuse_after,ccount_before,ccount_after,cflags_before,cflags_after\n");
	for (i = 0; i < n; i++) {
		struct row *row = rows + i;

		seq_printf(m, "%u,%u,%llu,%llu,%d,%d,%s,%s,%d,%u,%u,%d,%d,%d,%ld,%d,%d,%d,%d,%d,%d\n", row->seq_enter,
			   row->seq_exit, row->entered, row->left, row->cpu, row->pid, row->comm, row->fn, row->type,
			   row->offset, row->n, row->before.byte, row->arg, row->after.byte, row->ret, row->before.inuse,
			   row->after.inuse, row->before.count, row->after.count, row->before.flags, row->after.flags);
	}
	for (i = 0; i < ARRAY_SIZE(probes); i++)
		seq_printf(m, "# probe %s %s missed=%d\n", probes[i].fn, probes[i].placed ? "ok" : "absent(inlined)",
			   probes[i].kretprobe.nmissed);
	return 0;
}

/* swap_info is not exported: a kprobe tells where the kernel's own look-up is. */
static void *address_of(const char *symbol)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long (*look_up)(const char *name);

	if (register_kprobe(&probe))
		return NULL;
	look_up = (void *)probe.addr;
	unregister_kprobe(&probe);
	return (void *)look_up(symbol);
}

static int __init swapspy_init(void)
{
	int i;

	infos = address_of("swap_info");
	rows = vzalloc(array_size(sizeof(*rows), MAX_ROWS));
	if (!infos || !rows) {
		vfree(rows);
		return -ENOENT;
	}
	for (i = 0; i < ARRAY_SIZE(probes); i++)
		probes[i].placed = !register_kretprobe(&probes[i].kretprobe);
	proc_create_single("swapspy", 0444, NULL, show);
	return 0;	/* no exit: it stays until the machine is off */
}

module_init(swapspy_init);
MODULE_LICENSE("GPL");
