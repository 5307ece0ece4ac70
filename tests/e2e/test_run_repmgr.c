/* An old primary that repmgr left for dead comes back, believes itself, and finds somebody who
 * writes that into the store. */
#include <criterion/criterion.h>

#include "base/clock.h"
#include "stand.h"

TestSuite(run_repmgr, .timeout = 240);

static const struct stand_options repmgr = {.kind = STAND_REPMGR};

static void fail_over(struct stand *stand)
{
	struct lab_pg *pg = lab_repmgr_pg(stand->repmgr);

	stand->lost_us = clock_now_us();
	lab_process_kill(lab_pg_process(pg, 0));
	stand_must_say(stand, "event=hold ", "the primary is lost", NULL);
	cr_assert_eq(lab_repmgr_wait_primary(stand->repmgr, 0, STAND_TIMEOUT_MS), 1);
	stand_name(stand, 1);
	stand_must_serve(stand, 1);
}

static void come_back(struct stand *stand)
{
	lab_pg_node_start(lab_repmgr_pg(stand->repmgr), 0);
	cr_assert(lab_wait_takes_writes(stand_conninfo(stand, 0), STAND_TIMEOUT_MS));
}

Test(run_repmgr, returned_old_primary_is_refused_by_its_timeline)
{
	struct stand stand;

	stand_start(&stand, &repmgr);
	fail_over(&stand);
	come_back(&stand);
	stand_must_say(&stand, "event=split_brain ", "lower timeline", NULL);
	stand_name(&stand, 0);
	stand_must_serve(&stand, 1);
	stand_judge(&stand, 1);
	stand_fini(&stand);
}

/* Neither a restart nor the loss of the true primary makes it one. */
Test(run_repmgr, returned_old_primary_is_refused_after_a_restart_of_the_sidecar)
{
	struct stand stand;
	struct lab_pg *pg;

	stand_start(&stand, &repmgr);
	pg = lab_repmgr_pg(stand.repmgr);
	fail_over(&stand);
	lab_process_stop(lab_repmgr_daemon(stand.repmgr, 0));
	cr_assert_eq(lab_process_stop(lab_segue_process(stand.segue)), 0);
	come_back(&stand);
	stand_name(&stand, 0);
	lab_process_kill(lab_pg_process(pg, 1));
	lab_segue_start(stand.segue);
	stand_must_say(&stand, "event=hold ", "timeline is lower", NULL);
	lab_pg_node_start(pg, 1);
	stand_must_serve(&stand, 1);
	stand_judge(&stand, 1);
	stand_fini(&stand);
}
