/* decide: what the servers say, when the store is early, names a wrong server, or the primary is
 * lost. */
#include <criterion/criterion.h>
#include <string.h>

#include "decide_scene.h"

TestSuite(decide_servers, .init = scene_setup, .fini = scene_teardown);

/* --- the store is early --- */

Test(decide_servers, all_is_well)
{
	scene_writes(1, 2);
	scene_recovers(2, 9);
	scene_expect(DECIDE_CURRENT, "applied");
}

Test(decide_servers, a_new_primary_in_recovery_is_asked_again_while_the_old_one_serves)
{
	scene_store_names(2);
	scene_writes(1, 2);
	scene_recovers(2, 9);
	scene_expect(DECIDE_KEEP, "not ready");
	cr_assert_not_null(scene.got.ask);
	cr_expect_str_eq(scene.got.ask->name, "db2");
	cr_expect_str_eq(scene.got.why, "it is still in recovery");
}

Test(decide_servers, a_new_primary_is_followed_when_it_takes_writes)
{
	scene_store_names(2);
	scene_server(1, SERVER_REFUSED, 9);
	scene_writes(2, 3);
	scene_expect_move(2, 3, 9);
	cr_expect_null(scene.got.stale_primary);
	cr_expect_str_eq(scene.got.why, "");
}

Test(decide_servers, while_the_new_one_is_not_ready_and_the_old_one_lost_clients_wait)
{
	scene_store_names(2);
	scene_server(1, SERVER_REFUSED, 3);
	scene_recovers(2, 1);
	scene_expect(DECIDE_HOLD, "the new primary does not take writes yet");
	cr_expect_eq(scene.got.held, HELD_BY_SERVERS);
	scene.cluster.on_primary_loss = CONFIG_LOSS_FENCE;
	scene_expect(DECIDE_FENCE, "the new primary does not take writes yet");
	scene.cluster.on_primary_loss = CONFIG_LOSS_KEEP;
	scene_expect(DECIDE_KEEP, "the new primary does not take writes yet");
}

Test(decide_servers, nothing_applied_yet_and_not_ready_waits)
{
	scene.applied.has_topology = scene.applied.in_this_run = false;
	scene_server(1, SERVER_REFUSED, 9);
	scene_expect(DECIDE_WAIT, "not ready");
}

Test(decide_servers, an_answer_of_before_the_znode_is_not_enough)
{
	scene_store_names(2);
	scene.fact.read_us = 1000;
	scene_writes(2, 3);
	scene_expect(DECIDE_KEEP, "not ready");
	scene.servers[0].asked_us = 1000;
	scene_expect_move(2, 3, 9);
}

Test(decide_servers, after_a_start_the_one_of_the_state_file_is_asked_first)
{
	scene.applied.in_this_run = false;
	scene_expect(DECIDE_KEEP, "");
	scene_writes(1, 2);
	scene_expect(DECIDE_MOVE, "applied before the restart");
}

Test(decide_servers, after_a_start_with_a_lost_primary_clients_wait)
{
	scene.applied.in_this_run = false;
	scene_server(1, SERVER_REFUSED, 3);
	scene_expect(DECIDE_HOLD, "lost");
}

/* --- refusals --- */

Test(decide_servers, another_system_is_refused)
{
	scene_store_names(2);
	scene_writes(1, 2);
	strcpy(scene_writes(2, 3)->system_identifier, "12");
	scene_expect(DECIDE_REFUSE, "clients must not be sent to the server that the store names");
	cr_expect_not_null(strstr(scene.got.why, "system identifier"));
	cr_expect_str_eq(scene.got.about->name, "db2");
}

/* A wrong digit in the znode: the server is what it was. */
Test(decide_servers, another_identifier_of_the_same_primary_is_refused_and_nobody_waits)
{
	strcpy(scene.store.system_identifier, "78");
	scene.store.zxid = 9;
	scene_writes(1, 2);
	scene_expect(DECIDE_REFUSE, "with a wrong system identifier");
	cr_expect(scene.got.misnamed);
	scene.applied.in_this_run = false;
	scene_recovers(2, 1);
	scene_expect_move(1, 2, 7);
	cr_expect(scene.got.misnamed);
	cr_expect_str_eq(scene.got.next.system_identifier, "77");
	scene.applied.in_this_run = true;
	scene_hold(HELD_BY_STORE);
	scene_expect_move(1, 2, 7);
}

