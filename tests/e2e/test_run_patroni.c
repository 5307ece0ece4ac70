/* The whole way with real Patroni on ZooKeeper: its leader goes in every manner, and clients behind
 * HAProxy and PgBouncer go on. */
#include <criterion/criterion.h>
#include <signal.h>

#include "base/clock.h"
#include "stand.h"

TestSuite(run_patroni, .timeout = 240);

static const struct stand_options patroni = {.kind = STAND_PATRONI};

/* The machine is gone at once: the store names it until its session ends, the servers know. */
Test(run_patroni, leader_killed)
{
	struct stand stand;

	stand_start(&stand, &patroni);
	stand.lost_us = clock_now_us();
	lab_patroni_cut(stand.patroni, 0);
	stand_must_say(&stand, "event=hold ", "the primary is lost", NULL);
	stand_must_serve(&stand, 1);
	stand_must_say(&stand, "event=primary ", "name=pg2", NULL);
	stand_judge(&stand, 1);
	cr_assert_leq(ledger_errors(stand.ledgers[STAND_PGBOUNCER]), 1);
	stand_fini(&stand);
}

/* It accepts connections and never answers. */
Test(run_patroni, leader_frozen_and_thawed)
{
	struct stand stand;

	stand_start(&stand, &patroni);
	stand.lost_us = clock_now_us();
	lab_process_freeze(lab_patroni_machine(stand.patroni, 0));
	stand_must_say(&stand, "event=hold ", "the primary is lost", NULL);
	stand_must_serve(&stand, 1);
	lab_process_thaw(lab_patroni_machine(stand.patroni, 0));
	cr_assert(lab_wait_streams(stand_conninfo(&stand, 0), STAND_TIMEOUT_MS));
	stand_must_serve(&stand, 1);
	stand_judge(&stand, 1);
	stand_fini(&stand);
}

Test(run_patroni, planned_switchover)
{
	struct stand stand;

	stand_start(&stand, &patroni);
	lab_patroni_switchover(stand.patroni, 0, 1);
	stand_must_serve(&stand, 1);
	stand_must_say(&stand, "event=primary ", "name=pg2", NULL);
	stand_judge(&stand, 1);
	stand_fini(&stand);
}

/* Without its store Patroni demotes the leader: nobody takes writes until the store is back. */
Test(run_patroni, store_away_through_a_failover)
{
	struct stand stand;
	int primary;

	stand_start(&stand, &patroni);
	stand.lost_us = clock_now_us();
	lab_process_kill(lab_zk_process(stand.zk, 0));
	stand_must_say(&stand, "event=hold ", "the primary is lost", NULL);
	lab_patroni_cut(stand.patroni, 0);
	lab_zk_server_start(stand.zk, 0);
	primary = lab_patroni_wait_primary(stand.patroni, 0, STAND_TIMEOUT_MS);
	cr_assert_eq(primary, 1);
	stand_must_serve(&stand, 1);
	stand_judge(&stand, 1);
	stand_fini(&stand);
}

/* Patroni brings it back as a standby of the new one. */
Test(run_patroni, old_leader_comes_back)
{
	struct stand stand;

	stand_start(&stand, &patroni);
	stand.lost_us = clock_now_us();
	lab_patroni_cut(stand.patroni, 0);
	stand_must_serve(&stand, 1);
	lab_patroni_node_start(stand.patroni, 0);
	cr_assert(lab_wait_streams(stand_conninfo(&stand, 0), STAND_TIMEOUT_MS));
	stand_must_serve(&stand, 1);
	stand_judge(&stand, 1);
	stand_fini(&stand);
}

static bool leads_again(void *cluster)
{
	return lab_patroni_leader(cluster) == 0;
}

/* Maintenance mode: nobody is promoted, and the primary takes writes without its Patroni. */
Test(run_patroni, paused_without_a_leader_changes_nothing)
{
	struct stand stand;

	stand_start(&stand, &patroni);
	lab_patroni_pause(stand.patroni);
	lab_patroni_kill_agent(stand.patroni, 0);
	stand_must_say(&stand, "event=kept ", "paused", NULL);
	stand_must_serve(&stand, 0);
	lab_patroni_node_start(stand.patroni, 0);
	cr_assert(lab_wait_until(leads_again, stand.patroni, STAND_TIMEOUT_MS));
	lab_patroni_resume(stand.patroni);
	stand_must_serve(&stand, 0);
	stand_judge(&stand, 0);
	for (int i = 0; i < STAND_PROXIES; i++)
		cr_assert_eq(ledger_errors(stand.ledgers[i]), 0);
	stand_fini(&stand);
}

static bool is_split(void *segue)
{
	return lab_segue_count_log(segue, "event=split_brain ", "127.0.0.1", "(pg2, timeline 2)",
	                           "(pg1, timeline 1)", "leader key", NULL) > 0;
}

static void must_promote_by_hand(const struct stand *stand, int node)
{
	auto_free char *promoted =
	    lab_pg_query(stand_conninfo(stand, node), "select pg_promote(true, 30)");

	cr_assert_not_null(promoted);
	cr_assert_str_eq(promoted, "t");
}

/* The leader holds its key, and Patroni takes the other one back: whatever that one acknowledges is
 * lost. Its agent stands still until segue has seen it. */
Test(run_patroni, a_replica_promoted_by_hand_gets_no_write)
{
	struct stand stand;
	pid_t agent;

	stand_start(&stand, &(struct stand_options){.kind = STAND_PATRONI, .ttl = 30});
	agent = lab_patroni_agent(stand.patroni, 1);
	cr_assert_eq(kill(agent, SIGSTOP), 0);
	must_promote_by_hand(&stand, 1);
	cr_expect(lab_wait_until(is_split, stand.segue, STAND_TIMEOUT_MS), "%s",
	          lab_process_log_tail(lab_segue_process(stand.segue)));
	stand_must_serve(&stand, 0);
	lab_process_kill(lab_segue_process(stand.segue));
	lab_segue_start(stand.segue);
	cr_expect(lab_wait_until(is_split, stand.segue, STAND_TIMEOUT_MS));
	stand_must_serve(&stand, 0);
	cr_assert_eq(kill(agent, SIGCONT), 0);
	cr_assert(lab_wait_streams(stand_conninfo(&stand, 1), STAND_TIMEOUT_MS));
	stand_must_say(&stand, "event=alarm_over ", NULL);
	stand_must_serve(&stand, 0);
	stand_judge(&stand, 0);
	for (int i = 0; i < STAND_PROXIES; i++) {
		cr_expect_eq(ledger_errors(stand.ledgers[i]), 0);
		cr_expect_eq(ledger_acks_from(stand.ledgers[i], stand_port(&stand, 1)), 0);
	}
	stand_fini(&stand);
}
