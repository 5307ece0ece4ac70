/* Writes samples, labels and histograms as text. Numbers are formatted here, because printf() would
 * take most of the time of a long text. */
#include "report/metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

/* --- metrics of the process, read from Linux --- */

void metrics_gauge(struct strbuf *out, const char *name, const char *help, double value)
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

/* The second number of statm: all pages, resident pages, ... */
static double resident_bytes(void)
{
	auto_strbuf struct strbuf line = STRBUF_INIT;
	struct err ignored;
	char *resident;

	if (!file_read("/proc/self/statm", 128, &line, NULL, &ignored))
		return 0;
	strtoull(line.data, &resident, 10);
	return (double)strtoull(resident, NULL, 10) * (double)sysconf(_SC_PAGESIZE);
}

/* Without the descriptor that reads the folder. */
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

	metrics_gauge(out, "process_start_time_seconds", "When it started, in seconds since 1970.",
	              seconds_of(CLOCK_REALTIME) - (double)(clock_now_us() - started_us) / 1e6);
	metrics_family(out, "process_cpu_seconds_total", "counter", "CPU time, user and system.");
	metrics_sample(out, "process_cpu_seconds_total", NULL, 0,
	               seconds_of(CLOCK_PROCESS_CPUTIME_ID));
	metrics_gauge(out, "process_resident_memory_bytes", "Resident memory.", resident_bytes());
	metrics_gauge(out, "process_open_fds", "Open file descriptors.", open_descriptors());
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		metrics_gauge(out, "process_max_fds", "How many file descriptors may be open.",
		              (double)files.rlim_cur);
}

#define EXACT_MAX 9007199254740992.0 /* 2^53: up to this a double holds every integer */

void metrics_family(struct strbuf *out, const char *name, const char *type, const char *help)
{
	strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void append_integer(struct strbuf *out, int64_t value)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do
		digits[--at] = (char)('0' + rest % 10);
	while ((rest /= 10) != 0);
	if (value < 0)
		digits[--at] = '-';
	strbuf_append(out, digits + at, sizeof(digits) - at);
}

static void append_value(struct strbuf *out, double value)
{
	if (fabs(value) <= EXACT_MAX && value == (double)(int64_t)value)
		append_integer(out, (int64_t)value);
	else
		strbuf_printf(out, "%.12g", value);
}

static void append_escaped(struct strbuf *out, const char *value)
{
	while (*value != '\0') {
		size_t len = utf8_length(value);

		if (*value == '\n')
			strbuf_append_str(out, "\\n");
		else if (*value == '"' || *value == '\\')
			strbuf_append(out, (const char[]){'\\', *value}, 2);
		else if (len == 0)
			strbuf_append_char(out, '?');
		else
			strbuf_append(out, value, len);
		value += len > 0 ? len : 1;
	}
}

static void append_labels(struct strbuf *out, const struct metrics_label *labels, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		strbuf_append_char(out, i == 0 ? '{' : ',');
		strbuf_append_str(out, labels[i].name);
		strbuf_append_str(out, "=\"");
		append_escaped(out, labels[i].value);
		strbuf_append_char(out, '"');
	}
	if (count > 0)
		strbuf_append_char(out, '}');
}

void metrics_sample(struct strbuf *out, const char *name, const struct metrics_label *labels,
                    size_t label_count, double value)
{
	strbuf_append_str(out, name);
	append_labels(out, labels, label_count);
	strbuf_append_char(out, ' ');
	append_value(out, value);
	strbuf_append_char(out, '\n');
}

static void append_part(struct strbuf *out, const char *name, const char *suffix,
                        const struct metrics_label *labels, size_t label_count, double value)
{
	char full[96];

	snprintf(full, sizeof(full), "%s%s", name, suffix);
	metrics_sample(out, full, labels, label_count, value);
}

void metrics_histogram(struct strbuf *out, const char *name, const struct metrics_label *labels,
                       size_t label_count, const struct metrics_histogram *histogram)
{
	struct metrics_label all[METRICS_LABELS_MAX + 1];
	char bound[32];
	uint64_t sum = 0;

	for (size_t i = 0; i < label_count; i++)
		all[i] = labels[i];
	all[label_count] = (struct metrics_label){.name = "le", .value = bound};
	for (size_t i = 0; i <= histogram->bound_count; i++) {
		sum += histogram->counts[i];
		if (i < histogram->bound_count)
			snprintf(bound, sizeof(bound), "%g", (double)histogram->bounds_us[i] / 1e6);
		else
			snprintf(bound, sizeof(bound), "+Inf");
		append_part(out, name, "_bucket", all, label_count + 1, (double)sum);
	}
	append_part(out, name, "_sum", labels, label_count, (double)histogram->sum_us / 1e6);
	append_part(out, name, "_count", labels, label_count, (double)sum);
}
