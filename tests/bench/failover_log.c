/* Moments of segue's log: the wall clock that a line begins with, on the clock of the bench. */
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

static int64_t time_of(const char *line)
{
	struct tm tm = {0};
	const char *fraction = strptime(line, "%Y-%m-%dT%H:%M:%S.", &tm);
	int64_t wall_us;

	if (fraction == NULL)
		lab_fail("a line of segue's log without a time: %s", line);
	wall_us = (int64_t)timegm(&tm) * 1000000 + strtoll(fraction, NULL, 10);
	return wall_us - pool_wall_us() + clock_now_us();
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

void failover_print_log(const struct stage *stage, int64_t from_us, int64_t to_us)
{
	const char *log = lab_process_log(lab_segue_process(stage->segue));

	for (const char *line = lab_read_file(stage->lab, log); *line != '\0';) {
		size_t len = strcspn(line, "\n");
		int64_t at_us = time_of(line);

		if (at_us >= from_us && at_us < to_us)
			printf("  %8.1f ms  %.*s\n", (double)(at_us - from_us) / 1000,
			       (int)(len > PRINTED_MAX ? PRINTED_MAX : len), line);
		line += len + (line[len] == '\n');
	}
}
