/* A cluster as the sidecar runs it: its watcher, its targets, and what was applied last. Facts come
 * from the watcher, decide() says what to do, the rendered texts go to the targets. */
#ifndef SEGUE_CLUSTER_CLUSTER_H
#define SEGUE_CLUSTER_CLUSTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "config/config.h"
#include "decide/override.h"
#include "render/mustache.h"

struct cluster;
struct event_base;
struct listeners;
struct resolver;
struct target_hub;
struct zk;

/* What a cluster works with; borrowed, outlives it. */
struct cluster_world {
	struct event_base *base; /* with at least CLUSTER_PRIORITIES priorities */
	struct zk *zk;
	struct resolver *resolver;
	struct target_hub *hub;
	const struct config *config;
	struct mustache *const *templates; /* one per config->targets entry */
	const struct listeners *listeners;
	const char *state_problem; /* why state_dir cannot be written; NULL: it can */
};

enum {
	CLUSTER_PRIORITY_NORMAL = 1,
	CLUSTER_PRIORITY_LATER, /* state files and the log: never before a proxy has been moved */
	CLUSTER_PRIORITIES,
};

/* `previous`: the same cluster before a reload of the configuration, or NULL; what it had applied
 * goes on. Otherwise the state file says it. Nothing is applied inside the call. */
struct cluster *cluster_create(const struct cluster_world *world, size_t index,
                               struct cluster *previous) MUST_CHECK;
void cluster_destroy(struct cluster *cluster); /* persists first what is not yet on disk */

/* After a reload, where the session is the same: if `next` keeps the same znode in the fleet, this
 * one leaves it there. */
void cluster_fleet_pass_on(struct cluster *cluster, const struct cluster *next);

const struct config_cluster *cluster_config(const struct cluster *cluster);

/* False, with words, when a HAProxy that listens as `listeners` says would be led to itself by what
 * is applied. `index`: the cluster's in their configuration. */
bool cluster_try_listeners(const struct cluster *cluster, const struct listeners *listeners,
                           size_t index, struct err *err) MUST_CHECK;

/* The operator's word: kept on disk first, then followed at once. False: it cannot be followed, or
 * could not be kept, and nothing is changed. */
bool cluster_set_override(struct cluster *cluster, const struct override *override,
                          struct err *err) MUST_CHECK;

/* What is wrong around this target of the configuration, for a person to mend; "": nothing. Logged
 * when it is news. */
void cluster_set_alarm(const struct cluster *cluster, const struct config_target *target,
                       const char *alarm);

/* This cluster in the document of GET /status; a new reference. */
json_t *cluster_status(const struct cluster *cluster) MUST_CHECK;

/* NULL and "" become null; what is no UTF-8 is escaped, as no JSON can hold it. */
json_t *cluster_text_json(const char *text) MUST_CHECK;

/* See pipeline_is_ready(). */
bool cluster_is_ready(const struct cluster *cluster) MUST_CHECK;

/* As the status page has them. */
enum cluster_level {
	CLUSTER_WELL,
	CLUSTER_BUSY,  /* it passes by itself */
	CLUSTER_WATCH, /* to be looked at */
	CLUSTER_BAD,   /* clients wait or get errors, or may do so soon */
	CLUSTER_LEVELS,
};

/* Appends what a person has to know, one line each, the worst first; nothing where all is well.
 * Returns the worst level of them. */
enum cluster_level cluster_headlines(const struct cluster *cluster, const char *prefix,
                                     struct strbuf *out);

/* The families of metrics that there is a sample of for each cluster, target or server; numbered
 * from 0. They are made family by family, as Prometheus wants it. */
size_t cluster_metric_count(void);
void cluster_metric_head(size_t index, struct strbuf *out);
void cluster_metric_samples(size_t index, const struct cluster *cluster, struct strbuf *out);

/* Appends to `text` what is applied now, rendered through `template`, and reads it as `target`
 * would: whether a new template can take over. True, and nothing appended, when nothing has been
 * applied yet. */
bool cluster_try_template(const struct cluster *cluster, const struct config_target *target,
                          const struct mustache *template, struct strbuf *text,
                          struct err *err) MUST_CHECK;

#endif
