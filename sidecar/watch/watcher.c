/* One cluster's watcher; see the header. Refuses a value that its layout cannot decode, and keeps
 * the last good one. Always holds: the topology shown is one value of the store, never a mix of
 * two. */
#include "watch/watcher.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "watch/layout.h"
#include "watcher_internal.h"

#define SHOWN_MAX 200 /* bytes of a bad value in a message */

/* -- telling -- */

void watcher_tell(struct watcher *watcher, enum watch_state state)
{
	struct strbuf old = watcher->shown;

	watcher->shown = watcher->problem;
	watcher->problem = old;
	watcher->fact.state = state;
	watcher->fact.problem = watcher->shown.len > 0 ? watcher->shown.data : NULL;
	watcher->cb(watcher->arg);
}

/* "znode PATH (mzxid N): " */
void watcher_problem_begin(struct watcher *watcher)
{
	strbuf_reset(&watcher->problem);
	strbuf_append_str(&watcher->problem, "znode ");
	strbuf_append_escaped(&watcher->problem, watcher->path, strlen(watcher->path), SHOWN_MAX);
	strbuf_printf(&watcher->problem, " (mzxid %" PRId64 "): ", watcher->fact.mzxid);
}

/* -- the master znode -- */

void watcher_invalid(struct watcher *watcher, const char *reason, const char *data, size_t size)
{
	watcher_problem_begin(watcher);
	strbuf_append_str(&watcher->problem, reason);
	if (size > 0 && data != NULL && layout_secret(data, size)) {
		strbuf_append_str(&watcher->problem,
		                  "; the value is not shown: it may hold a password");
	} else if (size > 0 && data != NULL) {
		strbuf_append_str(&watcher->problem, "; the value is \"");
		strbuf_append_escaped(&watcher->problem, data, size, SHOWN_MAX);
		strbuf_append_char(&watcher->problem, '"');
	}
	watcher_tell(watcher, WATCH_INVALID);
}

static void too_large(struct watcher *watcher, size_t size)
{
	auto_free char *reason =
	    xasprintf("%zu bytes, where %zu are allowed", size, LAYOUT_VALUE_MAX);

	watcher_invalid(watcher, reason, NULL, 0);
}

static bool value_is(const struct watcher *watcher, const struct zk_node_fact *fact)
{
	return watcher->has_value && watcher->value.zxid == fact->mzxid &&
	       watcher->bytes.len == fact->size &&
	       memcmp(watcher->bytes.data, fact->data, fact->size) == 0;
}

void watcher_drop_value(struct watcher *watcher)
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
		watcher_drop_value(watcher);
		if (!layout_decode(watcher->cluster, fact->data, fact->size, &watcher->value,
		                   &err)) {
			watcher_invalid(watcher, err.message, fact->data, fact->size);
			return;
		}
		watcher->has_value = true;
		watcher->value.zxid = fact->mzxid;
		strbuf_reset(&watcher->bytes);
		strbuf_append(&watcher->bytes, fact->data, fact->size);
	}
	watcher_resolve_names(watcher);
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

	watcher_stop_resolving(watcher);
	strbuf_reset(&watcher->problem);
	watcher->fact.notified_us = fact->notified_us;
	watcher->fact.read_us = fact->read_us;
	if (!fact->connected) {
		strbuf_append_str(&watcher->problem, zk_describe(watcher->zk));
		watcher_tell(watcher, WATCH_UNREACHABLE);
		return;
	}
	switch (fact->state) {
	case ZK_NODE_UNKNOWN:
		break;
	case ZK_NODE_ABSENT:
		watcher_tell(watcher, WATCH_ABSENT);
		break;
	case ZK_NODE_DENIED:
		strbuf_append_str(&watcher->problem, fact->problem);
		watcher_tell(watcher, WATCH_INVALID);
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
	                            .bytes = STRBUF_INIT,
	                            .noted = STRBUF_INIT};
	topology_init(&watcher->topology);
	watcher->retry = event_new(resolver_base(resolver), -1, 0, watcher_on_retry, watcher);
	if (cluster->layout == CONFIG_LAYOUT_PATRONI)
		watcher_open_patroni(watcher);
	else
		watcher->master = zk_watch(zk, watcher->path, ZK_WATCH_DATA, LAYOUT_VALUE_MAX,
		                           on_master, watcher);
	if (cluster->presence)
		watcher->presence =
		    zk_watch(zk, presence, ZK_WATCH_CHILDREN, 0, on_presence, watcher);
	return watcher;
}

void watcher_destroy(struct watcher *watcher)
{
	if (watcher == NULL)
		return;
	if (watcher->master != NULL)
		zk_unwatch(watcher->master);
	watcher_close_patroni(watcher);
	if (watcher->presence != NULL)
		zk_unwatch(watcher->presence);
	watcher_stop_resolving(watcher);
	event_free(watcher->retry);
	watcher_drop_value(watcher);
	topology_fini(&watcher->topology);
	strbuf_fini(&watcher->problem);
	strbuf_fini(&watcher->shown);
	strbuf_fini(&watcher->bytes);
	strbuf_fini(&watcher->noted);
	free(watcher->path);
	free(watcher);
}

const struct watch_fact *watcher_fact(const struct watcher *watcher)
{
	return &watcher->fact;
}
