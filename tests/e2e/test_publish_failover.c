/* segue publish in front of real failovers: repmgrd's, one by hand, and old primaries that return.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"
#include "crowd.h"

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

Test(publish_failover, repmgrd_promotes_and_the_old_primary_returns)
{
	struct crowd crowd;

	crowd_start(&crowd, &(struct crowd_options){.events = true});
	expect_witness_left_out(&crowd);
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
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert_eq(lab_segue_count_log(crowd.publishers[i], "event=published",
		                                 "primary=node1", "timeline=2", NULL),
		             0);
	crowd_fini(&crowd);
}
