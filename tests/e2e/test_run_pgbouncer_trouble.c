/* segue run, PgBouncer and the people around: restarts, refusals, broken files, pauses that are not
 * ours. Whatever happens, the pools that segue paused do not stay paused. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixtures/faults.h"
#include "fixtures/pgbouncer_stage.h"

TestSuite(run_pgbouncer_trouble, .timeout = 120);

static void command(struct pgbouncer_stage *pgbouncer_stage, const char *sql)
{
	auto_free char *reply = lab_pgbouncer_query(pgbouncer_stage->bouncers[0], sql, NULL);

	cr_assert_not_null(reply, "%s", sql);
}

static void no_write_failed(struct pgbouncer_stage *pgbouncer_stage)
{
	struct traffic_client sum = traffic_sum(pgbouncer_stage->traffic);

	cr_assert_eq(sum.failed, 0, "%d: %s", (int)sum.failed, sum.error);
}

static void hold(struct pgbouncer_stage *pgbouncer_stage)
{
	pgbouncer_stage_name(pgbouncer_stage, -1);
	cr_assert(pgbouncer_stage_wait_drained(pgbouncer_stage, 0));
}

static void move_and_judge(struct pgbouncer_stage *pgbouncer_stage, int64_t failed_max)
{
	cr_assert(pgbouncer_stage_wait_moved(pgbouncer_stage, 0,
	                                     pgbouncer_stage_name(pgbouncer_stage, 1)),
	          "%s", lab_process_log_tail(lab_segue_process(pgbouncer_stage->segue)));
	cr_assert(pgbouncer_stage_leads_to(pgbouncer_stage, 0, 1));
	pgbouncer_stage_judge(pgbouncer_stage, failed_max);
}

/* A restart forgets the pause: clients write on the old primary until the new one is named. */
Test(run_pgbouncer_trouble, pgbouncer_killed_and_restarted_during_a_hold)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	hold(&pgbouncer_stage);
	lab_process_kill(lab_pgbouncer_process(pgbouncer_stage.bouncers[0]));
	lab_pgbouncer_start(pgbouncer_stage.bouncers[0]);
	cr_assert(pgbouncer_stage_wait_moved(&pgbouncer_stage, 0,
	                                     pgbouncer_stage_name(&pgbouncer_stage, 1)));
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 1));
	pgbouncer_stage_judge(&pgbouncer_stage, INT64_MAX);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer_trouble, pgbouncer_that_is_down_at_the_change_starts_on_the_new_primary)
{
	struct pgbouncer_stage pgbouncer_stage;
	const char *port;
	int64_t zxid;

	pgbouncer_stage_start(&pgbouncer_stage,
	                      &(struct pgbouncer_stage_options){.no_traffic = true});
	port = lab_printf(pgbouncer_stage.lab, "%u", lab_pg_port(pgbouncer_stage.pg, 1));
	lab_process_kill(lab_pgbouncer_process(pgbouncer_stage.bouncers[0]));
	lab_segue_mark(pgbouncer_stage.segue);
	zxid = pgbouncer_stage_name(&pgbouncer_stage, 1);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "target=pgbouncer/local", "error=", NULL));
	lab_pgbouncer_start(pgbouncer_stage.bouncers[0]);
	cr_assert(lab_pgbouncer_says(pgbouncer_stage.bouncers[0], "app", "port", port),
	          "the file was there before PgBouncer was");
	cr_assert(pgbouncer_stage_wait_moved(&pgbouncer_stage, 0, zxid));
	cr_assert(pgbouncer_stage_leads_to(&pgbouncer_stage, 0, 1));
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer_trouble, pgbouncer_frozen_at_the_change_is_moved_when_it_thaws)
{
	struct pgbouncer_stage pgbouncer_stage;
	int64_t zxid;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	lab_process_freeze(lab_pgbouncer_process(pgbouncer_stage.bouncers[0]));
	lab_segue_mark(pgbouncer_stage.segue);
	zxid = pgbouncer_stage_name(&pgbouncer_stage, 1);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "target=pgbouncer/local", "error=", NULL));
	lab_process_thaw(lab_pgbouncer_process(pgbouncer_stage.bouncers[0]));
	cr_assert(pgbouncer_stage_wait_moved(&pgbouncer_stage, 0, zxid));
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 1));
	pgbouncer_stage_judge(&pgbouncer_stage, BOUNCE_CLIENTS);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* ---- the console refuses ---- */

