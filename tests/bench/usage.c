/* What a process uses, as /proc says. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"

static void read_status(pid_t pid, struct usage *usage)
{
	auto_free char *path = xasprintf("/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	char line[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		sscanf(line, "VmRSS: %" SCNd64, &usage->rss_kb);  /* NOLINT(cert-err34-c) */
		sscanf(line, "voluntary_ctxt_switches: %" SCNd64, /* NOLINT(cert-err34-c) */
		       &usage->wakeups);
	}
	if (file != NULL)
		fclose(file);
}

/* proc(5): utime and stime are fields 14 and 15, the second one in brackets may hold anything. */
static void read_stat(pid_t pid, struct usage *usage)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	char line[1024];
	int64_t user = 0, system = 0;
	const char *rest;

	if (file != NULL && fgets(line, sizeof(line), file) != NULL &&
	    (rest = strrchr(line, ')')) != NULL)
		sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNd64 " %" SCNd64,
		       &user, &system); /* NOLINT(cert-err34-c) */
	if (file != NULL)
		fclose(file);
	usage->cpu_us = (user + system) * 1000000 / sysconf(_SC_CLK_TCK);
}

struct usage usage_of(pid_t pid)
{
	struct usage usage = {0};

	read_status(pid, &usage);
	read_stat(pid, &usage);
	return usage;
}
