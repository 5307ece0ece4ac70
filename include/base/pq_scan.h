/* What a PostgreSQL server sends, looked at before libpq reads it. Pure. Only the heads of the
 * messages are read, and of SCRAM's first message the number of iterations: libpq would compute
 * them with the loop standing still. What comes encrypted cannot be looked at. */
#ifndef SEGUE_BASE_PQ_SCAN_H
#define SEGUE_BASE_PQ_SCAN_H

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

#endif
