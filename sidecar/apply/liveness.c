/* One question to one address: connect, eight bytes out, one byte in. A reset or an end before that
 * byte counts as refused: who answers like that has no session of ours alive. */
#include "apply/liveness.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct liveness {
	int fd;
	enum liveness_answer answer; /* what the timer brings */
	struct event *io;            /* NULL: nothing to wait for but the timer */
	struct event *timer;
	liveness_cb *cb;
	void *arg;
};

union address {
	struct sockaddr any;
	struct sockaddr_un local;
	struct sockaddr_storage tcp;
};

/* SSLRequest: length 8, code 80877103. */
static const unsigned char ssl_request[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};

static void liveness_free(struct liveness *liveness)
{
	if (liveness->io != NULL)
		event_free(liveness->io);
	if (liveness->fd >= 0)
		close(liveness->fd);
	event_free(liveness->timer);
	free(liveness);
}

static void finish(struct liveness *liveness, enum liveness_answer answer)
{
	liveness_cb *cb = liveness->cb;
	void *arg = liveness->arg;

	liveness_free(liveness);
	cb(answer, arg);
}

static enum liveness_answer answer_of(int error)
{
	return error == EHOSTUNREACH || error == ENETUNREACH || error == ETIMEDOUT
	           ? LIVENESS_SILENT
	           : LIVENESS_REFUSED;
}

static void readable_cb(int fd, short events, void *arg)
{
	unsigned char byte;
	ssize_t got = recv(fd, &byte, 1, 0);

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got == 1)
		finish(arg, LIVENESS_ALIVE);
	else
		finish(arg, got < 0 ? answer_of(errno) : LIVENESS_REFUSED);
}

static void writable_cb(int fd, short events, void *arg)
{
	struct liveness *liveness = arg;
	ssize_t sent = send(fd, ssl_request, sizeof(ssl_request), MSG_NOSIGNAL);

	(void)events;
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent != (ssize_t)sizeof(ssl_request)) {
		finish(liveness, sent < 0 ? answer_of(errno) : LIVENESS_SILENT);
		return;
	}
	event_del(liveness->io);
	event_assign(liveness->io, event_get_base(liveness->timer), fd, EV_READ | EV_PERSIST,
	             readable_cb, liveness);
	event_add(liveness->io, NULL);
}

static bool parse_address(const char *text, uint16_t port, union address *out, socklen_t *len)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	                               .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char number[8];

	snprintf(number, sizeof(number), "%u", (unsigned)port);
	if (text[0] == '/') {
		out->local.sun_family = AF_UNIX;
		*len = sizeof(out->local);
		return snprintf(out->local.sun_path, sizeof(out->local.sun_path), "%s/.s.PGSQL.%s",
		                text, number) < (int)sizeof(out->local.sun_path);
	}
	if (getaddrinfo(text, number, &hints, &found) != 0)
		return false;
	memcpy(out, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* False: it has failed already, `answer` says how. */
static bool start(struct liveness *liveness, const char *text, uint16_t port)
{
	union address address = {0};
	socklen_t len = 0;

	liveness->answer = LIVENESS_REFUSED;
	if (!parse_address(text, port, &address, &len))
		return false;
	liveness->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (liveness->fd < 0)
		return false;
	if (connect(liveness->fd, &address.any, len) == 0 || errno == EINPROGRESS)
		return true;
	/* A unix socket with a full backlog says EAGAIN: its server does not accept any more. */
	liveness->answer = errno == EAGAIN ? LIVENESS_SILENT : answer_of(errno);
	return false;
}

static void timer_cb(int fd, short events, void *arg)
{
	struct liveness *liveness = arg;

	(void)fd;
	(void)events;
	finish(liveness, liveness->answer);
}

struct liveness *liveness_ask(struct event_base *base, const char *address, uint16_t port,
                              int64_t timeout_ms, liveness_cb *cb, void *arg)
{
	struct liveness *liveness = xcalloc(1, sizeof(*liveness));
	struct timeval after = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	*liveness = (struct liveness){.fd = -1, .cb = cb, .arg = arg};
	liveness->timer = event_new(base, -1, 0, timer_cb, liveness);
	if (start(liveness, address, port)) {
		liveness->answer = LIVENESS_SILENT;
		liveness->io =
		    event_new(base, liveness->fd, EV_WRITE | EV_PERSIST, writable_cb, liveness);
		event_add(liveness->io, NULL);
	} else {
		after = (struct timeval){0};
	}
	event_add(liveness->timer, &after);
	return liveness;
}

void liveness_cancel(struct liveness *liveness)
{
	if (liveness != NULL)
		liveness_free(liveness);
}
