/* A cluster as the sidecar runs it. Callbacks of the watcher and of the verifier only ask for
 * cluster_reconcile(), which looks at all facts, decides, renders and hands the texts to the
 * targets; the log line and the state file come after the proxies. A target that refuses keeps its
 * last good text. */
#include "cluster.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cluster_own.h"
#include "state.h"
#include "watch/watcher.h"

#define TICK_MS 1000
#define WATCH_OLD_PRIMARY_MS \
	10000               /* after a move the old primary is looked at closely for so long, */
#define PREVIOUS_MS 3600000 /* and now and then for so long */

const struct config_cluster *cluster_config(const struct cluster *cluster)
{
	return cluster->config;
}

/* Renders one outlet and hands it to its target. Times are those of the change, or 0 where the same
 * fact is applied again. */
static void apply_outlet(struct cluster *cluster, struct cluster_target *outlet,
                         int64_t notified_us, int64_t read_us)
{
	struct strbuf auto_strbuf text = STRBUF_INIT;
	const struct topology *topology = &cluster->applied.topology;
	struct desired desired = {.zxid = topology->zxid,
	                          .primary = topology->primary.address,
	                          .primary_port = topology->primary.port,
	                          .former = cluster->has_found ? cluster->found.address : NULL,
	                          .former_port = cluster->found.port,
	                          .new_template = !outlet->taken,
	                          .notified_us = notified_us,
	                          .read_us = read_us};
	struct err err;
	bool ok = cluster_render(cluster, outlet->config, outlet->template, &text, &err);

	if (ok) {
		desired.text = text.data;
		desired.len = text.len;
		desired.rendered_us = clock_now_us();
		ok =
		    target_set_desired(outlet->target, &desired, &err) || cluster_of_rendered(&err);
		outlet->taken = outlet->taken || ok;
	}
	if (!ok)
		log_error("render_refused", KV_STR("cluster", cluster->config->name),
		          KV_STR("target", outlet->config->name), KV_INT("zxid", desired.zxid),
		          KV_STR("template", outlet->config->template_file), KV_ERR(&err),
		          KV_STR("next", "the target keeps its last good text; a HAProxy's is "
		                         "led to the primary; correct the template"));
}

static void apply_all(struct cluster *cluster, int64_t notified_us, int64_t read_us)
{
	cluster->primed = true;
	for (size_t i = 0; i < cluster->target_count; i++)
		apply_outlet(cluster, &cluster->outlets[i], notified_us, read_us);
	cluster_look_at_texts(cluster);
}

/* --- a primary --- */

/* Who was primary until now may come back, or never have gone. */
static bool note_move(struct cluster *cluster, const struct topology *next)
{
	const struct applied *applied = &cluster->applied;
	const struct member *before = &applied->topology.primary;
	bool same = applied->has_topology && topology_same_address(before, &next->primary);

	if (same && applied->in_this_run)
		return false;
	cluster->moved_us = clock_now_us();
	if (!same && applied->has_topology) {
		cluster->previous = *before;
		cluster->previous_until_ms = clock_now_ms() + PREVIOUS_MS;
	}
	return !same && applied->in_this_run;
}

static void move(struct cluster *cluster, const struct decision *decision,
                 const struct watch_fact *fact)
{
	struct applied *applied = &cluster->applied;
	bool urgent = note_move(cluster, &decision->next);

	if (decision->against_store && !applied->against_store)
		applied->confirmed = applied_confirmed(applied);
	urgent = urgent || decision->against_store != applied->against_store;
	applied->against_store = decision->against_store;
	topology_follow(&applied->topology, &decision->next);
	applied->has_topology = true;
	applied->zxid = decision->next.zxid;
	applied->floor_zxid = 0;
	applied->in_this_run = true;
	cluster->hold = (struct decide_hold){.by = HELD_NOT};
	apply_all(cluster, decision->on_news ? fact->notified_us : 0,
	          decision->on_news ? fact->read_us : 0);
	if (urgent)
		cluster_save_now(cluster);
	else if (cluster->last_decision.news)
		cluster_save_soon(cluster);
	else
		cluster_save_lazily(cluster);
}

/* --- facts and what follows from them --- */

static void note_store(struct cluster *cluster, const struct watch_fact *fact)
{
	if (fact->state != WATCH_UNREACHABLE)
		cluster->away_ms = 0;
	else if (cluster->away_ms == 0)
		cluster->away_ms = clock_now_ms();
}

