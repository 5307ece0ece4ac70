/* A target: one proxy (or file) that segue keeps as the rendered text says. */
#ifndef SEGUE_TARGET_TARGET_H
#define SEGUE_TARGET_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"

/* One move, as in the log line event=moved, and histograms of many moves. Pure. */

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

struct event_base;
struct file_writer;
struct target;
struct target_hub; /* what targets share: one reload at a time per HAProxy, few connections per
                      socket */

/* One rendered text, and the times of the change that it belongs to: clock_now_us(); 0: none, as
 * the same fact is applied again. */
struct desired {
	const char *text; /* copied */
	size_t len;
	int64_t zxid;
	int64_t notified_us, read_us, rendered_us;
	const char *primary; /* its numeric address; copied. NULL: unknown; every server in the text
	                        may be the primary */
	uint16_t primary_port;
	const char *former; /* the primary that the proxy's file names; only used while the target
	                       has had no text. Copied. NULL: unknown */
	uint16_t former_port;
	bool new_template; /* check every bind of the text, too (text_check_leads()) */
};

struct target_hub *target_hub_create(struct event_base *base);
void target_hub_destroy(struct target_hub *hub); /* after its targets */

/* The file_writer of all targets; clusters use it for their own files, too. */
struct file_writer *target_hub_saver(const struct target_hub *hub);

void target_destroy(struct target *target); /* cancels all that is in flight */

/* The end of every error about a text that leads no client to the primary. */
#define TARGET_TEXT_CURE                                                                           \
	"is a {{...}} tag of the template in the wrong place? If the target is for readers only, " \
	"or in front of another proxy, set leads_to_primary = no"

/* Sets the desired text. Refuses it (false) when it cannot be parsed, or leads no client to the
 * primary (text_check_leads()). Then the last good text stays; in that of a HAProxy the servers at
 * the former primary move to the new one. target_status() reports the refusal. If the live state is
 * known, writes to the proxy inside this call. */
bool target_set_desired(struct target *target, const struct desired *desired,
                        struct err *err) MUST_CHECK;

/* There is no primary: makes clients wait until the next target_set_desired(), or until
 * `timeout_ms` from now, when they are released. `episode` identifies one loss of the primary: it
 * is above 0 and never used twice in a process. A call with the same episode restarts the timeout
 * during the hold, and does nothing after it. `dead`: the last primary accepts no connections any
 * more, so the target neither waits for anything there nor re-reads its live state first. A target
 * that has no text yet holds nothing; one that cannot hold does nothing. */
void target_hold(struct target *target, int64_t episode, int64_t timeout_ms, bool dead);

/* There is no primary, and no client may reach the last one: ends its sessions now, and refuses new
 * clients or lets them wait, until the next target_set_desired(). `episode`, and targets without a
 * text or that cannot fence: as for target_hold(). */
void target_fence(struct target *target, int64_t episode);

struct target_status {
	int64_t zxid;          /* of the desired text; 0: none yet */
	bool in_sync;          /* live state re-read and agrees, file installed, no reload owed */
	const char *problem;   /* why it is not in sync, or `alarm`, or ""; borrowed */
	const char *alarm;     /* see target_set_alarm(); "": none; borrowed */
	const char *step;      /* what it does now: "idle", "reading", "pushing", ... */
	unsigned old_sessions; /* to a former primary; the last try could not end them */
};
void target_status(const struct target *target, struct target_status *out);

/* Sets what a person has to repair around the target, whether it is in sync or not; "": nothing.
 * True: the alarm has changed. */
bool target_set_alarm(struct target *target, const char *alarm);

/* An address to which a proxy sends clients. */
struct target_endpoint {
	char name[96];    /* "backend/server", or a PgBouncer database; cut if longer */
	char address[96]; /* "10.0.0.1:5432", "[::1]:5432" */
};

#define TARGET_PLACES_MAX 8
struct target_endpoints {
	struct target_endpoint list[TARGET_PLACES_MAX];
	size_t listed, count; /* count: all, with those that have no room in `list` */
};

/* Gets the endpoints of the desired text and of the last live state, without servers in
 * maintenance. Both are empty if nothing is known; a file target has none. */
void target_endpoints(const struct target *target, struct target_endpoints *desired,
                      struct target_endpoints *live);

/* True when the proxy is known to listen at this address. Always false for HAProxy, whose binds are
 * in the rendered text. */
bool target_listens_at(const struct target *target, const char *address, uint16_t port);

#define TARGET_MOVES_MAX 10
/* Returns a past move; `back` 0 is the newest. NULL: there is none. Borrowed until the next call of
 * any function of the target. */
const struct move *target_move(const struct target *target, size_t back);

/* Counted since the process started, or since the target was added to segue.ini. */
struct target_counts {
	uint64_t moves;
	uint64_t failures; /* failed steps, also those whose next try succeeded */
};
void target_counts(const struct target *target, struct target_counts *out);

/* Takes over the moves and counts of `before`, after a reload of segue.ini. */
void target_inherit(struct target *target, const struct target *before);

/* Histograms of all moves of the hub's targets, by kind of target. Borrowed. */
const struct move_tally *target_hub_tally(const struct target_hub *hub);
void target_hub_inherit(struct target_hub *hub, const struct target_hub *before);

#endif
