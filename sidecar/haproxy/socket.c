/* One call: connect, write one line, read the reply until EOF. Each call has a new connection: an
 * open one would stay with the old worker after a reload, and keep that worker alive. connect() and
 * the write happen inside haproxy_call_start(), without a buffering layer. Every call ends in
 * haproxy_call_cancel(), which starts the next one of its queue: no slot of a queue is ever lost.
 */
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

struct haproxy_call {
	TAILQ_ENTRY(haproxy_call) entry; /* in queue->waiting */
	struct haproxy_queue *queue;     /* NULL: it belongs to none */
	bool waiting;                    /* in the queue, and not connected yet */
	struct event_base *base;
	struct event *io;    /* EV_WRITE until all is written, then EV_READ until EOF */
	struct timer *timer; /* the deadline; fires at once if the connection failed */
	char *path;
	int fd; /* -1: not connected, or it has failed, and the reason is in `error` */
	bool master;
	int64_t timeout_ms, until_ms; /* until_ms: the deadline of a whole stream */
	haproxy_piece_cb *piece;      /* NULL: the reply is collected in `reply` */
	struct strbuf line, reply;
	size_t written;
	struct err error;
	haproxy_call_cb *cb;
	void *arg;
};

struct haproxy_queue {
	struct event_base *base;
	char *path;
	bool master;
	unsigned out; /* calls in flight */
	TAILQ_HEAD(haproxy_calls, haproxy_call) waiting;
};

static void send_line(struct haproxy_call *call);

static void disconnect(struct haproxy_call *call)
{
	if (call->io != NULL)
		event_free(call->io);
	if (call->fd >= 0)
		close(call->fd);
	call->io = NULL;
	call->fd = -1;
}

static void leave_queue(struct haproxy_queue *queue, struct haproxy_call *call)
{
	struct haproxy_call *next;

	if (call->waiting)
		TAILQ_REMOVE(&queue->waiting, call, entry);
	else
		queue->out--;
	while (queue->out < HAPROXY_QUEUE_MAX && (next = TAILQ_FIRST(&queue->waiting)) != NULL) {
		TAILQ_REMOVE(&queue->waiting, next, entry);
		send_line(next);
	}
}

void haproxy_call_cancel(struct haproxy_call *call)
{
	disconnect(call);
	if (call->queue != NULL)
		leave_queue(call->queue, call);
	timer_free(call->timer);
	strbuf_fini(&call->line);
	strbuf_fini(&call->reply);
	free(call->path);
	free(call);
}

