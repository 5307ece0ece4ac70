/* Desired databases against live ones. Pure. */
#ifndef SEGUE_PGBOUNCER_MODEL_DIFF_H
#define SEGUE_PGBOUNCER_MODEL_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"
#include "pgbouncer/model/databases.h"
#include "pgbouncer/model/show.h"

struct pgbouncer_diff {
	const struct pgbouncer_database **
	    moved; /* host, port or dbname differ: PAUSE, RELOAD, RESUME; borrowed from `desired` */
	size_t moved_count;
	bool missing; /* a desired database is not there: RELOAD (is the file %included?) */
	struct strbuf summary; /* "app 10.0.0.1:5432->10.0.0.2:5432, ..." */
};
void pgbouncer_diff(const struct pgbouncer_ini *desired, const struct pgbouncer_live *live,
                    struct pgbouncer_diff *out);
void pgbouncer_diff_free(struct pgbouncer_diff *diff);

/* A name for the console: "my-db", with quotes doubled. Fails where the console cannot carry it
 * (over PGBOUNCER_NAME_MAX bytes, a doubled quote being two; control characters). */
bool pgbouncer_quote_name(const char *name, struct strbuf *out, struct err *err) MUST_CHECK;

#endif
