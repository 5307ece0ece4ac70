/* A cluster as the sidecar runs it. The watcher's callback only asks for cluster_reconcile(), which
 * looks at the fact, decides, renders and hands the texts to the targets; the log line and the
 * state file come after the proxies. A target that refuses keeps its last good text. */
#include "cluster.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "apply/haproxy_config.h"
#include "apply/target.h"
#include "base/clock.h"
#include "base/log.h"
#include "decide.h"
#include "render/view.h"
#include "state.h"
#include "watch/watcher.h"

#define SAVE_AFTER_MS 1000
#define SAVE_LAZY_MS  60000 /* the same servers again, under a newer zxid */
#define SAVE_RETRY_MS 10000

struct outlet { /* a target with its template */
	const struct config_target *config;
	const struct mustache *template;
	struct target *target;
};

struct cluster {
	const struct config_cluster *config;
	const struct config *segue;
	struct applied applied;
	struct watcher *watcher;
	struct outlet *outlets;
	size_t outlet_count;
	struct event *persist;
	struct event
	    *resume; /* applies what the cluster before a reload had applied, store or no store */
	int64_t held_zxid; /* of the value that clients are held for; 0: they are not */
	bool unsaved;
	int64_t save_at_ms; /* when `persist` fires; 0: it does not */
	char *said;         /* the last decision in the log, so that it stands there once */
};

const struct config_cluster *cluster_config(const struct cluster *cluster)
{
	return cluster->config;
}

static bool render_text(const struct cluster *cluster, const struct config_target *target,
                        const struct mustache *template, struct strbuf *text, struct err *err)
{
	json_t *view = view_build(cluster->config, target, &cluster->applied.topology, err);
	bool ok =
	    view != NULL && mustache_render(template, view, view_escape(target->kind), text, err);

	json_decref(view);
	return ok;
}

bool cluster_try_template(const struct cluster *cluster, const struct config_target *target,
                          const struct mustache *template, struct strbuf *text, struct err *err)
{
	struct haproxy_config parsed;

	if (!cluster->applied.has_topology)
		return true;
	if (!render_text(cluster, target, template, text, err))
		return false;
	if (target->kind != CONFIG_TARGET_HAPROXY)
		return true;
	if (!haproxy_config_parse(text->data, text->len, &parsed, err))
		return false;
	haproxy_config_free(&parsed);
	return true;
}

/* Renders one outlet and hands it to its target. Times are those of the change, or 0 where the same
 * fact is applied again. */
static void apply_outlet(struct cluster *cluster, const struct outlet *outlet, int64_t notified_us,
                         int64_t read_us)
{
	struct strbuf auto_strbuf text = STRBUF_INIT;
	const struct topology *topology = &cluster->applied.topology;
	struct desired desired = {.zxid = topology->zxid,
	                          .primary = topology->primary.address,
	                          .primary_port = topology->primary.port,
	                          .notified_us = notified_us,
	                          .read_us = read_us};
	struct err err;
	bool ok = render_text(cluster, outlet->config, outlet->template, &text, &err);

	if (ok) {
		desired.text = text.data;
		desired.len = text.len;
		desired.rendered_us = clock_now_us();
		ok = target_set_desired(outlet->target, &desired, &err);
	}
	if (!ok)
		log_error("render_refused", KV_STR("cluster", cluster->config->name),
		          KV_STR("target", outlet->config->name), KV_INT("zxid", desired.zxid),
		          KV_STR("template", outlet->config->template_file), KV_ERR(&err),
		          KV_STR("next", "the target keeps its last good text"));
}

static void apply_all(struct cluster *cluster, int64_t notified_us, int64_t read_us)
{
	for (size_t i = 0; i < cluster->outlet_count; i++)
		apply_outlet(cluster, &cluster->outlets[i], notified_us, read_us);
}

static void hold_all(struct cluster *cluster, int64_t zxid)
{
	if (cluster->held_zxid == zxid)
		return;
	cluster->held_zxid = zxid;
	for (size_t i = 0; i < cluster->outlet_count; i++)
		target_hold(cluster->outlets[i].target, zxid, cluster->config->hold_timeout_ms);
}

/* An fsync stops the loop for milliseconds: not while a proxy waits for its command or this change
 * for its confirmation, nor for the next of many clusters at the start. */
static void save_later(struct cluster *cluster, int64_t after_ms)
{
	int64_t ms = clock_jitter_ms(after_ms);
	const struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	cluster->unsaved = true;
	if (cluster->save_at_ms != 0 && cluster->save_at_ms <= clock_now_ms() + ms)
		return;
	cluster->save_at_ms = clock_now_ms() + ms;
	event_add(cluster->persist, &after);
}

