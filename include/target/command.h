/* A child process without a shell: check_command and reload_command. Asynchronous, with a deadline,
 * its output kept for the log. */
#ifndef SEGUE_TARGET_COMMAND_H
#define SEGUE_TARGET_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct event_base;
struct command;

/* Splits as sh would split words: blanks, '...', "...", backslash; no expansions. "{}" inside a
 * word becomes `file` (NULL: stays). NULL-terminated array, caller frees with command_argv_free().
 */
char **command_split(const char *line, const char *file, struct err *err) MUST_CHECK;
void command_argv_free(char **argv);

/* `ok`: exited with 0. `what` says how it ended, with the end of its output, on one line, for the
 * log. Called once, never inside command_run(), never after command_cancel(). */
typedef void command_cb(bool ok, const char *what, void *arg);

/* Runs argv (copied) with stdin from /dev/null, in a process group of its own; past `timeout_ms`
 * the group is killed and it counts as failed. */
struct command *command_run(struct event_base *base, char *const *argv, int64_t timeout_ms,
                            command_cb *cb, void *arg) MUST_CHECK;
void command_cancel(struct command *command); /* kills the group, reaps later */

#endif
