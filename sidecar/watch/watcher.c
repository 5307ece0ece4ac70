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
#include "topology/layout_fields.h"
#include "watch/patroni_keys.h"
#include "zookeeper/resolver.h"

#define MEMBERS_MAX (TOPOLOGY_STANDBYS_MAX + 1)
#define SHOWN_MAX   200 /* bytes of a path or of a bad value in a message */

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
	struct patroni_keys *patroni_keys; /* layout patroni: instead of `master` */

	struct watch_fact fact;
	struct strbuf shown;      /* the problem of `fact` */
	struct topology topology; /* of `fact` */

	struct strbuf problem; /* of the next report */

	/* the last value read, if it was valid; its host names are resolved here */
	struct topology value;
	struct strbuf bytes;
	bool has_value, settled; /* settled: `topology` was made from `value` */
	struct lookup lookups[MEMBERS_MAX];
	size_t resolving; /* lookups in progress */
	struct timer *retry;
	unsigned attempt;
	bool warned; /* name_unresolved was logged for this value */

	/* layout patroni */
	struct timer *lag;   /* reports that only the lag has changed */
	struct strbuf noted; /* the notes that were logged last */
};

/* --- reports --- */

static void report(struct watcher *watcher, enum watch_state state)
{
	struct strbuf old = watcher->shown;

	watcher->shown = watcher->problem;
	watcher->problem = old;
	watcher->fact.state = state;
	watcher->fact.problem = watcher->shown.len > 0 ? watcher->shown.data : NULL;
	watcher->cb(watcher->arg);
}

static void report_problem(struct watcher *watcher, enum watch_state state, const char *problem)
{
	strbuf_append_str(&watcher->problem, problem);
	report(watcher, state);
}

/* Starts a new problem: "znode PATH (mzxid N): ". */
static void begin_problem(struct watcher *watcher)
{
	strbuf_reset(&watcher->problem);
	strbuf_append_str(&watcher->problem, "znode ");
	strbuf_append_escaped(&watcher->problem, watcher->path, strlen(watcher->path), SHOWN_MAX);
	strbuf_printf(&watcher->problem, " (mzxid %" PRId64 "): ", watcher->fact.mzxid);
}

static void stop_resolving(struct watcher *watcher)
{
	timer_stop(watcher->retry);
	for (size_t i = 0; i < MEMBERS_MAX; i++)
		if (watcher->lookups[i].query != NULL)
			resolver_cancel(STEAL(watcher->lookups[i].query));
	watcher->resolving = 0;
}

/* Starts a new report, with the times of what was read. */
static void begin_report(struct watcher *watcher, int64_t notified_us, int64_t read_us)
{
	stop_resolving(watcher);
	timer_stop(watcher->lag);
	strbuf_reset(&watcher->problem);
	watcher->fact.notified_us = notified_us;
	watcher->fact.read_us = read_us;
}

static void drop_value(struct watcher *watcher)
{
	if (watcher->has_value)
		topology_fini(&watcher->value);
	watcher->has_value = watcher->settled = false;
	watcher->attempt = 0;
	watcher->warned = false;
}

/* --- host names --- */
/* The host names of a value are resolved before it is reported. A topology whose primary has no
 * numeric address is not reported. A standby without one is left out until its name resolves. */

#define RETRY_MS     500 /* before the first retry of a name, then doubling */
#define RETRY_MAX_MS 30000

/* 0: the primary; from 1: the standbys. */
static struct member *member_at(struct topology *topology, size_t index)
{
	return index == 0 ? &topology->primary : &topology->standbys[index - 1];
}

/* Copies `value` without the standbys that have no address; returns how many were left out. */
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

static void retry_later(struct watcher *watcher, const char *action)
{
	if (!watcher->warned)
		log_warning("name_unresolved", KV_STR("cluster", watcher->cluster->name),
		            KV_STR("problem", watcher->problem.data), KV_STR("action", action));
	watcher->warned = true;
	timer_start(watcher->retry, clock_backoff_ms(++watcher->attempt, RETRY_MS, RETRY_MAX_MS));
}

/* Reports the value, or why it cannot be reported. Every name has been answered, or the value was
 * reported before and only names of standbys are looked up again. */
