/* `segue run` in front of a HAProxy while the store names no primary, and what becomes of the hold
 * when segue itself does not live to end it. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixtures/haproxy_target.h"
#include "fixtures/run_stage.h"

TestSuite(run_haproxy_hold, .timeout = 300);

#define STEPS_MAX 60

static const char nobody[] = "{\"version\":1,\"primary\":null,\"standbys\":[]}";

static void start(struct run *run, const char *hold_timeout)
{
	run_init(run, &(struct run_options){.cluster = hold_timeout});
	run_set_primary(run, 0);
	lab_segue_start(run->segue);
	cr_assert(run_wait_settled(run));
}

static void name_nobody(struct run *run)
{
	run_set(run, nobody, strlen(nobody));
}

static void hold(struct run *run)
{
	name_nobody(run);
	cr_assert_not_null(lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=held ",
	                                      "target=haproxy/local", NULL));
}

static bool has_note(struct run *run)
{
	return access(lab_path(run->lab, "state/haproxy-local.held"), F_OK) == 0;
}

/* A client that connects now, and is served by `backend` in the end. */
static int come(struct run *run)
{
	int fd = driver_open_session(run->port, NULL);

	cr_assert_geq(fd, 0);
	return fd;
}

static void be_served(int fd, int backend)
{
	const struct timeval limit = {.tv_sec = RUN_TIMEOUT_MS / 1000};
	char got[2] = "";

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	cr_assert_eq(recv(fd, got, sizeof(got), MSG_WAITALL), (ssize_t)sizeof(got));
	cr_assert_eq(got[0], '0' + backend);
	close(fd);
}

static int resume(struct run *run, const char *name)
{
	const char *argv[] = {lab_segue_binary(run->lab),     "resume", "-c",
	                      lab_segue_ini_file(run->segue), name,     NULL};

	return lab_run(run->lab, argv, NULL);
}

Test(run_haproxy_hold, without_a_primary_in_the_store_clients_wait_for_the_next_one)
{
	struct run run;
	int client;

	start(&run, NULL);
	hold(&run);
	client = come(&run);
	run_set_primary(&run, 1);
	be_served(client, 1);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=released", "held_ms=", NULL));
	cr_assert_not(has_note(&run));
	run_fini(&run);
}

Test(run_haproxy_hold, killed_while_it_holds_and_started_again_it_opens_with_the_next_primary)
{
	struct run run;
	int client;

	start(&run, NULL);
	hold(&run);
	client = come(&run);
	lab_process_kill(lab_segue_process(run.segue));
	cr_assert(has_note(&run));
	lab_segue_start(run.segue);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=found_closed", NULL));
	run_set_primary(&run, 1);
	be_served(client, 1);
	run_fini(&run);
}

Test(run_haproxy_hold, killed_while_it_holds_segue_resume_opens)
{
	struct run run;
	int client;

	start(&run, NULL);
	hold(&run);
	client = come(&run);
	lab_process_kill(lab_segue_process(run.segue));
	cr_assert_eq(resume(&run, "nobody"), 2);
	cr_assert_eq(resume(&run, "local"), 0);
	be_served(client, 0);
	cr_assert_not(has_note(&run));
	cr_assert_eq(resume(&run, NULL), 0, "there is nothing to do any more");
	run_fini(&run);
}

static void fence(struct run *run)
{
	start(run, "on_primary_loss = fence\n");
	name_nobody(run);
	cr_assert_not_null(lab_segue_wait_log(run->segue, RUN_TIMEOUT_MS, "event=fenced ",
	                                      "target=haproxy/local", NULL));
}

/* As a package upgrade does it: stop, ExecStopPost, start. */
Test(run_haproxy_hold, a_fence_stays_over_an_upgrade_until_the_next_primary)
{
	struct run run;

	fence(&run);
	cr_assert_eq(lab_process_stop(lab_segue_process(run.segue)), 0);
	cr_assert_eq(
	    lab_segue_count_log(run.segue, "event=left_fenced", "target=haproxy/local", NULL), 1);
	cr_assert_eq(resume(&run, NULL), 0);
	cr_assert(run_reaches(&run, -1));
	cr_assert(has_note(&run));
	lab_segue_start(run.segue);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=found_closed", NULL));
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=fence ", NULL));
	cr_assert(run_reaches(&run, -1));
	run_set_primary(&run, 1);
	cr_assert(run_wait_reaches(&run, 1));
	run_fini(&run);
}

Test(run_haproxy_hold, a_fence_that_was_left_is_opened_by_its_name)
{
	struct run run;

	fence(&run);
	lab_process_kill(lab_segue_process(run.segue));
	cr_assert_eq(resume(&run, NULL), 0);
	cr_assert(run_reaches(&run, -1));
	cr_assert_eq(resume(&run, "local"), 0);
	cr_assert(run_reaches(&run, 0));
	cr_assert_not(has_note(&run));
	run_fini(&run);
}

Test(run_haproxy_hold, an_end_by_the_book_opens)
{
	struct run run;
	int client;

	start(&run, NULL);
	hold(&run);
	client = come(&run);
	cr_assert_eq(lab_process_stop(lab_segue_process(run.segue)), 0);
	be_served(client, 0);
	cr_assert_not(has_note(&run));
	run_fini(&run);
}

