/* A queue in front of haproxy_batch_send(). Every end of a call, by reply, failure or cancel, goes
 * through call_end(), which lets the next one out; so no place is ever lost. */
#include "apply/haproxy_gate.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>

struct haproxy_call {
	TAILQ_ENTRY(haproxy_call) entry; /* in queue->waiting, while batch is NULL */
	struct haproxy_queue *queue;
	struct haproxy_batch *batch;
	char *line; /* while it waits */
	int64_t timeout_ms;
	haproxy_piece_cb *piece;
	haproxy_batch_cb *cb;
	void *arg;
};

struct haproxy_queue {
	struct event_base *base;
	char *path;
	bool master;
	unsigned out; /* calls with a batch */
	TAILQ_HEAD(haproxy_calls, haproxy_call) waiting;
};

struct haproxy_queue *haproxy_queue_create(struct event_base *base, const char *path, bool master)
{
	struct haproxy_queue *queue = xcalloc(1, sizeof(*queue));

	*queue = (struct haproxy_queue){.base = base, .path = xstrdup(path), .master = master};
	TAILQ_INIT(&queue->waiting);
	return queue;
}

void haproxy_queue_destroy(struct haproxy_queue *queue)
{
	if (queue == NULL)
		return;
	free(queue->path);
	free(queue);
}

const char *haproxy_queue_path(const struct haproxy_queue *queue)
{
	return queue->path;
}

static void reply_cb(const char *reply, size_t len, const struct err *err, void *arg);

static bool piece_cb(const char *text, size_t len, void *arg, struct err *err)
{
	const struct haproxy_call *call = arg;

	return call->piece(text, len, call->arg, err);
}

static void write_out(struct haproxy_call *call, const char *line)
{
	struct haproxy_queue *queue = call->queue;

	queue->out++;
	call->batch =
	    haproxy_batch_stream(queue->base, queue->path, queue->master, line, call->timeout_ms,
	                         call->piece != NULL ? piece_cb : NULL, reply_cb, call);
}

static void let_next_out(struct haproxy_queue *queue)
{
	struct haproxy_call *next;

	while (queue->out < HAPROXY_QUEUE_MAX && (next = TAILQ_FIRST(&queue->waiting)) != NULL) {
		TAILQ_REMOVE(&queue->waiting, next, entry);
		write_out(next, next->line);
	}
}

static void call_end(struct haproxy_call *call)
{
	struct haproxy_queue *queue = call->queue;

	if (call->batch == NULL)
		TAILQ_REMOVE(&queue->waiting, call, entry);
	else
		queue->out--;
	free(call->line);
	free(call);
	let_next_out(queue);
}

static void reply_cb(const char *reply, size_t len, const struct err *err, void *arg)
{
	struct haproxy_call *call = arg;
	haproxy_batch_cb *cb = call->cb;
	void *cb_arg = call->arg;

	call_end(call);
	cb(reply, len, err, cb_arg);
}

static struct haproxy_call *send_or_queue(const struct haproxy_call *made,
                                          enum haproxy_urgency urgency, const char *line)
{
	struct haproxy_call *call = xcalloc(1, sizeof(*call));
	struct haproxy_queue *queue = made->queue;

	*call = *made;
	if (urgency == HAPROXY_AT_ONCE || queue->out < HAPROXY_QUEUE_MAX) {
		write_out(call, line);
	} else {
		call->line = xstrdup(line);
		TAILQ_INSERT_TAIL(&queue->waiting, call, entry);
	}
	return call;
}

struct haproxy_call *haproxy_queue_send(struct haproxy_queue *queue, enum haproxy_urgency urgency,
                                        const char *line, int64_t timeout_ms, haproxy_batch_cb *cb,
                                        void *arg)
{
	return send_or_queue(
	    &(struct haproxy_call){.queue = queue, .timeout_ms = timeout_ms, .cb = cb, .arg = arg},
	    urgency, line);
}

struct haproxy_call *haproxy_queue_stream(struct haproxy_queue *queue, const char *line,
                                          int64_t timeout_ms, haproxy_piece_cb *piece,
                                          haproxy_batch_cb *cb, void *arg)
{
	return send_or_queue(
	    &(struct haproxy_call){
	        .queue = queue, .timeout_ms = timeout_ms, .piece = piece, .cb = cb, .arg = arg},
	    HAPROXY_QUEUED, line);
}

void haproxy_call_cancel(struct haproxy_call *call)
{
	if (call->batch != NULL)
		haproxy_batch_cancel(call->batch);
	call_end(call);
}
