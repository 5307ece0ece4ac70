/* The installation of a rendered text as a file, in the two halves that a target puts its own steps
 * between: staged beside it and checked by check_command; then committed. What the check
 * refuses is never installed. */
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

/* `accepted`: check_command (if there is one) exited with 0; else `what` says how it ended. Called
 * once, never inside install_stage(), never after install_cancel(). */
typedef void install_cb(bool accepted, const char *what, void *arg);

/* config->owner and mode as numbers; asks the user database, so not on the path of a change. */
bool install_owner(const struct config_target *config, struct file_owner *out,
                   struct err *err) MUST_CHECK;

/* The file that is to be replaced: the output, or what stands behind it where that is a symbolic
 * link, there or not yet. Caller frees. NULL: the output is a mount point, which no rename
 * replaces, or a link that segue does not follow. */
char *install_path(const struct config_target *config, struct err *err) MUST_CHECK;

/* What a person does where no file can be made in the folder, by the errno of that. Caller frees.
 */
char *install_folder_cure(const char *folder, int error) MUST_CHECK;

/* True when the output holds exactly these bytes now. */
bool install_is_current(const char *output, const char *text, size_t len) MUST_CHECK;

/* `problem` NULL: the output holds the text, durably. Otherwise it is what it was, and `problem`
 * (borrowed) says why. The installation has ended. Called once, never inside install_commit(),
 * never after install_cancel(). */
typedef void install_done_cb(const struct err *problem, void *arg);

/* `config` and `owner` are borrowed until the installation ends, with install_done_cb or
 * install_cancel(). */
struct install *install_stage(struct event_base *base, const struct config_target *config,
                              const struct file_owner *owner, const char *text, size_t len,
                              install_cb *cb, void *arg, struct err *err) MUST_CHECK;

/* Once, after an accepting callback: fsync and rename over install_path(), by the file_writer.
 * Until the end nothing else may be staged for this output. `done` gets the `arg` of
 * install_stage(). */
void install_commit(struct install *install, struct file_writer *file_writer,
                    install_done_cb *done);

/* Stops the check, removes the staged file; a commit is waited for, and stays. Ends the
 * installation. */
void install_cancel(struct install *install);

#endif
