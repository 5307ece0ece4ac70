/* segue run, PgBouncer and the people around: restarts, refusals, broken files, pauses that are not
 * ours. Whatever happens, the pools that segue paused do not stay paused. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bounce.h"
#include "faults.h"

TestSuite(run_pgbouncer_trouble, .timeout = 120);

static void command(struct bounce *bounce, const char *sql)
{
	auto_free char *reply = lab_pgbouncer_query(bounce->bouncers[0], sql, NULL);

	cr_assert_not_null(reply, "%s", sql);
}

static void no_write_failed(struct bounce *bounce)
{
	struct traffic_client sum = traffic_sum(bounce->traffic);

	cr_assert_eq(sum.failed, 0, "%d: %s", (int)sum.failed, sum.error);
}

static void hold(struct bounce *bounce)
{
	bounce_name(bounce, -1);
	cr_assert(bounce_wait_drained(bounce, 0));
}

static void move_and_judge(struct bounce *bounce, int64_t failed_max)
{
	cr_assert(bounce_wait_moved(bounce, 0, bounce_name(bounce, 1)), "%s",
	          lab_process_log_tail(lab_segue_process(bounce->segue)));
	cr_assert(bounce_leads_to(bounce, 0, 1));
	bounce_judge(bounce, failed_max);
}

/* A restart forgets the pause: clients write on the old primary until the new one is named. */
Test(run_pgbouncer_trouble, pgbouncer_killed_and_restarted_during_a_hold)
{
	struct bounce bounce;

	bounce_start(&bounce, &(struct bounce_options){0});
	hold(&bounce);
	lab_process_kill(lab_pgbouncer_process(bounce.bouncers[0]));
	lab_pgbouncer_start(bounce.bouncers[0]);
	cr_assert(bounce_wait_moved(&bounce, 0, bounce_name(&bounce, 1)));
	cr_assert(bounce_wait_leads_to(&bounce, 0, 1));
	bounce_judge(&bounce, INT64_MAX);
	bounce_fini(&bounce);
}

Test(run_pgbouncer_trouble, pgbouncer_that_is_down_at_the_change_starts_on_the_new_primary)
{
	struct bounce bounce;
	const char *port;
	int64_t zxid;

	bounce_start(&bounce, &(struct bounce_options){.no_traffic = true});
	port = lab_printf(bounce.lab, "%u", lab_pg_port(bounce.pg, 1));
	lab_process_kill(lab_pgbouncer_process(bounce.bouncers[0]));
	lab_segue_mark(bounce.segue);
	zxid = bounce_name(&bounce, 1);
	cr_assert_not_null(
	    lab_segue_wait_log(bounce.segue, BOUNCE_TIMEOUT_MS, "target=local", "error=", NULL));
	lab_pgbouncer_start(bounce.bouncers[0]);
	cr_assert(lab_pgbouncer_says(bounce.bouncers[0], "app", "port", port),
	          "the file was there before PgBouncer was");
	cr_assert(bounce_wait_moved(&bounce, 0, zxid));
	cr_assert(bounce_leads_to(&bounce, 0, 1));
	bounce_fini(&bounce);
}

Test(run_pgbouncer_trouble, pgbouncer_frozen_at_the_change_is_moved_when_it_thaws)
{
	struct bounce bounce;
	int64_t zxid;

	bounce_start(&bounce, &(struct bounce_options){0});
	lab_process_freeze(lab_pgbouncer_process(bounce.bouncers[0]));
	lab_segue_mark(bounce.segue);
	zxid = bounce_name(&bounce, 1);
	cr_assert_not_null(
	    lab_segue_wait_log(bounce.segue, BOUNCE_TIMEOUT_MS, "target=local", "error=", NULL));
	lab_process_thaw(lab_pgbouncer_process(bounce.bouncers[0]));
	cr_assert(bounce_wait_moved(&bounce, 0, zxid));
	cr_assert(bounce_wait_leads_to(&bounce, 0, 1));
	bounce_judge(&bounce, BOUNCE_CLIENTS);
	bounce_fini(&bounce);
}

/* ---- the console refuses ---- */

#define WITH_PASSWORDS "auth_type = plain\n"