static void settle(struct watcher *watcher)
{
	const struct topology *value = &watcher->value;
	size_t before = watcher->settled ? watcher->topology.standby_count : 0, left_out;

	if (value->has_primary && value->primary.address[0] == '\0') {
		retry_later(watcher,
		            "the last valid value stays; the host name is looked up again");
		if (watcher->fact.state != WATCH_RESOLVING ||
		    strcmp(watcher->shown.data, watcher->problem.data) != 0)
			report(watcher, WATCH_RESOLVING);
		return;
	}
	left_out = copy_resolved(&watcher->topology, value);
	if (left_out > 0 && watcher->resolving == 0)
		retry_later(watcher, "the standby is left out; its host name is looked up again");
	strbuf_reset(&watcher->problem);
	watcher->fact.topology = &watcher->topology;
	if (watcher->settled && watcher->fact.state == WATCH_VALUE &&
	    watcher->topology.standby_count == before)
		return;
	watcher->settled = true;
	report(watcher, WATCH_VALUE);
}

static void on_address(char (*addresses)[TOPOLOGY_ADDRESS_MAX], size_t count, const char *problem,
                       void *arg)
{
	struct lookup *lookup = arg;
	struct watcher *watcher = lookup->watcher;
	struct member *member = member_at(&watcher->value, lookup->index);

	lookup->query = NULL;
	watcher->resolving--;
	if (count > 0) {
		memcpy(member->address, addresses[0], sizeof(member->address));
	} else if (watcher->problem.len == 0 || lookup->index == 0) {
		begin_problem(watcher);
		strbuf_append_str(&watcher->problem, problem);
		if (watcher->cluster->layout == CONFIG_LAYOUT_PLAIN)
			strbuf_printf(&watcher->problem,
			              "; segue.ini has no node.%s setting either", member->host);
	}
	if (watcher->resolving == 0)
		settle(watcher);
}

/* A topology with only numeric addresses, the usual case, is reported at once. */
static void resolve_names(void *arg)
{
	struct watcher *watcher = arg;
	struct topology *value = &watcher->value;

	strbuf_reset(&watcher->problem);
	for (size_t i = value->has_primary ? 0 : 1; i <= value->standby_count; i++) {
		const struct member *member = member_at(value, i);
		struct lookup *lookup = &watcher->lookups[i];

		if (member->address[0] != '\0' || lookup->query != NULL)
			continue;
		*lookup = (struct lookup){.watcher = watcher, .index = i};
		lookup->query = resolver_ask(watcher->resolver, member->host, on_address, lookup);
		watcher->resolving++;
	}
	if (watcher->resolving == 0 || watcher->settled)
		settle(watcher);
	else if (watcher->fact.state != WATCH_RESOLVING && watcher->fact.state != WATCH_WAITING)
		report(watcher, WATCH_RESOLVING);
}

/* --- the master znode --- */

static void report_invalid(struct watcher *watcher, const char *reason, const char *data,
                           size_t size)
{
	begin_problem(watcher);
	strbuf_append_str(&watcher->problem, reason);
	if (size > 0 && layout_secret(data, size)) {
		strbuf_append_str(&watcher->problem,
		                  "; the value is not shown: it may hold a password");
	} else if (size > 0) {
		strbuf_append_str(&watcher->problem, "; the value is \"");
		strbuf_append_escaped(&watcher->problem, data, size, SHOWN_MAX);
		strbuf_append_char(&watcher->problem, '"');
	}
	report(watcher, WATCH_INVALID);
}

static bool is_same_value(const struct watcher *watcher, const struct zk_node_fact *fact)
{
	return watcher->has_value && watcher->value.zxid == fact->mzxid &&
	       watcher->bytes.len == fact->size &&
	       memcmp(watcher->bytes.data, fact->data, fact->size) == 0;
}

static void take_value(struct watcher *watcher, const struct zk_node_fact *fact)
{
	struct err err;

	watcher->fact.mzxid = fact->mzxid;
	if (fact->data == NULL) {
		err_set(&err, "%zu bytes: at most %zu are allowed", fact->size, LAYOUT_VALUE_MAX);
		report_invalid(watcher, err.message, NULL, 0);
		return;
	}
	if (!is_same_value(watcher, fact)) {
		drop_value(watcher);
		if (!layout_decode(watcher->cluster, fact->data, fact->size, &watcher->value,
		                   &err)) {
			report_invalid(watcher, err.message, fact->data, fact->size);
			return;
		}
		watcher->has_value = true;
		watcher->value.zxid = fact->mzxid;
		strbuf_reset(&watcher->bytes);
		strbuf_append(&watcher->bytes, fact->data, fact->size);
	}
	resolve_names(watcher);
}

