/* A connect string of PgBouncer's ini, "key=value key='it''s'", as pairs. Pure. pgbouncer(5),
 * "Section [databases]". */
#ifndef SEGUE_APPLY_PGBOUNCER_PAIRS_H
#define SEGUE_APPLY_PGBOUNCER_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

struct pgbouncer_pair {
	char *key, *value; /* never empty */
};

struct pgbouncer_pairs { /* sorted by key */
	struct pgbouncer_pair *pairs;
	size_t count;
};

/* Refuses what PgBouncer would take for something else than it looks like. The errors show keys,
 * never values, as a value may be a password. */
bool pgbouncer_pairs_parse(const char *text, size_t len, struct pgbouncer_pairs *out,
                           struct err *err) MUST_CHECK;
/* As PgBouncer takes it, accidents included: refuses only what PgBouncer refuses. */
bool pgbouncer_pairs_read(const char *text, size_t len, struct pgbouncer_pairs *out,
                          struct err *err) MUST_CHECK;
void pgbouncer_pairs_free(struct pgbouncer_pairs *pairs);

/* NULL when there is none. */
const char *pgbouncer_pairs_get(const struct pgbouncer_pairs *pairs, const char *key);

/* Appends "key='value'", with a blank in front where `out` is not empty. */
void pgbouncer_pair_append(const struct pgbouncer_pair *pair, struct strbuf *out);

#endif
