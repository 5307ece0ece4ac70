/* segue run and PgBouncer under traffic: the ways in which a primary goes, in transaction and in
 * session pooling. The rows judge: none that was acknowledged is lost, none is written on the old
 * primary once the new one has had its first. */
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/pgbouncer_stage.h"

TestSuite(run_pgbouncer, .timeout = 120);

static const struct pgbouncer_stage_options independent = {0};
static const struct pgbouncer_stage_options with_standby = {.standby = true};
static const struct pgbouncer_stage_options session = {.settings = BOUNCE_SESSION};
/* PgBouncer looks three times a second for sessions to end, and ends those that are between two
 * queries just then: on a busy machine that takes many looks. */
static const struct pgbouncer_stage_options session_with_standby = {
    .settings = BOUNCE_SESSION, .target = "pause_timeout = 20s\n", .standby = true};

static void be_moved(struct pgbouncer_stage *pgbouncer_stage, int64_t zxid)
{
	cr_assert(pgbouncer_stage_wait_moved(pgbouncer_stage, 0, zxid), "%s",
	          lab_process_log_tail(lab_segue_process(pgbouncer_stage->segue)));
	cr_assert(pgbouncer_stage_leads_to(pgbouncer_stage, 0, 1));
}

/* The znode names nobody, the old primary gets no more writes, the new one is promoted and named.
 * The old one is alive all the time: only the pause keeps writes away from it. */
static void planned_move(const struct pgbouncer_stage_options *options, int64_t failed_max)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage, options);
	pgbouncer_stage_name(&pgbouncer_stage, -1);
	cr_assert(pgbouncer_stage_wait_drained(&pgbouncer_stage, 0), "%s",
	          lab_process_log_tail(lab_segue_process(pgbouncer_stage.segue)));
	pgbouncer_stage_promote(&pgbouncer_stage);
	be_moved(&pgbouncer_stage, pgbouncer_stage_name(&pgbouncer_stage, 1));
	pgbouncer_stage_judge(&pgbouncer_stage, failed_max);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer, planned_no_write_fails)
{
	planned_move(&with_standby, 0);
}

/* In session pooling a client cannot be moved without being told, once. */
Test(run_pgbouncer, planned_in_session_pooling_each_client_fails_once_at_most)
{
	planned_move(&session_with_standby, BOUNCE_CLIENTS);
}

static void straight_move(const struct pgbouncer_stage_options *options, int64_t failed_max)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage, options);
	be_moved(&pgbouncer_stage, pgbouncer_stage_name(&pgbouncer_stage, 1));
	pgbouncer_stage_judge(&pgbouncer_stage, failed_max);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer, from_one_live_primary_to_another_no_write_fails)
{
	straight_move(&independent, 0);
}

Test(run_pgbouncer, from_one_live_primary_to_another_in_session_pooling)
{
	straight_move(&session, BOUNCE_CLIENTS);
}

/* Synchronous replication: what was acknowledged is on the standby. PgBouncer refuses clients by
 * itself while it believes that the server is down; that ends with the move, at once and not after
 * server_login_retry. */
static void killed_primary(const char *settings)
{
	struct pgbouncer_stage pgbouncer_stage;
	int64_t named_us, failed;

	pgbouncer_stage_start(&pgbouncer_stage,
	                      &(struct pgbouncer_stage_options){
	                          .settings = settings, .standby = true, .synchronous = true});
	cr_assert(pgbouncer_stage_wait_restored(&pgbouncer_stage, 0));
	lab_process_kill(lab_pg_process(pgbouncer_stage.pg, 0));
	lab_pg_promote(pgbouncer_stage.pg, 1);
	named_us = clock_now_us();
	be_moved(&pgbouncer_stage, pgbouncer_stage_name(&pgbouncer_stage, 1));
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	failed = traffic_sum(pgbouncer_stage.traffic).failed;
	cr_assert_lt(traffic_all_there_us(pgbouncer_stage.traffic, 1) - named_us, 5000000,
	             "server_login_retry was waited for");
	pgbouncer_stage_judge(&pgbouncer_stage, failed);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer, primary_killed_no_write_fails_once_clients_are_served)
{
	killed_primary(NULL);
}

Test(run_pgbouncer, primary_killed_in_session_pooling)
{
	killed_primary(BOUNCE_SESSION);
}

static bool query(PGconn *conn)
{
	PGresult *result = PQexec(conn, "select 1");
	bool ok = PQresultStatus(result) == PGRES_TUPLES_OK;

	PQclear(result);
	return ok;
}

