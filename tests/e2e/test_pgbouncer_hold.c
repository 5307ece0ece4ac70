/* The PgBouncer target between two texts: holds that were a false alarm, a primary that has died, a
 * fence. */
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/pgbouncer_target.h"

static struct pgdriver d;

/* A hold is given up after pause_timeout, which a busy machine may take to end all transactions. */
static void setup(void)
{
	pgdriver_init(&d, NULL);
	d.config.pause_timeout_ms = 10000;
}

static void teardown(void)
{
	pgdriver_fini(&d);
}

TestSuite(pgbouncer_driver_hold, .init = setup, .fini = teardown, .timeout = 90);

static char *shown(const char *sql, const char *key_column, const char *key, const char *column)
{
	return lab_pgbouncer_find(d.bouncer, sql, key_column, key, column);
}

static void says_config(const char *key, const char *wanted)
{
	auto_free char *value = shown("SHOW CONFIG", "key", key, "value");

	cr_assert_str_eq(value, wanted, "%s", key);
}

static void be_held(void)
{
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	cr_assert(pgdriver_says(&d, "app", "paused", "1"));
}

static void no_write_failed(void)
{
	traffic_stop(d.traffic);
	cr_assert_eq(traffic_sum(d.traffic).failed, 0, "%s\n%s\n%s", traffic_sum(d.traffic).error,
	             lab_read_file(d.lab, d.log),
	             lab_process_log_tail(lab_pgbouncer_process(d.bouncer)));
}

/* --- a false alarm --- */

static bool works(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;

	PQclear(result);
	return ok;
}

Test(pgbouncer_driver_hold, held_and_let_go_again_and_again_no_write_fails)
{
	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	for (int i = 0; i < 10; i++) {
		be_held();
		says_config("max_db_connections", "0");
		pgdriver_apply(&d, 0);
		cr_assert(pgdriver_leads_to(&d, 0));
		cr_assert(pgdriver_all_served(&d));
	}
	cr_assert_eq(pgdriver_count_log(&d, "to=reloading"), 1, "the first text's");
	no_write_failed();
}

Test(pgbouncer_driver_hold, an_open_transaction_outlives_two_false_alarms)
{
	PGconn *conn;

	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	conn = PQconnectdb(lab_pgbouncer_conninfo(d.bouncer, "app"));
	cr_assert(works(conn, "begin"));
	for (int i = 0; i < 2; i++) {
		pgdriver_hold(&d, 30000);
		cr_assert(pgdriver_wait_paused(&d, "app", true));
		pgdriver_apply(&d, 0);
		cr_assert(pgdriver_says(&d, "app", "paused", "0"));
		cr_assert(works(conn, "insert into writes (client, n) values (-1, 1)"));
	}
	cr_assert(works(conn, "commit"));
	PQfinish(conn);
	cr_assert(pgdriver_all_served(&d));
	no_write_failed();
}

/* Nothing in between: neither the end of the one nor of the other is waited for. */
Test(pgbouncer_driver_hold, calls_in_a_row_end_as_the_last_one_says)
{
	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	for (int i = 0; i < 5; i++) {
		pgdriver_hold(&d, 30000);
		pgdriver_name(&d, 0);
	}
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	cr_assert(pgdriver_says(&d, "app", "paused", "1"));
	for (int i = 0; i < 5; i++) {
		pgdriver_name(&d, 0);
		pgdriver_hold(&d, 30000);
	}
	pgdriver_apply(&d, 0);
	cr_assert(pgdriver_leads_to(&d, 0));
	cr_assert(pgdriver_all_served(&d));
	no_write_failed();
}

/* --- before anything is known --- */

static void is_held_where_it_was(const char *file)
{
	cr_assert(pgdriver_says(&d, "app", "paused", "1"));
	cr_assert(pgdriver_says(&d, "app", "port", lab_printf(d.lab, "%u", lab_pg_port(d.pg, 0))));
	cr_assert_str_eq(lab_read_file(d.lab, d.config.output), file);
	cr_assert_eq(access(d.record, F_OK), 0);
}

static void hold_at_the_start(int node)
{
	const char *file;

	pgdriver_apply(&d, 0);
	file = lab_read_file(d.lab, d.config.output);
	pgdriver_close(&d);
	pgdriver_open(&d);
	pgdriver_name(&d, node);
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	is_held_where_it_was(file);
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
}

