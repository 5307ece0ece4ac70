/* One cluster's watcher; see the header. Refuses to show a topology whose primary has no numeric
 * address; a standby without one is left out until its name resolves. Always holds: the topology
 * shown is one value of the znode, never a mix of two. */
#include "watch/watcher.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "watch/layout.h"
#include "watch/resolver.h"

#define SHOWN_MAX    200 /* bytes of a bad value in a message */
#define RETRY_MS     500 /* between attempts at a name, then doubling */
#define RETRY_MAX_MS 30000
#define MEMBERS_MAX  (TOPOLOGY_STANDBYS_MAX + 1)

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
};

/* -- telling -- */

static void tell(struct watcher *watcher, enum watch_state state)
{
	struct strbuf old = watcher->shown;

	watcher->shown = watcher->problem;
	watcher->problem = old;
	watcher->fact.state = state;
	watcher->fact.problem = watcher->shown.len > 0 ? watcher->shown.data : NULL;
	watcher->cb(watcher->arg);
}

/* "znode PATH (mzxid N): " */
static void problem_begin(struct watcher *watcher)
{
	strbuf_reset(&watcher->problem);
	strbuf_append_str(&watcher->problem, "znode ");
	strbuf_append_escaped(&watcher->problem, watcher->path, strlen(watcher->path), SHOWN_MAX);
	strbuf_printf(&watcher->problem, " (mzxid %" PRId64 "): ", watcher->fact.mzxid);
}

/* -- names -- */

static struct member *member_at(struct topology *topology, size_t index)
{
	return index == 0 ? &topology->primary : &topology->standbys[index - 1];
}

static void stop_resolving(struct watcher *watcher)
{
	event_del(watcher->retry);
	for (size_t i = 0; i < MEMBERS_MAX; i++) {
		if (watcher->lookups[i].query != NULL)
			resolver_cancel(watcher->lookups[i].query);
		watcher->lookups[i].query = NULL;
	}
}

static void retry_later(struct watcher *watcher)
{
	int64_t ms = clock_backoff_ms(++watcher->attempt, RETRY_MS, RETRY_MAX_MS);
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(watcher->retry, &tv);
}

static bool still_resolving(const struct watcher *watcher)
{
	for (size_t i = 0; i < MEMBERS_MAX; i++)
		if (watcher->lookups[i].query != NULL)
			return true;
	return false;
}

/* `value` without the standbys that have no address; returns how many were left out. */
static size_t copy_resolved(struct topology *to, const struct topology *value)
{
	size_t kept = 0;

	topology_copy(to, value);
	for (size_t i = 0; i < to->standby_count; i++)
		if (to->standbys[i].address[0] != '\0')
			to->standbys[kept++] = to->standbys[i];
	to->standby_count = kept;
	return value->standby_count - kept;
}

static void warn_once(struct watcher *watcher, const char *action)
{
	if (watcher->warned)
		return;
	watcher->warned = true;
	log_warning("name_unresolved", KV_STR("cluster", watcher->cluster->name),
	            KV_STR("problem", watcher->problem.data), KV_STR("action", action));
}

/* Shows the value, or what keeps it from being shown: every name has been answered, or the value
 * has been shown before and only a standby's name is asked again. */
static void settle(struct watcher *watcher)
{
	const struct topology *value = &watcher->value;
	size_t before = watcher->settled ? watcher->topology.standby_count : 0, left_out;

	if (value->has_primary && value->primary.address[0] == '\0') {
		warn_once(watcher, "the last good value stays; the name is asked again");
		retry_later(watcher);
		if (watcher->fact.state != WATCH_RESOLVING ||
		    strcmp(watcher->shown.data, watcher->problem.data) != 0)
			tell(watcher, WATCH_RESOLVING);
		return;
	}
	left_out = copy_resolved(&watcher->topology, value);
	if (left_out > 0 && !still_resolving(watcher)) {
		warn_once(watcher, "the standby is left out; the name is asked again");
		retry_later(watcher);
	}
	strbuf_reset(&watcher->problem);
	watcher->fact.topology = &watcher->topology;
	if (watcher->settled && watcher->fact.state == WATCH_VALUE &&
	    watcher->topology.standby_count == before)
		return;
	watcher->settled = true;
	tell(watcher, WATCH_VALUE);
}

