/* The pipeline: one loaded configuration and everything that it needs. pipeline_prepare() finds all
 * that can be wrong with a configuration before the running pipeline is touched. */
#include "run/pipeline.h"

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
#include "cluster/cluster.h"
#include "cluster/listeners.h"
#include "cluster/orphaned_holds.h"
#include "cluster/state_file.h"
#include "config/config.h"
#include "config/last_good.h"
#include "haproxy/listening.h"
#include "haproxy/process_args.h"
#include "haproxy/socket.h"
#include "haproxy/trial.h"
#include "render/mustache.h"
#include "render/view.h"
#include "report/fleet.h"
#include "report/metrics.h"
#include "run/bind_conflicts.h"
#include "target/install.h"
#include "target/target.h"
#include "zookeeper/store.h"

struct pipeline {
	struct event_base *base;
	struct config *config;
	struct mustache **templates; /* one per target */
	struct strbuf *texts; /* one per target, until pipeline_start(): see pipeline_texts() */
	struct listeners *listeners;
	int lock;            /* file descriptor of the lock on state_dir; -1: not taken */
	char *state_problem; /* why state_dir cannot be written; NULL: it can */
	struct store *store; /* `old` may have it too, until it is destroyed */
	struct target_hub *hub;
	struct orphaned_holds *orphaned_holds; /* NULL: there are none */
	struct cluster **clusters;
	size_t cluster_count; /* created so far */
	struct timer *settle; /* NULL before the start */
	struct timer *look;   /* NULL before the start */
	unsigned edition;     /* above 0; counts the reloads of the configuration */
	int64_t started_us;   /* of the first edition; clock_now_us() */
};

/* The GET /status document, and readiness. The document is built one cluster at a time, because all
 * of 1,000 clusters take longer than a proxy may have to wait. */

/* Enough digits for microseconds in a move that takes a day, and no 0.51200000000000001. */
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

