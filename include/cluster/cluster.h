/* One cluster in the sidecar: its watcher, its verifier, its targets, and what was applied last.
 * The watcher and the verifier supply facts, decide() chooses what to do, and the rendered texts go
 * to the targets. */
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

/* What a cluster uses. All of it is borrowed and must outlive the cluster. */
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
	CLUSTER_PRIORITY_LATER, /* for state files and the log: the proxies are moved before that */
	CLUSTER_PRIORITIES,
};

/* `previous` is the same cluster before a reload of the configuration, or NULL. What `previous` has
 * applied is taken over if it used the same store; otherwise it is read from the state file.
 * Nothing is applied inside the call. */
struct cluster *cluster_create(const struct cluster_world *world, size_t index,
                               struct cluster *previous) MUST_CHECK;
void cluster_destroy(struct cluster *cluster); /* first saves what is not on disk yet */

/* For a reload that keeps the ZooKeeper session: if `next` uses the same fleet znode, this cluster
 * leaves the znode there. */
void cluster_fleet_pass_on(struct cluster *cluster, const struct cluster *next);

const struct config_cluster *cluster_config(const struct cluster *cluster);

/* Returns false with an error if a HAProxy of this cluster, which listens as `listeners` says,
 * would connect to itself with the primary that is applied. `index` is the cluster's index in the
 * configuration of `listeners`. */
bool cluster_try_listeners(const struct cluster *cluster, const struct listeners *listeners,
                           size_t index, struct err *err) MUST_CHECK;

/* Sets the override of the operator (pin, freeze or none). It is written to disk first and followed
 * at once. Returns false if it cannot be followed or cannot be written; nothing is changed then. */
bool cluster_set_override(struct cluster *cluster, const struct override *override,
                          struct err *err) MUST_CHECK;

/* Sets what is wrong around this target of the configuration, for a person to fix; "": nothing.
 * Logged when it changes. */
void cluster_set_alarm(const struct cluster *cluster, const struct config_target *target,
                       const char *alarm);

/* This cluster in the GET /status document; a new reference. */
json_t *cluster_status(const struct cluster *cluster) MUST_CHECK;

/* See pipeline_is_ready(). */
bool cluster_is_ready(const struct cluster *cluster) MUST_CHECK;

/* The levels of the status page. */
enum cluster_level {
	CLUSTER_WELL,
	CLUSTER_BUSY,  /* it ends by itself */
	CLUSTER_WATCH, /* a person should look */
	CLUSTER_BAD,   /* clients wait or get errors, or may soon do so */
	CLUSTER_LEVELS,
};

/* Appends what a person has to know, one line each, the worst first. Appends nothing if all is
 * well. Returns the worst level of the lines. */
enum cluster_level cluster_headlines(const struct cluster *cluster, const char *prefix,
                                     struct strbuf *out);

/* The metric families that have a sample for each cluster, target or server, numbered from 0. They
 * are written family by family, as Prometheus requires. */
size_t cluster_metric_count(void);
void cluster_metric_head(size_t index, struct strbuf *out);
void cluster_metric_samples(size_t index, const struct cluster *cluster, struct strbuf *out);

/* Checks whether a new template can take over. Renders what is applied now through `template`,
 * appends the text to `text`, and reads it as `target` would. Returns true and appends nothing if
 * nothing has been applied yet. */
bool cluster_try_template(const struct cluster *cluster, const struct config_target *target,
                          const struct mustache *template, struct strbuf *text,
                          struct err *err) MUST_CHECK;

#endif
