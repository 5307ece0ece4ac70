/* The watcher of one cluster; see the header. A value that its layout cannot decode is reported as
 * invalid, and the last good topology stays. The reported topology is one value of ZooKeeper, never
 * a mix of two. */
#include "watch/watcher.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/timer.h"
#include "topology/layout.h"
#include "watch/patroni_keys.h"
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
	struct timer *retry;
	unsigned attempt;
	bool warned; /* name_unresolved was logged for this value */

	/* layout patroni */
	struct timer *lazy;  /* reports that only the lag has changed */
	struct strbuf noted; /* the notes that were logged last */
};

/* --- host names --- */
/* The host names of a value are resolved before it is reported. A topology whose primary has no
 * numeric address is not reported. A standby without one is left out until its name resolves. */

#define RETRY_MS     500 /* before the first retry of a name, then doubling */
#define RETRY_MAX_MS 30000

static void watcher_tell(struct watcher *watcher, enum watch_state state);
static void watcher_problem_begin(struct watcher *watcher);
static void watcher_invalid(struct watcher *watcher, const char *reason, const char *data,
                            size_t size);
static void watcher_drop_value(struct watcher *watcher);

static struct member *member_at(struct topology *topology, size_t index)
{
	return index == 0 ? &topology->primary : &topology->standbys[index - 1];
}

static void watcher_stop_resolving(struct watcher *watcher)
{
	timer_stop(watcher->retry);
	for (size_t i = 0; i < MEMBERS_MAX; i++) {
		if (watcher->lookups[i].query != NULL)
			resolver_cancel(watcher->lookups[i].query);
		watcher->lookups[i].query = NULL;
	}
}

static void retry_later(struct watcher *watcher)
{
	timer_start(watcher->retry, clock_backoff_ms(++watcher->attempt, RETRY_MS, RETRY_MAX_MS));
}

static bool still_resolving(const struct watcher *watcher)
{
	for (size_t i = 0; i < MEMBERS_MAX; i++)
		if (watcher->lookups[i].query != NULL)
			return true;
	return false;
}

/* Copies `value` without the standbys that have no address; returns how many were left out. */
static size_t watcher_copy_resolved(struct topology *to, const struct topology *value)
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

/* Reports the value, or why it cannot be reported. Every name has been answered, or the value was
 * reported before and only names of standbys are looked up again. */
