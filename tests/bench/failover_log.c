/* Moments of the logs: the wall clock that a line begins with, on the clock of the bench. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "bench/failover.h"
#include "bench/pool.h"

#define WORDS_MAX   4
#define PRINTED_MAX 200 /* bytes of a line */

static int64_t from_wall(int64_t seconds, int64_t us)
{
	return seconds * 1000000 + us - pool_wall_us() + clock_now_us();
}

static int64_t time_of(const char *line)
{
	struct tm tm = {0};
	const char *fraction = strptime(line, "%Y-%m-%dT%H:%M:%S.", &tm);

	if (fraction == NULL)
		lab_fail("a line of segue's log without a time: %s", line);
	return from_wall(timegm(&tm), strtoll(fraction, NULL, 10));
}

/* PgBouncer's: local time, milliseconds. 0: the line goes on from the one before. */
static int64_t bouncers_time_of(const char *line)
{
	struct tm tm = {.tm_isdst = -1};
	const char *fraction = strptime(line, "%Y-%m-%d %H:%M:%S.", &tm);

	return fraction != NULL ? from_wall(mktime(&tm), strtoll(fraction, NULL, 10) * 1000) : 0;
}

int64_t failover_logged_us(struct stage *stage, int64_t timeout_ms, ...)
{
	const char *words[WORDS_MAX] = {NULL}, *word, *line;
	size_t count = 0;
	va_list args;

	va_start(args, timeout_ms);
	while ((word = va_arg(args, const char *)) != NULL && count < WORDS_MAX)
		words[count++] = word;
	va_end(args);
	line = lab_segue_wait_log(stage->segue, timeout_ms, words[0], words[1], words[2], words[3],
	                          NULL);
	return line != NULL ? time_of(line) : 0;
}

static void print_log(struct lab *lab, struct lab_process *process,
                      int64_t (*time_of_line)(const char *line), int64_t from_us, int64_t to_us)
{
	for (const char *line = lab_read_file(lab, lab_process_log(process)); *line != '\0';) {
		size_t len = strcspn(line, "\n");
		int64_t at_us = time_of_line(line);

		if (at_us >= from_us && at_us < to_us)
			printf("  %8.1f ms  %.*s\n", (double)(at_us - from_us) / 1000,
			       (int)(len > PRINTED_MAX ? PRINTED_MAX : len), line);
		line += len + (line[len] == '\n');
	}
}

void failover_print_segue(const struct stage *stage, int64_t from_us, int64_t to_us)
{
	print_log(stage->lab, lab_segue_process(stage->segue), time_of, from_us, to_us);
}

void failover_print_bouncer(const struct stage *stage, enum way way, int64_t from_us, int64_t to_us)
{
	print_log(stage->lab, lab_pgbouncer_process(stage->bouncers[way]), bouncers_time_of,
	          from_us, to_us);
}
