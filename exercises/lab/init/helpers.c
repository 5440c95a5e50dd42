// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab.h"
#include <stdarg.h>
#include <sys/prctl.h>
#include <time.h>

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* One write per line: lines of different processes don't mix. */
void say(const char *format, ...)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "[%8.3f] init: ", now());
	va_list arguments;

	va_start(arguments, format);
	n += vsnprintf(line + n, sizeof(line) - n, format, arguments);
	va_end(arguments);
	if (n > (int)sizeof(line) - 1)
		n = sizeof(line) - 1;
	line[n++] = '\n';
	write(1, line, n);
}

void must(int ok, const char *what)
{
	if (!ok)
		say("FAILED %s: %s", what, strerror(errno));
}

void msleep(int ms)
{
	usleep(ms * 1000);
}

void name(const char *name)
{
	prctl(PR_SET_NAME, name, 0, 0, 0);
}

int have_hooks(void)
{
	return !access(PARAM "unfixed", F_OK);
}

int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int read_number(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY), n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n < 0 ? -1 : atoi(text);
}

void set_param(const char *param, int value)
{
	char path[128], text[16];
	int err;

	snprintf(path, sizeof(path), PARAM "%s", param);
	snprintf(text, sizeof(text), "%d", value);
	err = write_file(path, text);
	if (err)
		say("write %s: %d", path, err);
}

/* The kernel's command line carries our arguments: key=value. */
const char *argument(const char *key, const char *otherwise)
{
	static char line[4096], values[8][64];
	static int next;
	char pattern[64], *at, *value;
	int fd, n = 0;

	if (!line[0]) {
		line[0] = ' ';
		fd = open("/proc/cmdline", O_RDONLY);
		read(fd, line + 1, sizeof(line) - 2);
		close(fd);
	}
	snprintf(pattern, sizeof(pattern), " %s=", key);
	at = strstr(line, pattern);
	if (!at)
		return otherwise;
	value = values[next++ % 8];
	for (at += strlen(pattern); *at && *at != ' ' && *at != '\n' && n < 63; at++)
		value[n++] = *at;
	value[n] = 0;
	return value;
}

int number_argument(const char *key, int otherwise)
{
	const char *value = argument(key, NULL);

	return value ? atoi(value) : otherwise;
}

/* What mkswap(8) does: the header of version 1, and nothing else in the first page. */
void make_swap(const char *device)
{
	static unsigned char header[PAGE];
	int fd = open(device, O_RDWR);
	off_t size;

	must(fd >= 0, device);
	size = lseek(fd, 0, SEEK_END);
	*(uint32_t *)(header + 1024) = 1;
	*(uint32_t *)(header + 1028) = size / PAGE - 1;
	memcpy(header + PAGE - 10, "SWAPSPACE2", 10);
	pwrite(fd, header, PAGE, 0);
	fsync(fd);
	close(fd);
}

void say_swaps(void)
{
	char text[1024], *line;
	int fd = open("/proc/swaps", O_RDONLY), n;

	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return;
	text[n - 1] = 0;
	line = strchr(text, '\n');
	say("/proc/swaps: %s", line ? line + 1 : "(none)");
}

uint64_t pagemap(void *at)
{
	uint64_t value = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	pread(fd, &value, sizeof(value), (uintptr_t)at / PAGE * sizeof(value));
	close(fd);
	return value;
}

int is_swapped(void *at)
{
	return !!(pagemap(at) & (1ULL << 62));
}

long swap_offset(void *at)
{
	return (pagemap(at) >> 5) & ((1UL << 50) - 1);
}

int nr_swapped(char *at, int pages)
{
	int n = 0;

	for (int i = 0; i < pages; i++)
		n += is_swapped(at + i * PAGE);
	return n;
}

void page_out(char *at, size_t length)
{
	for (int i = 0; i < 20; i++) {
		madvise(at, length, MADV_PAGEOUT);
		if (nr_swapped(at, length / PAGE) == (int)(length / PAGE))
			break;
		msleep(20);
	}
}

/* pagemap doesn't tell it of a shared page: try often enough. */
void page_out_shared(char *at, size_t length)
{
	for (int i = 0; i < 10; i++) {
		madvise(at, length, MADV_PAGEOUT);
		msleep(20);
	}
}

char *map_small(size_t pages)
{
	char *at = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(at, pages * PAGE, MADV_NOHUGEPAGE);
	return at;
}

char *map_huge(void)
{
	uintptr_t at = (uintptr_t)mmap(0, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	at = (at + HUGE - 1) & ~(HUGE - 1);
	madvise((void *)at, HUGE, MADV_HUGEPAGE);
	return (char *)at;
}

char *map_file(int *fd, size_t pages)
{
	*fd = memfd_create("lab", 0);
	ftruncate(*fd, pages * PAGE);
	return mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
}

static unsigned random_state = 12345;

void random_seed(unsigned seed)
{
	random_state = seed;
}

unsigned random_number(void)
{
	random_state = random_state * 1103515245u + 12345u;
	return random_state >> 8;
}

int wait_ms(pid_t pid, int ms, int *status)
{
	for (double end = now() + ms / 1e3; now() < end; msleep(5))
		if (waitpid(pid, status, WNOHANG) == pid)
			return 1;
	return 0;
}

/* The recorded rows go to the second disk; the host reads them there. */
void dump_trace(void)
{
	static char buffer[65536] __attribute__((aligned(4096)));
	int from = open(have_hooks() ? "/proc/swaptrace" : "/proc/swapspy", O_RDONLY), to = open("/dev/vdb", O_RDWR);
	long total = 0;
	int n;

	if (from < 0 || to < 0) {
		say("no trace: %d %d", from, to);
		return;
	}
	if (have_hooks())
		set_param("trace", 0);
	else
		write_file("/sys/module/swapspy/parameters/on", "0");
	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		write(to, buffer, n);
		total += n;
	}
	fsync(to);
	close(to);
	close(from);
	say("trace bytes %ld", total);
}
