/* segue publish in front of real failovers: repmgrd's, those by hand, and old primaries that
 * return. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fixtures/failover_stage.h"
#include "fixtures/repmgr_stage.h"

TestSuite(publish_failover, .timeout = 180);

static struct lab_process *server(struct repmgr_stage *repmgr_stage, int node)
{
	return lab_pg_process(repmgr_stage->pg, node);
}

static void expect_witness_left_out(struct repmgr_stage *repmgr_stage)
{
	struct topology topology;

	repmgr_stage_primary(repmgr_stage, &topology);
	for (size_t i = 0; i < topology.standby_count; i++)
		cr_assert_neq(topology.standbys[i].port,
		              lab_pg_port(lab_repmgr_witness(repmgr_stage->repmgr), 0));
	cr_assert_leq(topology.standby_count, 2);
	topology_fini(&topology);
}

static bool has_one_each(void *arg)
{
	const struct repmgr_stage *repmgr_stage = arg;

	for (int i = 0; i < CROWD_NODES; i++) {
		auto_free char *count = lab_pg_query(lab_pg_conninfo(repmgr_stage->pg, i),
		                                     "select count(*) from pg_stat_activity "
		                                     "where application_name = 'segue'");

		if (count == NULL || strtol(count, NULL, 10) != CROWD_NODES)
			return false;
	}
	return true;
}

/* One of each publisher to each server. */
static void expect_one_connection_each(struct repmgr_stage *repmgr_stage)
{
	cr_assert(lab_wait_until(has_one_each, repmgr_stage, CROWD_TIMEOUT_MS), "%s",
	          repmgr_stage_logs(repmgr_stage));
}

static void expect_never_back(struct repmgr_stage *repmgr_stage)
{
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert_eq(lab_segue_count_log(repmgr_stage->publishers[i], "event=published",
		                                 "primary=node1", "timeline=2", NULL),
		             0);
}

Test(publish_failover, repmgrd_promotes_and_the_old_primary_returns)
{
	struct repmgr_stage repmgr_stage;

	repmgr_stage_start(&repmgr_stage, &(struct repmgr_stage_options){
	                                      .events = true, .settings = "null_after = 1\n"});
	expect_witness_left_out(&repmgr_stage);
	expect_one_connection_each(&repmgr_stage);
	lab_process_kill(server(&repmgr_stage, 0));
	repmgr_stage_must_name_nobody(&repmgr_stage);
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	lab_pg_node_start(repmgr_stage.pg, 0);
	cr_assert(lab_wait_takes_writes(lab_pg_conninfo(repmgr_stage.pg, 0), CROWD_TIMEOUT_MS));
	cr_assert_not_null(lab_segue_wait_log(repmgr_stage.publishers[1], CROWD_TIMEOUT_MS,
	                                      "event=server ", "node=node1 ", "class=answered",
	                                      "in_recovery=no timeline=1", NULL),
	                   "%s", repmgr_stage_logs(&repmgr_stage));
	cr_assert_eq(repmgr_stage_primary(&repmgr_stage, NULL), 1);
	expect_witness_left_out(&repmgr_stage);
	expect_never_back(&repmgr_stage);
	repmgr_stage_fini(&repmgr_stage);
}

/* A publisher that is new, and the loss of the true primary: neither makes it one. */
Test(publish_failover, returned_old_primary_is_not_published_by_a_new_publisher)
{
	struct repmgr_stage repmgr_stage;

	repmgr_stage_start(&repmgr_stage, &(struct repmgr_stage_options){.settings = ""});
	lab_process_kill(server(&repmgr_stage, 0));
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert_eq(lab_process_stop(lab_segue_process(repmgr_stage.publishers[i])), 0);
	lab_pg_node_start(repmgr_stage.pg, 0);
	cr_assert(lab_wait_takes_writes(lab_pg_conninfo(repmgr_stage.pg, 0), CROWD_TIMEOUT_MS));
	lab_process_stop(lab_repmgr_daemon(repmgr_stage.repmgr, 2));
	lab_process_kill(server(&repmgr_stage, 1));
	for (int i = 0; i < CROWD_NODES; i++)
		lab_segue_publish(repmgr_stage.publishers[i]);
	repmgr_stage_must_name_nobody(&repmgr_stage);
	cr_assert_not_null(lab_segue_wait_log(repmgr_stage.publishers[0], CROWD_TIMEOUT_MS,
	                                      "event=server ", "in_recovery=no timeline=1", NULL));
	cr_assert_eq(repmgr_stage_primary(&repmgr_stage, NULL), -1);
	repmgr_stage_fini(&repmgr_stage);
}

