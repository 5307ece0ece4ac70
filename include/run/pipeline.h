/* The pipeline: everything that one loaded configuration asks for, from the ZooKeeper session to
 * the targets. It is replaced as a whole, and only by one that is known to be good. */
#ifndef SEGUE_RUN_PIPELINE_H
#define SEGUE_RUN_PIPELINE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "decide/override.h"
#include "report/cursor.h"

struct event_base;
struct pipeline;

/* Loads `file`, compiles every template, looks up every owner and output, reads auth_file, and
 * finds addresses that HAProxy would listen on twice, or that another process has; with `old`, also
 * renders what is applied now. Every problem is appended to `errors`, one a line; NULL when there
 * is one. Starts nothing yet. */
struct pipeline *pipeline_prepare(struct event_base *base, const char *file,
                                  const struct pipeline *old, struct strbuf *errors) MUST_CHECK;

const struct config *pipeline_config(const struct pipeline *pipeline);

/* What each target would have to hold with what is applied now; empty where nothing is. Borrowed
 * until pipeline_start(). */
const struct strbuf *pipeline_texts(const struct pipeline *pipeline);

/* Appends the next part of the document of GET /status; false: that was the last one. May start
 * anew, with an empty `text`, as the pipeline may be another one by now. `refused`: why the file is
 * not what runs, or NULL. */
bool pipeline_status(const struct pipeline *pipeline, const char *refused, struct report_cursor *at,
                     struct strbuf *text) MUST_CHECK;

/* The same for GET /metrics. */
bool pipeline_metrics(const struct pipeline *pipeline, bool refused, struct report_cursor *at,
                      struct strbuf *text) MUST_CHECK;

/* Is every target of every cluster confirmed on a primary that was admitted, or that the operator
 * named? To be asked again. */
bool pipeline_is_ready(const struct pipeline *pipeline) MUST_CHECK;

/* Appends what a person has to know of the clusters, one line each, the worst cluster first: why it
 * is not ready, and what else is not as usual. */
void pipeline_headlines(const struct pipeline *pipeline, struct strbuf *out);

/* What is wrong with the session to ZooKeeper; NULL: nothing, it is connected. */
const char *pipeline_store_problem(const struct pipeline *pipeline);

/* The operator's word on the cluster of that name. */
bool pipeline_set_override(struct pipeline *pipeline, const char *cluster,
                           const struct override *override, struct err *err) MUST_CHECK;

/* Starts it; `old` (may be NULL) hands over what it has applied and is destroyed, whatever it had
 * in flight cancelled. On failure (no resolver, no session handle) `old` is left running. */
bool pipeline_start(struct pipeline *pipeline, struct pipeline *old, struct err *err) MUST_CHECK;
void pipeline_destroy(struct pipeline *pipeline);

#endif
