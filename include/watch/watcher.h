/* A cluster's watcher: master znode and presence -> topology with numeric addresses, and which of
 * the four things happened. It decides nothing. */
#ifndef SEGUE_WATCH_WATCHER_H
#define SEGUE_WATCH_WATCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "topology/topology.h"
#include "zookeeper/session.h"

struct watcher;
struct resolver;

enum watch_state {
	WATCH_WAITING,   /* since the start no answer from the store */
	WATCH_RESOLVING, /* a value whose primary has a name that is being resolved; with `problem`,
	                    one that did not, and is asked again */
	WATCH_UNREACHABLE, /* there is no connection to the store now */
	WATCH_ABSENT,      /* the znode does not exist (believed only after a sync) */
	WATCH_INVALID,     /* empty, garbage, too large or unreadable; `problem` says all of it */
	WATCH_VALUE,       /* `topology` is what the store says */
};

struct watch_fact {
	enum watch_state state;
	const struct topology *topology; /* the last good one ever read by this watcher, or NULL; is
	                                    current when state is WATCH_VALUE */
	int publishers;                  /* live ones; -1: not known or presence = no */
	int64_t mzxid;                   /* of the value read last, good or not */
	int64_t notified_us, read_us;    /* of what was read last, value or presence */
	const char *problem; /* INVALID, UNREACHABLE, RESOLVING when a name does not resolve: path,
	                        zxid, reason, escaped bytes; VALUE where nobody can be named, as no
	                        key of Patroni's is below the path; else NULL */
};

typedef void watcher_cb(void *arg); /* something is different: look with watcher_fact() */

struct watcher *watcher_create(struct zk *zk, struct resolver *resolver,
                               const struct config_cluster *cluster, watcher_cb *cb,
                               void *arg) MUST_CHECK;
void watcher_destroy(struct watcher *watcher);

/* Borrowed until the next loop iteration. */
const struct watch_fact *watcher_fact(const struct watcher *watcher);

#endif