/* pg_promote() with nobody's help, of the standby that repmgr would not have chosen. */
Test(publish_failover, repmgrd_is_dead_and_a_person_promotes)
{
	struct repmgr_stage repmgr_stage;

	repmgr_stage_start(&repmgr_stage, &(struct repmgr_stage_options){.settings = ""});
	for (int i = 0; i <= CROWD_NODES; i++)
		lab_process_kill(lab_repmgr_daemon(repmgr_stage.repmgr, i));
	lab_process_kill(server(&repmgr_stage, 0));
	repmgr_stage_must_name_nobody(&repmgr_stage);
	lab_pg_promote(repmgr_stage.pg, 2);
	repmgr_stage_must_name(&repmgr_stage, 2, 2);
	repmgr_stage_fini(&repmgr_stage);
}

/* What repmgr standby switchover does, without its ssh: the old one is shut down, the new one
 * promoted, the others follow. The sessions that end wake the publishers. */
Test(publish_failover, planned_promotion_is_published_at_once)
{
	struct repmgr_stage repmgr_stage;
	const char *const promote[] = {"standby", "promote", NULL};
	const char *const follow[] = {"standby", "follow", "--upstream-node-id=2", NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	repmgr_stage_start(&repmgr_stage,
	                   &(struct repmgr_stage_options){.settings = "null_after = 30\n"});
	for (int i = 0; i <= CROWD_NODES; i++)
		lab_process_stop(lab_repmgr_daemon(repmgr_stage.repmgr, i));
	cr_assert(lab_wait_replays(lab_pg_conninfo(repmgr_stage.pg, 0),
	                           lab_pg_conninfo(repmgr_stage.pg, 1), CROWD_TIMEOUT_MS));
	lab_process_stop(server(&repmgr_stage, 0));
	cr_assert_eq(lab_repmgr_run(repmgr_stage.repmgr, 1, promote, &output), 0, "%s",
	             output.data);
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	cr_assert_eq(lab_repmgr_run(repmgr_stage.repmgr, 2, follow, &output), 0, "%s", output.data);
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert_eq(lab_segue_count_log(repmgr_stage.publishers[i], "event=published",
		                                 "primary=none", NULL),
		             0, "%s", repmgr_stage_logs(&repmgr_stage));
	repmgr_stage_fini(&repmgr_stage);
}

Test(publish_failover, without_repmgr_the_servers_alone_suffice)
{
	struct repmgr_stage repmgr_stage;

	repmgr_stage_start(&repmgr_stage,
	                   &(struct repmgr_stage_options){.alone = true,
	                                                  .settings = "write_check = table\n"
	                                                              "null_after = 1\n"});
	lab_process_freeze(server(&repmgr_stage, 0));
	repmgr_stage_must_name_nobody(&repmgr_stage);
	lab_pg_promote(repmgr_stage.pg, 1);
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	lab_process_thaw(server(&repmgr_stage, 0));
	cr_assert_not_null(lab_segue_wait_log(repmgr_stage.publishers[2], CROWD_TIMEOUT_MS,
	                                      "event=server ", "in_recovery=no timeline=1", NULL));
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	repmgr_stage_fini(&repmgr_stage);
}

/* -- the whole chain -- */

Test(publish_failover, nothing_but_segue_repmgr_and_zookeeper_and_the_client_goes_on)
{
	static const struct failover_stage_options options = {.kind = STAND_REPMGR,
	                                                      .publish = true};
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage, &options);
	failover_stage.lost_us = clock_now_us();
	lab_process_kill(lab_pg_process(failover_stage.pg, 0));
	failover_stage_must_serve(&failover_stage, 1);
	lab_pg_node_start(failover_stage.pg, 0);
	cr_assert(
	    lab_wait_takes_writes(failover_stage_conninfo(&failover_stage, 0), STAND_TIMEOUT_MS));
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}
