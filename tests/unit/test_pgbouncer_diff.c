/* Desired databases against live ones. */
#include <criterion/criterion.h>
#include <string.h>

#include "pgbouncer/model/diff.h"
#include "pgbouncer_table.h"

static void diff(const char *entries, const char *rows, struct pgbouncer_ini *ini,
                 struct pgbouncer_diff *out)
{
	auto_free char *text = xasprintf("[databases]\n%s", entries);
	auto_free char *answer = xasprintf("name|host|port|database|paused|disabled\n%s", rows);
	struct pgbouncer_table table = table_of(answer);
	struct pgbouncer_live live;
	struct err err;

	cr_assert(pgbouncer_ini_parse(text, strlen(text), ini, &err), "%s", err.message);
	cr_assert(pgbouncer_live_parse(&table, &live, &err), "%s", err.message);
	pgbouncer_diff(ini, &live, out);
	pgbouncer_live_free(&live);
	pgbouncer_table_free(&table);
}

static void expect(const char *entries, const char *rows, size_t moved, bool missing,
                   const char *summary)
{
	struct pgbouncer_ini ini;
	struct pgbouncer_diff out;

	diff(entries, rows, &ini, &out);
	cr_expect_eq(out.moved_count, moved, "%s", summary);
	cr_expect_eq(out.missing, missing, "%s", summary);
	cr_expect_str_eq(out.summary.data, summary);
	strbuf_fini(&out.summary);
	pgbouncer_ini_free(&ini);
}

Test(pgbouncer_diff, the_same_is_no_difference)
{
	expect("a = host=10.0.0.1\n", "a|10.0.0.1|5432|a|0|0\n", 0, false, "");
	expect("a = host=10.0.0.1 dbname=x\n", "a|10.0.0.1|5432|x|1|1\n", 0, false, "");
	expect("a = host=::1\n", "a|0:0::1|5432|a|0|0\n", 0, false, "");
	expect("a = host=10.0.0.1,10.0.0.2\n", "a|10.0.0.1,10.0.0.2|5432|a|0|0\n", 0, false, "");
	expect("a =\n", "a|NULL|5432|a|0|0\n", 0, false, "");
}

Test(pgbouncer_diff, what_leads_elsewhere_moves)
{
	expect("a = host=10.0.0.2\n", "a|10.0.0.1|5432|a|0|0\n", 1, false,
	       "a 10.0.0.1:5432->10.0.0.2:5432");
	expect("a = host=10.0.0.1 port=5433\n", "a|10.0.0.1|5432|a|0|0\n", 1, false,
	       "a 10.0.0.1:5432->10.0.0.1:5433");
	expect("a = host=::2\n", "a|NULL|5432|a|0|0\n", 1, false, "a unix:5432->[::2]:5432");
	expect("a = host=1.1.1.1,2.2.2.2\n", "a|db1|5432|a|0|0\n", 1, false,
	       "a db1:5432->[1.1.1.1,2.2.2.2]:5432");
	expect("a = host=1.1.1.1 dbname=y\n", "a|1.1.1.1|5432|x|0|0\n", 1, false,
	       "a 1.1.1.1:5432->1.1.1.1:5432 dbname x->y");
	expect("a = host=1.1.1.1\n", "a|1.1.1.1|65536|a|0|0\n", 1, false,
	       "a 1.1.1.1:0->1.1.1.1:5432");
}

Test(pgbouncer_diff, moved_ones_are_those_of_the_file)
{
	struct pgbouncer_ini ini;
	struct pgbouncer_diff out;

	diff("a = host=10.0.0.2\nb = host=10.0.0.1\nc = host=10.0.0.3\nd = host=10.0.0.1\n",
	     "c|10.0.0.1|5432|c|0|0\nb|10.0.0.1|5432|b|0|0\na|10.0.0.1|5432|a|0|0\n"
	     "foreign|10.9.9.9|1|x|0|0\n",
	     &ini, &out);
	cr_assert_eq(out.moved_count, 2);
	cr_expect(out.missing);
	cr_expect_str_eq(out.summary.data, "a 10.0.0.1:5432->10.0.0.2:5432, "
	                                   "c 10.0.0.1:5432->10.0.0.3:5432, d missing");
	strbuf_fini(&out.summary);
	pgbouncer_ini_free(&ini);
}

Test(pgbouncer_diff, names_are_quoted_for_the_console)
{
	static const char longest[] =
	    "n123456789n123456789n123456789n123456789n123456789n123456789n";
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct err err;

	cr_assert(pgbouncer_quote_name("my-db", &out, &err));
	strbuf_append_char(&out, ' ');
	cr_assert(pgbouncer_quote_name("a\"b c;'", &out, &err));
	cr_expect_str_eq(out.data, "\"my-db\" \"a\"\"b c;'\"");
	cr_assert_eq(strlen(longest), PGBOUNCER_NAME_MAX);
	cr_expect(pgbouncer_quote_name(longest, &out, &err));
	strbuf_reset(&out);
	cr_expect_not(pgbouncer_quote_name("", &out, &err));
	cr_expect_not_null(strstr(err.message, "0 bytes: PgBouncer's console takes 1 to 61"));
	cr_expect_not(pgbouncer_quote_name("n123456789n123456789n123456789n123456789n123456789"
	                                   "n123456789n1",
	                                   &out, &err));
	cr_expect_not(pgbouncer_quote_name("a\nb", &out, &err));
	cr_expect_not_null(strstr(err.message, "\\x0a"));
	cr_expect_str_eq(out.data, "");
}