Test(pgbouncer_driver_hold, a_hold_right_after_the_first_text_pauses_and_installs_nothing)
{
	hold_at_the_start(0);
}

Test(pgbouncer_driver_hold, a_hold_right_after_a_new_text_pauses_and_installs_nothing)
{
	hold_at_the_start(1);
}

/* --- a primary that has died --- */

/* As the probes do it: the hold comes soon after the death, the new primary a second later. */
static void killed_then_held(int64_t hold_after_ms)
{
	int64_t killed_us, paused_us, before, failed;

	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	killed_us = clock_now_us();
	lab_process_kill(lab_pg_process(d.pg, 0));
	pgdriver_run(&d, hold_after_ms);
	before = traffic_sum(d.traffic).failed;
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_log(&d, "to=draining"));
	paused_us = clock_now_us();
	cr_assert(pgdriver_wait_step(&d, "holding"));
	failed = traffic_sum(d.traffic).failed;
	printf("held %.1f ms after the kill: %d writes failed by then, %d when paused\n",
	       (double)(paused_us - killed_us) / 1000, (int)before, (int)failed);
	pgdriver_run(&d, 1000);
	cr_assert_eq(traffic_sum(d.traffic).failed, failed, "while paused: %s",
	             traffic_sum(d.traffic).error);
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert(pgdriver_all_served(&d));
	traffic_stop(d.traffic);
	cr_assert_eq(traffic_sum(d.traffic).failed, failed, "after the move: %s\n%s",
	             traffic_sum(d.traffic).error, lab_read_file(d.lab, d.log));
}

Test(pgbouncer_driver_hold, killed_and_held_nobody_fails_who_was_not_in_flight)
{
	killed_then_held(50);
	cr_assert_eq(pgdriver_count_log(&d, "event=links_cut"), 0);
}

Test(pgbouncer_driver_hold, the_dead_primary_that_is_named_again_is_dialled_until_it_is_back)
{
	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	lab_process_kill(lab_pg_process(d.pg, 0));
	be_held();
	pgdriver_apply(&d, 0);
	says_config("server_login_retry", "0.1");
	lab_pg_node_start(d.pg, 0);
	cr_assert(pgdriver_all_served(&d));
	cr_assert(pgdriver_leads_to(&d, 0));
}

/* --- a fence --- */

static char *query(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	char *value =
	    PQresultStatus(result) == PGRES_TUPLES_OK ? xstrdup(PQgetvalue(result, 0, 0)) : NULL;

	PQclear(result);
	return value;
}

static void be_fenced(void)
{
	target_fence(d.target, ++d.zxid);
	cr_assert(pgdriver_wait_log(&d, "event=fenced"));
	cr_assert(pgdriver_wait_step(&d, "holding"));
	cr_assert(pgdriver_says(&d, "app", "paused", "1"));
	cr_assert_eq(access(d.record, F_OK), 0);
}

Test(pgbouncer_driver_hold, a_fence_ends_every_session_and_who_comes_waits_for_the_next_primary)
{
	PGconn *idle, *open;
	auto_free char *servers = NULL;

	pgdriver_apply(&d, 0);
	idle = PQconnectdb(lab_pgbouncer_conninfo(d.bouncer, "app"));
	open = PQconnectdb(lab_pgbouncer_conninfo(d.bouncer, "app"));
	cr_assert(works(open, "begin; insert into writes (client, n) values (-1, 1)"));
	pgdriver_start_traffic(&d);
	be_fenced();
	servers = shown("SHOW SERVERS", "database", "app", "state");
	cr_assert_str_eq(servers, "");
	cr_assert_not(works(open, "commit"), "on the fenced primary");
	cr_assert_null(query(idle, "select 1"));
	PQfinish(idle);
	PQfinish(open);
	pgdriver_run(&d, 500);
	cr_assert(pgdriver_says(&d, "app", "paused", "1"));
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert(pgdriver_all_served(&d));
	traffic_stop(d.traffic);
	cr_assert_leq(traffic_sum(d.traffic).failed, PGDRIVER_CLIENTS, "each once at most: %s",
	              traffic_sum(d.traffic).error);
	cr_assert_neq(access(d.record, F_OK), 0);
}

