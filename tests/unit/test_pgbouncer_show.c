/* Answers of the console, as PgBouncer 1.18.0 gave them, and with the columns of other versions. */
#include <criterion/criterion.h>
#include <string.h>

#include "pgbouncer/model/show.h"
#include "pgbouncer_table.h"

#define DATABASES_1_18                                                              \
	"name | host | port | database | force_user | pool_size | min_pool_size | " \
	"reserve_pool | pool_mode | max_connections | current_connections | paused | disabled\n"
#define DATABASES_1_12                                                                         \
	"name | host | port | database | force_user | pool_size | reserve_pool | pool_mode | " \
	"max_connections | current_connections | paused | disabled\n"
#define DATABASES_1_25                                                              \
	"name | host | port | database | force_user | pool_size | min_pool_size | " \
	"reserve_pool_size | server_lifetime | pool_mode | load_balance_hosts | "   \
	"max_connections | current_connections | max_client_connections | "         \
	"current_client_connections | paused | disabled\n"
#define POOLS_1_18                                                                             \
	"database | user | cl_active | cl_waiting | cl_active_cancel_req | "                   \
	"cl_waiting_cancel_req | sv_active | sv_active_cancel | sv_being_canceled | sv_idle |" \
	" sv_used | sv_tested | sv_login | maxwait | maxwait_us | pool_mode\n"
#define SERVERS_1_18                                                                             \
	"type | user | database | state | addr | port | local_addr | local_port | connect_time " \
	"| request_time | wait | wait_us | close_needed | ptr | link | remote_pid | tls | "      \
	"application_name\n"
#define SERVER_TAIL(link) "127.0.0.1 | 40 | t | t | 0 | 0 | 0 | 0x55d0 | " link " | 77 | | \n"

static bool parse_live(const char *text, struct pgbouncer_live *live, struct err *err)
{
	struct pgbouncer_table table = table_of(text);
	bool ok = pgbouncer_live_parse(&table, live, err);

	pgbouncer_table_free(&table);
	return ok;
}

Test(pgbouncer_read_live, databases_of_every_version_are_read)
{
	static const char *const cases[] = {
	    DATABASES_1_18
	    "app | 10.0.0.1 | 5432 | it's x | u | 20 | 0 | 0 | NULL | 0 | 0 | 1 | 0\n"
	    "ro | 0::1,10.0.0.2 | 70000 | ro | NULL | 0 | 0 | 0 | session | 0 | 0 | 0 "
	    "| 1\n"
	    "pgbouncer | NULL | 6432 | pgbouncer | pgbouncer | 2 | 0 | 0 | statement |"
	    " 0 | 0 | 0 | 0\n",
	    DATABASES_1_12
	    "app | 10.0.0.1 | 5432 | it's x | u | 20 | 0 | NULL | 0 | 0 | 1 | 0\n"
	    "ro | 0::1,10.0.0.2 | 70000 | ro | NULL | 0 | 0 | session | 0 | 0 | 0 | 1\n"
	    "pgbouncer | NULL | 6432 | pgbouncer | pgbouncer | 2 | 0 | statement |"
	    " 0 | 0 | 0 | 0\n",
	    DATABASES_1_25
	    "app | 10.0.0.1 | 5432 | it's x | u | 20 | 0 | 0 | 3600 | NULL | NULL | 0 "
	    "| 0 | 0 | 0 | 1 | 0\n"
	    "ro | 0::1,10.0.0.2 | 70000 | ro | NULL | 0 | 0 | 0 | 3600 | session | "
	    "round-robin | 0 | 0 | 0 | 0 | 0 | 1\n"
	    "pgbouncer | NULL | 6432 | pgbouncer | pgbouncer | 2 | 0 | 0 | 3600 | "
	    "statement | NULL | 0 | 0 | 0 | 1 | 0 | 0\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pgbouncer_live live;
		const struct pgbouncer_live_database *app, *ro;
		struct err err;

		cr_assert(parse_live(cases[i], &live, &err), "%s", err.message);
		cr_assert_eq(live.count, 3);
		app = pgbouncer_live_find(&live, "app");
		ro = pgbouncer_live_find(&live, "ro");
		cr_expect_str_eq(app->host, "10.0.0.1");
		cr_expect_eq(app->port, 5432);
		cr_expect_str_eq(app->dbname, "it's x");
		cr_expect(app->paused && !app->disabled);
		cr_expect_str_eq(ro->host, "::1,10.0.0.2");
		cr_expect_eq(ro->port, 0, "no port of ours is like 70000");
		cr_expect(!ro->paused && ro->disabled);
		cr_expect_str_eq(pgbouncer_live_find(&live, "pgbouncer")->host, "");
		cr_expect_null(pgbouncer_live_find(&live, "other"));
		pgbouncer_live_free(&live);
	}
}

