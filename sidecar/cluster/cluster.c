/* One cluster of the sidecar. Callbacks of the watcher and of the verifier only ask for
 * cluster_reconcile(), which reads all facts, decides, renders, and gives the texts to the targets.
 * The log line and the state file are written after the proxies have been moved. A target that
 * refuses a text keeps its last good one. */
#include "cluster/cluster.h"
#include "cluster/override.h"
#include "cluster/target_kinds.h"
#include "cluster_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/timer.h"
#include "cluster/state_file.h"
#include "haproxy/model/lint.h"
#include "haproxy/model/routes.h"
#include "render/view.h"
#include "target/install.h"
#include "watch/watcher.h"

/* Targets are created from the configuration. After a reload each one keeps the history of its
 * moves. */

static const struct cluster_target *find_target(const struct cluster *cluster,
                                                const struct config_target *target)
{
	for (size_t i = 0; i < cluster->target_count; i++)
		if (cluster->targets[i].config->kind == target->kind &&
		    strcmp(cluster->targets[i].config->name, target->name) == 0)
			return &cluster->targets[i];
	return NULL;
}

void cluster_set_alarm(const struct cluster *cluster, const struct config_target *target,
                       const char *alarm)
{
	const struct cluster_target *entry = find_target(cluster, target);
	bool on = *alarm != '\0';

	if (entry != NULL && target_set_alarm(entry->target, alarm))
		LOG_EMIT(on ? LOG_ERROR : LOG_INFO, on ? "target_alarm" : "target_alarm_over",
		         KV_STR("cluster", target->cluster), KV_STR("target", CONFIG_LABEL(target)),
		         KV_STR("alarm", on ? alarm : NULL));
}

static bool drives_pgbouncer(const struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->target_count; i++)
		if (cluster->targets[i].config->kind == CONFIG_TARGET_PGBOUNCER)
			return true;
	return false;
}

/* Without a primary clients are held or fenced, and the time limit of the hold runs. decide() has
 * chosen between hold and fence, and when to end it. */

/* --- the length of a hold --- */

int64_t cluster_hold_timeout_ms(const struct cluster *cluster, bool starting)
{
	return config_hold_ms(cluster->config, manager_times_ms(&cluster->times, starting));
}

char *cluster_hold_source(const struct cluster *cluster)
{
	const struct manager_times *times = &cluster->times;

	if (cluster->config->hold_timeout_ms > 0)
		return xstrdup("hold_timeout");
	if (cluster->config->layout != CONFIG_LAYOUT_PATRONI)
		return xstrdup("auto, without Patroni");
	if (times->ttl == 0)
		return xstrdup("auto, Patroni's defaults: its /config is not known yet");
	return xasprintf(
	    "auto, %s: ttl %" PRId64 " + loop_wait %" PRId64 " + retry_timeout %" PRId64 " + %d s",
	    times->assumed ? "Patroni's defaults, as its /config cannot be used"
	                   : "Patroni's /config",
	    times->ttl, times->loop_wait, times->retry_timeout, CONFIG_HOLD_MARGIN_MS / 1000);
}

/* Takes the times of Patroni from the store's value, and logs the timeout when it changes. */
static void cluster_hold_learn(struct cluster *cluster, const struct watch_fact *fact)
{
	auto_free char *source = NULL;
	int64_t ms;

	if (fact->topology == NULL)
		return;
	cluster->times = fact->topology->times;
	ms = cluster_hold_timeout_ms(cluster, false);
	if (ms == cluster->hold_timeout_logged_ms)
		return;
	cluster->hold_timeout_logged_ms = ms;
	source = cluster_hold_source(cluster);
	LOG_EMIT(cluster->times.assumed ? LOG_WARNING : LOG_INFO, "hold_timeout",
	         KV_STR("cluster", cluster->config->name), KV_MS("timeout_ms", ms * 1000),
	         KV_MS("starting_up_ms", cluster_hold_timeout_ms(cluster, true) * 1000),
	         KV_STR("from", source),
	         KV_STR("next", cluster->times.assumed ? "look at config in Patroni's scope: "
	                                                 "patronictl show-config"
	                                               : NULL));
}

