/* Runs check_command and reload_command as a child process, without a shell. Asynchronous, with a
 * deadline. Keeps the end of the output for the log. */
#ifndef SEGUE_TARGET_COMMAND_H
#define SEGUE_TARGET_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct event_base;
struct command;

/* Splits `line` into words as sh does: blanks, '...', "...", backslash; no expansions. Replaces
 * "{}" inside a word with `file` (NULL: does not). Returns a NULL-terminated array; caller frees it
 * with command_argv_free(). */
char **command_split(const char *line, const char *file, struct err *err) MUST_CHECK;
void command_argv_free(char **argv);

/* `ok`: it exited with 0. `what`: how it ended and the end of its output, on one line, for the log.
 * Called once, never inside command_run(), never after command_cancel(). */
typedef void command_cb(bool ok, const char *what, void *arg);

/* Runs argv (copied) with stdin from /dev/null, in its own process group. After `timeout_ms` the
 * group is killed, and the command has failed. */
struct command *command_run(struct event_base *base, char *const *argv, int64_t timeout_ms,
                            command_cb *cb, void *arg) MUST_CHECK;
void command_cancel(struct command *command); /* kills the group; the loop reaps the child later */

#endif
