/* What an HTTP client has sent, as far as the endpoint needs it. Pure; hostile bytes in, a checked
 * value out. One request a connection: nothing behind the body is ever looked at. */
#ifndef SEGUE_REPORT_HTTP_INTERNAL_H
#define SEGUE_REPORT_HTTP_INTERNAL_H

#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "report/cursor.h"

#define REQUEST_HEAD_MAX ((size_t)16 * 1024) /* bytes of the request line and the headers */
#define REQUEST_BODY_MAX ((size_t)16 * 1024)
#define REQUEST_HOST_MAX 264 /* a name of 253 bytes, a port */

enum request_verdict {
	REQUEST_PARTIAL, /* more has to come */
	REQUEST_COMPLETE,
	REQUEST_REFUSED, /* never will be one */
};

struct request {
	char method[16];
	char path[256];              /* without the query */
	char host[REQUEST_HOST_MAX]; /* of the Host header: visible ASCII; "": there was none */
	size_t head_len;             /* the body starts there */
	size_t body_len;
	int status; /* REQUEST_REFUSED: the HTTP status to answer with */
};

/* `err` says why where the verdict is REQUEST_REFUSED. */
enum request_verdict request_parse(const char *data, size_t len, struct request *out,
                                   struct err *err);

/* A small HTTP server: one request a connection, few connections, little time for each.
 *
 * Not evhttp of libevent 2.1: that bounds neither the number nor the age of connections, whose
 * descriptors the proxies need, and answers what it refuses with pages of HTML. */

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
