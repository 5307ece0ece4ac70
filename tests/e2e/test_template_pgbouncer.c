/* The templates for PgBouncer and the parser of the databases file, with the real PgBouncer as the
 * judge: what it shows after a RELOAD is what segue takes the file for. */
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/rendered_template.h"
#include "lab/lab.h"
#include "pgbouncer/model/diff.h"

#define TEMPLATE "templates/pgbouncer.ini.mustache"

struct judge {
	struct lab *lab;
	struct lab_pgbouncer *bouncer;
	PGconn *console;
};

static void judge_init(struct judge *judge)
{
	judge->lab = lab_create("template");
	judge->bouncer = lab_pgbouncer_create(judge->lab, NULL);
	lab_pgbouncer_start(judge->bouncer);
	judge->console = PQconnectdb(lab_pgbouncer_console(judge->bouncer));
	cr_assert_eq(PQstatus(judge->console), CONNECTION_OK);
}

static void judge_fini(struct judge *judge)
{
	PQfinish(judge->console);
	lab_destroy(judge->lab);
}

static void show_databases(const struct judge *judge, struct pgbouncer_table *table)
{
	PGresult *result = PQexec(judge->console, "SHOW DATABASES");
	size_t cells;

	cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK);
	table->column_count = (size_t)PQnfields(result);
	table->row_count = (size_t)PQntuples(result);
	cells = table->column_count * table->row_count;
	table->columns = xcalloc(table->column_count, sizeof(char *));
	table->cells = xcalloc(cells, sizeof(char *));
	for (size_t i = 0; i < table->column_count; i++)
		table->columns[i] = xstrdup(PQfname(result, (int)i));
	for (size_t i = 0; i < cells; i++) {
		int row = (int)(i / table->column_count), column = (int)(i % table->column_count);

		if (!PQgetisnull(result, row, column))
			table->cells[i] = xstrdup(PQgetvalue(result, row, column));
	}
	PQclear(result);
}

static void load(const struct judge *judge, const char *text)
{
	lab_write_file(lab_pgbouncer_databases_file(judge->bouncer), text);
	PQclear(PQexec(judge->console, "RELOAD"));
}

/* PgBouncer has what the file says, as segue reads it, and no more. */
static void expect_agreement(const struct judge *judge, const char *what, const char *text)
{
	struct pgbouncer_table table;
	struct pgbouncer_live live;
	struct pgbouncer_ini ini;
	struct pgbouncer_diff diff;
	struct err err;

	cr_assert(pgbouncer_ini_parse(text, strlen(text), &ini, &err), "%s: %s\n%s", what,
	          err.message, text);
	load(judge, text);
	show_databases(judge, &table);
	cr_assert(pgbouncer_live_parse(&table, &live, &err), "%s", err.message);
	pgbouncer_diff(&ini, &live, &diff);
	cr_expect_str_eq(diff.summary.data, "", "%s: %s\n%s", what, diff.summary.data, text);
	cr_expect_eq(live.count, ini.count + 1, "%s: PgBouncer has %zu with its own\n%s", what,
	             live.count, text);
	strbuf_fini(&diff.summary);
	pgbouncer_ini_free(&ini);
	pgbouncer_live_free(&live);
	pgbouncer_table_free(&table);
}

static void render(const struct config_var *vars, size_t var_count, const struct topology *topology,
                   struct strbuf *out)
{
	const struct template_case shipped = {TEMPLATE, CONFIG_TARGET_PGBOUNCER, NULL, vars,
	                                      var_count};

	template_render(&shipped, topology, out);
}

Test(template_pgbouncer, every_topology_is_loaded_as_segue_reads_it)
{
	static const struct {
		const char *what, *network, *rw, *ro;
		int standbys;
		uint16_t last_port;
	} cases[] = {
	    {"primary alone", "10.0.0.", "\norders = host=10.0.0.1 port=5432 dbname=orders\n",
	     "\norders_ro = host=10.0.0.1 port=5432 dbname=orders\n", 0, 0},
	    {"one standby", "10.0.0.", "\norders = host=10.0.0.1 port=5432 dbname=orders\n",
	     "\norders_ro = host=10.0.0.2 port=5432 dbname=orders\n", 1, 0},
	    {"three standbys", "10.0.0.", "\norders = host=10.0.0.1 port=5432 dbname=orders\n",
	     "\norders_ro = host=10.0.0.2,10.0.0.3,10.0.0.4 port=5432 dbname=orders\n", 3, 0},
	    {"two ports", "10.0.0.", "\norders = host=10.0.0.1 port=5432 dbname=orders\n",
	     "\norders_ro = host=10.0.0.2 port=5432 dbname=orders\n", 2, 6000},
	    {"IPv6", "2001:db8::", "\norders = host=2001:db8::1 port=5432 dbname=orders\n",
	     "\norders_ro = host=2001:db8::2,2001:db8::3 port=5432 dbname=orders\n", 2, 0},
	};
	struct judge judge;

	judge_init(&judge);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_strbuf struct strbuf out = STRBUF_INIT;
		struct topology topology;

		template_topology(&topology, true, cases[i].standbys, cases[i].network);
		if (cases[i].last_port != 0)
			topology.standbys[cases[i].standbys - 1].port = cases[i].last_port;
		render(NULL, 0, &topology, &out);
		cr_expect_not_null(strstr(out.data, cases[i].rw), "%s:\n%s", cases[i].what,
		                   out.data);
		cr_expect_not_null(strstr(out.data, cases[i].ro), "%s:\n%s", cases[i].what,
		                   out.data);
		expect_agreement(&judge, cases[i].what, out.data);
		topology_fini(&topology);
	}
	judge_fini(&judge);
}

