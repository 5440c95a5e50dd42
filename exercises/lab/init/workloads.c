// SPDX-License-Identifier: GPL-2.0-or-later
/* The workloads that traces are recorded of. */
#include "lab.h"

static volatile char sink;

static void touch(char *at, int first, int end, int step)
{
	for (int i = first; i < end; i += step)
		sink = at[i * PAGE];
}

static void dirty(char *at, int first, int end, int step)
{
	for (int i = first; i < end; i += step)
		at[i * PAGE] = i;
}

static char *paged_out(int pages)
{
	char *at = map_small(pages);

	memset(at, 1, pages * PAGE);
	page_out(at, pages * PAGE);
	return at;
}

static void order0(void)
{
	char *at = paged_out(64);

	say("swapped %d", nr_swapped(at, 64));
	touch(at, 0, 32, 1);
	dirty(at, 32, 48, 1);
	madvise(at + 48 * PAGE, 8 * PAGE, MADV_DONTNEED);
	page_out(at, 64 * PAGE);
	dirty(at, 0, 64, 3);
	munmap(at, 64 * PAGE);
}

static void forks(void)
{
	char *at = paged_out(32);
	pid_t child[3];

	for (int k = 0; k < 3; k++) {
		child[k] = fork();
		if (child[k])
			continue;
		if (k & 1)
			dirty(at, k, 32, 4);
		else
			touch(at, k, 32, 4);
		if (k == 2)
			madvise(at + 8 * PAGE, 8 * PAGE, MADV_DONTNEED);
		msleep(100 * k);
		_exit(0);
	}
	touch(at, 0, 32, 5);
	for (int k = 0; k < 3; k++)
		waitpid(child[k], 0, 0);
	page_out(at, 32 * PAGE);
	munmap(at, 32 * PAGE);
}

/* More sharers than a byte of swap_map can count. */
static void continued(void)
{
	int wanted = number_argument("sharers", 200), hold[2], n;
	char *at = paged_out(4), c;

	pipe(hold);
	for (n = 0; n < wanted; n++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (!pid) {
			close(hold[1]);
			read(hold[0], &c, 1);
			_exit(0);
		}
	}
	say("forked %d", n);
	for (int i = 0; i < n / 2; i++)
		write(hold[1], "x", 1);
	msleep(500);
	sink = at[0];
	at[PAGE] = 1;
	close(hold[1]);
	while (wait(0) > 0)
		;
	munmap(at, 4 * PAGE);
}

static void advices(void)
{
	char *at = paged_out(48), *moved;

	madvise(at, 8 * PAGE, MADV_FREE);
	madvise(at + 8 * PAGE, 8 * PAGE, MADV_DONTNEED);
	madvise(at + 16 * PAGE, 8 * PAGE, MADV_WILLNEED);
	madvise(at + 16 * PAGE, 4 * PAGE, MADV_DONTNEED);
	moved = mmap(0, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	moved = mremap(at + 24 * PAGE, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved);
	touch(moved, 0, 8, 1);
	touch(at, 32, 40, 1);
	madvise(at + 32 * PAGE, 8 * PAGE, MADV_FREE);
	madvise(at + 32 * PAGE, 8 * PAGE, MADV_PAGEOUT);
	dirty(at, 40, 44, 1);
	munmap(at, 24 * PAGE);
}

static void huge(void)
{
	char *first = map_huge(), *second;
	pid_t child;

	memset(first, 5, HUGE);
	page_out(first, HUGE);
	say("2 MiB: swapped %d of 512, first offset %ld", nr_swapped(first, 512), swap_offset(first));
	child = fork();
	if (!child) {
		madvise(first + PAGE, HUGE - PAGE, MADV_DONTNEED);
		msleep(200);
		sink = first[0];
		_exit(0);
	}
	msleep(50);
	touch(first, 3, 4, 1);
	dirty(first, 4, 5, 1);
	madvise(first + 64 * PAGE, 64 * PAGE, MADV_DONTNEED);
	waitpid(child, 0, 0);
	second = map_huge();
	memset(second, 6, HUGE);
	page_out(second, HUGE);
	dirty(second, 0, 512, 64);
	page_out(second, HUGE);
	munmap(second, HUGE);
	munmap(first, HUGE);
}

static void shmem(void)
{
	int fd;
	char *at = map_file(&fd, 64);

	memset(at, 1, 64 * PAGE);
	page_out_shared(at, 64 * PAGE);
	touch(at, 0, 16, 1);
	dirty(at, 16, 24, 1);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 24 * PAGE, 8 * PAGE);
	page_out_shared(at, 64 * PAGE);
	ftruncate(fd, 48 * PAGE);
	munmap(at, 64 * PAGE);
	close(fd);
}

