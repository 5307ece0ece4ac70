/* The decider and what a cluster does to it: returned primaries, witnesses, lags, lost standbys. */
#include <criterion/criterion.h>
#include <string.h>

#include "decider_case.h"

#define MB ((int64_t)1 << 20)

TestSuite(publisher_decide_trouble, .init = decider_setup, .fini = decider_teardown, .timeout = 30);

/* db2 is the primary on timeline 2, db3 follows it, db1 is dead. */
static void fail_over(void)
{
	publish_first();
	decider_case_down(&c, 1, SERVER_REFUSED);
	decider_case_promote(&c, 2, 2);
	c.nodes[2].timeline = 2;
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	decider_case_store(&c, true);
}

Test(publisher_decide_trouble, returned_primary_believes_in_itself_and_nobody_else_does)
{
	fail_over();
	decider_case_down(&c, 1, SERVER_ANSWERED);
	c.nodes[0].role = NODE_PRIMARY; /* its own repmgr tables */
	decider_case_event(&c, 1, "db1", "2026-11-23T09:00:00Z");
	assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
	cr_assert_eq(c.decision.topology.standby_count, 1);
}

Test(publisher_decide_trouble, returned_primary_alone_becomes_null_never_the_primary)
{
	fail_over();
	decider_case_down(&c, 1, SERVER_ANSWERED);
	decider_case_down(&c, 2, SERVER_REFUSED);
	for (int i = 0; i < 2; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH_NULL);
	cr_assert_eq(c.decision.topology.timeline, 2);
	cr_assert_not_null(strstr(c.decision.reason, "db1 takes writes, but on the old timeline 1"),
	                   "%s", c.decision.reason);
	decider_case_store(&c, true);
	assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
}

