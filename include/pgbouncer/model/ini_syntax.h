/* PgBouncer's ini grammar, one statement at a time: sections, NAME = VALUE, %include. Comments and
 * blank lines are skipped. Pure; borrows the text. Source: libusual's cf_parse, as far as its
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
	bool quoted_names; /* accept 'NAME' = ... (since 1.25); set by the caller */
	unsigned line;     /* of the current statement, from 1; at the end: the last line */
	char *name;
	const char *value; /* without surrounding blanks, not NUL terminated */
	size_t value_len;
};

void pgbouncer_lines_init(struct pgbouncer_lines *lines, const char *text, size_t len);
void pgbouncer_lines_fini(struct pgbouncer_lines *lines);

/* The error has no line number. Not to be called again after PGBOUNCER_STATEMENT_BROKEN. */
enum pgbouncer_statement pgbouncer_lines_next(struct pgbouncer_lines *lines,
                                              struct err *err) MUST_CHECK;

/* --- a connect string of PgBouncer's ini, "key=value key='it''s'", as pairs; pgbouncer(5),
 * "Section [databases]" --- */

struct pgbouncer_pair {
	char *key, *value; /* never empty */
};

struct pgbouncer_pairs { /* sorted by key */
	struct pgbouncer_pair *pairs;
	size_t count;
};

/* Reads as PgBouncer does, and refuses what PgBouncer refuses. `strict`: refuses also what
 * PgBouncer reads differently from what it looks like. Errors show keys but never values, because a
 * value may be a password. */
bool pgbouncer_pairs_parse(const char *text, size_t len, bool strict, struct pgbouncer_pairs *out,
                           struct err *err) MUST_CHECK;
void pgbouncer_pairs_free(struct pgbouncer_pairs *pairs);

/* NULL: there is no such key. */
const char *pgbouncer_pairs_get(const struct pgbouncer_pairs *pairs, const char *key);

/* Appends "key='value'", after a space if `out` is not empty. */
void pgbouncer_pair_append(const struct pgbouncer_pair *pair, struct strbuf *out);

#endif
