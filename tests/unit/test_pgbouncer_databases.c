/* The databases file. What is accepted and what it means was seen with PgBouncer 1.18.0. */
#include <criterion/criterion.h>
#include <string.h>

#include "pgbouncer/model/databases.h"

#define DB "[databases]\n"

static void parse(const char *text, struct pgbouncer_ini *ini)
{
	struct err err;

	cr_assert(pgbouncer_ini_parse(text, strlen(text), ini, &err), "%s: %s", text, err.message);
}

static void expect_refused(const char *text, size_t len, const char *error)
{
	struct pgbouncer_ini ini;
	struct err err = {0};

	cr_expect_not(pgbouncer_ini_parse(text, len, &ini, &err), "accepted: %s", text);
	cr_expect_not_null(strstr(err.message, error), "%s: no \"%s\" in \"%s\"", text, error,
	                   err.message);
	cr_expect_eq(err.line > 0, strncmp(err.message, "line ", 5) == 0, "%s", err.message);
}

Test(pgbouncer_databases, an_entry_is_read)
{
	struct pgbouncer_ini ini;
	const struct pgbouncer_database *app;

	parse("; comment\n# comment\n\n" DB
	      "  app = host=10.0.0.1 port=6000 dbname='it''s x' user=u password='p w'\n",
	      &ini);
	cr_assert_eq(ini.count, 1);
	app = pgbouncer_ini_find(&ini, "app");
	cr_assert_not_null(app);
	cr_expect_str_eq(app->name, "app");
	cr_expect_str_eq(app->host, "10.0.0.1");
	cr_expect_eq(app->port, 6000);
	cr_expect_str_eq(app->dbname, "it's x");
	cr_expect_str_eq(app->params, "password='p w' user='u'");
	cr_expect_eq(app->line, 5);
	cr_expect_null(pgbouncer_ini_find(&ini, "App"));
	pgbouncer_ini_free(&ini);
}

Test(pgbouncer_databases, what_is_left_out_is_what_pgbouncer_takes)
{
	struct pgbouncer_ini ini;

	parse(DB "a =\nb = host=/run/pg\nc=port=7", &ini);
	cr_assert_eq(ini.count, 3);
	cr_expect_str_eq(ini.databases[0].host, "");
	cr_expect_eq(ini.databases[0].port, 5432);
	cr_expect_str_eq(ini.databases[0].dbname, "a");
	cr_expect_str_eq(ini.databases[0].params, "");
	cr_expect_str_eq(ini.databases[1].host, "/run/pg");
	cr_expect_eq(ini.databases[2].port, 7);
	cr_expect_eq(ini.databases[2].line, 4);
	pgbouncer_ini_free(&ini);
}

