/* The way to one HAProxy socket, shared by all targets behind it: few connections at a time, as
 * HAProxy serves only `stats maxconn` (10) of them and other tools want some; a change of servers
 * never waits for a place. */
#ifndef SEGUE_HAPROXY_QUEUE_H
#define SEGUE_HAPROXY_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "haproxy/socket.h"

struct event_base;
struct haproxy_queue;
struct haproxy_call;

enum haproxy_urgency {
	HAPROXY_QUEUED, /* goes out when fewer than HAPROXY_QUEUE_MAX are out, in order */
	HAPROXY_AT_ONCE /* is written inside the call that sends it */
};

#define HAPROXY_QUEUE_MAX 4

struct haproxy_queue *haproxy_queue_create(struct event_base *base, const char *path,
                                           bool master) MUST_CHECK;
void haproxy_queue_destroy(struct haproxy_queue *queue); /* after its calls have ended */
const char *haproxy_queue_path(const struct haproxy_queue *queue);

/* As haproxy_batch_send(); the timeout counts from when it is written. */
struct haproxy_call *haproxy_queue_send(struct haproxy_queue *queue, enum haproxy_urgency urgency,
                                        const char *line, int64_t timeout_ms, haproxy_batch_cb *cb,
                                        void *arg) MUST_CHECK;

/* As haproxy_batch_stream(), queued. */
struct haproxy_call *haproxy_queue_stream(struct haproxy_queue *queue, const char *line,
                                          int64_t timeout_ms, haproxy_piece_cb *piece,
                                          haproxy_batch_cb *cb, void *arg) MUST_CHECK;
void haproxy_call_cancel(struct haproxy_call *call);

#endif
