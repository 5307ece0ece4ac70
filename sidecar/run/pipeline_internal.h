/* The pipeline object. Only for pipeline.c and surroundings.c. */
#ifndef SEGUE_RUN_PIPELINE_INTERNAL_H
#define SEGUE_RUN_PIPELINE_INTERNAL_H

#include <stdint.h>

#include "cluster/cluster.h"
#include "config/config.h"
#include "run/pipeline.h"
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

/* surroundings.c: checks what is around the targets and may be changed without segue, after the
 * start and then from time to time, until timer_free(pipeline->look). */
void pipeline_look_start(struct pipeline *pipeline);

/* Files that segue wrote for a target that now has another output, or that is no longer in
 * segue.ini. A HAProxy that loads a folder with the old and the new file does not start. */

struct orphaned_outputs;

/* Returns the outputs of `before` that `now` does not have. NULL stands for the configuration of
 * the last run, which state_dir keeps. */
struct orphaned_outputs *orphaned_outputs_find(const struct config *before,
                                               const struct config *now) MUST_CHECK;

/* Logs those that exist, and frees `left`. */
void orphaned_outputs_tell(struct orphaned_outputs *left);

#endif
