/* decide: two servers take writes, or one comes back: who is followed, and who has to be heard
 * before. */
#include <criterion/criterion.h>
#include <string.h>

#include "decide_scene.h"

TestSuite(decide_return, .init = scene_setup, .fini = scene_teardown);

/* --- two that take writes --- */

Test(decide_return, the_higher_timeline_is_followed_against_the_store)
{
	scene_writes(1, 2);
	scene_writes(2, 3);
	scene_expect_move(2, 3, 7);
	cr_expect_not_null(strstr(scene.got.reason, "higher timeline"));
	cr_assert_not_null(scene.got.lower);
	cr_expect_str_eq(scene.got.lower->name, "db1");
	cr_assert_eq(scene.got.next.standby_count, 1);
	cr_assert_not_null(scene.got.next.standbys);
	cr_expect_str_eq(scene.got.next.standbys[0].name, "db1");
	cr_expect(scene.got.next.standbys[0].unread);
}

Test(decide_return, who_was_asked_before_the_move_is_no_second_primary_yet)
{
	scene_writes(1, 2);
	scene_writes(2, 3);
	scene.moved_us = 100;
	scene_expect(DECIDE_MOVE, "");
	cr_expect_null(scene.got.lower);
}

Test(decide_return, a_store_that_still_names_the_old_one_does_not_bring_it_back)
{
	scene_set_member(&scene.applied.topology.primary, 2);
	scene_set_member(&scene.applied.topology.standbys[0], 1);
	scene.applied.topology.standbys[0].unread = true;
	scene.applied.topology.timeline = 3;
	scene_writes(1, 2);
	scene_writes(2, 3);
	scene_expect(DECIDE_CURRENT, "applied");
	scene_store_names(1);
	scene_expect_move(2, 3, 9);
}

Test(decide_return, on_equal_timelines_nothing_moves_and_it_is_an_alarm)
{
	scene_writes(1, 2);
	scene_writes(2, 2);
	scene_expect(DECIDE_CURRENT, "applied");
	cr_assert_not_null(scene.got.twin);
	cr_expect_str_eq(scene.got.twin->name, "db2");
	scene_store_names(2);
	scene_expect(DECIDE_REFUSE, "on one timeline");
	cr_assert_not_null(scene.got.twin);
	cr_expect_str_eq(scene.got.twin->name, "db1");
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
	cr_expect_str_eq(scene.got.why, "the other servers are asked first");
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
	scene_expect(DECIDE_MOVE, "clients go on");
}

Test(decide_return, the_first_move_of_a_run_waits_until_all_are_heard)
{
	scene.applied.in_this_run = false;
	scene_writes(1, 2);
	scene_server(2, SERVER_UNASKED, 0);
	scene_expect(DECIDE_KEEP, "asked again");
	cr_expect_str_eq(scene.got.why, "the other servers are asked first");
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
	scene_expect(DECIDE_MOVE, "nobody could check");
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
	scene_expect(DECIDE_MOVE, "clients go on");
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
	cr_expect_null(scene.got.lower);
	{
		struct decide_input input = {.cluster = &scene.cluster,
		                             .fact = &scene.fact,
		                             .applied = &scene.applied,
		                             .previous = &before,
		                             .override = &scene.override,
		                             .servers = scene.servers,
		                             .server_count = scene.server_count};
		struct decision decision = decide(&input);

		cr_assert_not_null(decision.lower);
		cr_expect_str_eq(decision.lower->name, "db3");
		decision_fini(&decision);
	}
}

Test(decide_return, a_stranger_with_a_higher_timeline_is_not_followed)
{
	scene_writes(1, 2);
	strcpy(scene_writes(2, 9)->system_identifier, "12");
	scene_expect(DECIDE_CURRENT, "applied");
	cr_expect_null(scene.got.lower);
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
	cr_expect(scene.got.next.standbys[0].unread);
	scene.store.standbys[0].lag_bytes = 1000;
	scene_expect(DECIDE_MOVE, "newer");
	cr_expect_not(scene.got.next.standbys[0].unread);
}