#define WITH_PASSWORDS "auth_type = plain\n"

static const char *console_as(struct pgbouncer_stage *pgbouncer_stage, const char *user,
                              const char *password)
{
	return lab_printf(pgbouncer_stage->lab, "console = %s user=%s password='%s'\n",
	                  lab_pgbouncer_console(pgbouncer_stage->bouncers[0]), user, password);
}

static bool file_is_right(void *arg)
{
	struct pgbouncer_stage *pgbouncer_stage = arg;
	const char *file = lab_read_file(
	    pgbouncer_stage->lab, lab_pgbouncer_databases_file(pgbouncer_stage->bouncers[0]));

	return strstr(file, lab_printf(pgbouncer_stage->lab, "port=%u",
	                               lab_pg_port(pgbouncer_stage->pg, 1))) != NULL;
}

/* segue.ini with another console; then the right one, which SIGHUP brings in. */
static void refused_until_reload(const char *settings, const char *user, const char *password,
                                 const char *said)
{
	struct pgbouncer_stage pgbouncer_stage;
	const char *ini, *wrong;
	char *line, *end;

	pgbouncer_stage_init(&pgbouncer_stage,
	                     &(struct pgbouncer_stage_options){.settings = settings});
	ini = lab_read_file(pgbouncer_stage.lab, lab_segue_ini_file(pgbouncer_stage.segue));
	line = strstr(ini, "console = ");
	cr_assert_not_null(line);
	end = strchr(line, '\n') + 1;
	wrong = lab_printf(pgbouncer_stage.lab, "%.*s%s%s", (int)(line - ini), ini,
	                   console_as(&pgbouncer_stage, user, password), end);
	lab_write_file(lab_segue_ini_file(pgbouncer_stage.segue), wrong);
	pgbouncer_stage_name(&pgbouncer_stage, 1);
	lab_segue_start(pgbouncer_stage.segue);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "target=pgbouncer/local", said, NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(pgbouncer_stage.segue)));
	cr_assert(lab_wait_until(file_is_right, &pgbouncer_stage, BOUNCE_TIMEOUT_MS),
	          "its next start is right all the same");
	lab_write_file(lab_segue_ini_file(pgbouncer_stage.segue),
	               lab_printf(pgbouncer_stage.lab, "%.*s%s%s", (int)(line - ini), ini,
	                          console_as(&pgbouncer_stage, "pgbouncer", LAB_PGBOUNCER_PASSWORD),
	                          end));
	lab_process_signal(lab_segue_process(pgbouncer_stage.segue), SIGHUP);
	cr_assert(pgbouncer_stage_wait_settled(&pgbouncer_stage, 0));
	cr_assert(lab_pgbouncer_says(
	    pgbouncer_stage.bouncers[0], "app", "port",
	    lab_printf(pgbouncer_stage.lab, "%u", lab_pg_port(pgbouncer_stage.pg, 1))));
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer_trouble, a_wrong_password_is_said_and_the_right_one_taken)
{
	refused_until_reload(WITH_PASSWORDS, "pgbouncer", "wrong", "password");
}

Test(run_pgbouncer_trouble, a_user_who_may_only_look_is_told_so)
{
	refused_until_reload(NULL, "watcher", "", "admin");
}

Test(run_pgbouncer_trouble, a_user_who_may_not_connect_is_told_so)
{
	refused_until_reload(NULL, "app", "", "not allowed");
}

/* ---- what people do ---- */