static void on_master(const struct zk_node_fact *fact, void *arg)
{
	struct watcher *watcher = arg;

	begin_report(watcher, fact->notified_us, fact->read_us);
	if (!fact->connected) {
		report_problem(watcher, WATCH_UNREACHABLE, zk_describe(watcher->zk));
		return;
	}
	switch (fact->state) {
	case ZK_NODE_UNKNOWN:
		break;
	case ZK_NODE_ABSENT:
		report(watcher, WATCH_ABSENT);
		break;
	case ZK_NODE_DENIED:
		report_problem(watcher, WATCH_INVALID, fact->problem);
		break;
	case ZK_NODE_PRESENT:
		take_value(watcher, fact);
		break;
	}
}

/* --- layout patroni --- */
/* The keys of Patroni become the value. Every member writes its WAL position every few seconds, so
 * a change of the lag alone is reported late, several changes at once. A host name is resolved
 * again only for a member that is new, or whose key was created again. */

#define LAG_MS 2000

/* -- comparison with the last value -- */

static bool same_but_lag(const struct topology *a, const struct topology *b)
{
	return topology_same_servers(a, b) &&
	       strcmp(a->leader != NULL ? a->leader : "", b->leader != NULL ? b->leader : "") ==
	           0 &&
	       a->paused == b->paused && manager_times_same(&a->times, &b->times) &&
	       a->timeline == b->timeline &&
	       strcmp(a->system_identifier, b->system_identifier) == 0;
}

static bool is_new_key(const struct layout_patroni *keys, const char *name, int64_t since)
{
	for (size_t i = 0; i < keys->member_count; i++)
		if (strcmp(keys->members[i].name, name) == 0)
			return keys->members[i].czxid > since;
	return true;
}

static void inherit_address(struct member *member, struct topology *before,
                            const struct layout_patroni *keys)
{
	for (size_t i = before->has_primary ? 0 : 1; i <= before->standby_count; i++) {
		const struct member *old = member_at(before, i);

		if (strcmp(old->name, member->name) != 0)
			continue;
		if (member->address[0] == '\0' && strcmp(old->host, member->host) == 0 &&
		    !is_new_key(keys, member->name, before->zxid))
			memcpy(member->address, old->address, sizeof(member->address));
		return;
	}
}

/* Keeps the address that the same key had for the same host, so that a failover does not wait for a
 * name server. */
static void inherit_addresses(struct topology *next, struct topology *before,
                              const struct layout_patroni *keys)
{
	for (size_t i = next->has_primary ? 0 : 1; i <= next->standby_count; i++)
		inherit_address(member_at(next, i), before, keys);
}

/* -- a change of the lag alone -- */

static void on_lag(void *arg)
{
	struct watcher *watcher = arg;

	if (watcher->fact.state != WATCH_VALUE)
		return;
	copy_resolved(&watcher->topology, &watcher->value);
	watcher->fact.mzxid = watcher->value.zxid;
	watcher->fact.notified_us = watcher->fact.read_us = clock_now_us();
	strbuf_reset(&watcher->problem);
	report(watcher, WATCH_VALUE);
}

/* Both have the same servers in the same order. The addresses of the value stay, as some may have
 * been resolved since. Lookups of host names that are in progress continue. */
static void take_lag(struct watcher *watcher, struct topology *next,
                     const struct patroni_keys_fact *fact)
{
	struct topology *value = &watcher->value;

	value->zxid = next->zxid;
	for (size_t i = 0; i < value->standby_count; i++)
		value->standbys[i].lag_bytes = next->standbys[i].lag_bytes;
	topology_fini(next);
	if (watcher->fact.state == WATCH_VALUE) {
		if (!timer_is_set(watcher->lag))
			timer_start(watcher->lag, clock_jitter_ms(LAG_MS));
	} else if (watcher->fact.state != WATCH_RESOLVING) {
		begin_report(watcher, fact->notified_us, fact->read_us);
		watcher->fact.mzxid = fact->zxid;
		resolve_names(watcher);
	}
}