static void on_address(const char *address, const char *problem, void *arg)
{
	struct lookup *lookup = arg;
	struct watcher *watcher = lookup->watcher;
	struct member *member = member_at(&watcher->value, lookup->index);

	lookup->query = NULL;
	if (address != NULL) {
		memcpy(member->address, address, strlen(address) + 1);
	} else if (watcher->problem.len == 0 || lookup->index == 0) {
		problem_begin(watcher);
		strbuf_append_str(&watcher->problem, problem);
		if (watcher->cluster->layout == CONFIG_LAYOUT_PLAIN)
			strbuf_printf(&watcher->problem, "; and there is no node.%s key",
			              member->host);
	}
	if (!still_resolving(watcher))
		settle(watcher);
}

static void ask_name(struct watcher *watcher, size_t index)
{
	struct lookup *lookup = &watcher->lookups[index];

	*lookup = (struct lookup){.watcher = watcher, .index = index};
	lookup->query = resolver_ask(watcher->resolver, member_at(&watcher->value, index)->host,
	                             on_address, lookup);
}

/* Numeric topologies, the usual ones, are settled on the spot. */
static void resolve_names(struct watcher *watcher)
{
	struct topology *value = &watcher->value;

	strbuf_reset(&watcher->problem);
	for (size_t i = value->has_primary ? 0 : 1; i <= value->standby_count; i++)
		if (member_at(value, i)->address[0] == '\0' && watcher->lookups[i].query == NULL)
			ask_name(watcher, i);
	if (!still_resolving(watcher) || watcher->settled)
		settle(watcher);
	else if (watcher->fact.state != WATCH_RESOLVING && watcher->fact.state != WATCH_WAITING)
		tell(watcher, WATCH_RESOLVING);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	resolve_names(arg);
}

/* -- the master znode -- */

static void invalid(struct watcher *watcher, const char *reason, const char *data, size_t size)
{
	problem_begin(watcher);
	strbuf_append_str(&watcher->problem, reason);
	if (size > 0 && data != NULL && layout_secret(data, size)) {
		strbuf_append_str(&watcher->problem,
		                  "; the value is not shown: it may hold a password");
	} else if (size > 0 && data != NULL) {
		strbuf_append_str(&watcher->problem, "; the value is \"");
		strbuf_append_escaped(&watcher->problem, data, size, SHOWN_MAX);
		strbuf_append_char(&watcher->problem, '"');
	}
	tell(watcher, WATCH_INVALID);
}

static void too_large(struct watcher *watcher, size_t size)
{
	auto_free char *reason =
	    xasprintf("%zu bytes, where %zu are allowed", size, LAYOUT_VALUE_MAX);

	invalid(watcher, reason, NULL, 0);
}

static bool value_is(const struct watcher *watcher, const struct zk_node_fact *fact)
{
	return watcher->has_value && watcher->value.zxid == fact->mzxid &&
	       watcher->bytes.len == fact->size &&
	       memcmp(watcher->bytes.data, fact->data, fact->size) == 0;
}

static void drop_value(struct watcher *watcher)
{
	if (watcher->has_value)
		topology_fini(&watcher->value);
	watcher->has_value = watcher->settled = false;
	watcher->attempt = 0;
	watcher->warned = false;
}

static void take_value(struct watcher *watcher, const struct zk_node_fact *fact)
{
	struct err err;

	if (!value_is(watcher, fact)) {
		drop_value(watcher);
		if (!layout_decode(watcher->cluster, fact->data, fact->size, &watcher->value,
		                   &err)) {
			invalid(watcher, err.message, fact->data, fact->size);
			return;
		}
		watcher->has_value = true;
		watcher->value.zxid = fact->mzxid;
		strbuf_reset(&watcher->bytes);
		strbuf_append(&watcher->bytes, fact->data, fact->size);
	}
	resolve_names(watcher);
}

