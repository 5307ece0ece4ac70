/* The verifier on real PostgreSQL servers: every class that a server can be brought to show, and
 * how long it takes to see a promotion and a death. */
#include <criterion/criterion.h>
#include <event2/event.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lab/lab.h"
#include "verify/verifier.h"

#define NODES    2
#define LIMIT_MS 20000

static struct {
	struct lab *lab;
	struct lab_pg *pg;
	struct event_base *base;
	struct config_cluster config;
	struct verifier *verifier;
	struct member members[NODES];
	char name[8], conninfo[128];
	bool seen[NODES][SERVER_CLASSES]; /* classes that a callback has seen */
} t;

static const struct server_fact *fact(int node)
{
	size_t count;
	const struct server_fact *facts = verifier_facts(t.verifier, &count);

	cr_assert_lt((size_t)node, count);
	return &facts[node];
}

static void on_change(void *arg)
{
	size_t count;
	const struct server_fact *facts = verifier_facts(t.verifier, &count);

	(void)arg;
	for (size_t i = 0; i < count; i++)
		t.seen[i][facts[i].class] = true;
}

/* Runs the loop until the condition holds; looked at after every turn of it. */
static bool run_until(bool (*cond)(int node), int node)
{
	int64_t until = clock_now_ms() + LIMIT_MS;

	while (!cond(node) && clock_now_ms() < until) {
		const struct timeval step = {.tv_usec = 20000};

		event_base_loopexit(t.base, &step);
		event_base_loop(t.base, EVLOOP_ONCE);
	}
	return cond(node);
}

static bool answers(int node)
{
	return fact(node)->class == SERVER_ANSWERED;
}

static bool takes_writes(int node)
{
	return server_takes_writes(fact(node));
}

static bool refuses_thrice(int node)
{
	return fact(node)->class == SERVER_REFUSED && fact(node)->running >= 3;
}

static bool is_silent_thrice(int node)
{
	return fact(node)->class == SERVER_TIMED_OUT && fact(node)->running >= 3;
}

static bool starts(int node)
{
	return fact(node)->class == SERVER_STARTING;
}

static bool is_full(int node)
{
	return fact(node)->class == SERVER_FULL;
}

static bool denies(int node)
{
	return fact(node)->class == SERVER_DENIED;
}

static void expect(bool (*cond)(int node), int node)
{
	cr_assert(run_until(cond, node), "node %d is %s (%u): %s", node,
	          server_class_name(fact(node)->class), fact(node)->running, fact(node)->problem);
}

static void follow(int nodes)
{
	const struct member *list[NODES] = {&t.members[0], &t.members[1]};

	verifier_follow(t.verifier, list, (size_t)nodes);
}

/* The verifier anew, with this conninfo, of node 0 alone. */
static void ask_as(const char *conninfo)
{
	verifier_follow(t.verifier, NULL, 0);
	snprintf(t.conninfo, sizeof(t.conninfo), "%s", conninfo);
	follow(1);
}

static void run_sql(int node, const char *sql)
{
	auto_free char *value = lab_pg_query(lab_pg_conninfo(t.pg, node), sql);

	cr_assert_not_null(value, "%s", sql);
}

static void start(int nodes)
{
	memset(&t, 0, sizeof(t));
	t.lab = lab_create("verify");
	t.pg = lab_pg_start(t.lab, nodes);
	run_sql(0, "CREATE ROLE segue LOGIN");
	snprintf(t.name, sizeof(t.name), "a");
	snprintf(t.conninfo, sizeof(t.conninfo), "user=segue dbname=postgres");
	t.base = event_base_new();
	t.config = (struct config_cluster){.name = t.name,
	                                   .verify = CONFIG_VERIFY_PREFER,
	                                   .verify_conninfo = t.conninfo,
	                                   .verify_timeout_ms = 5000};
	for (int i = 0; i < nodes; i++) {
		snprintf(t.members[i].host, sizeof(t.members[i].host), "127.0.0.1");
		snprintf(t.members[i].address, sizeof(t.members[i].address), "127.0.0.1");
		t.members[i].port = lab_pg_port(t.pg, i);
	}
	t.verifier = verifier_create(t.base, &t.config, on_change, NULL);
}

