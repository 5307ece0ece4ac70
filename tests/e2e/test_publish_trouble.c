/* segue publish when what it stands on fails: publishers killed and frozen, the store away, all of
 * them dead. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "crowd.h"

TestSuite(publish_trouble, .timeout = 180);

static struct lab_process *process(struct crowd *crowd, int publisher)
{
	return lab_segue_process(crowd->publishers[publisher]);
}

static void fail_over(struct crowd *crowd)
{
	lab_process_kill(lab_pg_process(crowd->pg, 0));
	cr_assert_eq(lab_repmgr_wait_primary(crowd->repmgr, 0, CROWD_TIMEOUT_MS), 1);
}

/* The frozen one has the decision that node1 is the primary, and a session that is gone. */
Test(publish_trouble, one_is_killed_and_one_frozen_through_a_failover)
{
	struct crowd crowd;

	crowd_start(&crowd, &(struct crowd_options){.settings = ""});
	lab_process_kill(process(&crowd, 0));
	lab_process_freeze(process(&crowd, 1));
	fail_over(&crowd);
	crowd_must_name(&crowd, 1, 2);
	cr_assert(crowd_wait_present(&crowd, 0, false));
	cr_assert(crowd_wait_present(&crowd, 1, false));
	cr_assert(crowd_wait_present(&crowd, 2, true));
	lab_segue_mark(crowd.publishers[1]);
	lab_process_thaw(process(&crowd, 1));
	cr_assert(crowd_wait_present(&crowd, 1, true), "%s", crowd_logs(&crowd));
	cr_assert_not_null(lab_segue_wait_log(crowd.publishers[1], CROWD_TIMEOUT_MS,
	                                      "event=server ", "node=node2 ", "timeline=2", NULL),
	                   "%s", crowd_logs(&crowd));
	cr_assert_eq(lab_segue_count_log(crowd.publishers[1], "event=published",
	                                 "primary=node1 timeline=1", NULL),
	             0);
	crowd_must_name(&crowd, 1, 2);
	crowd_fini(&crowd);
}

static void must_query(struct crowd *crowd, int node, const char *sql)
{
	auto_free char *done = lab_pg_query(lab_pg_conninfo(crowd->pg, node), sql);

	cr_assert_not_null(done, "%s", sql);
}

/* Neither the publishers beside the standbys nor these reach the primary; the one beside it lives,
 * and says what it sees. When it is gone, so is its word. */
Test(publish_trouble, who_is_cut_from_the_primary_believes_the_publisher_that_sees_it)
{
	struct crowd crowd;
	uint16_t nobody;

	crowd_start(&crowd, &(struct crowd_options){.alone = true, .quiet = true});
	nobody = lab_port(crowd.lab);
	lab_segue_publish(crowd.publishers[0]);
	crowd_must_name(&crowd, 0, 1);
	for (int i = 1; i < CROWD_NODES; i++) {
		must_query(&crowd, i, "alter system set primary_conninfo = ''");
		must_query(&crowd, i, "select pg_reload_conf()");
		crowd_move_node(&crowd, i, 0, nobody);
		lab_segue_publish(crowd.publishers[i]);
	}
	for (int i = 1; i < CROWD_NODES; i++)
		cr_assert_not_null(lab_segue_wait_log(crowd.publishers[i], CROWD_TIMEOUT_MS,
		                                      "event=opinion", "verdict=wait",
		                                      "publisher pub1 sees it", NULL),
		                   "%s", crowd_logs(&crowd));
	for (int i = 1; i < CROWD_NODES; i++)
		cr_assert(crowd_wait_present(&crowd, i, true), "%s", crowd_logs(&crowd));
	cr_assert_eq(lab_segue_count_log(crowd.publishers[1], "primary=none", NULL), 0);
	lab_process_kill(process(&crowd, 0));
	crowd_must_name_nobody(&crowd);
	cr_assert(crowd_wait_present(&crowd, 0, false));
	crowd_fini(&crowd);
}