/* Its data were replaced, and the store says so, or not yet. */
Test(decide_servers, another_identifier_of_a_server_that_was_made_anew_is_followed)
{
	strcpy(scene_writes(1, 2)->system_identifier, "78");
	scene_expect(DECIDE_HOLD, "the primary is lost");
	strcpy(scene.store.system_identifier, "78");
	scene.store.zxid = 9;
	scene_expect_move(1, 2, 9);
	strcpy(scene.store.system_identifier, "79");
	scene_expect(DECIDE_HOLD, "the primary is lost");
	cr_expect_not(scene.got.misnamed);
}

Test(decide_servers, an_old_primary_that_comes_back_is_refused_by_its_timeline)
{
	scene_set_member(&scene.applied.topology.primary, 2);
	scene_set_member(&scene.applied.topology.standbys[0], 1);
	scene.applied.topology.timeline = 3;
	scene_store_names(1);
	scene_writes(1, 2);
	scene_server(2, SERVER_FULL, 1);
	scene_expect(DECIDE_REFUSE, "clients must not be sent to the server that the store names");
	cr_expect_not_null(strstr(scene.got.why, "timeline is lower"));
	scene.applied.in_this_run = false;
	scene_expect(DECIDE_REFUSE, "clients must not be sent to the server that the store names");
	scene.servers[1].class = SERVER_REFUSED;
	scene.servers[1].unserved = 3;
	scene_expect(DECIDE_HOLD, "lost");
}

Test(decide_servers, an_unverified_server_is_admitted_with_a_warning_or_refused)
{
	scene_store_names(2);
	scene_server(1, SERVER_DENIED, 1);
	scene_server(2, SERVER_DENIED, 1);
	scene_expect_move(2, 2, 9);
	cr_expect_not_null(strstr(scene.got.why, "rejects segue's login"));
	scene.cluster.verify = CONFIG_VERIFY_REQUIRE;
	scene_expect(DECIDE_REFUSE, "clients must not be sent to the server that the store names");
	scene.cluster.verify = CONFIG_VERIFY_DISABLE;
	scene_expect_move(2, 2, 9);
	cr_expect_str_eq(scene.got.why, "");
}

/* It took writes when it answered last, before a reload maybe, and was there all the time. */
Test(decide_servers, a_primary_that_lives_is_not_left_for_one_that_nobody_can_check)
{
	struct server_fact *last = scene_writes(1, 2);

	scene_store_names(2);
	scene_server(2, SERVER_DENIED, 1);
	scene_expect(DECIDE_KEEP, "not ready");
	cr_expect_not_null(strstr(scene.got.why, "still running"));
	last->class = SERVER_DENIED;
	scene_expect(DECIDE_KEEP, "not ready");
	last->class = SERVER_UNASKED;
	scene_expect(DECIDE_KEEP, "not ready");
	last->class = SERVER_DENIED;
	last->interrupted = true;
	scene_expect_move(2, 2, 9);
	last->interrupted = false;
	last->in_recovery = true;
	scene_expect_move(2, 2, 9);
}

/* Who was a standby when it last answered, some seconds ago, may be none any more. */
Test(decide_servers, what_a_server_said_long_ago_does_not_keep_clients_waiting)
{
	struct server_fact *named;

	scene_store_names(2);
	scene_server(1, SERVER_REFUSED, 3);
	named = scene_recovers(2, 1);
	named->class = SERVER_DENIED;
	named->unserved = 0;
	scene.now_us = DECIDE_GONE_US - 1;
	scene_expect(DECIDE_HOLD, "does not take writes yet");
	scene.now_us++;
	scene_expect_move(2, 2, 9);
}

/* --- loss --- */

Test(decide_servers, a_lost_primary_holds_until_it_takes_writes_again)
{
	scene_server(1, SERVER_REFUSED, 2);
	scene_expect(DECIDE_KEEP, "asking the primary again");
	scene.servers[0].unserved = 3;
	scene_expect(DECIDE_HOLD, "the primary is lost");
	scene_hold(HELD_BY_SERVERS);
	scene.servers[0].class = SERVER_STARTING;
	scene_expect(DECIDE_HOLD, "the primary is lost");
	scene.server_count = 0;
	scene_writes(1, 2);
	scene_expect(DECIDE_MOVE, "held clients are released");
	cr_expect_eq(scene.got.next.zxid, 7);
}

