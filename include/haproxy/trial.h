/* Undo of a HAProxy file that was installed for a reload which is not confirmed yet. If segue ends,
 * or reloads its configuration, before HAProxy has loaded the new file, the old one is put back. If
 * segue is killed, its next start does that, from the note "<state_dir>/haproxy-NAME.tried". */
#ifndef SEGUE_HAPROXY_TRIAL_H
#define SEGUE_HAPROXY_TRIAL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "haproxy/model/config.h"

/* Writes the note; to be called before the new file is installed at `path`. `previous`: the old
 * file; NULL: there was none. */
bool haproxy_trial_note(const char *note, const char *path, const struct strbuf *previous,
                        struct err *err) MUST_CHECK;
void haproxy_trial_forget(const char *note); /* removes the note, if there is one */

/* Puts `previous` back, with the servers of `now` (NULL: unchanged). Removes the file at `path` if
 * `previous` is NULL. Blocks until the file is on disk. */
bool haproxy_trial_undo(const char *path, const struct strbuf *previous,
                        const struct haproxy_config *now, const struct file_owner *owner,
                        struct err *err) MUST_CHECK;

/* At the start of segue, before the targets are created: puts the files of all notes in state_dir
 * back, with the servers of the files that are on disk now. */
void haproxy_trial_undo_all(const char *state_dir);

#endif
