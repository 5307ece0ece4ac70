/* Moves as values: a clock becomes steps, steps become histograms. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "target/target_ops.h"

static void expect_step(const struct move *move, size_t i, enum move_step_kind kind,
                        int64_t start_us, int64_t took_us)
{
	cr_assert_lt(i, move->step_count);
	cr_assert_eq(move->steps[i].kind, kind, "step %zu is %s", i,
	             move_step_name(move->steps[i].kind));
	cr_assert_eq(move->steps[i].start_us, start_us);
	cr_assert_eq(move->steps[i].took_us, took_us);
}

Test(move, steps_follow_each_other_in_the_order_of_time)
{
	const struct move_clock clock = {.zxid = 42,
	                                 .notified_us = 1000,
	                                 .end_us = {[MOVE_READ] = 1100,
	                                            [MOVE_PERSISTED] = 5000,
	                                            [MOVE_PUSHED] = 1300,
	                                            [MOVE_CONFIRMED] = 2300}};
	struct move move;

	move_make(&move, &clock, "a/primary");
	cr_assert_eq(move.zxid, 42);
	cr_assert_eq(move.begin_us, 1000);
	cr_assert_str_eq(move.what, "a/primary");
	cr_assert_eq(move.step_count, 4);
	expect_step(&move, 0, MOVE_READ, 0, 100);
	expect_step(&move, 1, MOVE_PUSHED, 100, 200);
	expect_step(&move, 2, MOVE_CONFIRMED, 300, 1000);
	expect_step(&move, 3, MOVE_PERSISTED, 1300, 2700);
	cr_assert_eq(move.total_us, 4000);
}

Test(move, what_was_not_needed_or_came_before_is_no_step)
{
	const struct move_clock clock = {
	    .notified_us = 1000,
	    .end_us = {[MOVE_READ] = 0, [MOVE_DRAINED] = 900, [MOVE_PERSISTED] = 1000}};
	const struct move_clock nothing = {.notified_us = 1000};
	struct move move;

	move_make(&move, &clock, "");
	cr_assert_eq(move.step_count, 1);
	expect_step(&move, 0, MOVE_PERSISTED, 0, 0);
	move_make(&move, &nothing, "");
	cr_assert_eq(move.step_count, 0);
	cr_assert_eq(move.total_us, 0);
}

Test(move, the_stopwatch_begins_with_what_is_known_first)
{
	struct move_clock clock = {
	    .notified_us = 4, .set_us = 1, .end_us = {[MOVE_READ] = 3, [MOVE_RENDERED] = 2}};

	cr_expect_eq(move_begin_us(&clock), 4);
	clock.notified_us = 0;
	cr_expect_eq(move_begin_us(&clock), 3);
	clock.end_us[MOVE_READ] = 0;
	cr_expect_eq(move_begin_us(&clock), 2);
	clock.end_us[MOVE_RENDERED] = 0;
	cr_expect_eq(move_begin_us(&clock), 1);
}

Test(move, clients_waited_from_the_first_pause_to_the_last_resume)
{
	struct move_clock clock = {
	    .notified_us = 1000, .paused_us = 900, .end_us = {[MOVE_RESUMED] = 4000}};
	struct move move;

	move_make(&move, &clock, "");
	cr_expect_eq(move.held_us, 3100);
	clock.paused_us = 5000; /* a hold after the move */
	move_make(&move, &clock, "");
	cr_expect_eq(move.held_us, 0, "%lld us", (long long)move.held_us);
	clock.paused_us = 0;
	move_make(&move, &clock, "");
	cr_expect_eq(move.held_us, 0);
}

Test(move, what_was_not_needed_or_came_before_is_not_logged)
{
	const struct move_clock clock = {.notified_us = 1000,
	                                 .end_us = {[MOVE_READ] = 900,
	                                            [MOVE_RENDERED] = 1000,
	                                            [MOVE_PUSHED] = 0,
	                                            [MOVE_CONFIRMED] = 3500}};
	struct log_kv pairs[1 + MOVE_STEPS] = {KV_STR("what", "x")};
	size_t count = 1;
	struct move move;

	move_make(&move, &clock, "");
	move_log_steps(pairs, &count, &move);
	cr_assert_eq(count, 3);
	cr_expect_str_eq(pairs[1].key, "rendered_ms");
	cr_expect_eq(pairs[1].number, 0);
	cr_expect_str_eq(pairs[2].key, "confirmed_ms");
	cr_expect_eq(pairs[2].number, 2500);
}

Test(move, a_long_what_is_cut_between_characters)
{
	const struct move_clock clock = {.notified_us = 1};
	char what[2 * MOVE_WHAT_MAX + 1] = "x";
	struct move move;

	for (size_t i = 1; i + 2 < sizeof(what); i += 2)
		memcpy(what + i, "\xc3\xa4", 3);
	move_make(&move, &clock, what);
	cr_assert_lt(strlen(move.what), MOVE_WHAT_MAX);
	cr_assert_str_eq(move.what + strlen(move.what) - 5, "\xc3\xa4...");
}

Test(move, a_tally_counts_by_kind_and_step)
{
	const struct move_clock clock = {
	    .notified_us = 1,
	    .end_us = {[MOVE_READ] = 501, [MOVE_PUSHED] = 1001, [MOVE_CONFIRMED] = 41000001}};
	struct move_tally tally = {.moves = {{.sum_us = 0}}};
	struct move move;

	move_make(&move, &clock, "");
	move_tally_add(&tally, CONFIG_TARGET_PGBOUNCER, &move);
	move_tally_add(&tally, CONFIG_TARGET_PGBOUNCER, &move);
	cr_assert_eq(tally.moves[CONFIG_TARGET_PGBOUNCER].counts[MOVE_BUCKETS], 2);
	cr_assert_eq(tally.moves[CONFIG_TARGET_PGBOUNCER].sum_us, 82000000);
	cr_assert_eq(tally.moves[CONFIG_TARGET_HAPROXY].sum_us, 0);
	cr_assert_eq(tally.steps[CONFIG_TARGET_PGBOUNCER][MOVE_READ].counts[0], 2, "500 us");
	cr_assert_eq(tally.steps[CONFIG_TARGET_PGBOUNCER][MOVE_PUSHED].counts[0], 2);
	cr_assert_eq(tally.steps[CONFIG_TARGET_PGBOUNCER][MOVE_DRAINED].sum_us, 0);
}

Test(move, every_step_has_its_names)
{
	for (int i = 0; i < MOVE_STEPS; i++) {
		auto_free char *key = xasprintf("%s_ms", move_step_name((enum move_step_kind)i));

		cr_assert_str_eq(key, move_step_log_key((enum move_step_kind)i));
	}
}
