/* kill -9 at every step of a PgBouncer's move: the next start ends where the store says, and no
 * pool stays paused. tests/faults counts the calls that have an effect outside of the process; the
 * Nth one is its death, for N = 1, 2, ... until a move gets through alive. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounce.h"
#include "faults.h"

TestSuite(run_pgbouncer_crash, .timeout = 600);

#define STEPS_MAX 200

/* What is done to the znode, and what of the log or PgBouncer says that it is over. */
struct change {
	struct bounce *bounce;
	bool hold;         /* only up to the pause */
	const char *moved; /* " zxid=N " of the line that ends it */
};

static bool ended(void *arg)
{
	const struct change *change = arg;

	if (!lab_process_alive(lab_segue_process(change->bounce->segue)))
		return true;
	if (change->hold)
		return bounce_is_paused(change->bounce, 0);
	return lab_segue_count_log(change->bounce->segue, "event=moved ", change->moved, NULL) > 0;
}

/* Returns false when the change was over before the sidecar died. */
static bool dies_at(struct bounce *bounce, int step, int node)
{
	struct change change = {.bounce = bounce, .hold = node < 0};
	bool alive;

	faults_set(bounce->lab, bounce->faults, "kill-at", lab_printf(bounce->lab, "%d", step));
	change.moved = lab_printf(bounce->lab, " zxid=%" PRId64 " ", bounce_name(bounce, node));
	cr_assert(lab_wait_until(ended, &change, BOUNCE_TIMEOUT_MS), "step %d", step);
	alive = lab_process_alive(lab_segue_process(bounce->segue));
	faults_set(bounce->lab, bounce->faults, "kill-at", NULL);
	lab_process_kill(lab_segue_process(bounce->segue));
	return !alive;
}

static void start_faulty(struct bounce *bounce, int step)
{
	faults_start(bounce->lab, bounce->segue, bounce->faults);
	cr_assert(bounce_wait_settled(bounce, 0), "step %d", step);
}

static void be_served(struct bounce *bounce, int step, int node)
{
	cr_assert(bounce_wait_leads_to(bounce, 0, node), "step %d: %s", step,
	          lab_process_log_tail(lab_segue_process(bounce->segue)));
	cr_assert(traffic_all_served(bounce->traffic, BOUNCE_TIMEOUT_MS), "step %d", step);
}

Test(run_pgbouncer_crash, a_kill_at_any_step_of_a_move_is_recovered_from)
{
	struct bounce bounce;
	bool died = true;
	int step;

	bounce_start(&bounce, &(struct bounce_options){0});
	lab_process_stop(lab_segue_process(bounce.segue));
	for (step = 1; died && step < STEPS_MAX; step++) {
		int node = step % 2;

		start_faulty(&bounce, step);
		died = dies_at(&bounce, step, node);
		lab_segue_start(bounce.segue);
		be_served(&bounce, step, node);
		lab_process_stop(lab_segue_process(bounce.segue));
	}
	cr_assert_not(died, "still dying at step %d", step);
	cr_assert_gt(step, 8);
	traffic_stop(bounce.traffic);
	cr_assert_eq(traffic_sum(bounce.traffic).failed, 0, "%s",
	             traffic_sum(bounce.traffic).error);
	bounce_fini(&bounce);
}

/* The death comes up to the pause, nobody starts segue again, and ExecStopPost has its turn. */
Test(run_pgbouncer_crash, after_a_kill_at_any_step_of_a_hold_segue_resume_lets_clients_go)
{
	struct bounce bounce;
	bool died = true;
	int step;

	bounce_start(&bounce, &(struct bounce_options){0});
	lab_process_stop(lab_segue_process(bounce.segue));
	for (step = 1; died && step < STEPS_MAX; step++) {
		start_faulty(&bounce, step);
		died = dies_at(&bounce, step, -1);
		cr_assert_eq(bounce_resume(&bounce, NULL), 0, "step %d", step);
		cr_assert_not(bounce_is_paused(&bounce, 0), "step %d", step);
		bounce_name(&bounce, 0);
		be_served(&bounce, step, 0);
	}
	cr_assert_not(died, "still dying at step %d", step);
	cr_assert_gt(step, 3);
	traffic_stop(bounce.traffic);
	cr_assert_eq(traffic_sum(bounce.traffic).failed, 0, "%s",
	             traffic_sum(bounce.traffic).error);
	bounce_fini(&bounce);
}

/* The file is broken while segue runs, which refuses it; then segue dies, and nobody can start it.
 */
Test(run_pgbouncer_crash, a_segue_ini_broken_meanwhile_does_not_leave_clients_paused)
{
	struct bounce bounce;
	const char *file;

	bounce_start(&bounce, &(struct bounce_options){0});
	file = lab_segue_ini_file(bounce.segue);
	bounce_name(&bounce, -1);
	cr_assert(bounce_wait_drained(&bounce, 0));
	lab_write_file(file, "[cluster app]\nno_such_key = 1\n");
	lab_process_kill(lab_segue_process(bounce.segue));
	unsetenv("STATE_DIRECTORY");
	cr_assert_neq(bounce_resume(&bounce, NULL), 0, "it looks nowhere else by itself");
	setenv("STATE_DIRECTORY", bounce.state_dir, 1); /* as systemd does */
	cr_assert_eq(bounce_resume(&bounce, NULL), 0);
	cr_assert_not(bounce_is_paused(&bounce, 0));
	traffic_stop(bounce.traffic);
	bounce_fini(&bounce);
}
