/* A cluster of layout patroni: the scope's keys become the watcher's value. Refuses to make news of
 * the WAL positions that every member writes every few seconds: a change of the lag alone is told
 * late, and many of them at once. Always holds: a name is asked again only for a member that is
 * new, or whose key was made anew. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "watch/layout.h"
#include "watcher_internal.h"

#define LAZY_MS 2000

/* -- what is new in it -- */

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

/* The address that the same key had for the same host: a failover waits for no name server. */
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

/* Both are the same servers in the same order; addresses may have come since. */
static void take_lag(struct topology *value, const struct topology *next)
{
	value->zxid = next->zxid;
	for (size_t i = 0; i < value->standby_count; i++)
		value->standbys[i].lag_bytes = next->standbys[i].lag_bytes;
}

/* -- telling -- */

static void tell_later(const struct watcher *watcher)
{
	int64_t ms = clock_jitter_ms(LAZY_MS);
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (!event_pending(watcher->lazy, EV_TIMEOUT, NULL))
		event_add(watcher->lazy, &tv);
}

static void on_lazy(evutil_socket_t fd, short what, void *arg)
{
	struct watcher *watcher = arg;

	(void)fd;
	(void)what;
	if (watcher->fact.state != WATCH_VALUE)
		return;
	watcher_copy_resolved(&watcher->topology, &watcher->value);
	watcher->fact.mzxid = watcher->value.zxid;
	watcher->fact.notified_us = watcher->fact.read_us = clock_now_us();
	strbuf_reset(&watcher->problem);
	watcher_tell(watcher, WATCH_VALUE);
}

/* Once for each change of what there is to say. */
static void say_notes(struct watcher *watcher, const struct layout_patroni_notes *notes)
{
	const char *left_out = notes->left_out.len > 0 ? notes->left_out.data : NULL;
	const char *unread = notes->unread.len > 0 ? notes->unread.data : NULL;
	auto_free char *text = xasprintf("%s\n%s", notes->left_out.data, notes->unread.data);

	if (strcmp(watcher->noted.len > 0 ? watcher->noted.data : "\n", text) == 0)
		return;
	strbuf_reset(&watcher->noted);
	strbuf_append_str(&watcher->noted, text);
	LOG_EMIT(left_out != NULL ? LOG_WARNING : LOG_INFO, "members_noted",
	         KV_STR("cluster", watcher->cluster->name), KV_STR("left_out", left_out),
	         KV_STR("without_readers", unread));
}

/* -- the scope -- */

/* What comes is told with the times of this. */
static void begin_news(struct watcher *watcher, const struct patroni_keys_fact *fact)
{
	watcher_stop_resolving(watcher);
	event_del(watcher->lazy);
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

/* Names that are being asked for go on being asked for. */
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

/* Nobody is named, and there is nobody whose host name could be asked for. */
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

void watcher_open_patroni(struct watcher *watcher)
{
	struct event_base *base = resolver_base(watcher->resolver);

	watcher->lazy = event_new(base, -1, 0, on_lazy, watcher);
	watcher->scope = patroni_keys_watch(watcher->zk, base, watcher->path, on_scope, watcher);
}

void watcher_close_patroni(struct watcher *watcher)
{
	if (watcher->scope == NULL)
		return;
	patroni_keys_unwatch(watcher->scope);
	event_free(watcher->lazy);
}
