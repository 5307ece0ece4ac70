/* The decider and a person's word in the store: a primary that was named, and a null by hand. */
#include <criterion/criterion.h>
#include <string.h>

#include "decider_case.h"

TestSuite(publisher_decide_person, .init = decider_setup, .fini = decider_teardown, .timeout = 30);

static void standby(int node)
{
	c.nodes[node - 1].in_recovery = true;
	c.nodes[node - 1].timeline = 1;
}

static void promote_by_mistake(void)
{
	publish_first();
	decider_case_promote(&c, 2, 2);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
	decider_case_store(&c, true);
}

/* db2 was promoted by mistake, published, and made a standby again. */
static void undo(void)
{
	promote_by_mistake();
	standby(2);
	for (int i = 0; i < 2; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH_NULL);
	assert_reason("old timeline 1, below 2; if db1 is the right primary: segue set-primary "
	              "orders 10.0.0.1:5432 --name db1");
	cr_assert_str_neq(c.decision.topology.none_since, "");
	decider_case_store(&c, true);
}

Test(publisher_decide_person, a_word_lowers_the_floor_once)
{
	undo();
	assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
	assert_reason("segue set-primary orders 10.0.0.1:5432 --name db1");
	decider_case_set(&c, 1, 1);
	assert_action(decider_case_form(&c), PUBLISH_DO_PUBLISH); /* its standbys */
	cr_assert(c.obeyed);
	cr_assert_str_eq(c.decision.topology.primary.name, "db1");
	cr_assert_eq(c.decision.topology.timeline, 1);
	cr_assert_str_eq(c.decision.topology.set_by.id, c.stored.set_by.id);
	decider_case_store(&c, true);
	for (int i = 0; i < 10; i++) {
		assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
		cr_assert_not(c.obeyed);
	}
}

Test(publisher_decide_person, a_promotion_after_the_word_is_followed_on_the_same_timeline_again)
{
	undo();
	decider_case_set(&c, 1, 1);
	decider_case_round(&c);
	decider_case_down(&c, 1, SERVER_REFUSED);
	decider_case_promote(&c, 2, 2);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
	cr_assert_str_neq(c.decision.topology.set_by.id, "");
	decider_case_store(&c, true);
	decider_case_promote(&c, 1, 1); /* the old primary returns */
	assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
	cr_assert_eq(c.decision.topology.timeline, 2);
}

Test(publisher_decide_person, row_6a_a_stray_wins_nothing_while_it_lives)
{
	publish_first();
	decider_case_promote(&c, 2, 2);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	decider_case_store(&c, true);
	decider_case_set(&c, 1, 1);
	for (int i = 0; i < 10; i++) {
		assert_action(decider_case_round(&c), PUBLISH_DO_ALARM);
		assert_reason("split brain: db2 takes writes on timeline 2, though alice@p1");
		assert_reason("segue set-primary orders 10.0.0.2:5432 --name db2");
	}
	decider_case_down(&c, 1, SERVER_REFUSED); /* no null either */
	for (int i = 0; i < 10; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_ALARM);
	decider_case_promote(&c, 1, 1);
	decider_case_down(&c, 2, SERVER_REFUSED);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db1");
}

Test(publisher_decide_person, row_6a_for_a_publisher_that_was_started_after_the_word)
{
	decider_case_promote(&c, 2, 2);
	decider_case_set(&c, 1, 1);
	assert_action(decider_case_round(&c), PUBLISH_DO_ALARM);
	/* repmgr knows that the promotion came later than the word */
	decider_case_event(&c, 3, "db2", "2026-11-23T10:00:30Z");
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
}

Test(publisher_decide_person, once_a_higher_timeline_is_stored_the_word_is_history)
{
	decider_case_promote(&c, 2, 3);
	c.nodes[0].class = SERVER_REFUSED;
	decider_case_set(&c, 2, 1);
	c.stored.timeline = 3;
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
	cr_assert_eq(c.decision.topology.timeline, 3);
}

/* make chaos, seed 31: db3 was copied from the later primary, so that nobody saw it on a timeline
 * of the word; then the znode was deleted, the primary was lost, and db3 was promoted. */
Test(publisher_decide_person, a_word_that_is_history_stays_so_when_the_znode_is_gone)
{
	c.count = 2;
	decider_case_set(&c, 1, 1);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	decider_case_promote(&c, 2, 2);
	standby(1);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	decider_case_store(&c, false); /* another publisher was the first to write it */
	assert_action(decider_case_round(&c), PUBLISH_DO_SAME);
	c.count = 3;
	c.nodes[2].timeline = 2;
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH); /* a further standby */
	c.store.state = STORED_ABSENT;
	decider_case_down(&c, 2, SERVER_REFUSED);
	assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	decider_case_promote(&c, 3, 3);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db3");
	cr_assert_eq(c.decision.topology.timeline, 3);
}

Test(publisher_decide_person, another_word_names_the_stray)
{
	undo();
	decider_case_promote(&c, 2, 2);
	decider_case_set(&c, 1, 1);
	assert_action(decider_case_round(&c), PUBLISH_DO_ALARM);
	decider_case_set(&c, 2, 2);
	assert_action(decider_case_form(&c), PUBLISH_DO_PUBLISH);
	cr_assert(c.obeyed);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
}

/* -- a null by hand -- */

Test(publisher_decide_person, row_11a_a_null_by_hand_is_respected_for_null_hold)
{
	publish_first();
	decider_case_null(&c);
	for (int i = 0; i < 10; i++) {
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
		assert_reason("no publisher wrote");
		assert_reason("segue set-primary orders 10.0.0.1:5432 --name db1");
	}
	assert_reason("nothing is published for another 1 s");
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	assert_reason("was respected for 10 s (null_hold)");
}

/* A round waits for a server that does not answer, and reads the store after it. */
Test(publisher_decide_person, row_11a_null_hold_counts_from_when_the_null_was_told_of)
{
	publish_first();
	decider_case_null(&c);
	c.store.since_us = c.now_us - 3 * (int64_t)ROUND_US;
	for (int i = 0; i < 6; i++)
		assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
}

Test(publisher_decide_person, row_11a_a_null_by_hand_ends_with_a_promotion)
{
	publish_first();
	decider_case_null(&c);
	assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	decider_case_promote(&c, 2, 2);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.primary.name, "db2");
}

/* Seen by the publisher in one round with the null: it is no reason to wait. */
Test(publisher_decide_person, row_11a_the_promotion_may_be_seen_before_the_null)
{
	publish_first();
	decider_case_promote(&c, 2, 2);
	decider_case_null(&c);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
}

Test(publisher_decide_person, row_11a_for_a_publisher_that_knows_nothing_of_before)
{
	decider_case_null(&c);
	assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	decider_case_promote(&c, 2, 2);
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
}

Test(publisher_decide_person, a_null_written_again_is_respected_anew)
{
	publish_first();
	for (int n = 0; n < 3; n++) {
		decider_case_null(&c);
		for (int i = 0; i < 10; i++)
			assert_action(decider_case_round(&c), PUBLISH_DO_WAIT);
	}
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
}

Test(publisher_decide_person, a_null_of_another_publisher_is_not_held)
{
	publish_first();
	decider_case_null(&c);
	strcpy(c.stored.none_since, "2026-11-23T10:00:00Z");
	assert_action(decider_case_round(&c), PUBLISH_DO_PUBLISH);
	cr_assert_str_eq(c.decision.topology.none_since, "");
}
