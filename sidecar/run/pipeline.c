/* The pipeline: one loaded configuration and everything that it needs. pipeline_prepare() finds all
 * that can be wrong with a configuration before the running pipeline is touched. */
#include "pipeline_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "cluster/listeners.h"
#include "cluster/orphaned_holds.h"
#include "cluster/state_file.h"
#include "config/config.h"
#include "config/last_good.h"
#include "haproxy/trial.h"
#include "render/mustache.h"
#include "render/view.h"
#include "report/metrics.h"
#include "run/bind_conflicts.h"
#include "target/install.h"
#include "target/target.h"

/* The GET /status document, and readiness. The document is built one cluster at a time, because all
 * of 1,000 clusters take longer than a proxy may have to wait. */

/* Enough digits for microseconds in a move that takes a day, and no 0.51200000000000001. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

static int append(const char *data, size_t len, void *text)
{
	strbuf_append(text, data, len);
	return 0;
}

static void append_json(struct strbuf *text, json_t *json)
{
	if (json == NULL || json_dump_callback(json, append, text, DUMP_FLAGS) != 0)
		strbuf_append_str(text, "{}");
	json_decref(json);
}

/* Appends all that is before the clusters. */
static void append_head(const struct pipeline *pipeline, const char *refused, struct strbuf *text)
{
	char now[CLOCK_WALL_MAX], started[CLOCK_WALL_MAX];

	clock_wall(now, sizeof(now));
	clock_wall_at(pipeline->started_us, started, sizeof(started));
	append_json(text, json_pack("{s:s, s:s, s:i, s:s, s:s, s:o, s:o, s:{s:b, s:s}}", "segue",
	                            SEGUE_VERSION, "name", pipeline->config->name, "pid",
	                            (int)getpid(), "started", started, "now", now, "state_dir",
	                            cluster_text_json(pipeline->config->state_dir),
	                            "config_refused", cluster_text_json(refused), "store",
	                            "connected", zk_connected(pipeline->store->zk), "description",
	                            zk_describe(pipeline->store->zk)));
	text->data[--text->len] = '\0';
	strbuf_append_str(text, ",\"clusters\":[");
}

bool pipeline_status(const struct pipeline *pipeline, const char *refused, struct report_cursor *at,
                     struct strbuf *text)
{
	if (at->edition != pipeline->edition) {
		*at = (struct report_cursor){.edition = pipeline->edition};
		strbuf_reset(text);
		append_head(pipeline, refused, text);
	}
	if (at->next < pipeline->cluster_count) {
		strbuf_append_str(text, at->next > 0 ? "," : "");
		append_json(text, cluster_status(pipeline->clusters[at->next++]));
		return true;
	}
	strbuf_append_str(text, "]}\n");
	return false;
}

bool pipeline_is_ready(const struct pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->cluster_count; i++)
		if (!cluster_is_ready(pipeline->clusters[i]))
			return false;
	return true;
}

void pipeline_headlines(const struct pipeline *pipeline, struct strbuf *out)
{
	struct strbuf lines[CLUSTER_LEVELS] = {STRBUF_INIT, STRBUF_INIT, STRBUF_INIT, STRBUF_INIT};

	for (size_t i = 0; i < pipeline->cluster_count; i++) {
		const struct cluster *cluster = pipeline->clusters[i];
		auto_free char *prefix = xasprintf("cluster %s: ", cluster_config(cluster)->name);
		auto_strbuf struct strbuf own = STRBUF_INIT;
		enum cluster_level level = cluster_headlines(cluster, prefix, &own);

		strbuf_append(&lines[level], own.data, own.len);
	}
	for (int level = CLUSTER_LEVELS - 1; level >= 0; level--) {
		strbuf_append(out, lines[level].data, lines[level].len);
		strbuf_fini(&lines[level]);
	}
}

/* GET /metrics: first the families with one sample, then, family by family, those with a sample for
 * each cluster. Built in small parts, as the status document is. */

static void append_gauge(struct strbuf *out, const char *name, const char *help, double value)
{
	metrics_family(out, name, "gauge", help);
	metrics_sample(out, name, NULL, 0, value);
}