static void random_step(char *at, int pages)
{
	unsigned what = random_number();
	int first = random_number() % pages, n = 1 + random_number() % 8;
	pid_t pid;

	if (first + n > pages)
		n = pages - first;
	switch (what % 9) {
	case 0:
	case 1:
		madvise(at + first * PAGE, n * PAGE, MADV_PAGEOUT);
		break;
	case 2:
		touch(at, first, first + n, 1);
		break;
	case 3:
		dirty(at, first, first + n, 1);
		break;
	case 4:
		madvise(at + first * PAGE, n * PAGE, MADV_DONTNEED);
		break;
	case 5:
		madvise(at + first * PAGE, n * PAGE, MADV_FREE);
		break;
	case 6:
		madvise(at + first * PAGE, n * PAGE, MADV_WILLNEED);
		break;
	case 7:
		pid = fork();
		if (!pid) {
			for (int i = 0; i < pages; i += 1 + random_number() % 7) {
				if (random_number() & 1)
					sink = at[i * PAGE];
				else
					at[i * PAGE] = 9;
			}
			madvise(at + first * PAGE, n * PAGE, MADV_PAGEOUT);
			_exit(0);
		}
		if (random_number() & 1)
			waitpid(pid, 0, 0);
		break;
	case 8:
		while (waitpid(-1, 0, WNOHANG) > 0)
			;
		break;
	}
}

static void at_random(void)
{
	int processes = number_argument("processes", 3), steps = number_argument("steps", 400), pages = 48;

	for (int p = 0; p < processes; p++) {
		char called[16], *at;

		if (fork())
			continue;
		random_seed(number_argument("seed", 777) + p * 31337);
		snprintf(called, sizeof(called), "rnd%d", p);
		name(called);
		at = map_small(pages);
		memset(at, p + 1, pages * PAGE);
		for (int i = 0; i < steps; i++)
			random_step(at, pages);
		while (wait(0) > 0)
			;
		_exit(0);
	}
	while (wait(0) > 0)
		;
}

static void swapoffs(void)
{
	pid_t small, large;
	char *at;
	int fd;

	small = fork();
	if (!small) {
		at = paged_out(32);
		if (!fork()) {
			touch(at, 0, 1, 1);
			dirty(at, 1, 2, 1);
			pause();
		}
		madvise(at + 16 * PAGE, 8 * PAGE, MADV_WILLNEED);
		pause();
	}
	large = fork();
	if (!large) {
		at = map_huge();
		memset(at, 6, HUGE);
		page_out(at, HUGE);
		pause();
	}
	at = map_file(&fd, 16);
	memset(at, 1, 16 * PAGE);
	page_out_shared(at, 16 * PAGE);
	msleep(500);
	say_swaps();
	must(!swapoff(swap_device), "swapoff");
	must(!swapon(swap_device, 0), "swapon");
	page_out_shared(at, 16 * PAGE);
	kill(small, SIGKILL);
	kill(large, SIGKILL);
	say_swaps();
}

static const struct {
	const char *name;
	void (*run)(void);
} workloads[] = {
	{ "order0", order0 }, { "fork", forks },   { "cont", continued },   { "madv", advices },
	{ "thp", huge },      { "shmem", shmem }, { "random", at_random }, { "swapoff", swapoffs },
};

int workload(const char *scenario)
{
	double start = now();

	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		if (strcmp(scenario, workloads[i].name))
			continue;
		if (have_hooks())
			set_param("trace", 1);
		workloads[i].run();
		msleep(200);
		say_swaps();
		must(!swapoff(swap_device), "the last swapoff");
		say("RESULT workload %s took %.2f s", scenario, now() - start);
		dump_trace();
		return 1;
	}
	return 0;
}
