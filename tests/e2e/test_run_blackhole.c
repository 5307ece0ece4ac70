/* A primary that does not refuse but is silent, as when its machine lost its power, its cable or
 * its scheduler: a relay in front of it goes dark, where even the SYN stays without an answer, or
 * is frozen, where the port takes connections and nothing follows. */
#include <criterion/criterion.h>
#include <libpq-fe.h>

#include "base/clock.h"
#include "fixtures/failover_stage.h"

TestSuite(run_blackhole, .timeout = 180);

#define IDLERS            4
#define VERIFY_TIMEOUT_MS 400
/* The next question of a second, then three in a row that are not answered; the rest is for a busy
 * machine. */
#define SEEN_WITHIN_MS    (1200 + 6 * VERIFY_TIMEOUT_MS)
#define VERIFY            "verify_timeout = 400ms\nhold_timeout = 60s\n"

enum silence { DARK, FROZEN, SILENCES };

static void (*const silences[SILENCES])(struct lab_relay *) = {
    [DARK] = lab_relay_darken, [FROZEN] = lab_relay_freeze};

struct scene {
	struct failover_stage failover_stage;
	PGconn *idlers[IDLERS]; /* of PgBouncer, between two transactions */
	const char *address;    /* of the relay, as a line of the log has it */
	int64_t silent_ms;      /* since when */
};

static void start(struct scene *scene, const char *cluster)
{
	struct failover_stage *failover_stage = &scene->failover_stage;

	failover_stage_start(failover_stage, &(struct failover_stage_options){.kind = STAND_PAIR,
	                                                                      .relay = true,
	                                                                      .cluster = cluster});
	for (int i = 0; i < IDLERS; i++) {
		scene->idlers[i] = PQconnectdb(failover_stage->conninfo[STAND_PGBOUNCER]);
		PQclear(PQexec(scene->idlers[i], "select 1"));
		cr_assert_eq(PQtransactionStatus(scene->idlers[i]), PQTRANS_IDLE, "%s",
		             PQerrorMessage(scene->idlers[i]));
	}
	scene->address = lab_printf(failover_stage->lab, "address=127.0.0.1 port=%u ",
	                            lab_relay_port(failover_stage->relay));
	failover_stage_must_say(failover_stage, "event=server ", scene->address, "in_recovery=no",
	                        NULL);
	failover_stage_must_say(failover_stage, "event=moved ", "target=haproxy/front", NULL);
	failover_stage_must_say(failover_stage, "event=moved ", "target=pgbouncer/pool", NULL);
	lab_segue_mark(failover_stage->segue);
}

static void silence(struct scene *scene, enum silence how)
{
	scene->failover_stage.lost_us = clock_now_us();
	scene->silent_ms = clock_now_ms();
	silences[how](scene->failover_stage.relay);
}

static void finish(struct scene *scene)
{
	for (int i = 0; i < IDLERS; i++)
		PQfinish(scene->idlers[i]);
	failover_stage_fini(&scene->failover_stage);
}

static void must_be_seen(struct scene *scene)
{
	failover_stage_must_say(&scene->failover_stage, "event=server cluster=orders ",
	                        scene->address, "class=\"timed out\"", NULL);
}

static void must_hold(struct scene *scene)
{
	int64_t took_ms;

	must_be_seen(scene);
	failover_stage_must_say(&scene->failover_stage, "event=hold cluster=orders ",
	                        "the primary is lost", NULL);
	took_ms = clock_now_ms() - scene->silent_ms;
	cr_expect_lt(took_ms, SEEN_WITHIN_MS, "held after %lld ms", (long long)took_ms);
	failover_stage_must_say(&scene->failover_stage, "event=held ", "target=haproxy/front",
	                        NULL);
	failover_stage_must_say(&scene->failover_stage, "event=hold ", "target=pgbouncer/pool",
	                        NULL);
}

/* --- who was idle --- */

static void ask_all(struct scene *scene)
{
	for (int i = 0; i < IDLERS; i++)
		cr_assert(PQsendQuery(scene->idlers[i], "select inet_server_port()"), "%s",
		          PQerrorMessage(scene->idlers[i]));
}