static PGconn *must_connect(const struct pgbouncer_stage *pgbouncer_stage)
{
	PGconn *conn = PQconnectdb(lab_pgbouncer_conninfo(pgbouncer_stage->bouncers[0], "app"));

	cr_assert_eq(PQstatus(conn), CONNECTION_OK, "%s", PQerrorMessage(conn));
	cr_assert(query(conn), "%s", PQerrorMessage(conn));
	return conn;
}

static bool has_server(void *arg)
{
	const struct pgbouncer_stage *pgbouncer_stage = arg;
	auto_free char *idle = lab_pgbouncer_find(pgbouncer_stage->bouncers[0], "SHOW POOLS",
	                                          "database", "app", "sv_idle");

	return idle != NULL && strcmp(idle, "1") == 0;
}

/* While a login is refused, and a client waits for the next. Who comes before the refusal waits,
 * too. */
static bool turns_away(void *arg)
{
	const struct pgbouncer_stage *pgbouncer_stage = arg;
	PGconn *conn = PQconnectdb(lab_pgbouncer_conninfo(pgbouncer_stage->bouncers[0], "app"));
	struct pollfd answer = {.fd = PQsocket(conn), .events = POLLIN};
	PGresult *result = NULL;
	bool turned_away;

	if (PQstatus(conn) == CONNECTION_OK && PQsendQuery(conn, "select 1") &&
	    poll(&answer, 1, 500) == 1)
		result = PQgetResult(conn);
	turned_away = strstr(PQresultErrorMessage(result), "server login has been failing") != NULL;
	PQclear(result);
	PQfinish(conn);
	return turned_away;
}

/* A login was refused when the primary died, and after the move nobody asks for anything: the first
 * who does is not turned away for that. */
Test(run_pgbouncer, primary_killed_a_client_that_was_idle_is_served_though_nobody_waits)
{
	struct pgbouncer_stage pgbouncer_stage;
	PGconn *idle, *other;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){
	                                            .standby = true, .no_traffic = true});
	idle = must_connect(&pgbouncer_stage);
	other = must_connect(&pgbouncer_stage);
	pgbouncer_stage_catch_up(&pgbouncer_stage);
	lab_process_kill(lab_pg_process(pgbouncer_stage.pg, 0));
	cr_assert(PQsendQuery(other, "select 1"), "%s", PQerrorMessage(other));
	cr_assert(lab_wait_until(turns_away, &pgbouncer_stage, BOUNCE_TIMEOUT_MS));
	PQfinish(other);
	lab_pg_promote(pgbouncer_stage.pg, 1);
	be_moved(&pgbouncer_stage, pgbouncer_stage_name(&pgbouncer_stage, 1));
	cr_assert(lab_wait_until(has_server, &pgbouncer_stage, BOUNCE_TIMEOUT_MS),
	          "nobody logged in");
	cr_assert(query(idle), "%s", PQerrorMessage(idle));
	cr_assert(pgbouncer_stage_wait_restored(&pgbouncer_stage, 0));
	PQfinish(idle);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* It takes connections and never answers. What was in flight is cut, and no client hears of the old
 * primary again when it thaws. */
static void frozen_primary(const struct pgbouncer_stage_options *options)
{
	struct pgbouncer_stage pgbouncer_stage;
	struct traffic_client moved;

	pgbouncer_stage_start(&pgbouncer_stage, options);
	lab_process_freeze(lab_pg_process(pgbouncer_stage.pg, 0));
	be_moved(&pgbouncer_stage, pgbouncer_stage_name(&pgbouncer_stage, 1));
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	moved = traffic_sum(pgbouncer_stage.traffic);
	lab_process_thaw(lab_pg_process(pgbouncer_stage.pg, 0));
	cr_assert(lab_pg_wait_recovery(pgbouncer_stage.pg, 0, false, BOUNCE_TIMEOUT_MS));
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	cr_assert_eq(traffic_sum(pgbouncer_stage.traffic).ok[0], moved.ok[0]);
	traffic_stop(pgbouncer_stage.traffic);
	cr_assert_leq(traffic_sum(pgbouncer_stage.traffic).failed, BOUNCE_CLIENTS);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer, primary_frozen)
{
	frozen_primary(&independent);
}

Test(run_pgbouncer, primary_frozen_in_session_pooling)
{
	frozen_primary(&session);
}