Test(run_pgbouncer_trouble, a_file_broken_by_hand_between_two_moves_is_put_right)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	lab_write_file(lab_pgbouncer_databases_file(pgbouncer_stage.bouncers[0]),
	               "[databases]\napp = host='127.0.0.1 port\n");
	move_and_judge(&pgbouncer_stage, 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* The broken file has dropped the database: clients got errors, but not from segue. */
Test(run_pgbouncer_trouble, a_file_broken_and_reloaded_by_hand_is_put_right)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage,
	                      &(struct pgbouncer_stage_options){.no_traffic = true});
	lab_write_file(lab_pgbouncer_databases_file(pgbouncer_stage.bouncers[0]),
	               "[databases]\napp = host='127.0.0.1 port\n");
	lab_process_signal(lab_pgbouncer_process(pgbouncer_stage.bouncers[0]), SIGHUP);
	cr_assert(pgbouncer_stage_wait_moved(&pgbouncer_stage, 0,
	                                     pgbouncer_stage_name(&pgbouncer_stage, 1)));
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 1));
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer_trouble, what_a_person_paused_is_moved_and_stays_paused)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){
	                                            .no_traffic = true, .databases = 2});
	command(&pgbouncer_stage, "PAUSE app1");
	lab_segue_mark(pgbouncer_stage.segue);
	pgbouncer_stage_name(&pgbouncer_stage, 1);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "level=warning", "target=pgbouncer/local", "app1",
	                                      NULL));
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 1));
	cr_assert(lab_pgbouncer_says(pgbouncer_stage.bouncers[0], "app1", "paused", "1"));
	cr_assert(lab_pgbouncer_says(
	    pgbouncer_stage.bouncers[0], "app1", "port",
	    lab_printf(pgbouncer_stage.lab, "%u", lab_pg_port(pgbouncer_stage.pg, 1))));
	lab_process_stop(lab_segue_process(pgbouncer_stage.segue));
	cr_assert_eq(pgbouncer_stage_resume(&pgbouncer_stage, NULL), 0);
	cr_assert(lab_pgbouncer_says(pgbouncer_stage.bouncers[0], "app1", "paused", "1"));
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* ---- the end of segue during a hold ---- */

Test(run_pgbouncer_trouble, stopped_during_a_hold_it_lets_clients_go)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	hold(&pgbouncer_stage);
	cr_assert_eq(lab_process_stop(lab_segue_process(pgbouncer_stage.segue)), 0);
	cr_assert_not(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	no_write_failed(&pgbouncer_stage);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer_trouble, killed_during_a_hold_segue_resume_lets_clients_go)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){.databases = 2});
	command(&pgbouncer_stage, "PAUSE app1");
	hold(&pgbouncer_stage);
	lab_process_kill(lab_segue_process(pgbouncer_stage.segue));
	cr_assert(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	cr_assert_eq(pgbouncer_stage_resume(&pgbouncer_stage, NULL), 0);
	cr_assert_not(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	cr_assert(lab_pgbouncer_says(pgbouncer_stage.bouncers[0], "app1", "paused", "1"),
	          "a person paused it");
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	no_write_failed(&pgbouncer_stage);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

static void fence(struct pgbouncer_stage *pgbouncer_stage)
{
	pgbouncer_stage_start(pgbouncer_stage,
	                      &(struct pgbouncer_stage_options){
	                          .cluster = "on_primary_loss = fence\n", .no_traffic = true});
	pgbouncer_stage_name(pgbouncer_stage, -1);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage->segue, BOUNCE_TIMEOUT_MS,
	                                      "event=fenced ", "target=pgbouncer/local", NULL));
	cr_assert(pgbouncer_stage_wait_drained(pgbouncer_stage, 0));
}