static void save(struct cluster *cluster)
{
	struct err err;

	cluster->save_at_ms = 0;
	if (!cluster->unsaved)
		return;
	cluster->unsaved = false;
	if (state_save(cluster->segue->state_dir, cluster->config, cluster->segue->zookeeper_hosts,
	               &cluster->applied, &err))
		return;
	log_error("state_not_saved", KV_STR("cluster", cluster->config->name),
	          KV_INT("zxid", cluster->applied.zxid), KV_ERR(&err),
	          KV_STR("next", "tried again every 10 s; after a restart before that, an older "
	                         "fact could not be told from a newer one"));
	save_later(cluster, SAVE_RETRY_MS);
}

static void on_persist(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	save(arg);
}

static enum log_level level_of(const struct decision *decision)
{
	switch (decision->kind) {
	case DECIDE_MOVE:
	case DECIDE_CURRENT:
	case DECIDE_WAIT:
		return LOG_INFO;
	case DECIDE_HOLD:
	case DECIDE_KEEP:
		return LOG_WARNING;
	case DECIDE_REFUSE:
		return LOG_ERROR;
	}
	return LOG_ERROR;
}

static const char *decision_event(enum decision_kind kind)
{
	switch (kind) {
	case DECIDE_WAIT:
		return "waiting";
	case DECIDE_CURRENT:
		return "current";
	case DECIDE_KEEP:
		return "kept";
	case DECIDE_HOLD:
		return "hold";
	case DECIDE_MOVE:
		return "primary";
	case DECIDE_REFUSE:
		return "refused";
	}
	return "?";
}

static void format_endpoint(const struct applied *applied, char *out, size_t size)
{
	const struct member *primary = &applied->topology.primary;

	if (!applied->has_topology)
		snprintf(out, size, "none");
	else
		snprintf(out, size, strchr(primary->address, ':') ? "[%s]:%u" : "%s:%u",
		         primary->address, (unsigned)primary->port);
}

/* What is expected to pass by itself in a moment is no news. */
static enum log_level level_for(const struct decision *decision, const struct watch_fact *fact,
                                bool news)
{
	bool passing = fact->state == WATCH_RESOLVING && fact->problem == NULL;

	return passing || !news ? LOG_DEBUG : level_of(decision);
}

/* One line a decision; one that only repeats what was said last stays silent. Before this process
 * has applied anything, what the state file says is only what was applied once. */
static void say(struct cluster *cluster, const struct decision *decision,
                const struct watch_fact *fact, bool news)
{
	const struct applied *applied = &cluster->applied;
	char endpoint[TOPOLOGY_ADDRESS_MAX + 16];
	char *line = xasprintf("%d %s %lld %s", (int)decision->kind, decision->reason,
	                       (long long)fact->mzxid, fact->problem != NULL ? fact->problem : "");

	if (cluster->said != NULL && strcmp(cluster->said, line) == 0) {
		free(line);
		return;
	}
	free(cluster->said);
	cluster->said = line;
	format_endpoint(applied, endpoint, sizeof(endpoint));
	LOG_EMIT(level_for(decision, fact, news), decision_event(decision->kind),
	         KV_STR("cluster", cluster->config->name), KV_STR("path", cluster->config->path),
	         KV_INT("zxid", fact->mzxid), KV_STR("reason", decision->reason),
	         KV_STR("problem", fact->problem),
	         KV_STR("name", applied->in_this_run ? applied->topology.primary.name : NULL),
	         KV_STR(applied->in_this_run ? "primary" : "applied_before", endpoint),
	         KV_INT("applied_zxid", applied->zxid),
	         KV_INT("standbys", applied->topology.standby_count));
}

/* True when the targets are led to other servers by it, or by this process for the first time. */
static bool move(struct cluster *cluster, const struct watch_fact *fact)
{
	struct applied *applied = &cluster->applied;
	bool news = !applied->in_this_run || !applied->has_topology ||
	            !topology_same_servers(fact->topology, &applied->topology);

	topology_follow(&applied->topology, fact->topology);
	applied->has_topology = true;
	applied->zxid = fact->topology->zxid;
	applied->floor_zxid = 0;
	applied->in_this_run = true;
	cluster->held_zxid = 0;
	apply_all(cluster, fact->notified_us, fact->read_us);
	save_later(cluster, news ? SAVE_AFTER_MS : SAVE_LAZY_MS);
	return news;
}

