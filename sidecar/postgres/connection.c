/* Asks questions over a connection (postgres/link.h), and reports what the answer, or the end of
 * the connection, says about the server. Every end goes through end(), which closes at once and
 * reports from a timer of its own. Between an answer and the next question the connection stays
 * open and is watched for its end. A server in a smart shutdown waits until the open connections
 * are closed, and tells them nothing: see pg_connection_renew(). */
#include "postgres/connection.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/timer.h"
#include "base/util.h"
#include "postgres/link.h"

/* Errors in a row that may pass by themselves, before one is reported. */
#define PASSING_MAX 3
#define COLUMNS_MAX 16

struct pg_connection {
	const struct libpq *pq;
	const struct pg_connection_question *question;
	const char *conninfo;
	struct member member;
	struct pq_link *link;      /* questions go over this one */
	struct pq_link *successor; /* if not closed, it is to replace `link` */
	int64_t renew_us;          /* no successor is opened before this time */
	bool shut;                 /* the server accepts no connections any more; see `failure` */
	struct timer *over;        /* reports the end */
	struct connect_failure failure; /* why the connection ended */
	void *answer;                   /* where parse() writes the row */
	bool answered;                  /* this connection has returned an answer */
	bool reduced;                   /* this connection was refused the full statement */
	unsigned passing;               /* errors in a row that may pass by themselves */
	pg_connection_cb *cb;
	void *arg;
};

static void over_cb(void *arg)
{
	struct pg_connection *connection = arg;
	struct connect_failure failure = connection->failure;
	enum pg_connection_outcome outcome = connection->shut       ? PG_CONNECTION_SHUT
	                                     : connection->answered ? PG_CONNECTION_ENDED
	                                                            : PG_CONNECTION_FAILED;

	connection->cb(outcome, outcome == PG_CONNECTION_ENDED ? NULL : &failure, connection->arg);
}

/* The caller has set connection->failure, unless the connection had answered. */
static void end(struct pg_connection *connection)
{
	pg_connection_close(connection);
	timer_fire(connection->over);
}

static void classify(const struct pg_connection *connection, const struct pq_link *link,
                     bool started, struct connect_failure *out)
{
	const PGconn *conn = pq_link_conn(link);
	const struct classify_failure failure = {
	    .message = connection->pq->error_message(conn),
	    .needs_password = connection->pq->needs_password(conn),
	    .started = started,
	    .spoke = pq_link_state(link) == PQ_LINK_CONNECTING && pq_link_spoke(link),
	};

	classify_failure(&failure, out);
}

/* After an error or an invalid answer the server is asked over a new connection. */
static void fail_to_answer(struct pg_connection *connection, const char *sqlstate, const char *text)
{
	classify_error(sqlstate, text, &connection->failure);
	connection->answered = false;
	end(connection);
}

/* The connection was not established, or the other end closed it, announced that it will, or sent
 * something unexpected. */
static void lose(struct pg_connection *connection)
{
	const char *problem = pq_link_problem(connection->link);

	if (problem != NULL) {
		fail_to_answer(connection, NULL, problem);
		return;
	}
	classify(connection, connection->link, true, &connection->failure);
	end(connection);
}

static void send_question(struct pg_connection *connection)
{
	const struct pq_link_limits limits = {.bytes = connection->question->bytes_max, .rows = 1};
	const char *sql = connection->question->sql(connection->answer, connection->reduced);

	if (!pq_link_ask(connection->link, sql, &limits))
		lose(connection);
}

/* --- the successor --- */

/* `reduced` stays: what the old connection was refused, the new one would be refused, too. */
static void succeed(struct pg_connection *connection)
{
	struct pq_link *before = connection->link;

	connection->link = connection->successor;
	connection->successor = before;
	pq_link_close(before);
}

/* Only 57P03 is news. Anything else the connection in use finds out itself. */
static void lose_successor(struct pg_connection *connection)
{
	struct connect_failure failure = {.shut = false};

	if (pq_link_problem(connection->successor) == NULL)
		classify(connection, connection->successor, true, &failure);
	pq_link_close(connection->successor);
	if (!failure.shut)
		return;
	connection->failure = failure;
	connection->shut = true;
	end(connection);
}

/* verify_conninfo ("dbname") may override the parameters in front of it, but not those behind it:
 * an address, so that no name is looked up, and the host name for TLS and the password file. GSSAPI
 * is disabled because it asks name servers and ticket servers with blocking calls. */
static PGconn *dial(const struct libpq *pq, const char *conninfo, const struct member *member)
{
	const char *host = *member->host != '\0' ? member->host : member->address;
	char port[8];
	const struct {
		const char *key, *value;
	} params[] = {
	    {"fallback_application_name", "segue"},
	    {"gssencmode", "disable"},
	    {"keepalives_idle", "5"},
	    {"keepalives_interval", "2"},
	    {"keepalives_count", "3"},
	    {"tcp_user_timeout", "10000"},
	    {"dbname", conninfo},
	    {"hostaddr", member->address},
	    {"host", host},
	    {"port", port},
	    {"target_session_attrs", "any"},
	};
	const char *keys[ARRAY_LEN(params) + 1] = {NULL}, *values[ARRAY_LEN(params) + 1] = {NULL};

	snprintf(port, sizeof(port), "%u", (unsigned)member->port);
	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		keys[i] = params[i].key;
		values[i] = params[i].value;
	}
	return pq->connect_start_params(keys, values, 1);
}

