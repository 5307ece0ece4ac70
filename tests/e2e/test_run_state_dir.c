/* A state_dir that cannot be written, from the start or from some moment on: segue works on, holds
 * clients all the same, and says what it cannot promise. */
#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixtures/pgbouncer_stage.h"
#include "fixtures/run_stage.h"

TestSuite(run_state_dir, .timeout = 300);

#define NOWHERE "/proc/nowhere" /* nothing can be made there */

/* For this process and those that it starts from here on. */
static void make_read_only(const char *folder)
{
	(void)!mkdir(folder, 0755);
	cr_assert_eq(unshare(CLONE_NEWNS), 0);
	cr_assert_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_eq(mount(folder, folder, NULL, MS_BIND, NULL), 0);
	cr_assert_eq(mount(NULL, folder, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
}

static void make_writable(const char *folder)
{
	cr_assert_eq(mount(NULL, folder, NULL, MS_BIND | MS_REMOUNT, NULL), 0);
}

static void status_says(struct lab_segue *segue, const char *words)
{
	auto_strbuf struct strbuf body = STRBUF_INIT;

	cr_assert_eq(lab_ask(lab_segue_listen(segue), "GET", "/status", &body), 200);
	cr_assert_not_null(strstr(body.data, words), "no %s in %s", words, body.data);
}

static void nobody_failed(struct pgbouncer_stage *pgbouncer_stage)
{
	traffic_stop(pgbouncer_stage->traffic);
	cr_assert_eq(traffic_sum(pgbouncer_stage->traffic).failed, 0, "%s",
	             traffic_sum(pgbouncer_stage->traffic).error);
	pgbouncer_stage_fini(pgbouncer_stage);
}

/* Led to node 0, with clients, and a log that says what is wrong. */
static void start_without(struct pgbouncer_stage *pgbouncer_stage, const char *runtime)
{
	setenv("RUNTIME_DIRECTORY", runtime, 1);
	pgbouncer_stage_name(pgbouncer_stage, 0);
	lab_segue_start(pgbouncer_stage->segue);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage->segue, BOUNCE_TIMEOUT_MS,
	                                      "event=state_dir_unusable ",
	                                      pgbouncer_stage->state_dir, NULL));
	cr_assert(pgbouncer_stage_wait_leads_to(pgbouncer_stage, 0, 0));
	pgbouncer_stage_start_traffic(pgbouncer_stage);
	status_says(pgbouncer_stage->segue, "state_dir cannot be written");
}

/* The note is in the runtime directory then. */
Test(run_state_dir, read_only_from_the_start_a_hold_outlives_a_kill_and_is_ended_by_the_next_start)
{
	struct pgbouncer_stage pgbouncer_stage;
	const char *runtime;

	pgbouncer_stage_init(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	runtime = lab_path(pgbouncer_stage.lab, "runtime");
	cr_assert_eq(mkdir(runtime, 0755), 0);
	make_read_only(pgbouncer_stage.state_dir);
	start_without(&pgbouncer_stage, runtime);
	pgbouncer_stage_name(&pgbouncer_stage, -1);
	cr_assert(pgbouncer_stage_wait_drained(&pgbouncer_stage, 0));
	cr_assert_eq(lab_segue_count_log(pgbouncer_stage.segue, "event=pause_not_noted", NULL), 0);
	lab_process_kill(lab_segue_process(pgbouncer_stage.segue));
	lab_segue_start(pgbouncer_stage.segue);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=pauses_found ", NULL));
	pgbouncer_stage_name(&pgbouncer_stage, 1);
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 1));
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	pgbouncer_stage_name(&pgbouncer_stage, -1);
	cr_assert(pgbouncer_stage_wait_drained(&pgbouncer_stage, 0));
	lab_process_kill(lab_segue_process(pgbouncer_stage.segue));
	cr_assert_eq(pgbouncer_stage_resume(&pgbouncer_stage, NULL), 0);
	cr_assert_not(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	nobody_failed(&pgbouncer_stage);
}

Test(run_state_dir, without_any_place_for_a_note_clients_are_held_all_the_same_and_it_is_told)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_init(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	make_read_only(pgbouncer_stage.state_dir);
	start_without(&pgbouncer_stage, NOWHERE);
	pgbouncer_stage_name(&pgbouncer_stage, -1);
	cr_assert_not_null(lab_segue_wait_log(pgbouncer_stage.segue, BOUNCE_TIMEOUT_MS,
	                                      "event=pause_not_noted ", "Read-only file system",
	                                      NULL));
	cr_assert(pgbouncer_stage_wait_drained(&pgbouncer_stage, 0));
	pgbouncer_stage_name(&pgbouncer_stage, 1);
	cr_assert(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 1));
	cr_assert(traffic_all_served(pgbouncer_stage.traffic, BOUNCE_TIMEOUT_MS));
	nobody_failed(&pgbouncer_stage);
}

static bool alarm_is_over(void *arg)
{
	const struct pgbouncer_stage *pgbouncer_stage = arg;

	return lab_segue_count_log(pgbouncer_stage->segue, "event=alarm_over", NULL) > 0;
}

