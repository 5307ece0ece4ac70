/* Stands between libpq and the other end of its connection: libpq reads whatever comes, as long as
 * it comes, into memory that grows to what a message says of itself. So it gets a socket pair in
 * the place of its socket, and a bounded number of bytes through that, a few KB in one turn of the
 * loop, looked at before (pq_scan.h). TLS passes through as it is. */
#ifndef SEGUE_BASE_PQ_RELAY_H
#define SEGUE_BASE_PQ_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/pq_scan.h"

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
