/* The master znode and the sidecars' znodes of one cluster; see the header. Refuses nothing that it
 * reads: a znode with bad bytes is an entry with a problem, which names path, zxid and bytes. */
#include "muster.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_own.h"
#include "watch/layout.h"
#include "watch/resolver.h"
#include "watch/roster.h"
#include "watch/watcher.h"
#include "watch/zk.h"

#define SHOWN_MAX 100 /* bytes of a bad value */

struct muster {
	struct config *config;
	struct config_cluster cluster; /* as configured, but for its publishers: nobody is to act */
	struct event_base *base;
	struct resolver *resolver;
	struct zk *zk;
	struct watcher *watcher;
	struct roster *roster;
	struct event *look;
	void (*changed)(void *arg);
	void *arg;
	struct fleet_view view;
	struct fleet_entry *entries;
	struct fleet_note *notes; /* one an entry */
	struct strbuf *problems;  /* one an entry */
};

static bool find_cluster(struct muster *muster, const char *name, struct err *err)
{
	auto_strbuf struct strbuf known = STRBUF_INIT;

	for (size_t i = 0; i < muster->config->cluster_count; i++) {
		const struct config_cluster *cluster = &muster->config->clusters[i];

		strbuf_printf(&known, "%s%s", i == 0 ? "" : ", ", cluster->name);
		if (strcmp(cluster->name, name) != 0)
			continue;
		muster->cluster = *cluster;
		muster->cluster.presence = false;
		return true;
	}
	return err_set(err, "%s: found no [cluster %s]: there is: %s", muster->config->file, name,
	               known.len > 0 ? known.data : "none");
}

static bool load(struct muster *muster, const char *file, const char *cluster, struct err *err)
{
	auto_strbuf struct strbuf errors = STRBUF_INIT;

	muster->config = config_load(file, &errors);
	if (muster->config != NULL)
		return find_cluster(muster, cluster, err);
	while (errors.len > 0 && errors.data[errors.len - 1] == '\n')
		errors.data[--errors.len] = '\0';
	return err_set(err, "%s", errors.data);
}

/* Many sidecars tell at once; one look at all of them will do. */
static void on_changed(void *arg)
{
	const struct muster *muster = arg;

	event_active(muster->look, EV_TIMEOUT, 0);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	const struct muster *muster = arg;

	(void)fd;
	(void)what;
	muster->changed(muster->arg);
}

static bool connect_store(struct muster *muster, struct err *err)
{
	auto_strbuf struct strbuf auth = STRBUF_INIT;
	auto_free char *parent = layout_fleet_path(&muster->cluster);
	struct zk_options options = {.hosts = muster->config->zookeeper_hosts,
	                             .session_timeout_ms = (int)muster->config->session_timeout_ms};

	if (!config_read_auth(muster->config, &auth, err))
		return false;
	options.auth = auth.data;
	muster->resolver = resolver_create(muster->base, err);
	if (muster->resolver == NULL)
		return false;
	muster->zk = zk_create(muster->base, muster->resolver, &options, err);
	if (muster->zk == NULL)
		return err_wrap(err, "[zookeeper]");
	muster->look = event_new(muster->base, -1, 0, on_look, muster);
	muster->watcher =
	    watcher_create(muster->zk, muster->resolver, &muster->cluster, on_changed, muster);
	muster->roster = roster_create(muster->zk, parent, LAYOUT_VALUE_MAX, on_changed, muster);
	return true;
}

struct muster *muster_open(const char *config_file, const char *cluster, void (*changed)(void *arg),
                           void *arg, struct err *err)
{
	struct muster *muster = xcalloc(1, sizeof(*muster));

	muster->changed = changed;
	muster->arg = arg;
	muster->base = event_base_new();
	if (muster->base == NULL)
		err_set(err, "cannot create an event loop");
	else if (load(muster, config_file, cluster, err) && connect_store(muster, err))
		return muster;
	muster_close(muster);
	return NULL;
}

static void forget_view(struct muster *muster)
{
	for (size_t i = 0; i < muster->view.count; i++) {
		fleet_note_fini(&muster->notes[i]);
		strbuf_fini(&muster->problems[i]);
	}
	free(muster->entries);
	free(muster->notes);
	free(muster->problems);
	muster->view.count = 0;
}