static const char *console_as(struct bounce *bounce, const char *user, const char *password)
{
	return lab_printf(bounce->lab, "console = %s user=%s password='%s'\n",
	                  lab_pgbouncer_console(bounce->bouncers[0]), user, password);
}

static bool file_is_right(void *arg)
{
	struct bounce *bounce = arg;
	const char *file =
	    lab_read_file(bounce->lab, lab_pgbouncer_databases_file(bounce->bouncers[0]));

	return strstr(file, lab_printf(bounce->lab, "port=%u", lab_pg_port(bounce->pg, 1))) != NULL;
}

/* segue.ini with another console; then the right one, which SIGHUP brings in. */
static void refused_until_reload(const char *settings, const char *user, const char *password,
                                 const char *said)
{
	struct bounce bounce;
	const char *ini, *wrong;
	char *line, *end;

	bounce_init(&bounce, &(struct bounce_options){.settings = settings});
	ini = lab_read_file(bounce.lab, lab_segue_ini_file(bounce.segue));
	line = strstr(ini, "console = ");
	cr_assert_not_null(line);
	end = strchr(line, '\n') + 1;
	wrong = lab_printf(bounce.lab, "%.*s%s%s", (int)(line - ini), ini,
	                   console_as(&bounce, user, password), end);
	lab_write_file(lab_segue_ini_file(bounce.segue), wrong);
	bounce_name(&bounce, 1);
	lab_segue_start(bounce.segue);
	cr_assert_not_null(
	    lab_segue_wait_log(bounce.segue, BOUNCE_TIMEOUT_MS, "target=local", said, NULL), "%s",
	    lab_process_log_tail(lab_segue_process(bounce.segue)));
	cr_assert(lab_wait_until(file_is_right, &bounce, BOUNCE_TIMEOUT_MS),
	          "its next start is right all the same");
	lab_write_file(lab_segue_ini_file(bounce.segue),
	               lab_printf(bounce.lab, "%.*s%s%s", (int)(line - ini), ini,
	                          console_as(&bounce, "pgbouncer", LAB_PGBOUNCER_PASSWORD), end));
	lab_process_signal(lab_segue_process(bounce.segue), SIGHUP);
	cr_assert(bounce_wait_settled(&bounce, 0));
	cr_assert(lab_pgbouncer_says(bounce.bouncers[0], "app", "port",
	                             lab_printf(bounce.lab, "%u", lab_pg_port(bounce.pg, 1))));
	bounce_fini(&bounce);
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
	struct bounce bounce;

	bounce_start(&bounce, &(struct bounce_options){0});
	lab_write_file(lab_pgbouncer_databases_file(bounce.bouncers[0]),
	               "[databases]\napp = host='127.0.0.1 port\n");
	move_and_judge(&bounce, 0);
	bounce_fini(&bounce);
}

/* The broken file has dropped the database: clients got errors, but not from segue. */
Test(run_pgbouncer_trouble, a_file_broken_and_reloaded_by_hand_is_put_right)
{
	struct bounce bounce;

	bounce_start(&bounce, &(struct bounce_options){.no_traffic = true});
	lab_write_file(lab_pgbouncer_databases_file(bounce.bouncers[0]),
	               "[databases]\napp = host='127.0.0.1 port\n");
	lab_process_signal(lab_pgbouncer_process(bounce.bouncers[0]), SIGHUP);
	cr_assert(bounce_wait_moved(&bounce, 0, bounce_name(&bounce, 1)));
	cr_assert(bounce_wait_leads_to(&bounce, 0, 1));
	bounce_fini(&bounce);
}

