/* Makes the steps of a move from its clock, and histograms from the steps. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "target/target_ops.h"

static const struct {
	const char *name, *log_key;
} steps[MOVE_STEPS] = {
    [MOVE_READ] = {"read", "read_ms"},
    [MOVE_RENDERED] = {"rendered", "rendered_ms"},
    [MOVE_PUSHED] = {"pushed", "pushed_ms"},
    [MOVE_DRAINED] = {"drained", "drained_ms"},
    [MOVE_PERSISTED] = {"persisted", "persisted_ms"},
    [MOVE_CONFIRMED] = {"confirmed", "confirmed_ms"},
    [MOVE_RESUMED] = {"resumed", "resumed_ms"},
    [MOVE_SERVED] = {"served", "served_ms"},
};

/* 0.5 ms to 30 s; narrow in the range of a good failover. */
const int64_t move_bucket_us[MOVE_BUCKETS] = {500,     1000,    2500,    5000,     10000,
                                              25000,   50000,   100000,  250000,   500000,
                                              1000000, 2500000, 5000000, 10000000, 30000000};

const char *move_step_name(enum move_step_kind kind)
{
	return steps[kind].name;
}

const char *move_step_log_key(enum move_step_kind kind)
{
	return steps[kind].log_key;
}

int64_t move_begin_us(const struct move_clock *clock)
{
	const int64_t known[] = {clock->notified_us, clock->end_us[MOVE_READ],
	                         clock->end_us[MOVE_RENDERED]};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i] != 0)
			return known[i];
	return clock->set_us;
}

void move_log_steps(struct log_kv *pairs, size_t *pair_count, const struct move *move)
{
	for (size_t i = 0; i < move->step_count; i++) {
		const struct move_step *step = &move->steps[i];

		pairs[(*pair_count)++] =
		    KV_MS(move_step_log_key(step->kind), step->start_us + step->took_us);
	}
}

/* Does not cut inside a UTF-8 character. */
static void copy_what(char *out, const char *what)
{
	static const char cut[] = "...";
	size_t len = strlen(what);

	if (len < MOVE_WHAT_MAX) {
		snprintf(out, MOVE_WHAT_MAX, "%s", what);
		return;
	}
	len = MOVE_WHAT_MAX - sizeof(cut);
	while (len > 0 && ((unsigned char)what[len] & 0xc0) == 0x80)
		len--;
	snprintf(out, MOVE_WHAT_MAX, "%.*s%s", (int)len, what, cut);
}

/* Inserts in order of time, with the end of the step in start_us; move_make() then corrects it. */
static void insert_end(struct move *move, enum move_step_kind kind, int64_t end_us)
{
	size_t at = move->step_count++;

	for (; at > 0 && move->steps[at - 1].start_us > end_us; at--)
		move->steps[at] = move->steps[at - 1];
	move->steps[at] = (struct move_step){.kind = kind, .start_us = end_us};
}

/* A pause that began after the last RESUME belongs to no move yet. */
static int64_t held_us(const struct move_clock *clock)
{
	int64_t resumed_us = clock->end_us[MOVE_RESUMED];

	return clock->paused_us != 0 && resumed_us > clock->paused_us
	           ? resumed_us - clock->paused_us
	           : 0;
}

void move_make(struct move *out, const struct move_clock *clock, const char *what)
{
	int64_t begin_us = move_begin_us(clock), before = 0;

	*out = (struct move){.zxid = clock->zxid, .begin_us = begin_us, .held_us = held_us(clock)};
	copy_what(out->what, what);
	for (int kind = 0; kind < MOVE_STEPS; kind++)
		if (clock->end_us[kind] != 0 && clock->end_us[kind] >= begin_us)
			insert_end(out, (enum move_step_kind)kind, clock->end_us[kind] - begin_us);
	for (size_t i = 0; i < out->step_count; i++) {
		int64_t end = out->steps[i].start_us;

		out->steps[i].start_us = before;
		out->steps[i].took_us = end - before;
		before = end;
	}
	out->total_us = before;
}

static void observe(struct move_histogram *histogram, int64_t us)
{
	size_t bucket = 0;

	while (bucket < MOVE_BUCKETS && us > move_bucket_us[bucket])
		bucket++;
	histogram->counts[bucket]++;
	histogram->sum_us += us;
}

void move_tally_add(struct move_tally *tally, enum config_target_kind kind, const struct move *move)
{
	observe(&tally->moves[kind], move->total_us);
	for (size_t i = 0; i < move->step_count; i++)
		observe(&tally->steps[kind][move->steps[i].kind], move->steps[i].took_us);
}