Test(pgbouncer_driver_hold, a_hold_becomes_a_fence_and_no_later_hold_ends_it)
{
	pgdriver_apply(&d, 0);
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	target_fence(d.target, d.zxid);
	cr_assert(pgdriver_wait_log(&d, "event=fenced"));
	pgdriver_hold(&d, 100);
	target_fence(d.target, d.zxid - 1);
	pgdriver_run(&d, 400);
	cr_assert(pgdriver_says(&d, "app", "paused", "1"));
	cr_assert_eq(pgdriver_count_log(&d, "event=hold_over"), 0);
	cr_assert_eq(pgdriver_count_log(&d, "event=fenced"), 1, "its repetition is none");
	pgdriver_apply(&d, 0);
	cr_assert(pgdriver_leads_to(&d, 0));
}

Test(pgbouncer_driver_hold, a_fence_is_put_up_again_when_pgbouncer_has_restarted)
{
	pgdriver_apply(&d, 0);
	be_fenced();
	lab_process_kill(lab_pgbouncer_process(d.bouncer));
	lab_pgbouncer_start(d.bouncer);
	cr_assert(pgdriver_wait_paused(&d, "app", true));
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
}

Test(pgbouncer_driver_hold, a_fence_reaches_a_frozen_primary_and_what_a_person_paused)
{
	d.databases = 2;
	pgdriver_apply(&d, 0);
	pgdriver_command(&d, "PAUSE app1");
	pgdriver_start_traffic(&d);
	lab_process_freeze(lab_pg_process(d.pg, 0));
	be_fenced();
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert(pgdriver_says(&d, "app1", "paused", "1"), "a person's");
	cr_assert(pgdriver_all_served(&d));
	lab_process_thaw(lab_pg_process(d.pg, 0));
}

static void is_fenced_and_noted(void)
{
	cr_assert(pgdriver_says(&d, "app", "paused", "1"));
	cr_assert_eq(access(d.record, F_OK), 0);
}

static void is_left_fenced(void)
{
	pgdriver_close(&d);
	cr_assert_eq(pgdriver_count_log(&d, "event=left_fenced"), 1);
	is_fenced_and_noted();
	pgdriver_open(&d);
	pgdriver_hold(&d, 10);
	pgdriver_run(&d, 300); /* the hold is over by then, and does not count */
	is_fenced_and_noted();
	cr_assert_eq(pgdriver_count_log(&d, "event=hold_over"), 0);
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert_neq(access(d.record, F_OK), 0);
}

Test(pgbouncer_driver_hold, the_end_of_the_target_leaves_a_fence_for_the_next_primary)
{
	pgdriver_apply(&d, 0);
	be_fenced();
	is_left_fenced();
}

Test(pgbouncer_driver_hold, a_fence_that_was_a_hold_before_is_left_too)
{
	pgdriver_apply(&d, 0);
	be_held();
	be_fenced();
	is_left_fenced();
}

Test(pgbouncer_driver_hold, the_end_of_the_target_ends_a_hold)
{
	pgdriver_apply(&d, 0);
	be_held();
	pgdriver_close(&d);
	cr_assert(pgdriver_leads_to(&d, 0));
	cr_assert_neq(access(d.record, F_OK), 0);
	pgdriver_open(&d);
}

Test(pgbouncer_driver_hold, the_looks_at_who_waits_are_no_lines_of_the_log)
{
	int steps;

	pgdriver_apply(&d, 0);
	be_held();
	steps = pgdriver_count_log(&d, "level=info event=step");
	pgdriver_run(&d, 2500); /* two of them */
	cr_assert_eq(pgdriver_count_log(&d, "level=info event=step"), steps);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	pgdriver_apply(&d, 0);
}

/* --- what is SET is put back --- */

static void crash_with_a_limit(void)
{
	pgdriver_apply(&d, 0);
	pgdriver_close(&d);
	pgdriver_command(&d, "SET max_db_connections='1'");
	pgdriver_command(&d, "SET min_pool_size='0'");
	pgdriver_command(&d, "PAUSE app");
	lab_write_file(
	    d.record,
	    "{\"databases\": [\"app\"], \"max_db_connections\": 0, \"min_pool_size\": 3}\n");
	pgdriver_open(&d);
}

Test(pgbouncer_driver_hold, killed_with_logins_limited_its_next_life_allows_them_again)
{
	crash_with_a_limit();
	cr_assert(pgdriver_wait_log(&d, "to=unlimiting"));
	cr_assert(pgdriver_wait_step(&d, "holding"));
	says_config("max_db_connections", "0");
	cr_assert(pgdriver_says(&d, "app", "paused", "1"));
}

