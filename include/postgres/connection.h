/* One connection to one server. It is opened when a question has to be asked, and carries one
 * question at a time. An answer is one row of limited size; anything else ends the connection. The
 * caller sets the deadline, and closes. */
#ifndef SEGUE_POSTGRES_CONNECTION_H
#define SEGUE_POSTGRES_CONNECTION_H

#include "postgres/classify.h"
#include "postgres/libpq.h"
#include "topology/topology.h"

struct event_base;
struct pg_connection;

/* What is asked over a connection: one statement, or several of which one returns a row, and the
 * function that parses that row. `answer` is what pg_connection_ask() was given. */
struct pg_connection_question {
	int columns;
	size_t bytes_max; /* received until the answer is complete */
	/* The statement; borrowed until the answer. `reduced`: without the parts that the role may
	 * not read or the server may not have. The reduced statement is used after such an error,
	 * as long as the connection lasts. */
	const char *(*sql)(const void *answer, bool reduced);
	/* NULL in `row` is an SQL NULL. On failure `answer` is unchanged. */
	bool (*parse)(const char *const *row, void *answer, struct err *err);
};

enum pg_connection_outcome {
	PG_CONNECTION_ANSWERED, /* the row is in `answer`; the connection stays open */
	PG_CONNECTION_FAILED,   /* `failure` says how; the connection is closed */
	/* A connection that had answered has ended. This alone proves nothing about the server. */
	PG_CONNECTION_ENDED,
	/* 57P03, although a connection was open: the server is shutting down. `failure` has the
	 * server's message; the connection is closed. */
	PG_CONNECTION_SHUT,
};

/* Called once for each pg_connection_ask(), never from inside it, never after
 * pg_connection_close(). PG_CONNECTION_ENDED and PG_CONNECTION_SHUT are also reported when nothing
 * is asked. `failure` is NULL for ANSWERED and ENDED. */
typedef void pg_connection_cb(enum pg_connection_outcome outcome,
                              const struct connect_failure *failure, void *arg);

/* `pq`, `question` and `conninfo` are borrowed. */
struct pg_connection *pg_connection_create(struct event_base *base, const struct libpq *pq,
                                           const struct pg_connection_question *question,
                                           const char *conninfo, const struct member *member,
                                           pg_connection_cb *cb, void *arg) MUST_CHECK;
void pg_connection_destroy(struct pg_connection *connection);

/* Connects first if there is no connection. question->parse() writes into `answer`, which is
 * borrowed until the callback or pg_connection_close(). */
void pg_connection_ask(struct pg_connection *connection, void *answer);

/* Call this after an answer. If the connection is older than PG_CONNECTION_LIFE_MS, a second one is
 * opened, which replaces it as soon as it is connected. This detects a smart shutdown: the server
 * refuses the second connection with 57P03. Any other failure changes nothing, and the next attempt
 * follows after the same time. */
#define PG_CONNECTION_LIFE_MS 5000
void pg_connection_renew(struct pg_connection *connection);
void pg_connection_close(struct pg_connection *connection); /* cancels what is in progress */
bool pg_connection_connected(const struct pg_connection *connection);

#endif