static void append_build(struct strbuf *out)
{
	const struct metrics_label version = {"version", SEGUE_VERSION};

	metrics_family(out, "segue_build_info", "gauge", "1 for the version that runs.");
	metrics_sample(out, "segue_build_info", &version, 1, 1);
}

static void append_log(struct strbuf *out)
{
	static const char name[] = "segue_log_lines_total";
	static const char *const levels[] = {[LOG_DEBUG] = "debug",
	                                     [LOG_INFO] = "info",
	                                     [LOG_WARNING] = "warning",
	                                     [LOG_ERROR] = "error"};

	metrics_family(out, name, "counter", "Lines of the log.");
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		metrics_sample(out, name, &(const struct metrics_label){"level", levels[i]}, 1,
		               (double)log_count((enum log_level)i));
}

static struct metrics_histogram histogram_of(const struct move_histogram *histogram)
{
	return (struct metrics_histogram){.bounds_us = move_bucket_us,
	                                  .bound_count = MOVE_BUCKETS,
	                                  .counts = histogram->counts,
	                                  .sum_us = histogram->sum_us};
}

static bool is_empty(const struct move_histogram *histogram)
{
	for (size_t i = 0; i <= MOVE_BUCKETS; i++)
		if (histogram->counts[i] != 0)
			return false;
	return true;
}

/* No kind of target takes all steps. Steps that never happened are left out. */
static void append_moves(struct strbuf *out, const struct move_tally *tally)
{
	static const char moves[] = "segue_move_seconds", steps[] = "segue_move_step_seconds";
	struct metrics_histogram histogram;

	metrics_family(out, moves, "histogram",
	               "From the store's notification to everything done, by kind of target.");
	for (int kind = 0; kind < MOVE_KINDS; kind++) {
		const char *name = config_target_kind_name((enum config_target_kind)kind);

		histogram = histogram_of(&tally->moves[kind]);
		metrics_histogram(out, moves, &(const struct metrics_label){"kind", name}, 1,
		                  &histogram);
	}
	metrics_family(out, steps, "histogram",
	               "The same, step by step, each from the end of the step before it.");
	for (int i = 0; i < MOVE_KINDS * MOVE_STEPS; i++) {
		int kind = i / MOVE_STEPS, step = i % MOVE_STEPS;
		const struct metrics_label labels[] = {
		    {"kind", config_target_kind_name((enum config_target_kind)kind)},
		    {"step", move_step_name((enum move_step_kind)step)}};

		histogram = histogram_of(&tally->steps[kind][step]);
		if (!is_empty(&tally->steps[kind][step]))
			metrics_histogram(out, steps, labels, ARRAY_LEN(labels), &histogram);
	}
}

static void append_once(const struct pipeline *pipeline, bool refused, struct strbuf *out)
{
	append_build(out);
	metrics_process(out, pipeline->started_us);
	append_gauge(out, "segue_store_connected", "1: there is a session with ZooKeeper.",
	             zk_connected(pipeline->store->zk));
	append_gauge(out, "segue_clusters", "Clusters in the configuration.",
	             (double)pipeline->cluster_count);
	metrics_family(out, "segue_config_reloads_total", "counter",
	               "Reloads of the configuration that were not refused.");
	metrics_sample(out, "segue_config_reloads_total", NULL, 0, pipeline->edition - 1);
	append_gauge(
	    out, "segue_config_refused",
	    "1: the last reload of the configuration was refused, and the one before is in "
	    "force.",
	    refused);
	append_log(out);
	append_moves(out, target_hub_tally(pipeline->hub));
}

bool pipeline_metrics(const struct pipeline *pipeline, bool refused, struct report_cursor *at,
                      struct strbuf *text)
{
	size_t count = pipeline->cluster_count, metric, cluster;

	if (at->edition != pipeline->edition) {
		*at = (struct report_cursor){.edition = pipeline->edition};
		strbuf_reset(text);
		append_once(pipeline, refused, text);
	}
	if (at->next == count * cluster_metric_count())
		return false;
	metric = at->next / count;
	cluster = at->next % count;
	if (cluster == 0)
		cluster_metric_head(metric, text);
	cluster_metric_samples(metric, pipeline->clusters[cluster], text);
	at->next++;
	return true;
}

