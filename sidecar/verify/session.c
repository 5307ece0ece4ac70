/* The connection. What libpq wants to wait for is watched anew after each of its calls. Whatever
 * ends it goes through end(), which closes at once and tells in a turn of its own.
 *
 *             ask                   connected               ask
 *   CLOSED ---------> CONNECTING -------------> ASKING <------------> READY
 *     ^                   |                       |       answer        |
 *     +----- failed ------+----- error, EOF ------+-------- EOF --------+
 *
 * A server that shuts down smartly lets nobody in any more, and waits for those who are connected:
 * a connection that lives does not tell it, and keeps it from ending. So another one is made beside
 * it now and then, which takes its place, or is told 57P03.
 */
#include "verify/session.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/util.h"
#include "verify/dial.h"

/* Errors that pass by themselves, before one is believed. */
#define PASSING_MAX         3
#define SESSION_COLUMNS_MAX 16

enum session_state {
	SESSION_CLOSED,     /* no connection; the end of one may still have to be told */
	SESSION_CONNECTING, /* libpq is at it; the question waits for the end of it */
	SESSION_ASKING,     /* the question is out */
	SESSION_READY,      /* connected, nothing asked; watched for its end */
};

/* A connection that is made beside the one at hand, to take its place. */
struct successor {
	PGconn *conn;     /* NULL: none is made */
	struct event *io; /* NULL: it is connected, and waits for the answer to the question that is
	                     out */
	bool spoke;       /* as session->spoke */
};

struct session {
	struct event_base *base;
	const struct libpq *pq;
	const struct session_question *question;
	const char *conninfo;
	struct member member;
	enum session_state state;
	PGconn *conn;
	PGresult *result;       /* the first one of the answer */
	struct event *io;       /* NULL: nothing to watch */
	struct event *over;     /* tells the end */
	struct verdict verdict; /* of the end */
	void *answer;           /* where the row goes */
	bool spoke;             /* the last that came in while connecting was bytes, not the end */
	bool answered;          /* this connection has brought an answer */
	bool leaving;           /* it has said that it ends */
	bool reduced;           /* it refuses the whole question */
	unsigned passing;       /* errors in a row that may pass by themselves */
	int64_t renew_us;       /* before that it is not renewed */
	bool shut;              /* it lets nobody in any more: the verdict says so */
	struct successor successor;
	session_cb *cb;
	void *arg;
};

static void advance(struct session *session);

/* The one place where the state changes. */
static void enter(struct session *session, enum session_state state)
{
	session->state = state;
}

static void unwatch(struct session *session)
{
	if (session->io != NULL)
		event_free(session->io);
	session->io = NULL;
}

static void io_cb(evutil_socket_t fd, short events, void *arg)
{
	struct session *session = arg;
	char byte;

	/* Not before it is connected: the call would take the error that libpq looks for. */
	if (session->state == SESSION_CONNECTING && (events & EV_READ) != 0)
		session->spoke = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
	advance(session);
}

static void watch(struct session *session, short events)
{
	int fd = session->pq->socket(session->conn);

	if (session->io != NULL && event_get_fd(session->io) == fd &&
	    (event_get_events(session->io) & (EV_READ | EV_WRITE)) == events)
		return;
	unwatch(session);
	session->io = event_new(session->base, fd, (short)(events | EV_PERSIST), io_cb, session);
	event_add(session->io, NULL);
}

static void drop_result(struct session *session)
{
	if (session->result != NULL)
		session->pq->clear(STEAL(session->result));
}

static void drop_successor(struct session *session)
{
	struct successor *successor = &session->successor;

	if (successor->io != NULL)
		event_free(STEAL(successor->io));
	if (successor->conn != NULL)
		session->pq->finish(STEAL(successor->conn));
}

static void disconnect(struct session *session)
{
	drop_successor(session);
	unwatch(session);
	drop_result(session);
	if (session->conn != NULL)
		session->pq->finish(STEAL(session->conn));
	enter(session, SESSION_CLOSED);
}

static void over_cb(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;
	struct verdict verdict = session->verdict;

	(void)fd;
	(void)what;
	if (session->shut)
		session->cb(SESSION_SHUT, &verdict, session->arg);
	else if (session->answered)
		session->cb(SESSION_ENDED, NULL, session->arg);
	else
		session->cb(SESSION_FAILED, &verdict, session->arg);
}

/* `session->verdict` says why, where the connection has not answered yet. */
static void end(struct session *session)
{
	disconnect(session);
	event_active(session->over, EV_TIMEOUT, 0);
}

static void classify(const struct session *session, PGconn *conn, bool started, bool spoke,
                     struct verdict *out)
{
	const struct classify_failure failure = {
	    .message = session->pq->error_message(conn),
	    .needs_password = session->pq->needs_password(conn),
	    .started = started,
	    .spoke = spoke,
	};

	classify_failure(&failure, out);
}

static void fail_to_connect(struct session *session, bool started)
{
	classify(session, session->conn, started, session->spoke, &session->verdict);
	end(session);
}

