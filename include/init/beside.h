/* A segue.ini that is there already, and a further proxy: what its section may be called, which
 * cluster it follows, and whether the file has it already. */
#ifndef SEGUE_INIT_BESIDE_H
#define SEGUE_INIT_BESIDE_H

#include <stdbool.h>

#include "base/err.h"
#include "config.h"
#include "init/plan.h"

/* Sets options->beside, ->cluster where it is NULL (the file's only one) and ->target (the caller
 * frees `*target`). False where there are several clusters, and none is named. */
bool append_choose(const struct config *config, struct init_options *options, char **target,
                   struct err *err) MUST_CHECK;

/* The section that drives the plan's proxy for the plan's cluster already; NULL: none. */
const struct config_target *append_find_same(const struct config *config,
                                             const struct init_plan *plan);

/* The cluster is one of the file's. */
bool append_has_cluster(const struct config *config, const char *cluster);

/* With the plan's, the file has a HAProxy and a PgBouncer. */
bool append_makes_both(const struct init_plan *plan);

/* Then, with the units of segue's package: what lets that of PgBouncer drive both. */
void append_both_steps(struct init_plan *plan);

#endif
