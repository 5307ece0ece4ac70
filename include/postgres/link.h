/* One connection of libpq's in the event loop, and one simple query at a time over it: the only
 * place that waits for a PostgreSQL server or a PgBouncer. Whatever the other end sends, it is
 * bounded: bytes (postgres/relay_internal.h), results and rows; COPY ends the connection. It knows
 * no time: whoever asks sets the deadline, and closes. */
#ifndef SEGUE_POSTGRES_LINK_H
#define SEGUE_POSTGRES_LINK_H

#include "postgres/libpq.h"

struct event_base;
struct pq_link;

enum pq_link_state {
	PQ_LINK_CLOSED,
	PQ_LINK_CONNECTING,
	PQ_LINK_ASKING, /* a query is out */
	PQ_LINK_READY,  /* connected, nothing asked; watched for its end */
};

enum pq_link_event {
	PQ_LINK_CONNECTED,
	PQ_LINK_ANSWERED, /* pq_link_take_result() has the answer */
	PQ_LINK_LOST,     /* not connected, or not any more: to be closed; pq_link_conn() and
	                     pq_link_problem() say why */
};

/* Never called inside pq_link_open() or pq_link_ask(), never after pq_link_close(). */
typedef void pq_link_cb(enum pq_link_event event, void *arg);

/* Of one answer. */
struct pq_link_limits {
	size_t bytes; /* with all that comes in between */
	int rows;
};

/* `pq` is borrowed, and filled by libpq_load() before pq_link_open(). */
struct pq_link *pq_link_create(struct event_base *base, const struct libpq *pq, pq_link_cb *cb,
                               void *arg) MUST_CHECK;
void pq_link_destroy(struct pq_link *link);

/* Takes over what PQconnectStart() returned, unless that is CONNECTION_BAD already: false. Then,
 * too, it is to be closed. */
bool pq_link_open(struct pq_link *link, PGconn *conn) MUST_CHECK;
void pq_link_close(struct pq_link *link);

/* In PQ_LINK_READY. False: the connection is over, and to be closed. */
bool pq_link_ask(struct pq_link *link, const char *sql,
                 const struct pq_link_limits *limits) MUST_CHECK;

/* Of several results the first error, or else the first one with rows, or else the first one. The
 * caller clears it. */
PGresult *pq_link_take_result(struct pq_link *link);

enum pq_link_state pq_link_state(const struct pq_link *link);
const PGconn *pq_link_conn(const struct pq_link *link);  /* NULL: closed */
const char *pq_link_problem(const struct pq_link *link); /* why segue ended it; NULL: it did not */
bool pq_link_spoke(const struct pq_link *link); /* the last that came while connecting was bytes */
bool pq_link_leaving(struct pq_link *link);     /* the server has said that it ends it */

#endif