static bool standby_has_the_role(void *arg)
{
	auto_free char *found = lab_pg_query(lab_pg_conninfo(t.pg, 1),
	                                     "SELECT 1 FROM pg_roles WHERE rolname = 'segue'");

	(void)arg;
	return found != NULL && *found == '1';
}

static void start_pair(void)
{
	start(NODES);
	cr_assert(lab_wait_until(standby_has_the_role, NULL, LIMIT_MS));
	follow(NODES);
	expect(answers, 0);
	expect(answers, 1);
}

static void start_one(void)
{
	start(1);
	follow(1);
	expect(answers, 0);
}

static void finish(void)
{
	verifier_destroy(t.verifier);
	event_base_free(t.base);
	lab_destroy(t.lab);
}

/* What pg_hba.conf has to say from now on. */
static void set_hba(const char *lines)
{
	auto_free char *file = lab_pg_query(lab_pg_conninfo(t.pg, 0), "SHOW hba_file");

	cr_assert_not_null(file);
	lab_write_file(file, lab_printf(t.lab, "host all postgres 127.0.0.1/32 trust\n%s", lines));
	run_sql(0, "SELECT pg_reload_conf()");
}

TestSuite(verify, .timeout = 120);

static const char ours[] = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'segue'";
static const char end_ours[] =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'segue'";

Test(verify, a_primary_and_a_standby_are_told_apart)
{
	auto_free char *identifier = NULL;

	start_pair();
	identifier = lab_pg_query(lab_pg_conninfo(t.pg, 0),
	                          "SELECT system_identifier FROM pg_control_system()");
	cr_assert_not_null(identifier);
	cr_expect(takes_writes(0));
	cr_expect_eq(fact(0)->timeline, 1);
	cr_expect_gt(fact(0)->lsn, 0);
	cr_expect_str_eq(fact(0)->system_identifier, identifier);
	cr_expect_not(takes_writes(1));
	cr_expect(fact(1)->in_recovery);
	cr_expect_eq(fact(1)->timeline, 0);
	cr_expect_gt(fact(1)->lsn, 0);
	cr_expect_str_eq(fact(1)->system_identifier, identifier);
	finish();
}

/* A process of its own, as the loop runs here meanwhile. It writes the time at which the server
 * itself says so: asked without a pause, on one connection. */
static int promote(void *arg)
{
	PGconn *conn = PQconnectdb(lab_pg_conninfo(t.pg, 1));
	bool promoted = false;

	(void)arg;
	PQclear(PQexec(conn, "SELECT pg_promote(false, 30)"));
	while (PQstatus(conn) == CONNECTION_OK && !promoted) {
		PGresult *result = PQexec(conn, "SELECT pg_is_in_recovery()");

		promoted = *PQgetvalue(result, 0, 0) == 'f';
		PQclear(result);
	}
	printf("%lld\n", (long long)clock_now_us());
	fflush(stdout);
	PQfinish(conn);
	return promoted ? 0 : 1;
}

Test(verify, a_promotion_is_seen_within_milliseconds)
{
	struct lab_process *promoter;
	int64_t seen_us, late_us;

	start_pair();
	promoter = lab_fork(t.lab, "promote", promote, NULL);
	verifier_hurry(t.verifier, &t.members[1]);
	expect(takes_writes, 1);
	seen_us = fact(1)->answered_us;
	cr_expect_eq(fact(1)->timeline, 2);
	cr_expect_not(t.seen[1][SERVER_OTHER]);
	cr_assert(lab_process_wait(promoter, LIMIT_MS));
	late_us = seen_us - strtoll(lab_read_file(t.lab, lab_process_log(promoter)), NULL, 10);
	fprintf(stderr, "promotion: seen %.1f ms after the server said so\n",
	        (double)late_us / 1000);
	cr_expect_lt(late_us, 50000);
	finish();
}

