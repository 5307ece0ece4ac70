/* Reloads of one HAProxy (or of whatever a reload_command reloads), for all targets behind it: one
 * is in flight at a time, and all requests made meanwhile share the one that follows it. */
#ifndef SEGUE_TARGET_RELOAD_H
#define SEGUE_TARGET_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct event_base;
struct reloader;
struct reload;

/* For the new worker to show up in the master CLI: one with many servers, certificates or names to
 * resolve takes its time to start, and that it refuses its configuration is told before that. */
#define RELOADER_WORKER_MS  30000
#define RELOADER_CONFIRM_MS 5000  /* after that: for its stats socket to say so, too */
#define RELOADER_COMMAND_MS 30000 /* for reload_command */

/* `ok`: the master CLI shows a new worker, or the command exited with 0; `what` says how it went,
 * in one line. Called once, never inside reloader_request(), never after reload_cancel(). */
typedef void reload_cb(bool ok, const char *what, void *arg);

/* With a master_socket the command is not used; one of the two is not "". `worker_ms`: how long a
 * new worker is waited for, RELOADER_WORKER_MS but in tests. */
struct reloader *reloader_create(struct event_base *base, const char *master_socket,
                                 const char *reload_command, int64_t worker_ms) MUST_CHECK;
void reloader_destroy(struct reloader *reloader); /* after its requests have ended */

/* A reload that starts after this call; so it takes up all that is on disk now. */
struct reload *reloader_request(struct reloader *reloader, reload_cb *cb, void *arg) MUST_CHECK;
void reload_cancel(struct reload *reload); /* the reload itself goes on */

/* change 1: clients wait in the HAProxy, and a reload would leave them behind in the old worker;
 * none starts until as many calls with -1 have been made. */
void reloader_hold(struct reloader *reloader, int change);
bool reloader_is_held(const struct reloader *reloader);

/* When the last reload ended well, as clock_now_ms(); 0: none has. */
int64_t reloader_last_ok_ms(const struct reloader *reloader);

#endif
