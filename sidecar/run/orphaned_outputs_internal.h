/* Files that segue wrote for a target that now has another output, or that is no longer in
 * segue.ini. A HAProxy that loads a folder with the old and the new file does not start. */
#ifndef SEGUE_RUN_ORPHANED_OUTPUTS_INTERNAL_H
#define SEGUE_RUN_ORPHANED_OUTPUTS_INTERNAL_H

#include "config/config.h"

struct orphaned_outputs;

/* Returns the outputs of `before` that `now` does not have. NULL stands for the configuration of
 * the last run, which state_dir keeps. */
struct orphaned_outputs *orphaned_outputs_find(const struct config *before,
                                               const struct config *now) MUST_CHECK;

/* Logs those that exist, and frees `left`. */
void orphaned_outputs_tell(struct orphaned_outputs *left);

#endif
