/* The verifier on real PostgreSQL servers: what it says of those that live, die, freeze, start and
 * shut down, and how long it takes to see a promotion and a death. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fixtures/verifier_stage.h"

TestSuite(verify, .timeout = 120);

static const char ours[] = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'segue'";

static bool is_silent_thrice(int node)
{
	return verify_case_fact(node)->class == SERVER_TIMED_OUT &&
	       verify_case_fact(node)->running >= 3;
}

static bool starts(int node)
{
	return verify_case_fact(node)->class == SERVER_STARTING;
}

Test(verify, a_primary_and_a_standby_are_told_apart)
{
	auto_free char *identifier = NULL;

	verify_case_start_pair();
	identifier = lab_pg_query(lab_pg_conninfo(t.pg, 0),
	                          "SELECT system_identifier FROM pg_control_system()");
	cr_assert_not_null(identifier);
	cr_expect(verify_case_takes_writes(0));
	cr_expect_eq(verify_case_fact(0)->timeline, 1);
	cr_expect_gt(verify_case_fact(0)->lsn, 0);
	cr_expect_str_eq(verify_case_fact(0)->system_identifier, identifier);
	cr_expect_not(verify_case_takes_writes(1));
	cr_expect(verify_case_fact(1)->in_recovery);
	cr_expect_eq(verify_case_fact(1)->timeline, 0);
	cr_expect_gt(verify_case_fact(1)->lsn, 0);
	cr_expect_str_eq(verify_case_fact(1)->system_identifier, identifier);
	verify_case_finish();
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

	verify_case_start_pair();
	promoter = lab_fork(t.lab, "promote", promote, NULL);
	verifier_hurry(t.verifier, &t.members[1]);
	verify_case_expect(verify_case_takes_writes, 1);
	seen_us = verify_case_fact(1)->answered_us;
	cr_expect_eq(verify_case_fact(1)->timeline, 2);
	cr_expect_not(t.seen[1][SERVER_OTHER]);
	cr_assert(lab_process_wait(promoter, LIMIT_MS));
	late_us = seen_us - strtoll(lab_read_file(t.lab, lab_process_log(promoter)), NULL, 10);
	fprintf(stderr, "promotion: seen %.1f ms after the server said so\n",
	        (double)late_us / 1000);
	cr_expect_lt(late_us, 50000);
	verify_case_finish();
}

Test(verify, a_killed_server_has_refused_thrice_within_milliseconds)
{
	int64_t killing_us, dead_us, refused_us;

	verify_case_start_one();
	killing_us = clock_now_us();
	lab_process_kill(lab_pg_process(t.pg, 0));
	dead_us = clock_now_us();
	verify_case_expect(verify_case_refuses_thrice, 0);
	refused_us = clock_now_us() - killing_us;
	fprintf(stderr, "kill -9: third refusal after %.1f ms, of which killing %.1f\n",
	        (double)refused_us / 1000, (double)(dead_us - killing_us) / 1000);
	cr_expect_lt(refused_us, 500000);
	cr_expect_not(t.seen[0][SERVER_TIMED_OUT]);
	cr_expect(verify_case_fact(0)->known);
	lab_pg_node_start(t.pg, 0);
	verify_case_expect(verify_case_answers, 0);
	cr_expect_eq(verify_case_fact(0)->running, 1);
	verify_case_finish();
}

static int64_t answered_before_us;

static bool answers_anew(int node)
{
	return verify_case_answers(node) &&
	       verify_case_fact(node)->answered_us > answered_before_us;
}

Test(verify, a_session_that_is_terminated_is_no_refusal)
{
	verify_case_start_one();
	for (int i = 0; i < 10; i++) {
		auto_free char *count = NULL;

		answered_before_us = verify_case_fact(0)->answered_us;
		verify_case_run_sql(0, VERIFY_CASE_END_OURS);
		verify_case_expect(answers_anew, 0);
		count = lab_pg_query(lab_pg_conninfo(t.pg, 0), ours);
		cr_expect_str_eq(count, "1");
	}
	for (int class = SERVER_REFUSED; class < SERVER_CLASSES; class ++)
		cr_expect_not(t.seen[0][class], "%s", server_class_name((enum server_class) class));
	verify_case_finish();
}

Test(verify, a_frozen_server_times_out_and_comes_back)
{
	verify_case_start_one();
	t.config.verify_timeout_ms = 300;
	lab_process_freeze(lab_pg_process(t.pg, 0));
	verify_case_expect(is_silent_thrice, 0);
	cr_expect_not(t.seen[0][SERVER_REFUSED]);
	lab_process_thaw(lab_pg_process(t.pg, 0));
	verify_case_expect(verify_case_takes_writes, 0);
	verify_case_finish();
}

/* A smart shutdown waits for the sessions that there are, and lets nobody else in. */
Test(verify, a_server_that_shuts_down_says_so)
{
	PGconn *session;

	verify_case_start_one();
	verify_case_hold_sessions(&session, 1);
	lab_process_signal(lab_pg_process(t.pg, 0), SIGTERM);
	PQclear(PQexec(session, VERIFY_CASE_END_OURS));
	verify_case_expect(starts, 0);
	cr_expect_not_null(strstr(verify_case_fact(0)->problem, "57P03"), "%s",
	                   verify_case_fact(0)->problem);
	PQfinish(session);
	verify_case_expect(verify_case_refuses_thrice, 0);
	cr_expect_not(t.seen[0][SERVER_OTHER]);
	cr_expect_not(t.seen[0][SERVER_DENIED]);
	verify_case_finish();
}

