/* The PgBouncer target against a real PgBouncer with two real servers behind it. */
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cluster/target_kinds.h"
#include "fixtures/pgbouncer_target.h"

static struct pgdriver d;

static void setup(void)
{
	pgdriver_init(&d, NULL);
}

static void teardown(void)
{
	pgdriver_fini(&d);
}

TestSuite(pgbouncer_driver, .init = setup, .fini = teardown, .timeout = 90);

static bool nothing_is_noted(void)
{
	return access(d.record, F_OK) != 0;
}

Test(pgbouncer_driver, first_text_is_installed_and_reloaded)
{
	pgdriver_apply(&d, 0);
	cr_assert(pgdriver_leads_to(&d, 0));
	cr_assert_eq(
	    pgdriver_count_log(&d, "event=moved cluster=orders target=pgbouncer/local zxid=101"),
	    1);
	cr_assert_eq(pgdriver_count_log(&d, "to=pausing"), 0);
	cr_assert(nothing_is_noted());
}

Test(pgbouncer_driver, straight_move_fails_no_write)
{
	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	for (int i = 1; i <= 10; i++) {
		pgdriver_apply(&d, i % 2);
		cr_assert(pgdriver_leads_to(&d, i % 2));
		cr_assert(pgdriver_all_served(&d));
		cr_assert(nothing_is_noted());
	}
	traffic_stop(d.traffic);
	if (traffic_sum(d.traffic).failed != 0)
		printf("%s\n%s\n", lab_read_file(d.lab, d.log),
		       lab_process_log_tail(lab_pgbouncer_process(d.bouncer)));
	cr_assert_eq(traffic_sum(d.traffic).failed, 0, "%s", traffic_sum(d.traffic).error);
}

/* By the server: a client may count an answer late. */
static char *rows_of_old_primary(void)
{
	char *rows = lab_pg_query(lab_pg_conninfo(d.pg, 0), "select count(*) from writes");

	cr_assert_not_null(rows);
	return rows;
}

Test(pgbouncer_driver, planned_move_holds_clients_until_the_new_primary_is_named)
{
	auto_free char *before = NULL;
	auto_free char *after = NULL;

	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	cr_assert(pgdriver_says(&d, "app", "paused", "1"));
	cr_assert_not(nothing_is_noted());
	before = rows_of_old_primary();
	pgdriver_run(&d, 200);
	after = rows_of_old_primary();
	cr_assert_str_eq(after, before, "written during the hold");
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert(pgdriver_all_served(&d));
	traffic_stop(d.traffic);
	cr_assert_eq(traffic_sum(d.traffic).failed, 0, "%s", traffic_sum(d.traffic).error);
	cr_assert(nothing_is_noted());
}

Test(pgbouncer_driver, hold_that_ends_with_the_same_primary_needs_no_reload)
{
	pgdriver_apply(&d, 0);
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	pgdriver_apply(&d, 0);
	cr_assert(pgdriver_leads_to(&d, 0));
	cr_assert_eq(pgdriver_count_log(&d, "to=reloading"), 1, "the first text's");
}

Test(pgbouncer_driver, hold_is_over_and_its_repetition_is_none)
{
	pgdriver_apply(&d, 0);
	pgdriver_hold(&d, 300);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	cr_assert(pgdriver_wait_log(&d, "event=hold_over"));
	cr_assert(pgdriver_wait_paused(&d, "app", false));
	target_hold(d.target, d.zxid, 30000, false);
	pgdriver_run(&d, 100);
	cr_assert(pgdriver_leads_to(&d, 0));
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
}

Test(pgbouncer_driver, killed_primary_is_left_without_waiting_for_server_login_retry)
{
	int64_t started;

	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	lab_process_kill(lab_pg_process(d.pg, 0));
	started = clock_now_ms();
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_all_served(&d));
	cr_assert_lt(clock_now_ms() - started, 5000);
	cr_assert(pgdriver_leads_to(&d, 1));
}

static bool has_stuck_links(void *arg)
{
	auto_free char *active =
	    lab_pgbouncer_find(d.bouncer, "SHOW POOLS", "database", "app", "sv_active");

	(void)arg;
	return active != NULL &&
	       atoi(active) > 0; /* NOLINT(cert-err34-c): PgBouncer's own number */
}

