/* Ends a hold or fence of which only the hold record is known: when a target ends, when a target
 * gets no text after the start, and for `segue resume`. */
#ifndef SEGUE_HAPROXY_RELEASE_H
#define SEGUE_HAPROXY_RELEASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "haproxy/hold_record.h"

struct event_base;
struct haproxy_release;

/* Servers that are as the record says, but different in the text, are set as in the text; then
 * HAProxy is read again. All other servers stay as they are. */
struct haproxy_release_job {
	const char *socket;
	const char *text; /* of the file that HAProxy loads; borrowed during the start only */
	size_t len;
	const struct haproxy_hold_record *record; /* borrowed until the callback or the cancel */
	int64_t timeout_ms;                       /* for each reply */
};

/* `err` NULL: no server is held or fenced any more; `released` were before. Called once, never
 * inside haproxy_release_start(), never after haproxy_release_cancel(). */
typedef void haproxy_release_cb(size_t released, const struct err *err, void *arg);

/* NULL, with `err` set, when the text cannot be read. */
struct haproxy_release *haproxy_release_start(struct event_base *base,
                                              const struct haproxy_release_job *job,
                                              haproxy_release_cb *cb, void *arg,
                                              struct err *err) MUST_CHECK;
void haproxy_release_cancel(struct haproxy_release *release);

/* The same, but blocks until the end. False: `err` is set. */
bool haproxy_release_wait(const struct haproxy_release_job *job, size_t *released,
                          struct err *err) MUST_CHECK;

#endif