static bool open_link(struct pg_connection *connection, struct pq_link *link)
{
	PGconn *conn = dial(connection->pq, connection->conninfo, &connection->member);

	connection->renew_us = clock_now_us() + clock_jitter_ms(PG_CONNECTION_LIFE_MS) * 1000;
	connection->pq->set_verbosity(conn, PQERRORS_VERBOSE);
	return pq_link_open(link, conn);
}

void pg_connection_renew(struct pg_connection *connection)
{
	if (pq_link_state(connection->link) != PQ_LINK_READY ||
	    clock_now_us() < connection->renew_us)
		return;
	pq_link_close(connection->successor);
	if (!open_link(connection, connection->successor))
		pq_link_close(connection->successor);
}

/* --- answers --- */

static void take_row(struct pg_connection *connection, const PGresult *result)
{
	const struct libpq *pq = connection->pq;
	const char *row[COLUMNS_MAX] = {NULL};
	struct err err = {.message = "the answer is not exactly one row with the expected columns"};
	int columns = connection->question->columns;
	bool good = pq->rows(result) == 1 && pq->columns(result) == columns;

	for (int i = 0; good && i < columns && i < COLUMNS_MAX; i++)
		row[i] = pq->is_null(result, 0, i) ? NULL : pq->value(result, 0, i);
	if (!good || !connection->question->parse(row, connection->answer, &err)) {
		fail_to_answer(connection, NULL, err.message);
		return;
	}
	connection->answered = true;
	connection->passing = 0;
	if (pq_link_leaving(connection->link)) {
		lose(connection);
		return;
	}
	if (pq_link_state(connection->successor) == PQ_LINK_READY)
		succeed(connection);
	connection->cb(PG_CONNECTION_ANSWERED, NULL, connection->arg);
}

static void take_error(struct pg_connection *connection, const PGresult *result)
{
	const char *sqlstate = connection->pq->result_error_field(result, PG_DIAG_SQLSTATE);
	const char *text = connection->pq->result_error_field(result, PG_DIAG_MESSAGE_PRIMARY);

	if (sqlstate != NULL && classify_is_refused(sqlstate) && !connection->reduced) {
		connection->reduced = true;
	} else if (sqlstate == NULL || !classify_may_pass(sqlstate) ||
	           ++connection->passing > PASSING_MAX) {
		fail_to_answer(connection, sqlstate, text != NULL ? text : "the query failed");
		return;
	}
	send_question(connection);
}

/* The callback may destroy the connection. */
static void take_answer(struct pg_connection *connection)
{
	void (*clear)(PGresult *) = connection->pq->clear;
	PGresult *result = pq_link_take_result(connection->link);

	if (connection->pq->result_status(result) == PGRES_TUPLES_OK)
		take_row(connection, result);
	else
		take_error(connection, result);
	clear(result);
}

static void on_link(struct pq_link *link, enum pq_link_event event, void *arg)
{
	struct pg_connection *connection = arg;
	bool is_successor = link == connection->successor;

	switch (event) {
	case PQ_LINK_CONNECTED:
		if (!is_successor)
			send_question(connection);
		else if (pq_link_state(connection->link) == PQ_LINK_READY)
			succeed(connection);
		return;
	case PQ_LINK_ANSWERED: /* no question goes over the successor */
		take_answer(connection);
		return;
	case PQ_LINK_LOST:
		if (is_successor)
			lose_successor(connection);
		else
			lose(connection);
		return;
	}
}

void pg_connection_ask(struct pg_connection *connection, void *answer)
{
	connection->answer = answer;
	timer_stop(connection->over); /* nobody waits for the end of the last connection any more */
	switch (pq_link_state(connection->link)) {
	case PQ_LINK_CLOSED:
		connection->answered = connection->reduced = connection->shut = false;
		connection->passing = 0;
		if (open_link(connection, connection->link))
			return;
		classify(connection, connection->link, false, &connection->failure);
		end(connection);
		return;
	case PQ_LINK_READY:
		send_question(connection);
		return;
	case PQ_LINK_CONNECTING:
	case PQ_LINK_ASKING:
		return; /* the answer in progress is as good */
	}
}

void pg_connection_close(struct pg_connection *connection)
{
	pq_link_close(connection->link);
	pq_link_close(connection->successor);
	timer_stop(connection->over);
}

bool pg_connection_connected(const struct pg_connection *connection)
{
	enum pq_link_state state = pq_link_state(connection->link);

	return state == PQ_LINK_ASKING || state == PQ_LINK_READY;
}

struct pg_connection *pg_connection_create(struct event_base *base, const struct libpq *pq,
                                           const struct pg_connection_question *question,
                                           const char *conninfo, const struct member *member,
                                           pg_connection_cb *cb, void *arg)
{
	struct pg_connection *connection = xcalloc(1, sizeof(*connection));

	*connection = (struct pg_connection){.pq = pq,
	                                     .question = question,
	                                     .conninfo = conninfo,
	                                     .member = *member,
	                                     .cb = cb,
	                                     .arg = arg};
	connection->link = pq_link_create(base, pq, on_link, connection);
	connection->successor = pq_link_create(base, pq, on_link, connection);
	connection->over = timer_new(base, over_cb, connection);
	return connection;
}

void pg_connection_destroy(struct pg_connection *connection)
{
	if (connection == NULL)
		return;
	pq_link_destroy(connection->link);
	pq_link_destroy(connection->successor);
	timer_free(connection->over);
	free(connection);
}
