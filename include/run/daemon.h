/* What segue run and segue publish have in common as daemons: the event loop with its priorities,
 * the signals, the log that is flushed behind what moves, and what systemd is told: READY=1,
 * STATUS=, RELOADING=1, STOPPING=1, and its watchdog, fed from the loop itself. */
#ifndef SEGUE_RUN_DAEMON_H
#define SEGUE_RUN_DAEMON_H

#include <stdbool.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "base/util.h"

struct daemon;
struct event_base;

struct daemon_options {
	const char *verb; /* for messages: "run" */

	/* On SIGHUP, which has to end in daemon_reloaded(), at once or later; one that comes
	 * before that ends for both. NULL: SIGHUP is not taken. */
	void (*reload)(void *arg);

	/* Appends what the daemon does, or what it waits for. True: its work is done once, and
	 * systemd may start what comes after it. Asked about once a second, and only where systemd
	 * listens. */
	bool (*status)(struct strbuf *text, void *arg);
	void *arg;
};

/* Ends the process when there is no event loop to be had. */
struct daemon *daemon_create(const struct daemon_options *options) MUST_CHECK;
void daemon_destroy(struct daemon *daemon);

struct event_base *daemon_base(const struct daemon *daemon); /* until daemon_destroy() */

/* Runs the loop until SIGTERM or SIGINT. The log is deferred from here until daemon_destroy(). */
void daemon_serve(struct daemon *daemon);

/* `problems`: why the old configuration stays, one a line; NULL: it does not. */
void daemon_reloaded(struct daemon *daemon, const char *problems);

/* The same on one line, with its time, until a reload is taken; NULL: none was refused. Borrowed.
 */
const char *daemon_refused(const struct daemon *daemon);

/* Problems, one a line: to the log, one event each, and to standard error. */
void daemon_log_problems(enum log_level level, const char *event, const char *file,
                         const char *lines);
void daemon_print_problems(const struct daemon *daemon, const char *lines);

#endif
