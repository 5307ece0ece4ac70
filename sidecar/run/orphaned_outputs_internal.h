/* Files that segue wrote for a target whose output is another one now, or that segue.ini has no
 * more: HAProxy would load the old and the new one of a folder, and start with neither. */
#ifndef SEGUE_RUN_ORPHANED_OUTPUTS_INTERNAL_H
#define SEGUE_RUN_ORPHANED_OUTPUTS_INTERNAL_H

#include "config/config.h"

struct orphaned_outputs;

/* The outputs of `before` (NULL: of what state_dir keeps of the last run) that `now` does not have.
 */
struct orphaned_outputs *orphaned_outputs_find(const struct config *before,
                                               const struct config *now) MUST_CHECK;

/* Tells of those that are there, and frees. */
void orphaned_outputs_tell(struct orphaned_outputs *left);

#endif
