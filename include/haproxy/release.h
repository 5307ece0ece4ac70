/* Opens what a note says is closed, without a target: at the end of one, at the start of one that
 * the store tells nothing, and for `segue resume`. */
#ifndef SEGUE_HAPROXY_RELEASE_H
#define SEGUE_HAPROXY_RELEASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "haproxy/hold_record.h"

struct event_base;
struct haproxy_release;

/* Servers that are as the note says, and that the text wants otherwise, are put back as in the
 * text, and read back; all others are left alone. */
struct haproxy_release_job {
	const char *socket;
	const char *text; /* read during the start only, as the file that HAProxy loads */
	size_t len;
	const struct haproxy_hold_record *note; /* borrowed until the end */
	int64_t timeout_ms;                     /* for one answer */
};

/* `err` NULL: all are open, `released` of them by this. Called once, never inside the start, never
 * after haproxy_release_cancel(). */
typedef void haproxy_release_cb(size_t released, const struct err *err, void *arg);

/* NULL, with `err` set, when the text cannot be read. */
struct haproxy_release *haproxy_release_start(struct event_base *base,
                                              const struct haproxy_release_job *job,
                                              haproxy_release_cb *cb, void *arg,
                                              struct err *err) MUST_CHECK;
void haproxy_release_cancel(struct haproxy_release *release);

/* The same, and waits for the end. */
bool haproxy_release_wait(const struct haproxy_release_job *job, size_t *released,
                          struct err *err) MUST_CHECK;

#endif
