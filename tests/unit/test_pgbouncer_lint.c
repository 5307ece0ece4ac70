/* Settings that cost a failover. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "pgbouncer/model/lint.h"
#include "pgbouncer_table.h"

#define DATABASES "name|host|port|database|pool_mode|paused|disabled\n"
#define APP       DATABASES "app|10.0.0.1|5432|app|transaction|0|0\n"
#define CONSOLE   "pgbouncer|NULL|6432|pgbouncer|statement|0|0\n"

#define GOOD_NETWORK                                           \
	"tcp_user_timeout|2000|0|yes\ntcp_keepalive|1|1|yes\n" \
	"tcp_keepidle|2|0|yes\n"
#define GOOD                                                              \
	"server_login_retry|1|15|yes\nquery_wait_timeout|120|120|yes\n"   \
	"client_login_timeout|60|60|yes\npool_mode|session|session|yes\n" \
	"server_fast_close|1|0|yes\nso_reuseport|0|0|no\ndns_max_ttl|15|15|yes\n" GOOD_NETWORK

#define TCP_CONSOLE "host=127.0.0.1 port=6432 user=pgbouncer"

static struct pgbouncer_main_database *main_databases; /* of pgbouncer.ini; NULL: none */

static bool takes_output; /* does pgbouncer.ini; false: it is not known */

static struct topology one_standby(void)
{
	struct topology topology;
	struct member *standby;

	topology_init(&topology);
	topology.has_primary = true;
	topology.primary = (struct member){.host = "10.0.0.1", .address = "10.0.0.1", .port = 5432};
	standby = topology_add_standby(&topology);
	*standby = (struct member){.host = "db2.example", .address = "10.0.0.2", .port = 5433};
	return topology;
}

/* The findings for the rendered file of one database, app at 10.0.0.1. */
static char *lint_file(bool unrendered, const char *console, const char *config_rows,
                       const char *databases, size_t *count)
{
	struct topology topology = one_standby();
	struct pgbouncer_main person = {.passed_over = !takes_output,
	                                .takes_output = takes_output,
	                                .databases = main_databases,
	                                .database_count = main_databases != NULL};
	static const char file[] = "[databases]\napp = host=10.0.0.1 port=5432\n";
	auto_free char *config_text = xasprintf("key|value|default|changeable\n%s", config_rows);
	struct pgbouncer_table config = table_of(config_text), live = table_of(databases);
	auto_string_list struct string_list findings = {.count = 0};
	struct strbuf out = STRBUF_INIT;
	struct pgbouncer_ini ini;
	struct err err;

	cr_assert(pgbouncer_ini_parse(file, strlen(file), &ini, &err), "%s", err.message);
	pgbouncer_lint(&(struct pgbouncer_lint){.config = &config,
	                                        .databases = &live,
	                                        .ini = &ini,
	                                        .output = "/etc/pgbouncer/a.ini",
	                                        .main = &person,
	                                        .topology = &topology,
	                                        .unrendered = unrendered,
	                                        .console = console,
	                                        .hold_timeout_ms = 30000},
	               &findings);
	*count = findings.count;
	for (size_t i = 0; i < findings.count; i++)
		strbuf_printf(&out, "%s\n", findings.items[i]);
	topology_fini(&topology);
	pgbouncer_ini_free(&ini);
	pgbouncer_table_free(&config);
	pgbouncer_table_free(&live);
	return strbuf_detach(&out);
}

static char *lint_over(const char *console, const char *config_rows, const char *databases,
                       size_t *count)
{
	return lint_file(false, console, config_rows, databases, count);
}

static char *lint(const char *config_rows, const char *databases, size_t *count)
{
	return lint_over(TCP_CONSOLE, config_rows, databases, count);
}

static void expect_one(const char *config_rows, const char *databases, const char *finding)
{
	size_t count;
	auto_free char *found = lint(config_rows, databases, &count);

	cr_expect_eq(count, 1, "%s", found);
	cr_expect_eq(strncmp(found, finding, strlen(finding)), 0, "no \"%s\" in\n%s", finding,
	             found);
	cr_expect_eq(found[strlen(found) - 1], '\n');
}

static void expect_none(const char *config_rows, const char *databases)
{
	size_t count;
	auto_free char *found = lint(config_rows, databases, &count);

	cr_expect_eq(count, 0, "%s", found);
	cr_expect_str_eq(found, "");
}

Test(pgbouncer_lint, good_settings_are_no_finding)
{
	expect_none(GOOD, APP CONSOLE);
	expect_none("", APP);
	expect_none("server_login_retry|0.5|15|yes\n", APP);
	expect_none("query_wait_timeout|0|120|yes\nclient_login_timeout|0|60|yes\n", APP);
	expect_none("query_wait_timeout|30.5|120|yes\n", APP);
}

