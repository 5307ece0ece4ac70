/* What a PostgreSQL server sends, looked at before libpq reads it. Pure. Only the heads of the
 * messages are read, and of SCRAM's first message the number of iterations: libpq would compute
 * them with the loop standing still. What comes encrypted cannot be looked at. */
#ifndef SEGUE_POSTGRES_RELAY_INTERNAL_H
#define SEGUE_POSTGRES_RELAY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PQ_ITERATIONS_MAX 100000 /* of SCRAM: some 50 ms of computing; PostgreSQL's own is 4096 */
#define PQ_PARAMETERS_MAX 500    /* of a connection: libpq keeps each name for good */

struct pq_scan {
	enum pq_scan_state {
		PQ_SCAN_HEAD,      /* between two messages, or in the five bytes of a head */
		PQ_SCAN_BODY,      /* in the rest of a message */
		PQ_SCAN_TLS_REPLY, /* one byte: whether TLS follows */
		PQ_SCAN_OPAQUE,    /* encrypted */
	} state;
	unsigned char head[5];
	size_t head_len;
	size_t left;    /* bytes of the body still to come */
	char body[512]; /* the first of them, of a message about authentication */
	size_t body_len;
	unsigned parameters;
};

/* `state`: what comes first. */
void pq_scan_init(struct pq_scan *scan, enum pq_scan_state state);

/* The next bytes. False: they, and all that follow, must not be read. */
bool pq_scan_take(struct pq_scan *scan, const void *bytes, size_t len, struct err *err) MUST_CHECK;

/* Stands between libpq and the other end of its connection: libpq reads whatever comes, as long as
 * it comes, into memory that grows to what a message says of itself. So it gets a socket pair in
 * the place of its socket, and a bounded number of bytes through that, a few KB in one turn of the
 * loop, looked at before (relay_internal.h). TLS passes through as it is. */

struct event_base;
struct pq_relay;

/* Something has come to where libpq reads it; may destroy the relay. */
typedef void pq_relay_cb(void *arg);

/* `fd` is libpq's, connected, nothing read from it yet, and no event is on it; the number stays
 * and leads through the relay. `first`: what comes first. */
struct pq_relay *pq_relay_insert(struct event_base *base, int fd, enum pq_scan_state first,
                                 pq_relay_cb *cb, void *arg, struct err *err) MUST_CHECK;
/* libpq has opened another socket under its number, or `fd` is another number. */
bool pq_relay_is_of(const struct pq_relay *relay, int fd);
/* After PQfinish(): what libpq has written is sent, as far as that goes at once. */
void pq_relay_destroy(struct pq_relay *relay);

/* What libpq has written goes out without a turn of the loop. */
void pq_relay_send(struct pq_relay *relay);

/* From now on the other end may send `bytes`; then, as for what the scan refuses, libpq sees the
 * end of the connection. */
void pq_relay_allow(struct pq_relay *relay, size_t bytes);
/* Why the relay ended it; NULL: it did not. */
const char *pq_relay_problem(const struct pq_relay *relay);

#endif
