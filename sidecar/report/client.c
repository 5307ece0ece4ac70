/* The HTTP client of the verbs: one connection, one request, one deadline for everything. It reads
 * only what http.c sends: a status line, a Content-Length, a body. */
#include "report/client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "endpoint_internal.h"

#define HEAD_END "\r\n\r\n"
#define LENGTH   "\r\nContent-Length: "
#define BUSY_MS  10 /* between two attempts to connect */

static bool set_late(struct err *err)
{
	return err_set(err, "no answer in time: segue accepts connections but does not reply "
	                    "(stopped, or very busy?)");
}

static bool wait_for(int fd, short events, int64_t until_ms, struct err *err)
{
	for (;;) {
		struct pollfd item = {.fd = fd, .events = events};
		int64_t left_ms = until_ms - clock_now_ms();
		int ready = left_ms > 0 ? poll(&item, 1, (int)left_ms) : 0;

		if (ready > 0)
			return true;
		if (ready == 0)
			return set_late(err);
		if (errno != EINTR)
			return err_set_errno(err, errno, "poll");
	}
}

static bool connect_to(int fd, const struct listen_address *address, int64_t until_ms,
                       enum client_reach *reach, struct err *err)
{
	socklen_t size = sizeof(int);
	int error = 0;

	/* EAGAIN: the backlog of a unix socket is full; poll() cannot wait for that. */
	while (connect(fd, (const struct sockaddr *)&address->sockaddr, address->len) != 0) {
		error = errno;
		if (error != EAGAIN || clock_now_ms() >= until_ms)
			break;
		poll(NULL, 0, BUSY_MS);
		error = 0;
	}
	if (error == EINPROGRESS) {
		if (!wait_for(fd, POLLOUT, until_ms, err))
			return false;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
			error = errno;
	}
	if (error == ENOENT || error == ECONNREFUSED)
		*reach = CLIENT_NOBODY;
	if (error == EAGAIN)
		return set_late(err);
	if (error == EACCES)
		return err_set(err, "not allowed: be root, or in the group that the socket has");
	return error == 0 || err_set_errno(err, error, "cannot connect");
}

static bool send_all(int fd, const struct strbuf *text, int64_t until_ms, enum client_reach *reach,
                     struct err *err)
{
	for (size_t sent = 0; sent < text->len;) {
		ssize_t n = send(fd, text->data + sent, text->len - sent, MSG_NOSIGNAL);

		if (n > 0) {
			sent += (size_t)n;
			*reach = CLIENT_REACHED;
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return err_set_errno(err, errno, "cannot send the request");
		} else if (!wait_for(fd, POLLOUT, until_ms, err)) {
			return false;
		}
	}
	return true;
}

static bool receive_all(int fd, struct strbuf *out, int64_t until_ms, struct err *err)
{
	for (;;) {
		ssize_t n;

		strbuf_reserve(out, 16384);
		n = recv(fd, out->data + out->len, 16384, 0);
		if (n == 0)
			return true;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return err_set_errno(err, errno, "cannot read the reply");
		if (n < 0 && !wait_for(fd, POLLIN, until_ms, err))
			return false;
		if (n < 0)
			continue;
		out->len += (size_t)n;
		out->data[out->len] = '\0';
		if (out->len > CLIENT_REPLY_MAX)
			return err_set(err, "the reply is longer than %zu bytes", CLIENT_REPLY_MAX);
	}
}

static bool parse_reply(const struct strbuf *reply, int *status, struct strbuf *body,
                        struct err *err)
{
	const char *end = strstr(reply->data, HEAD_END), *length = strcasestr(reply->data, LENGTH);
	size_t body_len;

	if (end == NULL || length == NULL || length > end ||
	    strncmp(reply->data, "HTTP/1.", 7) != 0 || reply->len < 12)
		return err_set(err, "the process that answered is not segue");
	*status = (int)strtol(reply->data + 8, NULL, 10);
	body_len = reply->len - (size_t)(end + strlen(HEAD_END) - reply->data);
	if (strtoull(length + strlen(LENGTH), NULL, 10) != body_len)
		return err_set(err, "the reply is cut off after %zu bytes", body_len);
	strbuf_append(body, end + strlen(HEAD_END), body_len);
	return true;
}

bool client_request(const struct client_call *call, int *status, struct strbuf *body,
                    enum client_reach *reach, struct err *err)
{
	auto_strbuf struct strbuf request = STRBUF_INIT, reply = STRBUF_INIT;
	int64_t until_ms = clock_now_ms() + call->timeout_ms;
	struct listen_address address;
	auto_close int fd = -1;

	*reach = CLIENT_UNREACHED;
	if (!listen_parse(call->listen, &address, err))
		return false;
	fd = socket(address.sockaddr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set_errno(err, errno, "cannot create a socket");
	strbuf_printf(&request,
	              "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n"
	              "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	              call->method, call->path, address.is_unix ? "segue" : call->listen,
	              strlen(call->body), call->body);
	return (connect_to(fd, &address, until_ms, reach, err) &&
	        send_all(fd, &request, until_ms, reach, err) &&
	        receive_all(fd, &reply, until_ms, err) && parse_reply(&reply, status, body, err)) ||
	       err_wrap(err, "%s", call->listen);
}

char *client_pick_listen(const char *list)
{
	const char *at = strncmp(list, "unix:", 5) == 0 ? list : strstr(list, ",unix:");

	at = at == NULL ? list : at + (*at == ',');
	return xasprintf("%.*s", (int)strcspn(at, ","), at);
}