/* The store's own second: it is back, and knows at once what happened while it was away. */
Test(publish_trouble, store_is_away_through_a_failover)
{
	struct crowd crowd;

	crowd_start(&crowd, &(struct crowd_options){.own_zk = true, .settings = ""});
	lab_process_kill(lab_zk_process(crowd.zk, 0));
	fail_over(&crowd);
	cr_assert_not_null(
	    lab_segue_wait_log(crowd.publishers[1], CROWD_TIMEOUT_MS, "event=publish_failed", NULL),
	    "%s", crowd_logs(&crowd));
	lab_zk_server_start(crowd.zk, 0);
	cr_assert(lab_zk_wait_ready(crowd.zk, 0, CROWD_TIMEOUT_MS));
	crowd_must_name(&crowd, 1, 2);
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert(crowd_wait_present(&crowd, i, true), "%s", crowd_logs(&crowd));
	crowd_fini(&crowd);
}

/* -- all are dead, and a sidecar that listens to nobody else -- */

static struct lab_segue *start_sidecar(struct crowd *crowd)
{
	const char *template = lab_path(crowd->lab, "port.mustache");
	struct lab_segue *sidecar;

	lab_write_file(template, "{{#primary}}{{port}}{{/primary}}\n");
	sidecar = lab_segue_create(
	    crowd->lab, lab_printf(crowd->lab,
	                           "[segue]\nname = side\nstate_dir = %s/state\n"
	                           "[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	                           "[cluster orders]\npath = " CROWD_PATH "\npresence = yes\n"
	                           "verify = disable\non_primary_loss = keep\n"
	                           "[file port]\ncluster = orders\ntemplate = %s\n"
	                           "output = %s/port\n",
	                           lab_dir(crowd->lab), lab_zk_hosts(crowd->zk), template,
	                           lab_dir(crowd->lab)));
	lab_segue_start(sidecar);
	return sidecar;
}

struct file_wanted {
	struct crowd *crowd;
	uint16_t port;
};

static bool has_port(void *arg)
{
	const struct file_wanted *wanted = arg;
	const char *path = lab_path(wanted->crowd->lab, "port");

	return strtol(lab_read_file(wanted->crowd->lab, path), NULL, 10) == wanted->port;
}

static bool file_names(struct crowd *crowd, int node)
{
	return lab_wait_until(has_port, &(struct file_wanted){crowd, lab_pg_port(crowd->pg, node)},
	                      CROWD_TIMEOUT_MS);
}

Test(publish_trouble, all_are_dead_and_the_sidecar_keeps_what_it_has)
{
	struct crowd crowd;
	struct lab_segue *sidecar;
	const char *forged;

	crowd_start(&crowd, &(struct crowd_options){.alone = true});
	sidecar = start_sidecar(&crowd);
	cr_assert(file_names(&crowd, 0), "%s", lab_process_log_tail(lab_segue_process(sidecar)));
	for (int i = 0; i < CROWD_NODES; i++)
		lab_process_kill(process(&crowd, i));
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert(crowd_wait_present(&crowd, i, false));
	forged = lab_printf(crowd.lab,
	                    "{\"version\":1,\"primary\":{\"name\":\"x\",\"host\":\"127.0.0.1\","
	                    "\"port\":%u},\"standbys\":[],\"timeline\":1}",
	                    lab_pg_port(crowd.pg, 2));
	lab_zk_set(crowd.zk, CROWD_PATH "/master", forged, strlen(forged));
	cr_assert_not_null(lab_segue_wait_log(sidecar, CROWD_TIMEOUT_MS, "publisher", NULL), "%s",
	                   lab_process_log_tail(lab_segue_process(sidecar)));
	cr_assert(file_names(&crowd, 0));
	lab_process_kill(lab_pg_process(crowd.pg, 0));
	lab_pg_promote(crowd.pg, 1);
	for (int i = 0; i < CROWD_NODES; i++)
		lab_segue_publish(crowd.publishers[i]);
	crowd_must_name(&crowd, 1, 2);
	cr_assert(file_names(&crowd, 1), "%s", lab_process_log_tail(lab_segue_process(sidecar)));
	crowd_fini(&crowd);
}
