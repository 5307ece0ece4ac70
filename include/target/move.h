/* The times of one move, as in the log line event=moved, and histograms of many moves. Pure. */
#ifndef SEGUE_TARGET_MOVE_H
#define SEGUE_TARGET_MOVE_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

#define MOVE_WHAT_MAX 160
#define MOVE_KINDS    (CONFIG_TARGET_FILE + 1) /* kinds of targets */

/* What is done at the end of each step. Not every kind of target has all steps. */
enum move_step_kind {
	MOVE_READ,      /* the master znode was read */
	MOVE_RENDERED,  /* the template was rendered */
	MOVE_PUSHED,    /* the first command was sent to the proxy */
	MOVE_DRAINED,   /* PgBouncer has no server connection left */
	MOVE_PERSISTED, /* the file was installed */
	MOVE_CONFIRMED, /* the live state of the proxy agrees with the text */
	MOVE_RESUMED,   /* PgBouncer was resumed */
	MOVE_SERVED,    /* the first client of PgBouncer is served */
	MOVE_STEPS,
};

const char *move_step_name(enum move_step_kind kind);    /* "read" */
const char *move_step_log_key(enum move_step_kind kind); /* "read_ms" */

struct move_lap {
	enum move_step_kind kind;
	int64_t us; /* clock_now_us() at the end of the step; 0: it was not needed */
};

struct move_step {
	enum move_step_kind kind;
	int64_t start_us, took_us; /* since the begin of the move; from start_us to its end */
};

struct move {
	int64_t zxid;
	int64_t begin_us; /* clock_now_us() */
	int64_t total_us;
	int64_t held_us; /* upper bound of the time that a client waited; 0: none waited */
	char what[MOVE_WHAT_MAX];
	struct move_step steps[MOVE_STEPS]; /* in order of time */
	size_t step_count;
};

/* Returns the begin of a move: the watch notification. A move without one (after a SIGHUP, or when
 * a server overrules the store) begins with the next known time: the first argument that is not 0.
 */
int64_t move_begin_us(int64_t notified_us, int64_t read_us, int64_t rendered_us, int64_t set_us);

/* Appends a pair with the time since the begin for each lap, and adds to *pair_count. Leaves out
 * laps that were not needed or that ended before the begin. `pairs` must have room for all laps. */
struct log_kv;
void move_log_laps(struct log_kv *pairs, size_t *pair_count, int64_t begin_us,
                   const struct move_lap *laps, size_t count);

/* Makes the steps from the laps; no kind of lap may come twice. Cuts `what` if it is too long. */
void move_make(struct move *out, int64_t zxid, const char *what, int64_t begin_us,
               const struct move_lap *laps, size_t count);

#define MOVE_BUCKETS 15
extern const int64_t move_bucket_us[MOVE_BUCKETS]; /* upper bounds, inclusive */

struct move_histogram {
	uint64_t counts[MOVE_BUCKETS + 1]; /* not cumulative; the last: above all bounds */
	int64_t sum_us;
};

struct move_tally {
	struct move_histogram moves[MOVE_KINDS], steps[MOVE_KINDS][MOVE_STEPS];
};

void move_tally_add(struct move_tally *tally, enum config_target_kind kind,
                    const struct move *move);

#endif
