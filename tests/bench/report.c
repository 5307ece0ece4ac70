/* The measurements as Markdown tables, for the terminal and for README.md. */
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
