/* The decider, row by row of the table in publish_decide.c. */
#include <criterion/criterion.h>
#include <string.h>

#include "decider_case.h"

TestSuite(publisher_decide, .init = decider_setup, .fini = decider_teardown, .timeout = 30);

static void publish_null(void)
{
	publish_first();
	decider_case_down(&c, 1, SERVER_REFUSED);
	for (int i = 0; i < 2; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH_NULL);
	decider_case_store(&c, true);
}

Test(publisher_decide, row_1_nothing_was_asked_yet)
{
	assert_action(decider_case_form(&c), PUBLISH_DO_WAIT);
}

Test(publisher_decide, row_1_old_observations_are_no_ground)
{
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	c.now_us += 3 * (int64_t)ROUND_US;
	assert_action(decider_case_form(&c), PUBLISH_DO_WAIT);
	assert_reason("3000 ms old");
}

Test(publisher_decide, row_2_who_reaches_nobody_is_blind)
{
	publish_first();
	for (int i = 1; i <= PUBLISH_NODES; i++)
		decider_case_down(&c, i, SERVER_REFUSED);
	for (unsigned i = 1; i <= 10; i++) {
		assert_action(decider_case_round(&c), PUBLISH_DO_BLIND);
		cr_assert_eq(decider_rounds_blind(c.decider), i);
	}
	decider_case_down(&c, 2, SERVER_ANSWERED);
	decider_case_round(&c);
	cr_assert_eq(decider_rounds_blind(c.decider), 0);
}

Test(publisher_decide, row_3_a_cluster_made_anew_is_not_the_one_of_the_store)
{
	publish_first();
	for (int i = 0; i < PUBLISH_NODES; i++)
		strcpy(c.nodes[i].system_identifier, "8000");
	assert_action(decider_case_round(&c), PUBLISH_DO_ALARM);
	assert_reason("7000");
}

Test(publisher_decide, a_single_server_of_another_cluster_is_left_out)
{
	publish_first();
	strcpy(c.nodes[2].system_identifier, "8000");
	decider_case_promote(&c, 3, 9);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db1");
	cr_assert_eq(c.decision.topology.timeline, 1);
	cr_assert_eq(c.decision.topology.standby_count, 1);
}

Test(publisher_decide, row_4_two_clusters_and_a_store_that_knows_neither)
{
	strcpy(c.nodes[2].system_identifier, "8000");
	assert_action(decider_case_round(&c), PUBLISH_DO_ALARM);
	assert_reason("two clusters");
}

Test(publisher_decide, row_5_two_on_one_timeline)
{
	publish_first();
	decider_case_promote(&c, 2, 2);
	decider_case_promote(&c, 3, 2);
	decider_case_event(&c, 3, "db3", "2026-11-23T10:00:30Z");
	assert_action(decider_case_round(&c), PUBLISH_DO_ALARM);
	assert_reason("db2 and db3 both take writes on timeline 2");
}

