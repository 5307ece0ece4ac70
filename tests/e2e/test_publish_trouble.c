/* segue publish when what it stands on fails: publishers killed and frozen, the store away, all of
 * them dead. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/repmgr_stage.h"

TestSuite(publish_trouble, .timeout = 180);

static struct lab_process *process(struct repmgr_stage *repmgr_stage, int publisher)
{
	return lab_segue_process(repmgr_stage->publishers[publisher]);
}

static void fail_over(struct repmgr_stage *repmgr_stage)
{
	lab_process_kill(lab_pg_process(repmgr_stage->pg, 0));
	cr_assert_eq(lab_repmgr_wait_primary(repmgr_stage->repmgr, 0, CROWD_TIMEOUT_MS), 1);
}

/* The frozen one has the decision that node1 is the primary, and a session that is gone. */
Test(publish_trouble, one_is_killed_and_one_frozen_through_a_failover)
{
	struct repmgr_stage repmgr_stage;

	repmgr_stage_start(&repmgr_stage, &(struct repmgr_stage_options){.settings = ""});
	lab_process_kill(process(&repmgr_stage, 0));
	lab_process_freeze(process(&repmgr_stage, 1));
	fail_over(&repmgr_stage);
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	cr_assert(repmgr_stage_wait_present(&repmgr_stage, 0, false));
	cr_assert(repmgr_stage_wait_present(&repmgr_stage, 1, false));
	cr_assert(repmgr_stage_wait_present(&repmgr_stage, 2, true));
	lab_segue_mark(repmgr_stage.publishers[1]);
	lab_process_thaw(process(&repmgr_stage, 1));
	cr_assert(repmgr_stage_wait_present(&repmgr_stage, 1, true), "%s",
	          repmgr_stage_logs(&repmgr_stage));
	cr_assert_not_null(lab_segue_wait_log(repmgr_stage.publishers[1], CROWD_TIMEOUT_MS,
	                                      "event=server ", "node=node2 ", "timeline=2", NULL),
	                   "%s", repmgr_stage_logs(&repmgr_stage));
	cr_assert_eq(lab_segue_count_log(repmgr_stage.publishers[1], "event=published",
	                                 "primary=node1 timeline=1", NULL),
	             0);
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	repmgr_stage_fini(&repmgr_stage);
}

static void must_query(struct repmgr_stage *repmgr_stage, int node, const char *sql)
{
	auto_free char *done = lab_pg_query(lab_pg_conninfo(repmgr_stage->pg, node), sql);

	cr_assert_not_null(done, "%s", sql);
}

/* Neither the publishers beside the standbys nor these reach the primary; the one beside it lives,
 * and says what it sees. When it is gone, so is its word. */
Test(publish_trouble, who_is_cut_from_the_primary_believes_the_publisher_that_sees_it)
{
	struct repmgr_stage repmgr_stage;
	uint16_t nobody;

	repmgr_stage_start(&repmgr_stage,
	                   &(struct repmgr_stage_options){.alone = true, .quiet = true});
	nobody = lab_port(repmgr_stage.lab);
	lab_segue_publish(repmgr_stage.publishers[0]);
	repmgr_stage_must_name(&repmgr_stage, 0, 1);
	for (int i = 1; i < CROWD_NODES; i++) {
		must_query(&repmgr_stage, i, "alter system set primary_conninfo = ''");
		must_query(&repmgr_stage, i, "select pg_reload_conf()");
		repmgr_stage_move_node(&repmgr_stage, i, 0, nobody);
		lab_segue_publish(repmgr_stage.publishers[i]);
	}
	for (int i = 1; i < CROWD_NODES; i++)
		cr_assert_not_null(lab_segue_wait_log(repmgr_stage.publishers[i], CROWD_TIMEOUT_MS,
		                                      "event=opinion", "verdict=wait",
		                                      "publisher pub1 sees it", NULL),
		                   "%s", repmgr_stage_logs(&repmgr_stage));
	for (int i = 1; i < CROWD_NODES; i++)
		cr_assert(repmgr_stage_wait_present(&repmgr_stage, i, true), "%s",
		          repmgr_stage_logs(&repmgr_stage));
	cr_assert_eq(lab_segue_count_log(repmgr_stage.publishers[1], "primary=none", NULL), 0);
	lab_process_kill(process(&repmgr_stage, 0));
	repmgr_stage_must_name_nobody(&repmgr_stage);
	cr_assert(repmgr_stage_wait_present(&repmgr_stage, 0, false));
	repmgr_stage_fini(&repmgr_stage);
}