static bool store_is_lost(const struct cluster *cluster)
{
	return cluster->away_ms != 0 &&
	       clock_now_ms() - cluster->away_ms >= cluster->segue->session_timeout_ms;
}

static size_t add_members(const struct decide_input *input, const struct topology *topology,
                          const struct member **out)
{
	size_t count = 0;

	if (topology->has_primary && decide_own(input, &topology->primary) == NULL)
		out[count++] = &topology->primary;
	for (size_t i = 0; i < topology->standby_count; i++)
		if (decide_own(input, &topology->standbys[i]) == NULL)
			out[count++] = &topology->standbys[i];
	return count;
}

static const struct member *previous(const struct cluster *cluster)
{
	return clock_now_ms() < cluster->previous_until_ms ? &cluster->previous : NULL;
}

/* Who is or was a member is asked, so that an old primary that comes back is seen. The proxy itself
 * would answer with what a server behind it says. */
static void follow_members(struct cluster *cluster, const struct watch_fact *fact)
{
	const struct decide_input input = {.own = cluster->own, .own_count = cluster->own_count};
	const struct member *members[2 * TOPOLOGY_SLOTS_MAX + 1];
	size_t count = 0;

	if (fact->topology != NULL)
		count = add_members(&input, fact->topology, members);
	if (cluster->applied.has_topology)
		count += add_members(&input, &cluster->applied.topology, members + count);
	if (previous(cluster) != NULL)
		members[count++] = previous(cluster);
	verifier_follow(cluster->verifier, members, count);
}

static bool drives_pgbouncer(const struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->target_count; i++)
		if (cluster->outlets[i].config->kind == CONFIG_TARGET_PGBOUNCER)
			return true;
	return false;
}

/* From its first login that fails on, a PgBouncer turns clients away: only who knows sooner can
 * have them wait. */
static void guard_primary(const struct cluster *cluster)
{
	bool guarded = cluster->applied.has_topology &&
	               cluster->config->on_primary_loss != CONFIG_LOSS_KEEP &&
	               drives_pgbouncer(cluster);

	verifier_guard(cluster->verifier, guarded ? &cluster->applied.topology.primary : NULL);
}

/* While somebody is asked anew or an alarm stands, it is looked again every second. */
static void look_again(struct cluster *cluster, const struct decision *decision)
{
	const struct timeval after = {.tv_sec = TICK_MS / 1000};
	bool foreboding = cluster->config->verify != CONFIG_VERIFY_DISABLE &&
	                  cluster->moved_us != 0 &&
	                  clock_now_us() - cluster->moved_us < WATCH_OLD_PRIMARY_MS * (int64_t)1000;
	bool due = foreboding || cluster->last_decision.alarm[0] != '\0' ||
	           (cluster->away_ms != 0 && cluster->config->on_store_loss != CONFIG_LOSS_KEEP);

	if (decision->ask_all)
		verifier_attend(cluster->verifier);
	if (decision->ask != NULL)
		verifier_hurry(cluster->verifier, decision->ask);
	if (due || decision->ask_all || decision->ask != NULL)
		event_add(cluster->tick, &after);
	else
		event_del(cluster->tick);
}

void cluster_input(const struct cluster *cluster, struct decide_input *out)
{
	*out = (struct decide_input){.cluster = cluster->config,
	                             .fact = watcher_fact(cluster->watcher),
	                             .applied = &cluster->applied,
	                             .previous = previous(cluster),
	                             .override = &cluster->override,
	                             .own = cluster->own,
	                             .own_count = cluster->own_count,
	                             .moved_us = cluster->moved_us,
	                             .hold = cluster->hold,
	                             .store_lost = store_is_lost(cluster),
	                             .now_us = clock_now_us()};
	out->servers = verifier_facts(cluster->verifier, &out->server_count);
}

