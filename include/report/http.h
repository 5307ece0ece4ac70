/* A small HTTP server: one request a connection, few connections, little time for each.
 *
 * Not evhttp of libevent 2.1: that bounds neither the number nor the age of connections, whose
 * descriptors the proxies need, and answers what it refuses with pages of HTML. */
#ifndef SEGUE_REPORT_HTTP_H
#define SEGUE_REPORT_HTTP_H

#include "base/strbuf.h"
#include "report/cursor.h"
#include "report/request.h"

#define HTTP_GUESTS_MAX 64 /* of the slow ones the oldest then goes for the next one */

struct event_base;
struct http;

struct http_reply {
	int status;
	const char *type;   /* Content-Type; static */
	const char *allow;  /* of a 405; static, or NULL */
	const char *policy; /* what a browser may load with it: the Content-Security-Policy; static,
	                       or NULL for nothing at all */
	struct strbuf body; /* not sent after HEAD, but counted */
	/* Where the body takes long to make: appends more of it, and is called again, from the
	 * loop, for as long as it says true. NULL: the body is complete. `arg` is http_create()'s.
	 */
	bool (*more)(struct http_reply *reply, void *arg);
	struct report_cursor at; /* more()'s */
};

/* `body` has request->body_len bytes and is borrowed, as all here. Must not destroy the server. */
typedef void http_answer_fn(const struct request *request, const char *body,
                            struct http_reply *reply, void *arg);

/* Makes `reply` an error with {"error": "..."} for its body. */
void http_refuse(struct http_reply *reply, int status, const char *why);

/* `fd` listens already, and is closed with the server. A client has `timeout_ms` to send its whole
 * request, and again to take the whole reply. */
struct http *http_create(struct event_base *base, int fd, int timeout_ms, http_answer_fn *answer,
                         void *arg);
void http_destroy(struct http *http);

#endif
