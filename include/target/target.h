/* A target: one proxy (or file) that is kept as the rendered text says. */
#ifndef SEGUE_TARGET_TARGET_H
#define SEGUE_TARGET_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/config.h"
#include "target/move.h"

struct event_base;
struct file_writer;
struct target;
struct target_hub; /* what targets share: one reload in flight per HAProxy, few connections per
                      socket */

/* One rendered text with the history of the change it stands for; times as clock_now_us(), 0: none
 * (a repeat of the same fact). */
struct desired {
	const char *text; /* copied */
	size_t len;
	int64_t zxid;
	int64_t notified_us, read_us, rendered_us;
	const char *primary; /* its numeric address; copied. NULL: not told: every server that the
	                        text names may be it */
	uint16_t primary_port;
	const char *former; /* whom the proxy's files name as the primary, where the target has had
	                       no text yet; copied. NULL: not known */
	uint16_t former_port;
	bool new_template; /* it is judged by all that there is to see (text_check_judge()) */
};

struct target_hub *target_hub_create(struct event_base *base);
void target_hub_destroy(struct target_hub *hub); /* after its targets */

/* What makes files durable, for the targets and for who keeps more beside them. */
struct file_writer *target_hub_saver(const struct target_hub *hub);

void target_destroy(struct target *target); /* cancels all that is in flight */

/* How an error ends that says of a text that it leads nobody to the primary. */
#define TARGET_TEXT_CURE                                                                           \
	"is a mark of the template in the wrong place? A target for readers only, or in front of " \
	"another proxy, has leads_to_primary = no"

/* The text that the target is to be kept at from now on. Refused (false) when it cannot be read as
 * what the target needs, or leads no client to the primary (text_check_leads()); the last good one
 * stays, of a HAProxy with those servers moved to the primary that led to the one before, and
 * target_status() says so. Writes to the proxy at once, in this very call, where live state is
 * known. */
bool target_set_desired(struct target *target, const struct desired *desired,
                        struct err *err) MUST_CHECK;

/* There is no primary: clients are to wait, if the target can make them wait, until the next
 * target_set_desired() or until `timeout_ms` from now is over, when they are let go. `episode`
 * tells one loss from another (above 0, never used twice in a process): repeating it sets the
 * time anew while it lasts, and is harmless after its end. `dead`: the last primary lets nobody in
 * any more, so that nothing there is worth waiting for, and what is known of the proxy is not read
 * again first. A target that has no text yet holds nothing; one that cannot hold does nothing. */
void target_hold(struct target *target, int64_t episode, int64_t timeout_ms, bool dead);

/* There is no primary, and nobody is to reach the last one: its sessions are ended now, and who
 * comes is turned away or waits, until the next target_set_desired(). As for target_hold(). */
void target_fence(struct target *target, int64_t episode);

struct target_status {
	int64_t zxid;          /* of the desired text; 0: none yet */
	bool in_sync;          /* live state read back and agrees, file installed, no reload owed */
	const char *problem;   /* "" or what keeps it from being in sync; or `alarm`; borrowed */
	const char *alarm;     /* "" or what a person has to mend around it; borrowed */
	const char *step;      /* what it does now: "idle", "reading", "pushing", ... */
	unsigned old_sessions; /* to a former primary, that could not be ended when last tried */
};
void target_status(const struct target *target, struct target_status *out);

/* What is wrong around the target, in sync or not, for a person to mend; "": nothing. True: it was
 * something else before. */
bool target_set_alarm(struct target *target, const char *alarm);

/* Where clients are led. */
struct target_endpoint {
	char name[96];    /* "backend/server", or a PgBouncer database; cut where it is longer */
	char address[96]; /* "10.0.0.1:5432", "[::1]:5432" */
};

#define TARGET_PLACES_MAX 8
struct target_endpoints {
	struct target_endpoint list[TARGET_PLACES_MAX];
	size_t listed, count; /* count: of all, also of those that have no room in `list` */
};

/* What the text says, and what the proxy was last seen to do; servers in maintenance are left out.
 * Both stay empty where nothing is known: a file has no places. */
void target_endpoints(const struct target *target, struct target_endpoints *desired,
                      struct target_endpoints *live);

/* Its proxy is known to listen there itself; false of a HAProxy, whose text says it. */
bool target_listens_at(const struct target *target, const char *address, uint16_t port);

#define TARGET_MOVES_MAX 10
/* The last moves, 0 the newest; NULL: there is none. Borrowed until something is called. */
const struct move *target_move(const struct target *target, size_t back);

/* Counted since the process started, or the target came into the configuration. */
struct target_counts {
	uint64_t moves;
	uint64_t failures; /* of one step, though the next try may have gone well */
};
void target_counts(const struct target *target, struct target_counts *out);

/* After a reload of the configuration: what it remembers of its moves. */
void target_inherit(struct target *target, const struct target *before);

/* All moves of the hub's targets by kind. Borrowed. */
const struct move_tally *target_hub_tally(const struct target_hub *hub);
void target_hub_inherit(struct target_hub *hub, const struct target_hub *before);

#endif
