// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The race with no hook at all, only scheduling. The victim (CPU 0, normal) truncates a tmpfs file whose pages are in
 * the swap cache. The hog (CPU 0, SCHED_FIFO) wakes from a timer at a random moment and keeps the CPU. Meanwhile the
 * main task (CPU 1) calls swapoff(). Then the hog stops, and the victim goes on.
 */
#include "lab.h"
#include <time.h>

static struct shared {
	volatile int frozen, swapoff_done, victim_done, go;
	volatile double took;
} *shared;
static int to_hog[2], to_victim[2];
static int pages, anon;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void hog(void)
{
	struct sched_param fifo = { .sched_priority = 50 };
	double at, hold = number_argument("hold", 300) / 1e3;

	pin(0);
	name("hog");
	must(!sched_setscheduler(0, SCHED_FIFO, &fifo), "SCHED_FIFO");
	while (read(to_hog[0], &at, sizeof(at)) == sizeof(at)) {
		struct timespec wake = { (long)at, (long)((at - (long)at) * 1e9) };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, 0);
		shared->frozen = 1;
		for (double end = now() + hold; !shared->swapoff_done && now() < end;)
			;
	}
	_exit(0);
}

/* Pages that are in swap and in the swap cache. */
static char *prepare(int *fd)
{
	char *at = anon ? map_small(pages + 1) : map_file(fd, pages);

	memset(at, 1, pages * PAGE);
	for (int i = 0; i < 3; i++) {
		madvise(at, pages * PAGE, MADV_PAGEOUT);
		msleep(2);
	}
	madvise(at, pages * PAGE, MADV_WILLNEED);
	msleep(5);
	if (!anon)
		munmap(at, pages * PAGE);
	return at;
}

/* Each letter is a trial; 'm' only measures how long the call takes. */
static void victim(void)
{
	double usual = 0.002, start, hog_at;
	char trial, *at;
	int fd = -1;

	pin(0);
	name("victim");
	while (read(to_victim[0], &trial, 1) == 1) {
		at = prepare(&fd);
		shared->go = 1;
		while (shared->go != 2)
			msleep(1);
		hog_at = now() + 200e-6 + usual * (random_number() % 10000) / 10000.0 * 1.1;
		if (trial != 'm')
			write(to_hog[1], &hog_at, sizeof(hog_at));
		start = now();
		if (anon)
			munmap(at, pages * PAGE);
		else
			ftruncate(fd, 0);
		shared->took = now() - start;
		if (trial == 'm')
			usual = shared->took;
		if (anon)
			munmap(at, (pages + 1) * PAGE);
		else
			close(fd);
		shared->victim_done = 1;
	}
	_exit(0);
}

static void start_trial(char trial)
{
	shared->frozen = shared->swapoff_done = shared->victim_done = shared->go = 0;
	write(to_victim[1], &trial, 1);
	while (shared->go != 1)
		msleep(1);
	shared->go = 2;
}

static int victim_finished(void)
{
	for (double end = now() + 5; !shared->victim_done && now() < end;)
		msleep(1);
	return shared->victim_done;
}

int natural(const char *scenario)
{
	int trials = number_argument("trials", 300), hits = 0, errors = 0, frozen_inside, err;
	double start;

	if (strcmp(scenario, "N"))
		return 0;
	pages = number_argument("pages", 64);
	anon = number_argument("anon", 0);
	random_seed(number_argument("seed", 1) * 2654435761u);
	shared = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pipe(to_hog);
	pipe(to_victim);
	if (have_hooks())
		set_param("unfixed", number_argument("unfixed", 0));
	write_file("/proc/sys/kernel/printk", "4");	/* keep the console quiet */
	if (!fork())
		hog();
	if (!fork())
		victim();
	pin(1);
	for (int i = 0; i < 2; i++) {
		start_trial('m');
		victim_finished();
		say("N: the call takes %.0f us for %d pages", shared->took * 1e6, pages);
	}
	start = now();
	for (int i = 0; i < trials; i++) {
		start_trial('t');
		while (!shared->frozen)
			;
		frozen_inside = !shared->victim_done;
		err = swapoff(swap_device);
		shared->swapoff_done = 1;
		errors += !!err;
		hits += !err && frozen_inside;
		if (!victim_finished()) {
			say("N: the victim is stuck");
			break;
		}
		if (!err)
			must(!swapon(swap_device, 0), "swapon");
		if (i % 20 == 0)
			say("N: trial %d, swapoffs done while the victim was frozen inside its call: %d, swapoffs failed: %d", i, hits,
			    errors);
	}
	say("RESULT N: SURVIVED %d trials, %d swapoffs done while the victim was frozen inside its call, %.1f s", trials, hits,
	    now() - start);
	kill(-1, SIGKILL);
	return 1;
}
