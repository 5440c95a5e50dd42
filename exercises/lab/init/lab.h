/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lab's PID 1: what its parts share. */
#ifndef LAB_H
#define LAB_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define PARAM "/sys/module/swapfile/parameters/"	/* of the kernel with the hook edit */

extern char swap_device[];

/* helpers.c */
double now(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void must(int ok, const char *what);
void msleep(int ms);
void name(const char *name);
int have_hooks(void);
int write_file(const char *path, const char *text);
int read_number(const char *path);
void set_param(const char *param, int value);
const char *argument(const char *key, const char *otherwise);
int number_argument(const char *key, int otherwise);
void make_swap(const char *device);
void say_swaps(void);
uint64_t pagemap(void *at);
int is_swapped(void *at);
long swap_offset(void *at);
int nr_swapped(char *at, int pages);
void page_out(char *at, size_t length);
void page_out_shared(char *at, size_t length);
char *map_small(size_t pages);
char *map_huge(void);
char *map_file(int *fd, size_t pages);
unsigned random_number(void);
void random_seed(unsigned seed);
int wait_ms(pid_t pid, int ms, int *status);
void dump_trace(void);

/* what a boot can do; each returns 0 if it has no scenario of that name */
int race(const char *scenario);
int natural(const char *scenario);
int workload(const char *scenario);

#endif
