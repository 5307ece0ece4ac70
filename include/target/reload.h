/* Reloads of one HAProxy (or of whatever a reload_command reloads), for all targets behind it: one
 * is in flight at a time, and all requests made meanwhile share the one that follows it. */
#ifndef SEGUE_TARGET_RELOAD_H
#define SEGUE_TARGET_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

struct event_base;
struct reloader;
struct reload;

/* `ok`: the reload is known to have gone well; `what` says how it went, in one line. Called once,
 * never inside reloader_request(), never after reload_cancel(). */
typedef void reload_cb(bool ok, const char *what, void *arg);

/* How a reload is made. */
struct reload_method {
	/* Begins one. NULL, with words, when it cannot begin; else `done` comes once, within about
	 * `limit_ms`, never inside the call. */
	void *(*start)(struct event_base *base, const char *object, int64_t limit_ms,
	               reload_cb *done, void *arg, struct err *err);
	void (*cancel)(void *run); /* before `done` */
	int64_t limit_ms;
};

/* The object is a command; it went well when it exits with 0. */
extern const struct reload_method reload_by_command;

/* `object` says what is reloaded, in the method's way; copied. `limit_ms`: the method's, but in
 * tests. */
struct reloader *reloader_create(struct event_base *base, const struct reload_method *method,
                                 const char *object, int64_t limit_ms) MUST_CHECK;
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
