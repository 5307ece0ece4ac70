/* The connection. After each call of libpq its socket is watched for what libpq wants to wait for,
 * because libpq changes the socket while it tries one address after the other. As soon as the
 * connection is established, a relay is inserted, before the first byte is read.
 *
 *            open                   connected               ask
 *   CLOSED ---------> CONNECTING -------------> READY <------------> ASKING
 *     ^                   |                       |       answer       |
 *     +------------ close, after PQ_LINK_LOST -----+--------------------+
 */
#include "postgres/link.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"
#include "postgres_internal.h"

#define CONNECTING_BYTES_MAX \
	65536               /* received until the login is complete, TLS certificates included */
#define RESULTS_MAX    16   /* in one answer */
#define TLS_RECORD_MAX 8192 /* in one step of the login; libpq reads at most this much at once */

struct pq_link {
	struct event_base *base;
	const struct libpq *pq;
	enum pq_link_state state;
	PGconn *conn;
	struct pq_relay *relay; /* NULL: not connected yet */
	struct pq_scan tls;     /* scans what the login sends inside TLS */
	struct event *io;       /* NULL: nothing to watch */
	PGresult *result;       /* the result of the answer that counts */
	struct pq_link_limits limits;
	unsigned results;   /* received for this answer */
	bool spoke;         /* the last thing that came while connecting was bytes, not the end */
	bool leaving;       /* the server has announced that it ends the connection */
	struct err problem; /* why segue ends it; "": it does not */
	pq_link_cb *cb;
	void *arg;
};

static void advance(struct pq_link *link);

static void unwatch(struct pq_link *link)
{
	if (link->io != NULL)
		event_free(link->io);
	link->io = NULL;
}

static void io_cb(evutil_socket_t fd, short events, void *arg)
{
	struct pq_link *link = arg;
	char byte;

	/* Not before EV_READ: until the socket is connected, recv() would clear the error that
	 * libpq reads. */
	if (link->state == PQ_LINK_CONNECTING && (events & EV_READ) != 0)
		link->spoke = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
	advance(link);
}

static void watch(struct pq_link *link, short events)
{
	int fd = link->pq->socket(link->conn);

	if (link->io != NULL && event_get_fd(link->io) == fd &&
	    (event_get_events(link->io) & (EV_READ | EV_WRITE)) == events)
		return;
	unwatch(link);
	link->io = event_new(link->base, fd, (short)(events | EV_PERSIST), io_cb, link);
	event_add(link->io, NULL);
}

/* Saves a loop iteration. If one read by libpq leaves bytes in its socket, the event follows. */
static void relay_cb(void *arg)
{
	struct pq_link *link = arg;

	if (link->io != NULL && (event_get_events(link->io) & EV_READ) != 0)
		io_cb(event_get_fd(link->io), EV_READ, link);
}

static void drop_result(struct pq_link *link)
{
	if (link->result != NULL)
		link->pq->clear(STEAL(link->result));
}

/* -- the answer -- */

/* An error counts more than rows, and rows count more than a statement without rows. */
static int rank_of(const struct pq_link *link, const PGresult *result)
{
	switch (link->pq->result_status(result)) {
	case PGRES_EMPTY_QUERY:
	case PGRES_COMMAND_OK:
		return 1;
	case PGRES_TUPLES_OK:
		return 2;
	default:
		return 3;
	}
}

/* Of two results that count the same, the first one stays. */
static void keep_result(struct pq_link *link, PGresult *result)
{
	if (link->result != NULL && rank_of(link, result) <= rank_of(link, link->result)) {
		link->pq->clear(result);
		return;
	}
	drop_result(link);
	link->result = result;
}

/* Takes over `result`. False: the connection must end. */
static bool take_result(struct pq_link *link, PGresult *result)
{
	ExecStatusType status = link->pq->result_status(result);
	const char *problem = NULL;

	if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
		problem = "the server answered with COPY, which was not requested";
	else if (link->pq->rows(result) > link->limits.rows)
		problem = "the server returned more rows than the query can return";
	else if (++link->results > RESULTS_MAX)
		problem = "the server returned more results than the query has statements";
	if (problem == NULL) {
		keep_result(link, result);
		return true;
	}
	link->pq->clear(result);
	return err_set(&link->problem, "%s", problem);
}

