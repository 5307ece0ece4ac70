/* decide: two servers take writes, or one comes back: who is followed, and who has to be heard
 * before. */
#include <criterion/criterion.h>
#include <string.h>

#include "decide_scene.h"

TestSuite(decide_return, .init = scene_setup, .fini = scene_teardown);

/* Who is applied was followed against the store's word, which named one on timeline 2. */
static void follow_against_store(void)
{
	scene.applied.against_store = true;
	scene.applied.confirmed = (struct floor){2, "77"};
}

/* --- two that take writes --- */

Test(decide_return, the_higher_timeline_is_followed_against_the_store)
{
	scene_writes(1, 2);
	scene_writes(2, 3);
	scene_expect_move(2, 3, 7);
	cr_expect_not_null(strstr(scene.got.reason, "higher timeline"));
	cr_assert_not_null(scene.got.stale_primary);
	cr_expect_str_eq(scene.got.stale_primary->name, "db1");
	cr_assert_eq(scene.got.next.standby_count, 1);
	cr_assert_not_null(scene.got.next.standbys);
	cr_expect_str_eq(scene.got.next.standbys[0].name, "db1");
	cr_expect(scene.got.next.standbys[0].no_reads);
}

Test(decide_return, who_was_asked_before_the_move_is_no_second_primary_yet)
{
	scene_writes(1, 2);
	scene_writes(2, 3);
	scene.moved_us = 100;
	scene_expect(DECIDE_MOVE, "");
	cr_expect_null(scene.got.stale_primary);
}

Test(decide_return, a_store_that_still_names_the_old_one_does_not_bring_it_back)
{
	scene_set_member(&scene.applied.topology.primary, 2);
	scene_set_member(&scene.applied.topology.standbys[0], 1);
	scene.applied.topology.standbys[0].no_reads = true;
	scene.applied.topology.timeline = 3;
	follow_against_store();
	scene_writes(1, 2);
	scene_writes(2, 3);
	scene_expect(DECIDE_CURRENT, "applied");
	scene_store_names(1);
	scene_expect_move(2, 3, 9);
}

Test(decide_return, on_equal_timelines_nothing_moves_and_it_is_an_alarm)
{
	scene.applied.topology.standbys[0].no_reads = true;
	scene_writes(1, 2);
	scene_writes(2, 2);
	scene_expect(DECIDE_CURRENT, "applied");
	cr_assert_not_null(scene.got.same_timeline_primary);
	cr_expect_str_eq(scene.got.same_timeline_primary->name, "db2");
	scene_store_names(2);
	scene_expect(DECIDE_REFUSE, "on the same timeline");
	cr_assert_not_null(scene.got.same_timeline_primary);
	cr_expect_str_eq(scene.got.same_timeline_primary->name, "db1");
}

Test(decide_return, a_standby_that_takes_writes_gets_no_readers)
{
	scene_writes(1, 2);
	scene_writes(2, 1);
	scene_expect_move(1, 2, 7);
	cr_expect(scene.got.next.standbys[0].no_reads);
	scene.moved_us = 100;
	scene_expect(DECIDE_CURRENT, "applied");
}

/* --- followed against the store's word --- */

/* 2 was followed on timeline 3, the store names 1, which takes writes on timeline 2. */
static struct server_fact *apply_the_other(void)
{
	scene_set_member(&scene.applied.topology.primary, 2);
	scene_set_member(&scene.applied.topology.standbys[0], 1);
	scene.applied.topology.standbys[0].no_reads = true;
	scene.applied.topology.timeline = 3;
	follow_against_store();
	scene_writes(1, 2);
	return scene_writes(2, 3);
}

Test(decide_return, who_is_followed_against_the_store_is_not_confirmed)
{
	scene_writes(1, 2);
	scene_writes(2, 3);
	scene_expect_move(2, 3, 7);
	cr_expect(scene.got.against_store);
	cr_expect_eq(applied_confirmed(&scene.applied).timeline, 2);
	cr_expect_str_eq(applied_confirmed(&scene.applied).system_identifier, "77");
}

Test(decide_return, who_is_named_then_is_confirmed)
{
	apply_the_other();
	scene_store_names(2);
	scene_expect_move(2, 3, 9);
	cr_expect_not(scene.got.against_store);
}

Test(decide_return, without_a_word_of_the_store_it_stays_unconfirmed)
{
	apply_the_other();
	scene.applied.in_this_run = true;
	scene.fact.state = WATCH_UNREACHABLE;
	scene_hold(HELD_BY_SERVERS);
	scene_expect(DECIDE_MOVE, "held clients are released");
	cr_expect(scene.got.against_store);
}

