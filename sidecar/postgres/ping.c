/* One request to one address: connect, send eight bytes, receive one. A reset, or an end before
 * that byte, counts as refused: a server that answers like that has no session of ours left. */
#include "postgres/ping.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/timer.h"
#include "postgres_internal.h"

struct pg_ping {
	int fd;
	enum pg_ping_answer answer; /* what the timer reports */
	struct event *io;           /* NULL: only the timer is left to wait for */
	struct timer *timer;
	pg_ping_cb *cb;
	void *arg;
};

/* SSLRequest: length 8, code 80877103. */
static const unsigned char ssl_request[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};

static void pg_ping_free(struct pg_ping *pg_ping)
{
	if (pg_ping->io != NULL)
		event_free(pg_ping->io);
	if (pg_ping->fd >= 0)
		close(pg_ping->fd);
	timer_free(pg_ping->timer);
	free(pg_ping);
}

static void finish(struct pg_ping *pg_ping, enum pg_ping_answer answer)
{
	pg_ping_cb *cb = pg_ping->cb;
	void *arg = pg_ping->arg;

	pg_ping_free(pg_ping);
	cb(answer, arg);
}

static enum pg_ping_answer answer_of(int error)
{
	return error == EHOSTUNREACH || error == ENETUNREACH || error == ETIMEDOUT
	           ? PG_PING_SILENT
	           : PG_PING_REFUSED;
}

static void readable_cb(int fd, short events, void *arg)
{
	unsigned char byte;
	ssize_t got = recv(fd, &byte, 1, 0);

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	finish(arg, got == 1 ? PG_PING_ALIVE : got < 0 ? answer_of(errno) : PG_PING_REFUSED);
}

static void writable_cb(int fd, short events, void *arg)
{
	struct pg_ping *pg_ping = arg;
	ssize_t sent = send(fd, ssl_request, sizeof(ssl_request), MSG_NOSIGNAL);

	(void)events;
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent != (ssize_t)sizeof(ssl_request)) {
		finish(pg_ping, sent < 0 ? answer_of(errno) : PG_PING_SILENT);
		return;
	}
	event_del(pg_ping->io);
	event_assign(pg_ping->io, event_get_base(pg_ping->io), fd, EV_READ | EV_PERSIST,
	             readable_cb, pg_ping);
	event_add(pg_ping->io, NULL);
}

bool pg_address_parse(const char *text, uint16_t port, struct pg_address *out)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	                               .ai_socktype = SOCK_STREAM};
	const size_t size = sizeof(out->local.sun_path);
	struct addrinfo *found = NULL;
	char number[8];

	*out = (struct pg_address){.len = sizeof(out->local)};
	snprintf(number, sizeof(number), "%u", (unsigned)port);
	if (text[0] == '/') {
		out->local.sun_family = AF_UNIX;
		return snprintf(out->local.sun_path, size, "%s/.s.PGSQL.%s", text, number) <
		       (int)size;
	}
	if (getaddrinfo(text, number, &hints, &found) != 0)
		return false;
	memcpy(&out->any, found->ai_addr, found->ai_addrlen);
	out->len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* False: it has failed already, and pg_ping->answer says how. */
static bool start(struct pg_ping *pg_ping, const char *text, uint16_t port)
{
	struct pg_address address;

	pg_ping->answer = PG_PING_REFUSED;
	if (!pg_address_parse(text, port, &address))
		return false;
	pg_ping->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (pg_ping->fd < 0)
		return false;
	if (connect(pg_ping->fd, &address.any, address.len) == 0 || errno == EINPROGRESS)
		return true;
	/* EAGAIN: the backlog of a unix socket is full, so its server does not accept connections
	 * any more. */
	pg_ping->answer = errno == EAGAIN ? PG_PING_SILENT : answer_of(errno);
	return false;
}

static void on_timer(void *arg)
{
	struct pg_ping *pg_ping = arg;

	finish(pg_ping, pg_ping->answer);
}

struct pg_ping *pg_ping_ask(struct event_base *base, const char *address, uint16_t port,
                            int64_t timeout_ms, pg_ping_cb *cb, void *arg)
{
	struct pg_ping *pg_ping = xcalloc(1, sizeof(*pg_ping));
	bool started;

	*pg_ping = (struct pg_ping){.fd = -1, .cb = cb, .arg = arg};
	pg_ping->timer = timer_new(base, on_timer, pg_ping);
	started = start(pg_ping, address, port);
	if (started) {
		pg_ping->answer = PG_PING_SILENT;
		pg_ping->io =
		    event_new(base, pg_ping->fd, EV_WRITE | EV_PERSIST, writable_cb, pg_ping);
		event_add(pg_ping->io, NULL);
	}
	timer_start(pg_ping->timer, started ? timeout_ms : 0);
	return pg_ping;
}

void pg_ping_cancel(struct pg_ping *pg_ping)
{
	if (pg_ping != NULL)
		pg_ping_free(pg_ping);
}
