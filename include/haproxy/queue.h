/* The queue of connections to one HAProxy socket, shared by all targets of that HAProxy. It opens
 * few connections at a time: HAProxy serves only `stats maxconn` (default 10), and other tools need
 * some. A change of servers never waits in the queue. */
#ifndef SEGUE_HAPROXY_QUEUE_H
#define SEGUE_HAPROXY_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "haproxy/socket.h"

struct event_base;
struct haproxy_queue;
struct haproxy_call;

enum haproxy_urgency {
	HAPROXY_QUEUED, /* sent in order, when fewer than HAPROXY_QUEUE_MAX are in flight */
	HAPROXY_AT_ONCE /* written to the socket inside haproxy_queue_send() */
};

#define HAPROXY_QUEUE_MAX 4

struct haproxy_queue *haproxy_queue_create(struct event_base *base, const char *path,
                                           bool master) MUST_CHECK;
void haproxy_queue_destroy(struct haproxy_queue *queue); /* only after all its calls have ended */
const char *haproxy_queue_path(const struct haproxy_queue *queue);

/* As haproxy_batch_send(). `timeout_ms` counts from the time when the line is sent. */
struct haproxy_call *haproxy_queue_send(struct haproxy_queue *queue, enum haproxy_urgency urgency,
                                        const char *line, int64_t timeout_ms, haproxy_batch_cb *cb,
                                        void *arg) MUST_CHECK;

/* As haproxy_queue_send() with HAPROXY_QUEUED, but the reply goes to `piece` as it comes. */
struct haproxy_call *haproxy_queue_stream(struct haproxy_queue *queue, const char *line,
                                          int64_t timeout_ms, haproxy_piece_cb *piece,
                                          haproxy_batch_cb *cb, void *arg) MUST_CHECK;
void haproxy_call_cancel(struct haproxy_call *call);

#endif