static void expect_back_to_the_stores(void)
{
	scene_expect_move(1, 2, 7);
	cr_expect_not(scene.got.against_store);
	cr_expect_not_null(strstr(scene.got.reason, "no longer a primary"));
	scene.applied.in_this_run = false;
	scene_expect_move(1, 2, 7);
}

Test(decide_return, one_that_was_demoted_leaves_clients_to_the_stores_primary)
{
	apply_the_other()->in_recovery = true;
	expect_back_to_the_stores();
}

Test(decide_return, one_that_was_made_anew_leaves_clients_to_the_stores_primary)
{
	apply_the_other()->timeline = 1;
	expect_back_to_the_stores();
}

Test(decide_return, one_of_another_system_leaves_clients_to_the_stores_primary)
{
	strcpy(apply_the_other()->system_identifier, "12");
	scene.applied.confirmed.system_identifier[0] = '\0';
	strcpy(scene.applied.topology.system_identifier, "77");
	expect_back_to_the_stores();
}

/* A crash, and a restart that takes a moment: what it has taken is not given up for that. */
Test(decide_return, one_that_is_lost_is_waited_for_before_it_counts_as_gone)
{
	struct server_fact *other = apply_the_other();

	other->class = SERVER_REFUSED;
	other->unserved = 3;
	other->heard_us = 1000;
	scene.now_us = 1000 + DECIDE_GONE_US - 1;
	scene_expect(DECIDE_HOLD, "the new primary does not take writes yet");
	cr_expect_not_null(strstr(scene.got.why, "timeline is lower"));
	scene_hold(HELD_BY_SERVERS);
	scene_expect(DECIDE_HOLD, "the new primary does not take writes yet");
	scene.now_us++;
	scene_expect_move(1, 2, 7);
	other->unserved = 2;
	scene_expect(DECIDE_HOLD, "the new primary does not take writes yet");
}

Test(decide_return, going_back_waits_until_all_are_heard)
{
	apply_the_other()->in_recovery = true;
	scene_set_member(topology_add_standby(&scene.store), 3);
	scene_server(3, SERVER_UNASKED, 0);
	scene_expect(DECIDE_KEEP, "not ready");
	cr_expect_str_eq(
	    scene.got.why,
	    "the other servers are queried first, because one of them may have been promoted");
	scene.server_count = 2;
	scene_writes(3, 4);
	scene_expect_move(3, 4, 7);
	cr_expect(scene.got.against_store);
}

/* The store had named it once: it is a real loss, and the other one an old primary. */
Test(decide_return, nobody_goes_back_below_a_confirmed_timeline)
{
	struct server_fact *other = apply_the_other();

	scene.applied.confirmed.timeline = 3;
	other->class = SERVER_REFUSED;
	other->unserved = 3;
	scene.now_us = DECIDE_GONE_US;
	scene_expect(DECIDE_HOLD, "the new primary does not take writes yet");
	scene.applied.against_store = false;
	scene.applied.confirmed.timeline = 2;
	scene_expect(DECIDE_HOLD, "the new primary does not take writes yet");
	cr_expect_not_null(strstr(scene.got.why, "timeline is lower"));
}

Test(decide_return, a_store_that_went_back_is_weighed_by_the_confirmed_timeline)
{
	apply_the_other();
	scene_store_names(2);
	scene.store.zxid = 5;
	scene.store.timeline = 3;
	scene_expect_move(2, 3, 5);
	scene.applied.confirmed.timeline = 3;
	scene_expect(DECIDE_REFUSE, "ZooKeeper was rolled back");
}

/* --- Patroni's leader key --- */

static void use_patroni(void)
{
	scene.cluster.layout = CONFIG_LAYOUT_PATRONI;
	scene.applied.topology.standbys[0].no_reads = true;
}

static void expect_stray(enum decision_kind kind, const char *reason_part)
{
	scene_expect(kind, reason_part);
	cr_assert_not_null(scene.got.stray_primary);
	cr_expect_str_eq(scene.got.stray_primary->name, "db2");
	cr_expect_str_eq(scene.got.beside->name, "db1");
	cr_expect_not(scene.got.overruled);
}

Test(decide_return, the_holder_of_the_leader_key_stays_whatever_timeline_another_shows)
{
	use_patroni();
	scene_writes(1, 2);
	scene_writes(2, 3);
	expect_stray(DECIDE_CURRENT, "applied");
	scene.applied.in_this_run = false;
	expect_stray(DECIDE_MOVE, "applied before the restart");
	cr_expect_str_eq(scene.got.next.primary.name, "db1");
	cr_expect_eq(scene.got.next.timeline, 2);
	cr_expect(scene.got.next.standbys[0].no_reads);
}

