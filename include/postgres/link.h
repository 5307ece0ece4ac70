/* One libpq connection in the event loop, and one simple query at a time over it. This is the only
 * place that waits for a PostgreSQL server or a PgBouncer. What the other end sends is limited:
 * bytes (see sidecar/postgres/postgres_internal.h), results and rows; COPY ends the connection. It
 * has no timer: the caller sets the deadline, and closes. */
#ifndef SEGUE_POSTGRES_LINK_H
#define SEGUE_POSTGRES_LINK_H

#include "postgres/libpq.h"

struct event_base;
struct pq_link;

enum pq_link_state {
	PQ_LINK_CLOSED,
	PQ_LINK_CONNECTING,
	PQ_LINK_ASKING, /* a query is in progress */
	PQ_LINK_READY,  /* connected, no query; watched for the end of the connection */
};

enum pq_link_event {
	PQ_LINK_CONNECTED,
	PQ_LINK_ANSWERED, /* pq_link_take_result() returns the answer */
	/* Not connected, or no longer: call pq_link_close(). Before that, pq_link_conn() and
	 * pq_link_problem() say why. */
	PQ_LINK_LOST,
};

/* Never called from inside pq_link_open() or pq_link_ask(), never after pq_link_close(). */
typedef void pq_link_cb(struct pq_link *link, enum pq_link_event event, void *arg);

/* The limits of one answer. */
struct pq_link_limits {
	size_t bytes; /* received until the answer is complete */
	int rows;
};

/* `pq` is borrowed; libpq_load() has to fill it before pq_link_open(). */
struct pq_link *pq_link_create(struct event_base *base, const struct libpq *pq, pq_link_cb *cb,
                               void *arg) MUST_CHECK;
void pq_link_destroy(struct pq_link *link);

/* Takes over `conn`, which PQconnectStart() returned. False if it is NULL or CONNECTION_BAD;
 * pq_link_close() has to follow in this case, too. */
bool pq_link_open(struct pq_link *link, PGconn *conn) MUST_CHECK;
void pq_link_close(struct pq_link *link);

/* Only in PQ_LINK_READY. False: the connection has ended, and has to be closed. */
bool pq_link_ask(struct pq_link *link, const char *sql,
                 const struct pq_link_limits *limits) MUST_CHECK;

/* Returns the result that counts: the first error, else the first one with rows, else the first
 * one. The caller clears it. */
PGresult *pq_link_take_result(struct pq_link *link);

enum pq_link_state pq_link_state(const struct pq_link *link);
const PGconn *pq_link_conn(const struct pq_link *link);  /* NULL when closed */
const char *pq_link_problem(const struct pq_link *link); /* why segue ended it, or NULL */
/* True if the last thing that came while connecting was bytes, not the end. */
bool pq_link_spoke(const struct pq_link *link);
/* True if the server has announced that it ends the connection, or the connection is broken. */
bool pq_link_leaving(struct pq_link *link);

#endif
