/* kill -9 at every step of a PgBouncer's move: the next start ends where the store says, and no
 * pool stays paused. tests/faults counts the calls that have an effect outside of the process; the
 * Nth one is its death, for N = 1, 2, ... until a move gets through alive. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/faults.h"
#include "fixtures/pgbouncer_stage.h"

TestSuite(run_pgbouncer_crash, .timeout = 600);

#define STEPS_MAX 200

/* What is done to the znode, and what of the log or PgBouncer says that it is over. */
struct change {
	struct pgbouncer_stage *pgbouncer_stage;
	bool hold;         /* only up to the pause */
	const char *moved; /* " zxid=N " of the line that ends it */
};

static bool ended(void *arg)
{
	const struct change *change = arg;

	if (!lab_process_alive(lab_segue_process(change->pgbouncer_stage->segue)))
		return true;
	if (change->hold)
		return pgbouncer_stage_is_paused(change->pgbouncer_stage, 0);
	return lab_segue_count_log(change->pgbouncer_stage->segue, "event=moved ", change->moved,
	                           NULL) > 0;
}

/* Returns false when the change was over before the sidecar died. */
static bool dies_at(struct pgbouncer_stage *pgbouncer_stage, int step, int node)
{
	struct change change = {.pgbouncer_stage = pgbouncer_stage, .hold = node < 0};
	bool alive;

	faults_set(pgbouncer_stage->lab, pgbouncer_stage->faults, "kill-at",
	           lab_printf(pgbouncer_stage->lab, "%d", step));
	change.moved = lab_printf(pgbouncer_stage->lab, " zxid=%" PRId64 " ",
	                          pgbouncer_stage_name(pgbouncer_stage, node));
	cr_assert(lab_wait_until(ended, &change, BOUNCE_TIMEOUT_MS), "step %d", step);
	alive = lab_process_alive(lab_segue_process(pgbouncer_stage->segue));
	faults_set(pgbouncer_stage->lab, pgbouncer_stage->faults, "kill-at", NULL);
	lab_process_kill(lab_segue_process(pgbouncer_stage->segue));
	return !alive;
}

static void start_faulty(struct pgbouncer_stage *pgbouncer_stage, int step)
{
	faults_start(pgbouncer_stage->lab, pgbouncer_stage->segue, pgbouncer_stage->faults);
	cr_assert(pgbouncer_stage_wait_settled(pgbouncer_stage, 0), "step %d", step);
}

static void be_served(struct pgbouncer_stage *pgbouncer_stage, int step, int node)
{
	cr_assert(pgbouncer_stage_wait_leads_to(pgbouncer_stage, 0, node), "step %d: %s", step,
	          lab_process_log_tail(lab_segue_process(pgbouncer_stage->segue)));
	cr_assert(traffic_all_served(pgbouncer_stage->traffic, BOUNCE_TIMEOUT_MS), "step %d", step);
}

Test(run_pgbouncer_crash, a_kill_at_any_step_of_a_move_is_recovered_from)
{
	struct pgbouncer_stage pgbouncer_stage;
	bool died = true;
	int step;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	lab_process_stop(lab_segue_process(pgbouncer_stage.segue));
	for (step = 1; died && step < STEPS_MAX; step++) {
		int node = step % 2;

		start_faulty(&pgbouncer_stage, step);
		died = dies_at(&pgbouncer_stage, step, node);
		lab_segue_start(pgbouncer_stage.segue);
		be_served(&pgbouncer_stage, step, node);
		lab_process_stop(lab_segue_process(pgbouncer_stage.segue));
	}
	cr_assert_not(died, "still dying at step %d", step);
	cr_assert_gt(step, 8);
	traffic_stop(pgbouncer_stage.traffic);
	cr_assert_eq(traffic_sum(pgbouncer_stage.traffic).failed, 0, "%s",
	             traffic_sum(pgbouncer_stage.traffic).error);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* The death comes up to the pause, nobody starts segue again, and ExecStopPost has its turn. */
Test(run_pgbouncer_crash, after_a_kill_at_any_step_of_a_hold_segue_resume_lets_clients_go)
{
	struct pgbouncer_stage pgbouncer_stage;
	bool died = true;
	int step;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	lab_process_stop(lab_segue_process(pgbouncer_stage.segue));
	for (step = 1; died && step < STEPS_MAX; step++) {
		start_faulty(&pgbouncer_stage, step);
		died = dies_at(&pgbouncer_stage, step, -1);
		cr_assert_eq(pgbouncer_stage_resume(&pgbouncer_stage, NULL), 0, "step %d", step);
		cr_assert_not(pgbouncer_stage_is_paused(&pgbouncer_stage, 0), "step %d", step);
		pgbouncer_stage_name(&pgbouncer_stage, 0);
		be_served(&pgbouncer_stage, step, 0);
	}
	cr_assert_not(died, "still dying at step %d", step);
	cr_assert_gt(step, 3);
	traffic_stop(pgbouncer_stage.traffic);
	cr_assert_eq(traffic_sum(pgbouncer_stage.traffic).failed, 0, "%s",
	             traffic_sum(pgbouncer_stage.traffic).error);
	pgbouncer_stage_fini(&pgbouncer_stage);
}

/* The file is broken while segue runs, which refuses it; then segue dies, and nobody can start it.
 */
Test(run_pgbouncer_crash, a_segue_ini_broken_meanwhile_does_not_leave_clients_paused)
{
	struct pgbouncer_stage pgbouncer_stage;
	const char *file;

	pgbouncer_stage_start(&pgbouncer_stage, &(struct pgbouncer_stage_options){0});
	file = lab_segue_ini_file(pgbouncer_stage.segue);
	pgbouncer_stage_name(&pgbouncer_stage, -1);
	cr_assert(pgbouncer_stage_wait_drained(&pgbouncer_stage, 0));
	lab_write_file(file, "[cluster app]\nno_such_key = 1\n");
	lab_process_kill(lab_segue_process(pgbouncer_stage.segue));
	unsetenv("STATE_DIRECTORY");
	cr_assert_neq(pgbouncer_stage_resume(&pgbouncer_stage, NULL), 0,
	              "it looks nowhere else by itself");
	setenv("STATE_DIRECTORY", pgbouncer_stage.state_dir, 1); /* as systemd does */
	cr_assert_eq(pgbouncer_stage_resume(&pgbouncer_stage, NULL), 0);
	cr_assert_not(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	traffic_stop(pgbouncer_stage.traffic);
	pgbouncer_stage_fini(&pgbouncer_stage);
}
