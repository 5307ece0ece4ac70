/* PgBouncer's ini grammar, statement by statement: sections, NAME = VALUE, %include; comments and
 * blank lines are passed over. Pure, and borrows the text. libusual's cf_parse, as far as its
 * versions agree. */
#ifndef SEGUE_PGBOUNCER_MODEL_INI_SYNTAX_H
#define SEGUE_PGBOUNCER_MODEL_INI_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

enum pgbouncer_statement {
	PGBOUNCER_STATEMENT_END,
	PGBOUNCER_STATEMENT_SECTION, /* name */
	PGBOUNCER_STATEMENT_ENTRY,   /* name, value */
	PGBOUNCER_STATEMENT_INCLUDE, /* value: the path */
	PGBOUNCER_STATEMENT_BROKEN,  /* PgBouncer would stop reading here; err says why */
};

struct pgbouncer_lines {
	const char *at, *end;
	bool quoted_names; /* 'NAME' = ..., from 1.25 on; the caller's to set */
	unsigned line;     /* of the statement at hand, from 1; at the end: the last one */
	char *name;
	const char *value; /* without blanks around it, not NUL terminated */
	size_t value_len;
};

void pgbouncer_lines_init(struct pgbouncer_lines *lines, const char *text, size_t len);
void pgbouncer_lines_fini(struct pgbouncer_lines *lines);

/* The error has no line number. After a broken statement there is no next one. */
enum pgbouncer_statement pgbouncer_lines_next(struct pgbouncer_lines *lines,
                                              struct err *err) MUST_CHECK;

/* A connect string of PgBouncer's ini, "key=value key='it''s'", as pairs. Pure. pgbouncer(5),
 * "Section [databases]". */

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
