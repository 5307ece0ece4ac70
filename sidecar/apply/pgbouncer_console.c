/* The console: connect, one query out, its result in, over and over on one connection. What libpq
 * wants to wait for is watched anew after each of its calls, as its socket changes while it tries
 * one address after the other. Every query ends in finish(), which lets go of it before the
 * callback runs, so that the callback may ask again or close.
 *
 *            query, open              connected                 query
 *   CLOSED -------------> CONNECTING -----------> READY <-------------------> ASKING
 *      ^                      |                     |       answer, error        |
 *      +------ refused -------+------- EOF ---------+-------- EOF, deadline -----+
 */
#include "apply/pgbouncer_console.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/libpq.h"
#include "base/strbuf.h"
#include "base/util.h"

enum console_state {
	CONSOLE_CLOSED,     /* no connection; the next query makes one */
	CONSOLE_CONNECTING, /* libpq is at it; a query may be waiting for the end of it */
	CONSOLE_READY,      /* connected, nothing asked; watched for its end */
	CONSOLE_ASKING,     /* a query is out */
};

struct console {
	struct event_base *base;
	char *conninfo;
	struct libpq pq;
	bool loaded;
	enum console_state state;
	PGconn *conn;
	unsigned connections;
	struct event *io;    /* NULL: nothing to watch */
	struct event *timer; /* the deadline of the query; at once, where it has failed already */
	char *sql;           /* of the query; NULL: none */
	int64_t timeout_ms;
	struct err failure; /* why it failed inside console_query(); "": it did not */
	PGresult *result;   /* the first one of the answer */
	console_cb *cb;
	void *arg;
};

static void advance(struct console *console);

/* PgBouncer's messages of old versions and libpq's end with a line feed, or hold several lines. */
static void set_message(struct err *err, const char *context, const char *text)
{
	auto_free char *line = xstrdup(text);
	size_t len = strlen(line);

	while (len > 0 && line[len - 1] == '\n')
		line[--len] = '\0';
	for (char *end = line; (end = strchr(end, '\n')) != NULL;)
		*end = ' ';
	err_set(err, "%s: %s", context, *line != '\0' ? line : "the connection was closed");
}

static void unwatch(struct console *console)
{
	if (console->io != NULL)
		event_free(console->io);
	console->io = NULL;
}

static void io_cb(int fd, short events, void *arg)
{
	(void)fd;
	(void)events;
	advance(arg);
}

static void watch(struct console *console, short events)
{
	int fd = console->pq.socket(console->conn);

	if (console->io != NULL && event_get_fd(console->io) == fd &&
	    (event_get_events(console->io) & (EV_READ | EV_WRITE)) == events)
		return;
	unwatch(console);
	console->io = event_new(console->base, fd, (short)(events | EV_PERSIST), io_cb, console);
	event_add(console->io, NULL);
}

static void disconnect(struct console *console)
{
	unwatch(console);
	if (console->result != NULL)
		console->pq.clear(STEAL(console->result));
	if (console->conn != NULL)
		console->pq.finish(STEAL(console->conn));
	console->state = CONSOLE_CLOSED;
}

/* A table that borrows its texts from the result. */
static void fill_table(const struct libpq *pq, const PGresult *result, struct pgbouncer_table *out)
{
	int rows = pq->rows(result), columns = pq->columns(result);

	*out = (struct pgbouncer_table){.column_count = (size_t)columns, .row_count = (size_t)rows};
	out->columns = xcalloc(out->column_count, sizeof(char *));
	out->cells = xcalloc(out->column_count * out->row_count, sizeof(char *));
	for (int column = 0; column < columns; column++)
		out->columns[column] = pq->column_name(result, column);
	for (int row = 0; row < rows; row++)
		for (int column = 0; column < columns; column++)
			if (!pq->is_null(result, row, column))
				out->cells[row * columns + column] = pq->value(result, row, column);
}

static void set_result_error(const struct console *console, const PGresult *result, struct err *err)
{
	const char *text = console->pq.result_error_field(result, PG_DIAG_MESSAGE_PRIMARY);

	set_message(err, console->sql,
	            text != NULL ? text : console->pq.result_error_message(result));
}

/* The callback may close the console: nothing of it is touched after that. */
static void finish(struct console *console, const struct err *err, bool lost)
{
	PGresult *result = STEAL(console->result);
	void (*clear)(PGresult *) = console->pq.clear;
	bool rows = err == NULL && console->pq.result_status(result) == PGRES_TUPLES_OK;
	struct pgbouncer_table table = {0};

	if (rows)
		fill_table(&console->pq, result, &table);
	free(STEAL(console->sql));
	event_del(console->timer);
	console->cb(rows ? &table : NULL, err, lost, console->arg);
	free(table.columns);
	free(table.cells);
	if (result != NULL)
		clear(result);
}

/* `what` may point into the connection that goes. */
static void lose(struct console *console, const char *what)
{
	struct err err;

	set_message(&err, "console", what);
	disconnect(console);
	if (console->sql != NULL)
		finish(console, &err, true);
}

static void lose_connection(struct console *console)
{
	lose(console, console->pq.error_message(console->conn));
}

static void answered(struct console *console)
{
	const PGresult *result = console->result;
	ExecStatusType status = console->pq.result_status(result);
	struct err err;

	if (console->pq.status(console->conn) == CONNECTION_BAD) {
		lose_connection(console);
		return;
	}
	console->state = CONSOLE_READY;
	watch(console, EV_READ);
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
		finish(console, NULL, false);
		return;
	}
	set_result_error(console, result, &err);
	finish(console, &err, false);
}