Test(pgbouncer_driver_hold, killed_with_logins_limited_a_resume_allows_them_again)
{
	crash_with_a_limit();
	pgdriver_close(&d);
	says_config("max_db_connections", "0");
	says_config("min_pool_size", "3");
	cr_assert(pgdriver_leads_to(&d, 0));
	pgdriver_open(&d);
}

/* --- min_pool_size: PgBouncer would log in to paused databases, and cut these logins --- */

static unsigned count_cut(void)
{
	const char *path = lab_process_log(lab_pgbouncer_process(d.bouncer));
	const char *log = lab_read_file(d.lab, path);
	unsigned count = 0;

	for (const char *at = log; (at = strstr(at, "closing because: pause mode")) != NULL; at++)
		count++;
	return count;
}

#define JANITOR_MS 333 /* PgBouncer looks at min_pool_size this often */

static void is_calm_for_three_rounds(void)
{
	unsigned cut;

	cr_assert(pgdriver_wait_step(&d, "holding"));
	says_config("min_pool_size", "0");
	cut = count_cut();
	pgdriver_run(&d, INT64_C(3) * JANITOR_MS);
	cr_assert_eq(count_cut(), cut);
}

Test(pgbouncer_driver_hold, with_a_min_pool_size_no_login_is_cut_in_a_hold)
{
	pgdriver_fini(&d);
	pgdriver_init(&d, "min_pool_size = 2\nlog_disconnections = 1\nserver_login_retry = 1\n");
	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	be_held();
	is_calm_for_three_rounds();
	pgdriver_apply(&d, 0);
	cr_assert(pgdriver_all_served(&d));
	cr_assert(pgdriver_wait_log(&d, "to=restoring"));
	cr_assert(pgdriver_wait_step(&d, "idle"));
	says_config("min_pool_size", "2");
	no_write_failed();
}

/* PAUSE does not wait for the SET then, and RELOAD restores the file's value in the middle. */
Test(pgbouncer_driver_hold, with_a_min_pool_size_and_a_dead_primary_nor_is_one)
{
	pgdriver_fini(&d);
	pgdriver_init(&d, "min_pool_size = 2\nlog_disconnections = 1\n");
	pgdriver_apply(&d, 0);
	lab_process_kill(lab_pg_process(d.pg, 0));
	be_held();
	is_calm_for_three_rounds();
	pgdriver_name(&d, 1);
	pgdriver_hold(&d, 30000);
	is_calm_for_three_rounds();
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
}

/* --- what somebody takes away meanwhile --- */

static bool writes(void)
{
	PGconn *conn = PQconnectdb(lab_pgbouncer_conninfo(d.bouncer, "app"));
	bool ok = works(conn, "insert into writes (client, n) values (-1, 1)");

	if (!ok)
		printf("%s\n", PQerrorMessage(conn));
	PQfinish(conn);
	return ok;
}

static bool file_is(const char *text)
{
	return access(d.config.output, F_OK) == 0 &&
	       strcmp(lab_read_file(d.lab, d.config.output), text) == 0;
}

static void wait_for_file(const char *text)
{
	int64_t until = clock_now_ms() + PGDRIVER_TIMEOUT_MS;

	while (!file_is(text) && clock_now_ms() < until)
		pgdriver_run(&d, 20);
	cr_assert(file_is(text), "%s", lab_read_file(d.lab, d.log));
}

/* Who comes from here on waits, and is served by the next primary; returns how it went. */
static int late_client(void *arg)
{
	(void)arg;
	return writes() ? 0 : 1;
}

static void late_client_waits_for_next(void)
{
	struct lab_process *late = lab_fork(d.lab, "late", late_client, NULL);

	pgdriver_run(&d, 1500);
	cr_assert(lab_process_alive(late), "it waits: %s", lab_process_log_tail(late));
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert(lab_process_wait(late, PGDRIVER_TIMEOUT_MS));
	cr_assert_eq(lab_process_exit_code(late), 0, "%s", lab_process_log_tail(late));
}

static void is_held_again(const char *text)
{
	wait_for_file(text);
	cr_assert(pgdriver_wait_paused(&d, "app", true));
	cr_assert(pgdriver_wait_step(&d, "holding"));
	cr_assert(pgdriver_wait_log(&d, "event=drift"));
	cr_assert_eq(access(d.record, F_OK), 0);
	cr_assert(pgdriver_says(&d, "app", "port", lab_printf(d.lab, "%u", lab_pg_port(d.pg, 0))));
	late_client_waits_for_next();
}

