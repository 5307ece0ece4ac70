/* kill -9 at every step of a change: the next start ends where the store says, whatever was half
 * done. tests/faults counts the calls that have an effect outside of the process; the Nth one is
 * its death, for N = 1, 2, ... until a change gets through alive. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/run_stage.h"

TestSuite(run_crash, .timeout = 400);

#define STEPS_MAX 200

struct change {
	struct run *run;
	int64_t zxid;
	const char *moved; /* the log line that ends it */
	const char
	    *structure; /* or else what the file has to hold, and HAProxy to be reloaded for */
	int backend;
};

static bool has_structure(void *arg)
{
	const struct change *change = arg;

	return run_file_names(change->run, change->backend) &&
	       strstr(lab_read_file(change->run->lab, change->run->output), change->structure) !=
	           NULL;
}

static bool ended(void *arg)
{
	struct change *change = arg;

	if (!lab_process_alive(lab_segue_process(change->run->segue)))
		return true;
	if (*change->structure != '\0')
		return lab_segue_count_log(change->run->segue, "event=reloaded ", NULL) > 0 &&
		       has_structure(change);
	return lab_segue_count_log(change->run->segue, "event=moved ", change->moved, NULL) > 0;
}

/* Returns false when the change was over before the sidecar died. */
static bool dies_at(struct run *run, int step, int backend, const char *structure)
{
	struct change change = {.run = run, .structure = structure, .backend = backend};

	run_fault(run, "kill-at", lab_printf(run->lab, "%d", step));
	change.zxid = run_set_primary(run, backend);
	change.moved = lab_printf(run->lab, " zxid=%" PRId64 " ", change.zxid);
	lab_process_signal(lab_segue_process(run->segue), SIGHUP);
	cr_assert(lab_wait_until(ended, &change, RUN_TIMEOUT_MS), "step %d:\n%s", step,
	          lab_read_file(run->lab, lab_process_log(lab_segue_process(run->segue))));
	if (!lab_process_alive(lab_segue_process(run->segue)))
		return true;
	run_fault(run, "kill-at", NULL);
	return false;
}

/* After the death: a plain start must end with the live proxy and the file as the store says. */
static void recovers(struct run *run, int step, int backend, const char *structure)
{
	struct change change = {.run = run, .structure = structure, .backend = backend};

	lab_segue_start(run->segue);
	cr_assert(run_wait_reaches(run, backend), "step %d", step);
	cr_assert(lab_wait_until(has_structure, &change, RUN_TIMEOUT_MS), "step %d", step);
	cr_assert(run_wait_settled(run), "step %d", step);
	lab_process_kill(lab_segue_process(run->segue));
}

/* With `structural` every change also changes what only a reload can. */
static void crash_everywhere(bool structural)
{
	struct run run;
	bool died = true;
	int step;

	run_init(&run, &(struct run_options){0});
	run_set_primary(&run, 0);
	for (step = 1; died && step < STEPS_MAX; step++) {
		int backend = step % RUN_BACKENDS;
		const char *structure = lab_printf(run.lab, "timeout queue %ds\n", step);

		run_start_with_faults(&run);
		cr_assert(run_wait_settled(&run), "step %d", step);
		if (structural)
			run_write_template(&run, lab_printf(run.lab, "\t%s", structure));
		died = dies_at(&run, step, backend, structural ? structure : "");
		lab_process_kill(lab_segue_process(run.segue));
		recovers(&run, step, backend, structural ? structure : "");
	}
	cr_assert_not(died, "still dying at step %d", step);
	cr_assert_gt(step, 8);
	run_fini(&run);
}

Test(run_crash, a_kill_at_any_step_of_a_change_is_recovered_from)
{
	crash_everywhere(false);
}

Test(run_crash, a_kill_at_any_step_of_a_reload_is_recovered_from)
{
	crash_everywhere(true);
}
