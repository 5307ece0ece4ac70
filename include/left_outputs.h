/* Files that segue wrote for a target whose output is another one now, or that segue.ini has no
 * more: HAProxy would load the old and the new one of a folder, and start with neither. */
#ifndef SEGUE_LEFT_OUTPUTS_H
#define SEGUE_LEFT_OUTPUTS_H

#include "config.h"

struct left_outputs;

/* The outputs of `before` (NULL: of what state_dir keeps of the last run) that `now` does not have.
 */
struct left_outputs *left_outputs_find(const struct config *before,
                                       const struct config *now) MUST_CHECK;

/* Tells of those that are there, and frees. */
void left_outputs_tell(struct left_outputs *left);

#endif
