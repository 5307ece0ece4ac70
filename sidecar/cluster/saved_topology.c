/* Saves the last applied topology of a cluster to disk, after the proxies have been moved. One save
 * runs at a time; later changes go into the next one. Only the save at the end of the cluster waits
 * for the disk. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/file_writer.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "base/timer.h"
#include "cluster/state_file.h"
#include "cluster_internal.h"
#include "target/target.h"

#define SAVE_CONFIRMED_MS 10  /* clusters that move at the same moment come first */
#define SAVE_NOW_MS       100 /* even if a proxy has not confirmed yet */
#define SAVE_LAZY_MS      60000
#define SAVE_RETRY_MS     10000

/* Does not save while a proxy waits for its command, while this change waits for its confirmation,
 * or while, at the start, the next of many clusters waits for its turn. */
void cluster_save_later(struct cluster *cluster, int64_t after_ms)
{
	int64_t ms = clock_jitter_ms(after_ms);

	cluster->unsaved = true;
	if (cluster->save_at_ms != 0 && cluster->save_at_ms <= clock_now_ms() + ms)
		return;
	cluster->save_at_ms = clock_now_ms() + ms;
	timer_start(cluster->persist, ms);
}

/* A timeline that has become known or higher is saved soon, because an old primary is refused by
 * it. */
void cluster_save_move(struct cluster *cluster, bool urgent, bool news)
{
	bool known = cluster->applied.topology.timeline == cluster->saved_timeline;

	cluster->save_when_confirmed = cluster->save_when_confirmed || urgent;
	cluster_save_later(cluster, !urgent && news    ? CLUSTER_SAVE_AFTER_MS
	                            : urgent || !known ? SAVE_NOW_MS
	                                               : SAVE_LAZY_MS);
}

void cluster_save_confirmed(struct cluster *cluster)
{
	if (!cluster->save_when_confirmed)
		return;
	for (size_t i = 0; i < cluster->target_count; i++)
		if (!cluster_has_confirmed(cluster, &cluster->targets[i]))
			return;
	cluster->save_when_confirmed = false;
	cluster_save_later(cluster, SAVE_CONFIRMED_MS);
}

static void not_saved(struct cluster *cluster, const struct err *err)
{
	free(cluster->state_problem);
	cluster->state_problem = xstrdup(err->message);
	timer_fire(cluster->tick); /* raises the alarm */
	log_error("state_not_saved", KV_STR("cluster", cluster->config->name),
	          KV_INT("zxid", cluster->applied.zxid), KV_ERR(err),
	          KV_STR("next", "tried again every 10 s; if segue restarts before that, it cannot "
	                         "tell an old value of the store from a new one"));
	cluster_save_later(cluster, SAVE_RETRY_MS);
}

/* Returns true if there is something to save. It counts as saved from here on. */
static bool take_up(struct cluster *cluster)
{
	bool wanted = cluster->unsaved;

	cluster->save_at_ms = 0;
	cluster->unsaved = cluster->save_when_confirmed = false;
	cluster->saving_timeline = cluster->applied.topology.timeline;
	return wanted;
}

static void start_save(struct cluster *cluster);

static void saved_cb(const struct err *problem, void *arg)
{
	struct cluster *cluster = arg;
	struct err err;

	cluster->saving = NULL;
	if (problem == NULL) {
		cluster->saved_timeline = cluster->saving_timeline;
		free(STEAL(cluster->state_problem));
	} else {
		err = *problem;
		err_wrap(&err, STATE_NOT_WRITTEN);
		not_saved(cluster, &err);
	}
	if (cluster->unsaved && cluster->save_at_ms == 0)
		start_save(cluster);
}

static void start_save(struct cluster *cluster)
{
	auto_free char *path = NULL;
	auto_free char *staged = NULL;
	struct err err;

	if (!take_up(cluster))
		return;
	staged = state_stage(cluster->segue->state_dir, cluster->config,
	                     cluster->segue->zookeeper_hosts, &cluster->applied, &path, &err);
	if (staged == NULL)
		not_saved(cluster, &err);
	else
		cluster->saving =
		    file_writer_commit(cluster->file_writer, staged, path, saved_cb, cluster);
}

/* If a save is running, its end starts the next one. */
void cluster_on_persist(void *arg)
{
	struct cluster *cluster = arg;

	cluster->save_at_ms = 0;
	if (cluster->saving == NULL)
		start_save(cluster);
}

/* The result of a save that is running will not be reported any more, so the save is repeated. */
void cluster_save_last(struct cluster *cluster)
{
	struct err err;

	if (cluster->saving != NULL) {
		file_writer_cancel(STEAL(cluster->saving));
		cluster->unsaved = true;
	}
	if (take_up(cluster) &&
	    !state_save(cluster->segue->state_dir, cluster->config, cluster->segue->zookeeper_hosts,
	                &cluster->applied, &err))
		not_saved(cluster, &err);
}

void cluster_load(struct cluster *cluster, const char *state_dir)
{
	struct strbuf auto_strbuf note = STRBUF_INIT;
	struct err err;

	if (!state_load(state_dir, cluster->config, cluster->segue->zookeeper_hosts,
	                &cluster->applied, &note, &err))
		log_error("state_unusable", KV_STR("cluster", cluster->config->name), KV_ERR(&err),
		          KV_STR("next", "going on as if nothing had been applied yet"));
	cluster->saved_timeline = cluster->applied.topology.timeline;
	if (note.len > 0)
		log_warning("state_note", KV_STR("cluster", cluster->config->name),
		            KV_STR("note", note.data));
}