static void take_present(struct watcher *watcher, const struct zk_node_fact *fact)
{
	watcher->fact.mzxid = fact->mzxid;
	if (fact->data == NULL)
		too_large(watcher, fact->size);
	else
		take_value(watcher, fact);
}

static void on_master(const struct zk_node_fact *fact, void *arg)
{
	struct watcher *watcher = arg;

	stop_resolving(watcher);
	strbuf_reset(&watcher->problem);
	watcher->fact.notified_us = fact->notified_us;
	watcher->fact.read_us = fact->read_us;
	if (!fact->connected) {
		strbuf_append_str(&watcher->problem, zk_describe(watcher->zk));
		tell(watcher, WATCH_UNREACHABLE);
		return;
	}
	switch (fact->state) {
	case ZK_NODE_UNKNOWN:
		break;
	case ZK_NODE_ABSENT:
		tell(watcher, WATCH_ABSENT);
		break;
	case ZK_NODE_DENIED:
		strbuf_append_str(&watcher->problem, fact->problem);
		tell(watcher, WATCH_INVALID);
		break;
	case ZK_NODE_PRESENT:
		take_present(watcher, fact);
		break;
	}
}

/* -- presence -- */

static void on_presence(const struct zk_node_fact *fact, void *arg)
{
	struct watcher *watcher = arg;
	int publishers = fact->connected ? fact->ephemeral_children : -1;

	if (fact->connected && fact->problem != NULL)
		log_warning("presence_unknown", KV_STR("cluster", watcher->cluster->name),
		            KV_STR("problem", fact->problem));
	if (publishers == watcher->fact.publishers)
		return;
	watcher->fact.publishers = publishers;
	watcher->fact.notified_us = fact->notified_us;
	watcher->fact.read_us = fact->read_us;
	watcher->cb(watcher->arg);
}

struct watcher *watcher_create(struct zk *zk, struct resolver *resolver,
                               const struct config_cluster *cluster, watcher_cb *cb, void *arg)
{
	struct watcher *watcher = xcalloc(1, sizeof(*watcher));
	auto_free char *presence = layout_presence_path(cluster);

	*watcher = (struct watcher){.resolver = resolver,
	                            .zk = zk,
	                            .cluster = cluster,
	                            .cb = cb,
	                            .arg = arg,
	                            .path = layout_master_path(cluster),
	                            .fact = {.state = WATCH_WAITING, .publishers = -1},
	                            .shown = STRBUF_INIT,
	                            .problem = STRBUF_INIT,
	                            .bytes = STRBUF_INIT};
	topology_init(&watcher->topology);
	watcher->retry = event_new(resolver_base(resolver), -1, 0, on_retry, watcher);
	watcher->master =
	    zk_watch(zk, watcher->path, ZK_WATCH_DATA, LAYOUT_VALUE_MAX, on_master, watcher);
	if (cluster->presence)
		watcher->presence =
		    zk_watch(zk, presence, ZK_WATCH_CHILDREN, 0, on_presence, watcher);
	return watcher;
}

void watcher_destroy(struct watcher *watcher)
{
	if (watcher == NULL)
		return;
	zk_unwatch(watcher->master);
	if (watcher->presence != NULL)
		zk_unwatch(watcher->presence);
	stop_resolving(watcher);
	event_free(watcher->retry);
	drop_value(watcher);
	topology_fini(&watcher->topology);
	strbuf_fini(&watcher->problem);
	strbuf_fini(&watcher->shown);
	strbuf_fini(&watcher->bytes);
	free(watcher->path);
	free(watcher);
}

const struct watch_fact *watcher_fact(const struct watcher *watcher)
{
	return &watcher->fact;
}
