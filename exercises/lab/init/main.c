// SPDX-License-Identifier: GPL-2.0-or-later
/* PID 1: prepares one swap device, runs the scenario that the command line names (scen=...), and reboots. */
#include "lab.h"
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>

char swap_device[] = "/dev/vda";

static void mount_all(void)
{
	static const char *const types[] = { "proc", "sysfs", "devtmpfs", "tmpfs" };
	static const char *const places[] = { "/proc", "/sys", "/dev", "/tmp" };
	int fd;

	for (int i = 0; i < 4; i++) {
		mkdir(places[i], 0755);
		mount(types[i], places[i], types[i], 0, 0);
	}
	fd = open("/dev/console", O_RDWR);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
}

/* Debian's own kernel has its drivers, and the spy, as modules. */
static void load_modules(void)
{
	FILE *list = fopen("/modules.list", "r");
	char path[256];
	int fd;

	if (!list)
		return;
	while (fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = 0;
		fd = open(path, O_RDONLY);
		must(!syscall(SYS_finit_module, fd, "", 0), path);
		close(fd);
	}
	fclose(list);
	for (int i = 0; i < 200 && access(swap_device, F_OK); i++)
		msleep(20);
}

int main(void)
{
	char version[128] = "";
	const char *scenario;
	int fd;

	mount_all();
	load_modules();
	fd = open("/proc/version", O_RDONLY);
	read(fd, version, sizeof(version) - 1);
	close(fd);
	say("%s", version);
	write_file("/sys/block/vda/queue/rotational", "0");	/* so that the device has clusters */
	write_file("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	write_file("/sys/kernel/mm/transparent_hugepage/defrag", "madvise");
	write_file("/proc/sys/vm/page-cluster", "3");
	make_swap(swap_device);
	must(!swapon(swap_device, 0), "swapon");
	scenario = argument("scen", "none");
	if (!race(scenario) && !natural(scenario) && !workload(scenario))
		say("no scenario %s", scenario);
	say("DONE");
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
