/* Compares the desired databases with the live ones. Pure. */
#ifndef SEGUE_PGBOUNCER_MODEL_DIFF_H
#define SEGUE_PGBOUNCER_MODEL_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/show.h"

struct pgbouncer_diff {
	/* host, port or dbname differ: needs PAUSE, RELOAD, RESUME. Borrowed from `desired` */
	const struct pgbouncer_database **moved;
	size_t moved_count;
	bool missing; /* PgBouncer lacks a desired database: needs RELOAD (is the file included?) */
	struct strbuf summary; /* "app 10.0.0.1:5432->10.0.0.2:5432, ..." */
};
void pgbouncer_diff(const struct pgbouncer_ini *desired, const struct pgbouncer_live *live,
                    struct pgbouncer_diff *out);
void pgbouncer_diff_free(struct pgbouncer_diff *diff);

/* Appends a name quoted for the console: "my-db", with quotes in it doubled. Fails if the console
 * cannot take it: empty, longer than PGBOUNCER_NAME_MAX bytes (a doubled quote counts as two), or
 * with control characters. */
bool pgbouncer_quote_name(const char *name, struct strbuf *out, struct err *err) MUST_CHECK;

#endif
