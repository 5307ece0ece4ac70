/* segue publish in front of real failovers: repmgrd's, those by hand, and old primaries that
 * return. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crowd.h"
#include "stand.h"

TestSuite(publish_failover, .timeout = 180);

static struct lab_process *server(struct crowd *crowd, int node)
{
	return lab_pg_process(crowd->pg, node);
}

static void expect_witness_left_out(struct crowd *crowd)
{
	struct topology topology;

	crowd_primary(crowd, &topology);
	for (size_t i = 0; i < topology.standby_count; i++)
		cr_assert_neq(topology.standbys[i].port,
		              lab_pg_port(lab_repmgr_witness(crowd->repmgr), 0));
	cr_assert_leq(topology.standby_count, 2);
	topology_fini(&topology);
}

static bool has_one_each(void *arg)
{
	const struct crowd *crowd = arg;

	for (int i = 0; i < CROWD_NODES; i++) {
		auto_free char *count = lab_pg_query(lab_pg_conninfo(crowd->pg, i),
		                                     "select count(*) from pg_stat_activity "
		                                     "where application_name = 'segue'");

		if (count == NULL || strtol(count, NULL, 10) != CROWD_NODES)
			return false;
	}
	return true;
}

/* One of each publisher to each server. */
static void expect_one_connection_each(struct crowd *crowd)
{
	cr_assert(lab_wait_until(has_one_each, crowd, CROWD_TIMEOUT_MS), "%s", crowd_logs(crowd));
}

static void expect_never_back(struct crowd *crowd)
{
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert_eq(lab_segue_count_log(crowd->publishers[i], "event=published",
		                                 "primary=node1", "timeline=2", NULL),
		             0);
}

Test(publish_failover, repmgrd_promotes_and_the_old_primary_returns)
{
	struct crowd crowd;

	crowd_start(&crowd,
	            &(struct crowd_options){.events = true, .settings = "null_after = 1\n"});
	expect_witness_left_out(&crowd);
	expect_one_connection_each(&crowd);
	lab_process_kill(server(&crowd, 0));
	crowd_must_name_nobody(&crowd);
	crowd_must_name(&crowd, 1, 2);
	lab_pg_node_start(crowd.pg, 0);
	cr_assert(lab_wait_takes_writes(lab_pg_conninfo(crowd.pg, 0), CROWD_TIMEOUT_MS));
	cr_assert_not_null(lab_segue_wait_log(crowd.publishers[1], CROWD_TIMEOUT_MS,
	                                      "event=server ", "node=node1 ", "class=answered",
	                                      "in_recovery=no timeline=1", NULL),
	                   "%s", crowd_logs(&crowd));
	cr_assert_eq(crowd_primary(&crowd, NULL), 1);
	expect_witness_left_out(&crowd);
	expect_never_back(&crowd);
	crowd_fini(&crowd);
}

/* A publisher that is new, and the loss of the true primary: neither makes it one. */
Test(publish_failover, returned_old_primary_is_not_published_by_a_new_publisher)
{
	struct crowd crowd;

	crowd_start(&crowd, &(struct crowd_options){.settings = ""});
	lab_process_kill(server(&crowd, 0));
	crowd_must_name(&crowd, 1, 2);
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert_eq(lab_process_stop(lab_segue_process(crowd.publishers[i])), 0);
	lab_pg_node_start(crowd.pg, 0);
	cr_assert(lab_wait_takes_writes(lab_pg_conninfo(crowd.pg, 0), CROWD_TIMEOUT_MS));
	lab_process_stop(lab_repmgr_daemon(crowd.repmgr, 2));
	lab_process_kill(server(&crowd, 1));
	for (int i = 0; i < CROWD_NODES; i++)
		lab_segue_publish(crowd.publishers[i]);
	crowd_must_name_nobody(&crowd);
	cr_assert_not_null(lab_segue_wait_log(crowd.publishers[0], CROWD_TIMEOUT_MS,
	                                      "event=server ", "in_recovery=no timeline=1", NULL));
	cr_assert_eq(crowd_primary(&crowd, NULL), -1);
	crowd_fini(&crowd);
}