Test(publisher_decide_trouble, a_standby_on_a_later_timeline_unmasks_an_old_primary)
{
	c.nodes[2].timeline = 2;
	decider_case_down(&c, 2, SERVER_TIMED_OUT);
	for (int i = 0; i < 5; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
}

Test(publisher_decide_trouble, a_fresh_publisher_does_not_bring_back_what_the_store_has_passed)
{
	struct decider_case fresh;

	fail_over();
	decider_case_open(&fresh, "pub2");
	fresh.store = c.store;
	decider_case_down(&fresh, 2, SERVER_TIMED_OUT);
	decider_case_event(&fresh, 1, "db1", "2026-11-24T10:00:00Z");
	cr_assert_eq(decider_case_round(&fresh), PUBLISH_DO_WAIT, "%s", fresh.decision.reason);
	decider_case_close(&fresh);
}

Test(publisher_decide_trouble, a_witness_takes_writes_and_is_no_candidate)
{
	decider_case_promote(&c, 3, 5);
	c.nodes[2].role = NODE_WITNESS;
	strcpy(c.nodes[2].system_identifier, "9000");
	publish_first();
	cr_assert_str_eq(c.stored.primary.name, "db1");
	cr_assert_eq(c.stored.standby_count, 1);
	decider_case_down(&c, 1, SERVER_REFUSED);
	for (int i = 0; i < 2; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	assert_action(decider_case_round(&c),
	              PUBLISH_DO_PUBLISH_NULL); /* it does count as a witness */
}

Test(publisher_decide_trouble, repmgr_calling_it_a_standby_does_not_hold_up_a_promotion)
{
	publish_first();
	decider_case_promote(&c, 2, 2);
	c.nodes[1].role = NODE_STANDBY;
	c.nodes[0].class = SERVER_REFUSED;
	c.nodes[0].role = NODE_PRIMARY;
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
}

static int64_t published_lag(int64_t behind)
{
	c.nodes[0].lsn = 1000 * MB;
	c.nodes[1].lsn = 1000 * MB - behind;
	c.nodes[2].lsn = 1000 * MB;
	decider_case_round(&c);
	if (c.decision.action == PUBLISH_DO_PUBLISH)
		decider_case_store(&c, true);
	return c.stored.standbys[0].lag_bytes;
}

Test(publisher_decide_trouble, lag_comes_in_buckets_with_room_at_their_bounds)
{
	cr_assert_eq(published_lag(0), 0);
	cr_assert_eq(published_lag(MB - 1), 0);
	cr_assert_eq(published_lag(2 * MB - 1), 0, "it stays up to twice the bound");
	cr_assert_eq(published_lag(2 * MB), MB);
	cr_assert_eq(published_lag(MB / 2), MB, "and down to half of it");
	cr_assert_eq(published_lag(MB / 2 - 1), 0);
	cr_assert_eq(published_lag(20 * MB), 16 * MB);
	cr_assert_eq(published_lag(127 * MB), 16 * MB);
	cr_assert_eq(published_lag(128 * MB), 64 * MB);
	cr_assert_eq(published_lag(0), 0);
}

Test(publisher_decide_trouble, a_lag_that_wanders_in_its_bucket_writes_nothing)
{
	publish_first();
	for (int i = 0; i < 20; i++) {
		c.nodes[0].lsn += 300 * MB + (int64_t)i * 1000;
		c.nodes[1].lsn = c.nodes[0].lsn - (int64_t)i * 50000;
		c.nodes[2].lsn = c.nodes[0].lsn;
		assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
	}
}

Test(publisher_decide_trouble, a_silent_standby_drops_out_after_three_rounds_and_comes_back)
{
	publish_first();
	decider_case_down(&c, 3, SERVER_TIMED_OUT);
	for (int i = 0; i < 2; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_eq(c.decision.topology.standby_count, 1);
	decider_case_store(&c, true);
	assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
	decider_case_down(&c, 3, SERVER_ANSWERED);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_eq(c.decision.topology.standby_count, 2);
}

Test(publisher_decide_trouble, a_standby_that_others_see_is_dropped_once_and_not_again)
{
	struct topology full;

	publish_first();
	topology_init(&full);
	topology_copy(&full, &c.stored);
	decider_case_down(&c, 3, SERVER_TIMED_OUT);
	while (decider_case_round(&c) != PUBLISH_DO_PUBLISH)
		cr_assert_lt(c.second, 20);
	decider_case_store(&c, true);
	topology_copy(&c.stored, &full); /* another publisher sees it */
	for (int i = 0; i < 10; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
	topology_fini(&full);
}

Test(publisher_decide_trouble, the_order_of_the_servers_makes_no_difference)
{
	struct node_state first;

	publish_first();
	first = c.nodes[0];
	c.nodes[0] = c.nodes[2];
	c.nodes[2] = first;
	assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
	cr_assert_str_eq(c.decision.topology.standbys[0].name, "db2");
	cr_assert_str_eq(c.decision.topology.standbys[1].name, "db3");
}

Test(publisher_decide_trouble, nodes_are_told_apart_by_their_place_where_they_have_no_name)
{
	for (int i = 0; i < PUBLISH_NODES; i++)
		c.nodes[i].name[0] = '\0';
	publish_first();
	assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
	decider_case_promote(&c, 3, 2);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.host, "10.0.0.3");
}

Test(publisher_decide_trouble, description_has_a_line_for_each_server)
{
	auto_strbuf struct strbuf text = STRBUF_INIT;

	c.nodes[1].role = NODE_PRIMARY;
	decider_case_down(&c, 3, SERVER_REFUSED);
	decider_case_round(&c);
	decider_describe(c.decider, &text);
	cr_assert_str_eq(text.data,
	                 "db1 (10.0.0.1:5432) takes writes on timeline 1, seen first at "
	                 "2026-11-23T10:00:01Z\n"
	                 "db2 (10.0.0.2:5432) is a standby on timeline 1, 0 bytes behind; repmgr "
	                 "calls it the primary, which it is not\n"
	                 "db3 (10.0.0.3:5432) does not answer: refused, for 1 rounds\n");
}