Test(verify, a_killed_server_has_refused_thrice_within_milliseconds)
{
	int64_t killing_us, dead_us, refused_us;

	start_one();
	killing_us = clock_now_us();
	lab_process_kill(lab_pg_process(t.pg, 0));
	dead_us = clock_now_us();
	expect(refuses_thrice, 0);
	refused_us = clock_now_us() - killing_us;
	fprintf(stderr, "kill -9: third refusal after %.1f ms, of which killing %.1f\n",
	        (double)refused_us / 1000, (double)(dead_us - killing_us) / 1000);
	cr_expect_lt(refused_us, 500000);
	cr_expect_not(t.seen[0][SERVER_TIMED_OUT]);
	cr_expect(fact(0)->known);
	lab_pg_node_start(t.pg, 0);
	expect(answers, 0);
	cr_expect_eq(fact(0)->running, 1);
	finish();
}

static int64_t answered_before_us;

static bool answers_anew(int node)
{
	return answers(node) && fact(node)->answered_us > answered_before_us;
}

Test(verify, a_session_that_is_terminated_is_no_refusal)
{
	start_one();
	for (int i = 0; i < 10; i++) {
		auto_free char *count = NULL;

		answered_before_us = fact(0)->answered_us;
		run_sql(0, end_ours);
		expect(answers_anew, 0);
		count = lab_pg_query(lab_pg_conninfo(t.pg, 0), ours);
		cr_expect_str_eq(count, "1");
	}
	for (int class = SERVER_REFUSED; class < SERVER_CLASSES; class ++)
		cr_expect_not(t.seen[0][class], "%s", server_class_name((enum server_class) class));
	finish();
}

Test(verify, a_frozen_server_times_out_and_comes_back)
{
	start_one();
	t.config.verify_timeout_ms = 300;
	lab_process_freeze(lab_pg_process(t.pg, 0));
	expect(is_silent_thrice, 0);
	cr_expect_not(t.seen[0][SERVER_REFUSED]);
	lab_process_thaw(lab_pg_process(t.pg, 0));
	expect(takes_writes, 0);
	finish();
}

/* Sessions that are held open, by a superuser. */
static void hold_sessions(PGconn **sessions, int count)
{
	for (int i = 0; i < count; i++) {
		sessions[i] = PQconnectdb(lab_pg_conninfo(t.pg, 0));
		cr_assert_eq(PQstatus(sessions[i]), CONNECTION_OK, "%s",
		             PQerrorMessage(sessions[i]));
	}
}

/* A smart shutdown waits for the sessions that there are, and lets nobody else in. */
Test(verify, a_server_that_shuts_down_says_so)
{
	PGconn *session;

	start_one();
	hold_sessions(&session, 1);
	lab_process_signal(lab_pg_process(t.pg, 0), SIGTERM);
	PQclear(PQexec(session, end_ours));
	expect(starts, 0);
	cr_expect_not_null(strstr(fact(0)->problem, "57P03"), "%s", fact(0)->problem);
	PQfinish(session);
	expect(refuses_thrice, 0);
	cr_expect_not(t.seen[0][SERVER_OTHER]);
	cr_expect_not(t.seen[0][SERVER_DENIED]);
	finish();
}

Test(verify, a_server_that_does_not_take_queries_yet_says_so)
{
	auto_free char *file = NULL;

	start_pair();
	file = lab_pg_query(lab_pg_conninfo(t.pg, 1),
	                    "SELECT current_setting('data_directory') || '/postgresql.auto.conf'");
	cr_assert_not_null(file);
	lab_write_file(file,
	               lab_printf(t.lab, "%shot_standby = off\n", lab_read_file(t.lab, file)));
	lab_process_kill(lab_pg_process(t.pg, 1));
	lab_pg_node_start(t.pg, 1);
	expect(starts, 1);
	cr_expect_not_null(strstr(fact(1)->problem, "57P03"), "%s", fact(1)->problem);
	finish();
}

