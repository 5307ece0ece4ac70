/* A ZooKeeper whose replies are no replies. What the C client hands on is refused; what ends the C
 * client ends segue with it, and then nobody is left waiting. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/hostile_zookeeper.h"
#include "fixtures/pgbouncer_stage.h"
#include "fixtures/run_stage.h"

TestSuite(hostile_zk, .timeout = 180);

/* Its segue.ini names the relay instead of the server. */
static void lead_through(struct lab *lab, struct lab_segue *segue, const char *hosts, uint16_t port)
{
	const char *file = lab_segue_ini_file(segue), *text = lab_read_file(lab, file);
	const char *at = strstr(text, hosts);

	cr_assert_not_null(at, "%s", text);
	lab_write_file(file, lab_printf(lab, "%.*s127.0.0.1:%u%s", (int)(at - text), text,
	                                (unsigned)port, at + strlen(hosts)));
}

static void must_survive(enum hostile_zk_way way)
{
	struct run run;
	struct hostile_zk hostile;

	run_init(&run, &(struct run_options){.zk_servers = 1,
	                                     .sections = "[cluster other]\npath = /segue/other\n"
	                                                 "verify = disable\npresence = yes\n"});
	lab_zk_set(run.zk, "/segue/other/publishers/one", "", 0);
	run_set_primary(&run, 0);
	hostile = hostile_zk_start(run.lab, run.zk);
	*hostile.way = way;
	lead_through(run.lab, run.segue, lab_zk_hosts(run.zk), hostile.port);
	lab_segue_start(run.segue);
	cr_expect_not_null(lab_segue_wait_log(run.segue, RUN_TIMEOUT_MS, "event=store_read_failed",
	                                      "path=/segue/other/publishers", NULL),
	                   "%s", lab_process_log_tail(lab_segue_process(run.segue)));
	cr_expect(run_wait_reaches(&run, 0));
	run_set_primary(&run, 1);
	cr_expect(run_wait_reaches(&run, 1));
	cr_expect_eq(lab_process_stop(lab_segue_process(run.segue)), 0, "%s",
	             lab_process_log_tail(lab_segue_process(run.segue)));
	run_fini(&run);
}

Test(hostile_zk, a_negative_number_of_children_is_refused)
{
	must_survive(HOSTILE_ZK_NEGATIVE_COUNT);
}

Test(hostile_zk, a_child_without_a_name_is_refused)
{
	must_survive(HOSTILE_ZK_NULL_NAME);
}

/* The C client ends the process; ExecStopPost lets go of those that wait. */
Test(hostile_zk, whoever_waits_is_let_go_when_the_c_client_ends_segue)
{
	struct pgbouncer_stage pgbouncer_stage;
	struct hostile_zk hostile;
	struct lab_process *process;

	pgbouncer_stage_init(&pgbouncer_stage,
	                     &(struct pgbouncer_stage_options){.own_zk = true, .no_traffic = true});
	pgbouncer_stage_name(&pgbouncer_stage, 0);
	hostile = hostile_zk_start(pgbouncer_stage.lab, pgbouncer_stage.zk);
	lead_through(pgbouncer_stage.lab, pgbouncer_stage.segue, lab_zk_hosts(pgbouncer_stage.zk),
	             hostile.port);
	process = lab_segue_process(pgbouncer_stage.segue);
	lab_segue_start(pgbouncer_stage.segue);
	cr_assert(pgbouncer_stage_wait_settled(&pgbouncer_stage, 0));
	pgbouncer_stage_name(&pgbouncer_stage, -1);
	cr_assert(pgbouncer_stage_wait_paused(&pgbouncer_stage, 0, true));
	*hostile.way = HOSTILE_ZK_REPLY_TWICE;
	pgbouncer_stage_name(&pgbouncer_stage, 1);
	cr_assert(lab_process_wait(process, BOUNCE_TIMEOUT_MS), "it has survived: %s",
	          lab_process_log_tail(process));
	cr_expect_gt(lab_process_exit_code(process), 128);
	cr_assert_eq(pgbouncer_stage_resume(&pgbouncer_stage, NULL), 0);
	cr_expect_not(pgbouncer_stage_is_paused(&pgbouncer_stage, 0));
	*hostile.way = HOSTILE_ZK_FAITHFUL;
	lab_segue_start(pgbouncer_stage.segue);
	cr_expect(pgbouncer_stage_wait_leads_to(&pgbouncer_stage, 0, 1));
	pgbouncer_stage_fini(&pgbouncer_stage);
}