Test(pgbouncer_lint, each_bad_setting_is_one_finding)
{
	static const struct {
		const char *rows, *finding;
	} cases[] = {
	    {"server_login_retry|15|15|yes\n", "server_login_retry: 15 s: after one failed login"},
	    {"server_login_retry|1.5|15|yes\n", "server_login_retry: 1.5 s: "},
	    {"query_wait_timeout|30|120|yes\n",
	     "query_wait_timeout: 30 s, and hold_timeout is 30000 ms: clients that wait get an "
	     "error before the hold is over: set query_wait_timeout = 40 or more"},
	    {"client_login_timeout|10|60|yes\n",
	     "client_login_timeout: 10 s, and hold_timeout is 30000 ms: clients that log in"},
	    {"tcp_user_timeout|0|0|yes\n", "tcp_user_timeout: 0: "},
	    {"tcp_keepalive|1|1|yes\ntcp_keepidle|0|0|yes\n",
	     "tcp_keepidle: 0 (the kernel's 7200 s), tcp_keepalive: 1: "},
	    {"tcp_keepalive|0|1|yes\ntcp_keepidle|2|0|yes\n",
	     "tcp_keepidle: 2, tcp_keepalive: 0: "},
	    {"tcp_keepalive|1|1|yes\ntcp_keepidle|600|0|yes\n", "tcp_keepidle: 600, "},
	    {"so_reuseport|1|0|no\nunix_socket_dir|/run/a|/tmp|no\n",
	     "so_reuseport: 1: several PgBouncers share the port"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_one(cases[i].rows, APP, cases[i].finding);
}

Test(pgbouncer_lint, a_shared_port_is_fine_with_a_console_over_its_own_socket)
{
	static const struct {
		const char *console;
		size_t findings;
	} cases[] = {
	    {"host=/run/a port=6432", 0},
	    {"port=6432 host = '/run/a'", 0},
	    {"postgresql:///pgbouncer?host=/run/a&port=6432", 0},
	    {"host=/run/a", 0},
	    {"host=/run/ab", 1},
	    {"host=/run", 1},
	    {"host=127.0.0.1 passfile=/run/a", 1},
	    {"", 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t count;
		auto_free char *found =
		    lint_over(cases[i].console,
		              "so_reuseport|1|0|no\nunix_socket_dir|/run/a|/tmp|no\n", APP, &count);

		cr_expect_eq(count, cases[i].findings, "%s: %s", cases[i].console, found);
	}
}

Test(pgbouncer_lint, session_pooling_without_fast_close)
{
	static const char slow[] = "pool_mode|session|session|yes\nserver_fast_close|0|0|yes\n";
	static const char finding[] = "server_fast_close: 0, and pool_mode is session (app): ";

	expect_none(slow, APP CONSOLE);
	expect_one(slow, DATABASES "app|10.0.0.1|5432|app|NULL|0|0\n" CONSOLE, finding);
	expect_one("server_fast_close|0|0|yes\npool_mode|transaction|session|yes\n",
	           DATABASES "app|10.0.0.1|5432|app|session|0|0\n", finding);
	expect_none(slow, APP "other|10.0.0.9|5432|other|NULL|0|0\n");
}

Test(pgbouncer_lint, databases_that_a_failover_would_not_move)
{
	expect_one(GOOD "conffile|/etc/pgbouncer/pgbouncer.ini|NULL|yes\n", DATABASES CONSOLE,
	           "[databases]: SHOW DATABASES has no app: unless the template has just been "
	           "changed, PgBouncer does not read "
	           "/etc/pgbouncer/a.ini, so it would never move: add the line \"%include "
	           "/etc/pgbouncer/a.ini\" to /etc/pgbouncer/pgbouncer.ini, then RELOAD\n");
	expect_one(
	    GOOD, APP "old|10.0.0.1|5432|app|NULL|0|0\nelse|10.0.0.1|5433|app|NULL|0|0\n",
	    "[databases]: old at 10.0.0.1 port 5432: leads to a server of this cluster, but "
	    "is not in /etc/pgbouncer/a.ini, so a failover would leave it behind: put it into "
	    "the template\n");
	expect_one(GOOD, APP "old|10.0.0.9,10.0.0.2|5433|app|NULL|0|0\n",
	           "[databases]: old at 10.0.0.9,10.0.0.2 port 5433: leads to a server of this");
	expect_one(GOOD, APP "old|db2.example|5433|app|NULL|0|0\n",
	           "[databases]: old at db2.example port 5433: leads to a server of this");
	expect_one(GOOD, APP "old|db1.example|5432|app|NULL|0|0\n",
	           "dns_max_ttl: 15 s, and host is a name in old: ");
	expect_one(GOOD, "version\nPgBouncer 1.18.0\n", "[databases]: SHOW DATABASES: the answer");
}

Test(pgbouncer_lint, a_file_that_is_included_needs_a_reload_only)
{
	takes_output = true;
	expect_one(GOOD, DATABASES CONSOLE,
	           "[databases]: SHOW DATABASES has no app: the rendered text has it. "
	           "PgBouncer loads it at the next RELOAD");
}

Test(pgbouncer_lint, a_pool_of_no_size)
{
	expect_one(GOOD "default_pool_size|0|20|yes\n", APP,
	           "default_pool_size: 0: clients of every database without a pool_size");
	expect_none(GOOD "default_pool_size|1|20|yes\n", APP);
}

Test(pgbouncer_lint, a_min_pool_size_of_one_database_is_not_set_to_0_in_a_hold)
{
	static const char databases[] =
	    "name|host|port|database|pool_mode|min_pool_size|paused|disabled\n"
	    "app|10.0.0.1|5432|app|transaction|2|0|0\n";

	expect_one(GOOD "min_pool_size|0|0|yes\n", databases, "min_pool_size in the entry of app");
	expect_none(GOOD "min_pool_size|2|0|yes\n", databases);
}

/* One entry of pgbouncer.ini, in line 4. */
static void expect_entry(const char *name, const char *pairs, const char *finding)
{
	struct pgbouncer_main_database entry = {
	    .name = xstrdup(name), .file = xstrdup("/etc/p.ini"), .line = 4};
	struct err err;

	cr_assert(pgbouncer_pairs_parse(pairs, strlen(pairs), false, &entry.pairs, &err));
	main_databases = &entry;
	if (finding != NULL)
		expect_one(GOOD, APP, finding);
	else
		expect_none(GOOD, APP);
	main_databases = NULL;
	pgbouncer_pairs_free(&entry.pairs);
	free(entry.name);
	free(entry.file);
}

Test(pgbouncer_lint, a_wildcard_that_leads_to_the_cluster_stays_behind)
{
	expect_entry(
	    "*", "host=10.0.0.1 port=5432",
	    "[databases]: * at 10.0.0.1 port 5432 (/etc/p.ini line 4): leads to a server of "
	    "this cluster, and segue does not move it: ");
	expect_entry("*", "host=10.0.0.1", "[databases]: * at 10.0.0.1 port 5432 (");
	expect_entry("*", "host=db2.example port=5433",
	             "[databases]: * at db2.example port 5433 (");
	expect_entry("*", "host=10.0.0.1 port=5433", NULL);
	expect_entry("*", "host=10.0.0.9", NULL);
	expect_entry("*", "", NULL);
	expect_entry("app", "host=10.0.0.1", NULL);
}

Test(pgbouncer_lint, a_file_with_nothing_in_it_yet_does_not_show_whether_it_is_read)
{
	size_t count;
	auto_free char *found = lint_file(true, TCP_CONSOLE, GOOD, DATABASES CONSOLE, &count);

	cr_expect_eq(count, 0, "%s", found);
}

Test(pgbouncer_lint, a_long_list_of_databases_is_cut)
{
	auto_strbuf struct strbuf rows = STRBUF_INIT;
	size_t count;
	auto_free char *found = NULL;

	strbuf_append_str(&rows, APP);
	for (int i = 0; i < 1000; i++)
		strbuf_printf(&rows, "db%d|10.0.0.1|5432|x|NULL|0|0\n", i);
	found = lint(GOOD, rows.data, &count);
	cr_expect_eq(count, 1);
	cr_expect_not_null(strstr(found, ", ...: leads to a server"), "%s", found);
	cr_expect_lt(strlen(found), 500);
}

Test(pgbouncer_lint, a_user_with_a_pool_mode_of_its_own)
{
	struct topology topology = one_standby();
	struct pgbouncer_table config = table_of("key|value|default|changeable\n"
	                                         "pool_mode|transaction|session|yes\n"
	                                         "server_fast_close|0|0|yes\n"),
	                       live = table_of(APP),
	                       users = table_of("name|pool_mode\nbob|session\neve|statement\n"
	                                        "app|NULL\n");
	auto_string_list struct string_list out = {.count = 0};

	pgbouncer_lint(&(struct pgbouncer_lint){.config = &config,
	                                        .databases = &live,
	                                        .users = &users,
	                                        .output = "/a.ini",
	                                        .topology = &topology,
	                                        .unrendered = true,
	                                        .console = TCP_CONSOLE},
	               &out);
	cr_assert_eq(out.count, 1);
	cr_expect_not_null(strstr(out.items[0], "pool_mode is session (user bob): "), "%s",
	                   out.items[0]);
	topology_fini(&topology);
	pgbouncer_table_free(&config);
	pgbouncer_table_free(&live);
	pgbouncer_table_free(&users);
}