/* -- the keys -- */

/* Logs the notes when they have changed. */
static void log_notes(struct watcher *watcher, const struct layout_patroni_notes *notes)
{
	const char *left_out = notes->left_out.len > 0 ? notes->left_out.data : NULL;
	const char *no_reads = notes->no_reads.len > 0 ? notes->no_reads.data : NULL;
	auto_free char *text = xasprintf("%s\n%s", notes->left_out.data, notes->no_reads.data);

	if (strcmp(watcher->noted.data, text) == 0)
		return;
	strbuf_reset(&watcher->noted);
	strbuf_append_str(&watcher->noted, text);
	LOG_EMIT(left_out != NULL ? LOG_WARNING : LOG_INFO, "members_noted",
	         KV_STR("cluster", watcher->cluster->name), KV_STR("left_out", left_out),
	         KV_STR("without_readers", no_reads));
}

static void take_keys(struct watcher *watcher, const struct patroni_keys_fact *fact)
{
	auto_patroni_notes struct layout_patroni_notes notes = LAYOUT_PATRONI_NOTES_INIT;
	struct topology next;
	struct err err;
	bool valid = layout_patroni_decode(fact->keys, &next, &notes, &err);

	if (valid) {
		next.zxid = fact->zxid;
		log_notes(watcher, &notes);
		if (watcher->has_value)
			inherit_addresses(&next, &watcher->value, fact->keys);
		if (fact->problem == NULL && watcher->has_value &&
		    same_but_lag(&watcher->value, &next)) {
			take_lag(watcher, &next, fact);
			return;
		}
	}
	begin_report(watcher, fact->notified_us, fact->read_us);
	watcher->fact.mzxid = fact->zxid;
	if (!valid) {
		report_invalid(watcher, err.message, NULL, 0);
		return;
	}
	drop_value(watcher);
	if (fact->problem == NULL) {
		watcher->value = next; /* taken over */
		watcher->has_value = true;
		resolve_names(watcher);
	} else { /* no keys of Patroni: there is no primary, and no host name to resolve */
		topology_fini(&watcher->topology);
		watcher->topology = next; /* taken over */
		watcher->fact.topology = &watcher->topology;
		report_problem(watcher, WATCH_VALUE, fact->problem);
	}
}

static void on_patroni_keys(const struct patroni_keys_fact *fact, void *arg)
{
	struct watcher *watcher = arg;

	if (fact->state == PATRONI_KEYS_READ) {
		take_keys(watcher, fact);
		return;
	}
	begin_report(watcher, fact->notified_us, fact->read_us);
	if (fact->state == PATRONI_KEYS_UNREACHABLE)
		report_problem(watcher, WATCH_UNREACHABLE, zk_describe(watcher->zk));
	else if (fact->state == PATRONI_KEYS_ABSENT)
		report(watcher, WATCH_ABSENT);
	else
		report_problem(watcher, WATCH_INVALID, fact->problem);
}

/* --- presence --- */

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

/* --- what the caller calls --- */

struct watcher *watcher_create(struct zk *zk, struct resolver *resolver,
                               const struct config_cluster *cluster, watcher_cb *cb, void *arg)
{
	struct watcher *watcher = xcalloc(1, sizeof(*watcher));
	struct event_base *base = resolver_base(resolver);
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
	strbuf_append_str(&watcher->noted, "\n"); /* no notes */
	topology_init(&watcher->topology);
	watcher->retry = timer_new(base, resolve_names, watcher);
	watcher->lag = timer_new(base, on_lag, watcher);
	if (cluster->layout == CONFIG_LAYOUT_PATRONI)
		watcher->patroni_keys =
		    patroni_keys_watch(zk, base, watcher->path, on_patroni_keys, watcher);
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
	if (watcher->presence != NULL)
		zk_unwatch(watcher->presence);
	patroni_keys_unwatch(watcher->patroni_keys);
	stop_resolving(watcher);
	timer_free(watcher->retry);
	timer_free(watcher->lag);
	drop_value(watcher);
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
