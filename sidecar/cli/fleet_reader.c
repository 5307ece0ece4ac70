/* Reads the master znode and the sidecars' znodes of one cluster. Never fails on what it reads: an
 * invalid znode becomes an entry with a problem, which names path, mzxid and bytes. */
#include "cli_internal.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timer.h"
#include "cli/cli.h"
#include "topology/layout.h"
#include "watch/watcher.h"
#include "zookeeper/children.h"
#include "zookeeper/store.h"

#define SHOWN_MAX 100 /* bytes of an invalid value that are printed */

struct part {
	struct fleet_note note;
	struct strbuf problem;
};

struct fleet_reader {
	struct config *config;
	struct config_cluster cluster; /* a copy with presence = no: publishers do not matter */
	struct event_base *base;
	struct store *store;
	struct watcher *watcher;
	struct zk_children *children;
	struct timer *changed; /* calls on_changed(): once if many znodes change at once */
	bool (*is_done)(const struct fleet_view *view, void *arg); /* see fleet_reader_wait() */
	void *arg;
	bool done;
	struct fleet_view view;
	struct fleet_entry *entries;
	struct part *parts; /* one per entry */
};

static void on_watch(void *arg)
{
	const struct fleet_reader *fleet_reader = arg;

	timer_fire(fleet_reader->changed);
}

static void on_copy(const struct zk_copy *copy, const struct zk_node_fact *fact, void *arg)
{
	(void)copy;
	(void)fact;
	on_watch(arg);
}

static bool is_known(const struct fleet_reader *fleet_reader)
{
	const struct watch_fact *fact = watcher_fact(fleet_reader->watcher);

	return fact->state != WATCH_WAITING && fact->state != WATCH_UNREACHABLE &&
	       (fact->state != WATCH_RESOLVING || fact->problem != NULL) &&
	       zk_children_known(fleet_reader->children);
}

/* An incomplete view does not count, because a sidecar may be missing from it. */
static void on_changed(void *arg)
{
	struct fleet_reader *fleet_reader = arg;

	fleet_reader->done =
	    is_known(fleet_reader) &&
	    (fleet_reader->is_done == NULL ||
	     fleet_reader->is_done(fleet_reader_view(fleet_reader), fleet_reader->arg));
	if (fleet_reader->done)
		event_base_loopbreak(fleet_reader->base);
}

static bool connect_store(struct fleet_reader *fleet_reader, const char *name, struct err *err)
{
	const struct config_cluster *cluster = cmd_cluster(fleet_reader->config, name, err);
	auto_free char *parent = NULL;
	struct store *store;

	if (cluster == NULL)
		return false;
	fleet_reader->base = event_base_new();
	if (fleet_reader->base == NULL)
		return err_set(err, "cannot create an event loop");
	fleet_reader->changed = timer_new(fleet_reader->base, on_changed, fleet_reader);
	fleet_reader->cluster = *cluster;
	fleet_reader->cluster.presence = false;
	store = store_prepare(fleet_reader->base, fleet_reader->config, NULL, err);
	fleet_reader->store = store;
	if (store == NULL || !store_open(store, err))
		return false;
	fleet_reader->watcher = watcher_create(store->zk, store->resolver, &fleet_reader->cluster,
	                                       on_watch, fleet_reader);
	parent = layout_fleet_path(cluster);
	fleet_reader->children = zk_children_create(store->zk, parent, LAYOUT_VALUE_MAX, SIZE_MAX,
	                                            on_copy, fleet_reader);
	return true;
}

struct fleet_reader *fleet_reader_open(const char *verb, const char *config_file,
                                       const char *cluster)
{
	struct fleet_reader *fleet_reader = xcalloc(1, sizeof(*fleet_reader));
	struct err err;

	log_configure(LOG_ERROR, LOG_TEXT); /* the printed result shows problems */
	fleet_reader->config = cmd_load(config_file);
	if (fleet_reader->config != NULL) {
		if (connect_store(fleet_reader, cluster, &err))
			return fleet_reader;
		fprintf(stderr, "segue %s: %s\n", verb, err.message);
	}
	fleet_reader_close(fleet_reader);
	return NULL;
}

bool fleet_reader_wait(struct fleet_reader *fleet_reader, int64_t ms,
                       bool (*is_done)(const struct fleet_view *view, void *arg), void *arg)
{
	const struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	fleet_reader->is_done = is_done;
	fleet_reader->arg = arg;
	event_base_loopexit(fleet_reader->base, &limit);
	event_base_dispatch(fleet_reader->base);
	return fleet_reader->done;
}