Test(run_state_dir, the_alarm_ends_when_the_folder_can_be_written_again)
{
	struct pgbouncer_stage pgbouncer_stage;

	pgbouncer_stage_init(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	make_read_only(pgbouncer_stage.state_dir);
	start_without(&pgbouncer_stage, NOWHERE);
	make_writable(pgbouncer_stage.state_dir);
	pgbouncer_stage_name(&pgbouncer_stage, 1);
	cr_assert(lab_wait_until(alarm_is_over, &pgbouncer_stage, BOUNCE_TIMEOUT_MS));
	traffic_stop(pgbouncer_stage.traffic);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

static void with_state_dir(struct run *run, const char *folder)
{
	const char *ini = lab_segue_ini_file(run->segue), *old = lab_read_file(run->lab, ini);
	const char *at = strstr(old, "state_dir = "), *end = strchr(at, '\n');

	lab_write_file(
	    ini, lab_printf(run->lab, "%.*sstate_dir = %s%s", (int)(at - old), old, folder, end));
}

Test(run_state_dir, a_folder_that_is_missing_is_made)
{
	struct run run;

	run_init(&run, &(struct run_options){0});
	with_state_dir(&run, lab_path(run.lab, "fresh"));
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_settled(&run));
	cr_assert_eq(access(lab_path(run.lab, "fresh/.lock"), F_OK), 0);
	cr_assert_eq(lab_segue_count_log(run.segue, "event=state_dir_unusable", NULL), 0);
	run_fini(&run);
}

static const char nobody[] = "{\"version\":1,\"primary\":null,\"standbys\":[]}";

Test(run_state_dir, a_folder_that_cannot_be_made_costs_haproxys_clients_nothing)
{
	struct run run;

	run_init(&run, &(struct run_options){0});
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_settled(&run));
	cr_assert(run_wait_file_names(&run, 0));
	lab_process_stop(lab_segue_process(run.segue));
	with_state_dir(&run, NOWHERE "/state");
	lab_segue_start(run.segue);
	cr_assert(run_wait_settled(&run));
	cr_assert_eq(
	    lab_segue_count_log(run.segue, "event=state_dir_unusable", NOWHERE "/state", NULL), 1);
	status_says(run.segue, "state_dir cannot be written");
	run_set(&run, nobody, strlen(nobody));
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=note_missing ", NULL));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=held ",
	                                      "target=haproxy/local", NULL));
	run_set_primary(&run, 1);
	cr_assert(run_wait_reaches(&run, 1));
	run_fini(&run);
}

/* Two would drive the same proxies. */
Test(run_state_dir, a_folder_that_another_segue_has_ends_the_second_one)
{
	struct run run;
	const char *argv[5] = {NULL, "run", "-c"};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	run_init(&run, &(struct run_options){0});
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_settled(&run));
	argv[0] = lab_segue_binary(run.lab);
	argv[3] = lab_segue_ini_file(run.segue);
	cr_assert_eq(lab_run(run.lab, argv, &output), 2);
	cr_assert_not_null(strstr(output.data, "taken by another process"), "%s", output.data);
	run_fini(&run);
}

/* --- another folder --- */

static int say(struct run *run, const char *verb, const char *socket)
{
	const char *argv[] = {lab_segue_binary(run->lab), verb, "-s", socket, "orders", NULL};

	return lab_run(run->lab, argv, NULL);
}

static void hup(struct run *run)
{
	lab_segue_mark(run->segue);
	lab_process_signal(lab_segue_process(run->segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=config_reloaded ", NULL));
}

static void check_says(struct run *run, const char *words)
{
	const char *argv[] = {lab_segue_binary(run->lab), "check", "-c",
	                      lab_segue_ini_file(run->segue), NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	(void)lab_run(run->lab, argv, &output);
	cr_assert_not_null(strstr(output.data, words), "%s", output.data);
}

Test(run_state_dir, a_reload_with_another_folder_carries_a_freeze_and_the_last_primary_over)
{
	struct run run;
	const char *typo, *socket;

	run_init(&run, &(struct run_options){0});
	typo = lab_path(run.lab, "stat");
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_settled(&run));
	cr_assert_eq(lab_segue_count_log(run.segue, "event=state_dir_new ", NULL), 1);
	socket = lab_segue_listen(run.segue);
	cr_assert_eq(say(&run, "freeze", socket), 0);
	with_state_dir(&run, typo);
	check_says(&run, "the running segue uses ");
	hup(&run);
	cr_assert_eq(lab_segue_count_log(run.segue, "event=state_dir_changed ", typo, NULL), 1);
	status_says(run.segue, "FROZEN by ");
	lab_process_stop(lab_segue_process(run.segue));
	cr_assert_eq(access(lab_path(run.lab, "stat/orders.json"), F_OK), 0);
	lab_segue_start(run.segue);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=started ", NULL));
	status_says(run.segue, "FROZEN by ");
	cr_assert_eq(lab_segue_count_log(run.segue, "event=state_dir_new ", NULL), 0);
	cr_assert_eq(say(&run, "release", socket), 0);
	with_state_dir(&run, lab_path(run.lab, "state"));
	hup(&run);
	cr_assert_eq(access(lab_path(run.lab, "state/orders.override"), F_OK), -1,
	             "what was released comes back");
	run_fini(&run);
}

Test(run_state_dir, a_start_with_an_empty_folder_says_what_does_not_count)
{
	struct run run;

	run_init(&run, &(struct run_options){0});
	run_set_primary(&run, 0);
	lab_segue_start(run.segue);
	cr_assert(run_wait_settled(&run));
	lab_process_stop(lab_segue_process(run.segue));
	with_state_dir(&run, lab_path(run.lab, "stat"));
	lab_segue_start(run.segue);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=state_dir_new ",
	                                      lab_path(run.lab, "stat"), NULL));
	run_fini(&run);
}