static struct cluster *find_cluster(const struct pipeline *pipeline, const char *name)
{
	for (size_t i = 0; pipeline != NULL && i < pipeline->cluster_count; i++)
		if (strcmp(cluster_config(pipeline->clusters[i])->name, name) == 0)
			return pipeline->clusters[i];
	return NULL;
}

static void note_state_problem(struct pipeline *pipeline, const struct err *err)
{
	if (pipeline->state_problem == NULL)
		pipeline->state_problem = xstrdup(err->message);
}

/* Only one process may use state_dir: two would overwrite each other's files and drive the same
 * proxies. If the folder cannot be used, segue works without saved state: without segue clients
 * would not be led anywhere at all. */
static bool take_state_dir(struct pipeline *pipeline, const struct pipeline *old, struct err *err)
{
	const char *dir = pipeline->config->state_dir;
	auto_free char *lock = xasprintf("%s/.lock", dir);
	struct err problem;

	if (mkdir(dir, 0750) != 0 && errno != EEXIST) {
		err_set_errno(&problem, errno, "cannot create %s", dir);
		note_state_problem(pipeline, &problem);
	} else if (access(dir, W_OK) != 0) {
		err_set_errno(&problem, errno, "cannot write to %s", dir);
		note_state_problem(pipeline, &problem);
	}
	if (old != NULL && old->lock >= 0 && strcmp(old->config->state_dir, dir) == 0) {
		pipeline->lock = fcntl(old->lock, F_DUPFD_CLOEXEC, 0);
		return true;
	}
	pipeline->lock = file_lock(lock, &problem);
	if (pipeline->lock < 0 && errno == EWOULDBLOCK) {
		*err = problem;
		return err_wrap(err, "[segue] state_dir");
	}
	if (pipeline->lock < 0)
		note_state_problem(pipeline, &problem);
	return true;
}

/* Each run keeps its configuration in state_dir: a folder without one is new. */
static bool is_new(const char *state_dir)
{
	auto_free char *kept = xasprintf("%s/" LAST_CONFIG_NAME, state_dir);

	return access(kept, F_OK) != 0 && errno == ENOENT;
}

static void tell_state_dir(const struct pipeline *pipeline, const struct pipeline *old)
{
	const char *dir = pipeline->config->state_dir;

	if (old != NULL && strcmp(old->config->state_dir, dir) != 0)
		log_warning("state_dir_changed", KV_STR("state_dir", dir),
		            KV_STR("was", old->config->state_dir),
		            KV_STR("next", "the pins, freezes and last topologies in force are "
		                           "carried over; what the folder held of these clusters "
		                           "does not count"));
	if (old == NULL && pipeline->state_problem == NULL && is_new(dir))
		log_warning("state_dir_new", KV_STR("state_dir", dir),
		            KV_STR("next", "no segue has run with it: pins, freezes and the last "
		                           "timeline that another folder keeps do not count; is "
		                           "state_dir right?"));
	if (pipeline->state_problem != NULL)
		log_error("state_dir_unusable", KV_STR("state_dir", pipeline->config->state_dir),
		          KV_STR("error", pipeline->state_problem),
		          KV_STR("next", "segue works on without it: after its next start an older "
		                         "fact could pass for a newer one, a pin or a freeze is "
		                         "forgotten, and what it held when it was killed may stay "
		                         "held; mend the folder, then restart segue"));
}

static bool compile_template(struct pipeline *pipeline, size_t index, const struct pipeline *old,
                             struct err *err)
{
	const struct config_target *target = &pipeline->config->targets[index];
	const struct cluster *running = find_cluster(old, target->cluster);

	pipeline->templates[index] = view_compile(target, err);
	if (pipeline->templates[index] == NULL && config_locate_var(pipeline->config, target, err))
		return false;
	if (pipeline->templates[index] == NULL)
		return err_wrap(err, "[%s %s] template", config_target_kind_name(target->kind),
		                target->name);
	if (running == NULL)
		return true;
	if (!cluster_try_template(running, target, pipeline->templates[index],
	                          &pipeline->texts[index], err))
		return err_wrap(err, "[%s %s] %s", config_target_kind_name(target->kind),
		                target->name, target->template_file);
	return true;
}

static bool check_owner(const struct config_target *target, struct err *err)
{
	struct file_owner owner;

	if (*target->owner == '\0' || install_owner(target, &owner, err))
		return true;
	return err_wrap(err, "[%s %s]", config_target_kind_name(target->kind), target->name);
}