/* While PostgreSQL is starting up, its Patroni lives, and another server becomes primary only after
 * Patroni has given up. So that time is not counted, within the limit for a server that starts up.
 * A hold that is over stays over. */
static void set_limit(struct cluster *cluster, bool is_new, const struct server_fact *last)
{
	int64_t most_ms = cluster_hold_timeout_ms(cluster, true);

	if (!is_new && cluster_hold_left_ms(cluster) <= 0)
		return;
	if (is_new)
		cluster->hold_starting_ms = 0;
	if (last != NULL && last->class == SERVER_STARTING)
		cluster->hold_starting_ms = (clock_now_us() - cluster->hold.since_us) / 1000;
	cluster->hold_limit_ms =
	    cluster_hold_timeout_ms(cluster, false) + cluster->hold_starting_ms;
	if (cluster->hold_limit_ms > most_ms)
		cluster->hold_limit_ms = most_ms;
}

/* --- hold and fence the targets --- */

/* PgBouncers come first: from its first failed login on, a PgBouncer rejects clients. */
static void hold_targets(const struct cluster *cluster, bool fence, int64_t left_ms, bool dead,
                         bool bouncers)
{
	for (size_t i = 0; i < cluster->target_count; i++) {
		struct target *target = cluster->targets[i].target;

		if ((cluster->targets[i].config->kind == CONFIG_TARGET_PGBOUNCER) != bouncers)
			continue;
		if (fence)
			target_fence(target, cluster->episode);
		else if (left_ms > 0)
			target_hold(target, cluster->episode, left_ms, dead);
	}
}

/* For DECIDE_HOLD and DECIDE_FENCE. A target holds the servers of its text, so it needs a text
 * before. */
static void cluster_hold(struct cluster *cluster, const struct decision *decision,
                         const struct decide_input *input)
{
	const struct watch_fact *fact = input->fact;
	const struct server_fact *last =
	    server_of(input->servers, input->server_count, &cluster->applied.topology.primary);
	bool dead =
	    last != NULL && (last->class == SERVER_REFUSED || last->class == SERVER_STARTING ||
	                     last->class == SERVER_TIMED_OUT);
	bool fence = decision->kind == DECIDE_FENCE;
	/* A new value "no primary" in the store starts a new hold, even if the hold before has run
	 * out or was given up. Not in the layout patroni: nobody writes such a value there, and the
	 * zxid of Patroni's keys rises all the time. */
	bool is_new =
	    cluster->hold.by == HELD_NOT ||
	    (decision->held == HELD_BY_STORE && fact->state == WATCH_VALUE &&
	     fact->mzxid != cluster->held_zxid && cluster->config->layout != CONFIG_LAYOUT_PATRONI);
	int64_t left_ms;

	if (is_new) {
		cluster->episode = cluster->hold.since_us = clock_now_us();
		cluster->held_zxid = fact->mzxid;
	}
	cluster->hold.by = decision->held;
	set_limit(cluster, is_new, last);
	cluster->hold.policy = fence ? CONFIG_LOSS_FENCE : CONFIG_LOSS_HOLD;
	left_ms = cluster_hold_left_ms(cluster);
	hold_targets(cluster, fence, left_ms, dead, true);
	hold_targets(cluster, fence, left_ms, dead, false);
}

#define TICK_MS 1000
#define WATCH_OLD_PRIMARY_MS \
	10000 /* after a move: the old primary is checked every second for this time, */
#define PREVIOUS_MS 3600000 /* and is still asked for this time */

const struct config_cluster *cluster_config(const struct cluster *cluster)
{
	return cluster->config;
}

