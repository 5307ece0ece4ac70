/* Databases that the output has now and a new text no longer has. The RELOAD that loads the text
 * drops them together with their clients. */
#ifndef SEGUE_PGBOUNCER_LOST_DATABASES_H
#define SEGUE_PGBOUNCER_LOST_DATABASES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/string_list.h"
#include "config/config.h"

struct event_base;
struct pgbouncer_ini;
struct lost_databases;
struct pgbouncer_table;

/* Appends their names, separated by ", ". Appends nothing if the output cannot be read. */
void lost_databases_names(const char *output, const struct pgbouncer_ini *now, struct strbuf *out);

/* `used`: clients are connected to at least one of them. `what`: which databases, how many clients,
 * and what to do; borrowed until the callback returns. */
typedef void lost_databases_cb(bool used, const char *what, void *arg);

/* Asks PgBouncer which clients use them. NULL: there are none, or the text cannot be parsed.
 * Otherwise `cb` is called once, never inside this call, and never after lost_databases_cancel().
 * The result is freed before `cb` runs. */
struct lost_databases *lost_databases_ask(struct event_base *base,
                                          const struct config_target *target, const char *text,
                                          size_t len, lost_databases_cb *cb, void *arg) MUST_CHECK;
void lost_databases_cancel(struct lost_databases *lost);

/* Appends `what` for the callback. `pools`: the answer to SHOW POOLS; NULL: there was none, and
 * `err` (may be NULL) says why. Returns `used`. */
bool lost_databases_judge(const struct string_list *names, const struct pgbouncer_table *pools,
                          const struct err *err, struct strbuf *out);

#endif
