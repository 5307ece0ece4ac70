/* memory_settle(): pages go back, and nothing is lost with them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/util.h"
#include "postgres/libpq.h"

static long resident_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char line[256], *second = NULL;

	cr_assert_not_null(file);
	cr_assert_not_null(fgets(line, sizeof(line), file));
	fclose(file);
	strtol(line, &second, 10); /* the size of all mappings comes first */
	return strtol(second, NULL, 10);
}

static void expect_parsed(const struct libpq *pq)
{
	PQconninfoOption *options = pq->conninfo_parse("host=db1", NULL);
	const char *host = NULL;

	cr_assert_not_null(options);
	for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
		if (strcmp(option->keyword, "host") == 0)
			host = option->val;
	cr_assert_str_eq(host, "db1");
	pq->conninfo_free(options);
}

Test(memory, settling_gives_pages_back_and_loses_nothing)
{
	static char written[8192] = "initialised";
	auto_free char *kept = xstrdup("on the heap");
	struct libpq pq;
	struct err err;
	long before;

	cr_assert(libpq_load(&pq, &err), "%s", err.message);
	expect_parsed(&pq);
	memset(written, 'x', sizeof(written));
	before = resident_pages();
	memory_settle();
	cr_assert_lt(resident_pages(), before - 100);
	cr_assert_eq(written[0], 'x');
	cr_assert_eq(written[sizeof(written) - 1], 'x');
	cr_assert_str_eq(kept, "on the heap");
	expect_parsed(&pq);
	memory_settle(); /* again: there is less to give */
	expect_parsed(&pq);
}