Test(publisher_decide, row_6_a_timeline_that_is_not_known)
{
	publish_first();
	c.nodes[0].timeline = 0;
	for (int i = 0; i < 5; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	assert_reason("not known yet");
}

Test(publisher_decide, row_7_one_of_three_and_an_empty_store_say_nothing)
{
	decider_case_down(&c, 2, SERVER_TIMED_OUT);
	decider_case_down(&c, 3, SERVER_TIMED_OUT);
	assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	c.store.state = STORED_INVALID;
	assert_action(decider_case_form(&c), PUBLISH_DO_WAIT);
	assert_reason("1 of 3");
}

Test(publisher_decide, row_8_half_of_them_and_an_empty_or_broken_store)
{
	decider_case_down(&c, 3, SERVER_TIMED_OUT);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db1");
	cr_assert_str_eq(c.decision.topology.primary.host, "10.0.0.1");
	cr_assert_eq(c.decision.topology.primary.port, 5432);
	cr_assert_str_eq(c.decision.topology.promoted_at, "2026-11-23T10:00:01Z");
	cr_assert_str_eq(c.decision.topology.system_identifier, "7000");
	cr_assert_str_eq(c.decision.topology.publisher, "pub1");
	cr_assert_eq(c.decision.topology.standby_count, 1);
	c.store.state = STORED_INVALID;
	assert_action(decider_case_form(&c), PUBLISH_DO_PUBLISH);
}

Test(publisher_decide, row_9_a_promotion_is_published_at_once_without_repmgr)
{
	publish_first();
	decider_case_down(&c, 1, SERVER_REFUSED);
	decider_case_down(&c, 3, SERVER_TIMED_OUT);
	decider_case_promote(&c, 2, 2);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
	cr_assert_eq(c.decision.topology.timeline, 2);
	cr_assert_str_eq(c.decision.topology.promoted_at, "2026-11-23T10:00:02Z");
}

Test(publisher_decide, row_9_the_event_of_repmgr_dates_the_promotion)
{
	publish_first();
	decider_case_promote(&c, 2, 2);
	decider_case_event(&c, 3, "db2", "2026-11-23T10:00:01.5Z");
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.promoted_at, "2026-11-23T10:00:01.5Z");
	assert_reason("repmgr has its promotion");
}

Test(publisher_decide, row_9_an_event_of_an_earlier_promotion_does_not_date_this_one)
{
	publish_first();
	decider_case_promote(&c, 2, 3);
	decider_case_event(&c, 2, "db2", "2026-11-20T10:00:00Z");
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.promoted_at, "2026-11-23T10:00:02Z");
}

Test(publisher_decide, row_9_promoted_at_never_goes_back_when_clocks_differ)
{
	publish_first();
	strcpy(c.stored.promoted_at, "2026-11-23T11:00:00Z");
	decider_case_promote(&c, 2, 2);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.promoted_at, "2026-11-23T11:00:00Z");
}

Test(publisher_decide, row_10_the_store_says_what_is_so)
{
	publish_first();
	for (int i = 0; i < 5; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
}

Test(publisher_decide, row_10_an_event_that_comes_late_changes_nothing)
{
	publish_first();
	decider_case_event(&c, 1, "db1", "2026-11-23T10:00:00.1Z");
	assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
}

Test(publisher_decide, row_11_a_standby_that_is_new)
{
	c.count = 2;
	publish_first();
	c.count = 3;
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_eq(c.decision.topology.standby_count, 2);
	cr_assert_str_eq(c.decision.topology.promoted_at, "2026-11-23T10:00:01Z");
}

Test(publisher_decide, row_12_the_primary_is_back_after_a_null)
{
	publish_null();
	decider_case_down(&c, 1, SERVER_ANSWERED);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db1");
	cr_assert_str_eq(c.decision.topology.promoted_at, "2026-11-23T10:00:01Z");
}

Test(publisher_decide, row_13_promoted_later_on_the_same_timeline_by_the_event)
{
	publish_first();
	decider_case_down(&c, 1, SERVER_REFUSED);
	decider_case_promote(&c, 2, 1);
	decider_case_event(&c, 2, "db2", "2026-11-23T10:00:01.9Z");
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.promoted_at, "2026-11-23T10:00:01.9Z");
}

Test(publisher_decide, row_13_promoted_later_on_the_same_timeline_before_our_eyes)
{
	publish_first();
	decider_case_down(&c, 1, SERVER_REFUSED);
	decider_case_promote(&c, 2, 1);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
}

Test(publisher_decide, row_14_an_older_promotion_never_replaces_a_newer_one)
{
	struct topology other;

	publish_first();
	topology_init(&other);
	topology_copy(&other, &c.stored);
	strcpy(other.primary.name, "db3");
	strcpy(other.promoted_at, "2026-11-23T10:00:30Z");
	c.store.topology = &other;
	decider_case_event(&c, 1, "db1", "2026-11-23T10:00:29Z");
	decider_case_down(&c, 3, SERVER_TIMED_OUT);
	assert_action(decider_case_round(&c), PUBLISH_DO_ALARM);
	assert_reason("segue set-primary orders 10.0.0.1:5432 --name db1");
	topology_fini(&other);
}

