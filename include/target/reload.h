/* Reloads one HAProxy (or whatever a reload_command reloads) for all targets that it serves. One
 * reload runs at a time; all requests made meanwhile share the next one. */
#ifndef SEGUE_TARGET_RELOAD_H
#define SEGUE_TARGET_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

struct event_base;
struct reloader;
struct reload;

/* `ok`: the reload is known to have succeeded. `what`: the result, on one line. Called once, never
 * inside reloader_request(), never after reload_cancel(). */
typedef void reload_cb(bool ok, const char *what, void *arg);

/* How to reload. */
struct reload_method {
	/* Starts a reload. NULL: it cannot start, and `err` is set. Otherwise `done` is called
	 * once, within about `limit_ms`, never inside this call. */
	void *(*start)(struct event_base *base, const char *object, int64_t limit_ms,
	               reload_cb *done, void *arg, struct err *err);
	void (*cancel)(void *run); /* only before `done` was called */
	int64_t limit_ms;
};

/* The object is a command line. The reload has succeeded when the command exits with 0. */
extern const struct reload_method reload_by_command;

/* `object`: what to reload, in the form that the method expects; copied. */
struct reloader *reloader_create(struct event_base *base, const struct reload_method *method,
                                 const char *object) MUST_CHECK;
void reloader_destroy(struct reloader *reloader); /* only after all its requests have ended */

/* Requests a reload that starts after this call, so that it loads all that is on disk now. */
struct reload *reloader_request(struct reloader *reloader, reload_cb *cb, void *arg) MUST_CHECK;
void reload_cancel(struct reload *reload); /* drops the callback; the reload itself goes on */

/* 1: clients wait in this HAProxy, and a reload would leave them behind in the old worker. No
 * reload starts until there were as many calls with -1. */
void reloader_hold(struct reloader *reloader, int change);
bool reloader_is_held(const struct reloader *reloader);

/* When the last reload succeeded, as clock_now_ms(); 0: none has. */
int64_t reloader_last_ok_ms(const struct reloader *reloader);

#endif