/* Its data were replaced, by an old backup or another system's. */
Test(decide_servers, a_primary_that_has_become_another_one_is_lost)
{
	scene_writes(1, 1);
	scene_expect(DECIDE_HOLD, "the primary is lost");
	cr_expect_not_null(strstr(scene.got.why, "timeline is lower"));
	scene.server_count = 0;
	strcpy(scene_writes(1, 2)->system_identifier, "12");
	scene_expect(DECIDE_HOLD, "the primary is lost");
	cr_expect_not_null(strstr(scene.got.why, "system identifier"));
}

Test(decide_servers, a_primary_that_is_full_or_denies_us_is_not_lost)
{
	scene_server(1, SERVER_FULL, 9);
	scene_expect(DECIDE_CURRENT, "applied");
	scene.servers[0].class = SERVER_DENIED;
	scene_expect(DECIDE_CURRENT, "applied");
	scene.cluster.verify = CONFIG_VERIFY_REQUIRE;
	scene_expect(DECIDE_CURRENT, "applied");
}

Test(decide_servers, what_the_store_holds_only_the_store_lets_go)
{
	scene.store.has_primary = false;
	scene.store.zxid = 9;
	scene_writes(1, 2);
	scene_expect(DECIDE_HOLD, "names no primary");
	cr_expect_eq(scene.got.held, HELD_BY_STORE);
	scene_hold(HELD_BY_STORE);
	scene.fact.state = WATCH_UNREACHABLE;
	scene_expect(DECIDE_KEEP, "unreachable");
	scene.fact.state = WATCH_VALUE;
	scene_store_names(1);
	scene.store.has_primary = true;
	scene_expect(DECIDE_MOVE, "newer");
}

/* Patroni makes it anew when its tags or its state change. */
Test(decide_servers, a_leader_whose_member_key_is_away_for_a_moment_holds_nobody)
{
	scene.store.has_primary = false;
	scene.store.zxid = 9;
	scene.store.leader = xstrdup("db1");
	scene_writes(1, 2);
	scene_expect(DECIDE_KEEP, "its member key is missing");
	scene.servers[0].class = SERVER_REFUSED;
	scene.servers[0].unserved = 3;
	scene_expect(DECIDE_HOLD, "the primary is lost");
	memcpy(scene.store.leader, "db2", sizeof("db2")); /* as long as the other */
	scene_expect(DECIDE_HOLD, "names no primary");
}

Test(decide_servers, a_paused_cluster_without_a_leader_goes_on_while_its_primary_lives)
{
	scene.store.has_primary = false;
	scene.store.paused = true;
	scene.store.zxid = 9;
	scene_writes(1, 2);
	scene_expect(DECIDE_KEEP, "paused");
	scene.servers[0].class = SERVER_REFUSED;
	scene_expect(DECIDE_HOLD, "names no primary");
}

Test(decide_servers, a_primary_lost_while_the_store_is_away_holds_and_comes_back)
{
	scene.fact.state = WATCH_UNREACHABLE;
	scene_server(1, SERVER_TIMED_OUT, 3);
	scene_expect(DECIDE_HOLD, "the primary is lost");
	scene_hold(HELD_BY_SERVERS);
	scene.server_count = 0;
	scene_writes(1, 2);
	scene_expect(DECIDE_MOVE, "held clients are released");
}

Test(decide_servers, a_store_that_is_lost_for_long_is_treated_as_told)
{
	scene_writes(1, 2);
	scene.fact.state = WATCH_UNREACHABLE;
	scene.store_lost = true;
	scene.cluster.on_store_loss = CONFIG_LOSS_KEEP;
	scene_expect(DECIDE_KEEP, "unreachable");
	scene.cluster.on_store_loss = CONFIG_LOSS_HOLD;
	scene_expect(DECIDE_HOLD, "unreachable");
	scene.cluster.on_store_loss = CONFIG_LOSS_FENCE;
	scene_expect(DECIDE_FENCE, "unreachable");
	scene.store_lost = false;
	scene_expect(DECIDE_KEEP, "unreachable");
	scene.fact.state = WATCH_VALUE;
	scene_hold(HELD_BY_STORE);
	scene_expect(DECIDE_MOVE, "held clients are released");
}

Test(decide_servers, no_live_publisher_means_no_deed)
{
	scene.cluster.presence = true;
	scene.fact.publishers = 0;
	scene_server(1, SERVER_REFUSED, 9);
	scene_writes(2, 3);
	scene_expect(DECIDE_KEEP, "no live publisher");
}
