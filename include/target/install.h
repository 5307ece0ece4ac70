/* Installs a rendered text as the output file: stages it beside the file, checks it with
 * check_command, and commits it. A target can do its own steps before the commit. A text that the
 * check refuses is never installed. */
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

enum install_end {
	INSTALL_DONE,    /* the output has the text, and it is durable */
	INSTALL_REFUSED, /* by check_command; the output is unchanged, as in INSTALL_FAILED */
	INSTALL_FAILED,
};

/* `why`: "" or what has gone wrong; borrowed. The installation has ended. Called once, never inside
 * install_start(), never after install_cancel(). */
typedef void install_cb(enum install_end end, const char *why, void *arg);

/* Called after check_command has accepted the text, before the commit. False: ends it as failed. */
typedef bool install_ready_cb(void *arg, struct err *err);

/* Installs the texts of one target; used by one installation at a time. */
struct installer {
	struct event_base *base;
	struct file_writer *file_writer;
	const struct config_target *config;
	struct file_owner owner;
	bool owner_known; /* otherwise nothing can be installed */
};

/* Borrows all. `file_writer` NULL: texts are only checked, and what check_command has accepted is
 * INSTALL_DONE. Looks up the owner; install_start() does so again until it is found. */
void installer_init(struct installer *installer, struct event_base *base,
                    struct file_writer *file_writer, const struct config_target *config);

/* `ready` may be NULL. */
struct install *install_start(struct installer *installer, const char *text, size_t len,
                              install_ready_cb *ready, install_cb *done, void *arg,
                              struct err *err) MUST_CHECK;

/* The file_writer does fsync and renames the staged file over install_path(). Until the end nothing
 * else may be staged for this output. */
bool install_is_committing(const struct install *install);

/* Ends the installation: kills the check and removes the staged file. If the commit has started,
 * waits until it is done; the new file stays. */
void install_cancel(struct install *install);

#endif