Test(decide_return, the_holder_stays_while_the_store_is_away)
{
	use_patroni();
	scene.fact.state = WATCH_UNREACHABLE;
	scene_writes(1, 2);
	scene_writes(2, 3);
	expect_stray(DECIDE_KEEP, "unreachable");
}

Test(decide_return, a_holder_in_recovery_yields_to_a_higher_timeline)
{
	use_patroni();
	scene_recovers(1, 1);
	scene_writes(2, 3);
	scene_expect_move(2, 3, 7);
	cr_expect_null(scene.got.stray_primary);
	cr_expect(scene.got.overruled);
}

Test(decide_return, a_holder_that_is_lost_is_waited_for_while_its_key_lives)
{
	use_patroni();
	scene_server(1, SERVER_REFUSED, 3)->known = true;
	scene_writes(2, 3);
	scene.now_us = DECIDE_GONE_US - 1;
	scene_expect(DECIDE_HOLD, "the primary is lost");
	cr_expect_null(scene.got.stray_primary);
	scene.now_us++;
	scene_expect_move(2, 3, 7);
	scene.servers[0].class = SERVER_FULL;
	scene.servers[0].unserved = 0;
	expect_stray(DECIDE_CURRENT, "applied");
}

/* The leader's conn_url with a wrong digit: nobody was ever seen to take writes there. */
Test(decide_return, a_holder_that_never_answered_is_no_second_primary)
{
	use_patroni();
	scene_store_names(3);
	scene.store.timeline = 1;
	scene_writes(1, 2);
	scene_server(3, SERVER_REFUSED, 1);
	scene_expect(DECIDE_KEEP, "not ready");
	cr_expect_null(scene.got.stray_primary);
	scene.applied.in_this_run = false;
	scene_expect_move(1, 2, 7);
	cr_expect_null(scene.got.stray_primary);
}

Test(decide_return, a_holder_that_is_lost_while_the_store_is_away_yields_at_once)
{
	use_patroni();
	scene.fact.state = WATCH_UNREACHABLE;
	scene_server(1, SERVER_REFUSED, 2)->known = true;
	scene_writes(2, 3);
	expect_stray(DECIDE_KEEP, "unreachable");
	scene.servers[0].unserved = 3;
	scene_expect_move(2, 3, 7);
}

Test(decide_return, a_holder_below_the_floor_is_an_old_primary)
{
	use_patroni();
	scene_store_names(2);
	scene.store.timeline = 1;
	scene_writes(1, 2);
	scene_writes(2, 1);
	scene_expect_move(1, 2, 9);
	cr_expect(scene.got.overruled);
}

/* --- everybody is heard before clients are led back --- */

/* The standby was promoted while the primary was dead, and nobody has told the store. */
Test(decide_return, a_primary_that_comes_back_waits_until_the_others_are_heard)
{
	scene_hold(HELD_BY_SERVERS);
	scene.hold.since_us = 90;
	scene_writes(1, 2)->asked_us = 95;
	scene_recovers(2, 9)->asked_us = 80;
	scene_expect(DECIDE_HOLD, "the primary is lost");
	cr_expect_str_eq(
	    scene.got.why,
	    "the other servers are queried first, because one of them may have been promoted");
	cr_expect(scene.got.ask_all);
	scene.servers[1].asked_us = 95;
	scene.servers[1].in_recovery = false;
	scene.servers[1].timeline = 3;
	scene_expect_move(2, 3, 7);
}

Test(decide_return, a_primary_that_comes_back_while_the_others_do_not_answer)
{
	scene_hold(HELD_BY_SERVERS);
	scene.hold.since_us = 90;
	scene_writes(1, 2)->asked_us = 95;
	scene_server(2, SERVER_TIMED_OUT, 1)->asked_us = 95;
	scene_expect(DECIDE_MOVE, "held clients are released");
}

Test(decide_return, the_first_move_of_a_run_waits_until_all_are_heard)
{
	scene.applied.in_this_run = false;
	scene_writes(1, 2);
	scene_server(2, SERVER_UNASKED, 0);
	scene_expect(DECIDE_KEEP, "asking the primary again");
	cr_expect_str_eq(
	    scene.got.why,
	    "the other servers are queried first, because one of them may have been promoted");
	scene.server_count = 1;
	scene_writes(2, 3);
	scene_expect_move(2, 3, 7);
}

Test(decide_return, who_is_named_anew_while_the_last_one_is_lost_waits_for_nobody)
{
	scene_store_names(2);
	scene_hold(HELD_BY_SERVERS);
	scene.hold.since_us = 90;
	scene_server(1, SERVER_REFUSED, 9)->asked_us = 80;
	scene_writes(2, 3);
	scene_expect_move(2, 3, 9);
}