/* Frees the call before it calls back: the callback may destroy the sender. */
static void finish(struct haproxy_call *call, bool ok)
{
	auto_strbuf struct strbuf reply = call->reply;
	struct err error = call->error;
	haproxy_call_cb *cb = call->cb;
	void *arg = call->arg;

	strbuf_init(&call->reply);
	haproxy_call_cancel(call);
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

static bool start_connect(struct haproxy_call *call)
{
	union address address = {0};
	socklen_t len = 0;

	if (!parse_path(call->path, &address, &len, &call->error))
		return false;
	call->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (call->fd < 0)
		return err_set_errno(&call->error, errno, "%s", call->path);
	if (connect(call->fd, &address.any, len) == 0 || errno == EINPROGRESS)
		return true;
	return err_set_errno(&call->error, errno, "cannot connect to %s", call->path);
}

/* Writes as much as the socket accepts now. False on failure. */
static bool write_line(struct haproxy_call *call)
{
	while (call->written < call->line.len) {
		ssize_t done = send(call->fd, call->line.data + call->written,
		                    call->line.len - call->written, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && (errno == EAGAIN || errno == ENOTCONN))
			return true;
		if (done < 0)
			return err_set_errno(&call->error, errno, "cannot write to %s", call->path);
		call->written += (size_t)done;
	}
	return true;
}

/* Reads what has arrived. False at the end of the reply (*eof is true), and on failure. */
static bool read_reply(struct haproxy_call *call, bool *eof)
{
	ssize_t got;

	*eof = false;
	strbuf_reserve(&call->reply, READ_AT_ONCE);
	got = recv(call->fd, call->reply.data + call->reply.len, READ_AT_ONCE, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (got < 0)
		return err_set_errno(&call->error, errno, "cannot read from %s", call->path);
	*eof = got == 0;
	call->reply.len += (size_t)got;
	call->reply.data[call->reply.len] = '\0';
	if (call->piece != NULL && got > 0) {
		if (clock_now_ms() > call->until_ms)
			return err_set(&call->error, "%s: the reply was not complete within %d ms",
			               call->path, HAPROXY_STREAM_MAX_MS);
		timer_start(call->timer, call->timeout_ms);
		if (!call->piece(call->reply.data, call->reply.len, call->arg, &call->error))
			return false;
		strbuf_reset(&call->reply);
		return true;
	}
	if (call->reply.len > REPLY_MAX)
		return err_set(&call->error,
		               "%s: the reply is larger than %zu bytes: is it HAProxy?", call->path,
		               REPLY_MAX);
	return !*eof;
}

static void readable_cb(int fd, short events, void *arg)
{
	struct haproxy_call *call = arg;
	bool eof;

	(void)fd;
	(void)events;
	if (!read_reply(call, &eof))
		finish(call, eof);
}

/* Writes; once the whole line is written, waits for the reply. False on failure. */
static bool advance(struct haproxy_call *call)
{
	if (!write_line(call))
		return false;
	if (call->written < call->line.len)
		return true;
	if (call->master)
		shutdown(call->fd, SHUT_WR);
	event_del(call->io);
	event_assign(call->io, event_get_base(call->io), call->fd, EV_READ | EV_PERSIST,
	             readable_cb, call);
	event_add(call->io, NULL);
	return true;
}

static void writable_cb(int fd, short events, void *arg)
{
	struct haproxy_call *call = arg;

	(void)fd;
	(void)events;
	if (!advance(call))
		finish(call, false);
}

static void on_timer(void *arg)
{
	struct haproxy_call *call = arg;

	if (call->fd >= 0)
		err_set(&call->error, "%s: no complete reply within %lld ms", call->path,
		        (long long)call->timeout_ms);
	finish(call, false);
}

static void send_line(struct haproxy_call *call)
{
	bool ok;

	call->waiting = false;
	if (call->queue != NULL)
		call->queue->out++;
	call->until_ms = clock_now_ms() + HAPROXY_STREAM_MAX_MS;
	ok = start_connect(call);
	if (ok) {
		call->io =
		    event_new(call->base, call->fd, EV_WRITE | EV_PERSIST, writable_cb, call);
		event_add(call->io, NULL);
		ok = advance(call);
	}
	if (!ok)
		disconnect(call);
	timer_start(call->timer, ok ? call->timeout_ms : 0);
}

static struct haproxy_call *call_create(const struct haproxy_call *made, const char *path,
                                        const char *line)
{
	struct haproxy_call *call = xcalloc(1, sizeof(*call));

	*call = *made;
	call->fd = -1;
	call->path = xstrdup(path);
	call->timer = timer_new(call->base, on_timer, call);
	strbuf_init(&call->line);
	strbuf_init(&call->reply);
	strbuf_printf(&call->line, "%s\n", line);
	return call;
}

struct haproxy_call *haproxy_call_start(struct event_base *base, const char *path, bool master,
                                        const char *line, int64_t timeout_ms, haproxy_call_cb *cb,
                                        void *arg)
{
	const struct haproxy_call made = {
	    .base = base, .master = master, .timeout_ms = timeout_ms, .cb = cb, .arg = arg};
	struct haproxy_call *call = call_create(&made, path, line);

	send_line(call);
	return call;
}

/* --- the queue --- */

struct haproxy_queue *haproxy_queue_create(struct event_base *base, const char *path, bool master)
{
	struct haproxy_queue *queue = xcalloc(1, sizeof(*queue));

	*queue = (struct haproxy_queue){.base = base, .path = xstrdup(path), .master = master};
	TAILQ_INIT(&queue->waiting);
	return queue;
}

void haproxy_queue_destroy(struct haproxy_queue *queue)
{
	free(queue->path);
	free(queue);
}

struct haproxy_call *haproxy_queue_send(struct haproxy_queue *queue, enum haproxy_urgency urgency,
                                        const char *line, int64_t timeout_ms,
                                        haproxy_piece_cb *piece, haproxy_call_cb *cb, void *arg)
{
	const struct haproxy_call made = {.queue = queue,
	                                  .base = queue->base,
	                                  .master = queue->master,
	                                  .timeout_ms = timeout_ms,
	                                  .piece = piece,
	                                  .cb = cb,
	                                  .arg = arg};
	struct haproxy_call *call = call_create(&made, queue->path, line);

	call->waiting = urgency == HAPROXY_QUEUED && queue->out >= HAPROXY_QUEUE_MAX;
	if (call->waiting)
		TAILQ_INSERT_TAIL(&queue->waiting, call, entry);
	else
		send_line(call);
	return call;
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
