/* One connection to one server: made when it is needed, asked one question at a time. An answer is
 * one row of a bounded size: whatever else comes ends the connection. Whoever asks sets the
 * deadline, and closes. */
#ifndef SEGUE_POSTGRES_CONNECTION_H
#define SEGUE_POSTGRES_CONNECTION_H

#include "postgres/classify.h"
#include "postgres/libpq.h"
#include "topology/topology.h"

struct event_base;
struct pg_connection;

/* What a session asks: one statement, or several of which one has a row, and who reads that row.
 * `answer` is what pg_connection_ask() was given. */
struct pg_connection_question {
	int columns;
	size_t bytes_max; /* of an answer, with all that comes in between */
	/* Borrowed until the answer. `reduced`: without what a role may be refused, or a server may
	 * lack; asked after such an error, as long as the connection lasts. */
	const char *(*sql)(const void *answer, bool reduced);
	/* NULL in the row is SQL's. On failure `answer` is as it was. */
	bool (*parse)(const char *const *row, void *answer, struct err *err);
};

enum pg_connection_outcome {
	PG_CONNECTION_ANSWERED, /* it is in `answer`, and the connection stays */
	PG_CONNECTION_FAILED,   /* the failure says how; the connection is closed */
	PG_CONNECTION_ENDED, /* a connection that had answered is gone: no word about the server yet
	                      */
	PG_CONNECTION_SHUT,  /* the server lets nobody in any more (57P03), though the connection
	                  lived: it is shutting down. The failure has its words; closed */
};

/* Once for each pg_connection_ask(), never inside it, never after pg_connection_close();
 * PG_CONNECTION_ENDED and PG_CONNECTION_SHUT also when nothing is asked. `failure` is NULL with
 * ANSWERED and ENDED. */
typedef void pg_connection_cb(enum pg_connection_outcome outcome,
                              const struct connect_failure *failure, void *arg);

/* `pq`, `question` and `conninfo` are borrowed. */
struct pg_connection *pg_connection_create(struct event_base *base, const struct libpq *pq,
                                           const struct pg_connection_question *question,
                                           const char *conninfo, const struct member *member,
                                           pg_connection_cb *cb, void *arg) MUST_CHECK;
void pg_connection_destroy(struct pg_connection *session);

/* Connects where there is no connection. `answer` gets what the question's parse() writes; it is
 * borrowed until the callback or pg_connection_close(). */
void pg_connection_ask(struct pg_connection *session, void *answer);

/* To be called after an answer. When the connection is older than that, another one is made beside
 * it, which takes its place as soon as it is there: this is how a smart shutdown is seen. Any
 * failure but 57P03 changes nothing, and it is tried again as much later. */
#define SESSION_LIFE_MS 5000
void pg_connection_renew(struct pg_connection *session);
void pg_connection_close(struct pg_connection *session); /* whatever is under way */
bool pg_connection_connected(const struct pg_connection *session);

/* How a connection to a server is begun, for postgres/connection.c: libpq's asynchronous way. */

/* To be looked at with PQstatus() and ended with PQfinish(), as PQconnectStartParams() has it.
 * Nothing is looked up: member->address is numeric. */
PGconn *dial(const struct libpq *pq, const char *conninfo, const struct member *member);

#endif
