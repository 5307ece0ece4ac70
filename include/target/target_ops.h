/* What every kind of target is made of; for the drivers only. A driver's struct begins with a
 * struct target. */
#ifndef SEGUE_TARGET_TARGET_OPS_H
#define SEGUE_TARGET_TARGET_OPS_H

#include "target/hub.h"
#include "target/target.h"

struct event;

/* Who was to lead clients on may be named by the store, and refused by the servers. */
#define HOLD_OVER_WHY "nobody has been admitted as the primary in hold_timeout"

struct target_ops {
	/* The text leads clients to the primary; see text_check_leads(). NULL: nobody can tell */
	bool (*leads)(const struct config_target *config, bool whole, const char *text, size_t len,
	              const char *address, uint16_t port, struct err *err);
	bool (*set_desired)(struct target *target, const struct desired *desired, struct err *err);
	/* The text of `desired` is refused: has the last good one lead to its primary. NULL, or
	 * false: it cannot, and nothing is changed */
	bool (*follow)(struct target *target, const struct desired *desired);
	/* NULL: cannot */
	void (*hold)(struct target *target, int64_t episode, int64_t timeout_ms, bool dead);
	void (*fence)(struct target *target, int64_t episode);
	/* NULL: it has none */
	void (*places)(const struct target *target, struct target_endpoints *desired,
	               struct target_endpoints *live);
	/* NULL: it is not known of it */
	bool (*listens_at)(const struct target *target, const char *address, uint16_t port);
	void (*status)(const struct target *target, struct target_status *out);
	void (*destroy)(struct target *target); /* frees it too, by way of target_fini() */
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
	char *refused; /* why the last text was not taken; NULL: it was */
	char *alarm;   /* NULL: none */
	char *marker;  /* "<state_dir>/KIND-NAME.reload": there while a reload is owed */
	struct event *changed_event;
	void (*changed)(void *arg);
	void *changed_arg;
	struct target_history history;
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

/* target_status() may have changed: tells so from the loop, never from inside a call. */
void target_changed(struct target *target);

/* A move is complete. */
void target_moved(struct target *target, const struct move *move);
/* Something went wrong, and was logged. */
void target_failed(struct target *target);

/* For `places`. The address is written with its port, in brackets where it is IPv6. */
void target_add_endpoint(struct target_endpoints *places, const char *name, const char *address,
                         uint16_t port);

/* The marker's number (a pid, or 0); -1: there is none. */
int64_t target_marker_read(const struct target *target);
bool target_marker_write(const struct target *target, int64_t number, struct err *err) MUST_CHECK;
void target_marker_remove(const struct target *target);

#endif