static bool be_ready(struct pq_link *link, enum pq_link_event event)
{
	link->state = PQ_LINK_READY;
	watch(link, EV_READ);
	link->cb(link, event, link->arg);
	return true;
}

/* libpq keeps every notification until it is fetched. */
static bool consume(struct pq_link *link)
{
	bool good = link->pq->consume_input(link->conn) == 1;
	PGnotify *notification;

	while ((notification = link->pq->notifies(link->conn)) != NULL)
		link->pq->free_memory(notification);
	return good;
}

/* False: the connection has ended, or must end. */
static bool read_answer(struct pq_link *link)
{
	int unsent = link->pq->flush(link->conn);
	PGresult *result;

	if (unsent < 0 || !consume(link))
		return false;
	while (!link->pq->is_busy(link->conn)) {
		result = link->pq->get_result(link->conn);
		if (result == NULL)
			return link->pq->status(link->conn) != CONNECTION_BAD &&
			       be_ready(link, PQ_LINK_ANSWERED);
		if (!take_result(link, result))
			return false;
	}
	watch(link, unsent > 0 ? EV_READ | EV_WRITE : EV_READ);
	return true;
}

bool pq_link_ask(struct pq_link *link, const char *sql, const struct pq_link_limits *limits)
{
	int unsent = -1;

	link->limits = *limits;
	link->results = 0;
	drop_result(link);
	pq_relay_allow(link->relay, limits->bytes);
	if (link->pq->send_query(link->conn, sql))
		unsent = link->pq->flush(link->conn);
	if (unsent < 0)
		return false;
	pq_relay_send(link->relay);
	link->state = PQ_LINK_ASKING;
	watch(link, unsent > 0 ? EV_READ | EV_WRITE : EV_READ);
	return true;
}

/* -- connecting -- */

/* The last message between two questions: a FATAL error, or what a server process sends when
 * another process has crashed (57P02). The connection ends when the process is gone, which may take
 * milliseconds. */
static void take_notice(void *arg, const PGresult *result)
{
	struct pq_link *link = arg;
	const char *severity = link->pq->result_error_field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *sqlstate = link->pq->result_error_field(result, PG_DIAG_SQLSTATE);

	link->leaving = link->leaving || (severity != NULL && strcmp(severity, "FATAL") == 0) ||
	                (sqlstate != NULL && strcmp(sqlstate, "57P02") == 0);
}

/* False: in this state libpq has sent nothing yet, and still checks the socket itself
 * (requirepeer). Right after these states the connection is established, and libpq has read
 * nothing. */
static bool takes_relay(ConnStatusType status)
{
	return status != CONNECTION_NEEDED && status != CONNECTION_STARTED &&
	       status != CONNECTION_MADE;
}

static bool insert_relay(struct pq_link *link)
{
	ConnStatusType status = link->pq->status(link->conn);
	int fd = link->pq->socket(link->conn);
	enum pq_scan_state first = status == CONNECTION_SSL_STARTUP   ? PQ_SCAN_TLS_REPLY
	                           : status == CONNECTION_GSS_STARTUP ? PQ_SCAN_OPAQUE
	                                                              : PQ_SCAN_HEAD;

	if (link->relay != NULL && !pq_relay_is_of(link->relay, fd))
		pq_relay_destroy(STEAL(link->relay));
	if (link->relay != NULL || !takes_relay(status))
		return true;
	link->relay = pq_relay_insert(link->base, fd, first, relay_cb, link, &link->problem);
	if (link->relay == NULL)
		return false;
	pq_scan_init(&link->tls, PQ_SCAN_HEAD);
	pq_relay_allow(link->relay, CONNECTING_BYTES_MAX);
	return true;
}

/* Scans what libpq reads next inside TLS. It is the rest of one record, because only a run of the
 * relay brings more bytes to libpq's socket. */
