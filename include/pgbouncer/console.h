/* One connection to PgBouncer's admin console, through libpq's asynchronous calls. It sends one
 * simple query at a time, and never starts a shell or psql. postgres/libpq.h says when libpq is
 * loaded. */
#ifndef SEGUE_PGBOUNCER_CONSOLE_H
#define SEGUE_PGBOUNCER_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "pgbouncer/model/show.h"

struct console;
struct event_base;

/* `table` is NULL unless the answer has rows; `err` is NULL on success. Called once per query,
 * never inside console_query(), never after console_close(). `lost`: the query failed because there
 * is no connection any more. */
typedef void console_cb(const struct pgbouncer_table *table, const struct err *err, bool lost,
                        void *arg);

/* `conninfo` as in segue.ini. A host name in it is resolved while the event loop is blocked: give a
 * numeric address or the directory of a unix socket. Connects at the first query, or with
 * console_open(). If the connection is lost, the next query opens it again. */
struct console *console_create(struct event_base *base, const char *conninfo);
void console_close(struct console *console); /* at once, even if a query is pending */

/* Connects now, so that the next query need not wait for it. The next query reports a failure. */
void console_open(struct console *console);

/* Sends one query. A second one before the answer fails an assertion. `timeout_ms` includes the
 * time to connect. */
void console_query(struct console *console, const char *sql, int64_t timeout_ms, console_cb *cb,
                   void *arg);
bool console_busy(const struct console *console);
/* False also while it connects: then PgBouncer does not know the query yet. */
bool console_has_sent(const struct console *console);

/* The number of connections made so far. If it has changed, what was SET or asked before has to be
 * SET or asked again. */
unsigned console_connections(const struct console *console);

#endif