Test(pgbouncer_driver, frozen_primary_has_its_links_cut)
{
	pgdriver_apply(&d, 0);
	pgdriver_start_traffic(&d);
	lab_process_freeze(lab_pg_process(d.pg, 0));
	cr_assert(lab_wait_until(has_stuck_links, NULL, 5000));
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert_geq(pgdriver_count_log(&d, "event=links_cut"), 1);
	cr_assert(pgdriver_all_served(&d));
	traffic_stop(d.traffic);
	cr_assert_leq(traffic_sum(d.traffic).failed, PGDRIVER_CLIENTS);
	lab_process_thaw(lab_pg_process(d.pg, 0));
}

/* --- a transaction that does not end --- */

static PGconn *open_transaction(void)
{
	PGconn *conn = PQconnectdb(lab_pgbouncer_conninfo(d.bouncer, "app"));
	PGresult *result = PQexec(conn, "begin; insert into writes (client, n) values (-1, 1)");

	cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
	PQclear(result);
	return conn;
}

static bool commits(PGconn *conn)
{
	PGresult *result = PQexec(conn, "commit");
	bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;

	PQclear(result);
	PQfinish(conn);
	return ok;
}

Test(pgbouncer_driver, hold_is_given_up_for_a_transaction_on_a_primary_that_lives)
{
	PGconn *conn;

	pgdriver_apply(&d, 0);
	conn = open_transaction();
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_log(&d, "event=hold_aborted"));
	cr_assert(pgdriver_wait_paused(&d, "app", false));
	cr_assert(commits(conn));
	cr_assert(pgdriver_leads_to(&d, 0));
	cr_assert(pgdriver_wait_step(&d, "idle"));
	cr_assert(nothing_is_noted());
}

Test(pgbouncer_driver, move_cuts_a_transaction_that_outlives_pause_timeout)
{
	PGconn *conn;

	pgdriver_apply(&d, 0);
	conn = open_transaction();
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert_not(commits(conn), "on the old primary");
	cr_assert_eq(pgdriver_count_log(&d, "event=links_cut"), 1);
	cr_assert_neq(pgdriver_count_log(&d, "old_primary=alive"), 0);
}

static unsigned old_sessions(void)
{
	struct target_status status;

	target_status(d.target, &status);
	return (unsigned)status.old_sessions;
}

/* A disabled database is moved without PAUSE, so its transactions go on on the old primary. */
Test(pgbouncer_driver, old_sessions_are_counted_until_the_last_one_has_ended)
{
	PGconn *conn;

	pgdriver_apply(&d, 0);
	conn = open_transaction();
	pgdriver_command(&d, "DISABLE app");
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_wait_log(&d, "event=servers_left"));
	cr_expect_eq(old_sessions(), 1);
	cr_assert(commits(conn));
	for (int i = 0; i < 200 && old_sessions() > 0; i++)
		pgdriver_run(&d, 50);
	cr_expect_eq(old_sessions(), 0);
	cr_expect_eq(pgdriver_count_log(&d, "event=servers_left"), 1);
}

/* --- the end of a target --- */

Test(pgbouncer_driver, its_end_in_a_hold_lets_clients_go)
{
	pgdriver_apply(&d, 0);
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	pgdriver_close(&d);
	cr_assert(pgdriver_leads_to(&d, 0));
	cr_assert(nothing_is_noted());
	pgdriver_open(&d);
}

/* As a reload of segue.ini does it: the new one is there before the old one ends. */
Test(pgbouncer_driver, its_successor_takes_the_hold_over)
{
	struct target *old;

	pgdriver_apply(&d, 0);
	pgdriver_hold(&d, 30000);
	cr_assert(pgdriver_wait_step(&d, "holding"));
	old = d.target;
	d.target = target_create(d.hub, &d.config, lab_path(d.lab, "state"), NULL, NULL);
	target_destroy(old);
	cr_assert(pgdriver_says(&d, "app", "paused", "1"));
	pgdriver_run(&d, 100);
	cr_assert(pgdriver_says(&d, "app", "paused", "1"));
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert(nothing_is_noted());
}

Test(pgbouncer_driver, a_hundred_databases_move_in_one_go)
{
	d.databases = 100;
	pgdriver_apply(&d, 0);
	pgdriver_apply(&d, 1);
	cr_assert(pgdriver_leads_to(&d, 1));
	cr_assert(pgdriver_says(&d, "app99", "paused", "0"));
	cr_assert(
	    pgdriver_says(&d, "app99", "port", lab_printf(d.lab, "%u", lab_pg_port(d.pg, 1))));
	cr_assert(nothing_is_noted());
}
