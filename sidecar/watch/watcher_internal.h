/* The types of watcher.c. No other file includes it. */
#ifndef SEGUE_WATCH_WATCHER_INTERNAL_H
#define SEGUE_WATCH_WATCHER_INTERNAL_H

#include <event2/event.h>

#include "base/strbuf.h"
#include "watch/patroni_keys.h"
#include "watch/watcher.h"
#include "zookeeper/resolver.h"

#define MEMBERS_MAX (TOPOLOGY_STANDBYS_MAX + 1)

struct lookup { /* the host name of one member being resolved */
	struct watcher *watcher;
	size_t index; /* 0: the primary; from 1: the standbys */
	struct resolver_query *query;
};

struct watcher {
	struct resolver *resolver;
	struct zk *zk;
	const struct config_cluster *cluster;
	watcher_cb *cb;
	void *arg;
	char *path;
	struct zk_node *master, *presence;
	struct patroni_keys *scope; /* layout patroni: instead of `master` */

	struct watch_fact fact;
	struct strbuf shown;      /* the problem of `fact` */
	struct topology topology; /* of `fact` */

	struct strbuf problem; /* of the next report */

	/* the last value read, if it was valid; its host names are resolved here */
	struct topology value;
	struct strbuf bytes;
	bool has_value, settled; /* settled: `topology` was made from `value` */
	struct lookup lookups[MEMBERS_MAX];
	struct event *retry;
	unsigned attempt;
	bool warned; /* name_unresolved was logged for this value */

	/* layout patroni */
	struct event *lazy;  /* timer: reports that only the lag has changed */
	struct strbuf noted; /* the notes that were logged last */
};

#endif
