/* Databases that a text loses: who uses them, in words. */
#include <criterion/criterion.h>
#include <string.h>

#include "pgbouncer/lost_databases.h"
#include "pgbouncer/model/show.h"
#include "pgbouncer_table.h"

#define POOLS "database|cl_active|cl_waiting|sv_active|sv_idle|sv_used|sv_tested|sv_login\n"

static const struct string_list names = {(char *[]){(char[]){"app"}, (char[]){"app_ro"}}, 2};

static void expect(const char *rows, bool used, const char *words)
{
	struct pgbouncer_table pools = table_of(rows);
	auto_strbuf struct strbuf out = STRBUF_INIT;

	cr_expect_eq(lost_databases_judge(&names, &pools, NULL, &out), used, "%s", out.data);
	cr_expect_not_null(strstr(out.data, words), "no \"%s\" in %s", words, out.data);
	pgbouncer_table_free(&pools);
}

Test(lost_databases, clients_of_all_users_count)
{
	expect(POOLS "app|2|1|0|0|0|0|0\napp|1|0|0|0|0|0|0\nelse|9|0|0|0|0|0|0\n", true,
	       "app (clients: 4), app_ro go away: ");
	expect(POOLS "app|2|0|0|0|0|0|0\n", true, "run DISABLE and KILL with its name");
	expect(POOLS "app|0|0|0|3|0|0|0\nelse|9|0|0|0|0|0|0\n", false, ": none is connected now");
}

Test(lost_databases, an_answer_that_cannot_be_read_is_not_nobody)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct err err;

	expect("name\nx\n", false,
	       "whether clients are connected is not known: SHOW POOLS: the answer has no");
	err_set(&err, "no such socket");
	cr_expect_not(
	    lost_databases_judge(&(struct string_list){names.items, 1}, NULL, &err, &out));
	cr_expect_not_null(strstr(out.data, "app goes away: "), "%s", out.data);
	cr_expect_not_null(strstr(out.data, "is not known: no such socket"), "%s", out.data);
}