/* Neither an answer nor an error has come. */
static void must_all_wait(struct scene *scene)
{
	for (int i = 0; i < IDLERS; i++) {
		cr_assert(PQconsumeInput(scene->idlers[i]));
		cr_assert(PQisBusy(scene->idlers[i]), "client %d does not wait", i);
	}
}

static bool is_answered(void *arg)
{
	return PQconsumeInput(arg) == 0 || PQisBusy(arg) == 0;
}

static void must_all_be_answered(struct scene *scene, int node)
{
	const char *port = lab_printf(scene->failover_stage.lab, "%u",
	                              failover_stage_port(&scene->failover_stage, node));

	for (int i = 0; i < IDLERS; i++) {
		PGconn *conn = scene->idlers[i];
		PGresult *result;

		cr_assert(lab_wait_until(is_answered, conn, STAND_TIMEOUT_MS), "client %d", i);
		result = PQgetResult(conn);
		cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK, "client %d: %s", i,
		             PQerrorMessage(conn));
		cr_assert_str_eq(PQgetvalue(result, 0, 0), port);
		PQclear(result);
		cr_assert_null(PQgetResult(conn));
	}
}

/* --- the tests --- */

static void the_other_takes_over(enum silence how)
{
	struct scene scene = {.silent_ms = 0};
	struct failover_stage *failover_stage = &scene.failover_stage;

	start(&scene, VERIFY);
	silence(&scene, how);
	must_hold(&scene);
	ask_all(&scene);
	lab_pg_promote(failover_stage->pg, 1);
	must_all_wait(&scene);
	failover_stage_name(failover_stage, 1);
	must_all_be_answered(&scene, 1);
	failover_stage_must_serve(failover_stage, 1);
	failover_stage_judge(failover_stage, 1);
	finish(&scene);
}

Test(run_blackhole, of_a_dark_primary_clients_wait_and_go_on_at_the_next)
{
	the_other_takes_over(DARK);
}

Test(run_blackhole, of_a_frozen_primary_clients_wait_and_go_on_at_the_next)
{
	the_other_takes_over(FROZEN);
}

static void it_comes_back(enum silence how)
{
	struct scene scene = {.silent_ms = 0};
	struct failover_stage *failover_stage = &scene.failover_stage;

	start(&scene, VERIFY);
	silence(&scene, how);
	must_hold(&scene);
	ask_all(&scene);
	must_all_wait(&scene);
	lab_relay_light(failover_stage->relay);
	failover_stage_must_say(failover_stage, "event=primary cluster=orders ",
	                        "held clients are released", NULL);
	must_all_be_answered(&scene, 0);
	failover_stage_must_serve(failover_stage, 0);
	failover_stage_judge(failover_stage, 0);
	finish(&scene);
}

Test(run_blackhole, of_a_dark_primary_that_comes_back_clients_go_on)
{
	it_comes_back(DARK);
}

Test(run_blackhole, of_a_frozen_primary_that_comes_back_clients_go_on)
{
	it_comes_back(FROZEN);
}

static void nothing_changes(enum silence how)
{
	struct scene scene = {.silent_ms = 0};
	struct failover_stage *failover_stage = &scene.failover_stage;

	start(&scene, VERIFY "on_primary_loss = keep\n");
	silence(&scene, how);
	must_be_seen(&scene);
	failover_stage_must_say(failover_stage, "event=kept cluster=orders ", "the primary is lost",
	                        NULL);
	lab_relay_light(failover_stage->relay);
	failover_stage_must_say(failover_stage, "event=server ", scene.address, "class=answered",
	                        NULL);
	failover_stage_must_serve(failover_stage, 0);
	cr_expect_eq(lab_segue_count_log(failover_stage->segue, "event=hold ", NULL), 0);
	cr_expect_eq(lab_segue_count_log(failover_stage->segue, "event=held ", NULL), 0);
	cr_expect_eq(lab_segue_count_log(failover_stage->segue, "event=moved ", NULL), 0);
	failover_stage_judge(failover_stage, 0);
	finish(&scene);
}

Test(run_blackhole, where_it_is_kept_a_dark_primary_changes_nothing)
{
	nothing_changes(DARK);
}

Test(run_blackhole, where_it_is_kept_a_frozen_primary_changes_nothing)
{
	nothing_changes(FROZEN);
}