/* pg_promote() with nobody's help, of the standby that repmgr would not have chosen. */
Test(publish_failover, repmgrd_is_dead_and_a_person_promotes)
{
	struct crowd crowd;

	crowd_start(&crowd, &(struct crowd_options){.settings = ""});
	for (int i = 0; i <= CROWD_NODES; i++)
		lab_process_kill(lab_repmgr_daemon(crowd.repmgr, i));
	lab_process_kill(server(&crowd, 0));
	crowd_must_name_nobody(&crowd);
	lab_pg_promote(crowd.pg, 2);
	crowd_must_name(&crowd, 2, 2);
	crowd_fini(&crowd);
}

/* What repmgr standby switchover does, without its ssh: the old one is shut down, the new one
 * promoted, the others follow. The sessions that end wake the publishers. */
Test(publish_failover, planned_promotion_is_published_at_once)
{
	struct crowd crowd;
	const char *const promote[] = {"standby", "promote", NULL};
	const char *const follow[] = {"standby", "follow", "--upstream-node-id=2", NULL};
	auto_strbuf struct strbuf output = STRBUF_INIT;

	crowd_start(&crowd, &(struct crowd_options){.settings = "null_after = 30\n"});
	for (int i = 0; i <= CROWD_NODES; i++)
		lab_process_stop(lab_repmgr_daemon(crowd.repmgr, i));
	cr_assert(lab_wait_replays(lab_pg_conninfo(crowd.pg, 0), lab_pg_conninfo(crowd.pg, 1),
	                           CROWD_TIMEOUT_MS));
	lab_process_stop(server(&crowd, 0));
	cr_assert_eq(lab_repmgr_run(crowd.repmgr, 1, promote, &output), 0, "%s", output.data);
	crowd_must_name(&crowd, 1, 2);
	cr_assert_eq(lab_repmgr_run(crowd.repmgr, 2, follow, &output), 0, "%s", output.data);
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert_eq(lab_segue_count_log(crowd.publishers[i], "event=published",
		                                 "primary=none", NULL),
		             0, "%s", crowd_logs(&crowd));
	crowd_fini(&crowd);
}

Test(publish_failover, without_repmgr_the_servers_alone_suffice)
{
	struct crowd crowd;

	crowd_start(&crowd, &(struct crowd_options){.alone = true,
	                                            .settings = "write_check = table\n"
	                                                        "null_after = 1\n"});
	lab_process_freeze(server(&crowd, 0));
	crowd_must_name_nobody(&crowd);
	lab_pg_promote(crowd.pg, 1);
	crowd_must_name(&crowd, 1, 2);
	lab_process_thaw(server(&crowd, 0));
	cr_assert_not_null(lab_segue_wait_log(crowd.publishers[2], CROWD_TIMEOUT_MS,
	                                      "event=server ", "in_recovery=no timeline=1", NULL));
	crowd_must_name(&crowd, 1, 2);
	crowd_fini(&crowd);
}

/* -- the whole chain -- */

Test(publish_failover, nothing_but_segue_repmgr_and_zookeeper_and_the_client_goes_on)
{
	static const struct stand_options options = {.kind = STAND_REPMGR, .publish = true};
	struct stand stand;

	stand_start(&stand, &options);
	stand.lost_us = clock_now_us();
	lab_process_kill(lab_pg_process(stand.pg, 0));
	stand_must_serve(&stand, 1);
	lab_pg_node_start(stand.pg, 0);
	cr_assert(lab_wait_takes_writes(stand_conninfo(&stand, 0), STAND_TIMEOUT_MS));
	stand_must_serve(&stand, 1);
	stand_judge(&stand, 1);
	stand_fini(&stand);
}