static const char *hold_and_know_file(void)
{
	pgdriver_apply(&d, 0);
	be_held();
	return lab_read_file(d.lab, d.config.output);
}

Test(pgbouncer_driver_hold, a_file_that_is_emptied_and_reloaded_in_a_hold_is_put_right)
{
	const char *text = hold_and_know_file();

	lab_write_file(d.config.output, "[databases]\n");
	pgdriver_command(&d, "RELOAD");
	is_held_again(text);
}

Test(pgbouncer_driver_hold, a_file_that_is_removed_and_reloaded_in_a_hold_is_put_right)
{
	const char *text = hold_and_know_file();

	cr_assert_eq(unlink(d.config.output), 0);
	pgdriver_command(&d, "RELOAD");
	is_held_again(text);
}

/* Without the file PgBouncer does not start. */
Test(pgbouncer_driver_hold, a_file_that_is_removed_in_a_hold_is_back_for_pgbouncers_start)
{
	const char *text = hold_and_know_file();

	lab_process_kill(lab_pgbouncer_process(d.bouncer));
	cr_assert_eq(unlink(d.config.output), 0);
	wait_for_file(text);
	lab_pgbouncer_start(d.bouncer);
	is_held_again(text);
}

Test(pgbouncer_driver_hold, a_file_that_is_emptied_before_a_restart_in_a_hold_is_put_right)
{
	const char *text = hold_and_know_file();

	lab_process_kill(lab_pgbouncer_process(d.bouncer));
	lab_write_file(d.config.output, "[databases]\n");
	lab_pgbouncer_start(d.bouncer);
	is_held_again(text);
}

Test(pgbouncer_driver_hold, an_address_that_a_person_writes_and_reloads_in_a_hold_is_put_right)
{
	const char *text = hold_and_know_file();

	lab_write_file(
	    d.config.output,
	    lab_printf(d.lab, "[databases]\napp = host=127.0.0.1 port=%u\n", lab_pg_port(d.pg, 1)));
	pgdriver_command(&d, "RELOAD");
	is_held_again(text);
}

Test(pgbouncer_driver_hold, of_two_databases_one_is_dropped_in_a_hold_and_the_other_stays_paused)
{
	const char *text;

	d.databases = 2;
	text = hold_and_know_file();
	lab_write_file(d.config.output,
	               lab_printf(d.lab, "[databases]\napp1 = host=127.0.0.1 port=%u\n",
	                          lab_pg_port(d.pg, 0)));
	pgdriver_command(&d, "RELOAD");
	is_held_again(text);
	cr_assert(pgdriver_says(&d, "app1", "paused", "0"));
}

Test(pgbouncer_driver_hold, what_a_person_resumes_in_a_hold_is_paused_again)
{
	pgdriver_apply(&d, 0);
	be_held();
	pgdriver_command(&d, "RESUME app");
	cr_assert(pgdriver_wait_paused(&d, "app", true));
	cr_assert(pgdriver_wait_step(&d, "holding"));
	cr_assert_eq(access(d.record, F_OK), 0);
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
}

Test(pgbouncer_driver_hold, a_file_that_is_not_included_any_more_is_told_and_the_hold_stays)
{
	const char *main_file = lab_pgbouncer_main_file(d.bouncer), *whole;

	hold_and_know_file();
	whole = lab_read_file(d.lab, main_file);
	lab_write_file(main_file, strchr(whole, '\n') + 1);
	pgdriver_command(&d, "RELOAD");
	cr_assert(pgdriver_wait_log(&d, "event=pgbouncer_ini_broken"));
	cr_assert(pgdriver_wait_problem(&d, "%include"));
	lab_write_file(main_file, whole);
	cr_assert(pgdriver_wait_paused(&d, "app", true));
	cr_assert(pgdriver_wait_step(&d, "holding"));
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
}

/* As when Patroni's settings have changed meanwhile. */
Test(pgbouncer_driver_hold, the_same_hold_said_again_has_the_new_time)
{
	pgdriver_apply(&d, 0);
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	target_hold(d.target, d.zxid, 100, false);
	cr_assert(pgdriver_wait_log(&d, "event=hold_over"));
	target_hold(d.target, d.zxid, 30000, false); /* what is over stays over */
	cr_assert(pgdriver_wait_paused(&d, "app", false));
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
}