Test(pgbouncer_read_live, a_host_name_stays_as_it_is)
{
	struct pgbouncer_live live;
	struct err err;

	cr_assert(
	    parse_live("name|host|port|database|paused|disabled\na|db1|5432|a|0|0\n", &live, &err));
	cr_expect_str_eq(live.databases[0].host, "db1");
	pgbouncer_live_free(&live);
}

Test(pgbouncer_read_live, what_is_no_such_answer_is_refused)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"version\nPgBouncer 1.18.0\n", "SHOW DATABASES: the answer has no column \"name\""},
	    {"name|host|port|database|disabled\n", "no column \"paused\""},
	    {"name|host|port|database|paused|disabled\nb|x|1|b|0|0\na|x|NULL|a|0|0\n",
	     "SHOW DATABASES: port is NULL"},
	    {"name|host|port|database|paused|disabled\na|x|5x|a|0|0\n", "port is \"5x\""},
	    {"name|host|port|database|paused|disabled\na|x|-5|a|0|0\n", "port is \"-5\""},
	    {"name|host|port|database|paused|disabled\na|x|5|a|yes|0\n", "paused is \"yes\""},
	    {"name|host|port|database|paused|disabled\nNULL|x|5|a|1|0\n", "name is NULL"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pgbouncer_live live;
		struct err err;

		cr_expect_not(parse_live(cases[i].text, &live, &err));
		cr_expect_not_null(strstr(err.message, cases[i].error), "%s", err.message);
	}
}

Test(pgbouncer_pools, all_users_and_all_states_are_counted)
{
	struct pgbouncer_table table =
	    table_of(POOLS_1_18 "app|u|3|2|0|0|1|10|100|1000|2|20|200|0|0|session\n"
	                        "other|u|9|9|9|9|9|9|9|9|9|9|9|0|0|session\n"
	                        "app|v|1|1|0|0|0|0|0|0|0|0|4000|0|0|session\n");
	struct pgbouncer_pool_sum sum;
	struct err err;

	cr_assert(pgbouncer_pools_sum(&table, "app", &sum, &err), "%s", err.message);
	cr_expect_eq(sum.servers, 5333);
	cr_expect_eq(sum.waiting, 3);
	cr_expect_eq(sum.active_clients, 4);
	cr_assert(pgbouncer_pools_sum(&table, "none", &sum, &err), "%s", err.message);
	cr_expect_eq(sum.servers, 0);
	pgbouncer_table_free(&table);
}

Test(pgbouncer_pools, an_older_version_has_fewer_states)
{
	struct pgbouncer_table table =
	    table_of("database|user|cl_active|cl_waiting|sv_active|sv_idle|sv_used|sv_tested|"
	             "sv_login|maxwait|maxwait_us|pool_mode\napp|u|0|0|1|1|1|1|1|0|0|session\n");
	struct pgbouncer_pool_sum sum;
	struct err err;

	cr_assert(pgbouncer_pools_sum(&table, "app", &sum, &err), "%s", err.message);
	cr_expect_eq(sum.servers, 5);
	pgbouncer_table_free(&table);
}

Test(pgbouncer_pools, what_is_no_such_answer_is_refused)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"database|cl_active|cl_waiting|sv_active\n",
	     "SHOW POOLS: the answer has no column \"sv_idle\""},
	    {POOLS_1_18 "app|u|3|2|0|0|1|x|100|1000|2|20|200|0|0|session\n",
	     "SHOW POOLS: sv_active_cancel is \"x\""},
	    {POOLS_1_18 "app|u|3|NULL|0|0|1|1|100|1000|2|20|200|0|0|session\n",
	     "cl_waiting is NULL"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pgbouncer_table table = table_of(cases[i].text);
		struct pgbouncer_pool_sum sum;
		struct err err;

		cr_expect_not(pgbouncer_pools_sum(&table, "app", &sum, &err));
		cr_expect_not_null(strstr(err.message, cases[i].error), "%s", err.message);
		pgbouncer_table_free(&table);
	}
}

static void expect_stale(const char *rows, const char *host, unsigned count, const char *links)
{
	auto_free char *text = xasprintf(SERVERS_1_18 "%s", rows);
	struct pgbouncer_table table = table_of(text);
	struct pgbouncer_database database = {
	    .name = (char *)"app", .host = (char *)host, .port = 5432};
	auto_strbuf struct strbuf found = STRBUF_INIT;
	struct pgbouncer_stale stale = {.count = 0};
	struct err err;

	cr_assert(pgbouncer_stale_add(&table, &database, &stale, &err), "%s", err.message);
	cr_expect_eq(stale.count, count, "%s: %u", host, stale.count);
	for (size_t i = 0; i < stale.links.count; i++)
		strbuf_printf(&found, "%s ", stale.links.items[i]);
	cr_expect_str_eq(found.data, links);
	string_list_free(&stale.links);
	pgbouncer_table_free(&table);
}

