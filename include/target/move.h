/* A move as it went: the stopwatch of the log line event=moved as a value, and the sum of many of
 * them. Pure. */
#ifndef SEGUE_TARGET_MOVE_H
#define SEGUE_TARGET_MOVE_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

#define MOVE_WHAT_MAX 160
#define MOVE_KINDS    (CONFIG_TARGET_FILE + 1) /* of targets */

/* What was done when the stopwatch was read; not every kind of target does all of it. */
enum move_step_kind {
	MOVE_READ,      /* the store's value */
	MOVE_RENDERED,  /* the template */
	MOVE_PUSHED,    /* the first command was sent to the proxy */
	MOVE_DRAINED,   /* PgBouncer has no server connection left */
	MOVE_PERSISTED, /* the file was installed */
	MOVE_CONFIRMED, /* the proxy was seen to follow */
	MOVE_RESUMED,   /* PgBouncer's clients go on */
	MOVE_SERVED,    /* the first of them was seen to be served */
	MOVE_STEPS,
};

const char *move_step_name(enum move_step_kind kind);    /* "read" */
const char *move_step_log_key(enum move_step_kind kind); /* "read_ms" */

struct move_lap {
	enum move_step_kind kind;
	int64_t us; /* clock_now_us() at its end; 0: it was not needed */
};

struct move_step {
	enum move_step_kind kind;
	int64_t start_us, took_us; /* from the begin of the move; from the step before it */
};

struct move {
	int64_t zxid;
	int64_t begin_us; /* clock_now_us() */
	int64_t total_us;
	int64_t held_us; /* what clients waited at most; 0: nobody did */
	char what[MOVE_WHAT_MAX];
	struct move_step steps[MOVE_STEPS]; /* in the order of time */
	size_t step_count;
};

/* When the stopwatch of a text began: with its notification, or without one (a SIGHUP, a server
 * that overrules the store) with the first thing that is known; of these the first that is not 0.
 */
int64_t move_begin_us(int64_t notified_us, int64_t read_us, int64_t rendered_us, int64_t set_us);

/* Appends a pair for each lap, from the begin on, and counts it; one that was not needed, or that
 * was over before the begin, is left out. There has to be room for all. */
struct log_kv;
void move_log_laps(struct log_kv *pairs, size_t *pair_count, int64_t begin_us,
                   const struct move_lap *laps, size_t count);

/* The steps between the laps, of which none is given twice. `what` is cut where it is too long. */
void move_make(struct move *out, int64_t zxid, const char *what, int64_t begin_us,
               const struct move_lap *laps, size_t count);

#define MOVE_BUCKETS 15
extern const int64_t move_bucket_us[MOVE_BUCKETS]; /* upper bounds, included */

struct move_histogram {
	uint64_t counts[MOVE_BUCKETS + 1]; /* not cumulative; the last one: longer than all bounds
	                                    */
	int64_t sum_us;
};

struct move_tally {
	struct move_histogram moves[MOVE_KINDS], steps[MOVE_KINDS][MOVE_STEPS];
};

void move_tally_add(struct move_tally *tally, enum config_target_kind kind,
                    const struct move *move);

#endif
