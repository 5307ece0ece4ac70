/* Compares the desired databases with the live ones. Pure. */
#ifndef SEGUE_PGBOUNCER_MODEL_DIFF_H
#define SEGUE_PGBOUNCER_MODEL_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/show.h"

/* True if host, port or dbname differ. */
bool pgbouncer_is_moved(const struct pgbouncer_database *database,
                        const struct pgbouncer_live_database *live);

struct pgbouncer_diff {
	size_t moved_count; /* of the desired databases: they need PAUSE, RELOAD, RESUME */
	bool missing; /* PgBouncer lacks a desired database: needs RELOAD (is the file included?) */
	struct strbuf summary; /* "app 10.0.0.1:5432->10.0.0.2:5432, ..."; strbuf_fini() it */
};
void pgbouncer_diff(const struct pgbouncer_ini *desired, const struct pgbouncer_live *live,
                    struct pgbouncer_diff *out);

/* Appends a name quoted for the console: "my-db", with quotes in it doubled. Fails if the console
 * cannot take it: empty, longer than PGBOUNCER_NAME_MAX bytes (a doubled quote counts as two), or
 * with control characters. */
bool pgbouncer_quote_name(const char *name, struct strbuf *out, struct err *err) MUST_CHECK;

#endif