Test(publisher_decide, row_14_having_started_to_look_later_is_no_later_promotion)
{
	struct decider_case fresh;

	publish_first();
	decider_case_open(&fresh, "pub2");
	fresh.second = 40;
	fresh.store = c.store;
	decider_case_down(&fresh, 1, SERVER_TIMED_OUT);
	decider_case_promote(&fresh, 2, 1);
	cr_assert_eq(decider_case_round(&fresh), PUBLISH_DO_ALARM, "%s", fresh.decision.reason);
	decider_case_close(&fresh);
}

Test(publisher_decide, row_15_nobody_writes_and_the_store_names_nobody)
{
	c.nodes[0].in_recovery = true;
	for (int i = 0; i < 5; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	c.store.state = STORED_INVALID;
	assert_action(decider_case_form(&c), PUBLISH_DO_WAIT);
}

Test(publisher_decide, row_16_a_null_is_said_once)
{
	publish_null();
	for (int i = 0; i < 5; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
}

Test(publisher_decide, row_17_a_primary_with_all_connections_taken_is_no_loss)
{
	publish_first();
	decider_case_down(&c, 1, SERVER_FULL);
	for (int i = 0; i < 10; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	assert_reason("db1 is alive");
}

Test(publisher_decide, row_18_a_standby_that_hears_from_it_knows_better)
{
	publish_first();
	decider_case_down(&c, 1, SERVER_TIMED_OUT);
	c.nodes[2].receiving = true;
	for (int i = 0; i < 10; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	assert_reason("standby db3 receives messages from a primary");
}

Test(publisher_decide, row_18a_a_publisher_that_sees_it_knows_better)
{
	publish_first();
	decider_case_down(&c, 1, SERVER_TIMED_OUT);
	c.store.seen_by = "pub2";
	for (int i = 0; i < 10; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	assert_reason("publisher pub2 sees it");
	c.store.seen_by = NULL;
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH_NULL);
}

Test(publisher_decide, row_18a_a_new_primary_is_published_whoever_sees_the_old_one)
{
	publish_first();
	decider_case_promote(&c, 2, 2);
	c.store.seen_by = "pub2";
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
}

Test(publisher_decide, row_19_one_of_three_is_not_the_judge)
{
	publish_first();
	decider_case_down(&c, 1, SERVER_TIMED_OUT);
	decider_case_down(&c, 2, SERVER_TIMED_OUT);
	for (int i = 0; i < 10; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	assert_reason("1 of 3");
}

Test(publisher_decide, rows_20_and_22_null_after_three_rounds)
{
	publish_null();
	cr_assert_not(c.stored.has_primary);
	cr_assert_eq(c.stored.timeline, 1);
	cr_assert_str_eq(c.stored.promoted_at, "2026-11-23T10:00:01Z");
	cr_assert_eq(c.stored.standby_count, 2);
}

Test(publisher_decide, row_20_a_primary_in_between_starts_the_count_anew)
{
	publish_first();
	for (int i = 0; i < 10; i++) {
		decider_case_down(&c, 1, i % 3 == 2 ? SERVER_ANSWERED : SERVER_REFUSED);
		cr_assert_neq(decider_case_round(&c), PUBLISH_DO_PUBLISH_NULL);
	}
}

Test(publisher_decide, row_21_a_null_that_was_overruled_is_not_repeated)
{
	struct topology before;

	publish_first();
	topology_init(&before);
	topology_copy(&before, &c.stored);
	decider_case_down(&c, 1, SERVER_TIMED_OUT);
	while (decider_case_round(&c) != PUBLISH_DO_PUBLISH_NULL)
		cr_assert_lt(c.second, 20);
	decider_case_store(&c, true);
	topology_copy(&c.stored, &before); /* who sees it says so */
	for (int i = 0; i < 10; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	decider_case_down(&c, 1, SERVER_ANSWERED);
	assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
	decider_case_down(&c, 1, SERVER_REFUSED);
	for (int i = 0; i < 2; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH_NULL);
	topology_fini(&before);
}