/* An error stands before whatever follows it. */
static void keep_result(struct console *console, PGresult *result)
{
	if (console->result == NULL)
		console->result = result;
	else
		console->pq.clear(result);
}

static void read_answer(struct console *console)
{
	int unsent = console->pq.flush(console->conn);
	PGresult *result;

	if (unsent < 0 || !console->pq.consume_input(console->conn)) {
		lose_connection(console);
		return;
	}
	while (!console->pq.is_busy(console->conn)) {
		result = console->pq.get_result(console->conn);
		if (result == NULL) {
			answered(console);
			return;
		}
		keep_result(console, result);
	}
	watch(console, unsent > 0 ? EV_READ | EV_WRITE : EV_READ);
}

/* The answer is not looked for before the socket says that there is one: the callback must not run
 * inside console_query(). */
static bool send_query(struct console *console, struct err *err)
{
	int unsent = -1;

	if (console->pq.send_query(console->conn, console->sql))
		unsent = console->pq.flush(console->conn);
	if (unsent < 0) {
		set_message(err, "console", console->pq.error_message(console->conn));
		disconnect(console);
		return false;
	}
	console->state = CONSOLE_ASKING;
	watch(console, unsent > 0 ? EV_READ | EV_WRITE : EV_READ);
	return true;
}

static void drop_notice(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

static void connected(struct console *console)
{
	struct err err;

	console->state = CONSOLE_READY;
	console->connections++;
	console->pq.set_nonblocking(console->conn, 1);
	watch(console, EV_READ);
	if (console->sql != NULL && !send_query(console, &err))
		finish(console, &err, true);
}

/* libpq may close its socket and open one with the same number: the event goes before. */
static void go_on_connecting(struct console *console)
{
	unwatch(console);
	switch (console->pq.connect_poll(console->conn)) {
	case PGRES_POLLING_READING:
	case PGRES_POLLING_ACTIVE:
		watch(console, EV_READ);
		return;
	case PGRES_POLLING_WRITING:
		watch(console, EV_WRITE);
		return;
	case PGRES_POLLING_OK:
		connected(console);
		return;
	case PGRES_POLLING_FAILED:
		lose_connection(console);
		return;
	}
}

static void advance(struct console *console)
{
	switch (console->state) {
	case CONSOLE_CLOSED:
		return;
	case CONSOLE_CONNECTING:
		go_on_connecting(console);
		return;
	case CONSOLE_READY:
		if (!console->pq.consume_input(console->conn) ||
		    console->pq.status(console->conn) == CONNECTION_BAD)
			disconnect(console);
		return;
	case CONSOLE_ASKING:
		read_answer(console);
		return;
	}
}

/* PGOPTIONS of the environment would be refused by PgBouncer; a key of the person's own comes later
 * in the text and wins. */
static char *whole_conninfo(const char *conninfo)
{
	if (strstr(conninfo, "://") != NULL)
		return xstrdup(conninfo);
	return xasprintf("options='' fallback_application_name=segue %s", conninfo);
}

static bool start_connecting(struct console *console, struct err *err)
{
	auto_free char *conninfo = whole_conninfo(console->conninfo);

	if (!console->loaded && !libpq_load(&console->pq, err))
		return false;
	console->loaded = true;
	console->conn = console->pq.connect_start(conninfo);
	if (console->conn == NULL)
		return err_set(err, "console: out of memory");
	if (console->pq.status(console->conn) == CONNECTION_BAD) {
		set_message(err, "console", console->pq.error_message(console->conn));
		disconnect(console);
		return false;
	}
	console->pq.set_notice_receiver(console->conn, drop_notice, NULL);
	console->state = CONSOLE_CONNECTING;
	watch(console, EV_WRITE);
	return true;
}

static void timer_cb(int fd, short events, void *arg)
{
	struct console *console = arg;
	auto_free char *what =
	    xasprintf("%s: no answer within %lld ms", console->sql, (long long)console->timeout_ms);
	struct err failure = console->failure;

	(void)fd;
	(void)events;
	if (failure.message[0] != '\0')
		finish(console, &failure, true);
	else
		lose(console, what);
}

static bool start_query(struct console *console, struct err *err)
{
	switch (console->state) {
	case CONSOLE_CLOSED:
		return start_connecting(console, err);
	case CONSOLE_READY:
		return send_query(console, err);
	case CONSOLE_CONNECTING:
	case CONSOLE_ASKING:
		break;
	}
	return true;
}

void console_query(struct console *console, const char *sql, int64_t timeout_ms, console_cb *cb,
                   void *arg)
{
	struct timeval after = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	assert(!console_busy(console));
	console->sql = xstrdup(sql);
	console->timeout_ms = timeout_ms;
	console->cb = cb;
	console->arg = arg;
	console->failure.message[0] = '\0';
	if (!start_query(console, &console->failure))
		after = (struct timeval){0};
	event_add(console->timer, &after);
}

void console_open(struct console *console)
{
	struct err shows_at_the_query;

	if (console->state == CONSOLE_CLOSED && console->sql == NULL)
		(void)!start_connecting(console, &shows_at_the_query);
}

bool console_busy(const struct console *console)
{
	return console->sql != NULL;
}

unsigned console_connections(const struct console *console)
{
	return console->connections;
}

struct console *console_create(struct event_base *base, const char *conninfo)
{
	struct console *console = xcalloc(1, sizeof(*console));

	console->base = base;
	console->conninfo = xstrdup(conninfo);
	console->timer = event_new(base, -1, 0, timer_cb, console);
	return console;
}

void console_close(struct console *console)
{
	if (console == NULL)
		return;
	disconnect(console);
	event_free(console->timer);
	free(console->sql);
	free(console->conninfo);
	free(console);
}