Test(pgbouncer_stale, servers_that_lead_elsewhere_are_found)
{
	static const char rows[] = "S|u|app|active|10.0.0.1|5432|" SERVER_TAIL("0xa1") /* there */
	    "S|u|app|active|10.0.0.1|5433|" SERVER_TAIL("0xa2") /* another port */
	    "S|u|app|active|10.0.0.2|5432|" SERVER_TAIL("0xa3") /* another address */
	    "S|u|app|idle|10.0.0.2|5432|" SERVER_TAIL("")       /* nobody linked */
	    "S|u|app|active|10.0.0.10|5432|" SERVER_TAIL("")    /* its client is gone */
	    "S|u|app|new|NULL|5432|" SERVER_TAIL("NULL")        /* no address yet */
	    "S|u|app|active|unix|5432|" SERVER_TAIL("0xa4")     /* a socket */
	    "S|u|other|active|10.9.9.9|1|" SERVER_TAIL("0xa5");

	expect_stale(rows, "10.0.0.1", 6, "0xa2 0xa3 0xa4 ");
	expect_stale(rows, "10.0.0.1,10.0.0.2", 4, "0xa2 0xa4 ");
	expect_stale(rows, "", 6, "0xa1 0xa2 0xa3 ");
	expect_stale(rows, "/run/pg", 6, "0xa1 0xa2 0xa3 ");
	expect_stale("S|u|app|active|0:0::1|5432|" SERVER_TAIL("0xa1"), "::1", 0, "");
	expect_stale("S|u|app|active|unix(7@host)|5432|" SERVER_TAIL("0xa1"), "/run", 0, "");
}

Test(pgbouncer_stale, what_is_no_such_answer_is_refused)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"database|state|addr|port\n", "SHOW SERVERS: the answer has no column \"link\""},
	    {"database|state|addr|port|link\napp|active|1.1.1.1|1|0x1\napp|active|1.1.1.1|x|0x1\n",
	     "SHOW SERVERS: port is \"x\""},
	};
	struct pgbouncer_database database = {.name = (char *)"app", .host = (char *)"10.0.0.1"};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pgbouncer_table table = table_of(cases[i].text);
		struct pgbouncer_stale stale = {.count = 0};
		struct err err;

		cr_expect_not(pgbouncer_stale_add(&table, &database, &stale, &err));
		string_list_free(&stale.links);
		cr_expect_not_null(strstr(err.message, cases[i].error), "%s", err.message);
		pgbouncer_table_free(&table);
	}
}

Test(pgbouncer_show, versions)
{
	unsigned major = 0, minor = 0;

	cr_expect(pgbouncer_version_parse("PgBouncer 1.18.0", &major, &minor));
	cr_expect(major == 1 && minor == 18);
	cr_expect(pgbouncer_version_parse("PgBouncer version 1.9.0-rc1\n", &major, &minor));
	cr_expect(major == 1 && minor == 9);
	cr_expect_not(pgbouncer_version_parse("PostgreSQL 15.3", &major, &minor));
	cr_expect_not(pgbouncer_version_parse("PgBouncer ", &major, &minor));
	cr_expect_not(pgbouncer_version_parse("PgBouncer 1", &major, &minor));
	cr_expect_not(pgbouncer_version_parse("PgBouncer 1.", &major, &minor));
	cr_expect_not(pgbouncer_version_parse("", &major, &minor));
}

Test(pgbouncer_show, problems_are_told_by_their_text)
{
	static const struct {
		const char *message;
		enum pgbouncer_problem problem;
	} cases[] = {
	    {"ERROR:  database app is not paused\n", PGBOUNCER_NOT_PAUSED},
	    {"ERROR:  already suspended/paused\n", PGBOUNCER_ALREADY_PAUSED},
	    {"ERROR:  no such database: app\n", PGBOUNCER_NO_DATABASE},
	    {"ERROR:  admin access needed\n", PGBOUNCER_NO_ADMIN},
	    {"connection to server failed: FATAL:  not allowed\n", PGBOUNCER_NOT_ALLOWED},
	    {"ERROR:  RELOAD failed, see logs for additional details\n", PGBOUNCER_RELOAD_FAILED},
	    {"ERROR:  invalid command 'X', use SHOW HELP;\n", PGBOUNCER_OTHER},
	    {"", PGBOUNCER_OTHER},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		cr_expect_eq(pgbouncer_problem_of(cases[i].message), cases[i].problem, "%s",
		             cases[i].message);
}

Test(pgbouncer_show, a_setting_is_found_by_its_key)
{
	struct pgbouncer_table config = table_of("key|value|default|changeable\n"
	                                         "max_db_connections|50|0|yes\n"
	                                         "server_login_retry|0.5|15|yes\n");

	cr_expect_str_eq(pgbouncer_config_get(&config, "server_login_retry"), "0.5");
	cr_expect_str_eq(pgbouncer_config_get(&config, "max_db_connections"), "50");
	cr_expect_null(pgbouncer_config_get(&config, "peer_id"));
	pgbouncer_table_free(&config);
}
