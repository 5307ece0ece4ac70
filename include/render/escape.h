/* Escapes a value for the language of the text that it is put into. */
#ifndef SEGUE_RENDER_ESCAPE_H
#define SEGUE_RENDER_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

enum escape_mode {
	ESCAPE_NONE,
	/* One argument of a config line, or a part of one, without quotes or inside "...", but not
	 * inside '...': HAProxy Configuration Manual 2.2 "Quoting and escaping". An empty value is
	 * refused. */
	ESCAPE_HAPROXY,
	/* A whole value of a connect string in [databases], pgbouncer(5), or a part of one that
	 * needs no quotes (such as each address in a list). An empty value is refused. */
	ESCAPE_PGBOUNCER,
	ESCAPE_HTML,
};

/* `name`: none, haproxy, pgbouncer or html. */
bool escape_mode_parse(const char *name, enum escape_mode *mode);

/* Appends the escaped value. Fails if the language cannot express the bytes (for example a control
 * character); `err` says why. */
bool escape_append(struct strbuf *out, enum escape_mode mode, const char *value, size_t len,
                   struct err *err) MUST_CHECK;

/* Appends the name of a PostgreSQL server in a form that is valid as the name of a HAProxy server
 * or of a PgBouncer database. A byte that is not a letter, a digit or one of "_.-" becomes ":"
 * (HAProxy) or "*" (PgBouncer) and two hexadecimal digits. Different names stay different. Other
 * modes change nothing. */
void escape_name(struct strbuf *out, enum escape_mode mode, const char *name);

#endif