static void cluster_reconcile(struct cluster *cluster)
{
	const struct watch_fact *fact = watcher_fact(cluster->watcher);
	struct decision decision = decide(cluster->config, fact, &cluster->applied);
	bool news = true;

	if (decision.kind == DECIDE_MOVE) {
		news = move(cluster, fact);
	} else if (decision.floor_zxid != cluster->applied.floor_zxid) {
		cluster->applied.floor_zxid = decision.floor_zxid;
		save_later(cluster, SAVE_AFTER_MS);
	}
	if (decision.kind == DECIDE_HOLD)
		hold_all(cluster, fact->topology->zxid);
	say(cluster, &decision, fact, news);
}

static void on_watcher(void *arg)
{
	cluster_reconcile(arg);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	apply_all(arg, 0, 0);
}

static void load_state(struct cluster *cluster)
{
	struct strbuf auto_strbuf note = STRBUF_INIT;
	struct err err;

	if (!state_load(cluster->segue->state_dir, cluster->config, cluster->segue->zookeeper_hosts,
	                &cluster->applied, &note, &err))
		log_error("state_unusable", KV_STR("cluster", cluster->config->name), KV_ERR(&err),
		          KV_STR("next", "going on as if nothing had been applied yet"));
	if (note.len > 0)
		log_warning("state_note", KV_STR("cluster", cluster->config->name),
		            KV_STR("note", note.data));
}

static bool same_store(const struct cluster *a, const struct cluster *b)
{
	return a->config->layout == b->config->layout &&
	       strcmp(a->config->path, b->config->path) == 0 &&
	       strcmp(a->segue->zookeeper_hosts, b->segue->zookeeper_hosts) == 0;
}

/* in_this_run stays false: addresses of node names may be others now, so that the store's next word
 * is applied once more even when it is the same. */
static void take_over(struct cluster *cluster, const struct cluster *previous)
{
	topology_copy(&cluster->applied.topology, &previous->applied.topology);
	cluster->applied.has_topology = previous->applied.has_topology;
	cluster->applied.zxid = previous->applied.zxid;
	cluster->applied.floor_zxid = previous->applied.floor_zxid;
	cluster->unsaved = previous->unsaved;
	if (previous->applied.in_this_run && previous->held_zxid == 0)
		event_active(cluster->resume, EV_TIMEOUT, 0);
}

static void create_outlets(struct cluster *cluster, const struct cluster_world *world, size_t index)
{
	const struct config *config = world->config;
	struct outlet *outlet;
	size_t count = 0;

	for (size_t i = 0; i < config->target_count; i++)
		count += config->targets[i].cluster_index == index;
	cluster->outlets = xcalloc(count, sizeof(*cluster->outlets));
	for (size_t i = 0; i < config->target_count; i++) {
		if (config->targets[i].cluster_index != index)
			continue;
		outlet = &cluster->outlets[cluster->outlet_count];
		outlet->config = &config->targets[i];
		outlet->template = world->templates[i];
		outlet->target =
		    target_create(world->hub, outlet->config, config->state_dir, NULL, NULL);
		cluster->outlet_count++;
	}
}

struct cluster *cluster_create(const struct cluster_world *world, size_t index,
                               const struct cluster *previous)
{
	struct cluster *cluster = xcalloc(1, sizeof(*cluster));

	cluster->config = &world->config->clusters[index];
	cluster->segue = world->config;
	applied_init(&cluster->applied);
	cluster->persist = event_new(world->base, -1, 0, on_persist, cluster);
	event_priority_set(cluster->persist, CLUSTER_PRIORITY_LATER);
	cluster->resume = event_new(world->base, -1, 0, on_resume, cluster);
	if (previous != NULL && same_store(cluster, previous))
		take_over(cluster, previous);
	else
		load_state(cluster);
	create_outlets(cluster, world, index);
	cluster->watcher =
	    watcher_create(world->zk, world->resolver, cluster->config, on_watcher, cluster);
	return cluster;
}

void cluster_destroy(struct cluster *cluster)
{
	watcher_destroy(cluster->watcher);
	for (size_t i = 0; i < cluster->outlet_count; i++)
		target_destroy(cluster->outlets[i].target);
	save(cluster);
	free(cluster->outlets);
	event_free(cluster->persist);
	event_free(cluster->resume);
	applied_fini(&cluster->applied);
	free(cluster->said);
	free(cluster);
}
