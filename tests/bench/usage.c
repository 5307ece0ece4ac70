/* What a process uses, as /proc says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"

static int64_t value_of(const char *line, const char *key)
{
	size_t len = strlen(key);

	return strncmp(line, key, len) == 0 ? strtoll(line + len, NULL, 10) : -1;
}

static void read_status(pid_t pid, struct usage *usage)
{
	auto_free char *path = xasprintf("/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	char line[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		int64_t rss = value_of(line, "VmRSS:");
		int64_t wakeups = value_of(line, "voluntary_ctxt_switches:");

		usage->rss_kb = rss >= 0 ? rss : usage->rss_kb;
		usage->wakeups = wakeups >= 0 ? wakeups : usage->wakeups;
	}
	if (file != NULL)
		fclose(file);
}

/* proc(5): utime and stime are fields 14 and 15, in ticks; the second one, in brackets, may hold
 * anything, blanks too. */
static void read_stat(pid_t pid, struct usage *usage)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	char line[1024], *rest = NULL;
	int64_t ticks;

	if (file != NULL && fgets(line, sizeof(line), file) != NULL)
		rest = strrchr(line, ')');
	for (int field = 2; rest != NULL && field < 14; field++)
		rest = strchr(rest + 1, ' ');
	if (rest != NULL) {
		ticks = strtoll(rest, &rest, 10);
		ticks += strtoll(rest, NULL, 10);
		usage->cpu_us = ticks * 1000000 / sysconf(_SC_CLK_TCK);
	}
	if (file != NULL)
		fclose(file);
}

struct usage usage_of(pid_t pid)
{
	struct usage usage = {0};

	read_status(pid, &usage);
	read_stat(pid, &usage);
	return usage;
}
