/* Escaping of a value by the language it is put into. */
#ifndef SEGUE_RENDER_ESCAPE_H
#define SEGUE_RENDER_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

enum escape_mode {
	ESCAPE_NONE,
	ESCAPE_HAPROXY,   /* one argument of a config line, or a part of one, bare or inside "...",
	                     but   not inside '...': HAProxy Configuration Manual 2.2 "Quoting and
	                     escaping". An empty value is refused. */
	ESCAPE_PGBOUNCER, /* a whole value of a connect string of [databases], pgbouncer(5), or a
	                     part of one that needs no quotes (as each address of a list). An empty
	                     value is refused. */
	ESCAPE_HTML,
};

bool escape_mode_parse(const char *name, enum escape_mode *mode); /* none haproxy pgbouncer html */

/* Appends the escaped value. Fails, with the reason, where the language cannot carry the bytes (a
 * control character, say). */
bool escape_append(struct strbuf *out, enum escape_mode mode, const char *value, size_t len,
                   struct err *err) MUST_CHECK;

/* Appends the name of a server of PostgreSQL so that it can be that of a server of HAProxy's, or of
 * a database of PgBouncer's: a byte that is no letter, no digit and none of "_.-" becomes ":" or
 * "*", for PgBouncer, and two hexadecimal digits. No two names become one; other modes change
 * nothing. */
void escape_name(struct strbuf *out, enum escape_mode mode, const char *name);

#endif