/* As a package upgrade does it: stop, ExecStopPost, start. */
Test(run_pgbouncer_trouble, a_fence_stays_over_an_upgrade_until_the_next_primary)
{
	struct pgbouncer_stage pgbouncer_stage;

	fence(&pgbouncer_stage);
	cr_assert_eq(lab_process_stop(lab_segue_process(pgbouncer_stage.segue)), 0);
	cr_assert_eq(lab_segue_count_log(pgbouncer_stage.segue, "event=left_fenced", NULL), 1);
	cr_assert_eq(pgbouncer_stage_resume(&pgbouncer_stage, NULL), 0);
	cr_assert(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	lab_segue_start(pgbouncer_stage.segue);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=pauses_found", "the fence stays until", NULL));
	cr_assert_not_null(
	    lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS, "event=fence ", NULL));
	cr_assert(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	pgbouncer_stage_name(&pgbouncer_stage, 1);
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 1));
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer_trouble, a_fence_that_was_left_is_opened_by_its_name)
{
	struct pgbouncer_stage pgbouncer_stage;

	fence(&pgbouncer_stage);
	lab_process_kill(lab_segue_process(pgbouncer_stage.segue));
	cr_assert_eq(pgbouncer_stage_resume(&pgbouncer_stage, NULL), 0);
	cr_assert(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	cr_assert_eq(pgbouncer_stage_resume(&pgbouncer_stage, "local"), 0);
	cr_assert_not(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer_trouble, killed_during_a_hold_its_next_start_finishes_the_move)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){.standby = true});
	hold(&pgbouncer_stage);
	lab_process_kill(lab_segue_process(pgbouncer_stage.segue));
	pgbouncer_stage_promote(&pgbouncer_stage);
	pgbouncer_stage_name(&pgbouncer_stage, 1);
	lab_segue_start(pgbouncer_stage.segue);
	cr_assert(pgbouncer_stage_wait_settled(&pgbouncer_stage, 0));
	cr_assert(pgbouncer_stage_leads_to(&pgbouncer_stage, 0, 1));
	pgbouncer_stage_judge(&pgbouncer_stage, 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* A reload of segue.ini replaces the targets, not the pause. */
Test(run_pgbouncer_trouble, reloaded_during_a_hold_it_finishes_the_move)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){.standby = true});
	hold(&pgbouncer_stage);
	lab_process_signal(lab_segue_process(pgbouncer_stage.segue), SIGHUP);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=config_reloaded", NULL));
	cr_assert(pgbouncer_stage_wait_drained(&pgbouncer_stage, 0), "%s",
	          lab_process_log_tail(lab_segue_process(pgbouncer_stage.segue)));
	pgbouncer_stage_promote(&pgbouncer_stage);
	move_and_judge(&pgbouncer_stage, 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer_trouble, a_full_disk_does_not_leave_clients_waiting)
{
	struct pgbouncer_stage pgbouncer_stage;
	int64_t zxid;

	pgbouncer_stage_init(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	pgbouncer_stage_name(&pgbouncer_stage, 0);
	faults_start(pgbouncer_stage.lab, pgbouncer_stage.segue, pgbouncer_stage.faults);
	cr_assert(pgbouncer_stage_wait_settled(&pgbouncer_stage, 0));
	pgbouncer_stage_start_traffic(&pgbouncer_stage);
	faults_set(pgbouncer_stage.lab, pgbouncer_stage.faults, "enospc", "");
	lab_segue_mark(pgbouncer_stage.segue);
	zxid = pgbouncer_stage_name(&pgbouncer_stage, 1);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "target=pgbouncer/local", "No space left on device",
	                                      NULL));
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	faults_set(pgbouncer_stage.lab, pgbouncer_stage.faults, "enospc", NULL);
	/* The next try is up to 30 s away. */
	cr_assert(pgbouncer_stage_wait_moved(&pgbouncer_stage, 0, zxid) ||
	          pgbouncer_stage_wait_moved(&pgbouncer_stage, 0, zxid));
	cr_assert(pgbouncer_stage_leads_to(&pgbouncer_stage, 0, 1));
	pgbouncer_stage_judge(&pgbouncer_stage, 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* Only the promise that the next start lets go is lost. */
Test(run_pgbouncer_trouble, a_full_state_dir_costs_neither_a_move_nor_a_hold)
{
	struct pgbouncer_stage pgbouncer_stage;

	setenv("RUNTIME_DIRECTORY", "/proc/nowhere", 1);
	pgbouncer_stage_init(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	pgbouncer_stage_name(&pgbouncer_stage, 0);
	faults_start(pgbouncer_stage.lab, pgbouncer_stage.segue, pgbouncer_stage.faults);
	cr_assert(pgbouncer_stage_wait_settled(&pgbouncer_stage, 0));
	pgbouncer_stage_start_traffic(&pgbouncer_stage);
	faults_set(pgbouncer_stage.lab, pgbouncer_stage.faults, "enospc",
	           pgbouncer_stage.state_dir);
	pgbouncer_stage_name(&pgbouncer_stage, -1);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=pause_not_noted ", "No space left on device",
	                                      NULL));
	cr_assert(pgbouncer_stage_wait_drained(&pgbouncer_stage, 0));
	cr_assert(pgbouncer_stage_wait_moved(&pgbouncer_stage, 0,
	                                     pgbouncer_stage_name(&pgbouncer_stage, 1)));
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=alarm ", "No space left on device", NULL));
	pgbouncer_stage_judge(&pgbouncer_stage, 0);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* ---- a template that loses a database ---- */

static void write_names(struct pgbouncer_stage *pgbouncer_stage, const char *name,
                        const char *dbname)
{
	lab_write_file(pgbouncer_stage->template_file,
	               lab_printf(pgbouncer_stage->lab,
	                          "[databases]\n{{#primary}}\n%s = host={{address}} "
	                          "port={{port}} dbname=%s\n{{/primary}}\n",
	                          name, dbname));
}

/* `segue check`, with servers that are asked; returns what it printed. */
static const char *check(struct pgbouncer_stage *pgbouncer_stage)
{
	const char *ini =
	    lab_read_file(pgbouncer_stage->lab, lab_segue_ini_file(pgbouncer_stage->segue));
	const char *asked = lab_path(pgbouncer_stage->lab, "asked.ini"),
	           *verify = "verify = disable\n";
	const char *at = strstr(ini, verify);
	const char *argv[] = {lab_segue_binary(pgbouncer_stage->lab), "check", "-c", asked, NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_not_null(at);
	lab_write_file(asked, lab_printf(pgbouncer_stage->lab,
	                                 "%.*sverify_conninfo = user=postgres dbname=postgres\n%s",
	                                 (int)(at - ini), ini, at + strlen(verify)));
	(void)lab_run(pgbouncer_stage->lab, argv, &output);
	return lab_printf(pgbouncer_stage->lab, "%s", output.data);
}

static void expect_said(const char *printed, const char *words)
{
	cr_expect_not_null(strstr(printed, words), "no \"%s\" in\n%s", words, printed);
}

static bool nobody_is_connected(void *arg)
{
	struct pgbouncer_stage *pgbouncer_stage = arg;
	char *found = lab_pgbouncer_find(pgbouncer_stage->bouncers[0], "SHOW POOLS", "database",
	                                 "app", "cl_active");
	bool none = found != NULL && (*found == '\0' || strcmp(found, "0") == 0);

	free(found);
	return none;
}

static void hup(struct pgbouncer_stage *pgbouncer_stage, const char *event, const char *words)
{
	lab_segue_mark(pgbouncer_stage->segue);
	lab_process_signal(lab_segue_process(pgbouncer_stage->segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(pgbouncer_stage->segue, BOUNCE_TIMEOUT_MS, event, words, NULL), "%s",
	    lab_process_log_tail(lab_segue_process(pgbouncer_stage->segue)));
}

Test(run_pgbouncer_trouble, a_database_goes_away_when_nobody_uses_it)
{
	struct pgbouncer_stage pgbouncer_stage;
	const char *printed;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	write_names(&pgbouncer_stage, "aap", "postgres");
	printed = check(&pgbouncer_stage);
	expect_said(printed, "FAIL  pgbouncer/local: app (clients: 8) goes away: ");
	expect_said(printed, "warn  pgbouncer/local: [databases]: SHOW DATABASES has no aap: the "
	                     "rendered text has it. PgBouncer loads it at the next RELOAD");
	cr_expect_null(strstr(printed, "add the line"), "%s", printed);
	hup(&pgbouncer_stage, "event=config_problem", "app (clients: 8) goes away");
	hup(&pgbouncer_stage, "event=config_refused",
	    "the running configuration and templates stay");
	no_write_failed(&pgbouncer_stage);
	cr_assert(pgbouncer_stage_leads_to(&pgbouncer_stage, 0, 0));

	traffic_stop(pgbouncer_stage.traffic);
	cr_assert(lab_wait_until(nobody_is_connected, &pgbouncer_stage, BOUNCE_TIMEOUT_MS));
	expect_said(check(&pgbouncer_stage), "warn  pgbouncer/local: app goes away: ");
	hup(&pgbouncer_stage, "event=databases_gone", "what=app");
	cr_assert(pgbouncer_stage_wait_settled(&pgbouncer_stage, 0));
	pgbouncer_stage_fini(&pgbouncer_stage);
}

Test(run_pgbouncer_trouble, a_database_that_the_server_does_not_have_is_told_by_check)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_start(&pgbouncer_stage,
	                      &(struct pgbouncer_stage_options){.no_traffic = true});
	cr_expect_null(strstr(check(&pgbouncer_stage), "does not have"));
	write_names(&pgbouncer_stage, "app", "\'it\'\'s\'");
	expect_said(
	    check(&pgbouncer_stage),
	    lab_printf(
	        pgbouncer_stage.lab,
	        "FAIL  pgbouncer/local: rendered line 2: app leads to a database "
	        "that the primary, 127.0.0.1 port %u, does not have or does not allow connections "
	        "to: it\'s: correct dbname",
	        lab_pg_port(pgbouncer_stage.pg, 0)));
	pgbouncer_stage_fini(&pgbouncer_stage);
}
