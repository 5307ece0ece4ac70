/* One batch: connect, write one line, read the reply until EOF. Each batch has a new connection: an
 * open one would stay with the old worker after a reload, and keep that worker alive. connect() and
 * the write happen inside haproxy_batch_send(), without a buffering layer. */
#include "haproxy/socket.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/timer.h"
#include "target/install.h"

/* bytes; `show servers state` of 100,000 servers is smaller */
#define REPLY_MAX    ((size_t)16 * 1024 * 1024)
#define READ_AT_ONCE ((size_t)16 * 1024)

union address {
	struct sockaddr any;
	struct sockaddr_un local;
	struct sockaddr_storage tcp;
};

struct haproxy_batch {
	struct event *io;    /* EV_WRITE until all is written, then EV_READ until EOF */
	struct timer *timer; /* the deadline; fires at once if haproxy_batch_send() itself failed */
	char *path;
	int fd; /* -1: the batch has failed, the reason is in `error` */
	bool master, writing;
	int64_t timeout_ms, until_ms; /* until_ms: the deadline of a whole stream */
	haproxy_piece_cb *piece;      /* NULL: the reply is collected in `reply` */
	struct strbuf line, reply;
	size_t written;
	struct err error;
	haproxy_batch_cb *cb;
	void *arg;
};

static void disconnect(struct haproxy_batch *batch)
{
	if (batch->io != NULL)
		event_free(batch->io);
	if (batch->fd >= 0)
		close(batch->fd);
	batch->io = NULL;
	batch->fd = -1;
}

static void batch_free(struct haproxy_batch *batch)
{
	disconnect(batch);
	timer_free(batch->timer);
	strbuf_fini(&batch->line);
	strbuf_fini(&batch->reply);
	free(batch->path);
	free(batch);
}

/* Frees the batch before it calls back: the callback may destroy the sender. */
static void finish(struct haproxy_batch *batch, bool ok)
{
	auto_strbuf struct strbuf reply = batch->reply;
	struct err error = batch->error;
	haproxy_batch_cb *cb = batch->cb;
	void *arg = batch->arg;

	strbuf_init(&batch->reply);
	batch_free(batch);
	cb(ok ? reply.data : NULL, ok ? reply.len : 0, ok ? NULL : &error, arg);
}

