/* One connection to PgBouncer's admin console, over libpq's asynchronous calls: one simple query at
 * a time, never a shell or psql. See postgres/libpq.h for when libpq is loaded. */
#ifndef SEGUE_PGBOUNCER_CONSOLE_H
#define SEGUE_PGBOUNCER_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "pgbouncer/model/show.h"

struct console;
struct event_base;

/* `table` is NULL unless rows came; `err` is NULL on success. Called once per query, never inside
 * console_query(), never after console_close(). `lost`: the connection is gone with it. */
typedef void console_cb(const struct pgbouncer_table *table, const struct err *err, bool lost,
                        void *arg);

/* `conninfo` as in segue.ini; a host name in it is looked up with the loop standing still: give an
 * address or the folder of a socket. Connects at the first query, or with console_open(). A
 * connection that is lost is opened again by the next query. */
struct console *console_create(struct event_base *base, const char *conninfo);
void console_close(struct console *console); /* closes at once, whatever is pending */

/* Connects now, so that the next query need not wait for it; a failure shows there. */
void console_open(struct console *console);

/* One query; another one before its answer is refused by an assertion. `timeout_ms` covers
 * connecting too. */
void console_query(struct console *console, const char *sql, int64_t timeout_ms, console_cb *cb,
                   void *arg);
bool console_busy(const struct console *console);

/* Counts the connections made: another number, and what was SET or asked once is to be asked again.
 */
unsigned console_connections(const struct console *console);

#endif
