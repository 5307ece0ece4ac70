/* Databases that the output has now and a new text has no more: the RELOAD that takes the text in
 * drops them, and their clients with them. */
#ifndef SEGUE_PGBOUNCER_LOST_DATABASES_H
#define SEGUE_PGBOUNCER_LOST_DATABASES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "config/config.h"

struct event_base;
struct pgbouncer_ini;
struct lost_databases;
struct pgbouncer_table;

/* Appends their names, ", " between them. Nothing where the output cannot be read. */
void lost_databases_names(const char *output, const struct pgbouncer_ini *now, struct strbuf *out);

/* `used`: clients are connected to one of them. `what`: which ones, how many, and what to do. */
typedef void lost_databases_cb(bool used, const char *what, void *arg);

/* Asks PgBouncer who uses them. NULL: there are none, or the text cannot be read. Otherwise `cb` is
 * called once, never inside this call, and never after lost_databases_cancel(). */
struct lost_databases *lost_databases_ask(struct event_base *base,
                                          const struct config_target *target, const char *text,
                                          size_t len, lost_databases_cb *cb, void *arg) MUST_CHECK;
void lost_databases_cancel(struct lost_databases *lost);

/* The words of the answer, SHOW POOLS; NULL with `err`: there was none. Returns `used`. */
bool lost_databases_judge(const char *const *names, size_t count,
                          const struct pgbouncer_table *pools, const struct err *err,
                          struct strbuf *out);

#endif