static bool check_output(const struct config_target *target, struct err *err)
{
	auto_free char *path = install_path(target, err);

	return path != NULL ||
	       err_wrap(err, "[%s %s]", config_target_kind_name(target->kind), target->name);
}

/* The addresses that a target listens on hardly depend on its servers, so the example servers are
 * good enough here. Such a text is emptied again, because a check_command needs the real
 * servers. */
static void find_clashes(struct pipeline *pipeline, struct strbuf *errors)
{
	size_t count = pipeline->config->target_count;
	auto_free bool *made_up = xcalloc(count, sizeof(*made_up));
	auto_string_list struct string_list clashes = {.count = 0};

	for (size_t i = 0; i < count; i++)
		if (pipeline->config->targets[i].kind == CONFIG_TARGET_HAPROXY &&
		    pipeline->templates[i] != NULL && pipeline->texts[i].len == 0)
			made_up[i] = !state_or_example_render(
			    pipeline->config, i, pipeline->templates[i], &pipeline->texts[i]);
	bind_conflicts_find(pipeline->config, pipeline->texts, &clashes);
	for (size_t i = 0; i < clashes.count; i++)
		strbuf_printf(errors, "%s\n", clashes.items[i]);
	pipeline->listeners = listeners_create(pipeline->config, pipeline->texts);
	for (size_t i = 0; i < count; i++)
		if (made_up[i])
			strbuf_reset(&pipeline->texts[i]);
}

/* A new listen address must not be that of the applied primary: the proxy would connect to
 * itself. */
static bool try_listeners(const struct pipeline *pipeline, size_t cluster,
                          const struct pipeline *old, struct err *err)
{
	const char *name = pipeline->config->clusters[cluster].name;
	const struct cluster *running = find_cluster(old, name);

	return running == NULL ||
	       cluster_try_listeners(running, pipeline->listeners, cluster, err) ||
	       err_wrap(err, "[cluster %s] the primary that is applied", name);
}

static void note_failure(struct strbuf *errors, bool ok, const struct err *err)
{
	if (!ok)
		strbuf_printf(errors, "%s\n", err->message);
}

static void prepare_targets(struct pipeline *pipeline, const struct pipeline *old,
                            struct strbuf *errors)
{
	const struct config *config = pipeline->config;
	struct err err;

	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	pipeline->templates = xcalloc(config->target_count, sizeof(*pipeline->templates));
	pipeline->texts = xcalloc(config->target_count, sizeof(*pipeline->texts));
	for (size_t i = 0; i < config->target_count; i++) {
		strbuf_init(&pipeline->texts[i]);
		note_failure(errors, compile_template(pipeline, i, old, &err), &err);
		note_failure(errors, check_owner(&config->targets[i], &err), &err);
		note_failure(errors, check_output(&config->targets[i], &err), &err);
	}
	find_clashes(pipeline, errors);
	for (size_t i = 0; i < config->cluster_count; i++)
		note_failure(errors, try_listeners(pipeline, i, old, &err), &err);
}

struct pipeline *pipeline_prepare(struct event_base *base, const char *file,
                                  const struct pipeline *old, struct strbuf *errors)
{
	struct pipeline *pipeline = xcalloc(1, sizeof(*pipeline));
	size_t before = errors->len;
	struct err err;

	pipeline->base = base;
	pipeline->edition = old != NULL ? old->edition + 1 : 1;
	pipeline->started_us = old != NULL ? old->started_us : clock_now_us();
	pipeline->lock = -1;
	pipeline->config = config_load(file, errors);
	if (pipeline->config != NULL) {
		prepare_targets(pipeline, old, errors);
		pipeline->store =
		    store_prepare(base, pipeline->config, old != NULL ? old->store : NULL, &err);
		note_failure(errors, pipeline->store != NULL, &err);
		note_failure(errors, take_state_dir(pipeline, old, &err), &err);
	}
	if (pipeline->config == NULL || errors->len > before) {
		pipeline_destroy(pipeline);
		return NULL;
	}
	return pipeline;
}

const struct config *pipeline_config(const struct pipeline *pipeline)
{
	return pipeline->config;
}

