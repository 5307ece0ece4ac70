/* Scans what a PostgreSQL server sends before libpq reads it. Pure. Only the message headers are
 * read, and the number of iterations in the first message of SCRAM: libpq would compute them and
 * block the event loop. Encrypted bytes cannot be scanned. */
#ifndef SEGUE_POSTGRES_RELAY_INTERNAL_H
#define SEGUE_POSTGRES_RELAY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PQ_ITERATIONS_MAX 100000 /* of SCRAM, about 50 ms; PostgreSQL's default is 4096 */
#define PQ_PARAMETERS_MAX 500    /* of one connection: libpq never frees the names */

struct pq_scan {
	enum pq_scan_state {
		PQ_SCAN_HEAD,      /* between two messages, or in the five bytes of a header */
		PQ_SCAN_BODY,      /* in the body of a message */
		PQ_SCAN_TLS_REPLY, /* one byte: whether TLS follows */
		PQ_SCAN_OPAQUE,    /* encrypted */
	} state;
	unsigned char head[5];
	size_t head_len;
	size_t left;    /* bytes of the body that have not come yet */
	char body[512]; /* the first bytes, if the message is about authentication */
	size_t body_len;
	unsigned parameters;
};

/* `state`: what comes first. */
void pq_scan_init(struct pq_scan *scan, enum pq_scan_state state);

/* Scans the next bytes. False: these bytes and all that follow must not be read. */
bool pq_scan_take(struct pq_scan *scan, const void *bytes, size_t len, struct err *err) MUST_CHECK;

/* The relay between libpq and its connection. libpq reads whatever comes, as long as it comes, into
 * memory that grows to the length that a message claims. Therefore libpq gets a socket pair in
 * place of its socket. Through it comes a limited number of bytes, a few kB per loop iteration, and
 * they are scanned first. TLS passes unchanged. */

struct event_base;
struct pq_relay;

/* Something has come to where libpq reads it. The relay may be destroyed in it. */
typedef void pq_relay_cb(void *arg);

/* `fd` is libpq's socket: connected, nothing read from it yet, and without an event. The number
 * stays the same, and leads through the relay from now on. `first`: what comes first. */
struct pq_relay *pq_relay_insert(struct event_base *base, int fd, enum pq_scan_state first,
                                 pq_relay_cb *cb, void *arg, struct err *err) MUST_CHECK;
/* False: libpq has opened another socket under this number, or `fd` is another number. */
bool pq_relay_is_of(const struct pq_relay *relay, int fd);
/* Call this after PQfinish(): sends what libpq has written, as far as possible without waiting. */
void pq_relay_destroy(struct pq_relay *relay);

/* Sends what libpq has written now, not in the next loop iteration. */
void pq_relay_send(struct pq_relay *relay);

/* From now on the other end may send `bytes`. After these, or after bytes that the scan refuses,
 * libpq sees the end of the connection. */
void pq_relay_allow(struct pq_relay *relay, size_t bytes);
/* Why the relay ended the connection; NULL if it did not. */
const char *pq_relay_problem(const struct pq_relay *relay);

#endif
