/* A call to HAProxy's runtime socket or master CLI: a new connection, one line, the reply until
 * EOF. Asynchronous, bounded in time and size. */
#ifndef SEGUE_HAPROXY_SOCKET_H
#define SEGUE_HAPROXY_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* If the socket has a lower level than admin, HAProxy refuses all changes. */
#define HAPROXY_ADMIN_CURE \
	"put \"level admin\" behind its \"stats socket\" line in haproxy.cfg, and reload HAProxy"

struct event_base;
struct haproxy_call;

/* `reply` is NUL terminated and borrowed until the callback returns; NULL with `err` set on
 * failure. Called once, never inside haproxy_call_start(), never after haproxy_call_cancel(). */
typedef void haproxy_call_cb(const char *reply, size_t len, const struct err *err, void *arg);

/* Connects to `path`, a unix socket or a numeric "ADDRESS:PORT" (without a prefix like "ipv4@"),
 * and writes `line` plus newline inside this call. `master`: the master CLI does not close the
 * connection after a reply, so the writing side is shut down. `timeout_ms`: for the whole reply. */
struct haproxy_call *haproxy_call_start(struct event_base *base, const char *path, bool master,
                                        const char *line, int64_t timeout_ms, haproxy_call_cb *cb,
                                        void *arg) MUST_CHECK;

/* For a long reply, which is passed on in pieces (haproxy_queue_send()). It returns false, with
 * `err` set, to end the call as failed. After the last piece haproxy_call_cb gets the reply "". The
 * timeout is for each piece; all of them together may take HAPROXY_STREAM_MAX_MS. */
typedef bool haproxy_piece_cb(const char *text, size_t len, void *arg, struct err *err);

#define HAPROXY_STREAM_MAX_MS 60000

void haproxy_call_cancel(struct haproxy_call *call);

/* Why this user may not connect to the unix socket, and what to do about it, judged by the socket's
 * group and mode. NULL: it may connect, or there is no socket. Caller frees. */
char *haproxy_socket_shut(const char *path) MUST_CHECK;

/* The queue of connections to one HAProxy socket, shared by all targets of that HAProxy. It opens
 * few connections at a time: HAProxy serves only `stats maxconn` (default 10), and other tools need
 * some. A change of servers never waits in the queue. */

struct haproxy_queue;

enum haproxy_urgency {
	HAPROXY_QUEUED, /* sent in order, when fewer than HAPROXY_QUEUE_MAX are in flight */
	HAPROXY_AT_ONCE /* written to the socket inside haproxy_queue_send() */
};

#define HAPROXY_QUEUE_MAX 4

struct haproxy_queue *haproxy_queue_create(struct event_base *base, const char *path,
                                           bool master) MUST_CHECK;
void haproxy_queue_destroy(struct haproxy_queue *queue); /* only after all its calls have ended */

/* As haproxy_call_start(). `timeout_ms` counts from the time when the line is sent. `piece` NULL:
 * `cb` gets the whole reply. */
struct haproxy_call *haproxy_queue_send(struct haproxy_queue *queue, enum haproxy_urgency urgency,
                                        const char *line, int64_t timeout_ms,
                                        haproxy_piece_cb *piece, haproxy_call_cb *cb,
                                        void *arg) MUST_CHECK;

#endif