const struct strbuf *pipeline_texts(const struct pipeline *pipeline)
{
	return pipeline->texts;
}

static void free_texts(struct pipeline *pipeline)
{
	for (size_t i = 0; pipeline->texts != NULL && i < pipeline->config->target_count; i++)
		strbuf_fini(&pipeline->texts[i]);
	free(pipeline->texts);
	pipeline->texts = NULL;
}

static void create_clusters(struct pipeline *pipeline, const struct pipeline *old)
{
	const struct cluster_world world = {.base = pipeline->base,
	                                    .zk = pipeline->store->zk,
	                                    .resolver = pipeline->store->resolver,
	                                    .hub = pipeline->hub,
	                                    .config = pipeline->config,
	                                    .templates = pipeline->templates,
	                                    .listeners = pipeline->listeners,
	                                    .state_problem = pipeline->state_problem};
	size_t count = pipeline->config->cluster_count;

	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	pipeline->clusters = xcalloc(count, sizeof(*pipeline->clusters));
	for (size_t i = 0; i < count; i++) {
		const char *name = pipeline->config->clusters[i].name;

		pipeline->clusters[i] = cluster_create(&world, i, find_cluster(old, name));
		pipeline->cluster_count++;
	}
}

const char *pipeline_store_problem(const struct pipeline *pipeline)
{
	const struct zk *zk = pipeline->store->zk;

	return zk_connected(zk) ? NULL : zk_describe(zk);
}

bool pipeline_set_override(struct pipeline *pipeline, const char *cluster,
                           const struct override *override, struct err *err)
{
	struct cluster *found = find_cluster(pipeline, cluster);

	if (found == NULL)
		return err_set(err, "there is no [cluster %s] in %s", cluster,
		               pipeline->config->file);
	return cluster_set_override(found, override, err);
}

/* --- the beginning and the end --- */

/* The session stays, so the fleet znodes that both pipelines have must stay, too. */
static void pass_fleet_on(const struct pipeline *old, const struct pipeline *next)
{
	if (old == NULL || old->store != next->store)
		return;
	for (size_t i = 0; i < old->cluster_count; i++) {
		const char *name = cluster_config(old->clusters[i])->name;

		cluster_fleet_pass_on(old->clusters[i], find_cluster(next, name));
	}
}

bool pipeline_start(struct pipeline *pipeline, struct pipeline *old, struct err *err)
{
	struct orphaned_outputs *left;

	if (!store_open(pipeline->store, err))
		return false;
	pipeline->hub = target_hub_create(pipeline->base);
	if (old != NULL)
		target_hub_inherit(pipeline->hub, old->hub);
	tell_state_dir(pipeline, old);
	if (old == NULL) {
		haproxy_trial_undo_all(pipeline->config->state_dir);
		orphaned_holds_adopt(pipeline->config);
	}
	left = orphaned_outputs_find(old != NULL ? old->config : NULL, pipeline->config);
	create_clusters(pipeline, old);
	free_texts(pipeline);
	pass_fleet_on(old, pipeline);
	pipeline_destroy(old); /* undoes what it has only tried */
	orphaned_outputs_tell(left);
	pipeline->orphaned_holds = orphaned_holds_release(pipeline->base, pipeline->config);
	pipeline->settle = memory_settle_later(pipeline->base);
	pipeline_look_start(pipeline);
	return true;
}

void pipeline_destroy(struct pipeline *pipeline)
{
	if (pipeline == NULL)
		return;
	orphaned_holds_cancel(pipeline->orphaned_holds);
	for (size_t i = 0; i < pipeline->cluster_count; i++)
		cluster_destroy(pipeline->clusters[i]);
	free(pipeline->clusters);
	timer_free(pipeline->settle);
	timer_free(pipeline->look);
	if (pipeline->hub != NULL)
		target_hub_destroy(pipeline->hub);
	store_close(pipeline->store);
	for (size_t i = 0; pipeline->templates != NULL && i < pipeline->config->target_count; i++)
		mustache_free(pipeline->templates[i]);
	free(pipeline->templates);
	free_texts(pipeline);
	listeners_destroy(pipeline->listeners);
	free(pipeline->state_problem);
	util_cleanup_close(&pipeline->lock);
	config_free(pipeline->config);
	free(pipeline);
}
