/* A copy of the last configuration that `segue run` has accepted, in its state_dir. With it `segue
 * resume` can release held clients even if segue.ini has been broken since. */
#ifndef SEGUE_CONFIG_LAST_GOOD_H
#define SEGUE_CONFIG_LAST_GOOD_H

#include "config/config.h"

#define LAST_CONFIG_NAME "last.ini" /* in state_dir */

/* Saves the text of config->file. A failure is logged as a warning. Calls no fsync. */
void last_good_keep(const struct config *config);

/* Loads the copy in now->state_dir if its text differs from that of `now`. NULL if it is the same,
 * is missing, or cannot be loaded. Caller frees. */
struct config *last_good_before(const struct config *now) MUST_CHECK;

/* Loads the copy in $STATE_DIRECTORY (set by systemd), or else in the default state_dir. On failure
 * returns NULL with the reason in `errors`. Caller frees. */
struct config *last_good_load(struct strbuf *errors) MUST_CHECK;

#endif