/* Its last words, in between the questions: FATAL, or what a crash of its neighbours has it say
 * (57P02). The end follows when the process is gone, which may take it milliseconds. */
static void take_notice(void *arg, const PGresult *result)
{
	struct session *session = arg;
	const char *severity =
	    session->pq->result_error_field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *sqlstate = session->pq->result_error_field(result, PG_DIAG_SQLSTATE);

	session->leaving = session->leaving ||
	                   (severity != NULL && strcmp(severity, "FATAL") == 0) ||
	                   (sqlstate != NULL && strcmp(sqlstate, "57P02") == 0);
}

/* Connected, and the other end is gone, or said why it goes. */
static void lose(struct session *session)
{
	session->spoke = false;
	fail_to_connect(session, true);
}

static void send_question(struct session *session)
{
	int unsent = -1;

	if (session->pq->send_query(session->conn,
	                            session->question->sql(session->answer, session->reduced)))
		unsent = session->pq->flush(session->conn);
	if (unsent < 0) {
		lose(session);
		return;
	}
	enter(session, SESSION_ASKING);
	watch(session, unsent > 0 ? EV_READ | EV_WRITE : EV_READ);
}

/* A server that answers with an error, or with nonsense, is asked over a new connection. */
static void fail_to_answer(struct session *session, const char *sqlstate, const char *text)
{
	classify_error(sqlstate, text, &session->verdict);
	session->answered = false;
	end(session);
}

static bool has_left(const struct session *session)
{
	(void)session->pq->is_busy(session->conn); /* reads what came: take_notice() */
	return session->leaving || session->pq->status(session->conn) == CONNECTION_BAD;
}

/* --- a successor --- */

/* What the connection at hand was refused of the question, this one would be, too. */
static void succeed(struct session *session)
{
	PGconn *conn = STEAL(session->successor.conn);

	disconnect(session);
	session->conn = conn;
	session->pq->set_nonblocking(conn, 1);
	enter(session, SESSION_READY);
	watch(session, EV_READ);
}

static void step_successor(struct session *session);

static void successor_cb(evutil_socket_t fd, short events, void *arg)
{
	struct session *session = arg;
	char byte;

	if ((events & EV_READ) != 0)
		session->successor.spoke = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
	event_free(STEAL(session->successor.io));
	step_successor(session);
}

static void watch_successor(struct session *session, short events)
{
	struct successor *successor = &session->successor;

	successor->io = event_new(session->base, session->pq->socket(successor->conn), events,
	                          successor_cb, session);
	event_add(successor->io, NULL);
}

/* Only one thing that a failure may say is news: the rest is left to the connection at hand. */
static void fail_successor(struct session *session)
{
	struct verdict verdict;

	classify(session, session->successor.conn, true, session->successor.spoke, &verdict);
	drop_successor(session);
	if (!verdict.shut)
		return;
	session->verdict = verdict;
	session->shut = true;
	end(session);
}

static void step_successor(struct session *session)
{
	switch (session->pq->connect_poll(session->successor.conn)) {
	case PGRES_POLLING_READING:
	case PGRES_POLLING_ACTIVE:
		watch_successor(session, EV_READ);
		return;
	case PGRES_POLLING_WRITING:
		watch_successor(session, EV_WRITE);
		return;
	case PGRES_POLLING_OK:
		session->pq->set_notice_receiver(session->successor.conn, take_notice, session);
		if (session->state == SESSION_READY)
			succeed(session);
		return;
	case PGRES_POLLING_FAILED:
		fail_successor(session);
		return;
	}
}

static void set_age(struct session *session)
{
	session->renew_us = clock_now_us() + clock_jitter_ms(SESSION_LIFE_MS) * 1000;
}

void session_renew(struct session *session)
{
	struct successor *successor = &session->successor;

	if (session->state != SESSION_READY || clock_now_us() < session->renew_us)
		return;
	drop_successor(session);
	set_age(session);
	*successor =
	    (struct successor){.conn = dial(session->pq, session->conninfo, &session->member)};
	if (session->pq->status(successor->conn) == CONNECTION_BAD) {
		drop_successor(session);
		return;
	}
	session->pq->set_verbosity(successor->conn, PQERRORS_VERBOSE);
	watch_successor(session, EV_WRITE);
}

/* --- answers --- */

static void take_row(struct session *session)
{
	const struct libpq *pq = session->pq;
	const PGresult *result = session->result;
	const char *row[SESSION_COLUMNS_MAX] = {NULL};
	struct err err = {"the answer is not one row of the columns that were asked for"};
	int columns = session->question->columns;
	bool good = pq->rows(result) == 1 && pq->columns(result) == columns;

	for (int i = 0; good && i < columns && i < SESSION_COLUMNS_MAX; i++)
		row[i] = pq->is_null(result, 0, i) ? NULL : pq->value(result, 0, i);
	if (!good || !session->question->parse(row, session->answer, &err)) {
		fail_to_answer(session, NULL, err.message);
		return;
	}
	drop_result(session);
	session->answered = true;
	session->passing = 0;
	if (has_left(session)) {
		lose(session);
		return;
	}
	enter(session, SESSION_READY);
	watch(session, EV_READ);
	if (session->successor.conn != NULL && session->successor.io == NULL)
		succeed(session);
	session->cb(SESSION_ANSWERED, NULL, session->arg);
}