/* --- the texts ---
 *
 * A new template is refused before it is taken over if its text leads no client to the primary; an
 * alarm is raised if it leads clients elsewhere than before. Each template is checked once, not for
 * each move. */

bool cluster_of_rendered(struct err *err)
{
	const struct err text = *err;

	return err_set(err, text.line > 0 ? "rendered %s" : "rendered: %s", text.message);
}

bool cluster_try_template(const struct cluster *cluster, const struct config_target *target,
                          const struct mustache *template, struct strbuf *text, struct err *err)
{
	const struct topology *topology = &cluster->applied.topology;
	const struct cluster_target *running = find_target(cluster, target);
	auto_strbuf struct strbuf before = STRBUF_INIT;
	struct err ignored;

	if (!cluster->applied.has_topology)
		return true;
	if (!view_render(cluster->config, target, topology, template, text, err))
		return false;
	if (!text_check_leads(target, true, text->data, text->len, topology->primary.address,
	                      topology->primary.port, err) ||
	    !state_or_example_leads_to_any(cluster->config, target, template, topology, err))
		return cluster_of_rendered(err);
	return running == NULL ||
	       !view_render(cluster->config, running->config, topology, running->template, &before,
	                    &ignored) ||
	       text_check_keeps(target, before.data, before.len, text->data, text->len, err) ||
	       cluster_of_rendered(err);
}

static void add(struct strbuf *alarm, const char *finding)
{
	if (*finding != '\0')
		strbuf_printf(alarm, "%s%s", alarm->len > 0 ? "; " : "", finding);
}

/* Compares the new text with the output file, which is still the one that HAProxy has loaded or
 * will start with. */
static void compare_ways(const struct cluster *cluster, const struct config_target *target,
                         const struct strbuf *text, struct strbuf *alarm)
{
	const struct member *primary = &cluster->applied.topology.primary;
	const struct haproxy_routes_text now = {
	    text->data, text->len, {primary->address, primary->port}};
	auto_strbuf struct strbuf file = STRBUF_INIT, found = STRBUF_INIT;
	struct haproxy_routes_text before;
	struct err ignored;

	if (!target->leads_to_primary || !cluster->has_found ||
	    !file_read(target->output, INSTALL_MAX, &file, NULL, &ignored))
		return;
	before = (struct haproxy_routes_text){
	    file.data, file.len, {cluster->found.address, cluster->found.port}};
	haproxy_routes_compare(&before, &now, &found);
	if (found.len > 0)
		strbuf_printf(&found, ": if this is intended, the next SIGHUP ends this alarm");
	add(alarm, found.data);
}

/* Examines once the first text that the target has accepted from a new template, and sets `alarm`.
 * To be called in the same loop iteration in which the text was accepted, because the file still
 * has its old content then. */
static void look_at_text(const struct cluster *cluster, struct cluster_target *entry,
                         const struct strbuf *text)
{
	const struct config_target *target = entry->config;
	auto_strbuf struct strbuf alarm = STRBUF_INIT, idle = STRBUF_INIT;
	struct err err;

	if (!entry->taken || entry->looked)
		return;
	entry->looked = true;
	if (target->kind == CONFIG_TARGET_HAPROXY) {
		compare_ways(cluster, target, text, &alarm);
		haproxy_lint_idle(text->data, text->len, &idle);
		add(&alarm, idle.data);
	}
	if (!state_or_example_leads_to_any(cluster->config, target, entry->template,
	                                   &cluster->applied.topology, &err))
		add(&alarm, err.message);
	if (alarm.len == 0)
		return;
	entry->alarm = xasprintf("%s: %s", CONFIG_LABEL(target), alarm.data);
	log_warning("text_alarm", KV_STR("cluster", cluster->config->name),
	            KV_STR("target", CONFIG_LABEL(target)),
	            KV_STR("template", target->template_file), KV_STR("found", alarm.data),
	            KV_STR("next", "applied nevertheless; check the template and its var. lines in "
	                           "segue.ini, then reload segue"));
}

