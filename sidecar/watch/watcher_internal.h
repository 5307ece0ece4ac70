/* What watcher.c (the master znode and presence), watcher.c (host names) and watcher.c
 * (layout patroni) share. Nobody else includes it. */
#ifndef SEGUE_WATCH_WATCHER_INTERNAL_H
#define SEGUE_WATCH_WATCHER_INTERNAL_H

#include <event2/event.h>

#include "base/strbuf.h"
#include "watch/patroni_keys.h"
#include "watch/watcher.h"
#include "zookeeper/resolver.h"

#define MEMBERS_MAX (TOPOLOGY_STANDBYS_MAX + 1)

struct lookup { /* the name of one member being resolved */
	struct watcher *watcher;
	size_t index; /* 0: the primary; then the standbys */
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
	struct patroni_keys *scope; /* layout patroni: in the place of master */

	struct watch_fact fact;
	struct strbuf shown;      /* the problem of `fact` */
	struct topology topology; /* of `fact` */

	struct strbuf problem; /* the next one, until it is told */

	/* the value read last, if it was good: its names are resolved here */
	struct topology value;
	struct strbuf bytes;
	bool has_value, settled; /* settled: `topology` came from it */
	struct lookup lookups[MEMBERS_MAX];
	struct event *retry;
	unsigned attempt;
	bool warned;

	/* layout patroni */
	struct event *lazy; /* tells that the lag has changed, and nothing else */
	struct strbuf noted;
};

#endif