static bool scan_tls(struct pq_link *link)
{
	void *ssl = link->pq->ssl_struct(link->conn, "OpenSSL");
	char bytes[TLS_RECORD_MAX];
	int len;

	if (ssl == NULL || link->pq->ssl_peek == NULL ||
	    link->pq->status(link->conn) == CONNECTION_SSL_STARTUP)
		return true;
	len = link->pq->ssl_peek(ssl, bytes, sizeof(bytes));
	if (len == TLS_RECORD_MAX)
		return err_set(&link->problem,
		               "the server sent more than %d bytes in one step of the login",
		               TLS_RECORD_MAX);
	return len <= 0 || pq_scan_take(&link->tls, bytes, (size_t)len, &link->problem);
}

/* libpq may close its socket and open another one with the same number, so the event is removed
 * first. */
static bool go_on_connecting(struct pq_link *link)
{
	PostgresPollingStatusType next;

	unwatch(link);
	if (!scan_tls(link))
		return false;
	next = link->pq->connect_poll(link->conn);
	if (next == PGRES_POLLING_OK) {
		link->pq->set_nonblocking(link->conn, 1);
		return be_ready(link, PQ_LINK_CONNECTED);
	}
	if (next == PGRES_POLLING_FAILED || !insert_relay(link))
		return false;
	if (link->relay != NULL)
		pq_relay_send(link->relay);
	watch(link, next == PGRES_POLLING_WRITING ? EV_WRITE : EV_READ);
	return true;
}

bool pq_link_leaving(struct pq_link *link)
{
	(void)link->pq->is_busy(link->conn); /* parses what has come, and calls take_notice() */
	return link->leaving || link->pq->status(link->conn) == CONNECTION_BAD;
}

/* The callbacks may close the link: nothing of it may be used after them. */
static void advance(struct pq_link *link)
{
	bool good = true;

	switch (link->state) {
	case PQ_LINK_CLOSED:
		break;
	case PQ_LINK_CONNECTING:
		good = go_on_connecting(link);
		break;
	case PQ_LINK_ASKING:
		good = read_answer(link);
		break;
	case PQ_LINK_READY:
		good = consume(link) && !pq_link_leaving(link);
		break;
	}
	if (good)
		return;
	unwatch(link);
	link->cb(link, PQ_LINK_LOST, link->arg);
}

bool pq_link_open(struct pq_link *link, PGconn *conn)
{
	link->conn = conn;
	link->spoke = link->leaving = false;
	link->problem.message[0] = '\0';
	if (conn == NULL || link->pq->status(conn) == CONNECTION_BAD)
		return false;
	link->pq->set_notice_receiver(conn, take_notice, link);
	link->state = PQ_LINK_CONNECTING;
	watch(link, EV_WRITE);
	return true;
}

void pq_link_close(struct pq_link *link)
{
	unwatch(link);
	drop_result(link);
	if (link->conn != NULL)
		link->pq->finish(STEAL(link->conn));
	pq_relay_destroy(STEAL(link->relay));
	link->state = PQ_LINK_CLOSED;
}

PGresult *pq_link_take_result(struct pq_link *link)
{
	return STEAL(link->result);
}

enum pq_link_state pq_link_state(const struct pq_link *link)
{
	return link->state;
}

const PGconn *pq_link_conn(const struct pq_link *link)
{
	return link->conn;
}

const char *pq_link_problem(const struct pq_link *link)
{
	if (link->problem.message[0] != '\0')
		return link->problem.message;
	return link->relay != NULL ? pq_relay_problem(link->relay) : NULL;
}

bool pq_link_spoke(const struct pq_link *link)
{
	return link->spoke;
}

struct pq_link *pq_link_create(struct event_base *base, const struct libpq *pq, pq_link_cb *cb,
                               void *arg)
{
	struct pq_link *link = xcalloc(1, sizeof(*link));

	*link = (struct pq_link){.base = base, .pq = pq, .cb = cb, .arg = arg};
	return link;
}

void pq_link_destroy(struct pq_link *link)
{
	if (link == NULL)
		return;
	pq_link_close(link);
	free(link);
}
