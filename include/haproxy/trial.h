/* A file of HAProxy's that is installed for a reload which has not been confirmed yet: until then
 * what was there before is kept, and put back when segue ends, or is configured anew, before
 * HAProxy has loaded the new one. "<state_dir>/haproxy-NAME.tried" keeps it for a segue that is
 * killed. */
#ifndef SEGUE_HAPROXY_TRIAL_H
#define SEGUE_HAPROXY_TRIAL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "haproxy/model/config.h"

/* Before the file is installed at `path`. `previous` NULL: there was none. */
bool haproxy_trial_note(const char *note, const char *path, const struct strbuf *previous,
                        struct err *err) MUST_CHECK;
void haproxy_trial_forget(const char *note); /* if it is there */

/* Puts `previous` back, with the servers of `now` (NULL: as it is), or removes the file where
 * `previous` is NULL. Waits for the disk. */
bool haproxy_trial_undo(const char *path, const struct strbuf *previous,
                        const struct haproxy_config *now, const struct file_owner *owner,
                        struct err *err) MUST_CHECK;

/* At the start of segue, before the targets are made: undoes what the notes in state_dir say, with
 * the servers of the files that are there now. */
void haproxy_trial_undo_all(const char *state_dir);

#endif
