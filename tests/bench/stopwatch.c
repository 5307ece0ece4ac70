/* Where the time goes inside segue: the stopwatch of its `moved` lines, as a table. */
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"

static const char *const steps[] = {"read_ms", "rendered_ms", "pushed_ms", "confirmed_ms",
                                    "persisted_ms"};

static void take_line(const char *line, struct samples *samples)
{
	if (strstr(line, "event=moved ") == NULL)
		return;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		double ms = lab_log_number(line, steps[i]);

		if (ms >= 0)
			samples_add(&samples[i], (int64_t)(ms * 1000));
	}
}

void stopwatch_print(struct lab *lab, struct lab_segue *segue)
{
	const char *log = lab_read_file(lab, lab_process_log(lab_segue_process(segue)));
	struct samples samples[ARRAY_LEN(steps)] = {{0}};

	for (const char *end; (end = strchr(log, '\n')) != NULL; log = end + 1) {
		auto_free char *line = xstrndup(log, (size_t)(end - log));

		take_line(line, samples);
	}
	puts("\n| segue's own stopwatch, since the notification | moves | p50 ms | p99 ms |");
	puts("|---|---|---|---|");
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		printf("| %s | %zu | %.2f | %.2f |\n", steps[i], samples[i].count,
		       (double)samples_at(&samples[i], 50) / 1000,
		       (double)samples_at(&samples[i], 99) / 1000);
		samples_free(&samples[i]);
	}
}