Test(pgbouncer_databases, hosts_have_one_spelling)
{
	static const struct {
		const char *written, *host;
	} cases[] = {
	    {"10.0.0.1", "10.0.0.1"},
	    {"'10.0.0.1'", "10.0.0.1"},
	    {"2001:DB8:0::1", "2001:db8::1"},
	    {"10.0.0.1,10.0.0.2", "10.0.0.1,10.0.0.2"},
	    {"10.0.0.2,0::1,10.0.0.1", "10.0.0.2,::1,10.0.0.1"},
	    {"/var/run/postgresql", "/var/run/postgresql"},
	    {"@abstract", "@abstract"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text = xasprintf(DB "a = host=%s\n", cases[i].written);
		struct pgbouncer_ini ini;

		parse(text, &ini);
		cr_expect_str_eq(ini.databases[0].host, cases[i].host);
		pgbouncer_ini_free(&ini);
	}
}

Test(pgbouncer_databases, names_and_sections_as_pgbouncer_reads_them)
{
	static const char text[] =
	    "\t[users]\r\nbob = pool_mode=session max_user_connections=3\r\n" DB
	    "a-b.c_1* = host=1.1.1.1\r\n[databases] d\t=\tport = not_reached_here=1\n";
	static const char good[] =
	    "\t[users]\r\nbob = pool_mode=SESSION max_user_connections=3\r\n" DB
	    "a-b.c_1* = host=1.1.1.1 \t\r\n[databases] d\t=\tport =7\n";
	struct pgbouncer_ini ini;

	parse(good, &ini);
	cr_assert_eq(ini.count, 2);
	cr_expect_str_eq(ini.databases[0].name, "a-b.c_1*");
	cr_expect_str_eq(ini.databases[0].host, "1.1.1.1");
	cr_expect_str_eq(ini.databases[1].name, "d");
	cr_expect_eq(ini.databases[1].port, 7);
	cr_expect_eq(ini.databases[1].line, 5);
	pgbouncer_ini_free(&ini);
	expect_refused(text, strlen(text), "line 5: d: port has no value");
}

Test(pgbouncer_databases, params_do_not_depend_on_order_and_quotes)
{
	struct pgbouncer_ini ini;

	parse(DB "a = pool_size=5  pool_mode='transaction' host=1.1.1.1\n"
	         "b = host=1.1.1.1 pool_mode=transaction pool_size='5'\n"
	         "c = connect_query='select ''x''' password=a'b\\c\n",
	      &ini);
	cr_expect_str_eq(ini.databases[0].params, "pool_mode='transaction' pool_size='5'");
	cr_expect_str_eq(ini.databases[1].params, ini.databases[0].params);
	cr_expect_str_eq(ini.databases[2].params,
	                 "connect_query='select ''x''' password='a''b\\c'");
	pgbouncer_ini_free(&ini);
}

/* Each of these stops PgBouncer's reading, or drops the rest of the file. */
Test(pgbouncer_databases, what_pgbouncer_refuses_is_refused)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {DB "a = password=''", "line 2: a: password has no value"},
	    {DB "a = password=", "password has no value"},
	    {DB "a = ''", "KEY=VALUE is expected at"},
	    {DB "a = host='1.1.1.1", "host: the closing quote is missing"},
	    {DB "a = host='1.1.1.1'port=77", "host: a space has to follow the closing quote"},
	    {DB "'my db' = host=1.1.1.1", "''my db' ' is neither"},
	    {DB "a b = host=1.1.1.1", "line 2: 'a b ' is neither [databases] nor NAME = ..."},
	    {DB "\n\na\n", "line 4: 'a' is neither"},
	    {DB "= host=1.1.1.1", "is neither"},
	    {DB "a\xc3\xa9 = host=1.1.1.1", "'a\\xc3\\xa9 ' is neither"},
	    {DB "a = nosuch=1", "a: PgBouncer has no key 'nosuch'"},
	    {DB "a = HOST=1.1.1.1", "no key 'HOST'"},
	    {DB "a = host=1.1.1.1 ; comment", "KEY=VALUE is expected at ';'"},
	    {DB "a = host=1.1.1.1 # c", "no comment can stand behind a value"},
	    {DB "a = port=0", "port '0' is not one number from 1 to 65535"},
	    {DB "a = pool_mode=sess", "pool_mode 'sess': session, transaction and statement"},
	    {DB "pgbouncer = host=1.1.1.1", "pgbouncer: the name is reserved"},
	    {DB "n123456789n123456789n123456789n123456789n123456789n123456789n1 =",
	     "the name is longer than the 61 bytes"},
	    {"a = host=1.1.1.1\n", "line 1: a: there is no [databases] above it"},
	    {"[databases\na = host=1.1.1.1\n", "line 1: the ']' of the section is missing"},
	    {"[Databases]\na =\n", "[Databases]: only [databases] and [users]"},
	    {DB "a =\n[users]\nbob = pool_mod=x", "line 4: bob: PgBouncer has no key 'pool_mod'"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_refused(cases[i].text, strlen(cases[i].text), cases[i].error);
}

/* PgBouncer takes all of these, for something else than they look like. */
Test(pgbouncer_databases, what_pgbouncer_misreads_is_refused)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {DB "a = password= host=1.1.1.1", "password has no value (or a space behind its '=')"},
	    {DB "a = host= 1.1.1.1", "host has no value (or a space"},
	    {DB "a = host=1.1.1.1\tport=77", "host: a tab would become a part of the value"},
	    {DB "a = host='1.1.1.1'xport=77", "a space has to follow"},
	    {DB "a = port=70000", "port '70000'"},
	    {DB "a = port=5432abc", "port '5432abc'"},
	    {DB "a = host=1.1.1.1,2.2.2.2 port=5432,5433", "(all servers of a list of hosts share"},
	    {DB "a = pool_size=abc", "pool_size 'abc' is not a whole number"},
	    {DB "a = pool_size=-1", "pool_size '-1'"},
	    {DB "b =\na = pool_size=0",
	     "line 3: a: pool_size '0': all clients would wait for ever"},
	    {DB "a =\n[users]\nbob = pool_size=00", "line 4: bob: pool_size '00': all clients"},
	    {DB "a = pool_size=99999999999", "pool_size"},
	    {DB "a = host=1.1.1.1 host=2.2.2.2", "host is given twice"},
	    {DB "a = port=1\nb =\na = port=2",
	     "line 4: a: the name is used twice, first in line 2"},
	    {DB "* = host=1.1.1.1", "*: SHOW DATABASES does not show this entry"},
	    {DB "a = host=db1", "host 'db1' is not numeric"},
	    {DB "a = host=db1.example,1.1.1.1", "host 'db1.example,1.1.1.1' is not numeric"},
	    {DB "a = host=1.1.1.1,", "host '1.1.1.1,' is not numeric"},
	    {DB "a = host=1.1.1.1,/run", "is not numeric"},
	    {DB "a = host=[::1]", "is not numeric"},
	    {DB "a = host=1.1.1", "is not numeric"},
	    {"[pgbouncer]\nlisten_port = 1\n", "[pgbouncer]: only [databases]"},
	    {DB "%include /etc/x.ini\n", "line 2: %include is not allowed"},
	    {"", "line 1: the file names no database"},
	    {DB "; a = host=1.1.1.1\n", "line 3: the file names no database"},
	    {DB "a = dbname=x\x01\n", "line 2: a control character (\\x01)"},
	    {DB "a = dbname='x\ry'\n", "line 2: a control character (\\x0d)"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_refused(cases[i].text, strlen(cases[i].text), cases[i].error);
	expect_refused(DB "a =\n\0b =\n", strlen(DB) + 8, "line 3: a control character (\\x00)");
}

Test(pgbouncer_databases, a_password_is_never_shown)
{
	static const char *const cases[] = {
	    DB "a = host=1.1.1.1 password=se cret",
	    DB "a = password='secret'x host=1.1.1.1",
	    DB "a = password='secret",
	    DB "a = password=secret password=secret",
	    DB "a\xc3 = password=secret",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pgbouncer_ini ini;
		struct err err;

		cr_expect_not(pgbouncer_ini_parse(cases[i], strlen(cases[i]), &ini, &err));
		cr_expect_null(strstr(err.message, "secret"), "%s", err.message);
	}
}
