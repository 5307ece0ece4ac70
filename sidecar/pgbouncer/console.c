/* The console: sends one query at a time over a connection (postgres/link.h) and takes its result.
 * Every query ends in finish(), which forgets the query before the callback runs, so that the
 * callback may send another query or close the console.
 *
 *            query, open              connected                 query
 *   CLOSED -------------> CONNECTING -----------> READY <-------------------> ASKING
 *      ^                      |                     |       answer, error        |
 *      +------ refused -------+------- EOF ---------+-------- EOF, deadline -----+
 */
#include "pgbouncer/console.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/timer.h"
#include "base/util.h"
#include "postgres/link.h"

/* A PgBouncer with 10,000 databases or connections gives answers of about 3 MB. */
#define ANSWER_BYTES_MAX 16777216
#define ANSWER_ROWS_MAX  100000

struct console {
	char *conninfo;
	struct libpq pq;
	bool loaded;
	struct pq_link *link;
	unsigned connections;
	struct timer *timer; /* the deadline of the query; 0 ms if it has already failed */
	char *sql;           /* of the pending query; NULL: none */
	int64_t timeout_ms;
	struct err failure; /* why the query failed inside console_query(); "": it did not */
	console_cb *cb;
	void *arg;
};

/* Messages of libpq and of old PgBouncers end with a newline or have several lines. */
static void set_message(struct err *err, const char *context, const char *text)
{
	auto_free char *line = xstrdup(text);
	size_t len = strlen(line);

	while (len > 0 && line[len - 1] == '\n')
		line[--len] = '\0';
	for (char *end = line; (end = strpbrk(end, "\n\t")) != NULL;)
		if (end > line && end[-1] == ' ')
			memmove(end, end + 1, strlen(end));
		else
			*end = ' ';
	err_set(err, "%s: %s", context, *line != '\0' ? line : "the connection was closed");
}

/* A table that borrows its strings from `result`. */
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

/* The callback may close the console, so the console is not used after it. `result` may be NULL; it
 * is cleared here. */
static void finish(struct console *console, PGresult *result, const struct err *err, bool lost)
{
	void (*clear)(PGresult *) = console->pq.clear;
	bool rows = err == NULL && console->pq.result_status(result) == PGRES_TUPLES_OK;
	struct pgbouncer_table table = {0};

	if (rows)
		fill_table(&console->pq, result, &table);
	free(STEAL(console->sql));
	timer_stop(console->timer);
	console->cb(rows ? &table : NULL, err, lost, console->arg);
	free(table.columns);
	free(table.cells);
	if (result != NULL)
		clear(result);
}

/* `what` may point into the connection that is closed here, so it is copied first. */
static void lose(struct console *console, const char *what)
{
	struct err err;

	set_message(&err, "console", what);
	pq_link_close(console->link);
	if (console->sql != NULL)
		finish(console, NULL, &err, true);
}

static const char *loss_of(const struct console *console)
{
	const char *problem = pq_link_problem(console->link);

	return problem != NULL ? problem : console->pq.error_message(pq_link_conn(console->link));
}

static bool give_up(struct console *console, struct err *err)
{
	set_message(err, "console", loss_of(console));
	pq_link_close(console->link);
	return false;
}

static void take_answer(struct console *console)
{
	PGresult *result = pq_link_take_result(console->link);
	ExecStatusType status = console->pq.result_status(result);
	bool ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
	const char *text;
	struct err err;

	if (!ok) {
		text = console->pq.result_error_field(result, PG_DIAG_MESSAGE_PRIMARY);
		set_message(&err, console->sql,
		            text != NULL ? text : console->pq.result_error_message(result));
	}
	finish(console, result, ok ? NULL : &err, false);
}

static bool send_query(struct console *console, struct err *err)
{
	static const struct pq_link_limits limits = {.bytes = ANSWER_BYTES_MAX,
	                                             .rows = ANSWER_ROWS_MAX};

	return pq_link_ask(console->link, console->sql, &limits) || give_up(console, err);
}

static void on_link(struct pq_link *link, enum pq_link_event event, void *arg)
{
	struct console *console = arg;
	struct err err;

	(void)link;
	switch (event) {
	case PQ_LINK_CONNECTED:
		console->connections++;
		if (console->sql != NULL && !send_query(console, &err))
			finish(console, NULL, &err, true);
		return;
	case PQ_LINK_ANSWERED:
		take_answer(console);
		return;
	case PQ_LINK_LOST:
		lose(console, loss_of(console));
		return;
	}
}

/* PgBouncer would refuse PGOPTIONS of the environment, and GSSAPI asks other servers while the
 * event loop is blocked. A key in the configured conninfo comes later and overrides these. */
static bool start_connecting(struct console *console, struct err *err)
{
	bool uri = strstr(console->conninfo, "://") != NULL;
	auto_free char *conninfo = xasprintf(
	    "%s%s", uri ? "" : "options='' gssencmode=disable fallback_application_name=segue ",
	    console->conninfo);

	if (!console->loaded && !libpq_load(&console->pq, err))
		return false;
	console->loaded = true;
	return pq_link_open(console->link, console->pq.connect_start(conninfo)) ||
	       give_up(console, err);
}

static void on_timer(void *arg)
{
	struct console *console = arg;
	auto_free char *what =
	    xasprintf("%s: no answer within %lld ms", console->sql, (long long)console->timeout_ms);
	struct err failure = console->failure;

	if (failure.message[0] != '\0')
		finish(console, NULL, &failure, true);
	else
		lose(console, what);
}

void console_query(struct console *console, const char *sql, int64_t timeout_ms, console_cb *cb,
                   void *arg)
{
	enum pq_link_state state = pq_link_state(console->link);
	bool ok = true;

	assert(!console_busy(console));
	console->sql = xstrdup(sql);
	console->timeout_ms = timeout_ms;
	console->cb = cb;
	console->arg = arg;
	console->failure.message[0] = '\0';
	if (state == PQ_LINK_CLOSED)
		ok = start_connecting(console, &console->failure);
	else if (state == PQ_LINK_READY)
		ok = send_query(console, &console->failure);
	timer_start(console->timer, ok ? timeout_ms : 0);
}

void console_open(struct console *console)
{
	struct err ignored; /* the next query reports it */

	if (pq_link_state(console->link) == PQ_LINK_CLOSED && console->sql == NULL)
		(void)!start_connecting(console, &ignored);
}

bool console_busy(const struct console *console)
{
	return console->sql != NULL;
}

bool console_has_sent(const struct console *console)
{
	return pq_link_state(console->link) == PQ_LINK_ASKING;
}

unsigned console_connections(const struct console *console)
{
	return console->connections;
}

struct console *console_create(struct event_base *base, const char *conninfo)
{
	struct console *console = xcalloc(1, sizeof(*console));

	console->conninfo = xstrdup(conninfo);
	console->link = pq_link_create(base, &console->pq, on_link, console);
	console->timer = timer_new(base, on_timer, console);
	return console;
}

void console_close(struct console *console)
{
	if (console == NULL)
		return;
	pq_link_destroy(console->link);
	timer_free(console->timer);
	free(console->sql);
	free(console->conninfo);
	free(console);
}