static void append_json(struct strbuf *text, json_t *json)
{
	auto_free char *dump = json_dumps(json, DUMP_FLAGS);

	strbuf_append_str(text, dump != NULL ? dump : "{}");
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
	                            report_text_json(pipeline->config->state_dir), "config_refused",
	                            report_text_json(refused), "store", "connected",
	                            zk_connected(pipeline->store->zk), "description",
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
	const struct metrics_label version = {"version", SEGUE_VERSION};

	metrics_family(out, "segue_build_info", "gauge", "1 for the version that runs.");
	metrics_sample(out, "segue_build_info", &version, 1, 1);
	metrics_process(out, pipeline->started_us);
	metrics_gauge(out, "segue_store_connected", "1: there is a session with ZooKeeper.",
	              zk_connected(pipeline->store->zk));
	metrics_gauge(out, "segue_clusters", "Clusters in the configuration.",
	              (double)pipeline->cluster_count);
	metrics_family(out, "segue_config_reloads_total", "counter",
	               "Reloads of the configuration that were not refused.");
	metrics_sample(out, "segue_config_reloads_total", NULL, 0, pipeline->edition - 1);
	metrics_gauge(
	    out, "segue_config_refused",
	    "1: the last reload of the configuration was refused, and the previous one is "
	    "in force.",
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

/* Only one process may use state_dir: two would overwrite each other's files and drive the same
 * proxies. If the folder cannot be used, segue works without saved state: without segue clients
 * would not be led anywhere at all. */
static bool take_state_dir(struct pipeline *pipeline, const struct pipeline *old, struct err *err)
{
	const char *dir = pipeline->config->state_dir;
	auto_free char *lock = xasprintf("%s/.lock", dir);
	struct err problem = {0}, locked;

	if (mkdir(dir, 0750) != 0 && errno != EEXIST)
		err_set_errno(&problem, errno, "cannot create %s", dir);
	else if (access(dir, W_OK) != 0)
		err_set_errno(&problem, errno, "cannot write to %s", dir);
	if (old != NULL && old->lock >= 0 && strcmp(old->config->state_dir, dir) == 0) {
		pipeline->lock = fcntl(old->lock, F_DUPFD_CLOEXEC, 0);
	} else if ((pipeline->lock = file_lock(lock, &locked)) < 0) {
		if (errno == EWOULDBLOCK)
			return err_set(err, "[segue] state_dir: %s", locked.message);
		if (*problem.message == '\0')
			problem = locked;
	}
	if (*problem.message != '\0')
		pipeline->state_problem = xstrdup(problem.message);
	return true;
}

/* Each run keeps its configuration in state_dir: a folder without one is new. */
static void tell_state_dir(const struct pipeline *pipeline, const struct pipeline *old)
{
	const char *dir = pipeline->config->state_dir;
	auto_free char *kept = xasprintf("%s/" LAST_CONFIG_NAME, dir);

	if (old != NULL && strcmp(old->config->state_dir, dir) != 0)
		log_warning("state_dir_changed", KV_STR("state_dir", dir),
		            KV_STR("was", old->config->state_dir),
		            KV_STR("next", "the pins, freezes and last topologies in force are "
		                           "carried over; what the folder held of these clusters "
		                           "does not count"));
	if (old == NULL && pipeline->state_problem == NULL && access(kept, F_OK) != 0 &&
	    errno == ENOENT)
		log_warning(
		    "state_dir_new", KV_STR("state_dir", dir),
		    KV_STR("next",
		           "this folder was never used by segue: pins, freezes and timelines in "
		           "another folder do not count; is state_dir right?"));
	if (pipeline->state_problem != NULL)
		log_error(
		    "state_dir_unusable", KV_STR("state_dir", dir),
		    KV_STR("error", pipeline->state_problem),
		    KV_STR(
		        "next",
		        "segue runs without it: after a restart an old value of the store could be "
		        "taken for a new one, a pin or a freeze is lost, and what segue held when "
		        "it was killed may stay held; repair the folder, then restart segue"));
}

static void prepare_target(struct pipeline *pipeline, size_t index, const struct pipeline *old,
                           struct strbuf *errors)
{
	const struct config_target *target = &pipeline->config->targets[index];
	const struct cluster *running = find_cluster(old, target->cluster);
	struct mustache *template = NULL;
	struct strbuf *text = &pipeline->texts[index];
	auto_free char *section =
	    xasprintf("[%s %s]", config_target_kind_name(target->kind), target->name);
	auto_free char *path = NULL;
	struct file_owner owner;
	struct err err;

	strbuf_init(text);
	template = pipeline->templates[index] = view_compile(target, &err);
	if (template == NULL && config_locate_var(pipeline->config, target, &err))
		strbuf_printf(errors, "%s\n", err.message);
	else if (template == NULL)
		strbuf_printf(errors, "%s template: %s\n", section, err.message);
	else if (running != NULL && !cluster_try_template(running, target, template, text, &err))
		strbuf_printf(errors, "%s %s: %s\n", section, target->template_file, err.message);
	if (*target->owner != '\0' && !install_owner(target, &owner, &err))
		strbuf_printf(errors, "%s: %s\n", section, err.message);
	path = install_path(target, &err);
	if (path == NULL)
		strbuf_printf(errors, "%s: %s\n", section, err.message);
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

static void prepare_targets(struct pipeline *pipeline, const struct pipeline *old,
                            struct strbuf *errors)
{
	const struct config *config = pipeline->config;
	struct err err;

	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	pipeline->templates = xcalloc(config->target_count, sizeof(*pipeline->templates));
	pipeline->texts = xcalloc(config->target_count, sizeof(*pipeline->texts));
	for (size_t i = 0; i < config->target_count; i++)
		prepare_target(pipeline, i, old, errors);
	find_clashes(pipeline, errors);
	/* A new listen address must not be that of the applied primary: the proxy would connect to
	 * itself. */
	for (size_t i = 0; i < config->cluster_count; i++) {
		const char *name = config->clusters[i].name;
		const struct cluster *running = find_cluster(old, name);

		if (running != NULL &&
		    !cluster_try_listeners(running, pipeline->listeners, i, &err))
			strbuf_printf(errors, "[cluster %s] the primary that is applied: %s\n",
			              name, err.message);
	}
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
		if (pipeline->store == NULL)
			strbuf_printf(errors, "%s\n", err.message);
		if (!take_state_dir(pipeline, old, &err))
			strbuf_printf(errors, "%s\n", err.message);
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
	/* The session stays, so the fleet znodes that both pipelines have must stay, too. */
	for (size_t i = 0; old != NULL && old->store == pipeline->store && i < old->cluster_count;
	     i++)
		cluster_fleet_pass_on(
		    old->clusters[i],
		    find_cluster(pipeline, cluster_config(old->clusters[i])->name));
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

/* --- what is around the targets, and may be changed without segue ---
 *
 * HAProxy's own files, which may listen where a rendered text does, its master socket, and the
 * folders of the outputs, in which a new file must be possible when a primary is to be followed.
 * Looked at after the start and then from time to time, with the lowest priority. */

#define LOOK_EVERY_MS 30000

struct look {
	const struct pipeline *pipeline;
	struct strbuf *alarms; /* one per target */
	char *folder;          /* the last one that was tried; NULL: none */
	int error;             /* errno of that; 0: a file can be made there */
};

static struct strbuf *alarm_of(const struct look *look, const struct config_target *target)
{
	struct strbuf *alarm = &look->alarms[target - look->pipeline->config->targets];

	strbuf_append_str(alarm, alarm->len > 0 ? "; " : "");
	return alarm;
}

static void take_shared(const struct config_target *target, const struct haproxy_bind *rendered,
                        const char *file, const struct haproxy_bind *own, void *arg)
{
	strbuf_printf(alarm_of(arg, target),
	              "%s listens at %s (%s), and so does %s, at %s: clients reach either by "
	              "chance: " LISTENERS_SHARED_CURE,
	              file, own->spelled, own->section_name, target->output, rendered->spelled);
}

static void look_at_haproxy(const struct look *look, const struct config_target *first)
{
	const struct pipeline *pipeline = look->pipeline;
	struct string_list arguments = {.count = 0}, files = {.count = 0};
	int64_t pid = haproxy_is_elsewhere(first->socket) ? -1 : haproxy_pid_at(first->socket);

	if (pid >= 0 && haproxy_started_with(first, pid, &arguments) != HAPROXY_STARTED_UNKNOWN) {
		haproxy_started_own_files(pipeline->config, &arguments, &files);
		listeners_find_shared(pipeline->listeners, first->socket, &files, false,
		                      take_shared, (void *)look);
	}
	string_list_free(&files);
	string_list_free(&arguments);
}

/* Most targets share one folder, so the last result is used again. */
static void look_at_folder(struct look *look, const struct config_target *target)
{
	struct err ignored; /* a mount point or a link, which the start refuses */
	auto_free char *path = install_path(target, &ignored), *folder = NULL, *cure = NULL;

	if (path == NULL)
		return;
	folder = xstrndup(path, (size_t)(strrchr(path, '/') + 1 - path));
	if (look->folder == NULL || strcmp(look->folder, folder) != 0) {
		look->error = file_can_create(folder) ? 0 : errno;
		free(look->folder);
		look->folder = STEAL(folder);
	}
	if (look->error == 0)
		return;
	cure = install_folder_cure(look->folder, look->error);
	strbuf_printf(alarm_of(look, target), "cannot create a file in %s, to replace %s: %s: %s",
	              look->folder, path, strerror(look->error), cure);
}

/* Without access to it HAProxy is not reloaded, and the sessions of its old workers are not
 * ended. */
static void look_at_master(const struct look *look, const struct config_target *target)
{
	auto_free char *shut = haproxy_socket_shut(target->master_socket);

	if (shut != NULL)
		strbuf_printf(alarm_of(look, target),
		              "HAProxy cannot be reloaded, and sessions of old workers cannot be "
		              "ended: master_socket %s: Permission denied: %s",
		              target->master_socket, shut);
}

static void on_look(void *arg)
{
	const struct pipeline *pipeline = arg;
	const struct config *config = pipeline->config;
	struct look look = {.pipeline = pipeline,
	                    .alarms = xcalloc(config->target_count, sizeof(*look.alarms))};

	timer_start(pipeline->look, LOOK_EVERY_MS);
	for (size_t i = 0; i < config->target_count; i++)
		strbuf_init(&look.alarms[i]);
	for (size_t i = 0; i < config->target_count; i++) {
		const struct config_target *target = &config->targets[i];

		look_at_folder(&look, target);
		if (target->kind != CONFIG_TARGET_HAPROXY)
			continue;
		look_at_master(&look, target);
		if (config_haproxy_first(config, i) == i)
			look_at_haproxy(&look, target);
	}
	for (size_t i = 0; i < config->target_count; i++) {
		const struct config_target *target = &config->targets[i];

		cluster_set_alarm(pipeline->clusters[target->cluster_index], target,
		                  look.alarms[i].data);
		strbuf_fini(&look.alarms[i]);
	}
	free(look.alarms);
	free(look.folder);
}

/* --- the beginning and the end --- */

static bool has_output(const struct config *config, const char *output)
{
	for (size_t i = 0; i < config->target_count; i++)
		if (strcmp(config->targets[i].output, output) == 0)
			return true;
	return false;
}

/* Frees all but the configuration, and returns that. */
static struct config *dissolve(struct pipeline *pipeline)
{
	struct config *config = pipeline->config;

	orphaned_holds_cancel(pipeline->orphaned_holds);
	for (size_t i = 0; i < pipeline->cluster_count; i++)
		cluster_destroy(pipeline->clusters[i]);
	free(pipeline->clusters);
	timer_free(pipeline->settle);
	timer_free(pipeline->look);
	if (pipeline->hub != NULL)
		target_hub_destroy(pipeline->hub);
	store_close(pipeline->store);
	for (size_t i = 0; pipeline->templates != NULL && i < config->target_count; i++)
		mustache_free(pipeline->templates[i]);
	free(pipeline->templates);
	free_texts(pipeline);
	listeners_destroy(pipeline->listeners);
	free(pipeline->state_problem);
	util_cleanup_close(&pipeline->lock);
	free(pipeline);
	return config;
}

void pipeline_destroy(struct pipeline *pipeline)
{
	if (pipeline != NULL)
		config_free(dissolve(pipeline));
}

/* Files that segue wrote for a target that now has another output, or that is no longer in
 * segue.ini. A HAProxy that loads a folder with the old and the new file does not start. No file is
 * removed, because somebody may have taken it over. `before`: NULL, or freed here. */
static void log_orphaned_outputs(struct config *before, const struct config *now)
{
	for (size_t i = 0; before != NULL && i < before->target_count; i++) {
		const struct config_target *target = &before->targets[i];

		if (!has_output(now, target->output) && access(target->output, F_OK) == 0)
			log_warning("output_left", KV_STR("target", CONFIG_LABEL(target)),
			            KV_STR("file", target->output),
			            KV_STR("next", "segue wrote this file and no longer updates "
			                           "it: remove it, or configure it as the output "
			                           "again: a HAProxy that loads the old and the "
			                           "new file does not start"));
	}
	config_free(before);
}

bool pipeline_start(struct pipeline *pipeline, struct pipeline *old, struct err *err)
{
	struct config *before;

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
	create_clusters(pipeline, old);
	free_texts(pipeline);
	/* dissolve() undoes what `old` has only tried */
	before = old != NULL ? dissolve(old) : last_good_before(pipeline->config);
	log_orphaned_outputs(before, pipeline->config);
	pipeline->orphaned_holds = orphaned_holds_release(pipeline->base, pipeline->config);
	pipeline->settle = memory_settle_later(pipeline->base);
	pipeline->look = timer_new(pipeline->base, on_look, pipeline);
	timer_set_priority(pipeline->look, CLUSTER_PRIORITY_LATER);
	timer_fire(pipeline->look);
	return true;
}
