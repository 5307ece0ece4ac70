/* What every kind of target consists of; for the drivers only. The struct of a driver begins with a
 * struct target. */
#ifndef SEGUE_TARGET_TARGET_OPS_H
#define SEGUE_TARGET_TARGET_OPS_H

#include "base/log.h"
#include "base/strbuf.h"
#include "target/reload.h"
#include "target/target.h"

/* What targets share: the connections to each socket, and the reloads of each HAProxy. Created when
 * the first target asks; borrowed by the targets until target_hub_destroy(). */

/* Returns the shared object with this key. `destroy` and the pointer `arg` also identify the kind
 * of object. The first call creates it with `create`; target_hub_destroy() ends it with `destroy`.
 */
void *target_hub_share(struct target_hub *hub, const char *key,
                       void *(*create)(struct event_base *base, const char *key, const void *arg),
                       void (*destroy)(void *thing), const void *arg) MUST_CHECK;

/* Returns the shared reloader of `object` by `method`. NULL: `object` is "". */
struct reloader *target_hub_reloader(struct target_hub *hub, const struct reload_method *method,
                                     const char *object) MUST_CHECK;

/* How long a target waits between two re-reads of the live state, in ms. It grows with the number
 * of targets. */
int64_t target_hub_reread_ms(const struct target_hub *hub);

/* The same during a hold or a fence. It is shorter, because a manual change then does harm: it may
 * lead clients to a server. */
int64_t target_hub_watch_ms(const struct target_hub *hub);

/* The times of the move to the current text. clock_now_us(); 0: not yet, or not needed. */
struct move_clock {
	int64_t zxid; /* of the text; 0: there is no text yet */
	int64_t notified_us, set_us;
	int64_t paused_us;          /* since when clients wait; may be before the text came */
	int64_t end_us[MOVE_STEPS]; /* of each step */
	bool told;                  /* the end of the move was logged; later changes are drift */
	bool reloaded;              /* the proxy has loaded the text by a reload */
	struct strbuf summary;      /* what is changed in the proxy; "": nothing */
};

/* Returns the begin of a move: the watch notification. A move without one (after a SIGHUP, or when
 * a server overrules the store) begins with the next known time: read, rendered, set. */
int64_t move_begin_us(const struct move_clock *clock);

/* Makes the steps. Leaves out those that were not needed or that ended before the begin. Cuts
 * `what` if it is too long. */
void move_make(struct move *out, const struct move_clock *clock, const char *what);

/* Appends a pair for each step, with the time from the begin of the move to the end of the step,
 * and adds to *pair_count. `pairs` must have room for MOVE_STEPS more. */
void move_log_steps(struct log_kv *pairs, size_t *pair_count, const struct move *move);

struct timer;

/* "admitted", not "named": the store may name a primary that the servers do not confirm. */
#define HOLD_OVER_WHY "no primary was admitted within hold_timeout"

struct target_ops {
	/* True when the text leads clients to the primary; see text_check_leads(). NULL: not known
	 */
	bool (*leads)(const struct config_target *config, bool whole, const char *text, size_t len,
	              const char *address, uint16_t port, struct err *err);
	bool (*set_desired)(struct target *target, const struct desired *desired, struct err *err);
	/* The text of `desired` was refused: moves the last good text to the new primary. NULL, or
	 * false: it cannot, and nothing has changed */
	bool (*follow)(struct target *target, const struct desired *desired);
	/* NULL: it cannot hold, or fence */
	void (*hold)(struct target *target, int64_t episode, int64_t timeout_ms, bool dead);
	void (*fence)(struct target *target, int64_t episode);
	/* For target_endpoints(). NULL: it has none */
	void (*places)(const struct target *target, struct target_endpoints *desired,
	               struct target_endpoints *live);
	/* NULL: not known */
	bool (*listens_at)(const struct target *target, const char *address, uint16_t port);
	void (*status)(const struct target *target, struct target_status *out);
	void (*destroy)(struct target *target); /* calls target_fini() and frees it */
};

struct target_history { /* the newest move is moves[(counts.moves - 1) % TARGET_MOVES_MAX] */
	struct move moves[TARGET_MOVES_MAX];
	struct target_counts counts;
};

struct target {
	const struct target_ops *ops;
	struct target_hub *hub;
	struct event_base *base;
	const struct config_target *config;
	char *refused; /* why the last text was refused; NULL: it was accepted */
	char *alarm;   /* NULL: none */
	char *marker;  /* "<state_dir>/KIND-NAME.reload"; the file exists while a reload is owed */
	struct timer *changed; /* calls back the owner; NULL: it does not want to know */
	struct target_history history;
	struct move_clock clock;
};

/* The arguments of target_create() (cluster/target_kinds.h). */
struct target_setup {
	struct target_hub *hub;
	const struct config_target *config;
	const char *state_dir;
	void (*changed)(void *arg);
	void *changed_arg;
};

void target_init(struct target *target, const struct target_ops *ops,
                 const struct target_setup *setup);
void target_fini(struct target *target);

/* Call when target_status() may have changed. The callback is called later from the loop, never
 * inside this call. */
void target_changed(struct target *target);

/* Starts the clock of the move to a new text. */
void target_start_clock(struct target *target, const struct desired *desired);
void target_end_step(struct target *target, enum move_step_kind step); /* now */

/* Logs `event` with the times of the clock. */
void target_log_clock(const struct target *target, const char *event, const char *what);
/* Call when a move is complete: logs it, and adds it to the history. */
void target_tell_moved(struct target *target, const char *what);
/* Call when a step has failed and was logged. */
void target_failed(struct target *target);
/* Logs, as an error, that a step has failed, and what happens `next`. Counts it. */
void target_fail(struct target *target, const char *event, const char *problem, const char *next);
/* The same for what is tried again, or at once with a new text. Returns after how many ms: the
 * longer, the more `failures` there were in a row. */
int64_t target_fail_retry(struct target *target, const char *event, const char *problem,
                          const char *next, unsigned failures) MUST_CHECK;

/* Logs an event with the cluster and the target. A line about a problem says what happens next. */
#define TARGET_LOG(level, target, event, ...)                                \
	LOG_EMIT(level, event, KV_STR("cluster", (target)->config->cluster), \
	         KV_STR("target", CONFIG_LABEL((target)->config)), __VA_ARGS__)
/* The same with the zxid of the text. */
#define TARGET_LOG_ZXID(level, target, event, ...) \
	TARGET_LOG(level, target, event, KV_INT("zxid", (target)->clock.zxid), __VA_ARGS__)

/* For target_ops.places. Writes the address with its port, an IPv6 address in brackets. */
void target_add_endpoint(struct target_endpoints *places, const char *name, const char *address,
                         uint16_t port);

/* Returns the number in the marker (a pid, or 0); -1: there is no marker. */
int64_t target_marker_read(const struct target *target);
bool target_marker_write(const struct target *target, int64_t number, struct err *err) MUST_CHECK;
void target_marker_remove(const struct target *target);

#endif
