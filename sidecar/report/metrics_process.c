/* The process_ metrics: what Linux says of this process. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "report/metrics.h"

static void gauge(struct strbuf *out, const char *name, const char *help, double value)
{
	metrics_family(out, name, "gauge", help);
	metrics_sample(out, name, NULL, 0, value);
}

static double seconds_of(clockid_t clock)
{
	struct timespec now = {0};

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char line[128] = ""; /* all pages, resident pages, ... */
	char *resident;

	if (file == NULL)
		return 0;
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	fclose(file);
	strtoull(line, &resident, 10);
	return (double)strtoull(resident, NULL, 10) * (double)sysconf(_SC_PAGESIZE);
}

/* Without the one that looks. */
static double open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned count = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count - 1;
}

void metrics_process(struct strbuf *out, int64_t started_us)
{
	struct rlimit files = {0};

	gauge(out, "process_start_time_seconds", "When it started, in seconds since 1970.",
	      seconds_of(CLOCK_REALTIME) - (double)(clock_now_us() - started_us) / 1e6);
	metrics_family(out, "process_cpu_seconds_total", "counter", "CPU time, user and system.");
	metrics_sample(out, "process_cpu_seconds_total", NULL, 0,
	               seconds_of(CLOCK_PROCESS_CPUTIME_ID));
	gauge(out, "process_resident_memory_bytes", "Resident memory.", resident_bytes());
	gauge(out, "process_open_fds", "Open file descriptors.", open_descriptors());
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		gauge(out, "process_max_fds", "How many file descriptors may be open.",
		      (double)files.rlim_cur);
}