static size_t log_mark; /* what the server had logged before */

static int64_t count_in_log(int node, const char *what)
{
	const char *at = lab_read_file(t.lab, lab_process_log(lab_pg_process(t.pg, node)));
	int64_t count = 0;

	for (at += log_mark; (at = strstr(at, what)) != NULL; at++)
		count++;
	return count;
}

static bool has_all_tripwires(int node)
{
	return count_in_log(node, "connection received") -
	           count_in_log(node, "connection authorized") >=
	       t.config.tripwires;
}

static bool has_ended(int node)
{
	return !lab_process_alive(lab_pg_process(t.pg, node));
}

/* PostgreSQL waits for whoever connects meanwhile and says nothing, until authentication_timeout,
 * which is a minute. */
Test(verify, a_guarded_server_shuts_down_at_once)
{
	verify_case_start_one();
	verify_case_run_sql(0, "ALTER SYSTEM SET log_connections = on");
	verify_case_run_sql(0, "SELECT pg_reload_conf()");
	t.config.tripwires = 3;
	verifier_guard(t.verifier, &t.members[0]);
	for (int i = 0; i < 5; i++) {
		verify_case_expect(verify_case_takes_writes, 0);
		verify_case_expect(has_all_tripwires, 0);
		lab_process_signal(lab_pg_process(t.pg, 0), SIGINT);
		verify_case_expect(has_ended, 0);
		log_mark = strlen(lab_read_file(t.lab, lab_process_log(lab_pg_process(t.pg, 0))));
		lab_pg_node_start(t.pg, 0);
	}
	verify_case_finish();
}

Test(verify, a_server_that_does_not_take_queries_yet_says_so)
{
	auto_free char *file = NULL;

	verify_case_start_pair();
	file = lab_pg_query(lab_pg_conninfo(t.pg, 1),
	                    "SELECT current_setting('data_directory') || '/postgresql.auto.conf'");
	cr_assert_not_null(file);
	lab_write_file(file,
	               lab_printf(t.lab, "%shot_standby = off\n", lab_read_file(t.lab, file)));
	lab_process_kill(lab_pg_process(t.pg, 1));
	lab_pg_node_start(t.pg, 1);
	verify_case_expect(starts, 1);
	cr_expect_not_null(strstr(verify_case_fact(1)->problem, "57P03"), "%s",
	                   verify_case_fact(1)->problem);
	verify_case_finish();
}