/* The store names one that is dead; the last one lives. */
Test(decide_return, after_a_start_the_last_primary_is_led_to_where_the_stores_is_not_admitted)
{
	scene_store_names(2);
	scene.applied.in_this_run = false;
	scene_writes(1, 2);
	scene_server(2, SERVER_REFUSED, 9);
	scene_expect_move(1, 2, 7);
	cr_expect_not(scene.got.on_news);
}

/* --- what ends a hold --- */

Test(decide_return, who_lets_segue_in_no_more_does_not_end_a_hold_as_if_it_took_writes)
{
	scene_hold(HELD_BY_SERVERS);
	scene.cluster.verify = CONFIG_VERIFY_REQUIRE;
	scene_server(1, SERVER_DENIED, 1);
	scene_expect(DECIDE_HOLD, "the primary is lost");
	scene.cluster.verify = CONFIG_VERIFY_PREFER;
	scene_expect(DECIDE_MOVE, "could not check whether it takes writes");
	scene.servers[0].known = scene.servers[0].in_recovery = true;
	scene_expect(DECIDE_HOLD, "the primary is lost");
}

Test(decide_return, a_frozen_hold_ends_when_the_primary_is_back)
{
	scene.override.kind = OVERRIDE_FREEZE;
	scene_hold(HELD_BY_SERVERS);
	scene_server(1, SERVER_REFUSED, 9);
	scene_expect(DECIDE_KEEP, "frozen");
	scene.server_count = 0;
	scene_writes(1, 2);
	scene_expect(DECIDE_MOVE, "held clients are released");
	scene_hold(HELD_BY_STORE);
	scene_expect(DECIDE_KEEP, "frozen");
}

Test(decide_return, a_hold_keeps_its_manner)
{
	scene_hold(HELD_BY_STORE);
	scene.hold.policy = CONFIG_LOSS_HOLD;
	scene.cluster.on_primary_loss = CONFIG_LOSS_KEEP;
	scene_server(1, SERVER_REFUSED, 9);
	scene_expect(DECIDE_HOLD, "the primary is lost");
}

Test(decide_return, a_store_that_is_away_from_the_start_holds_nobody)
{
	scene.applied.in_this_run = false;
	scene.fact.state = WATCH_UNREACHABLE;
	scene.store_lost = true;
	scene.cluster.on_store_loss = CONFIG_LOSS_HOLD;
	scene_writes(1, 2);
	scene_expect(DECIDE_KEEP, "unreachable");
}

Test(decide_return, the_primary_before_is_seen_though_nobody_names_it)
{
	static struct member before;

	scene_set_member(&before, 3);
	scene_writes(1, 2);
	scene_writes(3, 1);
	scene_expect(DECIDE_CURRENT, "applied");
	cr_expect_null(scene.got.stale_primary);
	{
		struct decide_input input = {.cluster = &scene.cluster,
		                             .fact = &scene.fact,
		                             .applied = &scene.applied,
		                             .previous = &before,
		                             .override = &scene.override,
		                             .servers = scene.servers,
		                             .server_count = scene.server_count};
		struct decision decision = decide(&input);

		cr_assert_not_null(decision.stale_primary);
		cr_expect_str_eq(decision.stale_primary->name, "db3");
		decision_fini(&decision);
	}
}

Test(decide_return, a_stranger_with_a_higher_timeline_is_not_followed)
{
	scene.applied.topology.standbys[0].no_reads = true;
	scene_writes(1, 2);
	strcpy(scene_writes(2, 9)->system_identifier, "12");
	scene_expect(DECIDE_CURRENT, "applied");
	cr_expect_null(scene.got.stale_primary);
}

Test(decide_return, with_no_primary_in_the_store_nobody_is_followed)
{
	scene.store.has_primary = false;
	scene.store.zxid = 9;
	scene_writes(1, 2);
	scene_writes(2, 3);
	scene_expect(DECIDE_HOLD, "names no primary");
}

/* --- what is learned --- */

Test(decide_return, a_timeline_that_becomes_known_is_kept)
{
	scene.applied.topology.timeline = 0;
	scene.store.timeline = 0;
	scene_writes(1, 2);
	scene_expect_move(1, 2, 7);
}

Test(decide_return, a_standby_too_far_behind_gets_no_reads)
{
	scene.cluster.max_lag = 1000;
	scene_store_names(1);
	scene.store.standbys[0].lag_bytes = 1001;
	scene_writes(1, 2);
	scene_expect(DECIDE_MOVE, "newer");
	cr_expect(scene.got.next.standbys[0].no_reads);
	scene.store.standbys[0].lag_bytes = 1000;
	scene_expect(DECIDE_MOVE, "newer");
	cr_expect_not(scene.got.next.standbys[0].no_reads);
}