/* Renders the text of one target and gives it to the target. The times are those of the change, or
 * 0 if the same fact is applied again. */
static void apply_target(struct cluster *cluster, struct cluster_target *entry, struct strbuf *text,
                         int64_t notified_us, int64_t read_us)
{
	const struct topology *topology = &cluster->applied.topology;
	struct desired desired = {.zxid = topology->zxid,
	                          .primary = topology->primary.address,
	                          .primary_port = topology->primary.port,
	                          .former = cluster->has_found ? cluster->found.address : NULL,
	                          .former_port = cluster->found.port,
	                          .new_template = !entry->taken,
	                          .notified_us = notified_us,
	                          .read_us = read_us};
	struct err err;
	bool ok =
	    view_render(cluster->config, entry->config, topology, entry->template, text, &err);

	if (ok) {
		desired.text = text->data;
		desired.len = text->len;
		desired.rendered_us = clock_now_us();
		ok = target_set_desired(entry->target, &desired, &err) || cluster_of_rendered(&err);
		entry->taken = entry->taken || ok;
	}
	if (!ok)
		log_error("render_refused", KV_STR("cluster", cluster->config->name),
		          KV_STR("target", CONFIG_LABEL(entry->config)),
		          KV_INT("zxid", desired.zxid),
		          KV_STR("template", entry->config->template_file), KV_ERR(&err),
		          KV_STR("next", "the target keeps its last good text, in HAProxy with its "
		                         "servers moved to the primary; correct the template"));
}

static void apply_all(struct cluster *cluster, int64_t notified_us, int64_t read_us)
{
	auto_free struct strbuf *texts = xcalloc(cluster->target_count, sizeof(*texts));

	cluster->primed = true;
	for (size_t i = 0; i < cluster->target_count; i++) {
		strbuf_init(&texts[i]);
		apply_target(cluster, &cluster->targets[i], &texts[i], notified_us, read_us);
	}
	for (size_t i = 0; i < cluster->target_count; i++) {
		look_at_text(cluster, &cluster->targets[i], &texts[i]);
		strbuf_fini(&texts[i]);
	}
}

/* --- move to a primary --- */

/* Remembers the old primary, because it may come back or may still be running. Returns true if
 * clients are moved from one primary to another in this run. */
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
	cluster_save_move(cluster, urgent, cluster->last_decision.news);
}

/* --- facts and the reconcile --- */

/* Reconciles again every second while a server is asked, an alarm is active, the last move is
 * recent, or the store is away. */
static void look_again(struct cluster *cluster, const struct decision *decision)
{
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
		timer_start(cluster->tick, TICK_MS);
	else
		timer_stop(cluster->tick);
}

/* Reads all facts, decides, and carries out the decision. */
static void cluster_reconcile(void *arg)
{
	struct cluster *cluster = arg;
	const struct watch_fact *fact = watcher_fact(cluster->watcher);
	const struct member *members[CLUSTER_MEMBERS_MAX + 1];
	size_t count;
	struct decide_input input;
	struct decision decision;
	bool guarded;

	if (fact->state != WATCH_UNREACHABLE)
		cluster->away_ms = 0;
	else if (cluster->away_ms == 0)
		cluster->away_ms = clock_now_ms();
	cluster_hold_learn(cluster, fact);
	/* Present and former members are asked, so that an old primary that comes back is seen. Own
	 * listeners are left out: a server behind the proxy would answer. */
	count = cluster_find_own(cluster, fact, members);
	members[count] = cluster_previous(cluster);
	verifier_follow(cluster->verifier, members, count + 1);
	cluster_input(cluster, &input);
	decision = decide(&input);
	cluster_judge(cluster, &input, &decision, &cluster->last_decision);
	look_again(cluster, &decision);
	if (decision.kind == DECIDE_MOVE) {
		move(cluster, &decision, fact);
	} else if (decision.floor_zxid != cluster->applied.floor_zxid) {
		cluster->applied.floor_zxid = decision.floor_zxid;
		cluster_save_later(cluster, CLUSTER_SAVE_AFTER_MS);
	}
	if (decision.kind == DECIDE_HOLD || decision.kind == DECIDE_FENCE) {
		if (!cluster->primed) /* a target can only hold once it has a text */
			apply_all(cluster, 0, 0);
		cluster_hold(cluster, &decision, &input);
	}
	decision_fini(&decision);
	/* From its first failed login on, a PgBouncer rejects clients. They can be held only if the
	 * loss of the primary is known before that. */
	guarded = cluster->applied.has_topology &&
	          cluster->config->on_primary_loss != CONFIG_LOSS_KEEP && drives_pgbouncer(cluster);
	verifier_guard(cluster->verifier, guarded ? &cluster->applied.topology.primary : NULL);
	cluster_log(cluster, fact);
	cluster_fleet_note(cluster);
}

