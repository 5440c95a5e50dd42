// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The race with the window held open (kernel with the hook edit): a task named "victim" calls free_swap_and_cache(),
 * stays in the window, and swapoff() runs.
 */
#include "lab.h"

static int ready[2], go_victim[2], go_second[2];

static void be_ready_and_wait(int *go)
{
	char c;

	write(ready[1], "r", 1);
	read(go[0], &c, 1);
}

static void wait_ready(void)
{
	char c;

	read(ready[0], &c, 1);
}

/* One page of anonymous memory, swapped out, its folio in the swap cache. */
static char *anon_page(int mapped)
{
	char *at = map_small(mapped);

	name("prepare");
	at[0] = 1;
	page_out(at, PAGE);
	madvise(at, PAGE, MADV_WILLNEED);	/* the folio is back in the swap cache, the PTE still a swap entry */
	say("victim: pid=%d swapped=%d offset=%ld", getpid(), is_swapped(at), swap_offset(at));
	be_ready_and_wait(go_victim);
	name("victim");
	return at;
}

static void process_exit(void)
{
	anon_page(1);
	_exit(0);
}

static void dontneed(void)
{
	madvise(anon_page(1), PAGE, MADV_DONTNEED);
}

static void madv_free(void)
{
	madvise(anon_page(1), PAGE, MADV_FREE);
}

static void munmap_all(void)
{
	munmap(anon_page(1), PAGE);
}

/* Only a part of the mapping: the mmap_lock is downgraded. */
static void munmap_part(void)
{
	munmap(anon_page(3), PAGE);
}

/* One page of tmpfs, swapped out, its folio in the swap cache. */
static char *file_page(int *fd)
{
	char *at = map_file(fd, 1);

	name("prepare");
	at[0] = 1;
	msleep(30);
	madvise(at, PAGE, MADV_PAGEOUT);
	msleep(200);
	say_swaps();
	madvise(at, PAGE, MADV_WILLNEED);
	msleep(100);
	be_ready_and_wait(go_victim);
	name("victim");
	return at;
}

static void truncate_file(void)
{
	int fd;

	file_page(&fd);
	ftruncate(fd, 0);
}

static void punch_hole(void)
{
	int fd;

	file_page(&fd);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE);
}

static void last_close(void)
{
	int fd;

	munmap(file_page(&fd), PAGE);
	close(fd);
}

static const struct {
	const char *scenario;
	void (*victim)(void);
} victims[] = {
	{ "A", process_exit },	{ "B1", dontneed },	{ "B2", munmap_all },	{ "B3", madv_free },
	{ "B4", munmap_part },	{ "D1", truncate_file }, { "D2", punch_hole },	{ "D3", last_close },
};

/* The thread's scenario: a 2 MiB folio swapped out in one piece; P1 keeps its page 0, P2 its page 1. */
static void two_processes(const char *scenario, pid_t *pids)
{
	char *at = map_huge();
	pid_t pid;

	name("prepare");
	memset(at, 5, HUGE);
	page_out(at, HUGE);
	say("C: swapped=%d/512 first offset=%ld last=%ld", nr_swapped(at, 512), swap_offset(at), swap_offset(at + 511 * PAGE));
	pid = fork();
	if (!pid) {
		madvise(at + PAGE, HUGE - PAGE, MADV_DONTNEED);
		be_ready_and_wait(go_victim);
		name("victim");
		if (scenario[1] == '1')
			madvise(at, PAGE, MADV_DONTNEED);
		if (scenario[1] == '2')
			munmap(at, PAGE);
		if (scenario[1])
			name("after");
		_exit(0);
	}
	pids[0] = pid;
	pid = fork();
	if (!pid) {
		madvise(at, PAGE, MADV_DONTNEED);
		madvise(at + 2 * PAGE, HUGE - 2 * PAGE, MADV_DONTNEED);
		be_ready_and_wait(go_second);
		name("second");
		_exit(0);
	}
	pids[1] = pid;
	_exit(0);
}

static void start_two(const char *scenario, pid_t *pids)
{
	pid_t *shared = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), parent = fork();
	int status;

	if (!parent)
		two_processes(scenario, shared);
	waitpid(parent, &status, 0);
	wait_ready();
	wait_ready();
	memcpy(pids, shared, 2 * sizeof(*pids));
}

static void start_one(void (*victim)(void), pid_t *pids)
{
	pids[0] = fork();
	if (!pids[0]) {
		victim();
		name("after");
		_exit(0);
	}
	wait_ready();
}

static pid_t start_swapoff(void)
{
	pid_t pid = fork();
	double start = now();
	int err;

	if (pid)
		return pid;
	name("swapoff");
	err = swapoff(swap_device);
	say("swapoff returned %d (%s) after %.3f s", err, err ? strerror(errno) : "ok", now() - start);
	_exit(!!err);
}

static void say_stack(pid_t pid, const char *whose)
{
	char path[64], text[4096] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	fd = open(path, O_RDONLY);
	say("STACK of %s, stage=%d:", whose, read_number(PARAM "stage"));
	write(1, text, read(fd, text, sizeof(text)));
	close(fd);
}

static void hold_the_window(pid_t *pids)
{
	int ms = number_argument("ms", 6000), status = -1;
	pid_t off;

	write(go_victim[1], "g", 1);
	for (double end = now() + 3; now() < end && read_number(PARAM "in_window") != 1;)
		msleep(5);
	say("victim in window: %d", read_number(PARAM "in_window"));
	if (pids[1]) {
		write(go_second[1], "g", 1);
		say("C: P2 exited: %d", wait_ms(pids[1], 3000, &status));
		msleep(50);
		say_swaps();
	}
	off = start_swapoff();
	if (number_argument("stacks", 0)) {
		msleep(1000);
		say_stack(off, "swapoff");
	}
	if (!wait_ms(off, ms + 15000, &status))
		say("swapoff has not finished");
	if (!wait_ms(pids[0], ms + 15000, &status))
		say("the victim has not finished");
	msleep(300);
}

int race(const char *scenario)
{
	static const char *const params[] = { "delay_pos", "delay_ms", "unfixed", "skip_rcu", "delay" };
	static const char *const keys[] = { "pos", "ms", "unfixed", "skip", "delay" };
	static const int otherwise[] = { 1, 6000, 0, 0, 0 };
	void (*victim)(void) = NULL;
	pid_t pids[2] = { 0, 0 };

	for (size_t i = 0; i < sizeof(victims) / sizeof(victims[0]); i++)
		if (!strcmp(scenario, victims[i].scenario))
			victim = victims[i].victim;
	if (!victim && strcmp(scenario, "C") && strcmp(scenario, "C1") && strcmp(scenario, "C2"))
		return 0;
	pipe(ready);
	pipe(go_victim);
	pipe(go_second);
	if (victim)
		start_one(victim, pids);
	else
		start_two(scenario, pids);
	say_swaps();
	set_param("trace", 1);
	for (int i = 0; i < 5; i++)
		set_param(params[i], number_argument(keys[i], otherwise[i]));
	say("SCENARIO %s: go", scenario);
	hold_the_window(pids);
	say("RESULT %s unfixed=%d: SURVIVED, in_window=%d stage=%d", scenario, number_argument("unfixed", 0),
	    read_number(PARAM "in_window"), read_number(PARAM "stage"));
	if (number_argument("dump", 0))
		dump_trace();
	return 1;
}