Test(run_haproxy_hold, a_reload_of_the_configuration_goes_on_holding)
{
	struct run run;
	int client;

	start(&run, NULL);
	hold(&run);
	client = come(&run);
	lab_process_signal(lab_segue_process(run.segue), SIGHUP);
	cr_assert_not_null(
	    lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=found_closed", NULL));
	run_set_primary(&run, 1);
	be_served(client, 1);
	cr_assert_eq(lab_segue_count_log(run.segue, "event=released", "segue stops", NULL), 0);
	run_fini(&run);
}

Test(run_haproxy_hold, after_hold_timeout_clients_go_to_the_last_primary)
{
	struct run run;

	start(&run, "hold_timeout = 300ms\n");
	hold(&run);
	be_served(come(&run), 0);
	cr_assert_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=hold_over", NULL));
	run_fini(&run);
}

/* --- a kill at every step of a hold --- */

static bool is_held_or_dead(void *arg)
{
	struct run *run = arg;

	return !lab_process_alive(lab_segue_process(run->segue)) ||
	       lab_segue_count_log(run->segue, "event=held ", NULL) > 0;
}

static bool dies_at(struct run *run, int step)
{
	bool alive;

	run_set_primary(run, 0);
	run_start_with_faults(run);
	cr_assert(run_wait_settled(run));
	run_fault(run, "kill-at", lab_printf(run->lab, "%d", step));
	name_nobody(run);
	cr_assert(lab_wait_until(is_held_or_dead, run, RUN_TIMEOUT_MS), "step %d", step);
	alive = lab_process_alive(lab_segue_process(run->segue));
	run_fault(run, "kill-at", NULL);
	lab_process_kill(lab_segue_process(run->segue));
	return !alive;
}

Test(run_haproxy_hold, after_a_kill_at_any_step_of_a_hold_segue_resume_opens)
{
	struct run run;
	bool died = true;
	int step;

	run_init(&run, &(struct run_options){0});
	for (step = 1; died && step < STEPS_MAX; step++) {
		died = dies_at(&run, step);
		cr_assert_eq(resume(&run, NULL), 0, "step %d", step);
		be_served(come(&run), 0);
		cr_assert_not(has_note(&run), "step %d", step);
	}
	cr_assert_not(died, "still dying at step %d", step);
	cr_assert_gt(step, 3);
	run_fini(&run);
}

/* --- a kill at every step of its end --- */

#define WAITING 5

static bool is_released_or_dead(void *arg)
{
	struct run *run = arg;

	return !lab_process_alive(lab_segue_process(run->segue)) ||
	       lab_segue_count_log(run->segue, "event=moved ", NULL) > 0;
}

/* Of the server: sessions at once, 0: no limit. */
static long limit(struct run *run)
{
	auto_strbuf struct strbuf reply = STRBUF_INIT;
	const char *at;

	cr_assert(lab_haproxy_command(run->haproxy, "show stat -1 4 -1", &reply));
	at = strstr(reply.data, "orders_rw,primary,");
	cr_assert_not_null(at);
	for (int i = 0; i < 6; i++)
		at = strchr(at, ',') + 1;
	return strtol(at, NULL, 10);
}

static bool has_no_limit(void *run)
{
	return limit(run) == 0;
}

static bool dies_when_it_opens(struct run *run, int step, int *clients)
{
	bool alive;

	run_set_primary(run, 0);
	run_start_with_faults(run);
	cr_assert(run_wait_settled(run));
	hold(run);
	cr_assert_eq(limit(run), 1);
	for (int i = 0; i < WAITING; i++)
		clients[i] = come(run);
	lab_segue_mark(run->segue);
	run_fault(run, "kill-at", lab_printf(run->lab, "%d", step));
	run_set_primary(run, 1);
	cr_assert(lab_wait_until(is_released_or_dead, run, RUN_TIMEOUT_MS), "step %d", step);
	alive = lab_process_alive(lab_segue_process(run->segue));
	run_fault(run, "kill-at", NULL);
	lab_process_kill(lab_segue_process(run->segue));
	return !alive;
}

static void be_served_by_anybody(int fd, int step)
{
	const struct timeval until = {.tv_sec = RUN_TIMEOUT_MS / 1000};
	char got;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &until, sizeof(until));
	cr_assert_eq(recv(fd, &got, 1, 0), 1, "step %d", step);
	close(fd);
}

Test(run_haproxy_hold, after_a_kill_at_any_step_of_its_end_nobody_stays_in_the_queue)
{
	int clients[WAITING], step;
	bool died = true;
	struct run run;

	run_init(&run, &(struct run_options){0});
	for (step = 1; died && step < STEPS_MAX; step++) {
		died = dies_when_it_opens(&run, step, clients);
		cr_assert_eq(resume(&run, NULL), 0, "step %d", step);
		for (int i = 0; i < WAITING; i++)
			be_served_by_anybody(clients[i], step);
		cr_assert_not(has_note(&run), "step %d", step);
		cr_assert_neq(limit(&run), 1, "step %d", step);
	}
	cr_assert_not(died, "still dying at step %d", step);
	cr_assert_gt(step, 3);
	run_set_primary(&run, 1);
	lab_segue_start(run.segue);
	cr_assert(lab_wait_until(has_no_limit, &run, RUN_TIMEOUT_MS));
	run_fini(&run);
}
