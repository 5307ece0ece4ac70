/* The names of a value's servers: resolved before it is shown. Refuses to show a topology whose
 * primary has no numeric address; a standby without one is left out until its name resolves. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "watcher_internal.h"

#define RETRY_MS     500 /* between attempts at a name, then doubling */
#define RETRY_MAX_MS 30000

static struct member *member_at(struct topology *topology, size_t index)
{
	return index == 0 ? &topology->primary : &topology->standbys[index - 1];
}

void watcher_stop_resolving(struct watcher *watcher)
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
size_t watcher_copy_resolved(struct topology *to, const struct topology *value)
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
			watcher_tell(watcher, WATCH_RESOLVING);
		return;
	}
	left_out = watcher_copy_resolved(&watcher->topology, value);
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
void watcher_resolve_names(struct watcher *watcher)
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

void watcher_on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	watcher_resolve_names(arg);
}