static bool parse_tcp(const char *path, union address *out, socklen_t *len, struct err *err)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	                               .ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(path, ':');
	auto_free char *host = xstrndup(path, colon != NULL ? (size_t)(colon - path) : 0);
	size_t host_len = strlen(host);
	struct addrinfo *found = NULL;
	const char *bare = host;

	if (host_len > 1 && host[0] == '[' && host[host_len - 1] == ']') {
		host[host_len - 1] = '\0';
		bare = host + 1;
	}
	if (*bare == '\0' || getaddrinfo(bare, colon + 1, &hints, &found) != 0)
		return err_set(err, "%s: neither the path of a socket nor ADDRESS:PORT", path);
	memcpy(out, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

static bool parse_path(const char *path, union address *out, socklen_t *len, struct err *err)
{
	size_t path_len = strlen(path);

	if (strchr(path, '/') == NULL)
		return parse_tcp(path, out, len, err);
	if (path_len >= sizeof(out->local.sun_path))
		return err_set(err, "%s: the path of a socket may have at most %zu bytes", path,
		               sizeof(out->local.sun_path) - 1);
	out->local.sun_family = AF_UNIX;
	memcpy(out->local.sun_path, path, path_len + 1);
	*len = sizeof(out->local);
	return true;
}

static bool start_connect(struct haproxy_batch *batch)
{
	union address address = {0};
	socklen_t len = 0;

	if (!parse_path(batch->path, &address, &len, &batch->error))
		return false;
	batch->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (batch->fd < 0)
		return err_set_errno(&batch->error, errno, "%s", batch->path);
	if (connect(batch->fd, &address.any, len) == 0 || errno == EINPROGRESS)
		return true;
	return err_set_errno(&batch->error, errno, "cannot connect to %s", batch->path);
}

/* Writes as much as the socket accepts now. False on failure. */
static bool write_line(struct haproxy_batch *batch)
{
	while (batch->written < batch->line.len) {
		ssize_t done = send(batch->fd, batch->line.data + batch->written,
		                    batch->line.len - batch->written, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && (errno == EAGAIN || errno == ENOTCONN))
			return true;
		if (done < 0)
			return err_set_errno(&batch->error, errno, "cannot write to %s",
			                     batch->path);
		batch->written += (size_t)done;
	}
	return true;
}

static bool hand_out(struct haproxy_batch *batch)
{
	if (clock_now_ms() > batch->until_ms)
		return err_set(&batch->error, "%s: the reply was not complete within %d ms",
		               batch->path, HAPROXY_STREAM_MAX_MS);
	timer_start(batch->timer, batch->timeout_ms);
	if (!batch->piece(batch->reply.data, batch->reply.len, batch->arg, &batch->error))
		return false;
	strbuf_reset(&batch->reply);
	return true;
}

/* Reads what has arrived. False at the end of the reply (*eof is true), and on failure. */
static bool read_reply(struct haproxy_batch *batch, bool *eof)
{
	ssize_t got;

	*eof = false;
	strbuf_reserve(&batch->reply, READ_AT_ONCE);
	got = recv(batch->fd, batch->reply.data + batch->reply.len, READ_AT_ONCE, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (got < 0)
		return err_set_errno(&batch->error, errno, "cannot read from %s", batch->path);
	*eof = got == 0;
	batch->reply.len += (size_t)got;
	batch->reply.data[batch->reply.len] = '\0';
	if (batch->piece != NULL && got > 0)
		return hand_out(batch);
	if (batch->reply.len > REPLY_MAX)
		return err_set(&batch->error,
		               "%s: the reply is larger than %zu bytes: is it HAProxy?",
		               batch->path, REPLY_MAX);
	return !*eof;
}

static void readable_cb(int fd, short events, void *arg)
{
	struct haproxy_batch *batch = arg;
	bool eof;

	(void)fd;
	(void)events;
	if (!read_reply(batch, &eof))
		finish(batch, eof);
}

/* Writes; once the whole line is written, waits for the reply. False on failure. */
static bool advance(struct haproxy_batch *batch)
{
	if (!write_line(batch))
		return false;
	if (batch->written < batch->line.len)
		return true;
	batch->writing = false;
	if (batch->master)
		shutdown(batch->fd, SHUT_WR);
	event_del(batch->io);
	event_assign(batch->io, event_get_base(batch->io), batch->fd, EV_READ | EV_PERSIST,
	             readable_cb, batch);
	event_add(batch->io, NULL);
	return true;
}

static void writable_cb(int fd, short events, void *arg)
{
	struct haproxy_batch *batch = arg;

	(void)fd;
	(void)events;
	if (!advance(batch))
		finish(batch, false);
}

static void on_timer(void *arg)
{
	struct haproxy_batch *batch = arg;

	if (batch->fd >= 0)
		err_set(&batch->error, "%s: no complete reply within %lld ms", batch->path,
		        (long long)batch->timeout_ms);
	finish(batch, false);
}

static bool start(struct haproxy_batch *batch, struct event_base *base)
{
	if (!start_connect(batch))
		return false;
	batch->writing = true;
	batch->io = event_new(base, batch->fd, EV_WRITE | EV_PERSIST, writable_cb, batch);
	event_add(batch->io, NULL);
	return advance(batch);
}

static struct haproxy_batch *haproxy_batch_stream(struct event_base *base, const char *path,
                                                  bool master, const char *line, int64_t timeout_ms,
                                                  haproxy_piece_cb *piece, haproxy_batch_cb *cb,
                                                  void *arg)
{
	struct haproxy_batch *batch = xcalloc(1, sizeof(*batch));

	*batch = (struct haproxy_batch){.path = xstrdup(path),
	                                .fd = -1,
	                                .master = master,
	                                .timeout_ms = timeout_ms,
	                                .until_ms = clock_now_ms() + HAPROXY_STREAM_MAX_MS,
	                                .piece = piece,
	                                .line = STRBUF_INIT,
	                                .reply = STRBUF_INIT,
	                                .cb = cb,
	                                .arg = arg};
	batch->timer = timer_new(base, on_timer, batch);
	strbuf_printf(&batch->line, "%s\n", line);
	if (start(batch, base)) {
		timer_start(batch->timer, timeout_ms);
	} else {
		disconnect(batch);
		timer_start(batch->timer, 0);
	}
	return batch;
}

struct haproxy_batch *haproxy_batch_send(struct event_base *base, const char *path, bool master,
                                         const char *line, int64_t timeout_ms, haproxy_batch_cb *cb,
                                         void *arg)
{
	return haproxy_batch_stream(base, path, master, line, timeout_ms, NULL, cb, arg);
}

void haproxy_batch_cancel(struct haproxy_batch *batch)
{
	batch_free(batch);
}

char *haproxy_socket_shut(const char *path)
{
	auto_free char *user = NULL, *group = NULL;
	struct stat st;

	if (*path != '/' || access(path, W_OK) == 0 || errno != EACCES)
		return NULL;
	user = install_local_name("/etc/passwd", geteuid());
	if (user == NULL)
		user = xasprintf("%lu", (unsigned long)geteuid());
	if (stat(path, &st) != 0)
		return xasprintf("a folder above it is closed to the user %s", user);
	group = install_local_name("/etc/group", st.st_gid);
	if ((st.st_mode & S_IWGRP) == 0 || st.st_gid == 0 || group == NULL)
		return xasprintf("its mode keeps out the user %s: give it a group and mode 660 "
		                 "where it is configured",
		                 user);
	return xasprintf("put the user %s into its group: usermod -a -G %s %s, and restart segue",
	                 user, group, user);
}

/* --- the queue; see queue.h ---
 * Every call ends in call_end(), by reply, failure or cancel, and that sends the next one. So no
 * slot of the queue is ever lost. */

struct haproxy_call {
	TAILQ_ENTRY(haproxy_call) entry; /* in queue->waiting, while batch is NULL */
	struct haproxy_queue *queue;
	struct haproxy_batch *batch;
	char *line; /* used while the call waits; NULL: sent at once */
	int64_t timeout_ms;
	haproxy_piece_cb *piece;
	haproxy_batch_cb *cb;
	void *arg;
};

struct haproxy_queue {
	struct event_base *base;
	char *path;
	bool master;
	unsigned out; /* calls in flight: those with a batch */
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
