/* Installs a rendered text as the output file in two halves: stage it beside the file and check it
 * with check_command, then commit it. A target can do its own steps between the two. A text that
 * the check refuses is never installed. */
#ifndef SEGUE_TARGET_INSTALL_H
#define SEGUE_TARGET_INSTALL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/file.h"
#include "config/config.h"

struct event_base;
struct install;
struct file_writer;

#define INSTALL_MAX ((size_t)16 * 1024 * 1024) /* bytes; no larger output is read or compared */

/* `accepted`: check_command exited with 0, or there is none. Otherwise `what` tells how it ended.
 * Called once, never inside install_stage(), never after install_cancel(). */
typedef void install_cb(bool accepted, const char *what, void *arg);

/* Resolves config->owner and mode to numbers. Reads the user database, which may be slow: do not
 * call it on the path of a move. */
bool install_owner(const struct config_target *config, struct file_owner *out,
                   struct err *err) MUST_CHECK;

/* Returns the file to replace: the output or, if that is a symbolic link, the file that it names.
 * The file need not exist yet. Caller frees. NULL: the output is a mount point, which rename()
 * cannot replace, or a link that segue does not follow. */
char *install_path(const struct config_target *config, struct err *err) MUST_CHECK;

/* Returns the name of a user or group in /etc/passwd or /etc/group; caller frees. NULL: it has none
 * there. Unlike getpwuid(3) it never waits for a server in the network. */
char *install_local_name(const char *table, unsigned long id) MUST_CHECK;

/* Returns what a person has to do when no file can be made in the folder, given the errno of that
 * failure. Caller frees. */
char *install_folder_cure(const char *folder, int error) MUST_CHECK;

/* True when the output now has exactly these bytes. */
bool install_is_current(const char *output, const char *text, size_t len) MUST_CHECK;

/* `problem` NULL: the output has the text, and it is durable. Otherwise the output is unchanged,
 * and `problem` (borrowed) tells why. The installation has ended. Called once, never inside
 * install_commit(), never after install_cancel(). */
typedef void install_done_cb(const struct err *problem, void *arg);

/* `config` and `owner` are borrowed until the installation ends, with install_done_cb or
 * install_cancel(). */
struct install *install_stage(struct event_base *base, const struct config_target *config,
                              const struct file_owner *owner, const char *text, size_t len,
                              install_cb *cb, void *arg, struct err *err) MUST_CHECK;

/* Call once, after `cb` was called with `accepted`: the file_writer does fsync and renames the
 * staged file over install_path(). Until the end nothing else may be staged for this output. `done`
 * gets the `arg` of install_stage(). */
void install_commit(struct install *install, struct file_writer *file_writer,
                    install_done_cb *done);

/* Ends the installation: kills the check and removes the staged file. If the commit has started,
 * waits until it is done; the new file stays. */
void install_cancel(struct install *install);

#endif
