/* What an attempt that failed says of the server. Pure. By SQLSTATE wherever there is one, as the
 * words are in the language of the server. */
#ifndef SEGUE_POSTGRES_CLASSIFY_H
#define SEGUE_POSTGRES_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "topology/facts.h"

struct connect_failure {
	enum server_class class;
	bool cut;  /* the other end hung up without a word: once, it may be a crash in progress */
	bool shut; /* 57P03: it lets nobody in now, as it starts or shuts down */
	char problem[256]; /* one line of printable ASCII */
};

/* How a connection could not be made. `message` is libpq's, of PQERRORS_VERBOSE. `started`: it went
 * as far as waiting for the network; `spoke`: the server's last sign was bytes, not the end. */
struct classify_failure {
	const char *message;
	bool needs_password;
	bool started;
	bool spoke;
};
void classify_failure(const struct classify_failure *failure, struct connect_failure *out);

/* How a question failed on a connection that lives: most codes are about the question. `sqlstate`
 * may be NULL. */
void classify_error(const char *sqlstate, const char *message, struct connect_failure *out);

/* It is worth asking the same again: a conflict with recovery, a cancel. */
bool classify_may_pass(const char *sqlstate);

/* It is worth asking for less: not allowed, or no such table, column or schema. */
bool classify_is_refused(const char *sqlstate);

/* `text` as one line of printable ASCII, up to its first line feed. */
void classify_line(char *out, size_t size, const char *text);

#endif