Test(run_pgbouncer_trouble, what_a_person_paused_is_moved_and_stays_paused)
{
	struct bounce bounce;

	bounce_start(&bounce, &(struct bounce_options){.no_traffic = true, .databases = 2});
	command(&bounce, "PAUSE app1");
	lab_segue_mark(bounce.segue);
	bounce_name(&bounce, 1);
	cr_assert_not_null(lab_segue_wait_log(bounce.segue, BOUNCE_TIMEOUT_MS, "level=warning",
	                                      "target=local", "app1", NULL));
	cr_assert(bounce_wait_leads_to(&bounce, 0, 1));
	cr_assert(lab_pgbouncer_says(bounce.bouncers[0], "app1", "paused", "1"));
	cr_assert(lab_pgbouncer_says(bounce.bouncers[0], "app1", "port",
	                             lab_printf(bounce.lab, "%u", lab_pg_port(bounce.pg, 1))));
	lab_process_stop(lab_segue_process(bounce.segue));
	cr_assert_eq(bounce_resume(&bounce, NULL), 0);
	cr_assert(lab_pgbouncer_says(bounce.bouncers[0], "app1", "paused", "1"));
	bounce_fini(&bounce);
}

/* ---- the end of segue during a hold ---- */

Test(run_pgbouncer_trouble, stopped_during_a_hold_it_lets_clients_go)
{
	struct bounce bounce;

	bounce_start(&bounce, &(struct bounce_options){0});
	hold(&bounce);
	cr_assert_eq(lab_process_stop(lab_segue_process(bounce.segue)), 0);
	cr_assert_not(bounce_is_paused(&bounce, 0));
	cr_assert(traffic_all_served(bounce.traffic, BOUNCE_TIMEOUT_MS));
	no_write_failed(&bounce);
	bounce_fini(&bounce);
}

Test(run_pgbouncer_trouble, killed_during_a_hold_segue_resume_lets_clients_go)
{
	struct bounce bounce;

	bounce_start(&bounce, &(struct bounce_options){.databases = 2});
	command(&bounce, "PAUSE app1");
	hold(&bounce);
	lab_process_kill(lab_segue_process(bounce.segue));
	cr_assert(bounce_is_paused(&bounce, 0));
	cr_assert_eq(bounce_resume(&bounce, NULL), 0);
	cr_assert_not(bounce_is_paused(&bounce, 0));
	cr_assert(lab_pgbouncer_says(bounce.bouncers[0], "app1", "paused", "1"),
	          "a person paused it");
	cr_assert(traffic_all_served(bounce.traffic, BOUNCE_TIMEOUT_MS));
	no_write_failed(&bounce);
	bounce_fini(&bounce);
}

static void fence(struct bounce *bounce)
{
	bounce_start(bounce, &(struct bounce_options){.cluster = "on_primary_loss = fence\n",
	                                              .no_traffic = true});
	bounce_name(bounce, -1);
	cr_assert_not_null(lab_segue_wait_log(bounce->segue, BOUNCE_TIMEOUT_MS, "event=fenced ",
	                                      "target=local", NULL));
	cr_assert(bounce_wait_drained(bounce, 0));
}

/* As a package upgrade does it: stop, ExecStopPost, start. */
Test(run_pgbouncer_trouble, a_fence_stays_over_an_upgrade_until_the_next_primary)
{
	struct bounce bounce;

	fence(&bounce);
	cr_assert_eq(lab_process_stop(lab_segue_process(bounce.segue)), 0);
	cr_assert_eq(lab_segue_count_log(bounce.segue, "event=left_fenced", NULL), 1);
	cr_assert_eq(bounce_resume(&bounce, NULL), 0);
	cr_assert(bounce_is_paused(&bounce, 0));
	lab_segue_start(bounce.segue);
	cr_assert_not_null(lab_segue_wait_log(bounce.segue, BOUNCE_TIMEOUT_MS, "event=pauses_found",
	                                      "fenced until", NULL));
	cr_assert_not_null(
	    lab_segue_wait_log(bounce.segue, BOUNCE_TIMEOUT_MS, "event=fence ", NULL));
	cr_assert(bounce_is_paused(&bounce, 0));
	bounce_name(&bounce, 1);
	cr_assert(bounce_wait_leads_to(&bounce, 0, 1));
	bounce_fini(&bounce);
}

Test(run_pgbouncer_trouble, a_fence_that_was_left_is_opened_by_its_name)
{
	struct bounce bounce;

	fence(&bounce);
	lab_process_kill(lab_segue_process(bounce.segue));
	cr_assert_eq(bounce_resume(&bounce, NULL), 0);
	cr_assert(bounce_is_paused(&bounce, 0));
	cr_assert_eq(bounce_resume(&bounce, "local"), 0);
	cr_assert_not(bounce_is_paused(&bounce, 0));
	bounce_fini(&bounce);
}