static void expect_text_agreement(const char *what, const struct strbuf *text, void *arg)
{
	expect_agreement(arg, what, text->data);
}

Test(template_pgbouncer, the_cookbook_is_loaded_as_segue_reads_it)
{
	static const struct {
		const char *file;
		bool headless;
	} recipes[] = {
	    {"templates/cookbook/tls.ini.mustache", false},
	    {"templates/cookbook/before-haproxy.ini.mustache", true},
	};
	struct judge judge;

	judge_init(&judge);
	for (size_t i = 0; i < ARRAY_LEN(recipes); i++) {
		const struct template_case recipe = {.file = recipes[i].file,
		                                     .kind = CONFIG_TARGET_PGBOUNCER};

		template_each(&recipe, recipes[i].headless, expect_text_agreement, &judge);
	}
	judge_fini(&judge);
}

static void expect_shown(const struct judge *judge, const char *database, const char *column,
                         const char *wanted)
{
	auto_free char *found =
	    lab_pgbouncer_find(judge->bouncer, "SHOW DATABASES", "name", database, column);

	cr_assert_not_null(found);
	cr_expect_str_eq(found, wanted, "%s of %s", column, database);
}

Test(template_pgbouncer, settings_come_from_vars_and_are_quoted)
{
	static const struct config_var vars[] = {
	    {.name = (char *)"dbname", .value = (char *)"shop"},
	    {.name = (char *)"ro_dbname", .value = (char *)"shop.readers"},
	    {.name = (char *)"pool_mode", .value = (char *)"transaction"},
	    {.name = (char *)"pool_size", .value = (char *)"31"},
	    {.name = (char *)"ro_pool_size", .value = (char *)"32"},
	    {.name = (char *)"auth_user", .value = (char *)"o'hara user=postgres"},
	};
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct topology topology;
	struct judge judge;

	judge_init(&judge);
	template_topology(&topology, true, 1, "10.0.0.");
	render(vars, ARRAY_LEN(vars), &topology, &out);
	expect_agreement(&judge, "vars", out.data);
	expect_shown(&judge, "shop", "pool_size", "31");
	expect_shown(&judge, "shop.readers", "pool_size", "32");
	expect_shown(&judge, "shop.readers", "database", "shop");
	expect_shown(&judge, "shop", "pool_mode", "transaction");
	expect_shown(&judge, "shop", "force_user", "");
	topology_fini(&topology);
	judge_fini(&judge);
}

Test(template_pgbouncer, without_a_primary_the_text_is_refused)
{
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct topology topology;
	struct pgbouncer_ini ini;
	struct err err;

	template_topology(&topology, false, 2, "10.0.0.");
	render(NULL, 0, &topology, &out);
	cr_assert_not(pgbouncer_ini_parse(out.data, out.len, &ini, &err));
	cr_expect_not_null(strstr(err.message, "the file names no database"), "%s", err.message);
	topology_fini(&topology);
}

Test(template_pgbouncer, a_name_that_the_file_cannot_hold_is_refused)
{
	static const struct config_var vars[] = {
	    {.name = (char *)"dbname", .value = (char *)"my shop"}};
	auto_strbuf struct strbuf out = STRBUF_INIT;
	struct topology topology;
	struct pgbouncer_ini ini;
	struct err err;

	template_topology(&topology, true, 0, "10.0.0.");
	render(vars, ARRAY_LEN(vars), &topology, &out);
	cr_assert_not(pgbouncer_ini_parse(out.data, out.len, &ini, &err));
	cr_expect_not_null(strstr(err.message, "''my shop' ' is neither"), "%s", err.message);
	topology_fini(&topology);
}

/* Odd, but the same to both. */
Test(template_pgbouncer, whatever_segue_accepts_pgbouncer_reads_alike)
{
	static const char *const texts[] = {
	    "[databases]\na =\n",
	    "[databases]\r\na\t=\thost=10.0.0.1 \t\r\n  b=host =/run port =7\n",
	    "; x\n# y\n[databases] a = dbname='it''s ' password=p'q\\ host=10.0.0.1,::1\n",
	    "[users]\nbob = pool_mode=SESSION\n[databases]\nA-b.c_1* = pool_size='3'   port='9'",
	    "[databases]\na = dbname='tab\there' host='10.0.0.1'\n[databases]\nb = dbname=\xc3\xa9=\n",
	    "[databases]\nn123456789n123456789n123456789n123456789n123456789n123456789n = port=7\n",
	};
	struct judge judge;

	judge_init(&judge);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		expect_agreement(&judge, "odd", texts[i]);
	judge_fini(&judge);
}

Test(template_pgbouncer, a_name_quoted_for_the_console_is_found)
{
	static const char longest[] =
	    "n123456789n123456789n123456789n123456789n123456789n123456789n";
	static const char *const names[] = {"My-Db.2", "select", "1", "a*", longest};
	struct judge judge;

	judge_init(&judge);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *text = xasprintf("[databases]\n%s = port=7\n", names[i]);
		auto_strbuf struct strbuf sql = STRBUF_INIT;
		struct err err;

		load(&judge, text);
		strbuf_append_str(&sql, "PAUSE ");
		cr_assert(pgbouncer_quote_name(names[i], &sql, &err), "%s", err.message);
		PQclear(PQexec(judge.console, sql.data));
		expect_shown(&judge, names[i], "paused", "1");
	}
	judge_fini(&judge);
}