void cluster_reconcile(struct cluster *cluster)
{
	const struct watch_fact *fact = watcher_fact(cluster->watcher);
	struct decide_input input;
	struct decision decision;

	note_store(cluster, fact);
	cluster_hold_learn(cluster, fact);
	cluster_find_own(cluster, fact);
	follow_members(cluster, fact);
	cluster_input(cluster, &input);
	decision = decide(&input);
	cluster_judge(cluster, &input, &decision, &cluster->last_decision);
	look_again(cluster, &decision);
	if (decision.kind == DECIDE_MOVE) {
		move(cluster, &decision, fact);
	} else if (decision.floor_zxid != cluster->applied.floor_zxid) {
		cluster->applied.floor_zxid = decision.floor_zxid;
		cluster_save_soon(cluster);
	}
	if (decision.kind == DECIDE_HOLD || decision.kind == DECIDE_FENCE) {
		if (!cluster->primed) /* targets hold by their text */
			apply_all(cluster, 0, 0);
		cluster_hold(cluster, &decision, &input);
	}
	decision_fini(&decision);
	guard_primary(cluster);
	cluster_say(cluster, fact);
	cluster_fleet_note(cluster);
}

static void on_facts(void *arg)
{
	cluster_reconcile(arg);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	cluster_reconcile(arg);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	apply_all(arg, 0, 0);
}

/* --- life --- */

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
	cluster->applied.against_store = previous->applied.against_store;
	cluster->applied.confirmed = previous->applied.confirmed;
	cluster->unsaved = previous->unsaved || previous->saving != NULL;
	cluster->hold = previous->hold;
	cluster->hold_limit_ms = previous->hold_limit_ms;
	cluster->hold_starting_ms = previous->hold_starting_ms;
	cluster->times = previous->times;
	cluster->episode = previous->episode;
	cluster->held_zxid = previous->held_zxid;
	cluster->moved_us = previous->moved_us;
	cluster->away_ms = previous->away_ms;
	cluster->previous = previous->previous;
	cluster->previous_until_ms = previous->previous_until_ms;
	if (previous->applied.in_this_run && previous->hold.by == HELD_NOT)
		event_active(cluster->resume, EV_TIMEOUT, 0);
}

struct cluster *cluster_create(const struct cluster_world *world, size_t index,
                               struct cluster *previous)
{
	struct cluster *cluster = xcalloc(1, sizeof(*cluster));
	const char *state_dir = world->config->state_dir;
	const char *dir_before = previous != NULL ? previous->segue->state_dir : state_dir;
	bool same_dir = strcmp(state_dir, dir_before) == 0;

	cluster->config = &world->config->clusters[index];
	cluster->segue = world->config;
	cluster->listeners = world->listeners;
	cluster->file_writer = target_hub_saver(world->hub);
	applied_init(&cluster->applied);
	cluster->persist = event_new(world->base, -1, 0, cluster_on_persist, cluster);
	event_priority_set(cluster->persist, CLUSTER_PRIORITY_LATER);
	cluster->resume = event_new(world->base, -1, 0, on_resume, cluster);
	cluster->tick = event_new(world->base, -1, 0, on_tick, cluster);
	cluster->reminder = event_new(world->base, -1, 0, cluster_on_reminder, cluster);
	if (previous != NULL && same_store(cluster, previous)) {
		take_over(cluster, previous);
	} else {
		if (previous != NULL) /* what it has applied just now is not on disk yet */
			cluster_save_last(previous);
		cluster_load(cluster, dir_before);
	}
	if (!same_dir)
		cluster_save_soon(cluster);
	cluster->has_found = cluster->applied.has_topology;
	cluster->found = cluster->applied.topology.primary;
	if (world->state_problem != NULL)
		cluster->state_problem = xstrdup(world->state_problem);
	cluster_load_override(cluster, same_dir ? NULL : previous);
	cluster_create_outlets(cluster, world, index, previous);
	cluster->verifier = verifier_create(world->base, cluster->config, on_facts, cluster);
	if (previous != NULL)
		verifier_recall(cluster->verifier, previous->verifier);
	cluster->watcher =
	    watcher_create(world->zk, world->resolver, cluster->config, on_facts, cluster);
	cluster_fleet_open(cluster, world);
	return cluster;
}

void cluster_destroy(struct cluster *cluster)
{
	cluster_fleet_close(cluster);
	watcher_destroy(cluster->watcher);
	verifier_destroy(cluster->verifier);
	cluster_destroy_outlets(cluster);
	cluster_save_last(cluster);
	event_free(cluster->persist);
	event_free(cluster->resume);
	event_free(cluster->tick);
	event_free(cluster->reminder);
	applied_fini(&cluster->applied);
	free(cluster->own);
	free(cluster->said);
	free(cluster->alarm_said);
	free(cluster->state_problem);
	free(cluster->override_problem);
	free(cluster);
}
