/* PgBouncer's ini grammar, statement by statement: sections, NAME = VALUE, %include; comments and
 * blank lines are passed over. Pure, and borrows the text. libusual's cf_parse, as far as its
 * versions agree. */
#ifndef SEGUE_APPLY_PGBOUNCER_LINES_H
#define SEGUE_APPLY_PGBOUNCER_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

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

#endif
