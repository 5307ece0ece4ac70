/* The configuration that a segue run has accepted last, kept in its state_dir: whoever breaks
 * segue.ini while clients are held must not keep `segue resume` from letting them go. */
#ifndef SEGUE_CONFIG_LAST_GOOD_H
#define SEGUE_CONFIG_LAST_GOOD_H

#include "config/config.h"

#define LAST_CONFIG_NAME "last.ini" /* in state_dir */

/* Keeps config->file's text; a failure is a warning in the log. Does not wait for the disk. */
void last_good_keep(const struct config *config);

/* What is kept in now->state_dir, where it is another text than `now`. NULL: it is not, or none
 * that could be loaded. */
struct config *last_good_before(const struct config *now) MUST_CHECK;

/* The one kept in $STATE_DIRECTORY (systemd sets it), or else in the default state_dir. NULL with
 * the reason in `errors` where there is none. */
struct config *last_good_load(struct strbuf *errors) MUST_CHECK;

#endif