/* Only a PgBouncer reports where it listens, and only late. */
static void on_changed(void *arg)
{
	struct cluster *cluster = arg;

	cluster_save_confirmed(cluster);
	if (drives_pgbouncer(cluster) &&
	    cluster_own_changed(cluster, watcher_fact(cluster->watcher)))
		cluster_reconcile(cluster);
	cluster_fleet_note(cluster);
}

/* `previous`: as for cluster_create(). */
static void create_targets(struct cluster *cluster, const struct cluster_world *world, size_t index,
                           const struct cluster *previous)
{
	const struct config *config = world->config;
	size_t count = 0;

	for (size_t i = 0; i < config->target_count; i++)
		count += config->targets[i].cluster_index == index;
	cluster->targets = xcalloc(count, sizeof(*cluster->targets));
	for (size_t i = 0; i < config->target_count; i++) {
		struct cluster_target *entry = &cluster->targets[cluster->target_count];
		const struct cluster_target *before = NULL;

		if (config->targets[i].cluster_index != index)
			continue;
		entry->config = &config->targets[i];
		entry->template = world->templates[i];
		entry->target = target_create(world->hub, entry->config, config->state_dir,
		                              on_changed, cluster);
		cluster->target_count++;
		if (previous != NULL)
			before = find_target(previous, entry->config);
		if (before != NULL)
			target_inherit(entry->target, before->target);
	}
}

/* The override of the operator is read at the start, saved before it is followed, and logged again
 * every REMIND_MS until it is released. */

#define REMIND_MS 600000

/* Logs the override again, so that nobody forgets that segue does not act. */
static void remind(void *arg)
{
	struct cluster *cluster = arg;

	cluster_log_override(cluster);
	if (cluster->override.kind != OVERRIDE_NONE)
		timer_start(cluster->reminder, REMIND_MS);
	else
		timer_stop(cluster->reminder);
}

/* `previous`: the same cluster before a reload that changed state_dir: its override stays in force,
 * whatever the new state_dir holds. NULL: the file is read. */
static void load_override(struct cluster *cluster, const struct cluster *previous)
{
	const char *name = cluster->config->name, *dir = cluster->segue->state_dir;
	struct err err;

	if (previous != NULL) {
		cluster->override = previous->override;
		if (previous->override_problem != NULL)
			cluster->override_problem = xstrdup(previous->override_problem);
		if (!override_save(dir, name, &cluster->override, &err))
			log_error("override_not_kept", KV_STR("cluster", name), KV_ERR(&err),
			          KV_STR("next", "it is in force until segue stops: repair "
			                         "state_dir, then set it again"));
	} else if (!override_load(dir, name, &cluster->override, &err)) {
		cluster->override_problem = xstrdup(err.message);
		log_error("override_unusable", KV_STR("cluster", name), KV_ERR(&err),
		          KV_STR("next",
		                 "the cluster is frozen, because the file may contain an override: "
		                 "run `segue pin`, `segue freeze` or `segue release`"));
	}
	remind(cluster);
}

