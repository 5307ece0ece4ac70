/* Moves as values: laps become steps, steps become histograms. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "target/target.h"

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
	const struct move_lap laps[] = {
	    {MOVE_READ, 1100}, {MOVE_PERSISTED, 5000}, {MOVE_PUSHED, 1300}, {MOVE_CONFIRMED, 2300}};
	struct move move;

	move_make(&move, 42, "a/primary", 1000, laps, ARRAY_LEN(laps));
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
	const struct move_lap laps[] = {
	    {MOVE_READ, 0}, {MOVE_DRAINED, 900}, {MOVE_PERSISTED, 1000}};
	struct move move;

	move_make(&move, 1, "", 1000, laps, ARRAY_LEN(laps));
	cr_assert_eq(move.step_count, 1);
	expect_step(&move, 0, MOVE_PERSISTED, 0, 0);
	move_make(&move, 1, "", 1000, NULL, 0);
	cr_assert_eq(move.step_count, 0);
	cr_assert_eq(move.total_us, 0);
}

Test(move, the_stopwatch_begins_with_what_is_known_first)
{
	cr_expect_eq(move_begin_us(4, 3, 2, 1), 4);
	cr_expect_eq(move_begin_us(0, 3, 2, 1), 3);
	cr_expect_eq(move_begin_us(0, 0, 2, 1), 2);
	cr_expect_eq(move_begin_us(0, 0, 0, 1), 1);
}

Test(move, what_was_not_needed_or_came_before_is_not_logged)
{
	const struct move_lap laps[] = {
	    {MOVE_READ, 900}, {MOVE_RENDERED, 1000}, {MOVE_PUSHED, 0}, {MOVE_CONFIRMED, 3500}};
	struct log_kv pairs[1 + ARRAY_LEN(laps)] = {KV_STR("what", "x")};
	size_t count = 1;

	move_log_laps(pairs, &count, 1000, laps, ARRAY_LEN(laps));
	cr_assert_eq(count, 3);
	cr_expect_str_eq(pairs[1].key, "rendered_ms");
	cr_expect_eq(pairs[1].number, 0);
	cr_expect_str_eq(pairs[2].key, "confirmed_ms");
	cr_expect_eq(pairs[2].number, 2500);
}

Test(move, a_long_what_is_cut_between_characters)
{
	char what[2 * MOVE_WHAT_MAX + 1] = "x";
	struct move move;

	for (size_t i = 1; i + 2 < sizeof(what); i += 2)
		memcpy(what + i, "\xc3\xa4", 3);
	move_make(&move, 1, what, 1, NULL, 0);
	cr_assert_lt(strlen(move.what), MOVE_WHAT_MAX);
	cr_assert_str_eq(move.what + strlen(move.what) - 5, "\xc3\xa4...");
}

Test(move, a_tally_counts_by_kind_and_step)
{
	const struct move_lap laps[] = {
	    {MOVE_READ, 501}, {MOVE_PUSHED, 1001}, {MOVE_CONFIRMED, 41000001}};
	struct move_tally tally = {.moves = {{.sum_us = 0}}};
	struct move move;

	move_make(&move, 1, "", 1, laps, ARRAY_LEN(laps));
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