static void settle(struct watcher *watcher)
{
	const struct topology *value = &watcher->value;
	size_t before = watcher->settled ? watcher->topology.standby_count : 0, left_out;

	if (value->has_primary && value->primary.address[0] == '\0') {
		warn_once(watcher, "the last valid value stays; the host name is looked up again");
		retry_later(watcher);
		if (watcher->fact.state != WATCH_RESOLVING ||
		    strcmp(watcher->shown.data, watcher->problem.data) != 0)
			watcher_tell(watcher, WATCH_RESOLVING);
		return;
	}
	left_out = watcher_copy_resolved(&watcher->topology, value);
	if (left_out > 0 && !still_resolving(watcher)) {
		warn_once(watcher, "the standby is left out; its host name is looked up again");
		retry_later(watcher);
	}
	strbuf_reset(&watcher->problem);
	watcher->fact.topology = &watcher->topology;
	if (watcher->settled && watcher->fact.state == WATCH_VALUE &&
	    watcher->topology.standby_count == before)
		return;
	watcher->settled = true;
	watcher_tell(watcher, WATCH_VALUE);
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
		watcher_problem_begin(watcher);
		strbuf_append_str(&watcher->problem, problem);
		if (watcher->cluster->layout == CONFIG_LAYOUT_PLAIN)
			strbuf_printf(&watcher->problem,
			              "; segue.ini has no node.%s setting either", member->host);
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

/* A topology with only numeric addresses, the usual case, is reported at once. */
static void watcher_resolve_names(struct watcher *watcher)
{
	struct topology *value = &watcher->value;

	strbuf_reset(&watcher->problem);
	for (size_t i = value->has_primary ? 0 : 1; i <= value->standby_count; i++)
		if (member_at(value, i)->address[0] == '\0' && watcher->lookups[i].query == NULL)
			ask_name(watcher, i);
	if (!still_resolving(watcher) || watcher->settled)
		settle(watcher);
	else if (watcher->fact.state != WATCH_RESOLVING && watcher->fact.state != WATCH_WAITING)
		watcher_tell(watcher, WATCH_RESOLVING);
}

static void watcher_on_retry(void *arg)
{
	watcher_resolve_names(arg);
}

/* --- layout patroni --- */
/* The keys of the scope become the value. Every member writes its WAL position every few seconds,
 * so a change of the lag alone is reported late, several changes at once. A host name is resolved
 * again only for a member that is new, or whose key was created again. */

#define LAZY_MS 2000

/* -- comparison with the last value -- */

static bool same_leader(const struct topology *a, const struct topology *b)
{
	if (a->leader == NULL || b->leader == NULL)
		return a->leader == b->leader;
	return strcmp(a->leader, b->leader) == 0;
}

static bool same_but_lag(const struct topology *a, const struct topology *b)
{
	return topology_same_servers(a, b) && same_leader(a, b) && a->paused == b->paused &&
	       manager_times_same(&a->times, &b->times) && a->timeline == b->timeline &&
	       strcmp(a->system_identifier, b->system_identifier) == 0;
}

static const struct member *find_member(const struct topology *topology, const char *name)
{
	if (topology->has_primary && strcmp(topology->primary.name, name) == 0)
		return &topology->primary;
	for (size_t i = 0; i < topology->standby_count; i++)
		if (strcmp(topology->standbys[i].name, name) == 0)
			return &topology->standbys[i];
	return NULL;
}

static bool is_new_key(const struct layout_patroni *keys, const char *name, int64_t since)
{
	for (size_t i = 0; i < keys->member_count; i++)
		if (strcmp(keys->members[i].name, name) == 0)
			return keys->members[i].czxid > since;
	return true;
}

/* Keeps the address that the same key had for the same host, so that a failover does not wait for a
 * name server. */
static void inherit_address(struct member *member, const struct topology *before,
                            const struct layout_patroni *keys)
{
	const struct member *old = find_member(before, member->name);

	if (member->address[0] == '\0' && old != NULL && strcmp(old->host, member->host) == 0 &&
	    !is_new_key(keys, member->name, before->zxid))
		memcpy(member->address, old->address, sizeof(member->address));
}

static void inherit_addresses(struct topology *next, const struct topology *before,
                              const struct layout_patroni *keys)
{
	if (next->has_primary)
		inherit_address(&next->primary, before, keys);
	for (size_t i = 0; i < next->standby_count; i++)
		inherit_address(&next->standbys[i], before, keys);
}

/* Both have the same servers in the same order. The addresses of `value` stay, as some may have
 * been resolved since. */
static void take_lag(struct topology *value, const struct topology *next)
{
	value->zxid = next->zxid;
	for (size_t i = 0; i < value->standby_count; i++)
		value->standbys[i].lag_bytes = next->standbys[i].lag_bytes;
}

/* -- a change of the lag alone -- */

static void tell_later(const struct watcher *watcher)
{
	if (!timer_is_set(watcher->lazy))
		timer_start(watcher->lazy, clock_jitter_ms(LAZY_MS));
}

static void on_lazy(void *arg)
{
	struct watcher *watcher = arg;

	if (watcher->fact.state != WATCH_VALUE)
		return;
	watcher_copy_resolved(&watcher->topology, &watcher->value);
	watcher->fact.mzxid = watcher->value.zxid;
	watcher->fact.notified_us = watcher->fact.read_us = clock_now_us();
	strbuf_reset(&watcher->problem);
	watcher_tell(watcher, WATCH_VALUE);
}

/* Logs the notes when they have changed. */
static void say_notes(struct watcher *watcher, const struct layout_patroni_notes *notes)
{
	const char *left_out = notes->left_out.len > 0 ? notes->left_out.data : NULL;
	const char *unread = notes->no_reads.len > 0 ? notes->no_reads.data : NULL;
	auto_free char *text = xasprintf("%s\n%s", notes->left_out.data, notes->no_reads.data);

	if (strcmp(watcher->noted.len > 0 ? watcher->noted.data : "\n", text) == 0)
		return;
	strbuf_reset(&watcher->noted);
	strbuf_append_str(&watcher->noted, text);
	LOG_EMIT(left_out != NULL ? LOG_WARNING : LOG_INFO, "members_noted",
	         KV_STR("cluster", watcher->cluster->name), KV_STR("left_out", left_out),
	         KV_STR("without_readers", unread));
}

/* -- the scope -- */

/* Starts a new report, with the times of this fact. */
static void begin_news(struct watcher *watcher, const struct patroni_keys_fact *fact)
{
	watcher_stop_resolving(watcher);
	timer_stop(watcher->lazy);
	strbuf_reset(&watcher->problem);
	watcher->fact.notified_us = fact->notified_us;
	watcher->fact.read_us = fact->read_us;
}

static void take_new(struct watcher *watcher, struct topology *next)
{
	watcher_drop_value(watcher);
	watcher->value = *next; /* taken over */
	watcher->has_value = true;
	watcher_resolve_names(watcher);
}

/* Lookups of host names that are in progress continue. */
static void take_same(struct watcher *watcher, struct topology *next,
                      const struct patroni_keys_fact *fact)
{
	take_lag(&watcher->value, next);
	topology_fini(next);
	if (watcher->fact.state == WATCH_VALUE) {
		tell_later(watcher);
	} else if (watcher->fact.state != WATCH_RESOLVING) {
		begin_news(watcher, fact);
		watcher->fact.mzxid = fact->zxid;
		watcher_resolve_names(watcher);
	}
}

/* These are no keys of Patroni: there is no primary, and no host name to resolve. */
static void take_strange(struct watcher *watcher, struct topology *next,
                         const struct patroni_keys_fact *fact)
{
	watcher_drop_value(watcher);
	topology_fini(&watcher->topology);
	watcher->topology = *next; /* taken over */
	watcher->fact.topology = &watcher->topology;
	strbuf_append_str(&watcher->problem, fact->problem);
	watcher_tell(watcher, WATCH_VALUE);
}

static void take_keys(struct watcher *watcher, const struct patroni_keys_fact *fact)
{
	auto_patroni_notes struct layout_patroni_notes notes = LAYOUT_PATRONI_NOTES_INIT;
	struct topology next;
	struct err err;

	if (!layout_patroni_decode(fact->keys, &next, &notes, &err)) {
		begin_news(watcher, fact);
		watcher->fact.mzxid = fact->zxid;
		watcher_invalid(watcher, err.message, NULL, 0);
		return;
	}
	next.zxid = fact->zxid;
	say_notes(watcher, &notes);
	if (watcher->has_value)
		inherit_addresses(&next, &watcher->value, fact->keys);
	if (fact->problem == NULL && watcher->has_value && same_but_lag(&watcher->value, &next)) {
		take_same(watcher, &next, fact);
		return;
	}
	begin_news(watcher, fact);
	watcher->fact.mzxid = fact->zxid;
	if (fact->problem != NULL)
		take_strange(watcher, &next, fact);
	else
		take_new(watcher, &next);
}

static void on_scope(const struct patroni_keys_fact *fact, void *arg)
{
	struct watcher *watcher = arg;

	if (fact->state != PATRONI_KEYS_READ)
		begin_news(watcher, fact);
	switch (fact->state) {
	case PATRONI_KEYS_UNREACHABLE:
		strbuf_append_str(&watcher->problem, zk_describe(watcher->zk));
		watcher_tell(watcher, WATCH_UNREACHABLE);
		break;
	case PATRONI_KEYS_ABSENT:
		watcher_tell(watcher, WATCH_ABSENT);
		break;
	case PATRONI_KEYS_DENIED:
		strbuf_append_str(&watcher->problem, fact->problem);
		watcher_tell(watcher, WATCH_INVALID);
		break;
	case PATRONI_KEYS_READ:
		take_keys(watcher, fact);
		break;
	}
}

static void watcher_open_patroni(struct watcher *watcher)
{
	struct event_base *base = resolver_base(watcher->resolver);

	watcher->lazy = timer_new(base, on_lazy, watcher);
	watcher->scope = patroni_keys_watch(watcher->zk, base, watcher->path, on_scope, watcher);
}

static void watcher_close_patroni(struct watcher *watcher)
{
	if (watcher->scope == NULL)
		return;
	patroni_keys_unwatch(watcher->scope);
	timer_free(watcher->lazy);
}

/* --- the master znode and presence --- */

#define SHOWN_MAX 200 /* bytes of a bad value in a message */

/* -- reporting -- */

static void watcher_tell(struct watcher *watcher, enum watch_state state)
{
	struct strbuf old = watcher->shown;

	watcher->shown = watcher->problem;
	watcher->problem = old;
	watcher->fact.state = state;
	watcher->fact.problem = watcher->shown.len > 0 ? watcher->shown.data : NULL;
	watcher->cb(watcher->arg);
}

/* Starts a new problem: "znode PATH (mzxid N): ". */
static void watcher_problem_begin(struct watcher *watcher)
{
	strbuf_reset(&watcher->problem);
	strbuf_append_str(&watcher->problem, "znode ");
	strbuf_append_escaped(&watcher->problem, watcher->path, strlen(watcher->path), SHOWN_MAX);
	strbuf_printf(&watcher->problem, " (mzxid %" PRId64 "): ", watcher->fact.mzxid);
}

/* -- the master znode -- */

static void watcher_invalid(struct watcher *watcher, const char *reason, const char *data,
                            size_t size)
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
	    xasprintf("%zu bytes: at most %zu are allowed", size, LAYOUT_VALUE_MAX);

	watcher_invalid(watcher, reason, NULL, 0);
}

static bool value_is(const struct watcher *watcher, const struct zk_node_fact *fact)
{
	return watcher->has_value && watcher->value.zxid == fact->mzxid &&
	       watcher->bytes.len == fact->size &&
	       memcmp(watcher->bytes.data, fact->data, fact->size) == 0;
}

static void watcher_drop_value(struct watcher *watcher)
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
	watcher->retry = timer_new(resolver_base(resolver), watcher_on_retry, watcher);
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
	timer_free(watcher->retry);
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