bool cluster_set_override(struct cluster *cluster, const struct override *override, struct err *err)
{
	if ((override->kind == OVERRIDE_PIN &&
	     !cluster_may_lead_to(cluster, override->address, override->port, err)) ||
	    !override_save(cluster->segue->state_dir, cluster->config->name, override, err))
		return false;
	if (override->kind == OVERRIDE_NONE && cluster->override.kind != OVERRIDE_NONE)
		log_warning("override_released", KV_STR("cluster", cluster->config->name),
		            KV_STR("next", "the store and the servers are followed again"));
	cluster->override = *override;
	free(STEAL(cluster->override_problem));
	remind(cluster);
	cluster_reconcile(cluster);
	return true;
}

static void on_resume(void *arg)
{
	apply_all(arg, 0, 0);
}

/* --- create and destroy --- */

static bool same_store(const struct cluster *a, const struct cluster *b)
{
	return a->config->layout == b->config->layout &&
	       strcmp(a->config->path, b->config->path) == 0 &&
	       strcmp(a->segue->zookeeper_hosts, b->segue->zookeeper_hosts) == 0;
}

/* in_this_run stays false: node names may have other addresses in the new configuration. So the
 * next value of the store is applied even if it is the same. */
static void take_over(struct cluster *cluster, const struct cluster *previous)
{
	cluster->applied = previous->applied;
	cluster->applied.in_this_run = false;
	topology_init(&cluster->applied.topology);
	topology_copy(&cluster->applied.topology, &previous->applied.topology);
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
		timer_fire(cluster->resume);
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
	cluster->persist = timer_new(world->base, cluster_on_persist, cluster);
	timer_set_priority(cluster->persist, CLUSTER_PRIORITY_LATER);
	cluster->resume = timer_new(world->base, on_resume, cluster);
	cluster->tick = timer_new(world->base, cluster_reconcile, cluster);
	cluster->reminder = timer_new(world->base, remind, cluster);
	if (previous != NULL && same_store(cluster, previous)) {
		take_over(cluster, previous);
	} else {
		if (previous != NULL) /* what it applied last may not be on disk yet */
			cluster_save_last(previous);
		cluster_load(cluster, dir_before);
	}
	if (!same_dir)
		cluster_save_later(cluster, CLUSTER_SAVE_AFTER_MS);
	cluster->has_found = cluster->applied.has_topology;
	cluster->found = cluster->applied.topology.primary;
	if (world->state_problem != NULL)
		cluster->state_problem = xstrdup(world->state_problem);
	load_override(cluster, same_dir ? NULL : previous);
	create_targets(cluster, world, index, previous);
	cluster->verifier =
	    verifier_create(world->base, cluster->config, cluster_reconcile, cluster);
	if (previous != NULL)
		verifier_recall(cluster->verifier, previous->verifier);
	cluster->watcher =
	    watcher_create(world->zk, world->resolver, cluster->config, cluster_reconcile, cluster);
	cluster_fleet_open(cluster, world);
	return cluster;
}

void cluster_destroy(struct cluster *cluster)
{
	cluster_fleet_close(cluster);
	watcher_destroy(cluster->watcher);
	verifier_destroy(cluster->verifier);
	for (size_t i = 0; i < cluster->target_count; i++) {
		target_destroy(cluster->targets[i].target);
		free(cluster->targets[i].alarm);
	}
	free(cluster->targets);
	cluster->target_count = 0;
	cluster_save_last(cluster);
	timer_free(cluster->persist);
	timer_free(cluster->resume);
	timer_free(cluster->tick);
	timer_free(cluster->reminder);
	applied_fini(&cluster->applied);
	free(cluster->own);
	free(cluster->logged);
	free(cluster->alarm_logged);
	free(cluster->state_problem);
	free(cluster->override_problem);
	free(cluster);
}