/* The store's own second: it is back, and knows at once what happened while it was away. */
Test(publish_trouble, store_is_away_through_a_failover)
{
	struct repmgr_stage repmgr_stage;

	repmgr_stage_start(&repmgr_stage,
	                   &(struct repmgr_stage_options){.own_zk = true, .settings = ""});
	lab_process_kill(lab_zk_process(repmgr_stage.zk, 0));
	fail_over(&repmgr_stage);
	cr_assert_not_null(lab_segue_wait_log(repmgr_stage.publishers[1], CROWD_TIMEOUT_MS,
	                                      "event=publish_failed", NULL),
	                   "%s", repmgr_stage_logs(&repmgr_stage));
	lab_zk_server_start(repmgr_stage.zk, 0);
	cr_assert(lab_zk_wait_ready(repmgr_stage.zk, 0, CROWD_TIMEOUT_MS));
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert(repmgr_stage_wait_present(&repmgr_stage, i, true), "%s",
		          repmgr_stage_logs(&repmgr_stage));
	repmgr_stage_fini(&repmgr_stage);
}

/* -- all are dead, and a sidecar that listens to nobody else -- */

static struct lab_segue *start_sidecar(struct repmgr_stage *repmgr_stage)
{
	const char *template = lab_path(repmgr_stage->lab, "port.mustache");
	struct lab_segue *sidecar;

	lab_write_file(template, "{{#primary}}{{port}}{{/primary}}\n");
	sidecar =
	    lab_segue_create(repmgr_stage->lab,
	                     lab_printf(repmgr_stage->lab,
	                                "[segue]\nname = side\nstate_dir = %s/state\n"
	                                "[zookeeper]\nhosts = %s\nsession_timeout = 4s\n"
	                                "[cluster orders]\npath = " CROWD_PATH "\npresence = yes\n"
	                                "verify = disable\non_primary_loss = keep\n"
	                                "[file port]\ncluster = orders\ntemplate = %s\n"
	                                "output = %s/port\n",
	                                lab_dir(repmgr_stage->lab), lab_zk_hosts(repmgr_stage->zk),
	                                template, lab_dir(repmgr_stage->lab)));
	lab_segue_start(sidecar);
	return sidecar;
}

struct file_wanted {
	struct repmgr_stage *repmgr_stage;
	uint16_t port;
};

static bool has_port(void *arg)
{
	const struct file_wanted *wanted = arg;
	const char *path = lab_path(wanted->repmgr_stage->lab, "port");

	return strtol(lab_read_file(wanted->repmgr_stage->lab, path), NULL, 10) == wanted->port;
}

static bool file_names(struct repmgr_stage *repmgr_stage, int node)
{
	return lab_wait_until(
	    has_port, &(struct file_wanted){repmgr_stage, lab_pg_port(repmgr_stage->pg, node)},
	    CROWD_TIMEOUT_MS);
}

Test(publish_trouble, all_are_dead_and_the_sidecar_keeps_what_it_has)
{
	struct repmgr_stage repmgr_stage;
	struct lab_segue *sidecar;
	const char *forged;

	repmgr_stage_start(&repmgr_stage, &(struct repmgr_stage_options){.alone = true});
	sidecar = start_sidecar(&repmgr_stage);
	cr_assert(file_names(&repmgr_stage, 0), "%s",
	          lab_process_log_tail(lab_segue_process(sidecar)));
	for (int i = 0; i < CROWD_NODES; i++)
		lab_process_kill(process(&repmgr_stage, i));
	for (int i = 0; i < CROWD_NODES; i++)
		cr_assert(repmgr_stage_wait_present(&repmgr_stage, i, false));
	forged = lab_printf(repmgr_stage.lab,
	                    "{\"version\":1,\"primary\":{\"name\":\"x\",\"host\":\"127.0.0.1\","
	                    "\"port\":%u},\"standbys\":[],\"timeline\":1}",
	                    lab_pg_port(repmgr_stage.pg, 2));
	lab_zk_set(repmgr_stage.zk, CROWD_PATH "/master", forged, strlen(forged));
	cr_assert_not_null(lab_segue_wait_log(sidecar, CROWD_TIMEOUT_MS, "publisher", NULL), "%s",
	                   lab_process_log_tail(lab_segue_process(sidecar)));
	cr_assert(file_names(&repmgr_stage, 0));
	lab_process_kill(lab_pg_process(repmgr_stage.pg, 0));
	lab_pg_promote(repmgr_stage.pg, 1);
	for (int i = 0; i < CROWD_NODES; i++)
		lab_segue_publish(repmgr_stage.publishers[i]);
	repmgr_stage_must_name(&repmgr_stage, 1, 2);
	cr_assert(file_names(&repmgr_stage, 1), "%s",
	          lab_process_log_tail(lab_segue_process(sidecar)));
	repmgr_stage_fini(&repmgr_stage);
}
