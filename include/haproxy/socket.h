/* One batch of commands to HAProxy's runtime socket or master CLI: a fresh connection, one line,
 * the reply until EOF. Asynchronous, bounded in time and size. */
#ifndef SEGUE_HAPROXY_SOCKET_H
#define SEGUE_HAPROXY_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Where the socket has another level, HAProxy refuses all that changes something. */
#define HAPROXY_ADMIN_CURE \
	"put \"level admin\" behind its \"stats socket\" line in haproxy.cfg, and reload HAProxy"

struct event_base;
struct haproxy_batch;

/* `reply` is NUL terminated and borrowed until the callback returns; NULL with `err` set on
 * failure. Called once, never inside haproxy_batch_send(), never after haproxy_batch_cancel(). */
typedef void haproxy_batch_cb(const char *reply, size_t len, const struct err *err, void *arg);

/* Connects to the unix socket `path` (or "ipv4@host:port"-less "host:port" TCP address) and writes
 * `line` plus newline at once. `master`: it is the master CLI, which does not close after a reply,
 * so the writing side is shut down. */
struct haproxy_batch *haproxy_batch_send(struct event_base *base, const char *path, bool master,
                                         const char *line, int64_t timeout_ms, haproxy_batch_cb *cb,
                                         void *arg) MUST_CHECK;

/* The same for a long reply, which is handed out in pieces: `piece` returns false with `err` set to
 * end it there, as a failure. `reply` is "" at the end. The timeout is for each piece, as long as
 * all of them take no longer than HAPROXY_STREAM_MAX_MS. */
typedef bool haproxy_piece_cb(const char *text, size_t len, void *arg, struct err *err);

#define HAPROXY_STREAM_MAX_MS 60000

void haproxy_batch_cancel(struct haproxy_batch *batch);

/* Why this user may not connect to the unix socket, and what to do about it: by owner, group and
 * mode. NULL: it may, or there is none. Caller frees. */
char *haproxy_socket_shut(const char *path) MUST_CHECK;

#endif
