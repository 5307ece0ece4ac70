/* The whole way with real Patroni on ZooKeeper: its leader goes in every manner, and clients behind
 * HAProxy and PgBouncer go on. */
#include <criterion/criterion.h>
#include <signal.h>

#include "base/clock.h"
#include "fixtures/failover_stage.h"

TestSuite(run_patroni, .timeout = 240);

static const struct failover_stage_options patroni = {.kind = STAND_PATRONI};

/* The machine is gone at once: the store names it until its session ends, the servers know. */
Test(run_patroni, leader_killed)
{
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage, &patroni);
	failover_stage.lost_us = clock_now_us();
	lab_patroni_cut(failover_stage.patroni, 0);
	failover_stage_must_say(&failover_stage, "event=hold ", "the primary is lost", NULL);
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_must_say(&failover_stage, "event=primary ", "name=pg2", NULL);
	failover_stage_judge(&failover_stage, 1);
	cr_assert_leq(ledger_errors(failover_stage.ledgers[STAND_PGBOUNCER]), 1);
	failover_stage_fini(&failover_stage);
}

/* It accepts connections and never answers. */
Test(run_patroni, leader_frozen_and_thawed)
{
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage, &patroni);
	failover_stage.lost_us = clock_now_us();
	lab_process_freeze(lab_patroni_machine(failover_stage.patroni, 0));
	failover_stage_must_say(&failover_stage, "event=hold ", "the primary is lost", NULL);
	failover_stage_must_serve(&failover_stage, 1);
	lab_process_thaw(lab_patroni_machine(failover_stage.patroni, 0));
	cr_assert(lab_wait_streams(failover_stage_conninfo(&failover_stage, 0), STAND_TIMEOUT_MS));
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}

Test(run_patroni, planned_switchover)
{
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage, &patroni);
	lab_patroni_switchover(failover_stage.patroni, 0, 1);
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_must_say(&failover_stage, "event=primary ", "name=pg2", NULL);
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}

/* Without its store Patroni demotes the leader: nobody takes writes until the store is back. */
Test(run_patroni, store_away_through_a_failover)
{
	struct failover_stage failover_stage;
	int primary;

	failover_stage_start(&failover_stage, &patroni);
	failover_stage.lost_us = clock_now_us();
	lab_process_kill(lab_zk_process(failover_stage.zk, 0));
	failover_stage_must_say(&failover_stage, "event=hold ", "the primary is lost", NULL);
	lab_patroni_cut(failover_stage.patroni, 0);
	lab_zk_server_start(failover_stage.zk, 0);
	primary = lab_patroni_wait_primary(failover_stage.patroni, 0, STAND_TIMEOUT_MS);
	cr_assert_eq(primary, 1);
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}

/* Patroni brings it back as a standby of the new one. */
Test(run_patroni, old_leader_comes_back)
{
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage, &patroni);
	failover_stage.lost_us = clock_now_us();
	lab_patroni_cut(failover_stage.patroni, 0);
	failover_stage_must_serve(&failover_stage, 1);
	lab_patroni_node_start(failover_stage.patroni, 0);
	cr_assert(lab_wait_streams(failover_stage_conninfo(&failover_stage, 0), STAND_TIMEOUT_MS));
	failover_stage_must_serve(&failover_stage, 1);
	failover_stage_judge(&failover_stage, 1);
	failover_stage_fini(&failover_stage);
}

static bool leads_again(void *cluster)
{
	return lab_patroni_leader(cluster) == 0;
}

/* Maintenance mode: nobody is promoted, and the primary takes writes without its Patroni. */
Test(run_patroni, paused_without_a_leader_changes_nothing)
{
	struct failover_stage failover_stage;

	failover_stage_start(&failover_stage, &patroni);
	lab_patroni_pause(failover_stage.patroni);
	lab_patroni_kill_agent(failover_stage.patroni, 0);
	failover_stage_must_say(&failover_stage, "event=kept ", "paused", NULL);
	failover_stage_must_serve(&failover_stage, 0);
	lab_patroni_node_start(failover_stage.patroni, 0);
	cr_assert(lab_wait_until(leads_again, failover_stage.patroni, STAND_TIMEOUT_MS));
	lab_patroni_resume(failover_stage.patroni);
	failover_stage_must_serve(&failover_stage, 0);
	failover_stage_judge(&failover_stage, 0);
	for (int i = 0; i < STAND_PROXIES; i++)
		cr_assert_eq(ledger_errors(failover_stage.ledgers[i]), 0);
	failover_stage_fini(&failover_stage);
}

static bool is_split(void *segue)
{
	return lab_segue_count_log(segue, "event=split_brain ", "127.0.0.1", "(pg2, timeline 2)",
	                           "(pg1, timeline 1)", "leader key", NULL) > 0;
}

static void must_promote_by_hand(const struct failover_stage *failover_stage, int node)
{
	auto_free char *promoted = lab_pg_query(failover_stage_conninfo(failover_stage, node),
	                                        "select pg_promote(true, 30)");

	cr_assert_not_null(promoted);
	cr_assert_str_eq(promoted, "t");
}

/* The leader holds its key, and Patroni takes the other one back: whatever that one acknowledges is
 * lost. Its agent stands still until segue has seen it. */
Test(run_patroni, a_replica_promoted_by_hand_gets_no_write)
{
	struct failover_stage failover_stage;
	pid_t agent;

	failover_stage_start(&failover_stage,
	                     &(struct failover_stage_options){.kind = STAND_PATRONI, .ttl = 30});
	agent = lab_patroni_agent(failover_stage.patroni, 1);
	cr_assert_eq(kill(agent, SIGSTOP), 0);
	must_promote_by_hand(&failover_stage, 1);
	cr_expect(lab_wait_until(is_split, failover_stage.segue, STAND_TIMEOUT_MS), "%s",
	          lab_process_log_tail(lab_segue_process(failover_stage.segue)));
	failover_stage_must_serve(&failover_stage, 0);
	lab_process_kill(lab_segue_process(failover_stage.segue));
	lab_segue_start(failover_stage.segue);
	cr_expect(lab_wait_until(is_split, failover_stage.segue, STAND_TIMEOUT_MS));
	failover_stage_must_serve(&failover_stage, 0);
	cr_assert_eq(kill(agent, SIGCONT), 0);
	cr_assert(lab_wait_streams(failover_stage_conninfo(&failover_stage, 1), STAND_TIMEOUT_MS));
	failover_stage_must_say(&failover_stage, "event=alarm_over ", NULL);
	failover_stage_must_serve(&failover_stage, 0);
	failover_stage_judge(&failover_stage, 0);
	for (int i = 0; i < STAND_PROXIES; i++) {
		cr_expect_eq(ledger_errors(failover_stage.ledgers[i]), 0);
		cr_expect_eq(ledger_acks_from(failover_stage.ledgers[i],
		                              failover_stage_port(&failover_stage, 1)),
		             0);
	}
	failover_stage_fini(&failover_stage);
}
