/* The measurements as Markdown tables, for the terminal and for README.md. */
#include <inttypes.h>
#include <stdio.h>

#include "bench/bench.h"

void report_head(void)
{
	puts("\n| measurement | value | target | |\n|---|---|---|---|");
}

void report_row(struct report *report, const char *what, double value, const char *unit,
                double limit)
{
	bool pass = limit <= 0 || value <= limit;

	if (limit > 0)
		printf("| %s | %.2f%s | at most %.4g%s | %s |\n", what, value, unit, limit, unit,
		       pass ? "PASS" : "FAIL");
	else
		printf("| %s | %.2f%s | | |\n", what, value, unit);
	if (!pass)
		report->failed++;
	fflush(stdout);
}

void report_none(struct report *report, const char *what, int64_t count)
{
	printf("| %s | %" PRId64 " | none | %s |\n", what, count, count == 0 ? "PASS" : "FAIL");
	if (count != 0)
		report->failed++;
	fflush(stdout);
}