Test(verify, a_server_without_a_free_connection_is_full)
{
	PGconn *sessions[5];

	start_one();
	run_sql(0, "ALTER ROLE segue CONNECTION LIMIT 0");
	run_sql(0, end_ours);
	expect(is_full, 0);
	run_sql(0, "ALTER ROLE segue CONNECTION LIMIT -1");
	expect(answers, 0);
	run_sql(0, "ALTER SYSTEM SET max_connections = 5");
	run_sql(0, "ALTER SYSTEM SET superuser_reserved_connections = 3");
	run_sql(0, "ALTER SYSTEM SET max_wal_senders = 0");
	lab_process_kill(lab_pg_process(t.pg, 0));
	verifier_follow(t.verifier, NULL, 0);
	lab_pg_node_start(t.pg, 0);
	cr_assert(lab_pg_wait_recovery(t.pg, 0, false, LIMIT_MS));
	hold_sessions(sessions, 2);
	follow(1);
	expect(is_full, 0);
	cr_expect_not_null(strstr(fact(0)->problem, "reserved"), "%s", fact(0)->problem);
	hold_sessions(sessions + 2, 3);
	follow(0);
	follow(1);
	expect(is_full, 0);
	cr_expect_not_null(strstr(fact(0)->problem, "too many"), "%s", fact(0)->problem);
	for (int i = 0; i < 5; i++)
		PQfinish(sessions[i]);
	expect(answers, 0);
	cr_expect_not(t.seen[0][SERVER_REFUSED]);
	finish();
}

Test(verify, whoever_is_not_let_in_knows_that_the_server_lives)
{
	start_one();
	unsetenv("PGPASSWORD");
	setenv("PGPASSFILE", "/nonexistent", 1);
	run_sql(0, "CREATE ROLE lena LOGIN PASSWORD 'right'");
	set_hba("host all segue 127.0.0.1/32 trust\nhost all lena 127.0.0.1/32 scram-sha-256\n");
	ask_as("user=nobody dbname=postgres");
	expect(denies, 0);
	cr_expect_not_null(strstr(fact(0)->problem, "28000"), "%s", fact(0)->problem);
	ask_as("user=segue dbname=nosuch");
	expect(denies, 0);
	cr_expect_not_null(strstr(fact(0)->problem, "3D000"), "%s", fact(0)->problem);
	ask_as("user=lena dbname=postgres password=wrong");
	expect(denies, 0);
	cr_expect_not_null(strstr(fact(0)->problem, "28P01"), "%s", fact(0)->problem);
	ask_as("user=lena dbname=postgres");
	expect(denies, 0);
	cr_expect_not_null(strstr(fact(0)->problem, "passfile"), "%s", fact(0)->problem);
	ask_as("user=lena dbname=postgres password=right");
	expect(answers, 0);
	finish();
}

Test(verify, a_role_that_may_not_read_the_identifier_learns_the_rest)
{
	start_one();
	run_sql(0, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
	ask_as("user=segue dbname=postgres");
	expect(answers, 0);
	cr_expect(takes_writes(0));
	cr_expect_eq(fact(0)->timeline, 1);
	cr_expect_str_eq(fact(0)->system_identifier, "");
	finish();
}

/* An old search path of the role's must not change what is asked. */
Test(verify, functions_of_the_same_name_are_not_taken_for_postgresqls)
{
	start_one();
	run_sql(0, "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;"
	           "CREATE FUNCTION evil.pg_is_in_recovery() RETURNS bool LANGUAGE sql"
	           " AS 'SELECT true';"
	           "ALTER ROLE segue SET search_path = evil, pg_catalog");
	ask_as("user=segue dbname=postgres");
	expect(takes_writes, 0);
	finish();
}
