/* Two flows of bytes, each with one small buffer, which is filled again only when it is empty.
 * Always holds: no byte reaches libpq that has not been counted and scanned. */

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "postgres_internal.h"

#define TURN_BYTES 8192 /* per loop iteration */

struct flow {
	struct pq_relay *relay;
	int from, to;
	struct event *readable, *writable;
	char bytes[TURN_BYTES];
	size_t start, end; /* what is still to be written */
	bool inward;       /* towards libpq */
	bool over;         /* no more bytes come, or are allowed to */
};

struct pq_relay {
	int net, inner;
	ino_t inode; /* of libpq's end of the socket pair */
	struct flow in, out;
	struct pq_scan scan;
	size_t left; /* bytes that may still come */
	size_t allowed;
	struct err problem; /* "": none */
	pq_relay_cb *cb;
	void *arg;
};

/* True once everything is written. */
static bool write_on(struct flow *flow)
{
	while (flow->start < flow->end) {
		ssize_t n = send(flow->to, flow->bytes + flow->start, flow->end - flow->start,
		                 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return false;
		flow->start = n < 0 ? flow->end : flow->start + (size_t)n;
		flow->over = flow->over || n < 0;
	}
	flow->start = flow->end = 0;
	return true;
}

static bool admit_bytes(struct pq_relay *relay, const char *bytes, size_t len)
{
	if (len > relay->left)
		return err_set(
		    &relay->problem,
		    "the server sent more than the %zu bytes that are allowed for one answer",
		    relay->allowed);
	relay->left -= len;
	return pq_scan_take(&relay->scan, bytes, len, &relay->problem);
}

/* An error is treated as the end, because libpq reports both alike. */
static void read_on(struct flow *flow)
{
	ssize_t n = recv(flow->from, flow->bytes, sizeof(flow->bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n > 0 && (!flow->inward || admit_bytes(flow->relay, flow->bytes, (size_t)n)))
		flow->end = (size_t)n;
	else
		flow->over = true;
}

static void move_on(struct flow *flow)
{
	if (!write_on(flow)) {
		event_del(flow->readable);
		event_add(flow->writable, NULL);
		return;
	}
	event_del(flow->writable);
	if (!flow->over) {
		event_add(flow->readable, NULL);
		return;
	}
	event_del(flow->readable);
	shutdown(flow->to, SHUT_WR);
}

static void readable_cb(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	(void)what;
	read_on(flow);
	move_on(flow);
	if (flow->inward)
		flow->relay->cb(flow->relay->arg);
}

static void writable_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	move_on(arg);
}

static void flow_init(struct flow *flow, struct pq_relay *relay, struct event_base *base, int from,
                      int to)
{
	flow->relay = relay;
	flow->from = from;
	flow->to = to;
	flow->inward = to == relay->inner;
	flow->readable = event_new(base, from, EV_READ | EV_PERSIST, readable_cb, flow);
	flow->writable = event_new(base, to, EV_WRITE | EV_PERSIST, writable_cb, flow);
	event_add(flow->readable, NULL);
}

static ino_t inode_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

/* Moves the connection to *net, and puts one end of a socket pair in its place. Returns the other
 * end; -1 on failure. */
static int swap(int fd, int *net, struct err *err)
{
	int pair[2] = {-1, -1};

	*net = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (*net >= 0 &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0 &&
	    dup3(pair[0], fd, O_CLOEXEC) >= 0) {
		close(pair[0]);
		return pair[1];
	}
	err_set_errno(err, errno, "cannot put a socket pair in place of the connection");
	util_cleanup_close(net);
	util_cleanup_close(&pair[0]);
	util_cleanup_close(&pair[1]);
	return -1;
}

struct pq_relay *pq_relay_insert(struct event_base *base, int fd, enum pq_scan_state first,
                                 pq_relay_cb *cb, void *arg, struct err *err)
{
	struct pq_relay *relay;
	int net, inner = swap(fd, &net, err);

	if (inner < 0)
		return NULL;
	relay = xcalloc(1, sizeof(*relay));
	relay->net = net;
	relay->inner = inner;
	relay->inode = inode_of(fd);
	relay->cb = cb;
	relay->arg = arg;
	pq_scan_init(&relay->scan, first);
	flow_init(&relay->in, relay, base, net, inner);
	flow_init(&relay->out, relay, base, inner, net);
	return relay;
}

bool pq_relay_is_of(const struct pq_relay *relay, int fd)
{
	return inode_of(fd) == relay->inode;
}

void pq_relay_send(struct pq_relay *relay)
{
	if (!write_on(&relay->out))
		return;
	read_on(&relay->out);
	move_on(&relay->out);
}

void pq_relay_destroy(struct pq_relay *relay)
{
	if (relay == NULL)
		return;
	pq_relay_send(relay);
	event_free(relay->in.readable);
	event_free(relay->in.writable);
	event_free(relay->out.readable);
	event_free(relay->out.writable);
	close(relay->net);
	close(relay->inner);
	free(relay);
}

void pq_relay_allow(struct pq_relay *relay, size_t bytes)
{
	relay->left = relay->allowed = bytes;
}

const char *pq_relay_problem(const struct pq_relay *relay)
{
	return relay->problem.message[0] != '\0' ? relay->problem.message : NULL;
}

/* --- scanning: messages of the PostgreSQL protocol, version 3 ---
 *
 * A message is a type, a length that includes itself, and a body. Of the body no more is kept than
 * one message of SCRAM needs. */

#define AUTH_SASL_CONTINUE 11

static bool take_head(struct pq_scan *scan, struct err *err)
{
	const unsigned char *head = scan->head;
	uint32_t len =
	    (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];

	if (len < 4)
		return err_set(err,
		               "the server sent a message with a length of %u bytes, which is "
		               "not valid in the PostgreSQL protocol",
		               (unsigned)len);
	if (head[0] == 'S' && ++scan->parameters > PQ_PARAMETERS_MAX)
		return err_set(
		    err, "the server sent more than %d ParameterStatus messages on one connection",
		    PQ_PARAMETERS_MAX);
	scan->left = len - 4;
	scan->body_len = scan->head_len = 0;
	scan->state = PQ_SCAN_BODY;
	/* libpq accepts a message about authentication of up to 2,000 bytes (old versions: 30,000).
	 * PostgreSQL's have about 100. */
	return head[0] != 'R' || scan->left < sizeof(scan->body) ||
	       err_set(err,
	               "the server sent an authentication message of %zu bytes, more than any "
	               "method needs",
	               scan->left);
}

/* AuthenticationSASLContinue: "r=NONCE,s=SALT,i=ITERATIONS". If there are more digits than fit,
 * strtoul() returns its maximum, which is refused. */
static bool take_authentication(struct pq_scan *scan, struct err *err)
{
	static const unsigned char code[] = {0, 0, 0, AUTH_SASL_CONTINUE};
	const char *found;

	scan->body[scan->body_len] = '\0';
	if (scan->body_len < sizeof(code) || memcmp(scan->body, code, sizeof(code)) != 0)
		return true;
	for (found = scan->body + sizeof(code); (found = strstr(found, ",i=")) != NULL; found += 3)
		if (strtoul(found + 3, NULL, 10) > PQ_ITERATIONS_MAX)
			return err_set(err,
			               "the server requests more than %d SCRAM iterations: lower "
			               "scram_iterations and set the password of the role again",
			               PQ_ITERATIONS_MAX);
	return true;
}

static bool finish_body(struct pq_scan *scan, struct err *err)
{
	scan->state = PQ_SCAN_HEAD;
	return scan->head[0] != 'R' || take_authentication(scan, err);
}

/* Returns how many bytes belong to the body. */
static size_t take_body(struct pq_scan *scan, const unsigned char *bytes, size_t len)
{
	size_t taken = len < scan->left ? len : scan->left;
	size_t room = sizeof(scan->body) - 1 - scan->body_len;

	if (scan->head[0] == 'R' && room > 0) {
		size_t kept = taken < room ? taken : room;

		memcpy(scan->body + scan->body_len, bytes, kept);
		scan->body_len += kept;
	}
	scan->left -= taken;
	return taken;
}

static bool take_byte_of_head(struct pq_scan *scan, unsigned char byte, struct err *err)
{
	scan->head[scan->head_len++] = byte;
	if (scan->head_len < sizeof(scan->head))
		return true;
	if (!take_head(scan, err))
		return false;
	return scan->left > 0 || finish_body(scan, err);
}

void pq_scan_init(struct pq_scan *scan, enum pq_scan_state state)
{
	*scan = (struct pq_scan){.state = state};
}

bool pq_scan_take(struct pq_scan *scan, const void *bytes, size_t len, struct err *err)
{
	const unsigned char *at = bytes, *end = at + len;
	bool good = true;

	while (good && at < end) {
		switch (scan->state) {
		case PQ_SCAN_OPAQUE:
			return true;
		case PQ_SCAN_TLS_REPLY:
			/* 'E' is the first byte of an error message, which is scanned. */
			scan->state = *at == 'N' || *at == 'E' ? PQ_SCAN_HEAD : PQ_SCAN_OPAQUE;
			at += *at != 'E';
			break;
		case PQ_SCAN_HEAD:
			good = take_byte_of_head(scan, *at++, err);
			break;
		case PQ_SCAN_BODY:
			at += take_body(scan, at, (size_t)(end - at));
			if (scan->left == 0)
				good = finish_body(scan, err);
			break;
		}
	}
	return good;
}
