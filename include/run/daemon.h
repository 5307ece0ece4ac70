/* What segue run and segue publish have in common as daemons: the event loop with its priorities,
 * the signals, the log (written after the proxies have been moved), and the messages to systemd:
 * READY=1, STATUS=, RELOADING=1, STOPPING=1, and WATCHDOG=1, which is sent from the loop itself. */
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

	/* Called on SIGHUP. It has to lead to one call of daemon_reloaded(), at once or later; if
	 * SIGHUP comes again before that, one call ends both. NULL: SIGHUP is not handled. */
	void (*reload)(void *arg);

	/* Appends what the daemon does or waits for. Returns true once its work is done, so that
	 * systemd may start the units after it. Called about once a second, and only under
	 * systemd. */
	bool (*status)(struct strbuf *text, void *arg);
	void *arg;
};

/* Ends the process if no event loop can be created. */
struct daemon *daemon_create(const struct daemon_options *options) MUST_CHECK;
void daemon_destroy(struct daemon *daemon);

struct event_base *daemon_base(const struct daemon *daemon); /* until daemon_destroy() */

/* Runs the loop until SIGTERM or SIGINT. The log is deferred from here until daemon_destroy(). */
void daemon_serve(struct daemon *daemon);

/* `problems`: why the old configuration stays, one per line; NULL: it does not stay. */
void daemon_reloaded(struct daemon *daemon, const char *problems);

/* These problems on one line, with the time since when, until a reload succeeds. NULL: none was
 * refused. Borrowed. */
const char *daemon_refused(const struct daemon *daemon);

/* They write problems, one per line: to the log, one event each, or to standard error. */
void daemon_log_problems(enum log_level level, const char *event, const char *file,
                         const char *lines);
void daemon_print_problems(const struct daemon *daemon, const char *lines);

#endif
