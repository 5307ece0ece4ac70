/* How a connection to a server is begun, for session.c: libpq's asynchronous way. */
#ifndef SEGUE_VERIFY_DIAL_H
#define SEGUE_VERIFY_DIAL_H

#include "base/libpq.h"
#include "topology.h"

/* To be looked at with PQstatus() and ended with PQfinish(), as PQconnectStartParams() has it.
 * Nothing is looked up: member->address is numeric. */
PGconn *dial(const struct libpq *pq, const char *conninfo, const struct member *member);

#endif