static void forget_view(struct fleet_reader *fleet_reader)
{
	for (size_t i = 0; i < fleet_reader->view.count; i++) {
		fleet_note_fini(&fleet_reader->parts[i].note);
		strbuf_fini(&fleet_reader->parts[i].problem);
	}
	free(fleet_reader->entries);
	free(fleet_reader->parts);
	fleet_reader->view.count = 0;
}

void fleet_reader_close(struct fleet_reader *fleet_reader)
{
	forget_view(fleet_reader);
	zk_children_destroy(fleet_reader->children);
	watcher_destroy(fleet_reader->watcher);
	store_close(fleet_reader->store);
	config_free(fleet_reader->config);
	timer_free(fleet_reader->changed);
	if (fleet_reader->base != NULL)
		event_base_free(fleet_reader->base);
	free(fleet_reader);
	libevent_global_shutdown();
}

const char *fleet_reader_problem(const struct fleet_reader *fleet_reader)
{
	const struct strbuf *refusal = &zk_children_parent(fleet_reader->children)->problem;

	if (!zk_connected(fleet_reader->store->zk))
		return zk_describe(fleet_reader->store->zk);
	return refusal->len > 0 ? refusal->data : "ZooKeeper has not answered all requests yet";
}

/* -- the view -- */

static void fill_store(struct fleet_reader *fleet_reader)
{
	const struct watch_fact *fact = watcher_fact(fleet_reader->watcher);
	const struct topology *topology = fact->topology;
	struct fleet_view *view = &fleet_reader->view;

	view->zxid = fact->state != WATCH_ABSENT ? fact->mzxid : 0;
	view->primary[0] = '\0';
	view->store_problem = fact->problem;
	if (fact->state == WATCH_ABSENT)
		view->store_problem = "its master znode does not exist";
	else if (fact->state == WATCH_VALUE && topology != NULL && topology->has_primary)
		member_endpoint(&topology->primary, view->primary);
}

static void say_bytes(const struct zk_copy *member, const struct err *err, struct strbuf *out)
{
	strbuf_append_str(out, "znode ");
	strbuf_append_escaped(out, member->path, strlen(member->path), FLEET_TEXT_MAX);
	strbuf_printf(out, " (mzxid %" PRId64 "): %s", member->mzxid, err->message);
	if (member->data.len > 0) {
		strbuf_append_str(out, "; the value is \"");
		strbuf_append_escaped(out, member->data.data, member->data.len, SHOWN_MAX);
		strbuf_append_char(out, '"');
	}
}

/* False if the znode cannot be read or is invalid; `problem` says why. */
static bool fill_note(const struct zk_copy *member, struct fleet_note *note, struct strbuf *problem)
{
	struct err err;
	bool ok = false;

	if (member->problem.len > 0) {
		strbuf_append(problem, member->problem.data, member->problem.len);
		return false;
	}
	if (member->size > LAYOUT_VALUE_MAX)
		err_set(&err, "%zu bytes: at most %zu are allowed", member->size, LAYOUT_VALUE_MAX);
	else
		ok = fleet_decode(member->data.data, member->data.len, note, &err);
	if (!ok)
		say_bytes(member, &err, problem);
	return ok;
}

static void fill_entry(struct fleet_reader *fleet_reader, const struct zk_copy *member)
{
	size_t i = fleet_reader->view.count++;
	struct fleet_note *note = &fleet_reader->parts[i].note;
	struct strbuf *problem = &fleet_reader->parts[i].problem;
	bool ok;

	strbuf_init(problem);
	ok = fill_note(member, note, problem);
	fleet_reader->entries[i] =
	    (struct fleet_entry){.name = member->name,
	                         .path = member->path,
	                         .mzxid = member->mzxid,
	                         .alive = member->owner != 0 || member->state == ZK_NODE_DENIED,
	                         .note = ok ? note : NULL,
	                         .problem = ok ? NULL : problem->data};
}

const struct fleet_view *fleet_reader_view(struct fleet_reader *fleet_reader)
{
	size_t count;
	const struct zk_copy *const *members = zk_children_list(fleet_reader->children, &count);

	if (!is_known(fleet_reader))
		return NULL;
	forget_view(fleet_reader);
	fleet_reader->entries = xcalloc(count + 1, sizeof(*fleet_reader->entries));
	fleet_reader->parts = xcalloc(count + 1, sizeof(*fleet_reader->parts));
	fleet_reader->view.cluster = fleet_reader->cluster.name;
	fleet_reader->view.now = time(NULL);
	fill_store(fleet_reader);
	for (size_t i = 0; i < count; i++)
		if (members[i]->state == ZK_NODE_PRESENT || members[i]->state == ZK_NODE_DENIED)
			fill_entry(fleet_reader, members[i]);
	fleet_reader->view.entries = fleet_reader->entries;
	return &fleet_reader->view;
}