void muster_close(struct muster *muster)
{
	if (muster == NULL)
		return;
	forget_view(muster);
	roster_destroy(muster->roster);
	watcher_destroy(muster->watcher);
	zk_destroy(muster->zk);
	resolver_destroy(muster->resolver);
	config_free(muster->config);
	if (muster->look != NULL)
		event_free(muster->look);
	if (muster->base != NULL)
		event_base_free(muster->base);
	free(muster);
	libevent_global_shutdown();
}

struct event_base *muster_base(const struct muster *muster)
{
	return muster->base;
}

/* -- what is known -- */

static bool store_known(const struct watch_fact *fact)
{
	switch (fact->state) {
	case WATCH_WAITING:
	case WATCH_UNREACHABLE:
		return false;
	case WATCH_RESOLVING:
		return fact->problem != NULL;
	case WATCH_ABSENT:
	case WATCH_INVALID:
	case WATCH_VALUE:
		break;
	}
	return true;
}

bool muster_known(const struct muster *muster)
{
	return store_known(watcher_fact(muster->watcher)) && roster_known(muster->roster);
}

int64_t muster_zxid(const struct muster *muster)
{
	const struct watch_fact *fact = watcher_fact(muster->watcher);

	return store_known(fact) && fact->state != WATCH_ABSENT ? fact->mzxid : 0;
}

const char *muster_problem(const struct muster *muster)
{
	const char *problem = roster_problem(muster->roster);

	if (problem != NULL)
		return problem;
	return zk_connected(muster->zk) ? "it has not answered everything yet"
	                                : zk_describe(muster->zk);
}

/* -- the view -- */

static void fill_store(struct muster *muster)
{
	const struct watch_fact *fact = watcher_fact(muster->watcher);
	const struct topology *topology = fact->topology;
	struct fleet_view *view = &muster->view;

	view->primary[0] = '\0';
	view->store_problem = fact->problem;
	if (fact->state == WATCH_ABSENT)
		view->store_problem = "its master znode does not exist";
	else if (fact->state == WATCH_VALUE && topology != NULL && topology->has_primary)
		cluster_endpoint(&topology->primary, view->primary, sizeof(view->primary));
}

static void say_bytes(const struct roster_member *member, const struct err *err, struct strbuf *out)
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

/* False: it cannot be read, with the reason in `problem`. */
static bool fill_note(const struct roster_member *member, struct fleet_note *note,
                      struct strbuf *problem)
{
	struct err err;
	bool ok = false;

	if (member->problem.len > 0) {
		strbuf_append(problem, member->problem.data, member->problem.len);
		return false;
	}
	if (member->size > LAYOUT_VALUE_MAX)
		err_set(&err, "%zu bytes, where %zu are allowed", member->size, LAYOUT_VALUE_MAX);
	else
		ok = fleet_decode(member->data.data, member->data.len, note, &err);
	if (!ok)
		say_bytes(member, &err, problem);
	return ok;
}

static void fill_entry(struct muster *muster, const struct roster_member *member)
{
	size_t i = muster->view.count++;
	bool ok;

	strbuf_init(&muster->problems[i]);
	ok = fill_note(member, &muster->notes[i], &muster->problems[i]);
	muster->entries[i] =
	    (struct fleet_entry){.name = member->name,
	                         .path = member->path,
	                         .mzxid = member->mzxid,
	                         .alive = member->owner != 0 || member->state == ZK_NODE_DENIED,
	                         .note = ok ? &muster->notes[i] : NULL,
	                         .problem = ok ? NULL : muster->problems[i].data};
}

const struct fleet_view *muster_view(struct muster *muster)
{
	size_t count;
	const struct roster_member *const *members = roster_members(muster->roster, &count);

	forget_view(muster);
	muster->entries = xcalloc(count + 1, sizeof(*muster->entries));
	muster->notes = xcalloc(count + 1, sizeof(*muster->notes));
	muster->problems = xcalloc(count + 1, sizeof(*muster->problems));
	muster->view.cluster = muster->cluster.name;
	muster->view.zxid = muster_zxid(muster);
	muster->view.now = time(NULL);
	fill_store(muster);
	for (size_t i = 0; i < count; i++)
		if (members[i]->state == ZK_NODE_PRESENT || members[i]->state == ZK_NODE_DENIED)
			fill_entry(muster, members[i]);
	muster->view.entries = muster->entries;
	return &muster->view;
}