Test(run_pgbouncer_trouble, killed_during_a_hold_its_next_start_finishes_the_move)
{
	struct bounce bounce;

	bounce_start(&bounce, &(struct bounce_options){.standby = true});
	hold(&bounce);
	lab_process_kill(lab_segue_process(bounce.segue));
	bounce_promote(&bounce);
	bounce_name(&bounce, 1);
	lab_segue_start(bounce.segue);
	cr_assert(bounce_wait_settled(&bounce, 0));
	cr_assert(bounce_leads_to(&bounce, 0, 1));
	bounce_judge(&bounce, 0);
	bounce_fini(&bounce);
}

/* A reload of segue.ini replaces the targets, not the pause. */
Test(run_pgbouncer_trouble, reloaded_during_a_hold_it_finishes_the_move)
{
	struct bounce bounce;

	bounce_start(&bounce, &(struct bounce_options){.standby = true});
	hold(&bounce);
	lab_process_signal(lab_segue_process(bounce.segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(bounce.segue, BOUNCE_TIMEOUT_MS, "event=config_reloaded", NULL));
	cr_assert(bounce_wait_drained(&bounce, 0), "%s",
	          lab_process_log_tail(lab_segue_process(bounce.segue)));
	bounce_promote(&bounce);
	move_and_judge(&bounce, 0);
	bounce_fini(&bounce);
}

Test(run_pgbouncer_trouble, a_full_disk_does_not_leave_clients_waiting)
{
	struct bounce bounce;
	int64_t zxid;

	bounce_init(&bounce, &(struct bounce_options){0});
	bounce_name(&bounce, 0);
	faults_start(bounce.lab, bounce.segue, bounce.faults);
	cr_assert(bounce_wait_settled(&bounce, 0));
	bounce_start_traffic(&bounce);
	faults_set(bounce.lab, bounce.faults, "enospc", "");
	lab_segue_mark(bounce.segue);
	zxid = bounce_name(&bounce, 1);
	cr_assert_not_null(lab_segue_wait_log(bounce.segue, BOUNCE_TIMEOUT_MS, "target=local",
	                                      "No space left on device", NULL));
	cr_assert(traffic_all_served(bounce.traffic, BOUNCE_TIMEOUT_MS));
	faults_set(bounce.lab, bounce.faults, "enospc", NULL);
	/* The next try is up to 30 s away. */
	cr_assert(bounce_wait_moved(&bounce, 0, zxid) || bounce_wait_moved(&bounce, 0, zxid));
	cr_assert(bounce_leads_to(&bounce, 0, 1));
	bounce_judge(&bounce, 0);
	bounce_fini(&bounce);
}

/* Only the promise that the next start lets go is lost. */
Test(run_pgbouncer_trouble, a_full_state_dir_costs_neither_a_move_nor_a_hold)
{
	struct bounce bounce;

	setenv("RUNTIME_DIRECTORY", "/proc/nowhere", 1);
	bounce_init(&bounce, &(struct bounce_options){0});
	bounce_name(&bounce, 0);
	faults_start(bounce.lab, bounce.segue, bounce.faults);
	cr_assert(bounce_wait_settled(&bounce, 0));
	bounce_start_traffic(&bounce);
	faults_set(bounce.lab, bounce.faults, "enospc", bounce.state_dir);
	bounce_name(&bounce, -1);
	cr_assert_not_null(lab_segue_wait_log(bounce.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=pause_not_noted ", "No space left on device",
	                                      NULL));
	cr_assert(bounce_wait_drained(&bounce, 0));
	cr_assert(bounce_wait_moved(&bounce, 0, bounce_name(&bounce, 1)));
	cr_assert(traffic_all_served(bounce.traffic, BOUNCE_TIMEOUT_MS));
	cr_assert_not_null(lab_segue_wait_log(bounce.segue, BOUNCE_TIMEOUT_MS, "event=alarm ",
	                                      "No space left on device", NULL));
	bounce_judge(&bounce, 0);
	bounce_fini(&bounce);
}

/* ---- a template that loses a database ---- */

static void write_names(struct bounce *bounce, const char *name, const char *dbname)
{
	lab_write_file(bounce->template_file,
	               lab_printf(bounce->lab,
	                          "[databases]\n{{#primary}}\n%s = host={{address}} "
	                          "port={{port}} dbname=%s\n{{/primary}}\n",
	                          name, dbname));
}

/* `segue check`, with servers that are asked; returns what it printed. */
static const char *check(struct bounce *bounce)
{
	const char *ini = lab_read_file(bounce->lab, lab_segue_ini_file(bounce->segue));
	const char *asked = lab_path(bounce->lab, "asked.ini"), *verify = "verify = disable\n";
	const char *at = strstr(ini, verify);
	const char *argv[] = {lab_segue_binary(bounce->lab), "check", "-c", asked, NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	cr_assert_not_null(at);
	lab_write_file(asked, lab_printf(bounce->lab,
	                                 "%.*sverify_conninfo = user=postgres dbname=postgres\n%s",
	                                 (int)(at - ini), ini, at + strlen(verify)));
	(void)lab_run(bounce->lab, argv, &output);
	return lab_printf(bounce->lab, "%s", output.data);
}

static void expect_said(const char *printed, const char *words)
{
	cr_expect_not_null(strstr(printed, words), "no \"%s\" in\n%s", words, printed);
}

static bool nobody_is_connected(void *arg)
{
	struct bounce *bounce = arg;
	char *found =
	    lab_pgbouncer_find(bounce->bouncers[0], "SHOW POOLS", "database", "app", "cl_active");
	bool none = found != NULL && (*found == '\0' || strcmp(found, "0") == 0);

	free(found);
	return none;
}

static void hup(struct bounce *bounce, const char *event, const char *words)
{
	lab_segue_mark(bounce->segue);
	lab_process_signal(lab_segue_process(bounce->segue), SIGHUP);
	cr_assert_not_null(lab_segue_wait_log(bounce->segue, BOUNCE_TIMEOUT_MS, event, words, NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(bounce->segue)));
}

Test(run_pgbouncer_trouble, a_database_goes_away_when_nobody_uses_it)
{
	struct bounce bounce;
	const char *printed;

	bounce_start(&bounce, &(struct bounce_options){0});
	write_names(&bounce, "aap", "postgres");
	printed = check(&bounce);
	expect_said(printed, "FAIL  pgbouncer/local: app (clients: 8) goes away: ");
	expect_said(printed, "warn  pgbouncer/local: [databases]: SHOW DATABASES has no aap: the "
	                     "rendered text has it, and PgBouncer takes that in");
	cr_expect_null(strstr(printed, "add the line"), "%s", printed);
	hup(&bounce, "event=config_problem", "app (clients: 8) goes away");
	hup(&bounce, "event=config_refused", "the running configuration and templates stay");
	no_write_failed(&bounce);
	cr_assert(bounce_leads_to(&bounce, 0, 0));

	traffic_stop(bounce.traffic);
	cr_assert(lab_wait_until(nobody_is_connected, &bounce, BOUNCE_TIMEOUT_MS));
	expect_said(check(&bounce), "warn  pgbouncer/local: app goes away: ");
	hup(&bounce, "event=databases_gone", "what=app");
	cr_assert(bounce_wait_settled(&bounce, 0));
	bounce_fini(&bounce);
}

Test(run_pgbouncer_trouble, a_database_that_the_server_does_not_have_is_told_by_check)
{
	struct bounce bounce;

	bounce_start(&bounce, &(struct bounce_options){.no_traffic = true});
	cr_expect_null(strstr(check(&bounce), "does not have"));
	write_names(&bounce, "app", "\'it\'\'s\'");
	expect_said(check(&bounce),
	            lab_printf(bounce.lab,
	                       "FAIL  pgbouncer/local: rendered line 2: app leads to a database "
	                       "that the primary, 127.0.0.1 port %u, does not have, or lets "
	                       "nobody into: it\'s: correct dbname",
	                       lab_pg_port(bounce.pg, 0)));
	bounce_fini(&bounce);
}
