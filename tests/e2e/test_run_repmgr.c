/* An old primary that repmgr left for dead comes back, believes itself, and finds somebody who
 * writes that into the store. */
#include <criterion/criterion.h>

#include "base/clock.h"
#include "fixtures/failover_stage.h"

TestSuite(run_repmgr, .timeout = 240);

static const struct failover_stage_options repmgr = {.kind = STAND_REPMGR};

static void fail_over(struct failover_stage *failover_stage)
{
	failover_stage->lost_us = clock_now_us();
	lab_process_kill(lab_pg_process(failover_stage->pg, 0));
	failover_stage_must_say(failover_stage, "event=hold ", "the primary is lost", NULL);
	cr_assert_eq(lab_repmgr_wait_primary(failover_stage->repmgr, 0, STAND_TIMEOUT_MS), 1);
	failover_stage_name(failover_stage, 1);
	failover_stage_must_serve(failover_stage, 1);
}

static void come_back(struct failover_stage *failover_stage)
{
	lab_pg_node_start(failover_stage->pg, 0);
	cr_assert(
	    lab_wait_takes_writes(failover_stage_conninfo(failover_stage, 0), STAND_TIMEOUT_MS));
}

Test(run_repmgr, returned_old_primary_is_refused_by_its_timeline)
{
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage, &repmgr);
	fail_over(&failover_stage);
	come_back(&failover_stage);
	failover_stage_must_say(&failover_stage, "event=split_brain ", "lower timeline", NULL);
	failover_stage_name(&failover_stage, 0);
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}

/* Neither a restart nor the loss of the true primary makes it one. */
Test(run_repmgr, returned_old_primary_is_refused_after_a_restart_of_the_sidecar)
{
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage, &repmgr);
	fail_over(&failover_stage);
	lab_process_stop(lab_repmgr_daemon(failover_stage.repmgr, 0));
	cr_assert_eq(lab_process_stop(lab_segue_process(failover_stage.segue)), 0);
	come_back(&failover_stage);
	failover_stage_name(&failover_stage, 0);
	lab_process_kill(lab_pg_process(failover_stage.pg, 1));
	lab_segue_start(failover_stage.segue);
	failover_stage_must_say(&failover_stage, "event=hold ", "timeline is lower", NULL);
	lab_pg_node_start(failover_stage.pg, 1);
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}