/* A transaction that a client keeps open on node 0. */
static PGconn *open_transaction(struct pgbouncer_stage *pgbouncer_stage)
{
	PGconn *conn = PQconnectdb(lab_pgbouncer_conninfo(pgbouncer_stage->bouncers[0], "app"));
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

/* Nobody may be kept waiting for it for ever: the planned move is given up, and works once the
 * transaction is over. */
Test(run_pgbouncer, planned_an_open_transaction_that_outlives_pause_timeout_lets_clients_go_on)
{
	struct pgbouncer_stage pgbouncer_stage;
	PGconn *conn;

	pgbouncer_stage_start(&pgbouncer_stage,
	                      &(struct pgbouncer_stage_options){
	                          .standby = true, .target = "pause_timeout = 500ms\n"});
	conn = open_transaction(&pgbouncer_stage);
	lab_segue_mark(pgbouncer_stage.segue);
	pgbouncer_stage_name(&pgbouncer_stage, -1);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "target=pgbouncer/local ", "level=warning", NULL));
	cr_assert(pgbouncer_stage_wait_paused(&pgbouncer_stage, 0, false));
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	cr_assert(commits(conn));
	pgbouncer_stage_name(&pgbouncer_stage, -1);
	cr_assert(pgbouncer_stage_wait_drained(&pgbouncer_stage, 0));
	pgbouncer_stage_promote(&pgbouncer_stage);
	be_moved(&pgbouncer_stage, pgbouncer_stage_name(&pgbouncer_stage, 1));
	pgbouncer_stage_judge(&pgbouncer_stage, 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* The primary HAS changed: what the transaction writes on the old one would be lost. */
Test(run_pgbouncer, straight_an_open_transaction_that_outlives_pause_timeout_is_cut)
{
	struct pgbouncer_stage pgbouncer_stage;
	PGconn *conn;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){
	                                            .target = "pause_timeout = 500ms\n"});
	conn = open_transaction(&pgbouncer_stage);
	be_moved(&pgbouncer_stage, pgbouncer_stage_name(&pgbouncer_stage, 1));
	cr_assert_not(commits(conn));
	pgbouncer_stage_judge(&pgbouncer_stage, BOUNCE_CLIENTS);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer, a_hold_that_ends_with_the_same_primary_fails_no_write)
{
	struct pgbouncer_stage pgbouncer_stage;
	int64_t served;

	pgbouncer_stage_start(&pgbouncer_stage, &independent);
	pgbouncer_stage_name(&pgbouncer_stage, -1);
	cr_assert(pgbouncer_stage_wait_drained(&pgbouncer_stage, 0));
	served = traffic_sum(pgbouncer_stage.traffic).ok[0];
	pgbouncer_stage_name(&pgbouncer_stage, 0);
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 0));
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	traffic_stop(pgbouncer_stage.traffic);
	cr_assert_gt(traffic_sum(pgbouncer_stage.traffic).ok[0], served);
	cr_assert_eq(traffic_sum(pgbouncer_stage.traffic).failed, 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer, a_hold_is_over_after_hold_timeout_and_a_later_primary_is_taken)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage,
	                      &(struct pgbouncer_stage_options){.cluster = "hold_timeout = 1s\n"});
	pgbouncer_stage_name(&pgbouncer_stage, -1);
	cr_assert(pgbouncer_stage_wait_drained(&pgbouncer_stage, 0));
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=hold_over ", "target=pgbouncer/local", NULL));
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 0));
	be_moved(&pgbouncer_stage, pgbouncer_stage_name(&pgbouncer_stage, 1));
	pgbouncer_stage_judge(&pgbouncer_stage, 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer, back_and_forth_no_write_fails)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage, &independent);
	for (int i = 1; i <= 10; i++) {
		cr_assert(pgbouncer_stage_wait_moved(&pgbouncer_stage, 0,
		                                     pgbouncer_stage_name(&pgbouncer_stage, i % 2)),
		          "%d", i);
		cr_assert(pgbouncer_stage_leads_to(&pgbouncer_stage, 0, i % 2), "%d", i);
		cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	}
	traffic_stop(pgbouncer_stage.traffic);
	cr_assert_eq(traffic_sum(pgbouncer_stage.traffic).failed, 0, "%s",
	             traffic_sum(pgbouncer_stage.traffic).error);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer, a_hundred_databases_move_together)
{
	struct pgbouncer_stage pgbouncer_stage;
	int64_t zxid;

	pgbouncer_stage_start(&pgbouncer_stage,
	                      &(struct pgbouncer_stage_options){.databases = 100});
	zxid = pgbouncer_stage_name(&pgbouncer_stage, 1);
	be_moved(&pgbouncer_stage, zxid);
	for (int i = 1; i < pgbouncer_stage.databases; i++) {
		const char *name = lab_printf(pgbouncer_stage.lab, "app%d", i);

		cr_assert(lab_pgbouncer_says(pgbouncer_stage.bouncers[0], name, "paused", "0"),
		          "%s", name);
		cr_assert(lab_pgbouncer_says(pgbouncer_stage.bouncers[0], name, "port",
		                             lab_printf(pgbouncer_stage.lab, "%u",
		                                        lab_pg_port(pgbouncer_stage.pg, 1))),
		          "%s", name);
	}
	pgbouncer_stage_judge(&pgbouncer_stage, 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* The second one is held up by a transaction for longer than the first one takes. */
Test(run_pgbouncer, two_of_them_move_in_parallel)
{
	struct pgbouncer_stage pgbouncer_stage;
	PGconn *conn;
	int64_t zxid;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){.bouncers = 2});
	conn = PQconnectdb(lab_pgbouncer_conninfo(pgbouncer_stage.bouncers[1], "app"));
	PQclear(PQexec(conn, "begin; insert into writes (client, n) values (-1, 1)"));
	zxid = pgbouncer_stage_name(&pgbouncer_stage, 1);
	be_moved(&pgbouncer_stage, zxid);
	cr_assert_not(pgbouncer_stage_leads_to(&pgbouncer_stage, 1, 1),
	              "the first one did not wait for the second");
	cr_assert(pgbouncer_stage_wait_moved(&pgbouncer_stage, 1, zxid));
	cr_assert(pgbouncer_stage_leads_to(&pgbouncer_stage, 1, 1));
	PQfinish(conn);
	pgbouncer_stage_judge(&pgbouncer_stage, 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* The kernel deals the clients out between them: one that is left behind would write on db0. */
Test(run_pgbouncer, two_that_share_a_port_move_both)
{
	struct pgbouncer_stage pgbouncer_stage;
	int64_t zxid;

	pgbouncer_stage_start(&pgbouncer_stage,
	                      &(struct pgbouncer_stage_options){.settings = "so_reuseport = 1\n",
	                                                        .bouncers = 2,
	                                                        .share_port = true});
	pgbouncer_stage_name(&pgbouncer_stage,
	                     -1); /* in one go, one would move while the other still drains */
	for (int i = 0; i < 2; i++)
		cr_assert(pgbouncer_stage_wait_drained(&pgbouncer_stage, i));
	zxid = pgbouncer_stage_name(&pgbouncer_stage, 1);
	for (int i = 0; i < 2; i++) {
		cr_assert(pgbouncer_stage_wait_moved(&pgbouncer_stage, i, zxid));
		cr_assert(pgbouncer_stage_leads_to(&pgbouncer_stage, i, 1));
	}
	pgbouncer_stage_judge(&pgbouncer_stage, 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer, an_output_that_is_a_link_stays_one)
{
	const struct pgbouncer_stage_options options = {.no_traffic = true};
	struct pgbouncer_stage pgbouncer_stage;
	const char *output, *real;
	struct stat st;

	pgbouncer_stage_init(&pgbouncer_stage, &options);
	output = lab_pgbouncer_databases_file(pgbouncer_stage.bouncers[0]);
	real = lab_path(pgbouncer_stage.lab, "real.ini");
	cr_assert_eq(rename(output, real), 0);
	cr_assert_eq(symlink(real, output), 0);
	pgbouncer_stage_name(&pgbouncer_stage, 0);
	lab_segue_start(pgbouncer_stage.segue);
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 0));
	cr_assert(pgbouncer_stage_wait_moved(&pgbouncer_stage, 0,
	                                     pgbouncer_stage_name(&pgbouncer_stage, 1)));
	cr_assert(pgbouncer_stage_leads_to(&pgbouncer_stage, 0, 1));
	cr_assert_eq(lstat(output, &st), 0);
	cr_expect(S_ISLNK(st.st_mode), "the link was replaced by a file");
	cr_expect_not_null(strstr(
	    lab_read_file(pgbouncer_stage.lab, real),
	    lab_printf(pgbouncer_stage.lab, "port=%u ", lab_pg_port(pgbouncer_stage.pg, 1))));
	cr_expect_eq(lab_segue_count_log(pgbouncer_stage.segue, "event=not_synced", NULL), 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}
