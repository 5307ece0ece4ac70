/* What watcher.c (the master znode and presence), watcher_names.c (host names) and watcher_scope.c
 * (layout patroni) share. Nobody else includes it. */
#ifndef SEGUE_WATCH_WATCHER_INTERNAL_H
#define SEGUE_WATCH_WATCHER_INTERNAL_H

#include <event2/event.h>

#include "base/strbuf.h"
#include "watch/resolver.h"
#include "watch/scope.h"
#include "watch/watcher.h"

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

/* watcher.c */
void watcher_tell(struct watcher *watcher, enum watch_state state);
void watcher_problem_begin(struct watcher *watcher);
void watcher_invalid(struct watcher *watcher, const char *reason, const char *data, size_t size);
void watcher_drop_value(struct watcher *watcher);

/* watcher_names.c */
void watcher_resolve_names(struct watcher *watcher);
void watcher_stop_resolving(struct watcher *watcher);
size_t watcher_copy_resolved(struct topology *to, const struct topology *value);
void watcher_on_retry(evutil_socket_t fd, short what, void *arg);

/* watcher_scope.c */
void watcher_open_patroni(struct watcher *watcher);
void watcher_close_patroni(struct watcher *watcher);

#endif
