/* What a failed connection or query says about the server. Pure. The SQLSTATE decides wherever
 * there is one, because the text of a message is in the server's language. */
#ifndef SEGUE_POSTGRES_CLASSIFY_H
#define SEGUE_POSTGRES_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "topology/facts.h"

struct connect_failure {
	enum server_class class;
	/* the other end closed the connection without sending anything; if this happens only
	 * once, it may be a crash in progress */
	bool cut;
	bool shut;         /* 57P03: the server is starting up or shutting down */
	char problem[256]; /* one line of printable ASCII */
};

/* How a connection attempt failed. `message`: libpq's, with PQERRORS_VERBOSE. `started`: the
 * attempt got as far as waiting for the network. `spoke`: the last thing that came from the server
 * was bytes, not the end of the connection. */
struct classify_failure {
	const char *message;
	bool needs_password;
	bool started;
	bool spoke;
};
void classify_failure(const struct classify_failure *failure, struct connect_failure *out);

/* How a query failed on an open connection: most SQLSTATEs are then about the query, not about the
 * server. `sqlstate` may be NULL. */
void classify_error(const char *sqlstate, const char *message, struct connect_failure *out);

/* True if the same query may succeed when it is sent again: after a conflict with recovery or a
 * cancel. */
bool classify_may_pass(const char *sqlstate);

/* True if a query that asks for less may succeed: permission denied, or no such table, column or
 * schema. */
bool classify_is_refused(const char *sqlstate);

/* Copies `text` up to its first line feed; what is not printable ASCII becomes "?". */
void classify_line(char *out, size_t size, const char *text);

#endif