static void take_error(struct session *session)
{
	const PGresult *result = session->result;
	const char *sqlstate = session->pq->result_error_field(result, PG_DIAG_SQLSTATE);
	const char *text = session->pq->result_error_field(result, PG_DIAG_MESSAGE_PRIMARY);

	if (sqlstate != NULL && classify_is_refused(sqlstate) && !session->reduced) {
		session->reduced = true;
	} else if (sqlstate == NULL || !classify_may_pass(sqlstate) ||
	           ++session->passing > PASSING_MAX) {
		fail_to_answer(session, sqlstate, text != NULL ? text : "the question failed");
		return;
	}
	drop_result(session);
	send_question(session);
}

static void take_result(struct session *session)
{
	if (session->pq->status(session->conn) == CONNECTION_BAD)
		lose(session);
	else if (session->pq->result_status(session->result) == PGRES_TUPLES_OK)
		take_row(session);
	else
		take_error(session);
}

/* An error stands before whatever follows it, a row behind statements that have none. */
static void keep_result(struct session *session, PGresult *result)
{
	if (session->result != NULL &&
	    session->pq->result_status(session->result) == PGRES_COMMAND_OK)
		drop_result(session);
	if (session->result == NULL)
		session->result = result;
	else
		session->pq->clear(result);
}

static void read_answer(struct session *session)
{
	int unsent = session->pq->flush(session->conn);
	PGresult *result;

	if (unsent < 0 || !session->pq->consume_input(session->conn)) {
		lose(session);
		return;
	}
	while (!session->pq->is_busy(session->conn)) {
		result = session->pq->get_result(session->conn);
		if (result == NULL) {
			take_result(session);
			return;
		}
		keep_result(session, result);
	}
	watch(session, unsent > 0 ? EV_READ | EV_WRITE : EV_READ);
}

/* libpq may close its socket and open one with the same number: the event goes before. */
static void go_on_connecting(struct session *session)
{
	unwatch(session);
	switch (session->pq->connect_poll(session->conn)) {
	case PGRES_POLLING_READING:
	case PGRES_POLLING_ACTIVE:
		watch(session, EV_READ);
		return;
	case PGRES_POLLING_WRITING:
		watch(session, EV_WRITE);
		return;
	case PGRES_POLLING_OK:
		session->pq->set_nonblocking(session->conn, 1);
		send_question(session);
		return;
	case PGRES_POLLING_FAILED:
		fail_to_connect(session, true);
		return;
	}
}

static void advance(struct session *session)
{
	switch (session->state) {
	case SESSION_CLOSED:
		return;
	case SESSION_CONNECTING:
		go_on_connecting(session);
		return;
	case SESSION_ASKING:
		read_answer(session);
		return;
	case SESSION_READY:
		if (!session->pq->consume_input(session->conn) || has_left(session))
			lose(session);
		return;
	}
}

static void connect_anew(struct session *session)
{
	session->spoke = session->answered = session->leaving = session->reduced = false;
	session->shut = false;
	set_age(session);
	session->passing = 0;
	enter(session, SESSION_CONNECTING);
	session->conn = dial(session->pq, session->conninfo, &session->member);
	if (session->pq->status(session->conn) == CONNECTION_BAD) {
		fail_to_connect(session, false);
		return;
	}
	session->pq->set_notice_receiver(session->conn, take_notice, session);
	session->pq->set_verbosity(session->conn, PQERRORS_VERBOSE);
	watch(session, EV_WRITE);
}

void session_ask(struct session *session, void *answer)
{
	session->answer = answer;
	event_del(session->over); /* an end that nobody waits for any more */
	switch (session->state) {
	case SESSION_CLOSED:
		connect_anew(session);
		return;
	case SESSION_READY:
		send_question(session);
		return;
	case SESSION_CONNECTING:
	case SESSION_ASKING:
		return; /* the answer to come is as good */
	}
}

void session_close(struct session *session)
{
	disconnect(session);
	event_del(session->over);
}

bool session_connected(const struct session *session)
{
	return session->state == SESSION_ASKING || session->state == SESSION_READY;
}

struct session *session_create(struct event_base *base, const struct libpq *pq,
                               const struct session_question *question, const char *conninfo,
                               const struct member *member, session_cb *cb, void *arg)
{
	struct session *session = xcalloc(1, sizeof(*session));

	*session = (struct session){.base = base,
	                            .pq = pq,
	                            .question = question,
	                            .conninfo = conninfo,
	                            .member = *member,
	                            .cb = cb,
	                            .arg = arg};
	session->over = event_new(base, -1, 0, over_cb, session);
	return session;
}

void session_destroy(struct session *session)
{
	if (session == NULL)
		return;
	session_close(session);
	event_free(session->over);
	free(session);
}
