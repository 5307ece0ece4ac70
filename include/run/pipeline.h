/* The pipeline: everything that one loaded configuration needs, from the ZooKeeper session to the
 * targets. It is replaced as a whole, and only by one that has passed all checks. */
#ifndef SEGUE_RUN_PIPELINE_H
#define SEGUE_RUN_PIPELINE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "decide/override.h"
#include "report/endpoint.h"

struct event_base;
struct pipeline;

/* Loads `file`, compiles every template, looks up every owner and output, reads auth_file, and
 * finds addresses that HAProxy would listen on twice or that another process has. With `old`, it
 * also renders what is applied now. Appends every problem to `errors`, one per line, and returns
 * NULL if there is any. Starts nothing yet. */
struct pipeline *pipeline_prepare(struct event_base *base, const char *file,
                                  const struct pipeline *old, struct strbuf *errors) MUST_CHECK;

const struct config *pipeline_config(const struct pipeline *pipeline);

/* The text that each target would get with what is applied now; empty if nothing is applied.
 * Borrowed until pipeline_start(). */
const struct strbuf *pipeline_texts(const struct pipeline *pipeline);

/* Appends the next part of the GET /status document. Returns false after the last part. If the
 * pipeline was replaced since the last call, it empties `text` and starts again. `refused`: why the
 * configuration file is not the one in use, or NULL. */
bool pipeline_status(const struct pipeline *pipeline, const char *refused, struct report_cursor *at,
                     struct strbuf *text) MUST_CHECK;

/* The same for GET /metrics. */
bool pipeline_metrics(const struct pipeline *pipeline, bool refused, struct report_cursor *at,
                      struct strbuf *text) MUST_CHECK;

/* Returns true if every target of every cluster is confirmed on a primary that was admitted or that
 * the operator named. A change is not reported: ask again. */
bool pipeline_is_ready(const struct pipeline *pipeline) MUST_CHECK;

/* Appends what a person has to know of the clusters, one line each, the worst cluster first: why a
 * cluster is not ready, and what else is unusual. */
void pipeline_headlines(const struct pipeline *pipeline, struct strbuf *out);

/* What is wrong with the ZooKeeper session; NULL: nothing, it is connected. */
const char *pipeline_store_problem(const struct pipeline *pipeline);

/* Sets the override of the operator on the cluster of that name; see cluster_set_override(). */
bool pipeline_set_override(struct pipeline *pipeline, const char *cluster,
                           const struct override *override, struct err *err) MUST_CHECK;

/* Starts the pipeline. `old` (may be NULL) hands over what it has applied and is destroyed; what it
 * had in progress is cancelled. On failure (no resolver, no session handle) `old` keeps running. */
bool pipeline_start(struct pipeline *pipeline, struct pipeline *old, struct err *err) MUST_CHECK;
void pipeline_destroy(struct pipeline *pipeline);

#endif
